/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stack.h: the stacks of coroutines. A stack is STACK_BYTES of address space
 * of which only the pages that were ever touched cost memory, above a page
 * that nobody may touch: who runs over it gets SIGSEGV instead of a
 * neighbour's data.
 */
#ifndef TINE_CHILD_STACK_H
#define TINE_CHILD_STACK_H

#include <stdbool.h>
#include <stddef.h>

#define STACK_BYTES 65536

/* Where a stack that is not in use keeps its place in the list: its top, which
 * was touched before. */
struct stack_link {
	struct stack_link *next;
};

/* Stacks that wait for their next use. One thread's. */
struct stack_pool {
	struct stack_link *free;
	size_t nfree;
};

/* The lowest byte of STACK_BYTES that may be used; NULL and errno: ENOMEM when
 * there is no memory, or no mapping more (vm.max_map_count: two a stack). */
void *stack_get(struct stack_pool *);
/* Nothing on it is needed any more; NULL is accepted. Not the one that the
 * caller stands on. */
void stack_put(struct stack_pool *, void *stack);
/* Unmap what waits; what is out stays. */
void stack_pool_fini(struct stack_pool *);
/* Is this address in the page below that stack? For the line of a crash: safe
 * in a signal handler. */
bool stack_is_overrun(const void *stack, const void *address);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stack.c: the stacks of coroutines. Runs in children. Owns the stacks that
 * were given back; a mapping costs two calls into the system, so some are kept.
 */
#include "child/stack.h"

#include <sys/mman.h>

#include <stdint.h>
#include <unistd.h>

/* What a burst leaves behind is given back to the system beyond this. */
#define KEPT_MAX 128

static size_t
guard_bytes(void)
{
	static size_t bytes;

	if (bytes == 0)
		bytes = (size_t)sysconf(_SC_PAGESIZE);
	return bytes;
}

static struct stack_link *
link_of(void *stack)
{
	return (struct stack_link *)(void *)((char *)stack + STACK_BYTES -
	    sizeof(struct stack_link));
}

static void *
stack_of(struct stack_link *link)
{
	return (char *)(link + 1) - STACK_BYTES;
}

static void
unmap(void *stack)
{
	(void)munmap((char *)stack - guard_bytes(),
	    STACK_BYTES + guard_bytes());
}

static void *
map(void)
{
	char *low;

	/* The guard is what is left without rights. */
	low = mmap(NULL, STACK_BYTES + guard_bytes(), PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (low == MAP_FAILED)
		return NULL;
	if (mprotect(low + guard_bytes(), STACK_BYTES,
		PROT_READ | PROT_WRITE) == -1) {
		(void)munmap(low, STACK_BYTES + guard_bytes());
		return NULL;
	}
	return low + guard_bytes();
}

void *
stack_get(struct stack_pool *p)
{
	struct stack_link *link = p->free;

	if (link == NULL)
		return map();
	p->free = link->next;
	p->nfree--;
	return stack_of(link);
}

void
stack_put(struct stack_pool *p, void *stack)
{
	if (stack == NULL)
		return;
	if (p->nfree >= KEPT_MAX) {
		unmap(stack);
		return;
	}
	link_of(stack)->next = p->free;
	p->free = link_of(stack);
	p->nfree++;
}

void
stack_pool_fini(struct stack_pool *p)
{
	struct stack_link *link;

	while ((link = p->free) != NULL) {
		p->free = link->next;
		unmap(stack_of(link));
	}
	p->nfree = 0;
}

bool
stack_is_overrun(const void *stack, const void *address)
{
	uintptr_t low = (uintptr_t)stack - guard_bytes();
	uintptr_t at = (uintptr_t)address;

	return at >= low && at < (uintptr_t)stack;
}

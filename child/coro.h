/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * coro.h: functions that stop in the middle and go on later, each on a stack of
 * its own. The loop resumes one; it runs until it yields or returns; the loop
 * goes on. A switch is a function call that changes the stack pointer: no call
 * into the system, about as dear as two calls.
 */
#ifndef TINE_CHILD_CORO_H
#define TINE_CHILD_CORO_H

#include <stdbool.h>

#include "child/stack.h"

/* One function under way. Embedded in what it works for. */
struct coro {
	void *sp;    /* where it stopped; of the loop while it runs */
	void *stack; /* of the pool; NULL: it has returned, or never begun */
	void (*fn)(void *arg);
	void *arg;
	void *fake;          /* the address sanitizer's notes */
	unsigned registered; /* valgrind's number of the stack */
	bool has_returned;
};

/* Prepare to call fn(arg); nothing runs yet. -1: no memory for a stack, errno
 * is set. */
int coro_init(struct coro *, struct stack_pool *, void (*fn)(void *arg),
    void *arg);
/*
 * Let it run until it yields or returns; true when it has returned, and then
 * its stack is back in the pool. From the loop only, never from within a
 * coroutine.
 */
bool coro_resume(struct coro *, struct stack_pool *);
/* Stop the one that runs; returns when it is resumed. */
void coro_yield(void);
/* The one that runs, or NULL: the loop does. */
struct coro *coro_current(void);
/* It will never be resumed again: what it holds on its stack is lost. */
void coro_drop(struct coro *, struct stack_pool *);

#endif

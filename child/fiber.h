/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fiber.h: coroutines that the loop knows: they wait, for something or for a
 * time, and are woken. Private to child/; on the loop's thread only.
 */
#ifndef TINE_CHILD_FIBER_H
#define TINE_CHILD_FIBER_H

#include <bsd/sys/queue.h>
#include <ev.h>
#include <tine.h>

#include "child/coro.h"

struct child;
struct family;

struct fiber {
	struct coro coro; /* first */
	struct tine_child *server;
	struct fiber *parent;     /* that spawned it, or NULL */
	struct family *family;    /* that shares its streams */
	struct tine_stream *home; /* whose life it is, or NULL */
	void (*fn)(void *arg);
	void *arg;
	TAILQ_ENTRY(fiber) entry; /* of all */
	TAILQ_ENTRY(fiber) ready; /* of those to be resumed */
	ev_timer timer;
	double until;       /* child_now() when a wait ends; 0: never */
	size_t size;        /* of this, for the pool */
	unsigned nchildren; /* that have not returned */
	bool has_begun;
	bool is_ready;
	bool is_joining;
	bool has_timed_out;
};

TAILQ_HEAD(fiber_list, fiber);

/* All of a child. */
struct fibers {
	struct fiber_list all, ready;
	struct stack_pool stacks;
	bool is_ending; /* no wait ends well any more */
};

void fibers_init(struct child *);
/* Before the loop waits: resume those that are ready by now, once each. */
void fibers_run(struct child *);
/* Is there one that wants the next turn? */
bool fibers_are_ready(const struct child *);
/* Let each return: nothing that it waits for comes any more. What has not
 * returned after some turns is dropped. */
void fibers_end(struct child *);
void fibers_fini(struct child *);

/* fn(arg) on a stack of its own, by fiber_resume() or fiber_wake(). NULL: no
 * memory, errno is set. */
struct fiber *fiber_new(struct tine_child *, struct fiber *parent,
    void (*fn)(void *arg), void *arg);
/* It has returned, or shall never go on. Not the one that runs. */
void fiber_drop(struct fiber *);
/* The one that runs; NULL: a callback does. */
struct fiber *fiber_current(void);
/* It goes on before the loop waits. NULL is accepted, harmless twice. */
void fiber_wake(struct fiber *);
/* As fiber_wake(), but now, unless another one runs: from a callback that
 * nothing is in the middle of. It may be gone after this. */
void fiber_resume(struct fiber *);
/*
 * Let the loop go on until the current one is woken, or child_now() has reached
 * `until` (0: never). 0; or -1 with errno ETIMEDOUT, or TINE_E_CLOSED when the
 * child ends.
 */
int fiber_wait(double until);
/* Another time for the one that waits. */
void fiber_set_until(struct fiber *, double until);
/* Is a call that must wait made where nothing can? Then errno is EPERM and its
 * handler is blamed. */
bool fiber_is_missing(struct tine_child *, const char *call);

#endif

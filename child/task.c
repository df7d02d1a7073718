/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * task.c: the queues from other threads to the loop. Runs in children, in all
 * of their threads. A queue is a stack to those who push, with one atomic
 * exchange of its top; the loop takes all of it at once and turns it round. No
 * thread ever waits for another one. Who pushes onto an empty queue wakes the
 * loop, and libev writes to its eventfd only while the loop sleeps: however
 * many are pushed between two turns, that is one system call at most.
 *
 * Threads have no word from us when the child leaves, so the queues are the
 * process's and outlive it: to push is safe at any time.
 */
#include "child/task.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "child/child.h"

#define NQUEUES 2
/* Ordinary tasks of one turn: the connections wait no longer than for these. */
#define ORDINARY_A_TURN 256
/* Notes that need no allocator. */
#define RESERVE 1024

/* The top of a queue that takes no more. */
static struct task closed;

static struct {
	struct task *tops[NQUEUES]; /* by enum tine_priority */
	/* Threads that may be about to wake the loop. */
	unsigned senders;

	/* the loop's own */
	struct child *child;
	bool is_closed;
	ev_async wake;
	struct list {
		struct task *first, **end;
	} rests[NQUEUES]; /* what was taken and did not run yet */
} gate = { .tops = { &closed, &closed } };

/* Notes are numbered from 1. What is not in use is a stack whose top carries
 * a count of its changes: a thread that was away while others took and gave
 * back must not find the old top. */
static struct {
	uint64_t top; /* count << 32 | number */
	uint32_t made;
	struct task_note notes[RESERVE];
} reserve;

/* ---- notes ---- */

static struct task_note *
take_spare(void)
{
	uint64_t top = __atomic_load_n(&reserve.top, __ATOMIC_ACQUIRE), next;
	uint32_t number;

	while ((number = (uint32_t)top) != 0) {
		next = __atomic_load_n(&reserve.notes[number - 1].spare,
		    __ATOMIC_RELAXED);
		next |= ((top >> 32) + 1) << 32;
		if (__atomic_compare_exchange_n(&reserve.top, &top, next, true,
			__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			return &reserve.notes[number - 1];
	}
	/* So that a child without threads never touches this memory. */
	if (__atomic_load_n(&reserve.made, __ATOMIC_RELAXED) >= RESERVE)
		return NULL;
	number = __atomic_fetch_add(&reserve.made, 1, __ATOMIC_RELAXED);
	return number < RESERVE ? &reserve.notes[number] : NULL;
}

struct task_note *
task_note_new(void (*run)(struct child *, struct task *))
{
	struct task_note *n = take_spare();

	if (n == NULL)
		n = malloc(sizeof(*n));
	if (n == NULL)
		errno = ENOMEM;
	else
		n->task.run = run;
	return n;
}

void
task_note_free(struct task_note *n)
{
	uint64_t top, next;

	if (n < reserve.notes || n >= reserve.notes + RESERVE) {
		free(n);
		return;
	}
	top = __atomic_load_n(&reserve.top, __ATOMIC_RELAXED);
	do {
		__atomic_store_n(&n->spare, (uint32_t)top, __ATOMIC_RELAXED);
		next = (((top >> 32) + 1) << 32) |
		    (uint32_t)(n - reserve.notes + 1);
	} while (!__atomic_compare_exchange_n(&reserve.top, &top, next, true,
	    __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

/* ---- in ---- */

int
task_push(struct task *t, enum tine_priority priority)
{
	struct task **queue =
	    &gate.tops[priority == TINE_URGENT ? TINE_URGENT : TINE_ORDINARY];
	struct task *top;
	int rc = 0;

	/* task_fini() waits for those who saw an open queue. */
	(void)__atomic_fetch_add(&gate.senders, 1, __ATOMIC_RELAXED);
	top = __atomic_load_n(queue, __ATOMIC_RELAXED);
	do
		t->next = top;
	while (top != &closed &&
	    !__atomic_compare_exchange_n(queue, &top, t, true, __ATOMIC_ACQ_REL,
		__ATOMIC_RELAXED));
	if (top == NULL) {
		ev_async_send(gate.child->loop, &gate.wake);
	} else if (top == &closed) {
		errno = ESHUTDOWN;
		rc = -1;
	}
	(void)__atomic_fetch_sub(&gate.senders, 1, __ATOMIC_RELEASE);
	return rc;
}

/* ---- out ---- */

/* Take what was pushed, and leave `top` in its place. */
static void
take(enum tine_priority priority, struct task *top)
{
	struct list *rest = &gate.rests[priority];
	struct task *t, *next, *first = NULL, *last;

	/* The usual turn pays no locked instruction for the other queue. */
	if (__atomic_load_n(&gate.tops[priority], __ATOMIC_RELAXED) == top)
		return;
	t = __atomic_exchange_n(&gate.tops[priority], top, __ATOMIC_ACQUIRE);
	if (t == &closed || t == NULL)
		return;
	last = t;
	for (; t != NULL; t = next) {
		next = t->next;
		t->next = first;
		first = t;
	}
	*rest->end = first;
	rest->end = &last->next;
}

static void
run(struct list *l, size_t most)
{
	struct task *t;

	while (most-- > 0 && (t = l->first) != NULL) {
		l->first = t->next;
		if (l->first == NULL)
			l->end = &l->first;
		t->run(gate.child, t);
	}
}

static void
on_wake(struct ev_loop *loop, ev_async *w, int revents)
{
	(void)revents;
	if (gate.is_closed)
		return; /* the rest is for task_fini() */
	take(TINE_URGENT, NULL);
	take(TINE_ORDINARY, NULL);
	run(&gate.rests[TINE_URGENT], SIZE_MAX);
	run(&gate.rests[TINE_ORDINARY], ORDINARY_A_TURN);
	/* Costs nothing: the loop is awake and will not sleep. */
	if (gate.rests[TINE_ORDINARY].first != NULL)
		ev_async_send(loop, w);
}

/* ---- life ---- */

void
task_init(struct child *ch)
{
	size_t i;

	gate.child = ch;
	gate.is_closed = false;
	ev_async_init(&gate.wake, on_wake);
	ev_async_start(ch->loop, &gate.wake);
	for (i = 0; i < NQUEUES; i++) {
		gate.rests[i].first = NULL;
		gate.rests[i].end = &gate.rests[i].first;
		__atomic_store_n(&gate.tops[i], NULL, __ATOMIC_RELEASE);
	}
}

struct child *
task_child(void)
{
	return gate.child;
}

void
task_close(void)
{
	if (gate.child == NULL)
		return;
	gate.is_closed = true;
	take(TINE_URGENT, &closed);
	take(TINE_ORDINARY, &closed);
}

void
task_fini(struct child *ch)
{
	if (gate.child != ch)
		return;
	task_close();
	run(&gate.rests[TINE_URGENT], SIZE_MAX);
	run(&gate.rests[TINE_ORDINARY], SIZE_MAX);
	while (__atomic_load_n(&gate.senders, __ATOMIC_ACQUIRE) > 0)
		(void)sched_yield();
	ev_async_stop(ch->loop, &gate.wake);
	gate.child = NULL;
}

/* ---- tine.h ---- */

static void
run_post(struct child *ch, struct task *t)
{
	struct task_note n = *(struct task_note *)t;

	(void)ch;
	task_note_free((struct task_note *)t);
	call_enter(n.server, NULL, BOARD_IN_TASK);
	n.fn(n.server, n.arg);
	call_leave(n.server);
}

int
tine_post(struct tine_child *s, enum tine_priority priority,
    void (*fn)(struct tine_child *, void *), void *arg)
{
	struct task_note *n = task_note_new(run_post);

	if (n == NULL)
		return -1;
	n->server = s;
	n->fn = fn;
	n->arg = arg;
	if (task_push(&n->task, priority) == 0)
		return 0;
	task_note_free(n);
	return -1;
}

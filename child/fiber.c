/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fiber.c: coroutines that the loop knows. Runs in children, on the loop's
 * thread. Owns who is ready: they are resumed before the loop waits, each once
 * a turn, so that two that wake each other leave room for everybody else.
 * Knows nothing of connections.
 */
#include "child/fiber.h"

#include <errno.h>
#include <stdio.h>

#include "child/child.h"
#include "child/stream.h"
#include "child/task.h"

/* At the end of a child: who calls more functions that fail than this is not
 * about to return. */
#define LAST_TURNS 16
/* 0 would mean for ever. */
#define SLEEP_SECONDS_MIN 1e-6
#define SLEEP_SECONDS_MAX 1e8

struct fiber *
fiber_current(void)
{
	return (struct fiber *)(void *)coro_current();
}

static struct fibers *
fibers_of(const struct fiber *f)
{
	return &f->server->child->fibers;
}

/* ---- the life of one ---- */

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct fiber *f = w->data;
	double left = f->until - child_now(f->server->child);

	(void)revents;
	/* A wait that ended in time leaves the timer as it is. */
	if (f->until == 0)
		return;
	if (left > 0) {
		ev_timer_set(w, left, 0.);
		ev_timer_start(loop, w);
		return;
	}
	f->has_timed_out = true;
	fiber_wake(f);
}

static void
live(void *arg)
{
	struct fiber *f = arg;

	f->has_begun = true;
	f->fn(f->arg);
}

struct fiber *
fiber_new(struct tine_child *s, struct fiber *parent, void (*fn)(void *),
    void *arg)
{
	struct child *ch = s->child;
	size_t size;
	struct fiber *f = pool_get(&ch->pool, sizeof(*f), &size);

	if (f == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	*f = (struct fiber){
		.server = s,
		.parent = parent,
		.fn = fn,
		.arg = arg,
		.size = size,
	};
	f->family = family_join(ch, parent == NULL ? NULL : parent->family);
	if (f->family == NULL ||
	    coro_init(&f->coro, &ch->fibers.stacks, live, f) == -1) {
		family_leave(ch, f->family, f);
		pool_put(&ch->pool, f, size);
		errno = ENOMEM;
		return NULL;
	}
	ev_init(&f->timer, on_timer);
	f->timer.data = f;
	TAILQ_INSERT_TAIL(&ch->fibers.all, f, entry);
	if (parent != NULL)
		parent->nchildren++;
	return f;
}

static void
unready(struct fiber *f)
{
	if (f->is_ready)
		TAILQ_REMOVE(&fibers_of(f)->ready, f, ready);
	f->is_ready = false;
}

static void
tell_parent(struct fiber *f)
{
	struct fiber *parent = f->parent;

	if (parent != NULL && --parent->nchildren == 0 && parent->is_joining)
		fiber_wake(parent);
}

void
fiber_drop(struct fiber *f)
{
	struct child *ch = f->server->child;
	struct fiber *other;

	tell_parent(f);
	if (f->nchildren > 0)
		TAILQ_FOREACH(other, &ch->fibers.all, entry)
			if (other->parent == f)
				other->parent = NULL;
	family_leave(ch, f->family, f);
	ev_timer_stop(ch->loop, &f->timer);
	unready(f);
	TAILQ_REMOVE(&ch->fibers.all, f, entry);
	coro_drop(&f->coro, &ch->fibers.stacks);
	pool_put(&ch->pool, f, f->size);
}

void
fiber_wake(struct fiber *f)
{
	if (f == NULL || f->is_ready || f == fiber_current())
		return;
	f->is_ready = true;
	TAILQ_INSERT_TAIL(&fibers_of(f)->ready, f, ready);
}

void
fiber_resume(struct fiber *f)
{
	struct tine_child *s;
	struct doing outer;
	bool is_over;

	if (f == NULL || fiber_current() != NULL) {
		fiber_wake(f);
		return;
	}
	s = f->server;
	outer = s->child->doing;
	unready(f);
	call_enter(s, f->home == NULL ? NULL : stream_find_conn(f->home),
	    BOARD_IN_RUN);
	is_over = coro_resume(&f->coro, &s->child->fibers.stacks);
	call_leave(s);
	if (is_over)
		fiber_drop(f);
	if (outer.callback != BOARD_IN_NONE)
		call_enter(outer.server, outer.conn, outer.callback);
}

void
fiber_set_until(struct fiber *f, double until)
{
	const struct child *ch = f->server->child;
	double wait = until - child_now(ch);

	f->until = until;
	/* A timer that looks too early looks again: cheaper than to move it
	 * with each wait. */
	if (until == 0 ||
	    (ev_is_active(&f->timer) &&
		ev_timer_remaining(ch->loop, &f->timer) <= wait))
		return;
	ev_timer_stop(ch->loop, &f->timer);
	ev_timer_set(&f->timer, MAX_OF(wait, 0.), 0.);
	ev_timer_start(ch->loop, &f->timer);
}

int
fiber_wait(double until)
{
	struct fiber *f = fiber_current();
	const struct fibers *all = fibers_of(f);

	if (!all->is_ending)
		fiber_set_until(f, until);
	coro_yield();
	f->until = 0;
	if (!f->has_timed_out && !all->is_ending)
		return 0;
	f->has_timed_out = false;
	errno = all->is_ending ? TINE_E_CLOSED : ETIMEDOUT;
	return -1;
}

bool
fiber_is_missing(struct tine_child *s, const char *call)
{
	char what[96];

	if (fiber_current() != NULL)
		return false;
	if (s != NULL) {
		(void)snprintf(what, sizeof(what),
		    "%s() outside of run and of what tine_spawn() calls", call);
		server_blame(s, what);
	}
	errno = EPERM;
	return true;
}

/* ---- all of them ---- */

void
fibers_init(struct child *ch)
{
	TAILQ_INIT(&ch->fibers.all);
	TAILQ_INIT(&ch->fibers.ready);
}

bool
fibers_are_ready(const struct child *ch)
{
	return !TAILQ_EMPTY(&ch->fibers.ready);
}

void
fibers_run(struct child *ch)
{
	struct fiber *f, *last = TAILQ_LAST(&ch->fibers.ready, fiber_list);
	bool is_last = last == NULL;

	while (!is_last && (f = TAILQ_FIRST(&ch->fibers.ready)) != NULL) {
		is_last = f == last;
		fiber_resume(f);
	}
}

void
fibers_end(struct child *ch)
{
	unsigned turns = LAST_TURNS, left = 0;
	struct fiber *f;

	ch->fibers.is_ending = true;
	while (turns-- > 0 && !TAILQ_EMPTY(&ch->fibers.all)) {
		TAILQ_FOREACH(f, &ch->fibers.all, entry)
			if (f->has_begun)
				fiber_wake(f);
		fibers_run(ch);
	}
	while ((f = TAILQ_FIRST(&ch->fibers.all)) != NULL) {
		left += f->has_begun;
		fiber_drop(f);
	}
	if (left > 0)
		log_warn("%u coroutine%s did not return when the child ended",
		    left, left == 1 ? "" : "s");
}

void
fibers_fini(struct child *ch)
{
	stack_pool_fini(&ch->fibers.stacks);
}

/* ---- tine.h ---- */

int
tine_sleep(double seconds)
{
	struct fiber *f;

	if (call_is_foreign(NULL, "tine_sleep") ||
	    fiber_is_missing(call_server(), "tine_sleep"))
		return -1;
	if (!(seconds >= 0)) {
		errno = EINVAL;
		return -1;
	}
	f = fiber_current();
	seconds = MIN_OF(MAX_OF(seconds, SLEEP_SECONDS_MIN), SLEEP_SECONDS_MAX);
	if (fiber_wait(child_now(f->server->child) + seconds) == -1 &&
	    errno != ETIMEDOUT)
		return -1;
	return 0;
}

int
tine_spawn(void (*fn)(void *), void *arg)
{
	struct tine_child *s;
	struct fiber *f;

	if (call_is_foreign(NULL, "tine_spawn"))
		return -1;
	s = call_server();
	if (s == NULL || s->child->fibers.is_ending) {
		errno = s == NULL ? EPERM : TINE_E_CLOSED;
		return -1;
	}
	f = fiber_new(s, fiber_current(), fn, arg);
	fiber_wake(f);
	return f == NULL ? -1 : 0;
}

int
tine_join(void)
{
	struct fiber *f;
	int rc = 0;

	if (call_is_foreign(NULL, "tine_join") ||
	    fiber_is_missing(call_server(), "tine_join"))
		return -1;
	f = fiber_current();
	f->is_joining = true;
	while (rc == 0 && f->nchildren > 0)
		rc = fiber_wait(0);
	f->is_joining = false;
	return rc;
}

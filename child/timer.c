/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * timer.c: the timers of handlers. Runs in children. Each is a libev timer
 * that is set anew for each time: libev's own repeat would fire once more for
 * a time that was missed, and a handler that was late would be later still.
 */
#include "child/timer.h"

#include <errno.h>
#include <math.h>

#include "child/child.h"

/* A handler cannot make its child spin. */
#define EVERY_SECONDS_MIN 0.001
#define SECONDS_MAX 1e8
/* Of one server; more is a leak. */
#define TIMERS_MAX (1U << 20)

struct tine_timer {
	LIST_ENTRY(tine_timer) entry;
	ev_timer w;
	struct tine_child *server;
	void (*fn)(struct tine_child *, void *);
	void *arg;
	double due, every; /* child_now(); seconds, 0: once */
	size_t size;       /* of this, for the pool */
	bool is_running;
	bool is_stopped; /* by its own callback */
};

static void
remove_timer(struct tine_timer *t)
{
	struct tine_child *s = t->server;

	ev_timer_stop(s->child->loop, &t->w);
	LIST_REMOVE(t, entry);
	s->timers.count--;
	pool_put(&s->child->pool, t, t->size);
}

static void
wait_until_due(struct tine_timer *t)
{
	const struct child *ch = t->server->child;

	ev_timer_set(&t->w, MAX_OF(t->due - child_now(ch), 0.), 0.);
	ev_timer_start(ch->loop, &t->w);
}

static void
on_due(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct tine_timer *t = w->data;
	double late = child_now(t->server->child) - t->due;

	(void)loop;
	(void)revents;
	t->is_running = true;
	call_enter(t->server, NULL, BOARD_IN_TIMER);
	t->fn(t->server, t->arg);
	call_leave(t->server);
	t->is_running = false;
	if (t->is_stopped || t->every <= 0) {
		remove_timer(t);
		return;
	}
	/* In step, without the times that were missed. */
	t->due += t->every * (1 + floor(MAX_OF(late, 0.) / t->every));
	wait_until_due(t);
}

void
timer_fini(struct timer_list *l)
{
	struct tine_timer *t;

	while ((t = LIST_FIRST(&l->entries)) != NULL)
		remove_timer(t);
}

/* ---- tine.h ---- */

struct tine_timer *
tine_timer_start(struct tine_child *s, double after, double every,
    void (*fn)(struct tine_child *, void *), void *arg)
{
	struct tine_timer *t;
	size_t size;

	if (call_is_foreign(s, "tine_timer_start"))
		return NULL;
	if (!(after >= 0) || !(every >= 0)) {
		errno = EINVAL;
		return NULL;
	}
	if (s->timers.count >= TIMERS_MAX) {
		errno = ENOSPC;
		return NULL;
	}
	t = pool_get(&s->child->pool, sizeof(*t), &size);
	if (t == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	/* start may take its time before the loop's clock turns. */
	if (s->child->state == CHILD_STARTING)
		ev_now_update(s->child->loop);
	*t = (struct tine_timer){
		.server = s,
		.fn = fn,
		.arg = arg,
		.due = child_now(s->child) + MIN_OF(after, SECONDS_MAX),
		.size = size,
	};
	if (every > 0)
		t->every =
		    MIN_OF(MAX_OF(every, EVERY_SECONDS_MIN), SECONDS_MAX);
	ev_init(&t->w, on_due);
	t->w.data = t;
	LIST_INSERT_HEAD(&s->timers.entries, t, entry);
	s->timers.count++;
	wait_until_due(t);
	return t;
}

void
tine_timer_stop(struct tine_timer *t)
{
	if (t == NULL || call_is_foreign(t->server, "tine_timer_stop"))
		return;
	if (t->is_running)
		t->is_stopped = true;
	else
		remove_timer(t);
}

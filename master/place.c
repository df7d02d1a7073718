/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * place.c: room for one child: who is in it, who follows, and when the next
 * fork may be tried. Asks policy.c; forks through spawn.c between turns of the
 * loop only, never inside a callback.
 */
#include <stdlib.h>

#include "master/master.h"

#define TOKEN_RETRY_S 1.0
#define RATE_RETRY_S 0.1

static void
on_retry(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct place *pl = w->data;

	(void)loop;
	(void)revents;
	pl->is_due = true;
}

static void
retry_in(struct place *pl, double seconds)
{
	struct master *m = pl->master;

	pl->is_due = false;
	ev_timer_stop(m->loop, &pl->retry_w);
	ev_timer_set(&pl->retry_w, seconds, 0);
	ev_timer_start(m->loop, &pl->retry_w);
}

void
place_init(struct place *pl, struct master *m, int number)
{
	*pl = (struct place){ .master = m, .number = number, .is_due = true };
	ev_init(&pl->retry_w, on_retry);
	pl->retry_w.data = pl;
}

void
place_stop(struct place *pl)
{
	ev_timer_stop(pl->master->loop, &pl->retry_w);
	pl->is_due = false;
	pl->wants_successor = false;
}

/* May this place's fork happen now? If not, its timer is set. */
static bool
may_fork(struct place *pl)
{
	struct master *m = pl->master;
	uint64_t now = mono_ns();

	if (pl->wants_token) {
		if (policy_bucket_take(&m->bucket, now))
			return true;
		retry_in(pl, TOKEN_RETRY_S);
		return false;
	}
	/* The first child of a place replaces nobody. */
	if (m->state == MASTER_STARTING ||
	    policy_rate_pass(&m->at_once, POLICY_BURST_PER_SEC, now))
		return true;
	retry_in(pl, RATE_RETRY_S);
	return false;
}

static void
fork_one(struct place *pl)
{
	struct master *m = pl->master;
	struct err err;
	struct proc *p;
	unsigned missed;

	p = spawn_child(pl, &err);
	if (p == NULL) {
		/* No strike: it is not the child's fault. */
		m->last_error = err;
		if (log_limit_pass(&m->fork_log, &missed))
			log_error("%s; trying again", err.text);
		retry_in(pl, POLICY_FORK_RETRY_S);
		return;
	}
	pl->is_due = false;
	if (pl->incumbent == NULL)
		pl->incumbent = p;
	else
		pl->successor = p;
}

void
place_fork_due(struct master *m)
{
	int i;

	if (m->state != MASTER_STARTING && m->state != MASTER_RUNNING)
		return;
	for (i = 0; i < m->nplaces; i++) {
		struct place *pl = &m->places[i];

		if (pl->is_due && may_fork(pl))
			fork_one(pl);
	}
}

/* Its child is gone by itself: now, or after a while? */
static void
refill(struct place *pl, const struct proc *p)
{
	struct policy_death death = {
		.was_ready = p->ready_ns != 0,
		.wait_status = p->wait_status,
		.is_guilty = p->is_guilty,
	};

	if (death.was_ready)
		death.ready_for_ns = mono_ns() - p->ready_ns;
	if (death.ready_for_ns >= POLICY_CALM_NS)
		pl->strikes = 0;
	pl->restarts++;
	pl->wants_token = policy_is_strike(&death);
	if (!pl->wants_token) {
		pl->is_due = true;
		return;
	}
	pl->strikes++;
	retry_in(pl, policy_backoff(pl->strikes, drand48()));
}

void
place_on_death(struct place *pl, struct proc *p)
{
	struct master *m = pl->master;

	if (p == pl->successor) {
		pl->successor = NULL;
	} else if (p == pl->incumbent) {
		pl->incumbent = pl->successor;
		pl->successor = NULL;
	} else {
		return; /* it was draining */
	}
	if (m->state != MASTER_STARTING && m->state != MASTER_RUNNING)
		return;
	m->crashes++;
	if (pl->incumbent == NULL)
		pl->wants_successor = false;
	if (pl->incumbent == NULL || pl->wants_successor)
		refill(pl, p);
}

void
place_on_ready(struct place *pl, struct proc *p)
{
	struct proc *old = pl->incumbent;

	if (p != pl->successor)
		return;
	pl->incumbent = p;
	pl->successor = NULL;
	pl->wants_successor = false;
	if (old->state == PROC_READY)
		proc_drain(old, CTL_RECYCLED);
	else
		proc_end(old);
}

bool
place_recycle(struct place *pl)
{
	if (pl->wants_successor || pl->incumbent == NULL)
		return false;
	pl->wants_successor = true;
	pl->restarts++;
	/* A child that asks too often must not make the master fork for
	 * ever. */
	pl->wants_token = true;
	pl->is_due = true;
	return true;
}

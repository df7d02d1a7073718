/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * place.c: room for one child: who is in it, who follows, and when the next
 * fork may be tried. Asks policy.c; forks through spawn.c between turns of the
 * loop only, never inside a callback.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/master.h"

#define TOKEN_RETRY_S 1.0
#define RATE_RETRY_S 0.1
#define DRAINING_MOST 8 /* of one place, or none is recycled there */

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

/* Fork between this turn and the next, whatever the timer waited for. */
static void
fork_now(struct place *pl, bool wants_token)
{
	ev_timer_stop(pl->master->loop, &pl->retry_w);
	pl->is_due = true;
	pl->wants_token = wants_token;
}

void
place_init(struct place *pl, struct master *m, int number)
{
	*pl = (struct place){ .master = m, .number = number };
	(void)snprintf(pl->name, sizeof(pl->name),
	    number == HERITAGE_ADMIN          ? "admin child"
		: number == HERITAGE_ACCEPTOR ? "acceptor"
					      : "child %d",
	    number);
	ev_init(&pl->retry_w, on_retry);
	pl->retry_w.data = pl;
}

void
place_open(struct place *pl)
{
	struct master *m = pl->master;

	pl->generation =
	    pl->number == HERITAGE_ADMIN ? m->admin.generation : m->generation;
	pl->strikes = 0;
	fork_now(pl, false);
}

void
place_resume(struct place *pl, const struct place *as, struct generation *g,
    double retry)
{
	pl->wants_token = as->wants_token;
	pl->wants_successor = as->wants_successor;
	pl->holds = as->holds;
	pl->reason = as->reason;
	pl->strikes = as->strikes;
	pl->restarts = as->restarts;
	(void)memcpy(pl->last_strike, as->last_strike, sizeof(pl->last_strike));
	/* One that was left has none, or it would outlive it. */
	if (g == NULL && pl->number < pl->master->nplaces_used)
		g = pl->master->generation;
	pl->generation = g;
	if (retry >= 0)
		retry_in(pl, retry);
	pl->is_due = as->is_due;
}

void
place_leave(struct place *pl)
{
	struct proc *p = pl->incumbent;

	place_keep(pl);
	place_stop(pl);
	pl->incumbent = NULL;
	/* It may be forgotten before the place is wanted again. */
	pl->generation = NULL;
	if (p == NULL)
		return;
	p->drain_ticket = pl->master->ops.ticket;
	proc_dismiss(p, CTL_SCALE);
}

void
place_stop(struct place *pl)
{
	ev_timer_stop(pl->master->loop, &pl->retry_w);
	pl->is_due = false;
	pl->wants_successor = false;
	pl->holds = false;
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
	/* The first child of a place replaces nobody; one that is part of an
	 * operation waits for its turn there. */
	if (pl->restarts == 0 || pl->wants_successor ||
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
		m->last_error = m->fork_error = err;
		if (log_limit_pass(&m->fork_log, &missed))
			log_error("%s; trying again%s%s", err.text,
			    err.hint[0] != '\0' ? "; " : "", err.hint);
		retry_in(pl, POLICY_FORK_RETRY_S);
		return;
	}
	m->fork_error.text[0] = '\0';
	if (pl->incumbent == NULL)
		pl->incumbent = p;
	else
		pl->successor = p;
}

/* Is there room for one more child? */
static bool
is_wanting(const struct place *pl)
{
	return (pl->incumbent == NULL && pl->number < pl->master->nplaces) ||
	    (pl->wants_successor && pl->successor == NULL);
}

static void
fork_if_due(struct place *pl)
{
	if (!pl->is_due || !is_wanting(pl) || !may_fork(pl))
		return;
	pl->is_due = false;
	fork_one(pl);
}

void
place_fork_due(struct master *m)
{
	int i;

	if (!master_is_serving(m))
		return;
	if (m->admin.place != NULL)
		fork_if_due(m->admin.place);
	if (m->acceptor != NULL)
		fork_if_due(m->acceptor);
	for (i = 0; i < m->nplaces; i++)
		fork_if_due(&m->places[i]);
}

/* For whoever waits for a child of this place. */
static void
note_strike(struct place *pl, const struct proc *p)
{
	char words[64];

	(void)snprintf(pl->last_strike, sizeof(pl->last_strike), "%.255s",
	    p->last_words[0] != '\0'
		? p->last_words
		: spawn_words(p->wait_status, words, sizeof(words)));
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
	/* It crossed with its being called back. */
	if (proc_has_left(p) || !policy_is_strike(&death)) {
		fork_now(pl, false);
		return;
	}
	pl->wants_token = true;
	pl->strikes++;
	note_strike(pl, p);
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
		pl->wants_successor = false;
	} else {
		return; /* it was draining */
	}
	if (!master_is_serving(m))
		return;
	m->crashes += !proc_has_left(p) && !proc_is_extra(p);
	if (is_wanting(pl))
		refill(pl, p);
	roll_on_death(m, p);
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
	proc_dismiss(old, pl->reason);
}

/* Do so many of its children still drain that one more is too much? A child
 * can ask to be replaced, or lie about its age in connections, and then stay
 * for all of drain-timeout: such must not use up pages and descriptors. */
static bool
is_crowded(const struct place *pl)
{
	const struct proc *p;
	int n = 0;

	TAILQ_FOREACH(p, &pl->master->procs, entry)
		n += p->place == pl && p->state == PROC_DRAINING;
	return n >= DRAINING_MOST;
}

bool
place_recycle(struct place *pl, enum ctl_reason reason)
{
	if (pl->wants_successor || pl->incumbent == NULL ||
	    pl->number >= pl->master->nplaces)
		return false;
	if (reason != CTL_OPERATOR && is_crowded(pl))
		return false;
	pl->wants_successor = true;
	pl->reason = reason;
	pl->restarts++;
	/* A child that asks too often must not make the master fork for
	 * ever. */
	fork_now(pl, true);
	return true;
}

struct proc *
place_veteran(const struct place *pl, const struct generation *g)
{
	struct proc *p, *best = NULL;

	TAILQ_FOREACH(p, &pl->master->procs, entry)
		if (p->place == pl && p->generation == g &&
		    p->state == PROC_DRAINING && p->ready_ns != 0 &&
		    !p->is_ending && p->ctl != -1)
			best = p;
	return best;
}

void
place_replace(struct place *pl, struct generation *g, enum ctl_reason reason,
    bool holds)
{
	struct proc *veteran;

	place_keep(pl);
	veteran = place_veteran(pl, g);
	pl->generation = g;
	pl->reason = reason;
	pl->holds = holds;
	pl->wants_successor = pl->incumbent != NULL;
	pl->restarts++;
	if (veteran == NULL) {
		fork_now(pl, false);
		return;
	}
	ev_timer_stop(pl->master->loop, &pl->retry_w);
	pl->is_due = false;
	if (pl->incumbent == NULL)
		pl->incumbent = veteran;
	else
		pl->successor = veteran;
	proc_resume(veteran);
}

void
place_rescue(struct place *pl)
{
	fork_now(pl, false);
}

void
place_keep(struct place *pl)
{
	struct proc *p = pl->successor;

	if (!pl->wants_successor)
		return;
	ev_timer_stop(pl->master->loop, &pl->retry_w);
	pl->is_due = false;
	pl->wants_successor = false;
	/* From here on it is nobody's: its end is no crash. */
	pl->successor = NULL;
	if (p != NULL)
		proc_dismiss(p, p->drain_reason);
}

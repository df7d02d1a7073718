/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scale.c: more children, or fewer. Runs in the master. A slot whose child is
 * to leave gets no new connections first, is served until its queue is empty,
 * and is then parked: siblings poll it for as long as a half-open handshake can
 * live. A later child of the place takes it over as it is.
 */
#include "master/scale.h"

#include "master/master.h"

/* A leaving slot is served at least so long after the last connection was
 * steered to it, and at most so long while its queue does not run out. */
#define EXCLUDE_NS (1 * NSEC_PER_SEC)
#define EXCLUDE_MOST_NS (10 * NSEC_PER_SEC)
/* No new child became READY for this long beyond start-timeout. */
#define STALL_MARGIN_S 5.0

/* ---- slots of places that leave ---- */

static void
each_slot(struct master *m, int from, int to, void (*fn)(struct slot *))
{
	size_t i;
	int k;

	for (i = 0; i < m->nlisteners; i++) {
		struct listener *l = m->listeners[i];

		for (k = from;
		     k < to && l->has_slot_per_place && (size_t)k < l->nslots;
		     k++)
			if (l->slots[k].fd != -1)
				fn(&l->slots[k]);
	}
}

static void
each_relay(struct master *m, int from, int to,
    void (*fn)(struct listener *, int from, int to))
{
	size_t i;

	for (i = 0; i < m->nlisteners; i++)
		fn(m->listeners[i], from, to);
}

static void
exclude(struct slot *s)
{
	s->is_excluded = true;
	s->retire_ns = 0;
	s->empties = 0;
}

static void
include(struct slot *s)
{
	s->is_excluded = false;
	s->retire_ns = 0;
}

static void
park(struct master *m)
{
	size_t i;
	int k;

	for (i = 0; i < m->nlisteners; i++) {
		struct listener *l = m->listeners[i];
		double seconds = steer_park_seconds(&l->url, "/proc");

		for (k = m->nplaces;
		     l->has_slot_per_place && (size_t)k < l->nslots; k++)
			if (l->slots[k].is_excluded &&
			    l->slots[k].retire_ns == 0)
				l->slots[k].retire_ns = mono_ns() + 1 +
				    (uint64_t)(seconds * NSEC_PER_SEC);
		relay_park(l, m->nplaces);
	}
}

/* Is there nothing left in the queues of the leaving slots? */
static bool
has_run_out(struct master *m)
{
	bool all = true;
	size_t i;
	int k;

	for (i = 0; i < m->nlisteners; i++) {
		struct listener *l = m->listeners[i];

		for (k = m->nplaces; k < m->nplaces_used &&
		     l->has_slot_per_place && (size_t)k < l->nslots;
		     k++)
			if (l->slots[k].is_listening)
				all &= listener_is_run_out(&l->slots[k]);
		all &= relay_is_run_out(l, m->nplaces, m->nplaces_used);
	}
	return all;
}

void
scale_tick(struct master *m)
{
	uint64_t now = mono_ns();
	size_t i, k;

	for (i = 0; i < m->nlisteners; i++) {
		struct listener *l = m->listeners[i];

		/* Strangers share the port, or its order is not known:
		 * connections are steered away from nowhere, so the slot is
		 * served for good. */
		if (l->url.reuseport == URL_TRUE || l->steer.is_blind)
			continue;
		for (k = 0; k < l->nslots; k++)
			if (l->slots[k].retire_ns != 0 &&
			    now >= l->slots[k].retire_ns &&
			    listener_queue(&l->slots[k]) == 0) {
				listener_retire(m, l, &l->slots[k]);
				/* Who served it is to hear of it. */
				master_on_change(m);
			}
	}
}

/* ---- places ---- */

static double
seconds_since(uint64_t ns)
{
	return (double)(mono_ns() - ns) / (double)NSEC_PER_SEC;
}

static void
open_places(struct master *m, int from, int to)
{
	int i;

	for (i = from; i < to; i++) {
		if (m->places[i].master == NULL)
			place_init(&m->places[i], m, i);
		place_open(&m->places[i]);
	}
}

/* The places beyond nplaces: their children drain. */
static void
leave_places(struct master *m)
{
	int i;

	for (i = m->nplaces; i < m->nplaces_used; i++)
		place_leave(&m->places[i]);
	m->nplaces_used = m->nplaces;
	park(m);
	master_on_change(m);
}

static int
grow(struct master *m, int target, struct err *err)
{
	int before = m->nplaces;

	if (listener_widen(m, target, err) == -1)
		return -1;
	each_slot(m, before, target, include);
	each_relay(m, before, target, relay_include);
	listener_steer_all(m);
	m->nplaces = m->nplaces_used = target;
	open_places(m, before, target);
	return 0;
}

static void
shrink(struct master *m, int target)
{
	each_slot(m, target, m->nplaces, exclude);
	each_relay(m, target, m->nplaces, relay_exclude);
	listener_steer_all(m);
	m->nplaces = target;
}

/* An old place that is in trouble is not the new ones' fault. */
static int
count_new_ready(const struct master *m)
{
	int i, n = 0;

	for (i = m->scale.before; i < m->nplaces; i++) {
		const struct proc *p = m->places[i].incumbent;

		n += p != NULL &&
		    (p->state == PROC_READY || p->state == PROC_SUSPECT);
	}
	return n;
}

/* Why the new places do not get their children; NULL: they may yet. */
static const char *
find_failure(const struct master *m)
{
	const struct scale *s = &m->scale;
	int i;

	for (i = s->before; i < m->nplaces; i++)
		if (m->places[i].strikes >= POLICY_FIRST_TRIES)
			return m->places[i].last_strike;
	if (seconds_since(s->progress_ns) <
	    m->conf->start_timeout + STALL_MARGIN_S)
		return NULL;
	return m->fork_error.text[0] != '\0' ? m->fork_error.text
					     : "not ready within start-timeout";
}

static enum scale_result
go_on_growing(struct master *m, struct err *err)
{
	struct scale *s = &m->scale;
	const char *why;
	int n = count_new_ready(m);

	if (n >= m->nplaces - s->before)
		return SCALE_DONE;
	/* Children that come and go are no progress. */
	if (n > s->progress) {
		s->progress = n;
		s->progress_ns = mono_ns();
	}
	why = find_failure(m);
	if (why == NULL)
		return SCALE_UNDER_WAY;
	(void)err_set(err, EXIT_RUNTIME,
	    "only %d of %d new children got ready: %s", n,
	    m->nplaces - s->before, why);
	shrink(m, s->before);
	leave_places(m);
	return SCALE_FAILED;
}

static enum scale_result
go_on_excluding(struct master *m)
{
	struct scale *s = &m->scale;
	bool has_ended = has_run_out(m);
	uint64_t waited = mono_ns() - s->since_ns;

	if (waited < EXCLUDE_NS || (!has_ended && waited < EXCLUDE_MOST_NS))
		return SCALE_UNDER_WAY;
	leave_places(m);
	return SCALE_DONE;
}

/* ---- the operation, and a part of others ---- */

void
scale_start(struct master *m, int target)
{
	struct scale *s = &m->scale;

	s->target = target;
	s->before = m->nplaces;
	s->since_ns = s->progress_ns = mono_ns();
	s->progress = 0;
	s->err.text[0] = '\0';
	s->phase = target > m->nplaces ? SCALE_GROWING : SCALE_EXCLUDING;
	if (target != m->nplaces)
		log_info("scale: from %d to %d children", m->nplaces, target);
	if (target < m->nplaces)
		shrink(m, target);
	else if (target > m->nplaces)
		(void)grow(m, target, &s->err);
	else
		s->phase = SCALE_IDLE;
}

enum scale_result
scale_go_on(struct master *m, struct err *err)
{
	struct scale *s = &m->scale;
	enum scale_result result = SCALE_DONE;

	if (s->err.text[0] != '\0') {
		*err = s->err;
		result = SCALE_FAILED;
	} else if (s->phase == SCALE_GROWING) {
		result = go_on_growing(m, err);
	} else if (s->phase == SCALE_EXCLUDING) {
		result = go_on_excluding(m);
	}
	if (result != SCALE_UNDER_WAY)
		s->phase = SCALE_IDLE;
	return result;
}

void
scale_begin(struct master *m, int target)
{
	if (target == m->nplaces)
		log_info("scale: nothing to do, children: %d", m->nplaces);
	scale_start(m, target);
}

void
scale_step(struct master *m)
{
	struct err err;

	switch (scale_go_on(m, &err)) {
	case SCALE_DONE:
		op_end(m, OP_DONE, NULL, NULL);
		break;
	case SCALE_FAILED:
		op_end(m, OP_FAILED, &err, NULL);
		break;
	case SCALE_UNDER_WAY:
		break;
	}
}

void
scale_cancel(struct master *m)
{
	struct scale *s = &m->scale;

	/* Who was to leave stays. */
	if (s->phase == SCALE_EXCLUDING) {
		m->nplaces = m->nplaces_used;
		each_slot(m, 0, m->nplaces, include);
		each_relay(m, 0, m->nplaces, relay_include);
		listener_steer_all(m);
	}
	s->phase = SCALE_IDLE;
}

void
scale_undo(struct master *m)
{
	struct scale *s = &m->scale;

	if (s->phase == SCALE_GROWING) {
		shrink(m, s->before);
		leave_places(m);
	}
	scale_cancel(m);
}

/* The nearest number to n that the configuration allows. */
static int
within(const struct conf *conf, int n)
{
	return MIN_OF(MAX_OF(n, conf->processes), conf->processes_max);
}

uint32_t
scale_ask(struct master *m, int target)
{
	m->scale.has_override = true;
	m->scale.said_min = m->conf->processes;
	m->scale.said_max = m->conf->processes_max;
	return op_ask(m, OP_SCALE,
	    MIN_OF(MAX_OF(target, 1), CONF_PROCESSES_MAX));
}

uint32_t
scale_ask_auto(struct master *m)
{
	m->scale.has_override = false;
	return op_ask(m, OP_SCALE, within(m->conf, op_wanted_children(m)));
}

bool
scale_is_overridden(const struct master *m)
{
	/* What was said of another configuration ended with it. */
	return m->scale.has_override &&
	    m->scale.said_min == m->conf->processes &&
	    m->scale.said_max == m->conf->processes_max;
}

int
scale_wanted(const struct master *m, const struct generation *from,
    const struct generation *to)
{
	if (from->conf.processes == to->conf.processes &&
	    from->conf.processes_max == to->conf.processes_max)
		return m->nplaces;
	return within(&to->conf, m->nplaces);
}

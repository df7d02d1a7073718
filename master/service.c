/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * service.c: the master's states as the service manager sees them, and which
 * sockets it stores. Runs in the master and changes nothing there but the notes
 * of what was stored. Which slots are stored is found out anew from those that
 * listen, so whoever opens or retires one need not know.
 */
#include "master/service.h"

#include <stdio.h>

/* What a state may take, beyond the configured times. */
#define MARGIN_S 5.0
/* Each second that it goes on it gets as many again. */
#define MORE_S 10.0

static const struct {
	const char *name; /* for people */
	/* What is said when it begins, or NULL. */
	void (*say)(struct notify *);
	bool has_limit; /* of the service manager's */
} states[MASTER_NSTATES] = {
	[MASTER_STARTING] = { "starting", NULL, true },
	[MASTER_RUNNING] = { "serving", notify_ready, false },
	[MASTER_RELOADING] = { "reloading", notify_reloading, true },
	[MASTER_SCALING] = { "scaling", NULL, false },
	[MASTER_UPGRADING] = { "upgrading", notify_reloading, true },
	[MASTER_STOPPING] = { "stopping", notify_stopping, true },
};

/* ---- states ---- */

/* What the watchdog asks: can somebody serve, unless nobody need? */
static bool
is_healthy(void *arg)
{
	const struct master *m = arg;

	return m->state < MASTER_RUNNING || m->state >= MASTER_STOPPING ||
	    m->count[PROC_READY] > 0;
}

void
service_init(struct master *m)
{
	notify_init(&m->notify, m->loop, is_healthy, m);
}

void
service_fini(struct master *m)
{
	notify_fini(&m->notify);
}

static double
longest(const struct conf *conf, enum master_state state)
{
	double seconds = state == MASTER_STOPPING
	    ? conf->drain_delay + conf->drain_timeout
	    : conf->start_timeout + conf->prove;

	return seconds + MARGIN_S;
}

void
service_on_state(struct master *m, enum master_state from, enum master_state to)
{
	if (!notify_has_manager(&m->notify))
		return;
	/* It serves as it did: no reload has ended. */
	if (to == MASTER_RUNNING && from == MASTER_SCALING)
		return;
	if (states[to].say != NULL)
		states[to].say(&m->notify);
	if (states[to].has_limit)
		notify_extend(&m->notify, longest(m->conf, to));
}

void
service_each_second(struct master *m)
{
	if (notify_has_manager(&m->notify) && states[m->state].has_limit)
		notify_extend(&m->notify, MORE_S);
}

static int
count_living(const struct master *m)
{
	int state, n = 0;

	for (state = 0; state < PROC_DEAD; state++)
		n += m->count[state];
	return n;
}

static void
say_status(struct master *m)
{
	const char *name = states[m->state].name;

	if (name == NULL)
		return;
	if (m->state == MASTER_STOPPING)
		notify_status(&m->notify, "%s: %d children are left", name,
		    count_living(m));
	else
		notify_status(&m->notify,
		    "%s: %d of %d children are ready, "
		    "generation %u",
		    name, master_accepting(m), m->nplaces,
		    m->generation->number);
}

/* ---- sockets ---- */

static void
update_slot(struct master *m, const struct listener *l, size_t i)
{
	struct slot *s = &l->slots[i];
	uint32_t id = s->is_listening ? s->id : 0;

	if (s->stored_id == id)
		return;
	if (s->stored_id != 0)
		notify_unstore(&m->notify, &l->url, (unsigned)i);
	if (id != 0)
		notify_store(&m->notify, s->fd, &l->url, (unsigned)i);
	s->stored_id = id;
}

void
service_update(struct master *m)
{
	size_t i, k;

	/* Before that, opening can fail and nothing must be left. */
	if (m->state < MASTER_STARTING || !notify_has_manager(&m->notify))
		return;
	say_status(m);
	for (i = 0; i < m->nlisteners; i++)
		for (k = 0; k < m->listeners[i]->nslots; k++)
			update_slot(m, m->listeners[i], k);
}

void
service_forget(struct master *m, struct listener *l)
{
	size_t i;

	for (i = 0; i < l->nslots; i++)
		if (l->slots[i].stored_id != 0) {
			notify_unstore(&m->notify, &l->url, (unsigned)i);
			l->slots[i].stored_id = 0;
		}
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fairness.c: how evenly the places share the work. Runs in the master when
 * somebody asks; decides nothing. Counters that a child wrote are clamped: one
 * that goes back counts as none.
 */
#include "master/fairness.h"

#include <math.h>

#include "master/facts.h"
#include "master/master.h"

/* By place. */
struct work {
	uint64_t accepted[CONF_PROCESSES_MAX];
	uint64_t connections[CONF_PROCESSES_MAX];
};

uint64_t
fairness_ppm(const uint64_t *each, size_t n)
{
	double sum = 0, most = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		sum += (double)each[i];
		most = fmax(most, (double)each[i]);
	}
	return sum > 0 ? (uint64_t)llround(1e6 * most * (double)n / sum)
		       : 1000000;
}

/* Of those that live and those that are gone, since the master knows them. */
static void
add_up(const struct master *m, struct work *w)
{
	struct board_copy copy;
	const struct proc *p;
	int i;

	for (i = 0; i < m->nplaces; i++) {
		w->accepted[i] = m->places[i].accepted;
		w->connections[i] = 0;
	}
	TAILQ_FOREACH(p, &m->procs, entry) {
		i = p->place->number;
		if (proc_is_extra(p) || i >= m->nplaces)
			continue;
		board_read(&m->board, p->page, &copy);
		w->accepted[i] +=
		    MIN_OF(copy.counters[BOARD_ACCEPTED], BOARD_COUNT_MAX);
		if (p->state != PROC_DEAD)
			w->connections[i] += facts_connections(p, &copy);
	}
}

void
fairness_read(const struct master *m, struct fairness *f)
{
	struct work w;
	size_t n = 0;
	int i;

	add_up(m, &w);
	for (i = 0; i < m->nplaces; i++) {
		const struct place *pl = &m->places[i];
		uint64_t before = MIN_OF(pl->accepted_before, w.accepted[i]);

		if (pl->incumbent == NULL || pl->incumbent->state != PROC_READY)
			continue;
		w.accepted[n] = w.accepted[i] - before;
		w.connections[n++] = w.connections[i];
	}
	f->accepted_ppm = fairness_ppm(w.accepted, n);
	f->connections_ppm = fairness_ppm(w.connections, n);
}

void
fairness_restart(struct master *m)
{
	struct work w;
	int i;

	if (m->nplaces == m->fair_places)
		return;
	add_up(m, &w);
	for (i = 0; i < m->nplaces; i++)
		m->places[i].accepted_before = w.accepted[i];
	m->fair_places = m->nplaces;
}

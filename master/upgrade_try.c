/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * upgrade_try.c: the new binary on trial, beside the server: could it go on
 * with this state, and do its children come to life? A process of its own that
 * has no descriptor of the server.
 */
#include <signal.h>
#include <stdlib.h>

#include "master/master.h"
#include "master/state.h"

/* A child without a listener, up to PREPARED. */
static int
raise_canary(struct master *m, struct err *err)
{
	struct generation *g = m->generation;
	struct place *pl = &m->places[0];

	g->nlisteners = 0;
	place_init(pl, m, 0);
	pl->generation = g;
	pl->holds = true;
	pl->incumbent = spawn_child(pl, err);
	if (pl->incumbent == NULL)
		return -1;
	/* Nobody refills the place: the master is not serving. */
	while (pl->incumbent != NULL && pl->incumbent->state != PROC_PREPARED)
		(void)ev_run(m->loop, EVRUN_ONCE);
	if (pl->incumbent != NULL)
		return 0;
	return err_set(err, EXIT_UNAVAILABLE, "a child of it: %s",
	    m->last_words);
}

int
upgrade_try(struct master *m, const struct tlv_record *record, struct err *err)
{
	struct proc *p;
	int rc;

	if (state_load(m, record, true, err) == -1)
		return -1;
	/* Nobody was, here: how the child dies is told. */
	m->was_ready = false;
	m->places = calloc(1, sizeof(*m->places));
	if (m->places == NULL || board_open(&m->board, 1, err) == -1)
		return err_sys(err, "memory for a child");
	rc = raise_canary(m, err);
	TAILQ_FOREACH(p, &m->procs, entry)
		proc_signal(p, SIGKILL);
	return rc;
}

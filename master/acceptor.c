/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * acceptor.c: the acceptor as the master sees it: when there is one, by which
 * configuration it lives, and whose pages it may read. Runs in the master.
 * Takes no connection itself; who polls what is slot.c's.
 */
#include "master/acceptor.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "master/master.h"

static bool
is_wanted(const struct master *m)
{
	size_t i;

	for (i = 0; i < m->nlisteners; i++)
		if (m->listeners[i]->is_dispatched)
			return true;
	return false;
}

int
acceptor_start(struct master *m, struct err *err)
{
	if (m->acceptor != NULL || !is_wanted(m))
		return 0;
	m->acceptor = calloc(1, sizeof(*m->acceptor));
	if (m->acceptor == NULL)
		return err_sys(err, "memory for the acceptor");
	place_init(m->acceptor, m, HERITAGE_ACCEPTOR);
	place_open(m->acceptor);
	return 0;
}

/* A reload may have brought the first listener that wants one, or another
 * generation may serve: it is replaced as any child is. */
static void
follow(struct master *m)
{
	struct err err;

	if (acceptor_start(m, &err) == -1)
		log_error("%s; the children accept by themselves", err.text);
	if (m->acceptor != NULL && m->acceptor->generation != m->generation)
		place_replace(m->acceptor, m->generation, CTL_RELOAD, false);
}

/* ---- who it is ---- */

static bool
is_acceptor_for(const struct proc *p, const struct listener *l)
{
	struct ctl_slot where;

	return p->place->number == HERITAGE_ACCEPTOR && l->is_dispatched &&
	    generation_find(p->generation, l, &where);
}

bool
acceptor_is_able(const struct proc *p, const struct listener *l)
{
	return p->state == PROC_READY && !p->is_sick && is_acceptor_for(p, l);
}

bool
acceptor_is_writer(const struct proc *p, const struct listener *l)
{
	return p->state >= PROC_PREPARED && p->state <= PROC_SUSPECT &&
	    p->ctl != -1 && p->blocked_ns == 0 && is_acceptor_for(p, l);
}

/* ---- the pages of the children ---- */

/* The same page for one who may not write to it. */
static int
open_read_only(const struct proc *p)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d",
	    board_fd(&p->master->board, p->page));
	return open(path, O_RDONLY | O_CLOEXEC);
}

static bool
show(struct proc *acceptor, const struct proc *p)
{
	struct board_layout layout =
	    board_layout_of(&p->master->board, p->page);
	struct ctl_page page = {
		.place = (uint32_t)p->place->number,
		.accepted_at = layout.counters_at +
		    BOARD_ACCEPTED * (uint32_t)sizeof(uint64_t),
		.connections_at = layout.gauges_at +
		    BOARD_CONNECTIONS * (uint32_t)sizeof(uint64_t),
	};
	int fd = open_read_only(p);
	bool was_told =
	    fd != -1 && mctl_send(acceptor, CTL_PAGE, &page, sizeof(page), fd);

	closefd(&fd);
	return was_told;
}

/* Of a child that serves. */
static void
show_page(struct proc *acceptor, int which, struct proc *p)
{
	if (p == NULL || p->shown_to[which] == acceptor ||
	    (p->state != PROC_READY && p->state != PROC_SUSPECT))
		return;
	if (show(acceptor, p))
		p->shown_to[which] = acceptor;
}

static void
show_pages(struct master *m, struct proc *acceptor, int which)
{
	int i;

	if (acceptor == NULL || acceptor->state < PROC_PREPARED ||
	    acceptor->state > PROC_SUSPECT ||
	    acceptor->generation->conf.balance !=
		CONF_BALANCE_LEAST_CONNECTIONS)
		return;
	for (i = 0; i < m->nplaces_used && acceptor->ctl != -1 &&
	     acceptor->blocked_ns == 0;
	     i++)
		show_page(acceptor, which, m->places[i].incumbent);
}

void
acceptor_step(struct master *m)
{
	if (!master_is_serving(m))
		return;
	follow(m);
	if (m->acceptor == NULL)
		return;
	show_pages(m, m->acceptor->incumbent, 0);
	if (m->acceptor != NULL)
		show_pages(m, m->acceptor->successor, 1);
}

void
acceptor_forget(struct master *m, const struct proc *gone)
{
	struct proc *p;
	int i;

	if (gone->place->number != HERITAGE_ACCEPTOR)
		return;
	TAILQ_FOREACH(p, &m->procs, entry)
		for (i = 0; i < 2; i++)
			if (p->shown_to[i] == gone)
				p->shown_to[i] = NULL;
}

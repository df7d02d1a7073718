/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * renew.c: children that have served long enough are replaced. Runs in the
 * master each second, while no operation is under way; recycle.c says who. Each
 * goes on until its successor is READY.
 */
#include "master/facts.h"
#include "master/master.h"
#include "master/recycle.h"

static bool
lacks_socket(const struct proc *p)
{
	const struct master *m = p->master;
	size_t i;

	for (i = 0; i < m->nlisteners; i++)
		if (slot_is_missing(p, m->listeners[i]))
			return true;
	return false;
}

/* Why this child is to be replaced, or NULL. */
static const char *
reason_of(const struct proc *p, int proc_fd)
{
	struct recycle_facts facts;
	struct facts_child f;

	/* The socket that all share had to be replaced. */
	if (lacks_socket(p))
		return "its socket is another one now";
	facts_of_child(p, proc_fd, &f);
	facts = (struct recycle_facts){
		.accepted = f.counters[BOARD_ACCEPTED],
		.age = (double)f.age_ns / (double)NSEC_PER_SEC,
		.rss = f.rss_bytes,
	};
	return recycle_reason(&p->generation->conf.recycle,
	    recycle_noise(p->noise), &facts);
}

static int
count_under_way(const struct master *m)
{
	int i, n = 0;

	for (i = 0; i < m->nplaces; i++)
		n += m->places[i].wants_successor;
	return n;
}

/* True: its child is being replaced. */
static bool
renew(struct place *pl, int proc_fd)
{
	const struct proc *p = pl->incumbent;
	const char *why;

	if (pl->wants_successor || p == NULL || p->state != PROC_READY)
		return false;
	why = reason_of(p, proc_fd);
	if (why == NULL || !place_recycle(pl, CTL_RECYCLED))
		return false;
	log_info("child %d (pid %ld): is recycled: %s", pl->number,
	    (long)p->pid, why);
	return true;
}

void
renew_tick(struct master *m)
{
	int i, room = policy_surge(m->nplaces) - count_under_way(m);
	int proc_fd = -1;

	if (m->state != MASTER_RUNNING || m->ops.ticket != 0 || room <= 0)
		return;
	if (m->conf->recycle.memory > 0)
		proc_fd = facts_open_proc();
	for (i = 0; i < m->nplaces && room > 0; i++)
		room -= renew(&m->places[i], proc_fd);
	closefd(&proc_fd);
}

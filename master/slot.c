/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * slot.c: who polls what. A child polls the slots of its own place from START
 * on; while a place has nobody who accepts, policy.c names siblings that adopt
 * its slots. Slots that all children share need nothing: every child was born
 * with them.
 */
#include <string.h>

#include "master/master.h"

/* The child of this place that accepts, or NULL. */
static struct proc *
able_proc(const struct place *pl)
{
	struct proc *p = pl->incumbent;

	if (p != NULL && p->state == PROC_READY && !p->is_sick)
		return p;
	p = pl->successor;
	if (p != NULL && p->state == PROC_READY && !p->is_sick)
		return p;
	return NULL;
}

static bool
is_among(struct proc *const *set, const struct proc *p)
{
	size_t i;

	for (i = 0; i < POLICY_ADOPTERS; i++)
		if (set[i] == p)
			return true;
	return false;
}

static void
set_adopters(const struct listener *l, struct slot *s,
    struct proc *const wanted[POLICY_ADOPTERS])
{
	struct ctl_slot msg = { .id = s->id,
		.server = l->server,
		.listen = l->listen };
	struct proc *old[POLICY_ADOPTERS];
	size_t i;

	/* The new set stands before anything is sent: a child that cannot be
	 * told is lost, and slot_forget() takes it out again. */
	(void)memcpy(old, s->adopters, sizeof(old));
	(void)memcpy(s->adopters, wanted, sizeof(old));
	for (i = 0; i < POLICY_ADOPTERS; i++)
		if (wanted[i] != NULL && !is_among(old, wanted[i]))
			mctl_send(wanted[i], CTL_ADOPT, &msg, sizeof(msg),
			    s->fd);
	for (i = 0; i < POLICY_ADOPTERS; i++)
		if (old[i] != NULL && !is_among(wanted, old[i]))
			mctl_send(old[i], CTL_RELEASE, &msg, sizeof(msg), -1);
}

static void
update_listener(struct master *m, const struct listener *l, const bool *able)
{
	size_t places[POLICY_ADOPTERS], i, k, n;

	for (i = 0; i < l->nslots; i++) {
		struct proc *wanted[POLICY_ADOPTERS] = { NULL };
		struct slot *s = &l->slots[i];

		/* A socket that does not listen yet has no queue to serve. */
		if (!s->is_listening)
			continue;
		n = policy_adopters(able, (size_t)m->nplaces, i, places);
		for (k = 0; k < n; k++)
			wanted[k] = able_proc(&m->places[places[k]]);
		set_adopters(l, s, wanted);
	}
}

void
slot_update(struct master *m)
{
	bool able[CONF_PROCESSES_MAX];
	size_t i;
	int p;

	if (m->state != MASTER_STARTING && m->state != MASTER_RUNNING)
		return;
	for (p = 0; p < m->nplaces; p++)
		able[p] = able_proc(&m->places[p]) != NULL;
	for (i = 0; i < m->nlisteners; i++)
		if (m->listeners[i].has_slot_per_place)
			update_listener(m, &m->listeners[i], able);
}

void
slot_forget(struct master *m, const struct proc *p)
{
	size_t i, k, a;

	for (i = 0; i < m->nlisteners; i++)
		for (k = 0; k < m->listeners[i].nslots; k++)
			for (a = 0; a < POLICY_ADOPTERS; a++) {
				struct slot *s = &m->listeners[i].slots[k];

				if (s->adopters[a] == p)
					s->adopters[a] = NULL;
			}
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * slot.c: who polls what. A child polls the slots of its own place from START
 * on; while a place has nobody who accepts, policy.c names siblings that adopt
 * its slots. Slots that all children share need nothing: every child was born
 * with them.
 */
#include "master/master.h"

/* The child of this place that accepts, or NULL. A sick one counts only while
 * all are sick: it still accepts whenever a connection of its own ends. */
static struct proc *
able_proc(const struct place *pl, bool with_sick)
{
	struct proc *p = pl->incumbent;

	if (p != NULL && p->state == PROC_READY && (with_sick || !p->is_sick))
		return p;
	p = pl->successor;
	if (p != NULL && p->state == PROC_READY && (with_sick || !p->is_sick))
		return p;
	return NULL;
}

static bool
is_among(struct proc *const *set, size_t n, const struct proc *p)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (set[i] == p)
			return true;
	return false;
}

/*
 * Make the adopters of a slot those that are wanted. Only what a child was
 * really told is noted, so that the next update repeats what could not be sent.
 */
static void
set_adopters(const struct listener *l, struct slot *s,
    struct proc *const wanted[POLICY_ADOPTERS])
{
	struct ctl_slot msg = {
		.id = s->id,
		.server = l->server,
		.listen = l->listen,
	};
	size_t i, k;

	for (i = 0; i < SLOT_ADOPTERS_MAX; i++)
		if (s->adopters[i] != NULL &&
		    !is_among(wanted, POLICY_ADOPTERS, s->adopters[i]) &&
		    mctl_send(s->adopters[i], CTL_RELEASE, &msg, sizeof(msg),
			-1))
			s->adopters[i] = NULL;
	for (i = 0; i < POLICY_ADOPTERS; i++) {
		if (wanted[i] == NULL ||
		    is_among(s->adopters, SLOT_ADOPTERS_MAX, wanted[i]))
			continue;
		for (k = 0; k < SLOT_ADOPTERS_MAX && s->adopters[k] != NULL;)
			k++;
		if (k < SLOT_ADOPTERS_MAX &&
		    mctl_send(wanted[i], CTL_ADOPT, &msg, sizeof(msg), s->fd))
			s->adopters[k] = wanted[i];
	}
}

static void
update_listener(struct master *m, const struct listener *l, const bool *able,
    bool with_sick)
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
			wanted[k] = able_proc(&m->places[places[k]], with_sick);
		set_adopters(l, s, wanted);
	}
}

static int
find_able(const struct master *m, bool *able, bool with_sick)
{
	int p, n = 0;

	for (p = 0; p < m->nplaces; p++) {
		able[p] = able_proc(&m->places[p], with_sick) != NULL;
		n += able[p];
	}
	return n;
}

void
slot_update(struct master *m)
{
	bool able[CONF_PROCESSES_MAX], with_sick = false;
	size_t i;

	if (m->state != MASTER_STARTING && m->state != MASTER_RUNNING)
		return;
	if (find_able(m, able, false) == 0) {
		with_sick = true;
		(void)find_able(m, able, true);
	}
	for (i = 0; i < m->nlisteners; i++)
		if (m->listeners[i].has_slot_per_place)
			update_listener(m, &m->listeners[i], able, with_sick);
}

void
slot_forget(struct master *m, const struct proc *p)
{
	size_t i, k, a;

	for (i = 0; i < m->nlisteners; i++)
		for (k = 0; k < m->listeners[i].nslots; k++)
			for (a = 0; a < SLOT_ADOPTERS_MAX; a++) {
				struct slot *s = &m->listeners[i].slots[k];

				if (s->adopters[a] == p)
					s->adopters[a] = NULL;
			}
}

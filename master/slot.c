/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * slot.c: who polls what. A child polls the slots of its own place from START
 * on; while a place has nobody who accepts, policy.c names siblings that adopt
 * its slots. A listener that a reload removes is adopted by children of the
 * generation that had it, and they keep it while they drain. Slots that all
 * children share need nothing, as every child was born with them, unless one
 * had to be replaced.
 */
#include <string.h>

#include "master/master.h"

/* Children that serve a slot which is not their own, and how. */
struct wish {
	struct proc *procs[POLICY_ADOPTERS];
	uint32_t flags; /* of struct ctl_slot */
};

static bool
knows(const struct proc *p, const struct listener *l)
{
	struct ctl_slot where;

	return generation_find(p->generation, l, &where);
}

/* Was it born with this slot? */
static bool
is_owner(const struct proc *p, const struct slot *s)
{
	return (s->place == SLOT_SHARED || s->place == p->place->number) &&
	    p->born_ns >= s->opened_ns;
}

static bool
is_able(const struct proc *p, const struct listener *l, bool with_sick)
{
	return p != NULL && p->state == PROC_READY &&
	    (with_sick || !p->is_sick) && knows(p, l);
}

/* The child of this place that accepts, or NULL. A sick one counts only while
 * all are sick: it still accepts whenever a connection of its own ends. */
static struct proc *
able_proc(const struct place *pl, const struct listener *l, bool with_sick)
{
	if (is_able(pl->incumbent, l, with_sick))
		return pl->incumbent;
	if (is_able(pl->successor, l, with_sick))
		return pl->successor;
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

static bool
tell(struct proc *p, enum ctl_type type, const struct listener *l,
    const struct slot *s, uint32_t flags)
{
	struct ctl_slot msg;

	(void)generation_find(p->generation, l, &msg);
	msg.id = s->id;
	msg.flags = flags;
	return mctl_send(p, type, &msg, sizeof(msg),
	    type == CTL_ADOPT ? s->fd : -1);
}

/* An owner that was to keep its slot while it drains is only told not to. */
static bool
release(struct proc *p, const struct listener *l, const struct slot *s)
{
	return tell(p, is_owner(p, s) ? CTL_ADOPT : CTL_RELEASE, l, s, 0);
}

/*
 * Make the adopters of a slot those that are wanted. Only what a child was
 * really told is noted, so that the next update repeats what could not be sent.
 */
static void
set_adopters(const struct listener *l, struct slot *s, const struct wish *w)
{
	size_t i, k;

	for (i = 0; i < SLOT_ADOPTERS_MAX; i++)
		if (s->adopters[i] != NULL &&
		    !is_among(w->procs, POLICY_ADOPTERS, s->adopters[i]) &&
		    release(s->adopters[i], l, s))
			s->adopters[i] = NULL;
	for (i = 0; i < POLICY_ADOPTERS; i++) {
		if (w->procs[i] == NULL ||
		    is_among(s->adopters, SLOT_ADOPTERS_MAX, w->procs[i]))
			continue;
		for (k = 0; k < SLOT_ADOPTERS_MAX && s->adopters[k] != NULL;)
			k++;
		if (k < SLOT_ADOPTERS_MAX &&
		    tell(w->procs[i], CTL_ADOPT, l, s, w->flags))
			s->adopters[k] = w->procs[i];
	}
}

/* ---- listeners that stay ---- */

/* The child of this place, if the place's slot is younger: NULL when it was
 * born with it, or died while its siblings were told something. */
static struct proc *
stepmother(const struct place *pl, const struct listener *l,
    const struct slot *s, bool with_sick)
{
	struct proc *p = able_proc(pl, l, with_sick);

	/* It may have died of what it was told just now. */
	return p == NULL || is_owner(p, s) ? NULL : p;
}

static void
update_staying(struct master *m, const struct listener *l, const bool *able,
    bool with_sick)
{
	size_t places[POLICY_ADOPTERS], i, k, n;

	for (i = 0; i < l->nslots; i++) {
		struct wish w = { .flags = 0 };
		struct slot *s = &l->slots[i];

		if (s->place == SLOT_SHARED)
			continue;
		/* A socket that does not listen yet has no queue to serve, and
		 * one that was retired would wake its adopters for ever. */
		if (!s->is_listening) {
			set_adopters(l, s, &w);
			continue;
		}
		n = policy_adopters(able, (size_t)m->nplaces_used,
		    s->place == SLOT_NOBODYS ? i + (size_t)m->nplaces_used : i,
		    places);
		for (k = 0; k < n; k++)
			w.procs[k] =
			    able_proc(&m->places[places[k]], l, with_sick);
		if (n == 0 && i < (size_t)m->nplaces_used && able[i])
			w.procs[0] = stepmother(&m->places[i], l, s, with_sick);
		set_adopters(l, s, &w);
	}
}

static int
find_able(const struct master *m, const struct listener *l, bool *able,
    bool with_sick)
{
	int p, n = 0;

	for (p = 0; p < m->nplaces_used; p++) {
		able[p] = able_proc(&m->places[p], l, with_sick) != NULL;
		n += able[p];
	}
	return n;
}

/* ---- sockets that all children share ---- */

bool
slot_is_missing(const struct proc *p, const struct listener *l)
{
	return !l->has_slot_per_place && l->slots[0].fd != -1 && knows(p, l) &&
	    !is_owner(p, &l->slots[0]);
}

/* If it had to be replaced, some children have it from us until all were
 * replaced too. */
static void
update_shared(struct master *m, const struct listener *l)
{
	struct wish w = { .flags = 0 };
	struct proc *p;
	size_t n = 0;

	TAILQ_FOREACH(p, &m->procs, entry)
		if (n < POLICY_ADOPTERS && p->state == PROC_READY &&
		    slot_is_missing(p, l))
			w.procs[n++] = p;
	set_adopters(l, &l->slots[0], &w);
}

/* ---- listeners that leave ---- */

/* Lower is better: who has it already, who serves, who drains. */
static int
rank_keeper(const struct proc *p, const struct listener *l,
    const struct slot *s)
{
	if (p->ctl == -1 || p->is_ending || !knows(p, l))
		return -1;
	if (p->state != PROC_READY && p->state != PROC_DRAINING)
		return -1;
	if (is_among(s->adopters, SLOT_ADOPTERS_MAX, p))
		return 0;
	return p->state == PROC_READY ? 1 : 2;
}

static void
update_leaving(struct master *m, const struct listener *l)
{
	struct proc *p;
	size_t i, n;
	int rank;

	for (i = 0; i < l->nslots; i++) {
		struct wish w = { .flags = CTL_SLOT_KEEP };
		struct slot *s = &l->slots[i];

		if (!s->is_listening)
			continue;
		n = 0;
		for (rank = 0; rank <= 2 && !l->is_shut; rank++)
			TAILQ_FOREACH(p, &m->procs, entry)
				if (n < POLICY_ADOPTERS &&
				    rank_keeper(p, l, s) == rank)
					w.procs[n++] = p;
		set_adopters(l, s, &w);
	}
}

/* ---- all ---- */

static void
update_listener(struct master *m, const struct listener *l)
{
	bool able[CONF_PROCESSES_MAX], with_sick = false;

	if (l->is_leaving) {
		update_leaving(m, l);
		return;
	}
	if (!l->has_slot_per_place)
		update_shared(m, l);
	if (!l->has_slot_per_place && l->nslots == 1)
		return;
	if (find_able(m, l, able, false) == 0) {
		with_sick = true;
		(void)find_able(m, l, able, true);
	}
	update_staying(m, l, able, with_sick);
}

void
slot_update(struct master *m)
{
	size_t i;

	if (!master_is_serving(m))
		return;
	for (i = 0; i < m->nlisteners; i++)
		update_listener(m, m->listeners[i]);
}

void
slot_release_all(const struct master *m, const struct listener *l,
    const struct slot *s)
{
	struct proc *p;

	TAILQ_FOREACH(p, &m->procs, entry)
		if (p->state != PROC_DEAD && knows(p, l))
			(void)tell(p, CTL_RELEASE, l, s, 0);
}

void
slot_on_replace(struct master *m, const struct listener *l, struct slot *s)
{
	slot_release_all(m, l, s);
	(void)memset(s->adopters, 0, sizeof(s->adopters));
	master_on_change(m);
}

void
slot_forget(struct master *m, const struct proc *p)
{
	size_t i, k, a;

	for (i = 0; i < m->nlisteners; i++)
		for (k = 0; k < m->listeners[i]->nslots; k++)
			for (a = 0; a < SLOT_ADOPTERS_MAX; a++) {
				struct slot *s = &m->listeners[i]->slots[k];

				if (s->adopters[a] == p)
					s->adopters[a] = NULL;
			}
}

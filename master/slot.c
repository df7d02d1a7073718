/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * slot.c: who polls what. A child polls the slots of its own place from START
 * on; while a place has nobody who accepts, policy.c names siblings that adopt
 * its slots. A listener that a reload removes is adopted by children of the
 * generation that had it, and they keep it while they drain. Slots that all
 * children share need nothing, as every child was born with them, unless one
 * had to be replaced. In accept mode dispatch the acceptor polls the listening
 * socket, the children the read ends of pairs, and both have stand-ins.
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

static int
place_of_target(const struct listener *l, const struct slot *s)
{
	size_t i;

	for (i = 0; i < l->nrelays; i++)
		if (&l->relays[i].writer == s)
			break;
	return (int)i;
}

static bool
tell(struct proc *p, enum ctl_type type, const struct listener *l,
    const struct slot *s, uint32_t flags)
{
	struct ctl_slot msg;

	(void)generation_find(p->generation, l, &msg);
	msg.id = s->id;
	msg.flags = flags;
	if (s->place == SLOT_TARGET) {
		msg.flags |= CTL_SLOT_WRITE;
		msg.place = (uint32_t)place_of_target(l, s);
	} else if (l->is_dispatched && s->place >= 0) {
		msg.flags |= CTL_SLOT_READ;
	}
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

/* Who accepts, place by place. */
struct able {
	bool is[CONF_PROCESSES_MAX];
	bool with_sick;
};

/* The slot with this index among those of its kind. */
static void
update_slot(struct master *m, const struct listener *l, struct slot *s,
    size_t i, const struct able *able)
{
	struct wish w = { .flags = 0 };
	size_t places[POLICY_ADOPTERS], k, n;

	/* A socket that does not listen yet has no queue to serve, and one
	 * that was retired would wake its adopters for ever. */
	if (!s->is_listening) {
		set_adopters(l, s, &w);
		return;
	}
	n = policy_adopters(able->is, (size_t)m->nplaces_used,
	    s->place < 0 ? i + (size_t)m->nplaces_used : i, places);
	for (k = 0; k < n; k++)
		w.procs[k] =
		    able_proc(&m->places[places[k]], l, able->with_sick);
	if (n == 0 && i < (size_t)m->nplaces_used && able->is[i])
		w.procs[0] = stepmother(&m->places[i], l, s, able->with_sick);
	set_adopters(l, s, &w);
}

static void
update_staying(struct master *m, const struct listener *l,
    const struct able *able)
{
	size_t i;

	for (i = 0; i < l->nslots; i++)
		if (l->slots[i].place != SLOT_SHARED &&
		    l->slots[i].place != SLOT_ACCEPTORS)
			update_slot(m, l, &l->slots[i], i, able);
	for (i = 0; i < l->nrelays; i++)
		update_slot(m, l, &l->relays[i].reader, i, able);
}

static int
find_able(const struct master *m, const struct listener *l, struct able *able,
    bool with_sick)
{
	int p, n = 0;

	able->with_sick = with_sick;
	for (p = 0; p < m->nplaces_used; p++) {
		able->is[p] = able_proc(&m->places[p], l, with_sick) != NULL;
		n += able->is[p];
	}
	return n;
}

/* ---- what the acceptor has ---- */

/* The listening socket: acceptors were born with it, unless it had to be
 * replaced. While there is none that can accept, two children do. */
static void
update_front(struct master *m, const struct listener *l,
    const struct able *able)
{
	struct wish w = { .flags = 0 };
	bool has_acceptor = false;
	struct proc *p;
	size_t n = 0;

	TAILQ_FOREACH(p, &m->procs, entry) {
		if (!acceptor_is_able(p, l))
			continue;
		has_acceptor = true;
		if (n < POLICY_ADOPTERS && !is_owner(p, &l->slots[0]))
			w.procs[n++] = p;
	}
	if (has_acceptor)
		set_adopters(l, &l->slots[0], &w);
	else
		update_slot(m, l, &l->slots[0], 0, able);
}

/* The write ends: of pairs that may be used. */
static void
update_targets(struct master *m, const struct listener *l)
{
	struct wish closed = { .flags = 0 }, open = { .flags = 0 };
	struct proc *p;
	size_t i, n = 0;

	TAILQ_FOREACH(p, &m->procs, entry)
		if (n < POLICY_ADOPTERS && acceptor_is_writer(p, l))
			open.procs[n++] = p;
	for (i = 0; i < l->nrelays; i++)
		set_adopters(l, &l->relays[i].writer,
		    relay_is_open(&l->relays[i].reader) ? &open : &closed);
}

/* ---- sockets that all children share ---- */

bool
slot_is_missing(const struct proc *p, const struct listener *l)
{
	return !l->has_slot_per_place && !l->is_dispatched &&
	    l->slots[0].fd != -1 && knows(p, l) && !is_owner(p, &l->slots[0]);
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
	if (p->ctl == -1 || p->is_ending || proc_is_extra(p) || !knows(p, l))
		return -1;
	if (p->state != PROC_READY && p->state != PROC_DRAINING)
		return -1;
	if (is_among(s->adopters, SLOT_ADOPTERS_MAX, p))
		return 0;
	return p->state == PROC_READY ? 1 : 2;
}

static void
keep(struct master *m, const struct listener *l, struct slot *s)
{
	struct wish w = { .flags = CTL_SLOT_KEEP };
	struct proc *p;
	size_t n = 0;
	int rank;

	if (!s->is_listening)
		return;
	for (rank = 0; rank <= 2 && !l->is_shut; rank++)
		TAILQ_FOREACH(p, &m->procs, entry)
			if (n < POLICY_ADOPTERS && rank_keeper(p, l, s) == rank)
				w.procs[n++] = p;
	set_adopters(l, s, &w);
}

static void
update_leaving(struct master *m, const struct listener *l)
{
	size_t i;

	for (i = 0; i < l->nslots; i++)
		keep(m, l, &l->slots[i]);
	for (i = 0; i < l->nrelays; i++)
		keep(m, l, &l->relays[i].reader);
}

/* ---- all ---- */

static void
update_listener(struct master *m, const struct listener *l)
{
	struct able able;

	if (l->is_leaving) {
		update_leaving(m, l);
		return;
	}
	if (!l->has_slot_per_place && !l->is_dispatched)
		update_shared(m, l);
	if (!l->has_slot_per_place && !l->is_dispatched && l->nslots == 1)
		return;
	if (find_able(m, l, &able, false) == 0)
		(void)find_able(m, l, &able, true);
	update_staying(m, l, &able);
	if (l->is_dispatched) {
		update_front(m, l, &able);
		update_targets(m, l);
	}
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

static void
forget(struct slot *s, const struct proc *p)
{
	size_t i;

	for (i = 0; i < SLOT_ADOPTERS_MAX; i++)
		if (s->adopters[i] == p)
			s->adopters[i] = NULL;
}

void
slot_forget(struct master *m, const struct proc *p)
{
	size_t i, k;

	for (i = 0; i < m->nlisteners; i++) {
		struct listener *l = m->listeners[i];

		for (k = 0; k < l->nslots; k++)
			forget(&l->slots[k], p);
		for (k = 0; k < l->nrelays; k++) {
			forget(&l->relays[k].reader, p);
			forget(&l->relays[k].writer, p);
		}
	}
	acceptor_forget(m, p);
}

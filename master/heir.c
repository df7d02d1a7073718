/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heir.c: slots from the service manager. Runs in the master, at its start and
 * its end. What was handed over is already bound, and clients may wait in it:
 * it is never shut down by mistake, and no path of it is removed.
 */
#include "master/heir.h"

#include <errno.h>

#include "master/datagram.h"
#include "master/inherit.h"
#include "master/master.h"

/* Whose it is, if the mode has room for it. */
static int
place_of(const struct listener *l, size_t i)
{
	if (l->has_slot_per_place)
		return (int)i;
	if (i > 0)
		return SLOT_NOBODYS;
	return l->is_dispatched ? SLOT_ACCEPTORS : SLOT_SHARED;
}

/*
 * The order of a group that others have made is not known, and only a group of
 * one has none. Without it nothing is steered, and no slot of it is given up.
 */
static int
use(struct master *m, struct listener *l, size_t i, int fd, bool is_ours,
    struct err *err)
{
	/* What a master before us may have wanted, and we do not. */
	const struct url before = { .defer_accept = 1, .fastopen = 1 };
	bool is_stored =
	    is_ours && l->url.scheme != URL_UNIX && !url_is_udp(&l->url);
	struct slot *s = listener_slot_at(m, l, i, err);

	if (s == NULL) {
		closefd(&fd);
		return -1;
	}
	s->fd = fd;
	s->place = place_of(l, i);
	s->is_inherited = true;
	s->is_foreign = !is_ours;
	if (url_is_udp(&l->url) && datagram_prepare(fd, &l->addr, err) == -1)
		return -1;
	if (socket_tune(fd, &l->url, is_stored ? &before : NULL, err) == -1)
		return -1;
	if (socket_listen(l, s) == -1)
		return socket_explain(l, err);
	l->steer.is_blind |= i > 0;
	return 0;
}

static int
take_extras(struct master *m, struct listener *l, unsigned n, struct err *err)
{
	unsigned i;
	bool is_ours;
	int fd;

	while (
	    (fd = inherit_take_extra(&l->url, &l->addr, n, &i, &is_ours)) != -1)
		if (use(m, l, i, fd, is_ours, err) == -1)
			return -1;
	return 0;
}

int
heir_open(struct master *m, struct listener *l, size_t n, struct err *err)
{
	struct err fault;
	unsigned i;
	bool is_ours;
	int fd;

	for (i = 0; i < n; i++) {
		fd = inherit_take(&l->url, &l->addr, i, &is_ours);
		if (fd != -1 && use(m, l, i, fd, is_ours, err) == -1)
			return -1;
	}
	/* A path leads to one socket only. */
	if (l->url.scheme == URL_UNIX)
		return 0;
	if (take_extras(m, l, (unsigned)n, err) == -1)
		return -1;
	for (i = 0; l->steer.is_blind && i < l->nslots; i++)
		if (l->slots[i].fd != -1 && socket_share(l->slots[i].fd) == -1)
			return err_sys(err, "SO_REUSEPORT");
	/* A master before us may have left its program. */
	if (heir_has_sockets(l) && steer_apply(&l->steer, &fault) == -1)
		log_warn("steering: %s", fault.text);
	return 0;
}

bool
heir_has_sockets(const struct listener *l)
{
	size_t i;

	for (i = 0; i < l->nslots; i++)
		if (l->slots[i].is_inherited)
			return true;
	return false;
}

/* Where one of ours listens, others can join: something else is wrong. */
static bool
is_joinable(const struct listener *l)
{
	size_t i;

	for (i = 0; i < l->nslots; i++)
		if (l->slots[i].is_listening && !l->slots[i].is_inherited)
			return true;
	return false;
}

bool
heir_share(struct listener *l, const struct err *err)
{
	char text[URL_TEXT_MAX];
	size_t i;

	if (err->sys != EADDRINUSE || is_joinable(l))
		return false;
	for (i = 1; i < l->nslots; i++)
		if (!l->slots[i].is_inherited)
			closefd(&l->slots[i].fd);
	l->is_lone = true;
	l->has_slot_per_place = false;
	for (i = 0; i < l->nslots; i++)
		l->slots[i].place = place_of(l, i);
	log_info("%s is shared by all children: its socket was handed over, "
		 "and is not of our user or not with ReusePort=yes",
	    url_print_short(&l->url, text, sizeof(text)));
	return true;
}

void
heir_learn(struct listener *l)
{
	size_t i;

	for (i = 0; i < l->nslots; i++)
		if (l->slots[i].is_foreign) {
			audit_learn(&l->given, l->slots[i].fd, &l->addr,
			    socket_backlog(l));
			return;
		}
}

void
heir_mend(struct listener *l)
{
	size_t i;

	for (i = 0; i < l->nslots; i++)
		if (l->slots[i].is_inherited && !l->slots[i].is_foreign)
			(void)audit_slot(&l->audit, l->slots[i].fd);
}

void
heir_split(struct listener *l)
{
	size_t i;

	for (i = 1; i < l->nslots; i++)
		if (l->slots[i].is_inherited) {
			l->slots[i].place = place_of(l, i);
			l->slots[i].opened_ns = mono_ns();
		}
}

bool
heir_is_lent(const struct listener *l, const struct slot *s)
{
	return s->is_foreign || (s->is_inherited && l->is_added);
}

void
heir_leave(struct master *m, const struct listener *l)
{
	size_t i;

	for (i = 0; i < l->nslots; i++)
		if (l->slots[i].is_foreign)
			slot_release_all(m, l, &l->slots[i]);
}

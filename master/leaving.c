/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * leaving.c: listeners that the generation to come does not have. Runs in the
 * master: whoever stands in their queues is served, later clients are refused,
 * and until the commit they can come back.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "master/master.h"

/* A queue that leaves was seen empty so many times in a row, and for so long
 * nothing was sent there. */
#define EMPTIES_ENOUGH 3
#define LEAVE_NS (1 * NSEC_PER_SEC)
/* One that nobody serves any more is not waited for longer than this. */
#define CLOSING_MOST_NS (10 * NSEC_PER_SEC)

static void
begin_leaving(struct slot *s)
{
	s->empties = 0;
	(void)memset(s->adopters, 0, sizeof(s->adopters));
}

void
listener_leave(struct master *m, const struct generation *g)
{
	struct ctl_slot where;
	size_t i, k;

	for (i = 0; i < m->nlisteners; i++) {
		struct listener *l = m->listeners[i];

		l->is_leaving = !l->is_admin && !generation_find(g, l, &where);
		/* Who adopted a slot before was not told to keep it. */
		for (k = 0; l->is_leaving && k < l->nslots; k++)
			begin_leaving(&l->slots[k]);
		for (k = 0; l->is_leaving && k < l->nrelays; k++)
			begin_leaving(&l->relays[k].reader);
	}
	master_on_change(m);
}

size_t
listener_queue(const struct slot *s)
{
	struct pollfd unix_socket = { .fd = s->fd, .events = POLLIN };
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0)
		return info.tcpi_unacked;
	return poll(&unix_socket, 1, 0) == 1 &&
	    (unix_socket.revents & POLLIN) != 0;
}

bool
listener_is_run_out(struct slot *s)
{
	s->empties = listener_queue(s) == 0 ? s->empties + 1 : 0;
	return s->empties >= EMPTIES_ENOUGH;
}

/* A unix or UDP socket that was shut never listens again, and one whose port
 * the kernel chose would get another. */
static bool
can_come_back(const struct listener *l)
{
	return l->url.scheme != URL_UNIX && !url_is_udp(&l->url) &&
	    l->said_port != 0;
}

/* For how long has nobody had a reason to go there? 0: somebody still has. What
 * cannot come back goes on until the commit. */
static uint64_t
left_for(const struct master *m, const struct listener *l)
{
	if (l->is_closing)
		return mono_ns() - l->closing_ns;
	if (m->roll.phase == ROLL_WATCHING && can_come_back(l))
		return mono_ns() - m->roll.since_ns;
	return 0;
}

/* Clients that stand in its queues are served; later ones are refused. */
static void
shut_when_empty(struct master *m, struct listener *l)
{
	uint64_t left = left_for(m, l);
	bool is_empty = left >= LEAVE_NS;
	size_t i;

	for (i = 0; i < l->nslots; i++)
		if (l->slots[i].is_listening)
			is_empty &= listener_is_run_out(&l->slots[i]);
	is_empty &= relay_is_run_out(l, 0, (int)l->nrelays);
	if (!is_empty && !(l->is_closing && left >= CLOSING_MOST_NS))
		return;
	for (i = 0; i < l->nslots; i++)
		if (l->slots[i].is_listening && !l->slots[i].is_foreign) {
			(void)socket_shut(l, &l->slots[i]);
			steer_on_close(&l->steer, l->slots[i].id);
		}
	l->is_shut = true;
	master_on_change(m);
}

void
listener_tick(struct master *m)
{
	size_t i = m->nlisteners;

	while (i-- > 0) {
		struct listener *l = m->listeners[i];

		if (l->is_leaving && !l->is_shut)
			shut_when_empty(m, l);
		else if (l->is_closing)
			listener_drop(m, l);
	}
}

/* Clients find a unix path no more, and those of a port are refused once its
 * queue is empty. */
static void
start_closing(struct listener *l)
{
	l->is_closing = true;
	l->closing_ns = mono_ns();
	if (l->owns_path)
		unixpath_remove(l->url.path, l->path_dev, l->path_ino);
	l->owns_path = false;
}

void
listener_commit(struct master *m)
{
	size_t i;

	for (i = 0; i < m->nlisteners; i++) {
		struct listener *l = m->listeners[i];

		l->is_added = l->is_changed = false;
		if (l->is_leaving)
			start_closing(l);
	}
	master_on_change(m);
}

bool
listener_is_closing(const struct master *m)
{
	size_t i;

	for (i = 0; i < m->nlisteners; i++)
		if (m->listeners[i]->is_closing)
			return true;
	return false;
}

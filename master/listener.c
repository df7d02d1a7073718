/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * listener.c: the addresses of the generations and their listening sockets.
 * Only the master opens and closes them; children are born with copies. A
 * listener outlives generations: what a reload adds, changes and leaves can be
 * undone until it is committed.
 */
#include <sys/stat.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/datagram.h"
#include "master/heir.h"
#include "master/inherit.h"
#include "master/master.h"
#include "master/service.h"

/* Does an address we hold already cover this one? */
static bool
overlaps_ours(struct master *m, const struct listener *l)
{
	bool does = false;
	size_t i, k;

	for (i = 0; i < m->nlisteners; i++) {
		struct listener *other = m->listeners[i];

		if (other == l ||
		    url_is_udp(&other->url) != url_is_udp(&l->url) ||
		    !addr_overlaps(&other->addr, &l->addr,
			!url_is_dual(&other->url) && !url_is_dual(&l->url)))
			continue;
		does = true;
		for (k = 0; k < other->nslots; k++)
			if (other->slots[k].fd != -1)
				(void)socket_share(other->slots[k].fd);
	}
	return does;
}

/* The kernel chose the port: every later slot must have the same. */
static int
learn_port(struct listener *l, struct err *err)
{
	struct addr a = { .len = sizeof(a.u) };

	if (getsockname(l->slots[0].fd, &a.u.sa, &a.len) == -1)
		return err_sys(err, "getsockname");
	l->url.port = addr_port(&a);
	addr_set_port(&l->addr, l->url.port);
	return 0;
}

/*
 * Slot 0 is bound without SO_REUSEPORT, so that a busy port is an error, and
 * listens before it gets the flag that lets our other slots join.
 */
static int
open_first(struct master *m, struct listener *l, struct err *err)
{
	bool share = l->url.reuseport == URL_TRUE || overlaps_ours(m, l) ||
	    heir_has_sockets(l);
	char text[URL_TEXT_MAX];
	struct slot *s = &l->slots[0];

	if (l->url.scheme == URL_UNIX &&
	    unixpath_clear(&l->addr,
		url_print_short(&l->url, text, sizeof(text)), err) == -1)
		return -1;
	s->fd = socket_open(l, share, err);
	if (s->fd == -1)
		return -1;
	/* At once: a path that nobody listens on looks stale to others. */
	if (socket_listen(l, s) == -1)
		return socket_explain(l, err);
	return l->url.scheme == URL_UNIX ? unixpath_claim(l, err) : 0;
}

/* With slot 0 there is a port, and further slots may join. */
static int
complete_first(struct listener *l, struct err *err)
{
	if (l->url.scheme != URL_UNIX && learn_port(l, err) == -1)
		return -1;
	if (l->has_slot_per_place && socket_share(l->slots[0].fd) == -1)
		return err_sys(err, "SO_REUSEPORT");
	if (url_is_udp(&l->url) &&
	    datagram_join(l->slots[0].fd, &l->url, NULL, err) == -1)
		return -1;
	if (socket_learn(l, err) == -1)
		return -1;
	heir_mend(l);
	return 0;
}

struct slot
listener_new_slot(struct master *m, const struct listener *l, int place)
{
	return (struct slot){
		.id = ++m->last_slot_id,
		.fd = -1,
		.place = l->has_slot_per_place ? place
		    : l->is_dispatched         ? SLOT_ACCEPTORS
					       : SLOT_SHARED,
		.opened_ns = mono_ns(),
	};
}

struct slot *
listener_slot_at(struct master *m, struct listener *l, size_t index,
    struct err *err)
{
	size_t n = MAX_OF(index + 1, l->nslots);
	struct slot *s = reallocarray(l->slots, n, sizeof(*s));
	uint32_t stored_id;

	if (s == NULL) {
		(void)err_sys(err, "memory for %zu sockets", n);
		return NULL;
	}
	l->slots = s;
	for (; l->nslots < n; l->nslots++)
		s[l->nslots] = (struct slot){ .fd = -1 };
	stored_id = s[index].stored_id;
	s[index] = listener_new_slot(m, l, (int)index);
	s[index].stored_id = stored_id;
	return &s[index];
}

/* Have slots for this many places; those that are new get no connection before
 * they listen: see listener_listen(). */
static int
open_slots(struct master *m, struct listener *l, size_t places, struct err *err)
{
	struct slot *s;
	size_t i;

	if (places > 1 && !socket_can_be_joined(l, err))
		return -1;
	for (i = 0; i < places; i++) {
		if (i < l->nslots && l->slots[i].fd != -1)
			continue;
		s = listener_slot_at(m, l, i, err);
		if (s == NULL)
			return -1;
		s->fd = socket_open(l, true, err);
		if (s->fd == -1)
			return -1;
	}
	return 0;
}

/* Close those beyond the first `places` that never listened. */
static void
close_unused(struct listener *l, size_t places)
{
	size_t i;

	for (i = places; i < l->nslots; i++)
		if (!l->slots[i].is_listening)
			closefd(&l->slots[i].fd);
}

static int
listener_open(struct master *m, struct listener *l, struct err *err)
{
	size_t n = l->has_slot_per_place ? (size_t)m->nplaces : 1;

	if (url_addr(&l->url, &l->addr, err) == -1 ||
	    heir_open(m, l, n, err) == -1)
		return -1;
	if ((l->nslots == 0 || l->slots[0].fd == -1) &&
	    (listener_slot_at(m, l, 0, err) == NULL ||
		open_first(m, l, err) == -1))
		return -1;
	if (complete_first(l, err) == -1)
		return -1;
	if (l->is_dispatched)
		return relay_open(m, l, (size_t)m->nplaces, err);
	return open_slots(m, l, n, err) == 0 || heir_share(l, err) ? 0 : -1;
}

/* ---- the list ---- */

static struct listener *
listener_add(struct master *m, const struct generation *g,
    const struct url *url)
{
	struct listener **all, *l = calloc(1, sizeof(*l));

	all = reallocarray(m->listeners, m->nlisteners + 1,
	    sizeof(struct listener *));
	if (all != NULL)
		m->listeners = all;
	if (all == NULL || l == NULL) {
		free(l);
		return NULL;
	}
	l->url = *url;
	l->said_port = url->port;
	l->is_admin = g->is_admin;
	l->is_dispatched = !l->is_admin &&
	    policy_is_dispatched(url, g->conf.accept, g->conf.balance);
	l->has_slot_per_place = !l->is_admin && !l->is_dispatched &&
	    policy_has_slot_per_place(url, g->conf.accept, m->nplaces);
	all[m->nlisteners++] = l;
	return l;
}

void
listener_drop(struct master *m, struct listener *l)
{
	struct generation *g;
	size_t i;

	service_forget(m, l);
	heir_leave(m, l);
	for (i = 0; i < l->nslots; i++) {
		socket_retire(l, &l->slots[i]);
		/* While somebody has a copy the port is not free. */
		if (url_is_udp(&l->url))
			slot_release_all(m, l, &l->slots[i]);
	}
	relay_close(l);
	steer_fini(&l->steer);
	if (l->owns_path)
		unixpath_remove(l->url.path, l->path_dev, l->path_ino);
	TAILQ_FOREACH(g, l->is_admin ? &m->admin.generations : &m->generations,
	    entry)
		for (i = 0; i < g->nlisteners; i++)
			if (g->listeners[i] == l)
				g->listeners[i] = NULL;
	for (i = 0; m->listeners[i] != l; i++)
		continue;
	m->nlisteners--;
	/* They are shown in this order. */
	(void)memmove(&m->listeners[i], &m->listeners[i + 1],
	    (m->nlisteners - i) * sizeof(struct listener *));
	free(l->slots);
	free(l);
}

/* As the operator wrote it, port 0 included. */
static bool
is_same_address(const struct listener *l, const struct url *url)
{
	return l->url.scheme == url->scheme && l->said_port == url->port &&
	    strcmp(l->url.host, url->host) == 0 &&
	    strcmp(l->url.path, url->path) == 0;
}

static struct listener *
find(struct master *m, const struct generation *g, const struct url *url)
{
	struct ctl_slot where;
	size_t i;

	for (i = 0; i < m->nlisteners; i++) {
		struct listener *l = m->listeners[i];

		/* Two of port 0 are two listeners. */
		if (is_same_address(l, url) && l->is_admin == g->is_admin &&
		    !generation_find(g, l, &where))
			return l;
	}
	return NULL;
}

/* ---- steering ---- */

/* The balancers that are a program; the others are the acceptor's. */
static const enum steer_how hows[CONF_BALANCE_NHOWS] = {
	[CONF_BALANCE_SOURCE_HASH] = STEER_SOURCE,
	[CONF_BALANCE_RANDOM] = STEER_RANDOM,
};

static void
tell_steer(struct listener *l, enum conf_balance balance)
{
	size_t i;

	l->steer.how = hows[balance];
	l->steer.is_datagram = url_is_udp(&l->url);
	for (i = 0; i < l->nslots; i++) {
		struct slot *s = &l->slots[i];

		if (!s->is_listening)
			continue;
		/* Those that nobody has come last. */
		(void)steer_rank(&l->steer, s->id, (uint32_t)s->place);
		if (s->is_excluded)
			(void)steer_exclude(&l->steer, s->id);
		else
			(void)steer_include(&l->steer, s->id);
	}
}

void
listener_steer(const struct master *m, struct listener *l)
{
	char text[URL_TEXT_MAX];
	struct err err;
	int rc;

	/* Of a group that strangers may have joined the order is not known. */
	if (!l->has_slot_per_place || l->is_shut ||
	    l->url.reuseport == URL_TRUE)
		return;
	tell_steer(l, m->conf->balance);
	rc = steer_apply(&l->steer, &err);
	if (rc == 1 && !l->is_misled)
		log_error("security: %s: a child had attached a program that "
			  "steers connections; detached",
		    url_print_short(&l->url, text, sizeof(text)));
	else if (rc == -1)
		log_warn("steering: %s", err.text);
	l->is_misled = rc == 1;
}

void
listener_steer_all(struct master *m)
{
	size_t i;

	for (i = 0; i < m->nlisteners; i++)
		listener_steer(m, m->listeners[i]);
}

void
listener_retire(const struct master *m, struct listener *l, struct slot *s)
{
	if (!socket_shut(l, s))
		return;
	log_debug("slot %u: retired", (unsigned)s->id);
	socket_retire(l, s);
	/* Copies of a TCP socket are forgotten when they are seen shut. */
	if (url_is_udp(&l->url))
		slot_release_all(m, l, s);
	s->is_excluded = false;
	s->retire_ns = 0;
	listener_steer(m, l);
}

/* ---- options of a listener that is there already ---- */

/* Did the operator ask for one socket for all? */
static bool
is_said_shared(const struct url *url, const struct conf *conf)
{
	return !url_is_udp(url) &&
	    (url->reuseport == URL_FALSE ||
		(url->reuseport == URL_UNSET &&
		    conf->accept == CONF_ACCEPT_SHARED));
}

/* Its URL is another one now. */
static int
tune_all(struct listener *l, const struct url *before, struct err *err)
{
	const struct url *url = &l->url;
	size_t i;

	for (i = 0; i < l->nslots; i++)
		if (l->slots[i].fd != -1 &&
		    socket_tune(l->slots[i].fd, url, before, err) == -1)
			return -1;
	if (url_is_udp(url) &&
	    datagram_join(l->slots[0].fd, url, before, err) == -1)
		return -1;
	for (i = 0; i < l->nslots; i++)
		if (l->slots[i].is_listening &&
		    socket_listen(l, &l->slots[i]) == -1)
			return err_sys(err, "backlog=%d", url->backlog);
	return socket_learn(l, err);
}

static int
refuse_mode(const struct listener *l, struct err *err)
{
	char text[URL_TEXT_MAX];

	err_set(err, EXIT_BAD_CONFIG,
	    "whether connections of %s are dispatched cannot change at a "
	    "reload",
	    url_print_short(&l->url, text, sizeof(text)));
	return err_hint(err,
	    "keep accept and balance, or stop the server and start it again");
}

static int
listener_change(const struct master *m, struct listener *l,
    const struct generation *g, const struct url *url, struct err *err)
{
	/* A reload that was undone may have split a listener that is said to
	 * be shared: that alone is no change. */
	bool joins = l->has_slot_per_place && is_said_shared(url, &g->conf) &&
	    !is_said_shared(&l->url, m->conf);
	uint16_t port = l->url.port;

	/* Its children were born for what it is. */
	if (!l->is_admin &&
	    l->is_dispatched !=
		policy_is_dispatched(url, g->conf.accept, g->conf.balance))
		return refuse_mode(l, err);
	if (socket_check_fixed(l, url, joins, err) == -1)
		return -1;
	l->before = l->url;
	l->is_changed = true;
	l->url = *url;
	l->url.port = port;
	return tune_all(l, &l->before, err);
}

/* It goes from one socket for all to one for each place, if it has not them
 * yet. Its children know the first as theirs; only later ones have the others.
 * -1: it is as it was. */
static int
listener_split(struct master *m, struct listener *l, size_t places,
    struct err *err)
{
	bool was_shared = !l->has_slot_per_place;

	if (socket_share(l->slots[0].fd) == -1)
		return err_sys(err, "SO_REUSEPORT");
	l->has_slot_per_place = true;
	if (open_slots(m, l, places, err) == -1) {
		if (heir_share(l, err))
			return 0;
		l->has_slot_per_place = !was_shared;
		if (was_shared)
			close_unused(l, 1);
		return -1;
	}
	l->slots[0].place = 0;
	if (was_shared)
		heir_split(l);
	/* What was learnt before still counts. */
	if (socket_learn(l, err) == -1)
		log_warn("%s", err->text);
	return 0;
}

/* Should it have a slot for each of so many places? */
static bool
wants_slots(const struct listener *l, const struct url *url,
    enum conf_accept accept, int places)
{
	return l->has_slot_per_place ||
	    (!l->is_lone && !l->is_admin && !l->is_dispatched &&
		policy_has_slot_per_place(url, accept, places));
}

int
listener_widen(struct master *m, int places, struct err *err)
{
	size_t i;

	for (i = 0; i < m->nlisteners; i++) {
		struct listener *l = m->listeners[i];

		if (!l->is_closing && l->is_dispatched &&
		    relay_open(m, l, (size_t)places, err) == -1)
			return -1;
		/* One that may yet come back is widened, too. */
		if (l->is_closing ||
		    !wants_slots(l, &l->url, m->conf->accept, places))
			continue;
		if (listener_split(m, l, (size_t)places, err) == -1) {
			listener_narrow(m);
			return -1;
		}
	}
	return 0;
}

void
listener_narrow(struct master *m)
{
	size_t i;

	for (i = 0; i < m->nlisteners; i++)
		if (m->listeners[i]->has_slot_per_place)
			close_unused(m->listeners[i], (size_t)m->nplaces);
}

/* ---- generations ---- */

static int
open_one(struct master *m, struct generation *g, struct listener **slot,
    const struct url *url, struct err *err)
{
	struct listener *l = find(m, g, url);

	if (l != NULL) {
		*slot = l;
		if (listener_change(m, l, g, url, err) == -1)
			return -1;
		if (l->has_slot_per_place ||
		    !wants_slots(l, url, g->conf.accept, m->nplaces))
			return 0;
		return listener_split(m, l, (size_t)m->nplaces, err);
	}
	l = listener_add(m, g, url);
	if (l == NULL)
		return err_sys(err, "memory for a listener");
	*slot = l;
	l->is_added = true;
	if (listener_open(m, l, err) == 0)
		return 0;
	if (err->sys == EADDRINUSE) {
		m->busy = l->addr;
		m->busy_is_udp = url_is_udp(&l->url);
	}
	return -1;
}

static void
warn_of_backlogs(const struct generation *g)
{
	size_t i;

	for (i = 0; i < g->nlisteners; i++)
		if (g->listeners[i]->url.backlog > socket_backlog_max())
			log_warn("backlog=%d: the kernel allows %d; raise "
				 "net.core.somaxconn",
			    g->listeners[i]->url.backlog, socket_backlog_max());
}

/* Nothing but the kernel can spread its connections. */
static bool
is_kernels(const struct listener *l)
{
	if (l->is_dispatched)
		return false;
	if (l->url.reuseport == URL_FALSE)
		return !url_is_udp(&l->url);
	return l->url.reuseport == URL_TRUE || l->steer.is_blind;
}

/* Where the balance that was asked for cannot be had. */
static void
warn_of_balance(const struct generation *g)
{
	char text[URL_TEXT_MAX];
	size_t i;

	for (i = 0; i < g->nlisteners && hows[g->conf.balance] != STEER_KERNEL;
	     i++) {
		const struct listener *l = g->listeners[i];

		if (is_kernels(l))
			log_warn("balance: %s: not for %s: %s",
			    conf_balance_names[g->conf.balance],
			    url_print_short(&l->url, text, sizeof(text)),
			    l->url.reuseport == URL_FALSE
				? "with reuseport=false children share a socket"
				: "other servers may share its port");
	}
}

int
listener_open_all(struct master *m, struct generation *g, struct err *err)
{
	size_t i, k, n = 0;

	for (i = 0; i < g->conf.nservers; i++)
		for (k = 0; k < g->conf.servers[i].nlistens; k++, n++)
			if (open_one(m, g, &g->listeners[n],
				&g->conf.servers[i].listens[k], err) == -1) {
				listener_revert(m);
				return -1;
			}
	warn_of_backlogs(g);
	warn_of_balance(g);
	return 0;
}

static void
listener_revive(const struct master *m, struct listener *l)
{
	const struct url after = l->url;
	struct err err;
	size_t i;

	l->is_leaving = false;
	if (l->is_changed) {
		l->is_changed = false;
		l->url = l->before;
		if (tune_all(l, &after, &err) == -1)
			log_warn("%s", err.text);
	}
	/* A socket that was shut can listen again. */
	for (i = 0; l->is_shut && i < l->nslots; i++) {
		struct slot *s = &l->slots[i];

		if (!s->is_listening || s->is_foreign)
			continue;
		s->is_listening = false;
		if (socket_listen(l, s) == -1)
			log_sys(LOG_ERROR, "listen again");
	}
	l->is_shut = false;
	listener_steer(m, l);
}

void
listener_revert(struct master *m)
{
	size_t i = m->nlisteners;

	while (i-- > 0)
		if (m->listeners[i]->is_added)
			listener_drop(m, m->listeners[i]);
		else
			listener_revive(m, m->listeners[i]);
	master_on_change(m);
}

void
listener_close_service(struct master *m)
{
	size_t i = m->nlisteners;

	while (i-- > 0)
		if (!m->listeners[i]->is_admin)
			listener_drop(m, m->listeners[i]);
}

void
listener_close_all(struct master *m)
{
	while (m->nlisteners > 0)
		listener_drop(m, m->listeners[m->nlisteners - 1]);
	free(m->listeners);
	m->listeners = NULL;
}

/* ---- children ---- */

/* The slot of this place; NULL: it has none, or the listener is gone. */
static struct slot *
slot_of(const struct listener *l, int place)
{
	if (l == NULL || (place == HERITAGE_ACCEPTOR && !l->is_dispatched))
		return NULL;
	if (l->is_dispatched && place != HERITAGE_ACCEPTOR)
		return &l->relays[place].reader;
	return &l->slots[l->has_slot_per_place ? place : 0];
}

static enum conf_accept
accept_mode_of(const struct listener *l)
{
	if (l->is_dispatched)
		return CONF_ACCEPT_DISPATCH;
	return l->has_slot_per_place ? CONF_ACCEPT_REUSEPORT
				     : CONF_ACCEPT_SHARED;
}

size_t
listener_heritage(const struct generation *g, int place,
    struct heritage_slot *out, size_t max)
{
	size_t i, used = 0;

	assert(g->nlisteners <= max);
	for (i = 0; i < g->nlisteners; i++) {
		const struct listener *l = g->listeners[i];
		const struct slot *s = slot_of(l, place);
		struct ctl_slot where;

		if (s == NULL || !generation_find(g, l, &where))
			continue;
		out[used++] = (struct heritage_slot){
			.id = s->id,
			.server = where.server,
			.listen = where.listen,
			.flags = s->place >= 0 && l->is_dispatched
			    ? CTL_SLOT_READ
			    : 0,
			.fd = s->fd,
			.port = g->listeners[i]->url.port,
			.mode = accept_mode_of(l),
		};
	}
	return used;
}

void
listener_listen(const struct proc *p)
{
	const struct generation *g = p->generation;
	int place = p->place->number;
	size_t i;

	for (i = 0; i < g->nlisteners; i++) {
		struct slot *s = slot_of(g->listeners[i], place);

		if (s == NULL || s->is_listening)
			continue;
		if (g->listeners[i]->is_dispatched) {
			relay_listen(g->listeners[i], place);
			continue;
		}
		if (socket_listen(g->listeners[i], s) == -1)
			log_sys(LOG_ERROR, "listen for child %d", place);
		/* The program counts the members. */
		listener_steer(p->master, g->listeners[i]);
	}
}

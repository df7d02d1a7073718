/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * accept.c: new connections, and packets of UDP. Runs in children and in the
 * acceptor. Owns this child's copies of the slots and decides when they are
 * watched: polled for the master, and neither full nor out of descriptors. It
 * never closes a copy while the master lives: that would make libev rebuild its
 * whole epoll set.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "child/child.h"

#define RECOVER_SECONDS 1.0
#define REST_SECONDS 0.1
/* Each serves budget.messages packets of a socket that is given up. */
#define LAST_TURNS 1000

/* A server that stops serves its queues until the master shuts them; in any
 * other drain siblings do, but for the slots that are ours to the end. */
static bool
is_serving(const struct listener *l)
{
	const struct child *ch = l->server->child;

	if (!l->is_polled)
		return false;
	if (ch->state == CHILD_READY)
		return true;
	return ch->state == CHILD_DRAINING && !ch->drain.is_cutting &&
	    (l->is_kept || ch->drain.reason == CTL_STOPPING);
}

static bool
is_wanted(struct listener *l)
{
	struct child *ch = l->server->child;

	if (!is_serving(l) || ev_is_active(&l->rest))
		return false;
	/* Packets are no connections, and need no descriptors. */
	if (l->port != NULL)
		return true;
	return ch->sick == 0 && !ch->is_full && !l->server->is_full &&
	    !ev_is_active(&ch->pace.wait) &&
	    (l->route == NULL || dispatch_is_open(l->route));
}

static void
watch(struct listener *l)
{
	struct ev_loop *loop = l->server->child->loop;

	if (is_wanted(l))
		ev_io_start(loop, &l->io);
	else
		ev_io_stop(loop, &l->io);
}

void
accept_update(struct child *ch)
{
	struct listener *l;

	TAILQ_FOREACH(l, &ch->listeners, entry)
		watch(l);
}

/* The connection stays queued and the listener readable, so going on would
 * spin. */
void
accept_fall_sick(struct child *ch, int code)
{
	bool was_told = ch->told_sick != 0;

	ch->sick = ch->told_sick = code;
	ev_timer_stop(ch->loop, &ch->recover);
	ev_timer_set(&ch->recover, RECOVER_SECONDS, 0.);
	ev_timer_start(ch->loop, &ch->recover);
	accept_update(ch);
	if (!was_told)
		cctl_send(ch, CTL_SICK);
}

/*
 * Try again at once, but tell the master only when a second went well: at the
 * limit every close makes room for one, and two messages for each would look
 * like an attack.
 */
static void
on_recover(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct child *ch = w->data;

	(void)revents;
	if (ch->sick != 0) {
		ch->sick = 0;
		ev_timer_set(w, RECOVER_SECONDS, 0.);
		ev_timer_start(loop, w);
		accept_update(ch);
		dispatch_retry(ch);
	} else {
		ch->told_sick = 0;
		cctl_send(ch, CTL_WELL);
	}
}

static void
on_rested(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	watch(w->data);
}

/* A draining child may have stayed for this slot only. */
static void
give_up(struct listener *l)
{
	l->is_polled = false;
	l->is_kept = false;
	watch(l);
	drain_check(l->server->child);
}

/* The listener was shut down under us: it would be readable for ever. */
static void
take_rest(struct listener *l)
{
	struct child *ch = l->server->child;

	if (ch->state == CHILD_DRAINING) {
		/* For good: this is what the drain waited for. */
		give_up(l);
		return;
	}
	ev_timer_set(&l->rest, REST_SECONDS, 0.);
	ev_timer_start(ch->loop, &l->rest);
	watch(l);
}

/* Of a unix or UDP socket that was shut down the kernel says EAGAIN, not
 * EINVAL. A sibling that was faster is the usual reason, so it takes a look. */
static bool
is_shut(const struct listener *l)
{
	struct pollfd pfd = {
		.fd = l->io.fd,
		.events = l->port != NULL ? POLLRDHUP : POLLIN,
	};

	return (l->is_unix || l->port != NULL) && poll(&pfd, 1, 0) == 1 &&
	    (pfd.revents & (POLLHUP | POLLRDHUP)) != 0;
}

/* accept4() failed: true when the next call may succeed. */
static bool
on_error(struct listener *l, int code)
{
	switch (code) {
	case EINTR:
	case ECONNABORTED:
	case EPROTO:
	/* Errors of the new connection that Linux hands to accept. */
	case ENETDOWN:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EPERM:
		return true;
	case EAGAIN:
		if (is_shut(l))
			take_rest(l);
		return false;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		/* Ours may make room; others would take what we free. */
		if (code == EMFILE && admit_shed(l->server->child))
			return true;
		accept_fall_sick(l->server->child, code);
		return false;
	default:
		take_rest(l);
		return false;
	}
}

static void
accept_some(struct listener *l, unsigned most)
{
	struct addr from = { .len = 0 }, *asked = NULL;
	struct admission a;
	int fd;

	if (l->server->limits.per_address > 0)
		asked = &from;
	while (most-- > 0 && admit_look(l->server, &a)) {
		from.len = sizeof(from.u);
		fd = accept4(l->io.fd, asked != NULL ? &from.u.sa : NULL,
		    asked != NULL ? &from.len : NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd != -1)
			admit_take(l->server, fd, l->listen, &from.u.sa, &a);
		else if (!on_error(l, errno))
			return;
	}
}

static void
forget(struct child *ch, struct listener *l)
{
	TAILQ_REMOVE(&ch->listeners, l, entry);
	ev_io_stop(ch->loop, &l->io);
	ev_timer_stop(ch->loop, &l->rest);
	if (l->port != NULL)
		dgram_close(l->port);
	closefd(&l->io.fd);
	free(l);
}

/* Nothing will come through this pair any more. */
static void
end_pair(struct listener *l)
{
	struct child *ch = l->server->child;

	forget(ch, l);
	drain_check(ch);
}

static void
on_connection(struct ev_loop *loop, ev_io *w, int revents)
{
	struct listener *l = w->data;
	unsigned most = l->server->budget_accepts;
	int code = 0;

	(void)loop;
	(void)revents;
	if (l->route != NULL)
		code = dispatch_accept(l->route, w->fd, most);
	else if (l->is_pair)
		code = receive_some(l, most);
	else
		accept_some(l, most);
	if (code == EPIPE && l->is_pair)
		end_pair(l);
	else if (code != 0)
		(void)on_error(l, code);
}

static void
on_packets(struct ev_loop *loop, ev_io *w, int revents)
{
	struct listener *l = w->data;
	int code = dgram_read(l->port);

	(void)loop;
	(void)revents;
	if (code == EAGAIN ? is_shut(l) : code != 0)
		take_rest(l);
}

void
accept_on_close(struct tine_child *s)
{
	struct child *ch = s->child;

	if (!ch->is_full && !s->is_full && ch->sick == 0)
		return;
	ch->is_full = false;
	s->is_full = false;
	ch->sick = 0;
	accept_update(ch);
}

bool
accept_is_open(const struct child *ch)
{
	const struct listener *l;

	TAILQ_FOREACH(l, &ch->listeners, entry)
		if (is_serving(l) ||
		    (l->port != NULL && dgram_is_pending(l->port)))
			return true;
	return dispatch_is_holding(ch);
}

/*
 * Linux copies these options from the listener to what is accepted from it, so
 * they are set once and cost no call a connection.
 */
static void
set_options(int fd, const struct url *url)
{
	int nodelay = url->nodelay, alive = url->keepalive > 0;

	if (url->scheme == URL_UNIX || url_is_udp(url))
		return;
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay,
		sizeof(nodelay)) == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &alive, sizeof(alive)) ==
		-1 ||
	    (alive &&
		(setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &url->keepalive,
		     sizeof(url->keepalive)) == -1 ||
		    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &url->keepalive,
			sizeof(url->keepalive)) == -1)))
		log_sys(LOG_WARN, "nodelay and keepalive of a listener");
}

void
accept_init(struct child *ch)
{
	ev_init(&ch->recover, on_recover);
	ch->recover.data = ch;
}

static struct listener *
find(struct child *ch, uint32_t id)
{
	struct listener *l;

	TAILQ_FOREACH(l, &ch->listeners, entry)
		if (l->id == id)
			return l;
	return NULL;
}

/* A copy of a slot that was not known yet; NULL: fd stays the caller's. */
static struct listener *
learn(struct child *ch, const struct ctl_slot *slot, int fd)
{
	struct tine_child *s = &ch->servers[slot->server];
	const struct url *url = &s->conf->listens[slot->listen];
	struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	if (ch->dispatch != NULL) {
		l->route = dispatch_route(ch, slot->server, slot->listen);
		if (l->route == NULL) {
			free(l);
			return NULL;
		}
	} else if (url_is_udp(url)) {
		l->port = dgram_open(s, slot->listen, fd);
		if (l->port == NULL) {
			free(l);
			return NULL;
		}
	}
	l->server = s;
	l->id = slot->id;
	l->listen = slot->listen;
	l->is_pair = (slot->flags & CTL_SLOT_READ) != 0;
	l->is_unix = url->scheme == URL_UNIX && !l->is_pair;
	if (!l->is_pair)
		set_options(fd, url);
	ev_io_init(&l->io, l->port != NULL ? on_packets : on_connection, fd,
	    EV_READ);
	l->io.data = l;
	ev_init(&l->rest, on_rested);
	l->rest.data = l;
	TAILQ_INSERT_TAIL(&ch->listeners, l, entry);
	return l;
}

int
accept_add(struct child *ch, const struct ctl_slot *slot, int fd, bool poll)
{
	struct listener *l = find(ch, slot->id);

	/* One copy a slot: the first. */
	if (l != NULL)
		closefd(&fd);
	else if (slot->server < ch->nservers &&
	    slot->listen < ch->servers[slot->server].conf->nlistens && fd != -1)
		l = learn(ch, slot, fd);
	if (l == NULL) {
		closefd(&fd);
		return -1;
	}
	l->is_polled |= poll;
	l->is_kept = (slot->flags & CTL_SLOT_KEEP) != 0;
	watch(l);
	/* A draining child may have stayed for this slot only. */
	drain_check(ch);
	return 0;
}

/* A socket that was shut down does not; if it ever does again, the master sends
 * it again. The end of a pair shows when it is read from. */
static bool
listens(const struct listener *l)
{
	socklen_t len = sizeof(int);
	int does = 1;

	if (l->port != NULL)
		return !is_shut(l);
	if (l->is_pair)
		return true;
	return getsockopt(l->io.fd, SOL_SOCKET, SO_ACCEPTCONN, &does, &len) ==
	    -1 ||
	    does != 0;
}

void
accept_release(struct child *ch, uint32_t id)
{
	struct listener *l = find(ch, id);
	unsigned turns = LAST_TURNS;

	if (l == NULL)
		return;
	/* What has come is served, and nothing new comes, unless it was not the
	 * master who shut it down. */
	while (turns-- > 0 && l->port != NULL && is_shut(l) &&
	    dgram_read(l->port) == 0)
		continue;
	give_up(l);
	/* Each shrinking retires some: kept, they would fill our table. */
	if (!listens(l))
		forget(ch, l);
}

void
accept_on_orphan(struct child *ch)
{
	struct listener *l, *next;

	TAILQ_FOREACH_SAFE(l, &ch->listeners, entry, next)
		if (!l->is_pair)
			forget(ch, l);
}

void
accept_close_all(struct child *ch)
{
	struct listener *l;

	ev_timer_stop(ch->loop, &ch->recover);
	while ((l = TAILQ_FIRST(&ch->listeners)) != NULL)
		forget(ch, l);
}

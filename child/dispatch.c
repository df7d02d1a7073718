/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dispatch.c: the acceptor. Runs in its process only. Owns its copies of the
 * pairs' write ends and its views of the children's pages; who gets what is
 * balance.c's arithmetic, and what a child wrote is only ever compared. It runs
 * no handler and never keeps more than one connection that has nowhere to go.
 */
#include "child/dispatch.h"

#include <sys/mman.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "child/balance.h"
#include "child/child.h"
#include "shared/handoff.h"

/* The write end of a pair. */
struct target {
	struct route *route;
	ev_io io;        /* watched while no pair has room */
	uint32_t id;     /* of the slot */
	uint32_t place;  /* whose child reads it */
	unsigned credit; /* so many more it takes for certain */
};

/* The children that connections of one listener can go to. */
struct route {
	TAILQ_ENTRY(route) entry;
	struct child *child;
	uint32_t server, listen;
	struct target **targets; /* by place */
	size_t n, next;          /* whose turn it is */
	bool is_stuck;           /* no pair has room */
};

/* The page of a place's child, read-only, and what was sent there. */
struct view {
	const uint64_t *map;          /* or NULL */
	size_t accepted, connections; /* words of it */
	struct balance_child child;
};

struct dispatch {
	TAILQ_HEAD(, route) routes;
	struct view *views; /* of each place */
	uint64_t noise;
	struct {
		int fd; /* or -1 */
		struct route *route;
		struct addr peer;
	} held;
};

static void
view_close(struct view *v)
{
	union {
		const uint64_t *ro;
		void *rw;
	} map = { .ro = v->map };

	if (v->map != NULL)
		(void)munmap(map.rw, BOARD_PAGE_BYTES);
	*v = (struct view){ .map = NULL };
}

int
dispatch_init(struct child *ch, struct err *err)
{
	struct dispatch *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return err_sys(err, "memory for the acceptor");
	TAILQ_INIT(&d->routes);
	d->held.fd = -1;
	d->noise = mono_ns() | 1;
	/* The kernel gives memory only for those that are used. */
	d->views = calloc(CONF_PROCESSES_MAX, sizeof(*d->views));
	if (d->views == NULL) {
		free(d);
		return err_sys(err, "memory for the acceptor");
	}
	ch->dispatch = d;
	return 0;
}

/* ---- pairs ---- */

static void
target_free(struct target *t)
{
	ev_io_stop(t->route->child->loop, &t->io);
	closefd(&t->io.fd);
	free(t);
}

static void
drop_target(struct route *r, size_t i)
{
	target_free(r->targets[i]);
	r->n--;
	(void)memmove(&r->targets[i], &r->targets[i + 1],
	    (r->n - i) * sizeof(struct target *));
	if (r->next > i)
		r->next--;
	if (r->next >= r->n)
		r->next = 0;
}

static void
set_stuck(struct route *r, bool is_stuck)
{
	struct ev_loop *loop = r->child->loop;
	size_t i;

	r->is_stuck = is_stuck;
	for (i = 0; i < r->n; i++)
		if (is_stuck)
			ev_io_start(loop, &r->targets[i]->io);
		else
			ev_io_stop(loop, &r->targets[i]->io);
}

/* Connections can go on. */
static void
resume(struct route *r)
{
	if (r->is_stuck)
		set_stuck(r, false);
	dispatch_retry(r->child);
	accept_update(r->child);
}

static void
on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct target *t = w->data;

	(void)loop;
	(void)revents;
	t->credit = HANDOFF_CREDIT;
	resume(t->route);
}

struct route *
dispatch_route(struct child *ch, uint32_t server, uint32_t listen)
{
	struct route *r;

	TAILQ_FOREACH(r, &ch->dispatch->routes, entry)
		if (r->server == server && r->listen == listen)
			return r;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	r->child = ch;
	r->server = server;
	r->listen = listen;
	TAILQ_INSERT_TAIL(&ch->dispatch->routes, r, entry);
	return r;
}

static struct target *
make_target(struct route *r, const struct ctl_slot *slot, int fd)
{
	struct target *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->route = r;
	t->id = slot->id;
	t->place = slot->place;
	ev_io_init(&t->io, on_writable, fd, EV_WRITE);
	t->io.data = t;
	return t;
}

/* In the order of their places, which is the order of their turns. */
static int
insert_target(struct route *r, struct target *t)
{
	struct target **all =
	    reallocarray(r->targets, r->n + 1, sizeof(struct target *));
	size_t i = r->n;

	if (all == NULL)
		return -1;
	r->targets = all;
	while (i > 0 && all[i - 1]->place > t->place) {
		all[i] = all[i - 1];
		i--;
	}
	all[i] = t;
	r->n++;
	return 0;
}

int
dispatch_add(struct child *ch, const struct ctl_slot *slot, int fd)
{
	struct route *r = NULL;
	struct target *t = NULL;

	(void)dispatch_remove(ch, slot->id);
	if (fd != -1 && slot->place < CONF_PROCESSES_MAX)
		r = dispatch_route(ch, slot->server, slot->listen);
	if (r != NULL)
		t = make_target(r, slot, fd);
	if (t == NULL || insert_target(r, t) == -1) {
		free(t);
		closefd(&fd);
		return -1;
	}
	resume(r);
	return 0;
}

bool
dispatch_remove(struct child *ch, uint32_t id)
{
	struct route *r;
	size_t i;

	TAILQ_FOREACH(r, &ch->dispatch->routes, entry)
		for (i = 0; i < r->n; i++)
			if (r->targets[i]->id == id) {
				drop_target(r, i);
				accept_update(ch);
				return true;
			}
	return false;
}

void
dispatch_fini(struct child *ch)
{
	struct dispatch *d = ch->dispatch;
	struct route *r;
	size_t i;

	if (d == NULL)
		return;
	while ((r = TAILQ_FIRST(&d->routes)) != NULL) {
		TAILQ_REMOVE(&d->routes, r, entry);
		while (r->n > 0)
			drop_target(r, r->n - 1);
		free(r->targets);
		free(r);
	}
	for (i = 0; i < CONF_PROCESSES_MAX; i++)
		view_close(&d->views[i]);
	closefd(&d->held.fd);
	free(d->views);
	free(d);
	ch->dispatch = NULL;
}

/* ---- what the children have to do ---- */

static bool
is_word(uint32_t at)
{
	return at % sizeof(uint64_t) == 0 &&
	    at <= BOARD_PAGE_BYTES - sizeof(uint64_t);
}

void
dispatch_set_page(struct child *ch, const struct ctl_page *p, int fd)
{
	struct view *v;
	void *map;

	if (p->place >= CONF_PROCESSES_MAX || fd == -1 ||
	    !is_word(p->accepted_at) || !is_word(p->connections_at))
		return;
	v = &ch->dispatch->views[p->place];
	view_close(v);
	map = mmap(NULL, BOARD_PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		log_sys(LOG_WARN, "the page of child %u", (unsigned)p->place);
		return;
	}
	v->map = map;
	v->accepted = p->accepted_at / sizeof(uint64_t);
	v->connections = p->connections_at / sizeof(uint64_t);
}

static uint64_t
load_of(struct route *r, const struct target *t, double now)
{
	struct view *v = &r->child->dispatch->views[t->place];
	uint64_t accepted = 0, connections = 0;

	if (v->map != NULL) {
		accepted =
		    __atomic_load_n(&v->map[v->accepted], __ATOMIC_RELAXED);
		connections =
		    __atomic_load_n(&v->map[v->connections], __ATOMIC_RELAXED);
	}
	return balance_load(&v->child, accepted, connections, now);
}

/* ---- whose turn it is ---- */

static bool
has_room(struct target *t)
{
	if (t->credit == 0 && handoff_has_room(t->io.fd))
		t->credit = HANDOFF_CREDIT;
	return t->credit > 0;
}

static size_t
by_turn(struct route *r, const struct addr *peer)
{
	(void)peer;
	return r->next;
}

/* Equal ones take turns. */
static size_t
by_load(struct route *r, const struct addr *peer)
{
	double now = child_now(r->child);
	uint64_t least = UINT64_MAX;
	size_t i, best = r->next;

	(void)peer;
	for (i = 0; i < r->n; i++) {
		size_t k = (r->next + i) % r->n;
		uint64_t load = load_of(r, r->targets[k], now);

		if (load < least && has_room(r->targets[k])) {
			least = load;
			best = k;
		}
	}
	return best;
}

/* Clients of a unix socket have no address: they take turns. */
static size_t
by_source(struct route *r, const struct addr *peer)
{
	uint64_t hash;

	return balance_hash(peer, &hash) ? balance_bucket(hash, r->n) : r->next;
}

static size_t
by_chance(struct route *r, const struct addr *peer)
{
	(void)peer;
	return (size_t)(balance_random(&r->child->dispatch->noise) >> 32) %
	    r->n;
}

static size_t (*const choices[CONF_BALANCE_NHOWS])(struct route *,
    const struct addr *) = {
	/* What accept: dispatch means without a word about the balance. */
	[CONF_BALANCE_KERNEL] = by_turn,
	[CONF_BALANCE_ROUND_ROBIN] = by_turn,
	[CONF_BALANCE_LEAST_CONNECTIONS] = by_load,
	[CONF_BALANCE_SOURCE_HASH] = by_source,
	[CONF_BALANCE_RANDOM] = by_chance,
};

/* ---- handing over ---- */

bool
dispatch_is_open(const struct route *r)
{
	return r->n > 0 && !r->is_stuck && !dispatch_is_holding(r->child);
}

/* Every pair is asked; if none has room, until one of them has. */
static bool
can_pass(struct route *r)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (has_room(r->targets[(r->next + i) % r->n]))
			return !dispatch_is_holding(r->child);
	set_stuck(r, true);
	return false;
}

static void
on_sent(struct route *r, size_t i)
{
	struct child *ch = r->child;
	struct target *t = r->targets[i];

	t->credit--;
	balance_on_send(&ch->dispatch->views[t->place].child, child_now(ch));
	r->next = (i + 1) % r->n;
	board_add(ch->board, BOARD_ACCEPTED, 1);
}

/* 0: it was sent. -1: nobody has room, errno EAGAIN, or the kernel has none; or
 * EPERM, nobody with room takes it. */
static int
send_to_one(struct route *r, int connection, const struct addr *peer)
{
	size_t i, tried, first;
	int refused = EAGAIN;

	if (r->n == 0) {
		errno = EAGAIN;
		return -1;
	}
	first = choices[r->child->conf->balance](r, peer);
	for (tried = 0, i = first; tried < r->n; i = (i + 1) % r->n) {
		struct target *t = r->targets[i];

		tried++;
		if (!has_room(t))
			continue;
		if (handoff_send(t->io.fd, connection) == 0) {
			on_sent(r, i);
			return 0;
		}
		t->credit = 0;
		/* A child's doing, which the master undoes. */
		if (errno == EPERM)
			refused = EPERM;
		if (errno == EAGAIN || errno == EPERM)
			continue;
		if (errno != EPIPE && errno != ECONNRESET)
			return -1;
		/* Shut: the master sends another pair. */
		drop_target(r, i);
		return send_to_one(r, connection, peer);
	}
	errno = refused;
	return -1;
}

static void
hold(struct route *r, int connection, const struct addr *peer)
{
	struct dispatch *d = r->child->dispatch;

	d->held.fd = connection;
	d->held.route = r;
	d->held.peer = *peer;
	if (errno == EAGAIN && r->n > 0)
		set_stuck(r, true);
	else if (errno != EAGAIN)
		accept_fall_sick(r->child, errno);
	accept_update(r->child);
}

static void
pass(struct route *r, int connection, const struct addr *peer)
{
	if (send_to_one(r, connection, peer) == -1) {
		hold(r, connection, peer);
		return;
	}
	closefd(&connection);
	/* It may have been all that a drain waited for. */
	drain_check(r->child);
}

int
dispatch_accept(struct route *r, int listener, unsigned most)
{
	struct addr peer = { .len = 0 };
	int fd;

	while (most-- > 0) {
		if (!can_pass(r)) {
			accept_update(r->child);
			break;
		}
		peer.len = sizeof(peer.u);
		peer.u.sa.sa_family = AF_UNSPEC;
		fd = accept4(listener, &peer.u.sa, &peer.len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1)
			return errno;
		pass(r, fd, &peer);
	}
	return 0;
}

bool
dispatch_is_holding(const struct child *ch)
{
	return ch->dispatch != NULL && ch->dispatch->held.fd != -1;
}

void
dispatch_retry(struct child *ch)
{
	struct dispatch *d = ch->dispatch;
	struct addr peer;
	int fd;

	if (!dispatch_is_holding(ch))
		return;
	fd = d->held.fd;
	peer = d->held.peer;
	d->held.fd = -1;
	pass(d->held.route, fd, &peer);
	accept_update(ch);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connect.c: outbound connections. Runs in children. Owns what a connection
 * needs until it is connected: the addresses to try, one after the other, and
 * one timer. The time that is left is shared among the addresses that are left,
 * so that a first one that does not answer cannot use it all up.
 */
#include "child/connect.h"

#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>

#include "child/child.h"
#include "child/resolver.h"

/* An address gets at least so long, if there is so much left. */
#define TRY_SECONDS_MIN 2.0
#define TIMEOUT_SECONDS_MAX 86400.0

struct connect {
	struct tine_conn *conn;
	struct lookup *lookup; /* under way, or NULL */
	struct resolver_answer to;
	int next;     /* of the addresses */
	int err;      /* why the last one failed */
	double until; /* child_now() */
	ev_timer timer;
};

static struct connect *
connect_of(const struct tine_conn *c)
{
	return c->extra == NULL ? NULL : c->extra->connect;
}

void
connect_end(struct tine_conn *c)
{
	struct connect *k = connect_of(c);

	if (k == NULL)
		return;
	c->extra->connect = NULL;
	resolver_cancel(k->lookup);
	ev_timer_stop(conn_server(c)->child->loop, &k->timer);
	free(k);
}

static void
fail(struct connect *k, int err)
{
	/* Ends k. */
	conn_close(k->conn, TINE_ERROR, err);
}

static void
wait_for(struct connect *k, double seconds)
{
	struct ev_loop *loop = conn_server(k->conn)->child->loop;

	ev_timer_stop(loop, &k->timer);
	ev_timer_set(&k->timer, MAX_OF(seconds, 0.), 0.);
	ev_timer_start(loop, &k->timer);
}

static double
left(const struct connect *k)
{
	return k->until - child_now(conn_server(k->conn)->child);
}

/* A socket on its way to this address; -1 and errno. */
static int
set_off(const struct addr *a)
{
	int fd = socket(a->u.sa.sa_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int saved;

	if (fd == -1 || connect(fd, &a->u.sa, a->len) == 0 ||
	    errno == EINPROGRESS)
		return fd;
	saved = errno;
	closefd(&fd);
	errno = saved;
	return -1;
}

static void
watch(struct connect *k, int fd)
{
	struct tine_conn *c = k->conn;
	struct ev_loop *loop = conn_server(c)->child->loop;
	int addresses = k->to.n - k->next + 1;

	ev_io_set(&c->io, fd, EV_WRITE);
	ev_io_start(loop, &c->io);
	wait_for(k,
	    MIN_OF(left(k), MAX_OF(left(k) / addresses, TRY_SECONDS_MIN)));
}

static void
try_next(struct connect *k)
{
	struct tine_conn *c = k->conn;
	int fd;

	ev_io_stop(conn_server(c)->child->loop, &c->io);
	closefd(&c->io.fd);
	while (k->next < k->to.n) {
		fd = set_off(&k->to.addrs[k->next++]);
		if (fd != -1) {
			watch(k, fd);
			return;
		}
		k->err = errno;
	}
	fail(k, k->err);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct connect *k = w->data;

	(void)loop;
	(void)revents;
	k->err = ETIMEDOUT;
	if (k->to.n > k->next && left(k) > 0)
		try_next(k);
	else
		fail(k, ETIMEDOUT);
}

void
connect_on_event(struct tine_conn *c)
{
	struct connect *k = connect_of(c);
	socklen_t len = sizeof(int);
	int err = 0;

	if (getsockopt(c->io.fd, SOL_SOCKET, SO_ERROR, &err, &len) == -1)
		err = errno;
	if (err == 0) {
		connect_end(c);
		conn_begin(c);
		return;
	}
	k->err = err;
	try_next(k);
}

static void
on_found(void *arg, const struct resolver_answer *answer)
{
	struct connect *k = arg;

	k->lookup = NULL;
	k->to = *answer;
	if (answer->err != 0)
		fail(k, answer->err);
	else
		try_next(k);
}

/* ---- tine.h ---- */

/* Find addresses, or have them looked for; -1 and errno. */
static int
begin(struct connect *k, struct tine_child *s, const struct url *u)
{
	if (resolver_now(u, &k->to)) {
		errno = k->to.err;
		k->err = k->to.err;
		return k->to.err == 0 ? 0 : -1;
	}
	k->to.n = 0;
	k->lookup = resolver_begin(s, u, on_found, k);
	return k->lookup == NULL ? -1 : 0;
}

static struct connect *
attach(struct tine_conn *c, double timeout)
{
	struct conn_extra *extra = conn_extra(c);
	struct child *ch = conn_server(c)->child;
	struct connect *k = calloc(1, sizeof(*k));

	if (extra == NULL || k == NULL) {
		free(k);
		return NULL;
	}
	*k = (struct connect){
		.conn = c,
		.until = child_now(ch) + timeout,
	};
	ev_init(&k->timer, on_timer);
	k->timer.data = k;
	extra->connect = k;
	return k;
}

static bool
is_connectable(const struct url *u)
{
	return u->scheme == URL_UNIX || u->scheme == URL_TCP ||
	    u->scheme == URL_TCP4 || u->scheme == URL_TCP6;
}

struct tine_conn *
tine_connect(struct tine_child *s, const struct tine_handler *events,
    const char *text, double timeout, void *context)
{
	struct tine_conn *c;
	struct connect *k;
	struct url url;
	struct err err;

	if (call_is_foreign(s, "tine_connect"))
		return NULL;
	if (url_parse(&url, text, &err) == -1 || !is_connectable(&url) ||
	    !(timeout > 0)) {
		errno = EINVAL;
		return NULL;
	}
	c = conn_make(s, events, -1, context);
	if (c == NULL)
		return NULL;
	k = attach(c, MIN_OF(timeout, TIMEOUT_SECONDS_MAX));
	if (k == NULL) {
		conn_unmake(c);
		errno = ENOMEM;
		return NULL;
	}
	if (begin(k, s, &url) == -1) {
		conn_unmake(c);
		return NULL;
	}
	/* The first address is tried in the next turn: what fails at once must
	 * not call close before the caller has its connection. */
	wait_for(k, k->lookup == NULL ? 0. : left(k));
	return c;
}

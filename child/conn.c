/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn.c: the state of a connection and its ends. Runs in children. Owns the
 * edges from state to state and the descriptor: conn_close() is the only way
 * out, but for the descriptor that a handler takes. Memory is freed by the
 * sweep, never under a running callback.
 */
#include <sys/socket.h>

#include <assert.h>
#include <errno.h>

#include "child/child.h"
#include "child/connect.h"
#include "child/stream.h"
#include "child/tunnel.h"

static const uint8_t conn_next[CONN_NSTATES] = {
	[CONN_FREE] = BIT(CONN_CONNECTING) | BIT(CONN_OPEN),
	[CONN_CONNECTING] =
	    BIT(CONN_OPEN) | BIT(CONN_FLUSHING) | BIT(CONN_CLOSED),
	[CONN_OPEN] = BIT(CONN_FLUSHING) | BIT(CONN_CLOSED),
	[CONN_FLUSHING] = BIT(CONN_LINGERING) | BIT(CONN_CLOSED),
	[CONN_LINGERING] = BIT(CONN_CLOSED),
	[CONN_CLOSED] = BIT(CONN_FREE),
};

void
conn_set_state(struct tine_conn *c, enum conn_state to)
{
	assert(conn_next[c->state] & BIT(to));
	c->state = (uint8_t)to;
}

enum tine_cause
conn_cause_of(int err)
{
	switch (err) {
	case ECONNRESET:
	case EPIPE:
	case ETIMEDOUT:
	case ENOTCONN:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
		return TINE_RESET;
	default:
		return TINE_ERROR;
	}
}

void
conn_obey(struct tine_conn *c, enum tine_action action)
{
	switch (action) {
	case TINE_OK:
		return;
	case TINE_CLOSE:
		conn_finish(c, TINE_LOCAL);
		return;
	case TINE_ABORT:
		conn_give_up(c, TINE_LOCAL, 0);
		return;
	case TINE_STOP:
		child_shutdown(conn_server(c));
		return;
	case TINE_DETACH:
		if (conn_server(c)->handler.detached == NULL)
			break;
		c->is_detaching = true;
		conn_finish(c, TINE_LOCAL);
		return;
	}
	server_blame(conn_server(c),
	    "an action that is unknown, or TINE_DETACH without detached");
	conn_finish(c, TINE_ERROR);
}

void
conn_call(struct tine_conn *c, enum board_callback what,
    enum tine_action (*fn)(struct tine_conn *))
{
	enum tine_action action;

	if (fn == NULL)
		return;
	action = call_action(c, what, fn);
	if (action != TINE_OK)
		conn_obey(c, action);
}

struct conn_extra *
conn_extra(struct tine_conn *c)
{
	struct conn_extra *x = c->extra;
	size_t size;

	if (x != NULL)
		return x;
	x = pool_get(&conn_server(c)->child->pool, sizeof(*x), &size);
	if (x != NULL)
		*x = (struct conn_extra){ .conn = c, .size = size };
	c->extra = x;
	return x;
}

/* ---- closing ---- */

/* Nothing that the child keeps may lead to a closed connection. */
static void
forget(struct tine_conn *c, enum tine_cause cause)
{
	struct child *ch = conn_server(c)->child;

	tunnel_on_close(c, cause);
	ev_io_stop(ch->loop, &c->io);
	connect_end(c);
	deadline_end(c);
	output_fini(c);
	if (ch->window.conn == c)
		ch->window.conn = NULL;
	input_fini(c);
	if (ch->current == c)
		ch->current = NULL;
}

static void
count_out(struct tine_conn *c)
{
	struct tine_child *s = conn_server(c);
	struct child *ch = s->child;

	if (c->is_refused) {
		ch->nrefused--;
		return;
	}
	if (s->slab.peer_at != 0)
		admit_on_close(c);
	s->nconns--;
	ch->nconns--;
	board_set(ch->board, BOARD_CONNECTIONS, ch->nconns);
}

/* Nobody has a claim on it any more. */
static void
bury(struct tine_conn *c)
{
	struct tine_child *s = conn_server(c);
	struct child *ch = s->child;

	count_out(c);
	closefd(&c->io.fd);
	/* The sweep finds a dirty one where it is. */
	if (!c->is_dirty)
		STAILQ_INSERT_TAIL(&ch->dead, c, link);
	accept_on_close(s);
	drain_check(ch);
}

static void
count_close(const struct tine_conn *c, enum tine_cause cause, int err)
{
	struct child *ch = conn_server(c)->child;

	trace_close(c, cause, err);
	board_add(ch->board,
	    (enum board_counter)((unsigned)BOARD_CLOSED + (unsigned)cause), 1);
	if (cause == TINE_OVERFLOW)
		board_add(ch->board, BOARD_DROPPED, 1);
}

void
conn_close(struct tine_conn *c, enum tine_cause cause, int err)
{
	if (c->state == CONN_CLOSED)
		return;
	conn_set_state(c, CONN_CLOSED);
	forget(c, cause);
	if (!c->is_refused) {
		call_close(c, cause, err);
		count_close(c, cause, err);
	}
	bury(c);
}

void
conn_unmake(struct tine_conn *c)
{
	conn_set_state(c, CONN_CLOSED);
	forget(c, TINE_LOCAL);
	bury(c);
}

void
conn_abort(struct tine_conn *c, enum tine_cause cause, int err)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	/* Fails only on a socket that cannot be reset, and then a plain close
	 * is all there is. */
	if (c->state != CONN_CLOSED)
		(void)setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &now,
		    sizeof(now));
	conn_close(c, cause, err);
}

void
conn_finish(struct tine_conn *c, enum tine_cause cause)
{
	bool is_on_its_way;

	if (c->state != CONN_OPEN && c->state != CONN_CONNECTING)
		return;
	tunnel_on_close(c, cause);
	c->cause = (uint8_t)cause;
	is_on_its_way = c->state == CONN_CONNECTING;
	conn_set_state(c, CONN_FLUSHING);
	if (is_on_its_way) {
		/* There is nobody yet who could be told goodbye. */
		output_fini(c);
		c->eof_seen = true;
	}
	/* Nobody looks at its input any more: it must not ask for turns. */
	c->wants_data = false;
	c->has_frames = false;
	stream_on_finish(c);
}

void
conn_give_up(struct tine_conn *c, enum tine_cause cause, int err)
{
	if (c->state == CONN_CLOSED || c->is_given_up)
		return;
	c->is_given_up = true;
	conn_finish(c, cause);
	c->cause = (uint8_t)cause;
	c->err = (uint8_t)err;
	conn_mark_dirty(c);
}

/* All output is out: from here on the descriptor is the handler's. */
static void
hand_over(struct tine_conn *c)
{
	struct child *ch = conn_server(c)->child;
	size_t len;
	const void *unread = tine_peek(c, &len);
	int fd = c->io.fd;

	ev_io_stop(ch->loop, &c->io);
	conn_set_state(c, CONN_CLOSED);
	call_detached(c, fd, unread, len);
	forget(c, TINE_LOCAL);
	count_close(c, TINE_LOCAL, 0);
	c->io.fd = -1;
	bury(c);
}

/*
 * All output is out. Closing now would answer input that is still under way
 * with a reset, and a reset destroys what the peer has not read yet: so say
 * FIN and read on until the peer has closed too.
 */
static void
say_fin(struct tine_conn *c)
{
	if (c->eof_seen || shutdown(c->io.fd, SHUT_WR) == -1)
		conn_close(c, (enum tine_cause)c->cause, 0);
	else
		conn_set_state(c, CONN_LINGERING);
}

void
conn_end(struct tine_conn *c)
{
	if (c->is_detaching)
		hand_over(c);
	else
		say_fin(c);
}

/* ---- tine.h ---- */

void
tine_close(struct tine_conn *c)
{
	if (call_is_foreign(conn_server(c), "tine_close"))
		return;
	conn_finish(c, TINE_LOCAL);
	conn_mark_dirty(c);
}

void *
tine_state(struct tine_conn *c)
{
	if (call_is_foreign(conn_server(c), "tine_state"))
		return NULL;
	return (char *)c + CONN_STATE_OFFSET;
}

uint64_t
tine_handle(const struct tine_conn *c)
{
	return call_is_foreign(conn_server(c), "tine_handle") ? 0 : c->handle;
}

struct tine_child *
tine_child(const struct tine_conn *c)
{
	if (call_is_foreign(conn_server(c), "tine_child"))
		return NULL;
	return server_origin(conn_server(c));
}

int
tine_set_context(struct tine_conn *c, void *context)
{
	struct conn_extra *x;

	if (call_is_foreign(conn_server(c), "tine_set_context"))
		return -1;
	x = conn_extra(c);
	if (x == NULL) {
		errno = ENOMEM;
		return -1;
	}
	x->context = context;
	return 0;
}

void *
tine_context(const struct tine_conn *c)
{
	if (call_is_foreign(conn_server(c), "tine_context"))
		return NULL;
	return c->extra == NULL ? NULL : c->extra->context;
}

size_t
tine_listener(const struct tine_conn *c)
{
	if (call_is_foreign(conn_server(c), "tine_listener"))
		return SIZE_MAX;
	return c->listener == CONN_NO_LISTENER ? SIZE_MAX : c->listener;
}

void
tine_count_requests(struct tine_conn *c, unsigned n)
{
	if (!call_is_foreign(conn_server(c), "tine_count_requests"))
		board_add(conn_server(c)->child->board, BOARD_REQUESTS, n);
}

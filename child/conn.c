/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn.c: the life of a connection. Runs in children. Owns its state, its
 * descriptor and the order of things in an event: callback, output, close.
 * conn_close() is the only way out; memory is freed by the sweep, never under
 * a running callback.
 */
#include <sys/socket.h>

#include <assert.h>
#include <errno.h>

#include "child/child.h"

static const uint8_t conn_next[CONN_NSTATES] = {
	[CONN_FREE] = BIT(CONN_OPEN),
	[CONN_OPEN] = BIT(CONN_FLUSHING) | BIT(CONN_CLOSED),
	[CONN_FLUSHING] = BIT(CONN_LINGERING) | BIT(CONN_CLOSED),
	[CONN_LINGERING] = BIT(CONN_CLOSED),
	[CONN_CLOSED] = BIT(CONN_FREE),
};

static void
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

static void
obey(struct tine_conn *c, enum tine_action action)
{
	switch (action) {
	case TINE_OK:
		return;
	case TINE_CLOSE:
		conn_finish(c, TINE_LOCAL);
		return;
	case TINE_ABORT:
		conn_abort(c, TINE_LOCAL, 0);
		return;
	case TINE_STOP:
		child_shutdown(conn_server(c));
		return;
	case TINE_DETACH:
		break;
	}
	server_blame(conn_server(c),
	    "an action that is unknown or not built yet");
	conn_finish(c, TINE_ERROR);
}

void
conn_call(struct tine_conn *c, enum board_callback what,
    enum tine_action (*fn)(struct tine_conn *))
{
	if (fn != NULL)
		obey(c, call_action(c, what, fn));
}

/* ---- closing ---- */

/* Nothing that the child keeps may lead to a closed connection. */
static void
forget(struct tine_conn *c)
{
	struct child *ch = conn_server(c)->child;

	ev_io_stop(ch->loop, &c->io);
	deadline_end(c);
	output_fini(c);
	if (ch->window.conn == c)
		ch->window.conn = NULL;
	input_fini(c);
	if (ch->current == c)
		ch->current = NULL;
}

static void
drop_extra(struct tine_conn *c)
{
	if (c->extra == NULL)
		return;
	pool_put(&conn_server(c)->child->pool, c->extra, c->extra->size);
	c->extra = NULL;
}

void
conn_close(struct tine_conn *c, enum tine_cause cause, int err)
{
	struct tine_child *s = conn_server(c);
	struct child *ch = s->child;

	if (c->state == CONN_CLOSED)
		return;
	conn_set_state(c, CONN_CLOSED);
	forget(c);
	call_close(c, cause, err);
	trace_close(c, cause, err);
	board_add(ch->board,
	    (enum board_counter)((unsigned)BOARD_CLOSED + (unsigned)cause), 1);
	if (cause == TINE_OVERFLOW)
		board_add(ch->board, BOARD_DROPPED, 1);
	s->nconns--;
	ch->nconns--;
	board_set(ch->board, BOARD_CONNECTIONS, ch->nconns);
	closefd(&c->io.fd);
	/* The sweep finds a dirty one where it is. */
	if (!c->is_dirty)
		STAILQ_INSERT_TAIL(&ch->dead, c, link);
	accept_on_close(s);
	drain_check(ch);
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
	if (c->state != CONN_OPEN)
		return;
	c->cause = (uint8_t)cause;
	conn_set_state(c, CONN_FLUSHING);
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

/* ---- what follows from an event ---- */

bool
conn_may_read(const struct tine_conn *c)
{
	if (c->state == CONN_LINGERING)
		return true;
	return c->state == CONN_OPEN && !c->eof_seen && !c->is_stalled &&
	    input_bytes(c) < conn_server(c)->limits.input;
}

/* End-of-file is news only when the handler could have taken all that came
 * before it; a congested one will go on in `drained`. */
static bool
tell_eof(struct tine_conn *c)
{
	if (!c->eof_seen || c->eof_told || c->is_congested)
		return false;
	c->eof_told = true;
	if (conn_server(c)->handler.eof == NULL) {
		conn_finish(c, TINE_PEER_EOF);
		return false;
	}
	conn_call(c, BOARD_IN_EOF, conn_server(c)->handler.eof);
	return true;
}

/* A full buffer that no output waits to make room in: there is no event left
 * that could bring the handler to consume. */
static bool
has_overflowed(const struct tine_conn *c)
{
	return input_bytes(c) >= conn_server(c)->limits.input &&
	    output_bytes(c) == 0 && !c->is_congested;
}

/* True when a callback ran, whose output must be sent. */
static bool
advance(struct tine_conn *c, bool *asked)
{
	if (c->state == CONN_OPEN && tell_eof(c))
		return true;
	if (c->state == CONN_OPEN && has_overflowed(c))
		conn_close(c, TINE_OVERFLOW, 0);
	if (c->state == CONN_OPEN && !*asked) {
		*asked = true;
		if (conn_server(c)->child->drain.is_quiescing &&
		    drain_may_ask(c) && call_quiesce(c) && !input_is_waiting(c))
			conn_finish(c, TINE_DRAIN);
		/* It may have written its goodbye. */
		if (conn_server(c)->child->staged > 0)
			return true;
	}
	if (c->state == CONN_FLUSHING && output_bytes(c) == 0)
		say_fin(c);
	return false;
}

static void
arm(struct tine_conn *c)
{
	struct ev_loop *loop = conn_server(c)->child->loop;
	int want = 0;

	if (conn_may_read(c))
		want |= EV_READ;
	if (output_bytes(c) > 0 || (c->state == CONN_OPEN && c->is_congested))
		want |= EV_WRITE;
	if (ev_is_active(&c->io)) {
		if ((c->io.events & (EV_READ | EV_WRITE)) == want)
			return;
		ev_io_stop(loop, &c->io);
	}
	if (want != 0) {
		ev_io_modify(&c->io, want);
		ev_io_start(loop, &c->io);
	}
}

void
conn_settle(struct tine_conn *c)
{
	struct child *ch = conn_server(c)->child;
	bool asked = false;

	do {
		if (c->state == CONN_CLOSED)
			break;
		input_settle(c);
		if (output_bytes(c) > 0 && !c->is_blocked)
			call_notice(c, BOARD_IN_BEFORE_WRITE,
			    conn_server(c)->handler.before_write);
		output_flush(c);
	} while (c->state != CONN_CLOSED && advance(c, &asked));
	ch->current = NULL;
	if (c->state == CONN_CLOSED)
		return;
	deadline_update(c);
	arm(c);
}

static void
on_writable(struct tine_conn *c)
{
	c->is_blocked = false;
	output_flush(c);
	if (c->state != CONN_OPEN || !c->is_congested ||
	    output_bytes(c) > conn_server(c)->limits.output_low)
		return;
	c->is_congested = false;
	call_notice(c, BOARD_IN_DRAINED, conn_server(c)->handler.drained);
}

static void
on_event(struct ev_loop *loop, ev_io *w, int revents)
{
	struct tine_conn *c = (struct tine_conn *)(void *)w;

	(void)loop;
	if (revents & EV_WRITE)
		on_writable(c);
	if ((revents & EV_READ) && c->state == CONN_LINGERING)
		input_discard(c);
	else if ((revents & EV_READ) && conn_may_read(c))
		input_read(c);
	conn_settle(c);
}

/* Everything it needs but the callbacks; NULL: no memory. */
static struct tine_conn *
conn_new(struct tine_child *s, int fd)
{
	struct child *ch = s->child;
	struct tine_conn *c = slab_take(&s->slab, &ch->handles);

	if (c == NULL)
		return NULL;
	ev_io_init(&c->io, on_event, fd, EV_READ);
	c->io.data = s;
	c->opened = (uint32_t)(child_now(ch) * CONN_TICKS_PER_SEC);
	if (deadline_begin(c) == -1) {
		slab_give(&s->slab, c);
		return NULL;
	}
	conn_set_state(c, CONN_OPEN);
	return c;
}

void
conn_open(struct tine_child *s, int fd)
{
	static struct log_limit limit = { .burst = 1 };
	struct child *ch = s->child;
	struct tine_conn *c = conn_new(s, fd);
	unsigned missed;

	if (c == NULL) {
		if (log_limit_pass(&limit, &missed))
			log_sys(LOG_ERROR, "memory for a connection");
		closefd(&fd);
		return;
	}
	trace_open(c);
	s->nconns++;
	ch->nconns++;
	board_add(ch->board, BOARD_ACCEPTED, 1);
	board_set(ch->board, BOARD_CONNECTIONS, ch->nconns);
	conn_call(c, BOARD_IN_OPEN, s->handler.open);
	conn_settle(c);
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

void
conn_wake(struct tine_conn *c)
{
	if (c->state != CONN_OPEN)
		return;
	conn_call(c, BOARD_IN_DATA, conn_server(c)->handler.data);
	conn_settle(c);
}

/* ---- the end of a turn ---- */

void
conn_mark_dirty(struct tine_conn *c)
{
	struct child *ch = conn_server(c)->child;

	if (c->is_dirty || c == ch->current || c->state == CONN_CLOSED)
		return;
	c->is_dirty = true;
	STAILQ_INSERT_TAIL(&ch->dirty, c, link);
}

void
conn_sweep(struct child *ch)
{
	struct tine_conn *c;

	/* Settling one may dirty another, but calls `drained` of none: that
	 * waits for an event, so this ends. */
	while ((c = STAILQ_FIRST(&ch->dirty)) != NULL) {
		STAILQ_REMOVE_HEAD(&ch->dirty, link);
		c->is_dirty = false;
		if (c->state == CONN_CLOSED)
			STAILQ_INSERT_TAIL(&ch->dead, c, link);
		else
			conn_settle(c);
	}
	while ((c = STAILQ_FIRST(&ch->dead)) != NULL) {
		STAILQ_REMOVE_HEAD(&ch->dead, link);
		drop_extra(c);
		conn_set_state(c, CONN_FREE);
		slab_give(&conn_server(c)->slab, c);
	}
}

/* ---- tine.h ---- */

void
tine_close(struct tine_conn *c)
{
	conn_finish(c, TINE_LOCAL);
	conn_mark_dirty(c);
}

void *
tine_state(struct tine_conn *c)
{
	return (char *)c + CONN_STATE_OFFSET;
}

uint64_t
tine_handle(const struct tine_conn *c)
{
	return c->handle;
}

struct tine_child *
tine_child(const struct tine_conn *c)
{
	return conn_server(c);
}

void
tine_count_requests(struct tine_conn *c, unsigned n)
{
	board_add(conn_server(c)->child->board, BOARD_REQUESTS, n);
}

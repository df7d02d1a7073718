/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * settle.c: an event of a connection, and what follows from it. Runs in
 * children. Owns the order of things: callback, output, the news of
 * end-of-file, close; then the deadline and the events to wait for. Whatever
 * happens to a connection ends in conn_settle(), at the latest in the sweep.
 */
#include <sys/socket.h>

#include <errno.h>

#include "child/child.h"
#include "child/connect.h"
#include "child/tunnel.h"

/* Nobody is there to say what becomes of the beginning of a message. */
static enum tine_cause
cause_of_eof(const struct tine_conn *c)
{
	return conn_server(c)->handler.codec != NULL && input_bytes(c) > 0
	    ? TINE_FRAMING
	    : TINE_PEER_EOF;
}

/* End-of-file is news only when the handler could have taken all that came
 * before it; a congested one will go on in `drained`. */
static bool
tell_eof(struct tine_conn *c)
{
	if (!c->eof_seen || c->eof_told || c->is_paused || c->wants_data ||
	    c->has_frames ||
	    (c->is_congested && !conn_is_piped(c) &&
		!conn_server(c)->is_stream))
		return false;
	c->eof_told = true;
	if (conn_is_piped(c)) {
		tunnel_on_eof(c);
		return false;
	}
	if (conn_server(c)->handler.eof == NULL) {
		conn_finish(c, cause_of_eof(c));
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
	    output_bytes(c) == 0 && !c->is_congested && !c->is_paused &&
	    !c->wants_data && !c->has_frames;
}

static void
on_overflow(struct tine_conn *c)
{
	/* A message that does not fit is the peer's mistake. */
	if (conn_server(c)->handler.codec != NULL)
		conn_finish(c, TINE_FRAMING);
	else
		conn_close(c, TINE_OVERFLOW, 0);
}

/* Its output is out, and there will be no more: say so. When the peer has said
 * so too there is nothing left to happen. */
static void
half_close(struct tine_conn *c)
{
	if (!c->is_fin_sent && shutdown(c->io.fd, SHUT_WR) == -1) {
		conn_give_up(c, conn_cause_of(errno), errno);
		return;
	}
	c->is_fin_sent = true;
	/* But a coroutine may have something to read yet. */
	if (c->eof_told && !conn_server(c)->is_stream)
		conn_finish(c, TINE_PEER_EOF);
}

/* True when a callback ran, whose output must be sent. */
static bool
advance(struct tine_conn *c, bool *asked)
{
	if (c->state == CONN_OPEN && tell_eof(c))
		return true;
	if (c->state == CONN_OPEN && has_overflowed(c))
		on_overflow(c);
	if (c->state == CONN_OPEN && !*asked) {
		*asked = true;
		if (conn_server(c)->child->drain.is_quiescing &&
		    drain_may_ask(c) && !c->has_frames && call_quiesce(c) &&
		    !input_is_waiting(c))
			conn_finish(c, TINE_DRAIN);
		/* It may have written its goodbye. */
		if (conn_server(c)->child->staged > 0)
			return true;
	}
	if (c->state == CONN_OPEN && c->is_half_closed && output_bytes(c) == 0)
		half_close(c);
	if (c->state == CONN_FLUSHING && output_bytes(c) == 0)
		conn_end(c);
	return false;
}

static void
arm(struct tine_conn *c)
{
	struct ev_loop *loop = conn_server(c)->child->loop;
	int want = 0;

	/* With messages left to show it reads on in the next turn: not worth
	 * two calls to epoll. */
	if (conn_may_read(c) || c->wants_data)
		want |= EV_READ;
	if ((output_bytes(c) > 0 ||
		(c->state == CONN_OPEN && c->is_congested)) &&
	    !c->is_dry && !output_is_held(c))
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

	if (c->state == CONN_CONNECTING)
		return;
	do {
		if (c->is_given_up)
			conn_abort(c, (enum tine_cause)c->cause, c->err);
		if (c->state == CONN_CLOSED)
			break;
		input_settle(c);
		if (conn_server(c)->handler.before_write != NULL &&
		    output_bytes(c) > 0 && !c->is_blocked && !c->is_dry &&
		    !output_is_held(c))
			call_notice(c, BOARD_IN_BEFORE_WRITE,
			    conn_server(c)->handler.before_write);
		output_flush(c);
	} while (
	    c->is_given_up || (c->state != CONN_CLOSED && advance(c, &asked)));
	ch->current = NULL;
	if (c->state == CONN_CLOSED)
		return;
	if (c->has_frames)
		codec_settle(c);
	deadline_update(c);
	arm(c);
	if (c->wants_data)
		conn_mark_later(c);
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

void
conn_on_event(struct ev_loop *loop, ev_io *w, int revents)
{
	struct tine_conn *c = (struct tine_conn *)(void *)w;

	(void)loop;
	if (c->state == CONN_CONNECTING) {
		connect_on_event(c);
		return;
	}
	if (revents & EV_WRITE)
		on_writable(c);
	if ((revents & EV_READ) && c->state == CONN_LINGERING)
		input_discard(c);
	else if ((revents & EV_READ) && conn_may_read(c))
		input_read(c);
	conn_settle(c);
}

void
conn_wake(struct tine_conn *c)
{
	if (c->state != CONN_OPEN)
		return;
	/* Not the codec: no message has come. */
	conn_call(c, BOARD_IN_DATA, conn_server(c)->handler.data);
	conn_settle(c);
}

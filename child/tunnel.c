/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tunnel.c: tine_pipe(). Runs in children. What is read from one end is staged
 * for the other one and sent at once; what its socket does not take is its
 * output, and past the high mark of that the first end is not read. It keeps
 * nothing but who belongs to whom.
 */
#include "child/tunnel.h"

#include <errno.h>

#include "child/child.h"

/* Causes of an end in the middle of something. */
#define BROKEN                                                                 \
	(BIT(TINE_RESET) | BIT(TINE_WRITE_TIMEOUT) | BIT(TINE_OVERFLOW) |      \
	    BIT(TINE_ERROR))

static struct tine_conn *
other_end(const struct tine_conn *c)
{
	return c->extra->partner;
}

/* It has to send more than it should, and takes nothing more. */
static bool
is_full(const struct tine_conn *c)
{
	return c->is_congested || c->is_stalled;
}

void
tunnel_move(struct tine_conn *c)
{
	struct tine_conn *to = other_end(c);
	struct child *ch = conn_server(c)->child;
	size_t len;
	const void *bytes = tine_peek(c, &len);

	if (len > 0 && !is_full(to)) {
		/* As if a callback of it wrote, unless the stage has what a
		 * callback of the other end has just written. */
		ch->current =
		    to->state == CONN_OPEN && ch->staged == 0 ? to : NULL;
		if (tine_write(to, bytes, len) == -1 && errno == ENOMEM)
			conn_give_up(to, TINE_ERROR, ENOMEM);
		ch->current = NULL;
		tine_consume(c, len);
		conn_settle(to);
	}
	if (conn_is_piped(c) && is_full(to))
		tine_pause(c);
}

void
tunnel_on_eof(struct tine_conn *c)
{
	(void)tine_shutdown_write(other_end(c));
}

void
tunnel_on_drained(struct tine_conn *c)
{
	tine_resume(other_end(c));
}

void
tunnel_on_close(struct tine_conn *c, enum tine_cause cause)
{
	struct tine_conn *to;

	if (!conn_is_piped(c))
		return;
	to = other_end(c);
	c->extra->partner = NULL;
	to->extra->partner = NULL;
	if (to->state == CONN_CLOSED)
		return;
	/* Only a reset tells that something is missing. */
	if ((BIT(cause) & BROKEN) || c->is_given_up)
		conn_give_up(to, cause, 0);
	else
		conn_finish(to, TINE_PEER_EOF);
	to->is_paused = false;
	conn_mark_dirty(to);
}

static bool
is_open(const struct tine_conn *c)
{
	return c->state == CONN_OPEN || c->state == CONN_CONNECTING;
}

int
tine_pipe(struct tine_conn *a, struct tine_conn *b)
{
	struct tine_conn *ends[] = { a, b };
	size_t i;

	if (call_is_foreign(conn_server(a), "tine_pipe"))
		return -1;
	errno = 0;
	/* What comes for a coroutine is the coroutine's. */
	if (a == b || conn_is_piped(a) || conn_is_piped(b) ||
	    conn_server(a)->is_stream || conn_server(b)->is_stream)
		errno = EINVAL;
	else if (!is_open(a) || !is_open(b))
		errno = EPIPE;
	else if (conn_extra(a) == NULL || conn_extra(b) == NULL)
		errno = ENOMEM;
	if (errno != 0)
		return -1;
	a->extra->partner = b;
	b->extra->partner = a;
	for (i = 0; i < nitems(ends); i++) {
		/* An end that came before is the other one's to hear. */
		ends[i]->eof_told = false;
		ends[i]->is_paused = false;
		ends[i]->has_frames = false;
		conn_again(ends[i]);
	}
	return 0;
}

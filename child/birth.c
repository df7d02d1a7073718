/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * birth.c: a connection begins. Runs in children. Takes one from its server's
 * slab, counts it and calls open: for what was accepted at once, for what was
 * made by a handler when it is there. Owns nothing; a descriptor it was given
 * is the connection's from then on.
 */
#include <sys/socket.h>

#include <errno.h>

#include "child/child.h"

/* Everything it needs but the callbacks; NULL: no memory. */
static struct tine_conn *
conn_new(struct tine_child *s, enum conn_state state, int fd, size_t listener)
{
	struct child *ch = s->child;
	struct tine_conn *c = slab_take(&s->slab, &ch->handles);

	if (c == NULL)
		return NULL;
	ev_io_init(&c->io, conn_on_event, fd, EV_READ);
	c->io.data = s;
	c->opened = (uint32_t)(child_now(ch) * CONN_TICKS_PER_SEC);
	if (deadline_begin(c) == -1) {
		slab_give(&s->slab, c);
		return NULL;
	}
	c->listener = (uint16_t)MIN_OF(listener, CONN_NO_LISTENER);
	conn_set_state(c, state);
	return c;
}

static void
count_in(struct tine_conn *c)
{
	struct tine_child *s = conn_server(c);
	struct child *ch = s->child;

	s->nconns++;
	ch->nconns++;
	board_set(ch->board, BOARD_CONNECTIONS, ch->nconns);
}

static struct tine_conn *
make(struct tine_child *s, int fd, size_t listener)
{
	static struct log_limit limit = { .burst = 1 };
	struct tine_conn *c = conn_new(s, CONN_OPEN, fd, listener);
	unsigned missed;

	if (c == NULL) {
		if (log_limit_pass(&limit, &missed))
			log_sys(LOG_ERROR, "memory for a connection");
		closefd(&fd);
		return NULL;
	}
	return c;
}

static void
begin(struct tine_conn *c)
{
	struct tine_child *s = conn_server(c);
	struct child *ch = s->child;

	trace_open(c);
	count_in(c);
	board_add(ch->board, BOARD_ACCEPTED, 1);
	conn_call(c, BOARD_IN_OPEN, s->handler.open);
	conn_settle(c);
}

void
conn_open(struct tine_child *s, int fd, size_t listener)
{
	struct tine_conn *c = make(s, fd, listener);

	if (c != NULL)
		begin(c);
}

void
conn_open_from(struct tine_child *s, int fd, size_t listener, peer_key key)
{
	struct tine_conn *c = make(s, fd, listener);

	if (c == NULL) {
		peers_leave(&s->peers, key);
		return;
	}
	*slab_peer(&s->slab, c) = key;
	begin(c);
}

struct tine_conn *
conn_make(struct tine_child *s, const struct tine_handler *events, int fd,
    void *context)
{
	struct tine_child *side = s;
	struct tine_conn *c;

	/* Nobody would close it. */
	if (s->child->state == CHILD_LEAVING) {
		errno = ESHUTDOWN;
		return NULL;
	}
	if (s->child->nconns >= s->child->max_conns) {
		errno = EMFILE;
		return NULL;
	}
	if (events != NULL)
		side = server_side(s, events);
	if (side == NULL)
		return NULL;
	c = conn_new(side, CONN_CONNECTING, fd, CONN_NO_LISTENER);
	if (c == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	count_in(c);
	if (context != NULL && tine_set_context(c, context) == -1) {
		c->io.fd = -1;
		conn_unmake(c);
		errno = ENOMEM;
		return NULL;
	}
	return c;
}

void
conn_begin(struct tine_conn *c)
{
	const struct tine_handler *h = &conn_server(c)->handler;

	conn_set_state(c, CONN_OPEN);
	/* Who speaks first here is for the protocol to say. */
	c->has_received = true;
	codec_begin(c);
	trace_open(c);
	conn_call(c, BOARD_IN_OPEN, h->open);
	if (c->state == CONN_OPEN && input_bytes(c) > 0)
		input_present(c);
	conn_settle(c);
}

void
conn_refuse(struct tine_child *s, int fd, size_t listener)
{
	struct tine_conn *c = make(s, fd, listener);
	size_t len = s->handler.busy_len;

	if (c == NULL)
		return;
	c->is_refused = true;
	s->child->nrefused++;
	/* A new socket has room for it, or never will. */
	if (send(fd, s->handler.busy, len, MSG_NOSIGNAL) != (ssize_t)len) {
		conn_abort(c, TINE_OVERFLOW, 0);
		return;
	}
	board_add(s->child->board, BOARD_BYTES_OUT, len);
	conn_finish(c, TINE_OVERFLOW);
	conn_settle(c);
}

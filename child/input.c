/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * input.c: bytes from the peer to the handler. Runs in children. All
 * connections share one scratch to read into; what a handler consumes at once
 * is never copied and costs no allocation. Only what it leaves is kept, in a
 * buffer that is given back when it is empty.
 */
#include <sys/socket.h>

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "child/child.h"

/* The first buffer of a connection that keeps input. */
#define KEEP_BYTES_MIN 512

size_t
input_bytes(const struct tine_conn *c)
{
	return c->input == NULL ? 0 : c->input->end - c->input->start;
}

bool
input_is_waiting(const struct tine_conn *c)
{
	char byte;

	return !c->eof_seen &&
	    recv(c->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != -1;
}

void
input_fini(struct tine_conn *c)
{
	if (c->input != NULL)
		pool_put(&conn_server(c)->child->pool, c->input,
		    sizeof(*c->input) + c->input->size);
	c->input = NULL;
}

struct input_note *
input_note(struct tine_conn *c)
{
	struct child *ch = conn_server(c)->child;

	if (ch->window.conn == c)
		return ch->window.len == 0 ? NULL : &ch->window.note;
	return input_bytes(c) == 0 ? NULL : &c->input->note;
}

/* Room for `more` bytes behind those that are kept. */
static int
make_room(struct tine_conn *c, size_t more)
{
	struct pool *pool = &conn_server(c)->child->pool;
	struct input *in = c->input, *wider;
	size_t have = input_bytes(c), size;

	if (in != NULL && in->end + more <= in->size)
		return 0;
	if (in != NULL && have + more <= in->size && in->start >= have) {
		(void)memcpy(in->bytes, in->bytes + in->start, have);
		in->start = 0;
		in->end = (uint32_t)have;
		return 0;
	}
	wider = pool_get(pool,
	    sizeof(*wider) + MAX_OF(have + more, KEEP_BYTES_MIN), &size);
	if (wider == NULL)
		return -1;
	*wider = (struct input){
		.end = (uint32_t)have,
		.size = (uint32_t)(size - sizeof(*wider)),
	};
	if (have > 0) {
		(void)memcpy(wider->bytes, in->bytes + in->start, have);
		wider->note = in->note;
	}
	input_fini(c);
	c->input = wider;
	return 0;
}

int
input_keep(struct tine_conn *c, const void *bytes, size_t len)
{
	if (make_room(c, len) == -1) {
		errno = ENOMEM;
		return -1;
	}
	(void)memcpy(c->input->bytes + c->input->end, bytes, len);
	c->input->end += (uint32_t)len;
	return 0;
}

static int
keep(struct tine_conn *c, const char *bytes, size_t len)
{
	if (input_keep(c, bytes, len) == 0)
		return 0;
	conn_close(c, TINE_ERROR, ENOMEM);
	return -1;
}

/* Will a callback look at it yet? */
static bool
is_needed(const struct tine_conn *c)
{
	return c->state <= CONN_OPEN || c->is_detaching;
}

void
input_settle(struct tine_conn *c)
{
	struct child *ch = conn_server(c)->child;

	if (ch->window.conn == c) {
		ch->window.conn = NULL;
		if (is_needed(c) && ch->window.len > 0) {
			if (keep(c, ch->window.bytes, ch->window.len) == -1)
				return;
			c->input->note = ch->window.note;
		}
	}
	if (c->input != NULL && (input_bytes(c) == 0 || !is_needed(c)))
		input_fini(c);
}

void
input_show(struct tine_conn *c)
{
	const struct tine_handler *h = &conn_server(c)->handler;

	if (h->codec != NULL) {
		codec_run(c);
		return;
	}
	if (h->data == NULL)
		tine_consume(c, SIZE_MAX);
	conn_call(c, BOARD_IN_DATA, h->data);
}

/* Show the bytes to the handler: in place when it left nothing before. */
static void
deliver(struct tine_conn *c, const char *bytes, size_t len)
{
	struct child *ch = conn_server(c)->child;

	board_add(ch->board, BOARD_BYTES_IN, len);
	if (c->extra != NULL)
		c->extra->bytes_in += len;
	c->has_received = true;
	c->has_read = true;
	if (input_bytes(c) > 0) {
		if (keep(c, bytes, len) == -1)
			return;
	} else {
		ch->window.conn = c;
		ch->window.bytes = bytes;
		ch->window.len = len;
		ch->window.note = (struct input_note){ .need = 0 };
	}
	input_show(c);
}

/* recv() gave nothing: end-of-file, an error, or a false alarm. */
static void
on_nothing(struct tine_conn *c, ssize_t n)
{
	if (n == 0)
		c->eof_seen = true;
	else if (errno != EAGAIN && errno != EINTR)
		conn_close(c, conn_cause_of(errno), errno);
}

void
input_read(struct tine_conn *c)
{
	struct tine_child *s = conn_server(c);
	size_t budget = s->budget_bytes, asked;
	ssize_t n;

	s->child->framing.left = s->budget_messages;
	do {
		asked = MIN_OF(s->read_bytes, s->limits.input - input_bytes(c));
		asked = MIN_OF(asked, budget);
		n = recv(c->io.fd, s->child->scratch, asked, 0);
		if (n <= 0) {
			on_nothing(c, n);
			return;
		}
		deliver(c, s->child->scratch, (size_t)n);
		budget -= (size_t)n;
		/* A short read has emptied the socket: asking again would cost
		 * a call to learn that. */
		if ((size_t)n < asked || budget == 0)
			return;
		conn_settle(c);
	} while (conn_may_read(c) && c->state == CONN_OPEN);
}

void
input_discard(struct tine_conn *c)
{
	struct child *ch = conn_server(c)->child;
	size_t left = conn_server(c)->budget_bytes;
	ssize_t n;

	do {
		n = recv(c->io.fd, ch->scratch, SCRATCH_BYTES, 0);
		if (n > 0)
			left -= MIN_OF(left, (size_t)n);
	} while (n == SCRATCH_BYTES && left > 0);
	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR))
		conn_close(c, (enum tine_cause)c->cause, 0);
}

const void *
tine_peek(struct tine_conn *c, size_t *len)
{
	const struct child *ch = conn_server(c)->child;

	if (ch->window.conn == c) {
		*len = ch->window.len;
		return ch->window.bytes;
	}
	*len = input_bytes(c);
	return *len == 0 ? "" : c->input->bytes + c->input->start;
}

void
tine_consume(struct tine_conn *c, size_t len)
{
	struct child *ch = conn_server(c)->child;
	bool is_window = ch->window.conn == c;
	size_t have = is_window ? ch->window.len : input_bytes(c);

	if (len > have) {
		if (conn_server(c)->handler.data != NULL ||
		    conn_server(c)->handler.codec != NULL)
			server_blame(conn_server(c),
			    "tine_consume() of more than tine_peek() gave");
		len = have;
	}
	if (len == 0)
		return;
	c->has_consumed = true;
	if (is_window) {
		ch->window.bytes += len;
		ch->window.len -= len;
		ch->window.note = (struct input_note){ .need = 0 };
	} else {
		c->input->start += (uint32_t)len;
		c->input->note = (struct input_note){ .need = 0 };
	}
	conn_mark_dirty(c);
}

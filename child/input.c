/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * input.c: bytes from the peer to the handler. Runs in children. All
 * connections share one scratch to read into; what a handler consumes at once
 * is never copied and costs no allocation. Only what it leaves is kept, in a
 * chain of blocks that is given back when it is empty. A scratch of which most
 * is kept is kept itself, and the loop takes another.
 */
#include <sys/socket.h>

#include <errno.h>
#include <string.h>

#include "child/child.h"
#include "child/stream.h"
#include "child/tunnel.h"

/* So much of the scratch is not copied but kept with it. */
#define KEEP_WHOLE_BYTES (SCRATCH_BYTES / 2)

_Static_assert(sizeof(struct chain) <= POOL_SIZE_MIN,
    "its size need not be remembered");

bool
input_is_waiting(const struct tine_conn *c)
{
	char byte;

	return !c->eof_seen &&
	    recv(c->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != -1;
}

char *
input_scratch(struct child *ch)
{
	struct block *b = ch->scratch;

	if (b->refs == 1)
		return b->bytes;
	b = block_new(&ch->pool, SCRATCH_BYTES);
	if (b == NULL)
		return NULL;
	block_unref(ch->scratch);
	ch->scratch = b;
	return b->bytes;
}

void
input_fini(struct tine_conn *c)
{
	if (c->input == NULL)
		return;
	chain_fini(c->input);
	pool_put(&conn_server(c)->child->pool, c->input, POOL_SIZE_MIN);
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

static struct chain *
chain_of(struct tine_conn *c)
{
	size_t size;

	if (c->input != NULL)
		return c->input;
	c->input =
	    pool_get(&conn_server(c)->child->pool, sizeof(*c->input), &size);
	if (c->input != NULL)
		chain_init(c->input);
	return c->input;
}

/* Are these bytes of the scratch, and most of it? */
static bool
fills_scratch(const struct block *b, const char *bytes, size_t len)
{
	return len >= KEEP_WHOLE_BYTES && bytes >= b->bytes &&
	    bytes < b->bytes + b->size;
}

int
input_keep(struct tine_conn *c, const void *bytes, size_t len)
{
	struct chain *in = chain_of(c);

	if (in != NULL &&
	    chain_add(in, &conn_server(c)->child->pool, bytes, len) == 0)
		return 0;
	errno = ENOMEM;
	return -1;
}

/* The same with what was read: if it is most of the scratch, without a copy. */
static int
keep(struct tine_conn *c, const char *bytes, size_t len)
{
	struct block *b = conn_server(c)->child->scratch;
	struct chain *in = chain_of(c);

	if (in != NULL && fills_scratch(b, bytes, len)) {
		b->start = (uint32_t)(bytes - b->bytes);
		b->end = b->start + (uint32_t)len;
		chain_add_block(in, block_ref(b));
		return 0;
	}
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
	if (c->input == NULL)
		return;
	if (input_bytes(c) == 0 || !is_needed(c))
		input_fini(c);
	else
		chain_sweep(c->input);
}

static void
count(struct tine_conn *c, size_t len)
{
	board_add(conn_server(c)->child->board, BOARD_BYTES_IN, len);
	if (c->extra != NULL)
		c->extra->bytes_in += len;
	c->has_received = true;
	c->has_read = true;
}

/* Show the bytes to the handler: in place when it left nothing before. */
static void
deliver(struct tine_conn *c, char *bytes, size_t len)
{
	struct child *ch = conn_server(c)->child;

	count(c, len);
	if (input_bytes(c) > 0) {
		if (keep(c, bytes, len) == -1)
			return;
	} else {
		ch->window.conn = c;
		ch->window.bytes = bytes;
		ch->window.len = len;
		ch->window.note = (struct input_note){ .need = 0 };
	}
	input_present(c);
}

void
input_present(struct tine_conn *c)
{
	struct tine_child *s = conn_server(c);

	c->wants_data = false;
	if (conn_is_piped(c))
		tunnel_move(c);
	else if (s->handler.codec != NULL)
		codec_run(c);
	else if (s->handler.data == NULL)
		tine_consume(c, tine_buffered(c));
	else
		conn_call(c, BOARD_IN_DATA, s->handler.data);
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

/* Where to read to, and how much: a coroutine that waits with room for much
 * gets it there. NULL: no memory. */
static char *
place(const struct tine_conn *c, size_t *size, bool *is_direct)
{
	const struct tine_child *s = conn_server(c);
	char *room = s->is_stream ? stream_room(c, size) : NULL;

	*is_direct = room != NULL;
	if (*is_direct)
		return room;
	*size = MIN_OF(s->read_bytes, s->limits.input - input_bytes(c));
	return input_scratch(s->child);
}

static void
hand_in(struct tine_conn *c, size_t len)
{
	count(c, len);
	c->has_consumed = true;
	stream_fill(c, len);
	conn_call(c, BOARD_IN_DATA, conn_server(c)->handler.data);
}

void
input_read(struct tine_conn *c)
{
	struct tine_child *s = conn_server(c);
	size_t budget = s->budget_bytes, asked;
	char *dst;
	bool is_direct;
	ssize_t n;

	codec_begin(c);
	do {
		dst = place(c, &asked, &is_direct);
		if (dst == NULL) {
			conn_close(c, TINE_ERROR, ENOMEM);
			return;
		}
		asked = MIN_OF(asked, budget);
		n = recv(c->io.fd, dst, asked, 0);
		if (n <= 0) {
			on_nothing(c, n);
			return;
		}
		if (is_direct)
			hand_in(c, (size_t)n);
		else
			deliver(c, dst, (size_t)n);
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
	size_t left = conn_server(c)->budget_bytes;
	char *scratch = input_scratch(conn_server(c)->child);
	ssize_t n;

	if (scratch == NULL) {
		conn_close(c, (enum tine_cause)c->cause, 0);
		return;
	}
	do {
		n = recv(c->io.fd, scratch, SCRATCH_BYTES, 0);
		if (n > 0)
			left -= MIN_OF(left, (size_t)n);
	} while (n == SCRATCH_BYTES && left > 0);
	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR))
		conn_close(c, (enum tine_cause)c->cause, 0);
}

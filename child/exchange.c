/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exchange.c: what coroutines read from streams and write to them. Runs in
 * children. Takes what has arrived, or waits for it; hands output to the
 * connection as long as that is not congested, and waits when it is. Owns
 * nothing.
 */
#include <errno.h>
#include <string.h>

#include "child/child.h"
#include "child/fiber.h"
#include "child/stream.h"

/* An almost full queue does not take byte after byte. */
#define PIECE_BYTES_MIN 4096

static ssize_t
fail(int err)
{
	errno = err;
	return -1;
}

/* Fetch what is there or comes: 0 at end-of-file. */
static ssize_t
fetch(struct tine_stream *s, void *dst, size_t size)
{
	size_t n;

	for (;;) {
		n = tine_read(s->conn, dst, size);
		if (n > 0 || s->conn->eof_seen)
			return (ssize_t)n;
		if (stream_wait_input(s, dst, size) == -1)
			return -1;
		n = s->filled;
		s->filled = 0;
		if (n > 0)
			return (ssize_t)n;
	}
}

ssize_t
tine_stream_read(struct tine_stream *s, void *dst, size_t size)
{
	if (stream_may_read(s, "tine_stream_read") == -1)
		return -1;
	return size == 0 ? fail(EINVAL) : fetch(s, dst, size);
}

/* What was taken is there for the next call. Nothing is left behind it. */
static void
put_back(struct tine_stream *s, const void *bytes, size_t len)
{
	struct tine_conn *c = s->conn;
	struct child *ch = s->server->child;
	int saved = errno;

	if (c == NULL || c->state != CONN_OPEN || len == 0)
		return;
	if (ch->window.conn == c)
		ch->window.conn = NULL;
	/* They may be more than limits.input: not one more before these. */
	c->is_paused = true;
	conn_mark_dirty(c);
	if (input_keep(c, bytes, len) == -1)
		conn_give_up(c, TINE_ERROR, ENOMEM);
	errno = saved;
}

ssize_t
tine_stream_read_full(struct tine_stream *s, void *dst, size_t size)
{
	size_t got = 0;
	ssize_t n;

	if (stream_may_read(s, "tine_stream_read_full") == -1)
		return -1;
	if (size == 0)
		return fail(EINVAL);
	while (got < size) {
		n = fetch(s, (char *)dst + got, size - got);
		if (n == 0 && got == 0)
			return 0;
		if (n == 0)
			n = fail(TINE_E_UNEXPECTED_EOF);
		if (n == -1) {
			put_back(s, dst, got);
			return -1;
		}
		got += (size_t)n;
	}
	return (ssize_t)got;
}

ssize_t
tine_stream_read_until(struct tine_stream *s, int delimiter, void *dst,
    size_t size)
{
	const char wanted = (char)delimiter;
	size_t seen = 0, have;
	ssize_t at;

	if (stream_may_read(s, "tine_stream_read_until") == -1)
		return -1;
	for (;;) {
		have = tine_buffered(s->conn);
		at = tine_find(s->conn, seen, &wanted, 1);
		if (at != -1 && (size_t)at < size)
			return (ssize_t)tine_read(s->conn, dst, (size_t)at + 1);
		if (at != -1 || have >= size ||
		    have >= conn_server(s->conn)->limits.input)
			return fail(EMSGSIZE);
		if (s->conn->eof_seen)
			return have == 0 ? 0 : fail(TINE_E_UNEXPECTED_EOF);
		seen = have;
		if (stream_wait_input(s, NULL, 0) == -1)
			return -1;
	}
}

/* How much it takes without a wait; 0: congested. */
static size_t
room(struct tine_conn *c)
{
	size_t high = conn_server(c)->limits.output_high;
	size_t bytes = output_bytes(c);

	/* With output-high at output a write would be refused. */
	if (bytes >= conn_server(c)->limits.output) {
		c->is_congested = true;
		conn_mark_dirty(c);
	}
	if (c->is_congested)
		return 0;
	return MAX_OF(high - MIN_OF(bytes, high) + 1, PIECE_BYTES_MIN);
}

/* Write what fits; 0: it was congested, and a wait is over. */
static ssize_t
offer(struct tine_stream *s, const void *bytes, size_t len)
{
	size_t n = MIN_OF(len, room(s->conn));

	if (n > 0)
		return tine_write(s->conn, bytes, n) == -1 ? -1 : (ssize_t)n;
	return stream_wait_output(s);
}

int
tine_stream_write(struct tine_stream *s, const void *bytes, size_t len,
    size_t *taken)
{
	size_t done = 0;
	ssize_t n = stream_may_write(s, "tine_stream_write");

	while (n != -1 && done < len) {
		n = offer(s, (const char *)bytes + done, len - done);
		if (n > 0)
			done += (size_t)n;
	}
	if (taken != NULL)
		*taken = done;
	return n == -1 ? -1 : 0;
}

int64_t
tine_stream_copy(struct tine_stream *dst, struct tine_stream *src)
{
	int64_t total = 0;
	struct iovec iov;
	ssize_t n;

	for (;;) {
		if (stream_may_read(src, "tine_stream_copy") == -1 ||
		    stream_may_write(dst, "tine_stream_copy") == -1)
			return -1;
		if (tine_peek_iov(src->conn, &iov, 1) == 0) {
			if (src->conn->eof_seen)
				return total;
			if (stream_wait_input(src, NULL, 0) == -1)
				return -1;
			continue;
		}
		/* After a wait the bytes may be elsewhere. */
		n = offer(dst, iov.iov_base, iov.iov_len);
		if (n == -1)
			return -1;
		if (n > 0)
			tine_consume(src->conn, (size_t)n);
		total += n;
	}
}

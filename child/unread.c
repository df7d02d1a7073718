/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unread.c: what tine.h lets a handler do with input that it has not consumed.
 * Runs in children. The input is either in the window, which shows the scratch
 * of the loop while a callback runs, or kept in the connection's chain; a
 * handler cannot tell which, but for what is copied.
 */
#include <errno.h>
#include <string.h>

#include "child/child.h"

/* Slices of the scratch are copied, but so much of it is given away whole. */
#define SLICE_WHOLE_BYTES (SCRATCH_BYTES / 4)

static bool
in_window(const struct tine_conn *c)
{
	return conn_server(c)->child->window.conn == c;
}

static size_t
unread(const struct tine_conn *c)
{
	return in_window(c) ? conn_server(c)->child->window.len
			    : input_bytes(c);
}

size_t
tine_buffered(const struct tine_conn *c)
{
	return call_is_foreign(conn_server(c), "tine_buffered") ? 0 : unread(c);
}

const void *
tine_pull_up(struct tine_conn *c, size_t len)
{
	struct tine_child *s = conn_server(c);
	const void *bytes;

	if (call_is_foreign(conn_server(c), "tine_pull_up"))
		return NULL;
	if (len > unread(c)) {
		errno = ENODATA;
		return NULL;
	}
	if (len == 0)
		return "";
	if (in_window(c))
		return s->child->window.bytes;
	bytes = chain_pull_up(c->input, &s->child->pool, len, s->limits.input);
	if (bytes == NULL)
		errno = ENOMEM;
	return bytes;
}

static __attribute__((noinline)) const void *
peek_kept(struct tine_conn *c, size_t *len)
{
	const void *bytes;

	*len = input_bytes(c);
	bytes = tine_pull_up(c, *len);
	if (bytes != NULL)
		return bytes;
	/* It cannot be told, and part of it would be taken for all. */
	conn_give_up(c, TINE_ERROR, ENOMEM);
	*len = 0;
	return "";
}

const void *
tine_peek(struct tine_conn *c, size_t *len)
{
	if (call_is_foreign(conn_server(c), "tine_peek")) {
		*len = 0;
		return NULL;
	}
	if (in_window(c)) {
		*len = conn_server(c)->child->window.len;
		return conn_server(c)->child->window.bytes;
	}
	return peek_kept(c, len);
}

int
tine_peek_iov(struct tine_conn *c, struct iovec *iov, int most)
{
	const struct child *ch = conn_server(c)->child;

	if (call_is_foreign(conn_server(c), "tine_peek_iov"))
		return 0;
	if (most <= 0 || unread(c) == 0)
		return 0;
	if (!in_window(c))
		return chain_iov(c->input, iov, most);
	iov->iov_base = ch->window.bytes;
	iov->iov_len = ch->window.len;
	return 1;
}

void
tine_consume(struct tine_conn *c, size_t len)
{
	struct child *ch = conn_server(c)->child;
	size_t have;

	if (call_is_foreign(conn_server(c), "tine_consume"))
		return;
	have = unread(c);
	if (len > have) {
		server_blame(conn_server(c),
		    "tine_consume() of more than tine_buffered()");
		len = have;
	}
	if (len == 0)
		return;
	c->has_consumed = true;
	if (in_window(c)) {
		ch->window.bytes += len;
		ch->window.len -= len;
		ch->window.note = (struct input_note){ .need = 0 };
	} else {
		chain_consume(c->input, len);
		c->input->note = (struct input_note){ .need = 0 };
	}
	conn_mark_dirty(c);
}

const void *
tine_next(struct tine_conn *c, size_t len)
{
	const void *bytes = tine_pull_up(c, len);

	if (bytes != NULL)
		tine_consume(c, len);
	return bytes;
}

size_t
tine_read(struct tine_conn *c, void *dst, size_t size)
{
	const struct child *ch = conn_server(c)->child;
	size_t n = MIN_OF(size, unread(c));

	if (call_is_foreign(conn_server(c), "tine_read"))
		return 0;
	if (n == 0)
		return 0;
	if (in_window(c))
		(void)memcpy(dst, ch->window.bytes, n);
	else
		(void)chain_copy(c->input, dst, n);
	tine_consume(c, n);
	return n;
}

ssize_t
tine_find(struct tine_conn *c, size_t from, const void *delimiter, size_t len)
{
	const struct child *ch = conn_server(c)->child;
	size_t have = unread(c);
	const char *hit;
	ssize_t at = -1;

	if (call_is_foreign(conn_server(c), "tine_find"))
		return -1;
	if (len == 0) {
		errno = EINVAL;
		return -1;
	}
	if (from < have && len <= have - from) {
		if (!in_window(c)) {
			at = chain_find(c->input, from, delimiter, len);
		} else {
			hit = memmem(ch->window.bytes + from, have - from,
			    delimiter, len);
			if (hit != NULL)
				at = hit - ch->window.bytes;
		}
	}
	if (at == -1)
		errno = ENODATA;
	return at;
}

/* ---- slices ---- */

/* A block that has these bytes of the scratch, and where they are in it. */
static struct block *
take_from_window(struct child *ch, size_t len, const void **bytes)
{
	struct block *b;

	*bytes = ch->window.bytes;
	if (len >= SLICE_WHOLE_BYTES)
		return block_ref(ch->scratch);
	b = block_new(&ch->pool, len);
	if (b != NULL)
		*bytes = memcpy(b->bytes, ch->window.bytes, len);
	return b;
}

int
tine_slice(struct tine_conn *c, size_t len, struct tine_slice *slice)
{
	const void *bytes = tine_pull_up(c, len);
	struct block *b = NULL;

	if (call_is_foreign(conn_server(c), "tine_slice"))
		return -1;
	if (bytes == NULL)
		return -1;
	if (len > 0) {
		b = in_window(c)
		    ? take_from_window(conn_server(c)->child, len, &bytes)
		    : block_ref(STAILQ_FIRST(&c->input->blocks));
		if (b == NULL) {
			errno = ENOMEM;
			return -1;
		}
	}
	tine_consume(c, len);
	*slice = (struct tine_slice){ bytes, len, b };
	return 0;
}

struct tine_slice
tine_slice_ref(const struct tine_slice *slice)
{
	if (call_is_foreign(NULL, "tine_slice_ref"))
		return (struct tine_slice){ NULL, 0, NULL };
	if (slice->owner != NULL)
		(void)block_ref(slice->owner);
	return *slice;
}

void
tine_slice_unref(struct tine_slice *slice)
{
	if (call_is_foreign(NULL, "tine_slice_unref"))
		return;
	block_unref(slice->owner);
	*slice = (struct tine_slice){ "", 0, NULL };
}

/* ---- the flow of it ---- */

void
tine_pause(struct tine_conn *c)
{
	if (call_is_foreign(conn_server(c), "tine_pause"))
		return;
	c->is_paused = true;
	conn_mark_dirty(c);
}

void
tine_resume(struct tine_conn *c)
{
	if (call_is_foreign(conn_server(c), "tine_resume"))
		return;
	if (!c->is_paused)
		return;
	c->is_paused = false;
	/* Nothing new need come for what is there already. */
	if (unread(c) > 0)
		conn_again(c);
	conn_mark_dirty(c);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * write.c: what tine.h lets a handler do with its output. Runs in children.
 * Decides whether a write is taken: not when the connection is closing, and
 * not at the cap, where the connection's policy says what happens instead.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>

#include "child/child.h"

enum verdict {
	TAKEN,
	REFUSED, /* errno says why */
	DROPPED, /* the handler is told that all went well */
};

static bool
is_at_cap(const struct tine_conn *c)
{
	return output_bytes(c) >= conn_server(c)->limits.output;
}

/* At the cap: what this connection's handler wants to happen. */
static enum verdict
apply_policy(struct tine_conn *c, size_t len)
{
	errno = ENOBUFS;
	switch ((enum tine_policy)c->policy) {
	case TINE_REFUSE:
		return REFUSED;
	case TINE_POLICY_CLOSE:
		conn_give_up(c, TINE_OVERFLOW, 0);
		return REFUSED;
	case TINE_POLICY_DROP:
		return DROPPED;
	case TINE_POLICY_CALL:
		call_overflow(c, len);
		errno = ENOBUFS;
		return REFUSED;
	}
	return REFUSED;
}

static enum verdict
judge(struct tine_conn *c, const char *call, size_t len)
{
	if (call_is_foreign(conn_server(c), call))
		return REFUSED;
	if ((c->state != CONN_OPEN && c->state != CONN_CONNECTING) ||
	    c->is_half_closed) {
		errno = EPIPE;
		return REFUSED;
	}
	return is_at_cap(c) ? apply_policy(c, len) : TAKEN;
}

static int
rc_of(enum verdict v)
{
	return v == REFUSED ? -1 : 0;
}

static void
added(struct tine_conn *c)
{
	const struct conf_limits *limits = &conn_server(c)->limits;
	size_t bytes = output_bytes(c);

	c->is_congested |= bytes > limits->output_high;
	/* Who waits to write may go on reading elsewhere. */
	c->is_stalled |= bytes >= limits->output && !conn_server(c)->is_stream;
	conn_mark_dirty(c);
}

/* What nearly every write is: so little of a callback's own that it reaches no
 * mark, and nothing follows from it before the callback has returned. */
static bool
write_plainly(struct tine_conn *c, const void *bytes, size_t len)
{
	const struct tine_child *s = conn_server(c);

	return c->state == CONN_OPEN && !c->is_half_closed &&
	    s->child->staged + len < s->limits.output_high &&
	    output_stage(c, bytes, len);
}

static __attribute__((noinline)) int
write_somehow(struct tine_conn *c, const void *bytes, size_t len)
{
	union {
		const void *ro;
		void *rw;
	} p = { .ro = bytes };
	const struct iovec iov = { p.rw, len };
	enum verdict v = judge(c, "tine_write", len);

	if (v != TAKEN)
		return rc_of(v);
	if (output_add(c, &iov, 1, len) == -1)
		return -1;
	added(c);
	return 0;
}

int
tine_write(struct tine_conn *c, const void *bytes, size_t len)
{
	if (call_thread.is_loop && write_plainly(c, bytes, len))
		return 0;
	return write_somehow(c, bytes, len);
}

int
tine_writev(struct tine_conn *c, const struct iovec *iov, int n)
{
	enum verdict v;
	size_t len = 0;
	int i;

	for (i = 0; i < n; i++)
		len += iov[i].iov_len;
	v = judge(c, "tine_writev", len);
	if (v != TAKEN)
		return rc_of(v);
	if (output_add(c, iov, n, len) == -1)
		return -1;
	added(c);
	return 0;
}

/* Queue a chunk that was made; -1: it stays the caller's. */
static int
put_chunk(struct tine_conn *c, struct chunk *k)
{
	if (output_add_chunk(c, k) == -1)
		return -1;
	added(c);
	return 0;
}

int
tine_write_ref(struct tine_conn *c, const void *bytes, size_t len,
    void (*release)(void *), void *arg)
{
	enum verdict v = judge(c, "tine_write_ref", len);
	struct chunk *k;

	if (v == REFUSED)
		return -1;
	k = chunk_new(&conn_server(c)->child->pool, CHUNK_REF, 0);
	if (k == NULL) {
		errno = ENOMEM;
		return -1;
	}
	k->at = bytes;
	k->left = len;
	k->release = release;
	k->arg = arg;
	if (v == DROPPED || len == 0) {
		call_release(c, k);
		return 0;
	}
	if (put_chunk(c, k) == 0)
		return 0;
	/* What it refers to stays the caller's. */
	pool_put(&conn_server(c)->child->pool, k, k->size);
	return -1;
}

int
tine_write_slice(struct tine_conn *c, const struct tine_slice *slice)
{
	enum verdict v = judge(c, "tine_write_slice", slice->len);
	struct chunk *k;

	if (v != TAKEN || slice->len == 0)
		return rc_of(v);
	k = chunk_new(&conn_server(c)->child->pool, CHUNK_SLICE, 0);
	if (k == NULL) {
		errno = ENOMEM;
		return -1;
	}
	k->at = slice->bytes;
	k->left = slice->len;
	k->block = block_ref(slice->owner);
	if (put_chunk(c, k) == 0)
		return 0;
	chunk_free(&conn_server(c)->child->pool, k);
	return -1;
}

/* A chunk that owns fd, which is closed if there is none. */
static int
put_fd(struct tine_conn *c, enum chunk_kind kind, int fd, off_t off, size_t len)
{
	enum verdict v =
	    judge(c, kind == CHUNK_FILE ? "tine_sendfile" : "tine_splice", len);
	struct pool *pool = &conn_server(c)->child->pool;
	struct chunk *k = NULL;

	if (v == TAKEN && len > 0) {
		k = chunk_new(pool, kind, 0);
		if (k == NULL) {
			errno = ENOMEM;
			v = REFUSED;
		}
	}
	if (k == NULL) {
		closefd(&fd);
		return rc_of(v);
	}
	k->fd = fd;
	k->off = off;
	k->left = len;
	if (put_chunk(c, k) == 0)
		return 0;
	chunk_free(pool, k);
	return -1;
}

int
tine_sendfile(struct tine_conn *c, int fd, off_t off, size_t len)
{
	return put_fd(c, CHUNK_FILE, fd, off, len);
}

int
tine_splice(struct tine_conn *c, int fd, size_t len)
{
	struct stat st;
	int flags;

	if (fstat(fd, &st) == -1)
		return -1;
	flags = fcntl(fd, F_GETFL);
	if (S_ISFIFO(st.st_mode) && flags != -1 &&
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0)
		return put_fd(c, CHUNK_PIPE, fd, 0, len);
	closefd(&fd);
	errno = EINVAL;
	return -1;
}

/* ---- when it goes out ---- */

void
tine_cork(struct tine_conn *c)
{
	if (call_is_foreign(conn_server(c), "tine_cork"))
		return;
	c->is_corked = true;
}

void
tine_uncork(struct tine_conn *c)
{
	if (call_is_foreign(conn_server(c), "tine_uncork"))
		return;
	c->is_corked = false;
	conn_mark_dirty(c);
}

int
tine_flush(struct tine_conn *c)
{
	bool is_corked = c->is_corked;

	if (call_is_foreign(conn_server(c), "tine_flush"))
		return -1;
	if (c->state == CONN_CONNECTING)
		return 0;
	if (c->state != CONN_OPEN || c->is_given_up) {
		errno = EPIPE;
		return -1;
	}
	if (output_bytes(c) > 0 && !c->is_blocked) {
		call_before_write(c);
		c->is_corked = false;
		output_flush(c);
		c->is_corked = is_corked;
	}
	conn_mark_dirty(c);
	if (!c->is_given_up)
		return 0;
	errno = EPIPE;
	return -1;
}

size_t
tine_unsent(const struct tine_conn *c)
{
	return call_is_foreign(conn_server(c), "tine_unsent") ? 0
							      : output_bytes(c);
}

bool
tine_is_congested(const struct tine_conn *c)
{
	return !call_is_foreign(conn_server(c), "tine_is_congested") &&
	    c->is_congested;
}

void
tine_set_policy(struct tine_conn *c, enum tine_policy policy)
{
	if (call_is_foreign(conn_server(c), "tine_set_policy"))
		return;
	if ((unsigned)policy <= TINE_POLICY_CALL)
		c->policy = (unsigned)policy & 3U;
	else
		server_blame(conn_server(c), "a policy that is unknown");
}

/* ---- the end of it ---- */

void
tine_abort(struct tine_conn *c)
{
	if (!call_is_foreign(conn_server(c), "tine_abort"))
		conn_give_up(c, TINE_LOCAL, 0);
}

int
tine_shutdown_write(struct tine_conn *c)
{
	if (call_is_foreign(conn_server(c), "tine_shutdown_write"))
		return -1;
	if (c->state != CONN_OPEN && c->state != CONN_CONNECTING) {
		errno = EPIPE;
		return -1;
	}
	c->is_half_closed = true;
	conn_mark_dirty(c);
	return 0;
}

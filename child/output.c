/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * output.c: bytes from the handler to the peer. Runs in children. What a
 * callback writes is gathered in one stage and sent with one call when it
 * returns. What the kernel does not take is queued in chunks, with files
 * between them, and the write event is armed only while something is queued.
 * The staged bytes always come before the queued ones.
 */
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "child/child.h"

#define CHUNK_BYTES 16384
#define CHUNK_BYTES_MIN 2048
#define IOVECS 16
#define NOT_A_FILE (-1)

/* A piece of the queue: bytes, or a part of a file. */
struct chunk {
	STAILQ_ENTRY(chunk) entry;
	size_t size; /* of it all, for the pool */
	int fd;      /* owned, or NOT_A_FILE */
	off_t off;
	size_t start, end; /* of bytes; of a file: 0 and what is left */
	char bytes[];
};

static struct pool *
pool_of(const struct tine_conn *c)
{
	return &conn_server(c)->child->pool;
}

static size_t
chunk_left(const struct chunk *k)
{
	return k->end - k->start;
}

static size_t
chunk_room(const struct chunk *k)
{
	return k->fd == NOT_A_FILE ? k->size - sizeof(*k) - k->end : 0;
}

static struct chunk *
chunk_new(struct tine_conn *c, size_t bytes)
{
	size_t want = sizeof(struct chunk) + bytes, size;
	struct chunk *k;

	k = pool_get(pool_of(c), MIN_OF(want, CHUNK_BYTES), &size);
	if (k != NULL)
		*k = (struct chunk){ .size = size, .fd = NOT_A_FILE };
	return k;
}

static void
chunk_free(struct tine_conn *c, struct chunk *k)
{
	closefd(&k->fd);
	pool_put(pool_of(c), k, k->size);
}

static size_t
chunk_fill(struct chunk *k, const char *bytes, size_t len)
{
	size_t n = MIN_OF(len, chunk_room(k));

	(void)memcpy(k->bytes + k->end, bytes, n);
	k->end += n;
	return n;
}

static size_t
staged_bytes(const struct tine_conn *c)
{
	const struct child *ch = conn_server(c)->child;

	return ch->stager == c ? ch->staged : 0;
}

size_t
output_bytes(const struct tine_conn *c)
{
	return staged_bytes(c) + (c->output == NULL ? 0 : c->output->bytes);
}

static void
clear_stage(struct child *ch)
{
	ch->staged = 0;
	ch->stager = NULL;
}

/* The head of the queue is there as long as something is queued. */
static int
make_queue(struct tine_conn *c)
{
	struct output *out;
	size_t size;

	if (c->output != NULL)
		return 0;
	out = pool_get(pool_of(c), sizeof(*out), &size);
	if (out == NULL)
		return -1;
	*out = (struct output){ .size = size };
	STAILQ_INIT(&out->queue);
	c->output = out;
	return 0;
}

static void
drop_queue(struct tine_conn *c)
{
	struct output *out = c->output;
	struct chunk *k;

	if (out == NULL)
		return;
	while ((k = STAILQ_FIRST(&out->queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&out->queue, entry);
		chunk_free(c, k);
	}
	pool_put(pool_of(c), out, out->size);
	c->output = NULL;
}

/* Make chunks that hold the bytes, at the end of the queue; -1: no memory, and
 * the queue is as it was. */
static int
queue_bytes(struct tine_conn *c, const char *bytes, size_t len)
{
	STAILQ_HEAD(, chunk) made = STAILQ_HEAD_INITIALIZER(made);
	struct chunk *last = NULL, *k;
	size_t room, done;

	if (len == 0)
		return 0;
	if (c->output != NULL)
		last = STAILQ_LAST(&c->output->queue, chunk, entry);
	room = last == NULL ? 0 : MIN_OF(len, chunk_room(last));
	done = room;

	while (done < len) {
		k = chunk_new(c, MAX_OF(len - done, CHUNK_BYTES_MIN));
		if (k == NULL)
			break;
		done += chunk_fill(k, bytes + done, len - done);
		STAILQ_INSERT_TAIL(&made, k, entry);
	}
	if (done < len || make_queue(c) == -1) {
		while ((k = STAILQ_FIRST(&made)) != NULL) {
			STAILQ_REMOVE_HEAD(&made, entry);
			chunk_free(c, k);
		}
		errno = ENOMEM;
		return -1;
	}
	if (room > 0)
		(void)chunk_fill(last, bytes, room);
	STAILQ_CONCAT(&c->output->queue, &made);
	c->output->bytes += len;
	return 0;
}

void
output_fini(struct tine_conn *c)
{
	struct child *ch = conn_server(c)->child;

	drop_queue(c);
	if (ch->stager == c)
		clear_stage(ch);
}

/* ---- sending ---- */

static void
sent(struct tine_conn *c, size_t n)
{
	c->has_sent = true;
	if (c->extra != NULL)
		c->extra->bytes_out += n;
	board_add(conn_server(c)->child->board, BOARD_BYTES_OUT, n);
}

/* A call failed: wait, or give the connection up. */
static void
on_send_error(struct tine_conn *c)
{
	if (errno == EAGAIN)
		c->is_blocked = true;
	else if (errno != EINTR)
		conn_close(c, conn_cause_of(errno), errno);
}

/* What the kernel did not take of the stage goes before the queue. */
static void
unstage(struct tine_conn *c, size_t from)
{
	struct child *ch = conn_server(c)->child;
	struct output *later = c->output;

	c->output = NULL;
	if (queue_bytes(c, ch->stage + from, ch->staged - from) == -1) {
		c->output = later;
		conn_close(c, TINE_ERROR, ENOMEM);
		return;
	}
	clear_stage(ch);
	if (later == NULL)
		return;
	STAILQ_CONCAT(&c->output->queue, &later->queue);
	c->output->bytes += later->bytes;
	pool_put(pool_of(c), later, later->size);
}

static void
flush_stage(struct tine_conn *c)
{
	struct child *ch = conn_server(c)->child;
	int more = c->output == NULL ? 0 : MSG_MORE;
	ssize_t n;

	n = send(c->io.fd, ch->stage, ch->staged, MSG_NOSIGNAL | more);
	if (n == -1) {
		on_send_error(c);
		if (c->state == CONN_CLOSED)
			return;
		n = 0;
	} else {
		sent(c, (size_t)n);
	}
	if ((size_t)n == ch->staged) {
		clear_stage(ch);
		return;
	}
	c->is_blocked = true;
	unstage(c, (size_t)n);
}

/* Take n sent bytes off the front of the queue. */
static void
drop(struct tine_conn *c, size_t n)
{
	struct output *out = c->output;
	struct chunk *k;

	sent(c, n);
	out->bytes -= n;
	while ((k = STAILQ_FIRST(&out->queue)) != NULL) {
		if (chunk_left(k) > n) {
			k->start += n;
			return;
		}
		n -= chunk_left(k);
		STAILQ_REMOVE_HEAD(&out->queue, entry);
		chunk_free(c, k);
	}
	drop_queue(c);
}

static size_t
send_chunks(struct tine_conn *c)
{
	struct iovec iov[IOVECS];
	struct msghdr msg = { .msg_iov = iov };
	struct chunk *k;
	size_t asked = 0;
	ssize_t n;

	STAILQ_FOREACH(k, &c->output->queue, entry) {
		if (k->fd != NOT_A_FILE || msg.msg_iovlen == IOVECS)
			break;
		iov[msg.msg_iovlen].iov_base = k->bytes + k->start;
		iov[msg.msg_iovlen++].iov_len = chunk_left(k);
		asked += chunk_left(k);
	}
	n = sendmsg(c->io.fd, &msg, MSG_NOSIGNAL | (k == NULL ? 0 : MSG_MORE));
	if (n == -1) {
		on_send_error(c);
		return 0;
	}
	drop(c, (size_t)n);
	c->is_blocked = (size_t)n < asked;
	return (size_t)n;
}

static size_t
send_file(struct tine_conn *c, struct chunk *k, size_t budget)
{
	size_t asked = MIN_OF(chunk_left(k), budget);
	ssize_t n;

	n = sendfile(c->io.fd, k->fd, &k->off, asked);
	if (n == -1 && errno != EAGAIN && errno != EINTR) {
		conn_abort(c, conn_cause_of(errno), errno);
		return 0;
	}
	if (n == -1) {
		on_send_error(c);
		return 0;
	}
	if (n == 0) {
		/* The file is shorter than what was promised: only a reset
		 * tells the peer that it did not get everything. */
		conn_abort(c, TINE_ERROR, EIO);
		return 0;
	}
	drop(c, (size_t)n);
	c->is_blocked = (size_t)n < asked;
	return (size_t)n;
}

/* drained comes with the next write event; without it there is none. */
static void
relax(struct tine_conn *c)
{
	if (output_bytes(c) > conn_server(c)->limits.output_low)
		return;
	c->is_stalled = false;
	if (conn_server(c)->handler.drained == NULL)
		c->is_congested = false;
}

void
output_flush(struct tine_conn *c)
{
	size_t budget = conn_server(c)->budget_bytes, n;
	struct chunk *k;

	if (staged_bytes(c) > 0)
		flush_stage(c);
	while (c->state != CONN_CLOSED && c->output != NULL && !c->is_blocked &&
	    budget > 0) {
		k = STAILQ_FIRST(&c->output->queue);
		n = k->fd == NOT_A_FILE ? send_chunks(c)
					: send_file(c, k, budget);
		budget -= MIN_OF(budget, n);
	}
	if (c->state == CONN_CLOSED)
		return;
	if (c->output == NULL)
		c->is_blocked = false;
	relax(c);
}

/* ---- tine.h ---- */

static int
refuse(const struct tine_conn *c, const char *call)
{
	if (call_is_foreign(conn_server(c), call))
		return -1;
	if (c->state != CONN_OPEN && c->state != CONN_CONNECTING)
		errno = EPIPE;
	else if (output_bytes(c) >= conn_server(c)->limits.output)
		errno = ENOBUFS;
	else
		return 0;
	return -1;
}

static void
added(struct tine_conn *c)
{
	const struct conf_limits *limits = &conn_server(c)->limits;
	size_t bytes = output_bytes(c);

	c->is_congested |= bytes > limits->output_high;
	c->is_stalled |= bytes >= limits->output;
	conn_mark_dirty(c);
}

static int
put(struct tine_conn *c, const char *p, size_t len)
{
	struct child *ch = conn_server(c)->child;
	size_t n = 0;

	if (ch->current == c && c->output == NULL)
		n = MIN_OF(len, STAGE_BYTES - ch->staged);
	if (queue_bytes(c, p + n, len - n) == -1)
		return -1;
	if (n > 0) {
		(void)memcpy(ch->stage + ch->staged, p, n);
		ch->staged += n;
		ch->stager = c;
	}
	added(c);
	return 0;
}

int
tine_write(struct tine_conn *c, const void *bytes, size_t len)
{
	return refuse(c, "tine_write") == -1 ? -1 : put(c, bytes, len);
}

int
tine_writev(struct tine_conn *c, const struct iovec *iov, int n)
{
	int i;

	if (refuse(c, "tine_writev") == -1)
		return -1;
	for (i = 0; i < n; i++)
		if (put(c, iov[i].iov_base, iov[i].iov_len) == -1) {
			/* Half of it would be a lie. */
			conn_abort(c, TINE_ERROR, ENOMEM);
			return -1;
		}
	return 0;
}

int
tine_sendfile(struct tine_conn *c, int fd, off_t off, size_t len)
{
	struct chunk *k;

	if (refuse(c, "tine_sendfile") == -1 || (k = chunk_new(c, 0)) == NULL) {
		closefd(&fd);
		return -1;
	}
	k->fd = fd;
	k->off = off;
	k->end = len;
	if (len == 0 || make_queue(c) == -1) {
		chunk_free(c, k);
		return len == 0 ? 0 : -1;
	}
	STAILQ_INSERT_TAIL(&c->output->queue, k, entry);
	c->output->bytes += len;
	added(c);
	return 0;
}

size_t
tine_unsent(const struct tine_conn *c)
{
	if (call_is_foreign(conn_server(c), "tine_unsent"))
		return 0;
	return output_bytes(c);
}

bool
tine_is_congested(const struct tine_conn *c)
{
	if (call_is_foreign(conn_server(c), "tine_is_congested"))
		return false;
	return c->is_congested;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * output.c: bytes from the handler to the peer. Runs in children. What a
 * callback writes is gathered in one stage and sent with one call when it
 * returns. What the kernel does not take is queued in chunks, with files and
 * pipes between them, and the write event is armed only while something is
 * queued. The staged bytes always come before the queued ones.
 */
#include <sys/socket.h>

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "child/child.h"
#include "child/tunnel.h"

#define CHUNK_BYTES_MIN (2048 - sizeof(struct chunk))

_Static_assert(sizeof(struct output) <= POOL_SIZE_MIN,
    "its size need not be remembered");

static struct pool *
pool_of(const struct tine_conn *c)
{
	return &conn_server(c)->child->pool;
}

static void
free_chunk(struct tine_conn *c, struct chunk *k)
{
	/* Only this kind runs a handler's code. */
	if (k->kind == CHUNK_REF)
		call_release(c, k);
	else
		chunk_free(pool_of(c), k);
}

static size_t
staged_bytes(const struct tine_conn *c)
{
	const struct child *ch = conn_server(c)->child;

	return ch->stager == c ? ch->staged : 0;
}

static void
clear_stage(struct child *ch)
{
	ch->staged = 0;
	ch->stager = NULL;
}

/* ---- the queue ---- */

static void
on_pipe(struct ev_loop *loop, ev_io *w, int revents)
{
	struct tine_conn *c = w->data;

	(void)revents;
	ev_io_stop(loop, w);
	c->is_dry = false;
	conn_settle(c);
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
	if (out == NULL) {
		errno = ENOMEM;
		return -1;
	}
	STAILQ_INIT(&out->queue);
	out->bytes = 0;
	ev_init(&out->pipe, on_pipe);
	out->pipe.data = c;
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
	ev_io_stop(conn_server(c)->child->loop, &out->pipe);
	c->is_dry = false;
	c->output = NULL;
	while ((k = STAILQ_FIRST(&out->queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&out->queue, entry);
		free_chunk(c, k);
	}
	pool_put(pool_of(c), out, POOL_SIZE_MIN);
}

int
output_add_chunk(struct tine_conn *c, struct chunk *k)
{
	if (make_queue(c) == -1)
		return -1;
	STAILQ_INSERT_TAIL(&c->output->queue, k, entry);
	c->output->bytes += k->left;
	return 0;
}

/* Fill the last chunk of a list, or `last` before it, and new ones behind. */
static int
fill_chunks(struct tine_conn *c, struct chunk_list *list, struct chunk *last,
    const char *bytes, size_t len)
{
	struct chunk *k =
	    STAILQ_EMPTY(list) ? last : STAILQ_LAST(list, chunk, entry);
	size_t done = k == NULL ? 0 : chunk_fill(k, bytes, len);

	while (done < len) {
		k = chunk_new(pool_of(c), CHUNK_BYTES,
		    MAX_OF(len - done, CHUNK_BYTES_MIN));
		if (k == NULL)
			return -1;
		done += chunk_fill(k, bytes + done, len - done);
		STAILQ_INSERT_TAIL(list, k, entry);
	}
	return 0;
}

/* Put what iov has, but for the first `skip` bytes, into `last`, if there is
 * one, and new chunks. -1: no memory, and the list is empty. */
static int
make_chunks(struct tine_conn *c, struct chunk_list *list, struct chunk *last,
    const struct iovec *iov, int n, size_t skip)
{
	struct chunk *k;
	size_t miss;

	for (; n > 0; iov++, n--) {
		miss = MIN_OF(skip, iov->iov_len);
		skip -= miss;
		if (fill_chunks(c, list, last,
			(const char *)iov->iov_base + miss,
			iov->iov_len - miss) == 0)
			continue;
		while ((k = STAILQ_FIRST(list)) != NULL) {
			STAILQ_REMOVE_HEAD(list, entry);
			chunk_free(pool_of(c), k);
		}
		errno = ENOMEM;
		return -1;
	}
	return 0;
}

/* The len bytes of iov that are behind the first `skip`, to the end of the
 * queue; -1: no memory, and the queue is as it was. */
static int
queue_bytes(struct tine_conn *c, const struct iovec *iov, int n, size_t skip,
    size_t len)
{
	struct chunk_list made = STAILQ_HEAD_INITIALIZER(made);
	struct chunk *last;
	size_t left = 0;

	if (len == 0)
		return 0;
	if (make_queue(c) == -1)
		return -1;
	last = STAILQ_LAST(&c->output->queue, chunk, entry);
	if (last != NULL)
		left = last->left;
	if (make_chunks(c, &made, last, iov, n, skip) == -1) {
		if (last == NULL)
			drop_queue(c);
		else
			chunk_cut(last, left);
		return -1;
	}
	STAILQ_CONCAT(&c->output->queue, &made);
	c->output->bytes += len;
	return 0;
}

bool
output_stage(struct tine_conn *c, const void *bytes, size_t len)
{
	struct child *ch = conn_server(c)->child;

	if (ch->current != c || c->output != NULL || len == 0 ||
	    len > STAGE_BYTES - ch->staged)
		return false;
	(void)memcpy(ch->stage + ch->staged, bytes, len);
	ch->staged += len;
	ch->stager = c;
	return true;
}

int
output_add(struct tine_conn *c, const struct iovec *iov, int n, size_t len)
{
	struct child *ch = conn_server(c)->child;
	size_t staged = 0, part, left;

	if (ch->current == c && c->output == NULL)
		staged = MIN_OF(len, STAGE_BYTES - ch->staged);
	if (queue_bytes(c, iov, n, staged, len - staged) == -1)
		return -1;
	if (staged == 0)
		return 0;
	for (left = staged; left > 0; iov++, left -= part) {
		part = MIN_OF(left, iov->iov_len);
		(void)memcpy(ch->stage + ch->staged, iov->iov_base, part);
		ch->staged += part;
	}
	ch->stager = c;
	return 0;
}

void
output_fini(struct tine_conn *c)
{
	struct child *ch = conn_server(c)->child;

	if (ch->stager == c)
		clear_stage(ch);
	drop_queue(c);
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
		conn_give_up(c, conn_cause_of(errno), errno);
}

/* What is staged goes before the queue, but for what was sent of it. */
static void
unstage(struct tine_conn *c, size_t from)
{
	struct child *ch = conn_server(c)->child;
	struct chunk_list made = STAILQ_HEAD_INITIALIZER(made);
	const struct iovec iov = { ch->stage, ch->staged };
	size_t len = ch->staged - from;

	clear_stage(ch);
	if (make_queue(c) == -1 ||
	    make_chunks(c, &made, NULL, &iov, 1, from) == -1) {
		conn_give_up(c, TINE_ERROR, ENOMEM);
		return;
	}
	STAILQ_CONCAT(&made, &c->output->queue);
	STAILQ_CONCAT(&c->output->queue, &made);
	c->output->bytes += len;
}

static void
flush_stage(struct tine_conn *c)
{
	struct child *ch = conn_server(c)->child;
	int more = c->output == NULL ? 0 : MSG_MORE;
	ssize_t n = -1;

	if (!c->is_blocked) {
		n = send(c->io.fd, ch->stage, ch->staged, MSG_NOSIGNAL | more);
		if (n == -1)
			on_send_error(c);
		else
			sent(c, (size_t)n);
	}
	if (c->is_given_up)
		return;
	if (n != -1 && (size_t)n == ch->staged) {
		clear_stage(ch);
		return;
	}
	c->is_blocked = true;
	unstage(c, n == -1 ? 0 : (size_t)n);
}

/* Take n sent bytes off the front of the queue; what is freed by that can run a
 * handler's code, which may write and flush: so not before all is in order. */
static void
drop(struct tine_conn *c, size_t n)
{
	struct chunk_list done = STAILQ_HEAD_INITIALIZER(done);
	struct output *out = c->output;
	struct chunk *k;
	size_t part;

	sent(c, n);
	out->bytes -= n;
	while ((k = STAILQ_FIRST(&out->queue)) != NULL) {
		part = MIN_OF(n, k->left);
		chunk_advance(k, part);
		n -= part;
		if (k->left > 0)
			break;
		STAILQ_REMOVE_HEAD(&out->queue, entry);
		STAILQ_INSERT_TAIL(&done, k, entry);
	}
	if (k == NULL)
		drop_queue(c);
	while ((k = STAILQ_FIRST(&done)) != NULL) {
		STAILQ_REMOVE_HEAD(&done, entry);
		free_chunk(c, k);
	}
}

static size_t
send_queue(struct tine_conn *c, size_t budget)
{
	struct output *out = c->output;
	struct chunk *k = STAILQ_FIRST(&out->queue);
	size_t asked;
	ssize_t n = chunk_send(k, c->io.fd, budget, &asked);

	if (n > 0) {
		/* Of a pipe it is unknown who had less. */
		c->is_blocked = (size_t)n < asked && k->kind != CHUNK_PIPE;
		drop(c, (size_t)n);
		return (size_t)n;
	}
	if (errno == EAGAIN && chunk_is_dry(k)) {
		c->is_dry = true;
		ev_io_modify(&out->pipe, EV_READ);
		ev_io_set(&out->pipe, k->fd, EV_READ);
		ev_io_start(conn_server(c)->child->loop, &out->pipe);
	} else {
		on_send_error(c);
	}
	return 0;
}

/* drained comes with the next write event; without it there is none. */
static void
relax(struct tine_conn *c)
{
	if (output_bytes(c) > conn_server(c)->limits.output_low)
		return;
	c->is_stalled = false;
	if (conn_server(c)->handler.drained == NULL || conn_is_piped(c))
		c->is_congested = false;
	if (conn_is_piped(c))
		tunnel_on_drained(c);
}

void
output_flush(struct tine_conn *c)
{
	size_t budget = conn_server(c)->budget_bytes, n;

	if (output_is_held(c)) {
		if (staged_bytes(c) > 0)
			unstage(c, 0);
		return;
	}
	if (staged_bytes(c) > 0)
		flush_stage(c);
	while (c->output != NULL && !c->is_given_up && !c->is_blocked &&
	    !c->is_dry && budget > 0) {
		n = send_queue(c, budget);
		budget -= MIN_OF(budget, n);
	}
	if (c->is_given_up)
		return;
	if (c->output == NULL)
		c->is_blocked = false;
	relax(c);
}

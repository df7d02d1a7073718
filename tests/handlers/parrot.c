/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * parrot.c: a sound handler for tests: an echo of streams and packets that
 * answers in the way that how= names, of which two are work of other threads.
 * Of a connection one piece is under way at a time, so order is kept.
 */
#include <tine.h>

#include <stdlib.h>
#include <string.h>

struct state {
	bool is_busy;
};

/* What a thread has to say. */
struct job {
	uint64_t handle;
	bool in_pieces;
	size_t listener;
	struct sockaddr_storage to;
	socklen_t to_len;
	size_t len;
	char bytes[];
};

static struct job *
job_new(const void *bytes, size_t len)
{
	struct job *j = malloc(sizeof(*j) + len);

	if (j == NULL)
		abort();
	*j = (struct job){ .len = len };
	(void)memcpy(j->bytes, bytes, len);
	return j;
}

/* ---- streams ---- */

static int
say(struct tine_conn *c, bool in_pieces)
{
	struct iovec iov[2];
	const char *bytes;
	size_t len, half;
	int rc;

	bytes = tine_peek(c, &len);
	half = len / 2;
	iov[0].iov_base = (void *)(uintptr_t)bytes;
	iov[0].iov_len = half;
	iov[1].iov_base = (void *)(uintptr_t)(bytes + half);
	iov[1].iov_len = len - half;
	rc = in_pieces ? tine_writev(c, iov, 2) : tine_write(c, bytes, len);
	if (rc == 0)
		tine_consume(c, len);
	return rc;
}

static int
by_write(struct tine_conn *c)
{
	return say(c, false);
}

static int
by_writev(struct tine_conn *c)
{
	return say(c, true);
}

static void
say_elsewhere(void *arg)
{
	struct job *j = arg;
	struct iovec iov[2];
	size_t half = j->len / 2;

	iov[0].iov_base = j->bytes;
	iov[0].iov_len = half;
	iov[1].iov_base = j->bytes + half;
	iov[1].iov_len = j->len - half;
	/* Refused only when the child leaves. */
	if (j->in_pieces)
		(void)tine_writev_to(j->handle, iov, 2);
	else
		(void)tine_write_to(j->handle, j->bytes, j->len);
}

static void
said(struct tine_child *child, void *arg)
{
	struct job *j = arg;
	struct tine_conn *c = tine_find_conn(j->handle);
	struct state *s;

	(void)child;
	if (c != NULL) {
		s = tine_state(c);
		s->is_busy = false;
		(void)tine_wake(j->handle);
	}
	free(j);
}

static int
give(struct tine_conn *c, bool in_pieces)
{
	struct state *s = tine_state(c);
	const void *bytes;
	struct job *j;
	size_t len;

	if (s->is_busy)
		return 0;
	bytes = tine_peek(c, &len);
	j = job_new(bytes, len);
	j->handle = tine_handle(c);
	j->in_pieces = in_pieces;
	if (tine_offload(tine_child(c), say_elsewhere, said, j) == -1) {
		free(j);
		return -1;
	}
	tine_consume(c, len);
	s->is_busy = true;
	return 0;
}

static int
by_write_to(struct tine_conn *c)
{
	return give(c, false);
}

static int
by_writev_to(struct tine_conn *c)
{
	return give(c, true);
}

/* ---- packets ---- */

static int
by_reply(struct tine_dgram *d)
{
	const void *bytes;
	size_t len;

	bytes = tine_dgram_bytes(d, &len);
	return tine_dgram_reply(d, bytes, len);
}

static int
by_send(struct tine_dgram *d)
{
	const struct sockaddr *to;
	const void *bytes;
	socklen_t to_len;
	size_t len;

	bytes = tine_dgram_bytes(d, &len);
	to = tine_dgram_peer(d, &to_len);
	return tine_dgram_send(tine_dgram_child(d), tine_dgram_listener(d), to,
	    to_len, bytes, len);
}

static void
think(void *arg)
{
	struct job *j = arg;
	size_t i;

	/* Upside down and back, so that the thread has seen every byte. */
	for (i = 0; i < 2 * j->len; i++)
		j->bytes[i % j->len] = (char)~j->bytes[i % j->len];
}

static void
send_thought(struct tine_child *child, void *arg)
{
	struct job *j = arg;

	(void)tine_dgram_send(child, j->listener,
	    (const struct sockaddr *)&j->to, j->to_len, j->bytes, j->len);
	free(j);
}

static int
by_thread(struct tine_dgram *d)
{
	const struct sockaddr *to;
	const void *bytes;
	struct job *j;
	size_t len;

	bytes = tine_dgram_bytes(d, &len);
	j = job_new(bytes, len);
	to = tine_dgram_peer(d, &j->to_len);
	(void)memcpy(&j->to, to, j->to_len);
	j->listener = tine_dgram_listener(d);
	if (tine_offload(tine_dgram_child(d), think, send_thought, j) == 0)
		return 0;
	free(j);
	return -1;
}

/* ---- the ways ---- */

static const struct {
	const char *name;
	int (*data)(struct tine_conn *);
	int (*datagram)(struct tine_dgram *);
} ways[] = {
	{ "write", by_write, by_reply },
	{ "writev", by_writev, by_send },
	{ "write-to", by_write_to, by_thread },
	{ "writev-to", by_writev_to, by_thread },
};

static size_t way;

static enum tine_action
parrot_start(struct tine_child *child)
{
	const char *how = tine_option(child, "how", NULL);

	for (way = 0; way < sizeof(ways) / sizeof(ways[0]); way++)
		if (strcmp(how, ways[way].name) == 0)
			return TINE_OK;
	tine_set_error(child, "parrot: how=%s", how);
	return TINE_CLOSE;
}

static enum tine_action
parrot_open(struct tine_conn *c)
{
	return tine_write(c, "hello\n", 6) == 0 ? TINE_OK : TINE_ABORT;
}

static enum tine_action
parrot_data(struct tine_conn *c)
{
	/* It may be woken with nothing to say. */
	if (tine_buffered(c) == 0)
		return TINE_OK;
	return ways[way].data(c) == 0 ? TINE_OK : TINE_ABORT;
}

static enum tine_action
parrot_datagram(struct tine_dgram *d)
{
	do {
		(void)ways[way].datagram(d);
	} while (tine_dgram_next(d));
	return TINE_OK;
}

static const struct tine_option options[] = {
	{ .name = "how",
	    .type = TINE_STRING,
	    .value = "write",
	    .help = "write, writev, write-to, writev-to" },
	{ .name = NULL },
};

TINE_HANDLER(.name = "parrot", .options = options,
    .conn_size = sizeof(struct state), .start = parrot_start,
    .open = parrot_open, .data = parrot_data, .datagram = parrot_datagram);

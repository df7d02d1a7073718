/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mirror.c: an echo for tests that uses another call of tine.h at each turn
 * (how=each) or one of them always. Bytes may be out of the kernel's reach for
 * long: the socket buffers of the tests are small.
 */
#include <tine.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECES 4

struct mirror {
	unsigned turn;
};

typedef int send_fn(struct tine_conn *, size_t len);

static int
by_write(struct tine_conn *c, size_t len)
{
	size_t half = len / 2;

	return tine_write(c, tine_next(c, half), half) == 0 &&
		tine_write(c, tine_next(c, len - half), len - half) == 0
	    ? 0
	    : -1;
}

static int
by_writev(struct tine_conn *c, size_t len)
{
	struct iovec iov[PIECES];
	int n = tine_peek_iov(c, iov, PIECES), i;
	size_t sum = 0;

	(void)len;
	for (i = 0; i < n; i++)
		sum += iov[i].iov_len;
	if (tine_writev(c, iov, n) == -1)
		return -1;
	tine_consume(c, sum);
	return sum == len ? 0 : by_writev(c, len - sum);
}

static int
by_ref(struct tine_conn *c, size_t len)
{
	void *copy = malloc(len);

	if (copy == NULL || tine_read(c, copy, len) != len ||
	    tine_write_ref(c, copy, len, free, copy) == -1) {
		free(copy);
		return -1;
	}
	return 0;
}

static int
by_slice(struct tine_conn *c, size_t len)
{
	struct tine_slice slice;
	int rc;

	if (tine_slice(c, len, &slice) == -1)
		return -1;
	rc = tine_write_slice(c, &slice);
	tine_slice_unref(&slice);
	return rc;
}

static int
by_splice(struct tine_conn *c, size_t len)
{
	int ends[2];
	size_t n = len < 4096 ? len : 4096;
	const void *bytes = tine_next(c, n);

	/* A pipe holds more than that. */
	if (pipe2(ends, O_CLOEXEC) == -1)
		return -1;
	if (write(ends[1], bytes, n) != (ssize_t)n) {
		(void)close(ends[0]);
		(void)close(ends[1]);
		return -1;
	}
	(void)close(ends[1]);
	if (tine_splice(c, ends[0], n) == -1)
		return -1;
	return len == n ? 0 : by_write(c, len - n);
}

static int
by_flush(struct tine_conn *c, size_t len)
{
	return by_write(c, len) == 0 ? tine_flush(c) : -1;
}

static int
by_cork(struct tine_conn *c, size_t len)
{
	int rc;

	tine_cork(c);
	rc = by_write(c, len);
	tine_uncork(c);
	return rc;
}

/* Leave half of it, and be called again for that. */
static int
by_pause(struct tine_conn *c, size_t len)
{
	tine_pause(c);
	if (by_write(c, len - len / 2) == -1)
		return -1;
	tine_resume(c);
	return 0;
}

static const struct {
	const char *name;
	send_fn *send;
} ways[] = {
	{ "write", by_write },
	{ "writev", by_writev },
	{ "ref", by_ref },
	{ "slice", by_slice },
	{ "splice", by_splice },
	{ "flush", by_flush },
	{ "cork", by_cork },
	{ "pause", by_pause },
};
#define NWAYS (sizeof(ways) / sizeof(ways[0]))

static enum tine_action
mirror_data(struct tine_conn *c)
{
	const char *how = tine_option(tine_child(c), "how", NULL);
	struct mirror *m = tine_state(c);
	size_t len = tine_buffered(c), i = m->turn++ % NWAYS;

	if (strcmp(how, "each") != 0)
		for (i = 0; strcmp(how, ways[i].name) != 0;)
			if (++i == NWAYS)
				return TINE_ABORT;
	/* Who is told that it is too much waits for drained. */
	if (len == 0 || tine_is_congested(c))
		return TINE_OK;
	return ways[i].send(c, len) == 0 ? TINE_OK : TINE_ABORT;
}

static void
mirror_drained(struct tine_conn *c)
{
	if (mirror_data(c) != TINE_OK)
		tine_abort(c);
}

static enum tine_action
mirror_eof(struct tine_conn *c)
{
	return tine_shutdown_write(c) == 0 ? TINE_OK : TINE_ABORT;
}

static const struct tine_option options[] = {
	{ .name = "how",
	    .type = TINE_STRING,
	    .value = "each",
	    .help = "which call answers" },
	{ .name = NULL },
};

TINE_HANDLER(.name = "mirror", .options = options,
    .conn_size = sizeof(struct mirror), .data = mirror_data,
    .drained = mirror_drained, .eof = mirror_eof);

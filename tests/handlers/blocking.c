/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blocking.c: what coroutines may do to their child, one of `does` for each
 * connection. What it learns it logs as "blocking: ...".
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tine.h>

/* More than the kernel takes for a peer that does not read. */
#define LARGE_BYTES ((size_t)32 << 20)

static const struct tine_option options[] = {
	{ "does", TINE_STRING, "echo", 0, 0, "see blocking.c" },
	{ "to", TINE_STRING, NULL, 0, 0, "where the proxy connects to" },
	{ "size", TINE_INT, "256", 1, 1 << 20, "bytes of one read or write" },
	{ .name = NULL },
};

static struct tine_child *child;
static char *large;

static enum tine_action
blocking_start(struct tine_child *c)
{
	child = c;
	large = calloc(1, LARGE_BYTES);
	return large == NULL ? TINE_CLOSE : TINE_OK;
}

static void
blocking_stop(struct tine_child *c)
{
	(void)c;
	free(large);
}

static void
echo(struct tine_stream *s)
{
	char buf[16384];
	ssize_t n;

	while ((n = tine_stream_read(s, buf, sizeof(buf))) > 0)
		if (tine_stream_write(s, buf, (size_t)n, NULL) == -1)
			return;
	if (n == -1)
		tine_log(NULL, TINE_LOG_INFO, "blocking: read: %s",
		    strerror(errno));
}

/* Counts what comes, in pieces, and says how much it was. */
static void
count(struct tine_stream *s)
{
	size_t size = (size_t)tine_option_int(child, "size");
	unsigned long long bytes = 0, reads = 0;
	char buf[16384];
	ssize_t n;

	if (size > sizeof(buf))
		size = sizeof(buf);
	while ((n = tine_stream_read(s, buf, size)) > 0) {
		bytes += (unsigned long long)n;
		reads++;
	}
	tine_log(NULL, TINE_LOG_INFO, "blocking: %llu bytes in %llu reads",
	    bytes, reads);
}

/* Writes 10,000 pieces as soon as a line has come. */
static void
give(struct tine_stream *s)
{
	size_t size = (size_t)tine_option_int(child, "size");
	char line[64];
	int i;

	if (tine_stream_read_until(s, '\n', line, sizeof(line)) <= 0)
		return;
	for (i = 0; i < 10000; i++)
		if (tine_stream_write(s, large, size, NULL) == -1)
			return;
}

static void
tell_write(struct tine_stream *s)
{
	size_t taken;
	int rc = tine_stream_write(s, large, LARGE_BYTES, &taken);

	tine_log(NULL, TINE_LOG_INFO, "blocking: write: %s, %s taken",
	    rc == 0 ? "done" : strerror(errno),
	    taken == LARGE_BYTES ? "all"
		: taken > 0      ? "some"
				 : "none");
}

struct pair {
	struct tine_stream *to, *from;
};

static void
copy(void *arg)
{
	const struct pair *p = arg;

	if (tine_stream_copy(p->to, p->from) == -1)
		(void)tine_stream_close(p->to);
	else
		(void)tine_stream_shutdown_write(p->to);
}

static void
proxy(struct tine_stream *s)
{
	const char *to = tine_option(child, "to", NULL);
	struct tine_stream *up = tine_dial(to, 5);
	struct pair there = { up, s }, back = { s, up };

	if (up == NULL) {
		tine_log(NULL, TINE_LOG_INFO, "blocking: dial: %s",
		    strerror(errno));
		return;
	}
	if (tine_spawn(copy, &back) == 0)
		copy(&there);
	(void)tine_join();
}

static int
recurse(int depth)
{
	volatile char frame[1024];

	frame[0] = (char)depth;
	return depth == 0 ? 0 : recurse(depth - 1) + frame[0];
}

static void
overflow(struct tine_stream *s)
{
	char c;

	if (tine_stream_read(s, &c, 1) == 1)
		(void)recurse(1000);
}

static void
crash(struct tine_stream *s)
{
	char c;

	if (tine_stream_read(s, &c, 1) == 1)
		abort();
}

/* Keeps the whole child waiting. */
static void
hog(struct tine_stream *s)
{
	char c;

	while (tine_stream_read(s, &c, 1) == 1)
		for (;;)
			(void)sleep(1);
}

static void
stay(void *arg)
{
	(void)arg;
	while (tine_sleep(0.01) == 0)
		;
	tine_log(NULL, TINE_LOG_INFO, "blocking: woken: %s", strerror(errno));
}

static void
spawn(struct tine_stream *s)
{
	if (tine_spawn(stay, NULL) == 0)
		echo(s);
}

/* Leaves when the child drains. */
static void
polite(struct tine_stream *s)
{
	char buf[64];
	ssize_t n;

	while (!tine_is_draining(child)) {
		(void)tine_stream_set_read_deadline(s, 0.05);
		n = tine_stream_read(s, buf, sizeof(buf));
		if (n == 0 || (n == -1 && errno != ETIMEDOUT))
			return;
		if (n > 0)
			(void)tine_stream_write(s, buf, (size_t)n, NULL);
	}
	(void)tine_stream_write(s, "bye", 3, NULL);
}

static const struct {
	const char *name;
	void (*fn)(struct tine_stream *);
} deeds[] = {
	{ "echo", echo },
	{ "count", count },
	{ "give", give },
	{ "large", tell_write },
	{ "proxy", proxy },
	{ "overflow", overflow },
	{ "crash", crash },
	{ "hog", hog },
	{ "spawn", spawn },
	{ "polite", polite },
};

static void
blocking_run(struct tine_stream *s)
{
	const char *does = tine_option(child, "does", NULL);
	size_t i;

	for (i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
		if (strcmp(deeds[i].name, does) == 0)
			deeds[i].fn(s);
}

TINE_HANDLER(.name = "blocking", .options = options, .start = blocking_start,
    .stop = blocking_stop, .run = blocking_run);

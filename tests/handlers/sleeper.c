/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sleeper.c: a faulty handler that blocks its child's loop for some time at
 * each data, then echoes; and, when it is told to, in start.
 */
#include <tine.h>

#include <errno.h>
#include <stdint.h>
#include <time.h>

static const struct tine_option options[] = {
	{ "seconds", TINE_INT, "60", 0, 86400, "how long data blocks" },
	{ "start", TINE_INT, "0", 0, 86400, "how many seconds start does" },
	{ .name = NULL },
};

static void
block(const struct tine_child *child, const char *option)
{
	struct timespec left = { 0 };

	left.tv_sec = (time_t)tine_option_int(child, option);
	while (nanosleep(&left, &left) == -1 && errno == EINTR)
		continue;
}

static enum tine_action
sleeper_start(struct tine_child *child)
{
	block(child, "start");
	return TINE_OK;
}

static enum tine_action
sleeper_data(struct tine_conn *c)
{
	size_t n;
	const void *p;

	block(tine_child(c), "seconds");
	p = tine_peek(c, &n);
	if (tine_write(c, p, n) == -1)
		return TINE_ABORT;
	tine_consume(c, n);
	return TINE_OK;
}

TINE_HANDLER(.name = "sleeper", .options = options, .start = sleeper_start,
    .data = sleeper_data);

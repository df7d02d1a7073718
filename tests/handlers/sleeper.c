/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sleeper.c: a faulty handler that blocks its child's loop for some time at
 * each data, then echoes.
 */
#include <tine.h>

#include <errno.h>
#include <stdint.h>
#include <time.h>

static const struct tine_option options[] = {
	{ "seconds", TINE_INT, "60", 0, 86400, "how long data blocks" },
	{ .name = NULL },
};

static enum tine_action
sleeper_data(struct tine_conn *c)
{
	struct timespec left = { 0 };
	size_t n;
	const void *p;

	left.tv_sec = (time_t)tine_option_int(tine_child(c), "seconds");
	while (nanosleep(&left, &left) == -1 && errno == EINTR)
		continue;
	p = tine_peek(c, &n);
	if (tine_write(c, p, n) == -1)
		return TINE_ABORT;
	tine_consume(c, n);
	return TINE_OK;
}

TINE_HANDLER(.name = "sleeper", .options = options, .data = sleeper_data);

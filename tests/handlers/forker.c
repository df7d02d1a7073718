/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * forker.c: a handler that forks in start. Its process outlives the child and
 * holds a copy of every descriptor, the control channel's and the listening
 * sockets' included, so that no end-of-file tells of the child's death.
 */
#include <tine.h>

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static const struct tine_option options[] = {
	{ "seconds", TINE_INT, "20", 1, 86400, "life of the forked process" },
	{ .name = NULL },
};

static enum tine_action
forker_start(struct tine_child *child)
{
	unsigned seconds = (unsigned)tine_option_int(child, "seconds");

	switch (fork()) {
	case -1:
		tine_set_error(child, "fork failed");
		return TINE_ABORT;
	case 0:
		(void)signal(SIGALRM, SIG_DFL);
		(void)signal(SIGTERM, SIG_IGN);
		(void)alarm(seconds);
		for (;;)
			(void)pause();
	default:
		return TINE_OK;
	}
}

static enum tine_action
forker_data(struct tine_conn *c)
{
	size_t n;
	const void *p = tine_peek(c, &n);

	if (tine_write(c, p, n) == -1)
		return TINE_ABORT;
	tine_consume(c, n);
	return TINE_OK;
}

TINE_HANDLER(.name = "forker", .options = options, .start = forker_start,
    .data = forker_data);

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hoarder.c: a faulty handler that takes all descriptors of its child at its
 * first tick but those that leave= names, and echoes.
 */
#include <tine.h>

#include <unistd.h>

#define LEAVE_MAX 64

static const struct tine_option options[] = {
	{ "leave", TINE_INT, "8", 0, LEAVE_MAX, "descriptors that are left" },
	{ .name = NULL },
};

static enum tine_action
hoarder_tick(struct tine_child *child, double *next)
{
	int64_t n, leave = tine_option_int(child, "leave");
	int last[LEAVE_MAX], fd;

	for (n = 0; (fd = dup(STDERR_FILENO)) != -1; n++) {
		if (n >= leave && leave > 0)
			last[n % leave] = fd;
		else if (leave > 0)
			last[n] = fd;
	}
	while (leave-- > 0)
		(void)close(last[leave]);
	*next = -1;
	return TINE_OK;
}

static enum tine_action
hoarder_data(struct tine_conn *c)
{
	size_t n;
	const void *p = tine_peek(c, &n);

	(void)tine_write(c, p, n);
	tine_consume(c, n);
	return TINE_OK;
}

TINE_HANDLER(.name = "hoarder", .options = options, .data = hoarder_data,
    .tick = hoarder_tick);

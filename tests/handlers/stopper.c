/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stopper.c: a handler that may end the whole server: at the line "stop", or in
 * start when start=true.
 */
#include <tine.h>

#include <stdint.h>
#include <string.h>

static const struct tine_option options[] = {
	{ "start", TINE_BOOL, "false", 0, 0, "stop before serving" },
	{ .name = NULL },
};

static enum tine_action
stopper_start(struct tine_child *child)
{
	return tine_option_int(child, "start") ? TINE_STOP : TINE_OK;
}

static enum tine_action
stopper_data(struct tine_conn *c)
{
	size_t n;
	const void *p = tine_peek(c, &n);

	return memmem(p, n, "stop\n", 5) != NULL ? TINE_STOP : TINE_OK;
}

TINE_HANDLER(.name = "stopper", .flags = TINE_MAY_STOP, .options = options,
    .start = stopper_start, .data = stopper_data);

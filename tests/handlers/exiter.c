/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exiter.c: a faulty handler that calls exit(3) when data arrives.
 */
#include <tine.h>

#include <stdint.h>
#include <stdlib.h>

static const struct tine_option options[] = {
	{ "code", TINE_INT, "3", 0, 255, "exit code" },
	{ .name = NULL },
};

static enum tine_action
exiter_data(struct tine_conn *c)
{
	exit((int)tine_option_int(tine_child(c), "code"));
}

TINE_HANDLER(.name = "exiter", .options = options, .data = exiter_data);

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fatal.c: a handler that refuses to start and says why, as one would whose
 * database is away.
 */
#include <tine.h>

static const struct tine_option options[] = {
	{ "text", TINE_STRING, "the database is away", 0, 0, "the reason" },
	{ .name = NULL },
};

static enum tine_action
fatal_start(struct tine_child *child)
{
	tine_set_error(child, "%s", tine_option(child, "text", NULL));
	return TINE_ABORT;
}

TINE_HANDLER(.name = "fatal", .options = options, .start = fatal_start);

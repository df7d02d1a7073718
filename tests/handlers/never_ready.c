/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * never_ready.c: a faulty handler whose start never returns.
 */
#include <tine.h>

#include <unistd.h>

static enum tine_action
never_start(struct tine_child *child)
{
	(void)child;
	/* pause() returns when a signal was handled; it is not the end. */
	while (pause() == -1)
		continue;
	return TINE_OK;
}

TINE_HANDLER(.name = "never_ready", .start = never_start);

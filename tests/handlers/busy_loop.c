/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * busy_loop.c: a faulty handler that never comes back from the first data of a
 * connection, and burns its processor.
 */
#include <tine.h>

static enum tine_action
busy_data(struct tine_conn *c)
{
	volatile unsigned long turns = 1;

	(void)c;
	while (turns != 0)
		turns |= 1;
	return TINE_OK;
}

TINE_HANDLER(.name = "busy_loop", .data = busy_data);

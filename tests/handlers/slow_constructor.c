/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * slow_constructor.c: a shared object whose loading never ends.
 */
#include <tine.h>

#include <unistd.h>

__attribute__((constructor)) static void
wait_at_load(void)
{
	/* pause() returns when a signal was handled; it is not the end. */
	while (pause() == -1)
		continue;
}

TINE_HANDLER(.name = "slow_constructor");

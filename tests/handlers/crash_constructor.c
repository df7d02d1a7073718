/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crash_constructor.c: a shared object that kills the process which loads it,
 * before the server can look at it.
 */
#include <tine.h>

static int *volatile nowhere;

__attribute__((constructor)) static void
crash_at_load(void)
{
	*nowhere = 1;
}

TINE_HANDLER(.name = "crash_constructor");

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crash_constructor.c: a shared object that kills the process which loads it,
 * before the server can look at it. It raises the signal, which a process that
 * blocks signals would survive.
 */
#include <signal.h>

#include <tine.h>

__attribute__((constructor)) static void
crash_at_load(void)
{
	(void)raise(SIGSEGV);
}

TINE_HANDLER(.name = "crash_constructor");

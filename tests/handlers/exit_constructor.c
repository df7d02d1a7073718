/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exit_constructor.c: a shared object whose loading ends the process, as if
 * all were well.
 */
#include <stdlib.h>

#include <tine.h>

__attribute__((constructor)) static void
exit_at_load(void)
{
	exit(0);
}

TINE_HANDLER(.name = "exit_constructor");

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crash_start.c: a faulty handler whose child dies of SIGSEGV before it can
 * serve, in every place.
 */
#include <tine.h>

static int *volatile nowhere;

static enum tine_action
crash_start(struct tine_child *child)
{
	(void)child;
	*nowhere = 1;
	return TINE_OK;
}

TINE_HANDLER(.name = "crash_start", .start = crash_start);

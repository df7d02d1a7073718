/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crash_third.c: a faulty handler that echoes everywhere but in place 2, where
 * each child dies of SIGSEGV before it can serve.
 */
#include <tine.h>

#define BAD_PLACE 2

static int *volatile nowhere;

static enum tine_action
crash_start(struct tine_child *child)
{
	if (tine_place(child) == BAD_PLACE)
		*nowhere = 1;
	return TINE_OK;
}

static enum tine_action
crash_data(struct tine_conn *c)
{
	size_t n;
	const void *p = tine_peek(c, &n);

	if (tine_write(c, p, n) == -1)
		return TINE_ABORT;
	tine_consume(c, n);
	return TINE_OK;
}

TINE_HANDLER(.name = "crash_third", .start = crash_start, .data = crash_data);

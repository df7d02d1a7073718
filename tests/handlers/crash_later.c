/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crash_later.c: a faulty handler that echoes, and whose child dies of SIGSEGV
 * some time after it became ready. place= names the only place that dies.
 */
#include <tine.h>

#include <stdint.h>

#define EVERY_PLACE (-1)

static const struct tine_option options[] = {
	{ "after", TINE_DURATION, "2s", 0, 3600000, "life after READY" },
	{ "place", TINE_INT, "-1", -1, 1023, "the place that dies; -1: all" },
	{ .name = NULL },
};

static int *volatile nowhere;

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

/* The first tick comes at READY; the second is the time to die. */
static enum tine_action
crash_tick(struct tine_child *child, double *next)
{
	static int ticks;
	int64_t place = tine_option_int(child, "place");

	if (place != EVERY_PLACE && place != tine_place(child)) {
		*next = -1;
		return TINE_OK;
	}
	*next = (double)tine_option_int(child, "after") / 1000;
	if (ticks++ > 0)
		*nowhere = 1;
	return TINE_OK;
}

TINE_HANDLER(.name = "crash_later", .options = options, .data = crash_data,
    .tick = crash_tick);

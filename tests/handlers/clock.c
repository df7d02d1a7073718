/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clock.c: a sound handler for tests that ticks 25 times, 10 ms apart, and then
 * ends the server. It logs how long that took, in milliseconds.
 */
#include <tine.h>

#include <time.h>

#define TICKS 25

static enum tine_action
clock_tick(struct tine_child *child, double *next)
{
	static struct timespec begin;
	static int ticks;
	struct timespec now;

	(void)child;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	if (ticks++ == 0)
		begin = now;
	*next = ticks <= TICKS ? 0.01 : -1;
	if (ticks <= TICKS)
		return TINE_OK;
	tine_log(NULL, TINE_LOG_INFO, "%d ticks in %ld ms", TICKS,
	    (now.tv_sec - begin.tv_sec) * 1000 +
		(now.tv_nsec - begin.tv_nsec) / 1000000);
	return TINE_STOP;
}

TINE_HANDLER(.name = "clock", .flags = TINE_MAY_STOP | TINE_TICK_ONCE,
    .tick = clock_tick);

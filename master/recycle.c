/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recycle.c: when a child has served long enough. Runs in the master, on what
 * it sees of each READY child; only says so. The successor is made before the
 * child leaves, as in a reload.
 */
#include "master/recycle.h"

#include <stdbool.h>
#include <stddef.h>

#define NOISE 0.2

double
recycle_noise(double random)
{
	return 1 - NOISE + 2 * NOISE * random;
}

static bool
is_reached(double value, double limit, double noise)
{
	return limit > 0 && value >= limit * noise;
}

const char *
recycle_reason(const struct conf_recycle *conf, double noise,
    const struct recycle_facts *facts)
{
	if (is_reached((double)facts->accepted, (double)conf->connections,
		noise))
		return "connections";
	if (is_reached(facts->age, conf->age, noise))
		return "age";
	if (facts->age >= RECYCLE_MEMORY_AGE &&
	    is_reached((double)facts->rss, (double)conf->memory, noise))
		return "memory";
	return NULL;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recycle.h: is a child to be replaced by a fresh one, because it has had its
 * connections, its age or its memory? Pure: no clock, no randomness of its own.
 */
#ifndef TINE_MASTER_RECYCLE_H
#define TINE_MASTER_RECYCLE_H

#include <stdint.h>

#include "shared/conf.h"

/* A fresh child that needs more memory than it may have would be replaced for
 * ever, one after the other, as fast as they start. */
#define RECYCLE_MEMORY_AGE 5.0 /* seconds, before memory counts */

/* What is known of a child. The child writes `accepted` itself: by a lie it
 * gets itself replaced, or not, and nothing else. */
struct recycle_facts {
	uint64_t accepted; /* connections in its life */
	double age;        /* seconds since its birth */
	uint64_t rss;      /* resident bytes; 0: not known */
};

/* The factor, 0.8 to 1.2, that a child's limits are multiplied by, of a number
 * from 0 to 1. To be chosen once, at birth: children of one age, with one share
 * of the load, are not to leave together. */
double recycle_noise(double random);
/* Why the child is to be replaced: "connections", "age" or "memory", for the
 * log; NULL: it may stay. */
const char *recycle_reason(const struct conf_recycle *, double noise,
    const struct recycle_facts *);

#endif

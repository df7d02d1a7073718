/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fairness.h: how evenly the places share the work: what the busiest has,
 * divided by the mean of the places that are READY; 1 is even, and without any
 * work; N when one of N has it all.
 *
 * Connections accepted are counted for a place, those of its dead children
 * included, from the start of the master or its last upgrade on, and anew when
 * the number of places has changed, for a young place has accepted less.
 */
#ifndef TINE_MASTER_FAIRNESS_H
#define TINE_MASTER_FAIRNESS_H

#include <stddef.h>
#include <stdint.h>

struct master;

/* In millionths. */
struct fairness {
	uint64_t accepted_ppm;
	uint64_t connections_ppm; /* open now */
};

void fairness_read(const struct master *, struct fairness *);
/* The number of places may have changed: if so, count anew. */
void fairness_restart(struct master *);
/* The busiest of n divided by their mean, in millionths. */
uint64_t fairness_ppm(const uint64_t *each, size_t n);

#endif

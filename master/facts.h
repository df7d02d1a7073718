/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * facts.h: the numbers about the server that an operator sees, gathered when
 * somebody asks. What a child wrote is copied and clamped here; nothing of it
 * decides anything but when a child is replaced and, between two bounds, how
 * many there are.
 */
#ifndef TINE_MASTER_FACTS_H
#define TINE_MASTER_FACTS_H

#include <stdint.h>

#include "master/master.h"

/* No number is above it: what every reader of JSON takes exactly. */
#define FACTS_MAX BOARD_COUNT_MAX

struct facts_listener {
	uint64_t slots;
	uint64_t queue;     /* connections that nobody accepted yet */
	uint64_t overflows; /* handshakes that the kernel dropped */
};

struct facts_child {
	uint64_t age_ns;
	uint64_t connections; /* open now */
	uint64_t lag_ns;      /* of its loop */
	uint64_t busy_ppm;
	uint64_t overloaded; /* 0 or 1 */
	uint64_t rss_bytes;  /* 0: unknown */
	int cpu; /* the only one it runs on, by cpu-affinity; -1: none */
	uint64_t counters[BOARD_NCOUNTERS];
};

/* Of all children, those that are gone too. */
struct facts_totals {
	uint64_t connections; /* open now */
	uint64_t counters[BOARD_NCOUNTERS];
};

void facts_of_listener(const struct listener *, struct facts_listener *);
/* Connections that this child, whose page was copied, has open. */
uint64_t facts_connections(const struct proc *, const struct board_copy *);
/* Of a child that is not reaped. proc_fd is /proc, or -1. */
void facts_of_child(const struct proc *, int proc_fd, struct facts_child *);
/* A descriptor of /proc for the children's facts, or -1. */
int facts_open_proc(void);
void facts_of_all(const struct master *, struct facts_totals *);

#endif

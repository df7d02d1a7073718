/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * relay.h: the hand-off pairs of a listener in accept mode dispatch, one for
 * each place: the acceptor writes connections into it, the place's child reads
 * them. The master keeps both ends, so what waits there outlives either. Both
 * ends are slots for slot.c: the read end is polled by the place's child or by
 * siblings in its stead, the write end is adopted by acceptors.
 */
#ifndef TINE_MASTER_RELAY_H
#define TINE_MASTER_RELAY_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/err.h"

struct listener;
struct master;
struct proc;
struct slot;

/* Have a pair for each place up to `places`. -1 with the reason in err: those
 * that were made stay, unused. */
int relay_open(struct master *, struct listener *, size_t places, struct err *);
/* Forget all pairs. What waits in one is served as long as a child has it. */
void relay_close(struct listener *);
/* A child of this place is PREPARED: its pairs may be used. */
void relay_listen(struct listener *, int place);
/* Acceptors send no more into the pairs of the places from `from` on, or again.
 */
void relay_exclude(struct listener *, int from, int to);
void relay_include(struct listener *, int from, int to);
/* The places from `from` on were left: their pairs end when they are empty. */
void relay_park(struct listener *, int from);
/* To be asked now and then: were the pairs of these places empty each of the
 * last times? */
bool relay_is_run_out(struct listener *, int from, int to);
/* Connections that wait in the pairs. */
size_t relay_queue(const struct listener *);
/* May acceptors send into the pair with this read end? */
bool relay_is_open(const struct slot *reader);
/* Each tick: end what was parked. */
void relay_tick(struct master *);
/* Each second: a pair that a process has shut gets another in its stead. */
void relay_guard(struct master *);

#endif

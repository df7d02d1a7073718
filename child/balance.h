/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * balance.h: which child gets a connection, as pure functions: no system call,
 * no clock, no state of their own.
 */
#ifndef TINE_CHILD_BALANCE_H
#define TINE_CHILD_BALANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/addr.h"

/* What was sent and not seen to be accepted within this time was accepted by
 * somebody else. */
#define BALANCE_FORGET_SECONDS 1.0

/* What the acceptor knows of one place's child. All zero: nothing yet. */
struct balance_child {
	uint64_t accepted; /* by the child's own account, as last seen */
	uint64_t pending;  /* sent there, and not in that account yet */
	double sent_at;    /* the last of them */
};

/* One more was sent there. now: seconds of any clock that does not go back. */
void balance_on_send(struct balance_child *, double now);
/*
 * How many connections the child has, those under way included. The counters
 * are what it wrote itself: whatever they are, no harm comes of them but a
 * child that is chosen too often, or never.
 */
uint64_t balance_load(struct balance_child *, uint64_t accepted,
    uint64_t connections, double now);

/* Of a client's address, without the port; the same for 127.0.0.1 and
 * ::ffff:127.0.0.1. False: it has none, as the clients of a unix socket. */
bool balance_hash(const struct addr *, uint64_t *hash);
/* Of n > 0 children the one for this hash. With one child more or fewer at the
 * end only one client in n goes elsewhere. */
size_t balance_bucket(uint64_t hash, size_t n);
/* The next of a sequence; any state but 0 begins one. */
uint64_t balance_random(uint64_t *state);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peers.h: how many connections each client's address has. For children with
 * limits.per-address; without that limit there is none of it.
 */
#ifndef TINE_CHILD_PEERS_H
#define TINE_CHILD_PEERS_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What stands for an address; 0: it has none that is counted. */
typedef uint64_t peer_key;

struct peer {
	peer_key key;
	uint64_t count; /* 0: the entry is free */
};

struct peers {
	struct peer *table; /* NULL until the first client comes */
	size_t size;        /* a power of two */
	size_t used;
	uint64_t seed; /* clients cannot know who shares a bucket */
};

/* All of an IPv4 address, also when it came in an IPv6 one; the first 64 bits
 * of any other IPv6 address, because a subscriber has at least so many. */
peer_key peers_key(const struct sockaddr *);
/* One more, unless `most` are there or memory is short: then false. */
bool peers_enter(struct peers *, peer_key, uint64_t most);
/* One fewer; of one who entered. */
void peers_leave(struct peers *, peer_key);
void peers_fini(struct peers *);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * balance.c: the arithmetic of the acceptor's choice. Pure, so that each way to
 * spread connections has a unit test without a socket.
 */
#include "child/balance.h"

#include <netinet/in.h>
#include <string.h>

#include "shared/base.h"

/* No honest child has more: sums of it do not overflow. */
#define CONNECTIONS_MAX UINT32_MAX

void
balance_on_send(struct balance_child *c, double now)
{
	c->pending++;
	c->sent_at = now;
}

uint64_t
balance_load(struct balance_child *c, uint64_t accepted, uint64_t connections,
    double now)
{
	/* An account that goes back is another child's, or a lie. */
	uint64_t come =
	    accepted >= c->accepted ? accepted - c->accepted : c->pending;

	c->accepted = accepted;
	c->pending -= MIN_OF(come, c->pending);
	/* Siblings took what a dead or hanging child had not accepted. */
	if (now - c->sent_at > BALANCE_FORGET_SECONDS)
		c->pending = 0;
	return MIN_OF(connections, CONNECTIONS_MAX) + c->pending;
}

/* Spreads neighbouring addresses over all 64 bits (splitmix64's finish). */
static uint64_t
mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static uint64_t
hash_v4(uint32_t address)
{
	return mix(address);
}

static uint64_t
hash_v6(const struct in6_addr *a)
{
	uint64_t half[2];
	uint32_t v4;

	if (IN6_IS_ADDR_V4MAPPED(a)) {
		(void)memcpy(&v4, a->s6_addr + 12, sizeof(v4));
		return hash_v4(v4);
	}
	(void)memcpy(half, a->s6_addr, sizeof(half));
	return mix(mix(half[0]) ^ half[1]);
}

bool
balance_hash(const struct addr *a, uint64_t *hash)
{
	switch (a->u.sa.sa_family) {
	case AF_INET:
		*hash = hash_v4(a->u.sin.sin_addr.s_addr);
		return true;
	case AF_INET6:
		*hash = hash_v6(&a->u.sin6.sin6_addr);
		return true;
	default:
		return false;
	}
}

/* Jump consistent hashing (Lamping and Veach, 2014): no table, and about
 * log n steps. */
size_t
balance_bucket(uint64_t hash, size_t n)
{
	uint64_t bucket = 0, jump = 0;

	while (jump < n) {
		bucket = jump;
		hash = hash * UINT64_C(2862933555777941757) + 1;
		jump = (uint64_t)((double)(bucket + 1) *
		    ((double)(UINT64_C(1) << 31) / (double)((hash >> 33) + 1)));
	}
	return (size_t)bucket;
}

uint64_t
balance_random(uint64_t *state)
{
	/* xorshift64*: nobody gains by guessing it. */
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

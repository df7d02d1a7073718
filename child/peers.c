/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peers.c: a table of addresses and counts. Runs in children that limit the
 * connections of an address. It holds those only that have a connection, so
 * its memory is bounded by the connections; at most half full, it is searched
 * in a step or two, and what leaves is taken out without a trace.
 */
#include "child/peers.h"

#include <netinet/in.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MIN 64
/* Above every prefix that is in use: 0000::/8 is reserved. */
#define V4_MARK (UINT64_C(1) << 32)

static peer_key
key_of_v4(const void *bytes)
{
	uint32_t word;

	(void)memcpy(&word, bytes, sizeof(word));
	return V4_MARK | ntohl(word);
}

static peer_key
key_of_v6(const struct in6_addr *in6)
{
	uint64_t prefix = 0;
	size_t i;

	if (IN6_IS_ADDR_V4MAPPED(in6))
		return key_of_v4(&in6->s6_addr[12]);
	for (i = 0; i < sizeof(prefix); i++)
		prefix = prefix << 8 | in6->s6_addr[i];
	/* ::1 has a key too. */
	return prefix == 0 ? 1 : prefix;
}

peer_key
peers_key(const struct sockaddr *sa)
{
	struct sockaddr_in6 sin6;
	struct sockaddr_in sin;

	switch (sa->sa_family) {
	case AF_INET:
		(void)memcpy(&sin, sa, sizeof(sin));
		return key_of_v4(&sin.sin_addr);
	case AF_INET6:
		(void)memcpy(&sin6, sa, sizeof(sin6));
		return key_of_v6(&sin6.sin6_addr);
	default:
		return 0;
	}
}

/* Where the search for a key begins. */
static size_t
home_of(const struct peers *p, peer_key key)
{
	uint64_t h = key ^ p->seed;

	/* The finalizer of MurmurHash3. */
	h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return (size_t)(h ^ h >> 33) & (p->size - 1);
}

/* The key's entry, or the free one where it would be. One is always free. */
static size_t
find(const struct peers *p, peer_key key)
{
	size_t i = home_of(p, key);

	while (p->table[i].count > 0 && p->table[i].key != key)
		i = (i + 1) & (p->size - 1);
	return i;
}

static bool
grow(struct peers *p)
{
	struct peers bigger = {
		.size = p->size == 0 ? SIZE_MIN : p->size * 2,
		.used = p->used,
		.seed = p->seed,
	};
	size_t i;

	bigger.table = calloc(bigger.size, sizeof(*bigger.table));
	if (bigger.table == NULL)
		return false;
	if (p->size == 0)
		arc4random_buf(&bigger.seed, sizeof(bigger.seed));
	for (i = 0; i < p->size; i++)
		if (p->table[i].count > 0)
			bigger.table[find(&bigger, p->table[i].key)] =
			    p->table[i];
	free(p->table);
	*p = bigger;
	return true;
}

bool
peers_enter(struct peers *p, peer_key key, uint64_t most)
{
	struct peer *e;

	if (p->used >= p->size / 2 && !grow(p) && p->used + 1 >= p->size)
		return false;
	e = &p->table[find(p, key)];
	if (e->count >= most)
		return false;
	p->used += e->count == 0;
	e->key = key;
	e->count++;
	return true;
}

/* Entries behind a new gap may have been pushed there by what was in it: find
 * would not reach them any more. */
static void
close_gap(struct peers *p, size_t gap)
{
	size_t mask = p->size - 1, i = gap, home;

	for (;;) {
		i = (i + 1) & mask;
		if (p->table[i].count == 0)
			return;
		home = home_of(p, p->table[i].key);
		/* It stays when its home is between the gap and itself. */
		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		p->table[gap] = p->table[i];
		p->table[i].count = 0;
		gap = i;
	}
}

void
peers_leave(struct peers *p, peer_key key)
{
	size_t i = find(p, key);

	assert(p->table[i].count > 0);
	if (--p->table[i].count > 0)
		return;
	p->used--;
	close_gap(p, i);
}

void
peers_fini(struct peers *p)
{
	free(p->table);
	*p = (struct peers){ .table = NULL };
}

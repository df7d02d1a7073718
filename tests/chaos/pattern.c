/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pattern.c: the bytes that the chaos client sends and expects. The byte at an
 * offset follows from the offset and from the base, a number of the stream or
 * file, so bytes that are lost, doubled, moved or somebody else's are seen. The
 * driver makes the same bytes for the files that are served (pattern.py).
 */
#include "client.h"

#define ODD 0x9e3779b97f4a7c15ULL /* 2^64 / golden ratio: spreads the bits */
#define WORD 8

static unsigned char
byte_at(uint64_t base, uint64_t offset)
{
	uint64_t word = (base + offset / WORD + 1) * ODD;

	return (unsigned char)(word >> (8 * (offset % WORD)));
}

void
pattern_fill(unsigned char *p, size_t len, uint64_t base, uint64_t from)
{
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = byte_at(base, from + i);
}

bool
pattern_matches(const unsigned char *p, size_t len, uint64_t base,
    uint64_t from)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != byte_at(base, from + i))
			return false;
	return true;
}

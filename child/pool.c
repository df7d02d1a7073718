/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pool.c: lists of free buffers, one list a size. Runs in children. Owns what
 * was given back to it, never what it gave out.
 */
#include "child/pool.h"

#include <assert.h>
#include <stdlib.h>

/* A pool would hide a use after free from the sanitizer. */
#ifdef __SANITIZE_ADDRESS__
#define POOL_KEEP_BYTES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_KEEP_BYTES 0
#endif
#endif
#ifndef POOL_KEEP_BYTES
#define POOL_KEEP_BYTES (4U << 20)
#endif

#define PAGE_BYTES ((size_t)4096)

static unsigned
class_of(size_t want)
{
	unsigned bits;

	if (want <= POOL_SIZE_MIN)
		return 0;
	bits = 64 - (unsigned)__builtin_clzl(want - 1);
	return bits - (unsigned)__builtin_ctz(POOL_SIZE_MIN);
}

void *
pool_get(struct pool *p, size_t want, size_t *got)
{
	unsigned n = class_of(want);
	struct pool_buffer *b;

	*got = n < POOL_NSIZES ? (size_t)POOL_SIZE_MIN << n
			       : (want + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
	if (n >= POOL_NSIZES || p->free[n] == NULL)
		return malloc(*got);
	b = p->free[n];
	p->free[n] = b->next;
	p->kept -= *got;
	return b;
}

void
pool_put(struct pool *p, void *buffer, size_t got)
{
	struct pool_buffer *b = buffer;
	unsigned n;

	if (b == NULL)
		return;
	n = class_of(got);
	assert(n >= POOL_NSIZES || got == (size_t)POOL_SIZE_MIN << n);
	if (n >= POOL_NSIZES || p->kept + got > POOL_KEEP_BYTES) {
		free(b);
		return;
	}
	b->next = p->free[n];
	p->free[n] = b;
	p->kept += got;
}

void
pool_fini(struct pool *p)
{
	struct pool_buffer *b;
	unsigned n;

	for (n = 0; n < POOL_NSIZES; n++)
		while ((b = p->free[n]) != NULL) {
			p->free[n] = b->next;
			free(b);
		}
	p->kept = 0;
}

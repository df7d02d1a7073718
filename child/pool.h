/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pool.h: buffers of a child that come and go with its connections. Sizes are
 * powers of two; given back they wait in a list for the next, so that a child
 * in its steady state asks the system allocator for nothing.
 */
#ifndef TINE_CHILD_POOL_H
#define TINE_CHILD_POOL_H

#include <stddef.h>

#define POOL_SIZE_MIN 128
/* 128 bytes to 128 KiB, for 64 KiB with a header. Larger ones are not kept, and
 * are whole pages. */
#define POOL_NSIZES 11

struct pool_buffer {
	struct pool_buffer *next;
};

struct pool {
	struct pool_buffer *free[POOL_NSIZES];
	size_t kept; /* bytes in all lists */
};

/* At least `want` bytes; *got is what it really is and what pool_put() must
 * be told. NULL: no memory. */
void *pool_get(struct pool *, size_t want, size_t *got);
/* NULL is accepted. */
void pool_put(struct pool *, void *, size_t got);
void pool_fini(struct pool *);

#endif

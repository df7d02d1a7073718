/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * block.c: reference-counted buffers of the pool. Runs in children, on the
 * loop's thread only: the count is a plain number.
 */
#include "child/block.h"

#include <assert.h>

#include "shared/base.h"

struct block *
block_new(struct pool *pool, size_t bytes)
{
	struct block *b;
	size_t size;

	if (bytes > UINT32_MAX / 2)
		return NULL;
	b = pool_get(pool, sizeof(*b) + bytes, &size);
	if (b != NULL)
		*b = (struct block){
			.pool = pool,
			.refs = 1,
			.size = (uint32_t)(size - sizeof(*b)),
		};
	return b;
}

struct block *
block_ref(struct block *b)
{
	b->refs++;
	return b;
}

void
block_unref(struct block *b)
{
	if (b == NULL)
		return;
	assert(b->refs > 0);
	if (--b->refs == 0)
		pool_put(b->pool, b, sizeof(*b) + b->size);
}

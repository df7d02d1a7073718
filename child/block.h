/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * block.h: a buffer that has several owners: the input of a connection, the
 * scratch of the loop, slices in a handler's hands. Bytes that are in it do not
 * change as long as somebody may look at them.
 */
#ifndef TINE_CHILD_BLOCK_H
#define TINE_CHILD_BLOCK_H

#include <bsd/sys/queue.h>

#include <stddef.h>
#include <stdint.h>

#include "child/pool.h"

struct block {
	STAILQ_ENTRY(block) entry; /* of the one chain it is in */
	struct pool *pool;
	uint32_t refs;
	uint32_t size;       /* of bytes */
	uint32_t start, end; /* what the chain has of it */
	char bytes[];
};

STAILQ_HEAD(block_list, block);

/* With one owner, and room for at least so many bytes; NULL: no memory. */
struct block *block_new(struct pool *, size_t bytes);
struct block *block_ref(struct block *);
/* One owner less; NULL is accepted. */
void block_unref(struct block *);

static inline size_t
block_left(const struct block *b)
{
	return b->end - b->start;
}

static inline size_t
block_room(const struct block *b)
{
	return b->size - b->end;
}

#endif

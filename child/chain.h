/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chain.h: bytes in a row of blocks. They come in at the end without moving
 * what is there and leave at the front; whoever wants some of them in one piece
 * asks for that. What leaves stays readable until chain_sweep(), so that bytes
 * shown to a callback are valid until it returns.
 */
#ifndef TINE_CHILD_CHAIN_H
#define TINE_CHILD_CHAIN_H

#include <sys/types.h>
#include <sys/uio.h>

#include <stdint.h>

#include "child/block.h"

/* What a codec said of bytes that are no whole message yet. */
struct input_note {
	uint32_t need; /* bytes, before it is asked again */
	uint32_t seen; /* bytes that it need not search again */
};

struct chain {
	struct input_note note;
	struct block_list blocks; /* none of them empty */
	struct block_list spent;  /* for chain_sweep() */
	size_t bytes;             /* in blocks */
};

void chain_init(struct chain *);
void chain_fini(struct chain *);
/* Copy bytes to the end. -1: no memory, and nothing has changed. */
int chain_add(struct chain *, struct pool *, const char *bytes, size_t len);
/* Take over a reference to a block, with its bytes from start to end. */
void chain_add_block(struct chain *, struct block *);
/* Have the first len bytes, which must be there, in one piece. most: how many
 * there will ever be, for a good guess. NULL: no memory. */
const char *chain_pull_up(struct chain *, struct pool *, size_t len,
    size_t most);
/* Drop len bytes, which must be there. */
void chain_consume(struct chain *, size_t len);
/* Free what was consumed or moved. */
void chain_sweep(struct chain *);
/* Copy out, from the front, at most size bytes; returns how many. */
size_t chain_copy(const struct chain *, void *dst, size_t size);
/* Fill at most so many; returns how many were. */
int chain_iov(const struct chain *, struct iovec *, int most);
/* Where the len bytes begin, not before `from`; -1: nowhere. */
ssize_t chain_find(const struct chain *, size_t from, const char *, size_t len);

#endif

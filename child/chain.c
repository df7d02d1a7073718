/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chain.c: a row of blocks. Runs in children. Pure: it knows neither the
 * connection whose input it holds nor where the bytes come from.
 */
#include "child/chain.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "shared/base.h"

/* With its header the smallest block fills a buffer of the pool, and so do
 * those that follow: each as large as two of its predecessor. */
#define FIRST_BYTES (512 - sizeof(struct block))
#define GROWN_BYTES_MAX (65536 - sizeof(struct block))

void
chain_init(struct chain *ch)
{
	STAILQ_INIT(&ch->blocks);
	STAILQ_INIT(&ch->spent);
	ch->bytes = 0;
	ch->note = (struct input_note){ .need = 0 };
}

static void
free_all(struct block_list *list)
{
	struct block *b;

	while ((b = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, entry);
		block_unref(b);
	}
}

void
chain_sweep(struct chain *ch)
{
	free_all(&ch->spent);
}

void
chain_fini(struct chain *ch)
{
	free_all(&ch->spent);
	free_all(&ch->blocks);
	ch->bytes = 0;
}

static void
fill(struct block *b, const char *bytes, size_t len)
{
	(void)memcpy(b->bytes + b->end, bytes, len);
	b->end += (uint32_t)len;
}

static size_t
next_bytes(const struct block *last, size_t need)
{
	size_t grown = FIRST_BYTES;

	if (last != NULL)
		grown = 2 * (last->size + sizeof(*last)) - sizeof(*last);
	return MAX_OF(need, MIN_OF(grown, GROWN_BYTES_MAX));
}

int
chain_add(struct chain *ch, struct pool *pool, const char *bytes, size_t len)
{
	struct block *last = STAILQ_LAST(&ch->blocks, block, entry), *more;
	size_t room = last == NULL ? 0 : MIN_OF(len, block_room(last));

	if (room < len) {
		more = block_new(pool, next_bytes(last, len - room));
		if (more == NULL)
			return -1;
		fill(more, bytes + room, len - room);
		STAILQ_INSERT_TAIL(&ch->blocks, more, entry);
	}
	if (room > 0)
		fill(last, bytes, room);
	ch->bytes += len;
	return 0;
}

void
chain_add_block(struct chain *ch, struct block *b)
{
	assert(b->start < b->end && b->end <= b->size);
	STAILQ_INSERT_TAIL(&ch->blocks, b, entry);
	ch->bytes += block_left(b);
}

/* Take len bytes off the front block. */
static void
shorten(struct chain *ch, struct block *first, size_t len)
{
	first->start += (uint32_t)len;
	if (first->start < first->end)
		return;
	STAILQ_REMOVE_HEAD(&ch->blocks, entry);
	STAILQ_INSERT_TAIL(&ch->spent, first, entry);
}

/* A block that will hold all if it is large: bytes that come one by one, and
 * are wanted in one piece each time, would be copied too often otherwise. */
static size_t
whole_bytes(size_t len, size_t most)
{
	size_t twice = MIN_OF(2 * len, most);

	return len < GROWN_BYTES_MAX ? len : MAX_OF(len, twice);
}

const char *
chain_pull_up(struct chain *ch, struct pool *pool, size_t len, size_t most)
{
	struct block *first = STAILQ_FIRST(&ch->blocks), *next;
	size_t n;

	assert(len > 0 && len <= ch->bytes);
	if (block_left(first) >= len)
		return first->bytes + first->start;
	if (block_left(first) + block_room(first) < len) {
		first = block_new(pool, whole_bytes(len, most));
		if (first == NULL)
			return NULL;
	} else {
		STAILQ_REMOVE_HEAD(&ch->blocks, entry);
	}
	while (block_left(first) < len) {
		next = STAILQ_FIRST(&ch->blocks);
		n = MIN_OF(len - block_left(first), block_left(next));
		fill(first, next->bytes + next->start, n);
		shorten(ch, next, n);
	}
	STAILQ_INSERT_HEAD(&ch->blocks, first, entry);
	return first->bytes + first->start;
}

void
chain_consume(struct chain *ch, size_t len)
{
	struct block *b;
	size_t n;

	assert(len <= ch->bytes);
	ch->bytes -= len;
	for (; len > 0; len -= n) {
		b = STAILQ_FIRST(&ch->blocks);
		n = MIN_OF(len, block_left(b));
		shorten(ch, b, n);
	}
}

size_t
chain_copy(const struct chain *ch, void *dst, size_t size)
{
	const struct block *b;
	size_t done = 0, n;

	STAILQ_FOREACH(b, &ch->blocks, entry) {
		n = MIN_OF(size - done, block_left(b));
		(void)memcpy((char *)dst + done, b->bytes + b->start, n);
		done += n;
		if (done == size)
			break;
	}
	return done;
}

int
chain_iov(const struct chain *ch, struct iovec *iov, int most)
{
	struct block *b;
	int n = 0;

	STAILQ_FOREACH(b, &ch->blocks, entry) {
		if (n == most)
			break;
		iov[n].iov_base = b->bytes + b->start;
		iov[n++].iov_len = block_left(b);
	}
	return n;
}

/* Are these bytes in block b from `at` on, and in those behind it? */
static bool
matches(const struct block *b, size_t at, const char *bytes, size_t len)
{
	size_t n;

	for (; b != NULL; b = STAILQ_NEXT(b, entry), at = 0) {
		n = MIN_OF(len, block_left(b) - at);
		if (memcmp(b->bytes + b->start + at, bytes, n) != 0)
			return false;
		bytes += n;
		len -= n;
		if (len == 0)
			return true;
	}
	return false;
}

ssize_t
chain_find(const struct chain *ch, size_t from, const char *bytes, size_t len)
{
	const struct block *b;
	size_t before = 0, at;
	const char *in, *hit;

	STAILQ_FOREACH(b, &ch->blocks, entry) {
		in = b->bytes + b->start;
		at = from > before ? from - before : 0;
		while (at < block_left(b) &&
		    (hit = memchr(in + at, bytes[0], block_left(b) - at)) !=
			NULL) {
			at = (size_t)(hit - in);
			if (matches(b, at, bytes, len))
				return (ssize_t)(before + at);
			at++;
		}
		before += block_left(b);
	}
	return -1;
}

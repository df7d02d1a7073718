/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_chain.c: any sequence of calls on a chain against a plain array that
 * must hold the same bytes. Two bytes of the input are a call and its size.
 */
#include <assert.h>
#include <string.h>

#include "child/chain.h"
#include "shared/base.h"

#define MODEL_BYTES (1 << 21)
#define MOST (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct pool pool;
static struct chain ch;
static struct block *held;
static char model[MODEL_BYTES], copy[MODEL_BYTES];
static size_t first, last; /* of the model: what the chain must hold */
static uint8_t next;

static size_t
model_bytes(void)
{
	return last - first;
}

static void
add(size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		model[last + i] = (char)(next++ % 7);
	assert(chain_add(&ch, &pool, model + last, n) == 0);
	last += n;
}

static void
add_block(size_t n)
{
	struct block *b = block_new(&pool, n + 9);
	size_t i;

	assert(b != NULL);
	b->start = 9;
	b->end = (uint32_t)n + 9;
	for (i = 0; i < n; i++)
		model[last + i] = b->bytes[9 + i] = (char)(next++ % 5);
	if (held == NULL)
		held = block_ref(b);
	chain_add_block(&ch, b);
	last += n;
}

static void
pull_up(size_t n)
{
	n = MIN_OF(n, model_bytes());
	if (n > 0)
		assert(memcmp(chain_pull_up(&ch, &pool, n, MOST), model + first,
			   n) == 0);
}

static void
consume(size_t n)
{
	n = MIN_OF(n, model_bytes());
	chain_consume(&ch, n);
	first += n;
}

static void
find(size_t n)
{
	size_t len = n % 5 + 1, from = n / 5;
	const char *hit = NULL;
	char what[5];

	(void)memset(what, (int)(n % 3), sizeof(what));
	what[0] = (char)(n % 5);
	if (from < model_bytes())
		hit = memmem(model + first + from, model_bytes() - from, what,
		    len);
	assert(chain_find(&ch, from, what, len) ==
	    (hit == NULL ? -1 : hit - (model + first)));
}

static void
look(size_t n)
{
	struct iovec iov[8];
	int i, filled = chain_iov(&ch, iov, (int)(n % 8) + 1);
	size_t at = first;

	for (i = 0; i < filled; i++) {
		assert(
		    memcmp(iov[i].iov_base, model + at, iov[i].iov_len) == 0);
		at += iov[i].iov_len;
	}
	assert(chain_copy(&ch, copy, n) == MIN_OF(n, model_bytes()));
	assert(memcmp(copy, model + first, MIN_OF(n, model_bytes())) == 0);
}

static void
sweep(size_t n)
{
	(void)n;
	chain_sweep(&ch);
	block_unref(held);
	held = NULL;
}

static void (*const calls[])(size_t) = {
	add,
	add_block,
	pull_up,
	consume,
	find,
	look,
	sweep,
};

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	size_t n;

	chain_init(&ch);
	first = last = 0;
	next = 0;
	for (; len >= 2; bytes += 2, len -= 2) {
		/* Sizes from 1 to 64 KiB, most of them small. */
		n = (size_t)(bytes[1] % 16 + 1) << (bytes[1] / 16 * 12 / 15);
		if (last + n > MODEL_BYTES)
			break;
		calls[bytes[0] % nitems(calls)](n);
		assert(ch.bytes == model_bytes());
		assert(STAILQ_EMPTY(&ch.blocks) == (ch.bytes == 0));
	}
	sweep(0);
	chain_fini(&ch);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes in a row of blocks: in at the end, out at the front, together on
 * demand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "child/chain.h"
#include "shared/base.h"

#include "memory.h"

#define MOST (1 << 20)

static struct pool pool;
static struct chain ch;
static char text[MOST], got[MOST];

static int
setup(void **state)
{
	size_t i;

	(void)state;
	memory_left = -1;
	chain_init(&ch);
	for (i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 31 % 251);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	chain_fini(&ch);
	pool_fini(&pool);
	return 0;
}

static int
count_blocks(void)
{
	struct iovec iov[256];

	return chain_iov(&ch, iov, (int)nitems(iov));
}

static void
add(size_t from, size_t len)
{
	assert_int_equal(chain_add(&ch, &pool, text + from, len), 0);
}

static void
assert_holds(size_t from, size_t len)
{
	assert_int_equal(ch.bytes, len);
	assert_int_equal(chain_copy(&ch, got, sizeof(got)), len);
	assert_memory_equal(got, text + from, len);
}

static void
bytes_come_out_as_they_went_in(void **state)
{
	size_t in = 0, out = 0, n;

	(void)state;
	for (n = 1; in + n < MOST; n += 997) {
		add(in, n);
		in += n;
		chain_consume(&ch, n / 2);
		out += n / 2;
		chain_sweep(&ch);
	}
	assert_holds(out, in - out);
	chain_consume(&ch, in - out);
	assert_int_equal(ch.bytes, 0);
	assert_int_equal(count_blocks(), 0);
}

static void
growing_moves_nothing_that_is_there(void **state)
{
	struct iovec first, now;

	(void)state;
	add(0, 100);
	assert_int_equal(chain_iov(&ch, &first, 1), 1);
	add(100, 100000);
	assert_int_equal(chain_iov(&ch, &now, 1), 1);
	assert_ptr_equal(now.iov_base, first.iov_base);
	assert_true(now.iov_len > first.iov_len);
	assert_holds(0, 100100);
}

static void
blocks_grow_so_that_there_are_few(void **state)
{
	size_t at;

	(void)state;
	for (at = 0; at < MOST; at += 1024)
		add(at, 1024);
	assert_true(count_blocks() < 26);
	assert_holds(0, MOST);
}

static void
pulling_up_joins_as_much_as_is_asked_for(void **state)
{
	const char *p;

	(void)state;
	add(0, 400);
	add(400, 5000);
	add(5400, 70000);
	assert_int_equal(count_blocks(), 3);
	p = chain_pull_up(&ch, &pool, 10, MOST);
	assert_int_equal(count_blocks(), 3);
	assert_memory_equal(p, text, 10);
	p = chain_pull_up(&ch, &pool, 3000, MOST);
	assert_memory_equal(p, text, 3000);
	chain_consume(&ch, 500);
	p = chain_pull_up(&ch, &pool, 74900, MOST);
	assert_int_equal(count_blocks(), 1);
	assert_memory_equal(p, text + 500, 74900);
	assert_holds(500, 74900);
}

static void
what_was_shown_stays_readable_until_the_sweep(void **state)
{
	const char *p;

	(void)state;
	add(0, 480);
	add(480, 480);
	p = chain_pull_up(&ch, &pool, 480, MOST);
	(void)chain_pull_up(&ch, &pool, 960, MOST);
	chain_consume(&ch, 960);
	assert_memory_equal(p, text, 480);
	chain_sweep(&ch);
	assert_true(STAILQ_EMPTY(&ch.spent));
}

static void
one_mebibyte_seen_whole_at_each_kibibyte_costs_four(void **state)
{
	size_t at, taken = 0;
	const struct block *b, *seen = NULL;

	(void)state;
	for (at = 0; at < MOST; at += 1024) {
		add(at, 1024);
		b = STAILQ_LAST(&ch.blocks, block, entry);
		if (b != seen)
			taken += b->size + sizeof(*b);
		assert_memory_equal(chain_pull_up(&ch, &pool, at + 1024, MOST),
		    text, at + 1024);
		if (STAILQ_FIRST(&ch.blocks) != b)
			taken += STAILQ_FIRST(&ch.blocks)->size + sizeof(*b);
		seen = STAILQ_FIRST(&ch.blocks);
		chain_sweep(&ch);
	}
	assert_true(taken <= 4 << 20);
}

static void
a_delimiter_is_found_across_blocks(void **state)
{
	size_t at, i;

	(void)state;
	for (at = 470; at < 500; at++) {
		(void)memset(text, 'x', 3000);
		/* A beginning that leads nowhere, and the delimiter. */
		(void)memcpy(text + at - 4, "\r\n\rx\r\n\r\n", 8);
		for (i = 0; i < 3000; i += 100)
			add(i, 100);
		assert_int_equal(chain_find(&ch, 0, "\r\n\r\n", 4), at);
		assert_int_equal(chain_find(&ch, at, "\r\n\r\n", 4), at);
		assert_int_equal(chain_find(&ch, at + 1, "\r\n\r\n", 4), -1);
		chain_fini(&ch);
	}
	assert_int_equal(chain_find(&ch, 0, "x", 1), -1);
}

static void
without_memory_nothing_changes(void **state)
{
	(void)state;
	add(0, 500);
	add(500, 900);
	memory_left = 0;
	assert_int_equal(chain_add(&ch, &pool, text, 3000), -1);
	assert_null(chain_pull_up(&ch, &pool, 1300, MOST));
	assert_holds(0, 1400);
	memory_left = -1;
	assert_non_null(chain_pull_up(&ch, &pool, 1300, MOST));
	assert_holds(0, 1400);
}

static void
a_block_lives_as_long_as_its_last_owner(void **state)
{
	struct block *b = block_new(&pool, 100);

	(void)state;
	assert_non_null(b);
	(void)memcpy(b->bytes, text, 100);
	b->start = 10;
	b->end = 100;
	chain_add_block(&ch, block_ref(b));
	add(100, 50);
	assert_holds(10, 140);
	chain_consume(&ch, 140);
	chain_sweep(&ch);
	assert_int_equal(b->refs, 1);
	assert_memory_equal(b->bytes, text, 100);
	block_unref(b);
	block_unref(NULL);
}

int
main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(bytes_come_out_as_they_went_in),
		test(growing_moves_nothing_that_is_there),
		test(blocks_grow_so_that_there_are_few),
		test(pulling_up_joins_as_much_as_is_asked_for),
		test(what_was_shown_stays_readable_until_the_sweep),
		test(one_mebibyte_seen_whole_at_each_kibibyte_costs_four),
		test(a_delimiter_is_found_across_blocks),
		test(without_memory_nothing_changes),
		test(a_block_lives_as_long_as_its_last_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Buffers that wait for their next use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "child/pool.h"

static void
sizes_are_powers_of_two_or_whole_pages(void **state)
{
	static const size_t rows[][2] = {
		{ 1, 128 },
		{ 128, 128 },
		{ 129, 256 },
		{ 16384, 16384 },
		{ 16385, 32768 },
		{ 65536, 65536 },
		{ 65537, 131072 },
		/* no more: those are not kept */
		{ 131073, 135168 },
		{ 1 << 20, 1 << 20 },
	};
	struct pool pool = { .kept = 0 };
	size_t i, got;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		void *p = pool_get(&pool, rows[i][0], &got);

		assert_non_null(p);
		assert_int_equal(got, rows[i][1]);
		(void)memset(p, 'x', got);
		pool_put(&pool, p, got);
	}
	pool_fini(&pool);
}

static void
large_buffers_and_nothing_are_not_kept(void **state)
{
	struct pool pool = { .kept = 0 };
	size_t got;
	void *p = pool_get(&pool, 1 << 20, &got);

	(void)state;
	pool_put(&pool, p, got);
	pool_put(&pool, NULL, 128);
	assert_int_equal(pool.kept, 0);
	pool_fini(&pool);
}

static void
what_is_kept_has_a_limit(void **state)
{
	static void *held[256];
	struct pool pool = { .kept = 0 };
	size_t i, got;

	(void)state;
	for (i = 0; i < 256; i++)
		assert_non_null(held[i] = pool_get(&pool, 65536, &got));
	for (i = 0; i < 256; i++)
		pool_put(&pool, held[i], got);
	assert_true(pool.kept <= 4 << 20);
	pool_fini(&pool);
	assert_int_equal(pool.kept, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_powers_of_two_or_whole_pages),
		cmocka_unit_test(large_buffers_and_nothing_are_not_kept),
		cmocka_unit_test(what_is_kept_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

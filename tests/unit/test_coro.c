/* SPDX-License-Identifier: BSD-2-Clause */
/* Coroutines: they stop, go on where they stopped, and end. */
#include <sys/mman.h>

#include <errno.h>
#include <fenv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shared/base.h"

#include "child/coro.h"

void *__real_mmap(void *, size_t, int, int, int, off_t);
void *__wrap_mmap(void *, size_t, int, int, int, off_t);

static bool mmap_fails;

void *
__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off)
{
	if (mmap_fails) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return __real_mmap(at, len, prot, flags, fd, off);
}

static struct stack_pool pool;

static int
close_pool(void **state)
{
	(void)state;
	stack_pool_fini(&pool);
	return 0;
}

static void
count_to_three(void *arg)
{
	int *n = arg;

	assert_non_null(coro_current());
	for (*n = 1; *n < 3; ++*n)
		coro_yield();
}

static void
it_goes_on_where_it_stopped(void **state)
{
	struct coro co;
	int n = 0;

	(void)state;
	assert_int_equal(coro_init(&co, &pool, count_to_three, &n), 0);
	assert_int_equal(n, 0);
	assert_false(coro_resume(&co, &pool));
	assert_int_equal(n, 1);
	assert_null(coro_current());
	assert_false(coro_resume(&co, &pool));
	assert_int_equal(n, 2);
	assert_true(coro_resume(&co, &pool));
	assert_int_equal(n, 3);
	assert_null(co.stack);
	assert_int_equal(pool.nfree, 1);
}

/* Deep calls, alive across each stop. */
static unsigned
climb(unsigned depth)
{
	volatile char room[256];
	unsigned i, sum = 0;

	for (i = 0; i < sizeof(room); i++)
		room[i] = (char)(depth + i);
	coro_yield();
	if (depth > 0)
		sum = climb(depth - 1);
	coro_yield();
	for (i = 0; i < sizeof(room); i++)
		if (room[i] == (char)(depth + i))
			sum++;
	return sum;
}

static void
climber(void *arg)
{
	*(unsigned *)arg = climb(49);
}

static void
many_take_turns_and_none_disturbs_another(void **state)
{
	struct coro cos[64];
	unsigned sums[64] = { 0 }, turns = 0;
	size_t i, alive = nitems(cos);
	bool done[64] = { false };

	(void)state;
	for (i = 0; i < nitems(cos); i++)
		assert_int_equal(coro_init(&cos[i], &pool, climber, &sums[i]),
		    0);
	while (alive > 0)
		for (i = 0; i < nitems(cos); i++) {
			if (done[i])
				continue;
			turns++;
			done[i] = coro_resume(&cos[i], &pool);
			alive -= done[i];
		}
	assert_int_equal(turns, 64 * 101);
	for (i = 0; i < nitems(cos); i++)
		assert_int_equal(sums[i], 50 * 256);
}

static void
round_upwards(void *arg)
{
	int *modes = arg;

	(void)fesetround(FE_UPWARD);
	coro_yield();
	modes[1] = fegetround();
}

static void
the_rounding_of_one_is_not_that_of_another(void **state)
{
	struct coro co;
	int modes[2];

	(void)state;
	assert_int_equal(coro_init(&co, &pool, round_upwards, modes), 0);
	assert_false(coro_resume(&co, &pool));
	modes[0] = fegetround();
	assert_true(coro_resume(&co, &pool));
	assert_int_equal(modes[0], FE_TONEAREST);
	assert_int_equal(modes[1], FE_UPWARD);
	assert_int_equal(fegetround(), FE_TONEAREST);
}

static void
one_that_is_dropped_gives_its_stack_back(void **state)
{
	struct coro co;
	int n = 0;

	(void)state;
	assert_int_equal(coro_init(&co, &pool, count_to_three, &n), 0);
	assert_false(coro_resume(&co, &pool));
	coro_drop(&co, &pool);
	coro_drop(&co, &pool);
	assert_int_equal(n, 1);
	assert_null(co.stack);
}

static void
without_memory_there_is_none(void **state)
{
	struct coro co;

	(void)state;
	stack_pool_fini(&pool);
	mmap_fails = true;
	assert_int_equal(coro_init(&co, &pool, count_to_three, NULL), -1);
	assert_int_equal(errno, ENOMEM);
	mmap_fails = false;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_goes_on_where_it_stopped),
		cmocka_unit_test(many_take_turns_and_none_disturbs_another),
		cmocka_unit_test(the_rounding_of_one_is_not_that_of_another),
		cmocka_unit_test(one_that_is_dropped_gives_its_stack_back),
		cmocka_unit_test(without_memory_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, close_pool);
}

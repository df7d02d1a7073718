/* SPDX-License-Identifier: BSD-2-Clause */
/* When a child has served long enough. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/recycle.h"

static const struct conf_recycle limits = {
	.connections = 1000,
	.age = 60,
	.memory = 1 << 20,
};

static void
stays(const struct conf_recycle *conf, double noise, uint64_t accepted,
    double age, uint64_t rss)
{
	const struct recycle_facts facts = { accepted, age, rss };

	assert_null(recycle_reason(conf, noise, &facts));
}

static void
leaves(const char *reason, double noise, uint64_t accepted, double age,
    uint64_t rss)
{
	const struct recycle_facts facts = { accepted, age, rss };

	assert_string_equal(recycle_reason(&limits, noise, &facts), reason);
}

static void
each_limit_is_a_reason_of_its_own(void **state)
{
	(void)state;
	stays(&limits, 1, 999, 59, (1 << 20) - 1);
	leaves("connections", 1, 1000, 59, 0);
	leaves("age", 1, 999, 60, 0);
	leaves("memory", 1, 999, 59, 1 << 20);
}

static void
zero_is_never(void **state)
{
	const struct conf_recycle never = { 0 };

	(void)state;
	stays(&never, 0.8, 0, 0, 0);
	stays(&never, 0.8, UINT64_MAX, 1e9, UINT64_MAX);
}

static void
noise_moves_each_limit_by_a_fifth_at_most(void **state)
{
	(void)state;
	assert_true(recycle_noise(0) > 0.799 && recycle_noise(0) < 0.801);
	assert_true(recycle_noise(0.5) > 0.999 && recycle_noise(0.5) < 1.001);
	assert_true(recycle_noise(1) > 1.199 && recycle_noise(1) < 1.201);
	stays(&limits, recycle_noise(0), 790, 47, 830000);
	leaves("connections", recycle_noise(0), 801, 0, 0);
	leaves("age", recycle_noise(0), 0, 48.1, 0);
	leaves("memory", recycle_noise(0), 0, 10, 850000);
	stays(&limits, recycle_noise(1), 1190, 71, 1250000);
	leaves("connections", recycle_noise(1), 1201, 0, 0);
	leaves("age", recycle_noise(1), 0, 72.1, 0);
	leaves("memory", recycle_noise(1), 0, 10, 1260000);
}

static void
a_newborn_child_is_not_replaced_for_its_memory(void **state)
{
	(void)state;
	stays(&limits, 1, 0, RECYCLE_MEMORY_AGE - 0.1, 1 << 30);
	leaves("memory", 1, 0, RECYCLE_MEMORY_AGE, 1 << 30);
}

static void
memory_that_is_not_known_is_no_reason(void **state)
{
	(void)state;
	stays(&limits, 1, 0, 30, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_limit_is_a_reason_of_its_own),
		cmocka_unit_test(zero_is_never),
		cmocka_unit_test(noise_moves_each_limit_by_a_fifth_at_most),
		cmocka_unit_test(
		    a_newborn_child_is_not_replaced_for_its_memory),
		cmocka_unit_test(memory_that_is_not_known_is_no_reason),
	};

	return cmocka_run_group_tests_name("recycle", tests, NULL, NULL);
}

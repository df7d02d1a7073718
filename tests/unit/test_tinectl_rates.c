/* SPDX-License-Identifier: BSD-2-Clause */
/* How much a second, from two answers of a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/tinectl_rates.h"

static json_t *before, *now;

/* An answer of master `pid` with two children. */
static json_t *
answer(int pid, int one, int requests, int two)
{
	json_t *status = json_pack("{s:{s:i}, s:{s:i, s:i, s:i, s:i}, s:[{s:i, "
				   "s:i, s:i}, {s:i, s:i}]}",
	    "master", "pid", pid, "totals", "requests", 2 * requests,
	    "accepted", 10, "bytes_in", 1000, "bytes_out", 2000, "children",
	    "pid", one, "requests", requests, "bytes_in", 5, "pid", two,
	    "requests", requests / 2);

	assert_non_null(status);
	return status;
}

static int
forget(void **state)
{
	(void)state;
	json_decref(before);
	json_decref(now);
	before = NULL;
	now = NULL;
	return 0;
}

static json_t *
child(size_t at)
{
	return json_array_get(json_object_get(now, "children"), at);
}

static double
rate(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	assert_true(json_is_real(value));
	return json_real_value(value);
}

static void
a_rate_is_the_rise_over_the_time(void **state)
{
	(void)state;
	before = answer(1, 10, 100, 11);
	now = answer(1, 10, 160, 11);
	tinectl_rates_add(now, before, 2);
	assert_true(rate(child(0), TINECTL_RATES_REQUESTS) == 30);
	assert_true(rate(child(1), TINECTL_RATES_REQUESTS) == 15);
	assert_true(rate(child(0), TINECTL_RATES_BYTES_IN) == 0);
	assert_true(
	    rate(json_object_get(now, "totals"), TINECTL_RATES_REQUESTS) == 60);
	/* What has no count has no rate. */
	assert_null(json_object_get(child(0), TINECTL_RATES_ACCEPTED));
}

static void
a_child_is_found_wherever_it_stands(void **state)
{
	(void)state;
	before = answer(1, 11, 100, 10);
	now = answer(1, 10, 100, 11);
	tinectl_rates_add(now, before, 1);
	assert_true(rate(child(0), TINECTL_RATES_REQUESTS) == 50);
	/* From 100 to 50: no count of one child falls. */
	assert_null(json_object_get(child(1), TINECTL_RATES_REQUESTS));
}

static void
a_child_that_was_not_there_has_no_rate_yet(void **state)
{
	(void)state;
	before = answer(1, 10, 100, 11);
	now = answer(1, 12, 100, 11);
	tinectl_rates_add(now, before, 1);
	assert_null(json_object_get(child(0), TINECTL_RATES_REQUESTS));
	assert_true(rate(child(1), TINECTL_RATES_REQUESTS) == 0);
}

static void
another_master_is_not_compared(void **state)
{
	(void)state;
	before = answer(1, 10, 100, 11);
	now = answer(2, 10, 160, 11);
	tinectl_rates_add(now, before, 1);
	assert_null(json_object_get(child(0), TINECTL_RATES_REQUESTS));
	assert_null(json_object_get(json_object_get(now, "totals"),
	    TINECTL_RATES_REQUESTS));
}

static void
the_first_answer_and_no_time_give_none(void **state)
{
	(void)state;
	before = answer(1, 10, 100, 11);
	now = answer(1, 10, 160, 11);
	tinectl_rates_add(now, NULL, 1);
	tinectl_rates_add(now, before, 0);
	assert_null(json_object_get(child(0), TINECTL_RATES_REQUESTS));
}

static void
an_answer_of_another_shape_does_no_harm(void **state)
{
	(void)state;
	before = json_pack("{s:{s:i}, s:i, s:[i, s]}", "master", "pid", 1,
	    "totals", 3, "children", 1, "x");
	now = json_pack("{s:{s:i}, s:{s:s}, s:[s, {s:i, s:s}]}", "master",
	    "pid", 1, "totals", "requests", "many", "children", "x", "pid", 3,
	    "requests", "few");
	assert_non_null(before);
	assert_non_null(now);
	tinectl_rates_add(now, before, 1);
	assert_null(json_object_get(child(1), TINECTL_RATES_REQUESTS));
}

#define forgetting(f) cmocka_unit_test_teardown(f, forget)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		forgetting(a_rate_is_the_rise_over_the_time),
		forgetting(a_child_is_found_wherever_it_stands),
		forgetting(a_child_that_was_not_there_has_no_rate_yet),
		forgetting(another_master_is_not_compared),
		forgetting(the_first_answer_and_no_time_give_none),
		forgetting(an_answer_of_another_shape_does_no_harm),
	};

	return cmocka_run_group_tests_name("tinectl_rates", tests, NULL, NULL);
}

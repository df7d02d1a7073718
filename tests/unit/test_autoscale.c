/* SPDX-License-Identifier: BSD-2-Clause */
/* How many places MIN:MAX wants; a second is one call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "master/autoscale.h"
#include "shared/base.h"

#define MIN 2
#define MAX 12
#define GROW_S (AUTOSCALE_WINDOW * AUTOSCALE_HIGH_WINDOWS)
#define SHRINK_S (AUTOSCALE_WINDOW * AUTOSCALE_LOW_WINDOWS)

static struct autoscale scale;
static struct autoscale_sample sample;
static const char *why;

static int
see_nothing(void **state)
{
	(void)state;
	scale = (struct autoscale){ 0 };
	why = NULL;
	return 0;
}

/* From now on all four places are READY and this is seen of them. */
static void
see(uint64_t busy_ppm, uint64_t lag_ns, uint64_t queue)
{
	sample = (struct autoscale_sample){ 4, 4, busy_ppm, lag_ns, queue };
}

static int
take(void)
{
	return autoscale_take(&scale, &sample, MIN, MAX, &why);
}

/* So many seconds in which nothing is to change. */
static void
stays(int seconds)
{
	while (seconds-- > 0)
		assert_int_equal(take(), sample.places);
	assert_null(why);
}

/* At the end of so many seconds there are to be other places. */
static void
changes(int seconds, int to, const char *reason)
{
	stays(seconds - 1);
	assert_int_equal(take(), to);
	assert_string_equal(why, reason);
	why = NULL;
}

static void
a_busy_crowd_is_doubled_after_three_windows(void **state)
{
	(void)state;
	see(AUTOSCALE_HIGH_PPM, 0, 0);
	changes(GROW_S, 8, "utilisation");
	/* As often as nothing came of it. */
	changes(GROW_S, 8, "utilisation");
	see(AUTOSCALE_HIGH_PPM - 1, 0, 0);
	stays(10 * SHRINK_S);
}

static void
a_loop_that_lags_is_reason_enough(void **state)
{
	(void)state;
	see(0, AUTOSCALE_HIGH_LAG_NS, 0);
	changes(GROW_S, 8, "loop lag");
	see(AUTOSCALE_LOW_PPM, AUTOSCALE_HIGH_LAG_NS - 1, 0);
	stays(10 * SHRINK_S);
}

static void
one_late_turn_in_each_window_is_a_lag(void **state)
{
	int i;

	(void)state;
	for (i = 1; i <= GROW_S; i++) {
		see(0, i % AUTOSCALE_WINDOW == 2 ? AUTOSCALE_HIGH_LAG_NS : 0,
		    0);
		assert_int_equal(take(), i == GROW_S ? 8 : 4);
	}
	assert_string_equal(why, "loop lag");
}

static void
connections_that_wait_are_reason_enough(void **state)
{
	(void)state;
	see(0, 0, 4);
	changes(GROW_S, 8, "queue");
	see(AUTOSCALE_LOW_PPM, 0, 3);
	stays(10 * SHRINK_S);
}

static void
a_queue_that_was_there_once_is_the_mean_of_its_window(void **state)
{
	int i;

	(void)state;
	/* 19 in five seconds are fewer than one for each of four places. */
	for (i = 1; i <= 10 * GROW_S; i++) {
		see(AUTOSCALE_LOW_PPM, 0, i % AUTOSCALE_WINDOW == 2 ? 19 : 0);
		assert_int_equal(take(), 4);
	}
}

static void
a_window_that_is_not_high_begins_the_count_anew(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 10; i++) {
		see(AUTOSCALE_HIGH_PPM, 0, 0);
		stays(2 * AUTOSCALE_WINDOW);
		see(AUTOSCALE_LOW_PPM, 0, 0);
		stays(AUTOSCALE_WINDOW);
	}
}

static void
it_grows_again_only_after_three_more_windows(void **state)
{
	(void)state;
	see(1000000, 0, 0);
	sample.places = sample.ready = 2;
	changes(GROW_S, 4, "utilisation");
	sample.places = sample.ready = 4;
	changes(GROW_S, 8, "utilisation");
}

static void
it_grows_to_the_most_and_stays_there(void **state)
{
	(void)state;
	see(1000000, 0, 0);
	sample.places = sample.ready = 8;
	changes(GROW_S, MAX, "utilisation");
	sample.places = sample.ready = MAX;
	stays(10 * GROW_S);
}

static void
an_idle_crowd_loses_one_in_half_a_minute(void **state)
{
	int places;

	(void)state;
	see(0, 0, 0);
	for (places = 4; places > MIN; places--) {
		sample.places = sample.ready = places;
		changes(SHRINK_S, places - 1, "low load");
	}
}

static void
it_does_not_shrink_below_the_fewest(void **state)
{
	(void)state;
	see(0, 0, 0);
	sample.places = sample.ready = MIN;
	stays(10 * SHRINK_S);
}

static void
a_busy_second_in_between_puts_shrinking_off(void **state)
{
	(void)state;
	see(0, 0, 0);
	stays(SHRINK_S - 1);
	see(0, AUTOSCALE_LOW_LAG_NS, 0);
	stays(1);
	see(0, 0, 0);
	changes(SHRINK_S, 3, "low load");
}

/* The work of n children on n-1 of them. */
static void
shrinking_never_makes_the_rest_high(void **state)
{
	uint64_t busy, ppm;
	int n, i, wanted;

	(void)state;
	for (n = MIN + 1; n <= MAX; n++)
		for (busy = 0; busy <= 1000000; busy += 10000) {
			scale = (struct autoscale){ 0 };
			sample = (struct autoscale_sample){ n, n, busy, 0, 0 };
			for (i = 0, wanted = n; i < SHRINK_S && wanted == n;
			     i++)
				wanted = take();
			if (wanted >= n)
				continue;
			ppm = busy * (uint64_t)n / (uint64_t)(n - 1);
			assert_true(ppm < AUTOSCALE_HIGH_PPM * 3 / 4);
		}
}

static void
what_waits_and_what_lags_keeps_a_place(void **state)
{
	(void)state;
	see(0, AUTOSCALE_LOW_LAG_NS, 0);
	stays(10 * SHRINK_S);
	/* Of three places it would be more than half of what is high. */
	see(0, 0, 2);
	stays(10 * SHRINK_S);
	see(0, 0, 1);
	changes(SHRINK_S, 3, "low load");
}

static void
a_place_without_a_child_is_not_taken_for_idle(void **state)
{
	(void)state;
	see(0, 0, 0);
	sample.ready = 3;
	stays(10 * SHRINK_S);
	/* Those that are there may still be too busy. */
	sample.busy_ppm = 900000;
	changes(GROW_S, 8, "utilisation");
}

static void
a_second_without_any_child_is_left_out(void **state)
{
	(void)state;
	see(900000, 0, 0);
	stays(GROW_S - 1);
	sample.ready = 0;
	sample.queue = 1000;
	stays(100);
	see(900000, 0, 0);
	changes(1, 8, "utilisation");
}

static void
what_was_seen_of_another_number_of_places_is_forgotten(void **state)
{
	(void)state;
	see(900000, 0, 0);
	stays(GROW_S - 1);
	sample.places = sample.ready = 5;
	changes(GROW_S, 10, "utilisation");
}

static void
a_number_outside_the_limits_is_mended_at_once(void **state)
{
	(void)state;
	see(0, 0, 0);
	sample.places = 1;
	changes(1, MIN, "limits");
	sample.places = 13;
	changes(1, MAX, "limits");
}

static void
what_a_child_lies_is_worth_the_most_places_and_no_more(void **state)
{
	(void)state;
	see(UINT64_MAX, UINT64_MAX, UINT64_MAX);
	changes(GROW_S, 8, "queue");
	sample.places = sample.ready = 8;
	changes(GROW_S, MAX, "queue");
}

#define with_scale(f) cmocka_unit_test_setup(f, see_nothing)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_scale(a_busy_crowd_is_doubled_after_three_windows),
		with_scale(a_loop_that_lags_is_reason_enough),
		with_scale(one_late_turn_in_each_window_is_a_lag),
		with_scale(connections_that_wait_are_reason_enough),
		with_scale(
		    a_queue_that_was_there_once_is_the_mean_of_its_window),
		with_scale(a_window_that_is_not_high_begins_the_count_anew),
		with_scale(it_grows_again_only_after_three_more_windows),
		with_scale(it_grows_to_the_most_and_stays_there),
		with_scale(an_idle_crowd_loses_one_in_half_a_minute),
		with_scale(it_does_not_shrink_below_the_fewest),
		with_scale(a_busy_second_in_between_puts_shrinking_off),
		with_scale(shrinking_never_makes_the_rest_high),
		with_scale(what_waits_and_what_lags_keeps_a_place),
		with_scale(a_place_without_a_child_is_not_taken_for_idle),
		with_scale(a_second_without_any_child_is_left_out),
		with_scale(
		    what_was_seen_of_another_number_of_places_is_forgotten),
		with_scale(a_number_outside_the_limits_is_mended_at_once),
		with_scale(
		    what_a_child_lies_is_worth_the_most_places_and_no_more),
	};

	return cmocka_run_group_tests_name("autoscale", tests, NULL, NULL);
}

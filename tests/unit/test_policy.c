/* SPDX-License-Identifier: BSD-2-Clause */
/* The master's decisions, without a fork or a clock. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "master/policy.h"

#define EXITED(code) ((code) << 8)
#define SECONDS(n) ((n)*NSEC_PER_SEC)

static void
the_url_decides_the_accept_mode_first(void **state)
{
	struct url url = { .scheme = URL_TCP };

	(void)state;
	url.reuseport = URL_FALSE;
	assert_false(policy_has_slot_per_place(&url, CONF_ACCEPT_REUSEPORT, 4));
	url.reuseport = URL_TRUE;
	assert_true(policy_has_slot_per_place(&url, CONF_ACCEPT_SHARED, 1));
	url.reuseport = URL_UNSET;
	assert_true(policy_has_slot_per_place(&url, CONF_ACCEPT_REUSEPORT, 1));
	assert_false(policy_has_slot_per_place(&url, CONF_ACCEPT_SHARED, 4));
}

static void
auto_is_reuseport_for_more_than_one_child(void **state)
{
	struct url url = { .scheme = URL_TCP4 };

	(void)state;
	assert_false(policy_has_slot_per_place(&url, CONF_ACCEPT_AUTO, 1));
	assert_true(policy_has_slot_per_place(&url, CONF_ACCEPT_AUTO, 2));
}

static void
unix_sockets_are_always_shared(void **state)
{
	struct url url = { .scheme = URL_UNIX, .reuseport = URL_TRUE };

	(void)state;
	assert_false(policy_has_slot_per_place(&url, CONF_ACCEPT_REUSEPORT, 4));
}

static void
an_able_place_needs_no_adopter(void **state)
{
	const bool able[] = { true, true };
	size_t out[POLICY_ADOPTERS];

	(void)state;
	assert_int_equal(policy_adopters(able, 2, 0, out), 0);
}

static void
the_next_able_places_adopt(void **state)
{
	const bool able[] = { true, false, true, false };
	size_t out[POLICY_ADOPTERS];

	(void)state;
	assert_int_equal(policy_adopters(able, 4, 3, out), 2);
	assert_int_equal(out[0], 0);
	assert_int_equal(out[1], 2);
	assert_int_equal(policy_adopters(able, 4, 1, out), 2);
	assert_int_equal(out[0], 2);
	assert_int_equal(out[1], 0);
}

static void
with_nobody_able_the_queue_waits(void **state)
{
	const bool able[] = { false, false, false };
	size_t out[POLICY_ADOPTERS];

	(void)state;
	assert_int_equal(policy_adopters(able, 3, 1, out), 0);
}

static void
while_any_child_is_ready_every_place_is_polled(void **state)
{
	size_t out[POLICY_ADOPTERS], n, place, mask, i;
	bool able[6];

	(void)state;
	for (mask = 1; mask < 64; mask++) {
		for (i = 0; i < 6; i++)
			able[i] = (mask >> i & 1) != 0;
		for (place = 0; place < 6; place++) {
			n = policy_adopters(able, 6, place, out);
			assert_true(able[place] ? n == 0 : n >= 1);
			for (i = 0; i < n; i++)
				assert_true(able[out[i]] && out[i] != place);
		}
	}
}

static void
a_death_before_ready_is_a_strike(void **state)
{
	struct policy_death d = { .wait_status = EXITED(1) };

	(void)state;
	assert_true(policy_is_strike(&d));
	d.wait_status = SIGKILL;
	assert_true(policy_is_strike(&d));
}

static void
a_ready_child_that_somebody_kills_is_no_strike(void **state)
{
	struct policy_death d = { .was_ready = true, .wait_status = SIGKILL };

	(void)state;
	assert_false(policy_is_strike(&d));
	d.wait_status = SIGTERM;
	assert_false(policy_is_strike(&d));
	d.wait_status = SIGSEGV;
	assert_true(policy_is_strike(&d));
}

static void
a_crash_after_a_second_of_service_is_no_strike(void **state)
{
	struct policy_death d = {
		.was_ready = true,
		.ready_for_ns = POLICY_QUICK_NS,
		.wait_status = SIGSEGV,
	};

	(void)state;
	assert_false(policy_is_strike(&d));
	d.ready_for_ns--;
	assert_true(policy_is_strike(&d));
}

static void
a_child_killed_for_what_it_said_gets_a_strike(void **state)
{
	struct policy_death d = {
		.was_ready = true,
		.ready_for_ns = SECONDS(60),
		.wait_status = SIGKILL,
		.is_guilty = true,
	};

	(void)state;
	assert_true(policy_is_strike(&d));
}

static void
backoff_doubles_up_to_the_cap(void **state)
{
	(void)state;
	assert_true(policy_backoff(1, 0.5) == 0.1);
	assert_true(policy_backoff(2, 0.5) == 0.2);
	assert_true(policy_backoff(3, 0.5) == 0.4);
	assert_true(policy_backoff(UINT32_MAX, 0.5) == 30.0);
}

static void
backoff_varies_by_a_fifth(void **state)
{
	(void)state;
	assert_true(policy_backoff(1, 0) > 0.0799);
	assert_true(policy_backoff(1, 0) < 0.0801);
	assert_true(policy_backoff(1, 1) > 0.1199);
	assert_true(policy_backoff(1, 1) < 0.1201);
}

static void
the_bucket_holds_n_plus_ten_and_gains_one_a_second(void **state)
{
	struct policy_bucket b;
	int i;

	(void)state;
	policy_bucket_init(&b, 4, SECONDS(100));
	for (i = 0; i < 14; i++)
		assert_true(policy_bucket_take(&b, SECONDS(100)));
	assert_false(policy_bucket_take(&b, SECONDS(100)));
	assert_true(policy_bucket_take(&b, SECONDS(101)));
	assert_false(policy_bucket_take(&b, SECONDS(101)));
}

static void
at_most_n_plus_twenty_forks_follow_strikes_in_ten_seconds(void **state)
{
	struct policy_bucket b;
	int ms, forks = 0;

	(void)state;
	policy_bucket_init(&b, 4, 0);
	for (ms = 0; ms < 10000; ms++)
		forks += policy_bucket_take(&b, (uint64_t)ms * 1000000);
	assert_in_range(forks, 4 + 10, 4 + 20);
}

static void
the_bucket_never_overflows(void **state)
{
	struct policy_bucket b;
	int i;

	(void)state;
	policy_bucket_init(&b, 1, 0);
	for (i = 0; i < 11; i++)
		assert_true(policy_bucket_take(&b, SECONDS(1000)));
	assert_false(policy_bucket_take(&b, SECONDS(1000)));
}

static void
a_rate_passes_so_many_in_each_second(void **state)
{
	struct policy_rate r = { 0 };
	int i;

	(void)state;
	for (i = 0; i < 50; i++)
		assert_true(policy_rate_pass(&r, 50, SECONDS(7)));
	assert_false(policy_rate_pass(&r, 50, SECONDS(7) + 1));
	assert_true(policy_rate_pass(&r, 50, SECONDS(8)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_url_decides_the_accept_mode_first),
		cmocka_unit_test(auto_is_reuseport_for_more_than_one_child),
		cmocka_unit_test(unix_sockets_are_always_shared),
		cmocka_unit_test(an_able_place_needs_no_adopter),
		cmocka_unit_test(the_next_able_places_adopt),
		cmocka_unit_test(with_nobody_able_the_queue_waits),
		cmocka_unit_test(
		    while_any_child_is_ready_every_place_is_polled),
		cmocka_unit_test(a_death_before_ready_is_a_strike),
		cmocka_unit_test(
		    a_ready_child_that_somebody_kills_is_no_strike),
		cmocka_unit_test(
		    a_crash_after_a_second_of_service_is_no_strike),
		cmocka_unit_test(a_child_killed_for_what_it_said_gets_a_strike),
		cmocka_unit_test(backoff_doubles_up_to_the_cap),
		cmocka_unit_test(backoff_varies_by_a_fifth),
		cmocka_unit_test(
		    the_bucket_holds_n_plus_ten_and_gains_one_a_second),
		cmocka_unit_test(
		    at_most_n_plus_twenty_forks_follow_strikes_in_ten_seconds),
		cmocka_unit_test(the_bucket_never_overflows),
		cmocka_unit_test(a_rate_passes_so_many_in_each_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

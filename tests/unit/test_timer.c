/* SPDX-License-Identifier: BSD-2-Clause */
/* The timers of handlers. */
#include "rig.h"

#include <errno.h>
#include <math.h>
#include <unistd.h>

static struct {
	unsigned fired;
	struct tine_timer *timer;
	unsigned stop_after; /* it stops itself; 0: never */
	double stall;        /* seconds that the first call takes */
	double begun[64];    /* of the calls, monotonic */
} seen;

static double
now(void)
{
	return (double)mono_ns() / NSEC_PER_SEC;
}

static int
start(void **state)
{
	(void)memset(&seen, 0, sizeof(seen));
	return rig_plain(state);
}

static void
on_time(struct tine_child *s, void *arg)
{
	assert_ptr_equal(s, rig.server);
	assert_ptr_equal(arg, &seen);
	assert_int_equal(rig.ch.doing.callback, BOARD_IN_TIMER);
	seen.begun[seen.fired++ % nitems(seen.begun)] = now();
	while (seen.fired == 1 && now() - seen.begun[0] < seen.stall)
		(void)usleep(1000);
	if (seen.fired == seen.stop_after)
		tine_timer_stop(seen.timer);
}

static void
begin(double after, double every)
{
	ev_now_update(rig.ch.loop);
	seen.timer = tine_timer_start(rig.server, after, every, on_time, &seen);
	assert_non_null(seen.timer);
}

static void
one_that_runs_once_is_on_time_and_gone(void **state)
{
	double begun = now();

	(void)state;
	begin(0.05, 0);
	assert_int_equal(rig.server->timers.count, 1);
	rig_until(seen.fired == 1);
	assert_true(now() - begun >= 0.049 && now() - begun < 2);
	assert_int_equal(rig.server->timers.count, 0);
	rig_turn();
	assert_int_equal(seen.fired, 1);
}

static void
one_that_repeats_keeps_in_step(void **state)
{
	double begun = now();

	(void)state;
	begin(0, 0.01);
	rig_until(seen.fired >= 26);
	/* 25 intervals of 10 ms. */
	assert_true(now() - begun >= 0.249 && now() - begun < 2.5);
	assert_int_equal(rig.server->timers.count, 1);
	tine_timer_stop(seen.timer);
	assert_int_equal(rig.server->timers.count, 0);
}

static void
times_that_were_missed_do_not_pile_up(void **state)
{
	double begun = now();

	(void)state;
	seen.stall = 0.31;
	begin(0.01, 0.1);
	/* At 0.01 s, the one that came due meanwhile at 0.32 s, and then in
	 * step: at 0.41 s and 0.51 s. */
	rig_until(seen.fired >= 4);
	assert_true(seen.begun[3] - begun > 0.48);
	tine_timer_stop(seen.timer);
}

static void
it_may_be_stopped_before_and_in_its_own_callback(void **state)
{
	(void)state;
	begin(0, 0);
	tine_timer_stop(seen.timer);
	rig_turn();
	assert_int_equal(seen.fired, 0);

	seen.stop_after = 3;
	begin(0, 0.001);
	rig_until(rig.server->timers.count == 0);
	assert_int_equal(seen.fired, 3);

	/* A last word on one that ends anyway is harmless. */
	seen.fired = 2;
	begin(0, 0);
	rig_until(seen.fired == 3);
	assert_int_equal(rig.server->timers.count, 0);
	tine_timer_stop(NULL);
}

static void
the_shortest_time_is_a_millisecond_and_the_longest_is_finite(void **state)
{
	double begun = now();

	(void)state;
	begin(0, 1e-9);
	rig_until(seen.fired >= 20);
	assert_true(now() - begun >= 0.018);
	tine_timer_stop(seen.timer);
	begin(INFINITY, INFINITY);
	rig_turn();
	tine_timer_stop(seen.timer);
}

static void
what_is_no_time_is_refused(void **state)
{
	static const double bad[][2] = { { -1, 0 }, { 0, -1 }, { NAN, 0 },
		{ 0, NAN } };
	size_t i;

	(void)state;
	for (i = 0; i < nitems(bad); i++) {
		assert_null(tine_timer_start(rig.server, bad[i][0], bad[i][1],
		    on_time, &seen));
		assert_int_equal(errno, EINVAL);
	}
	rig.server->timers.count = 1U << 20;
	assert_null(tine_timer_start(rig.server, 0, 0, on_time, &seen));
	assert_int_equal(errno, ENOSPC);
	rig.server->timers.count = 0;
}

static void
they_stop_with_the_child(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 100; i++)
		begin(i / 50, i % 3);
	assert_int_equal(rig.server->timers.count, 100);
	child_leave(&rig.ch);
	/* rig_end() and the leak checker see to the rest. */
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, rig_end)
	static const struct CMUnitTest tests[] = {
		TEST(one_that_runs_once_is_on_time_and_gone),
		TEST(one_that_repeats_keeps_in_step),
		TEST(times_that_were_missed_do_not_pile_up),
		TEST(it_may_be_stopped_before_and_in_its_own_callback),
		TEST(
		    the_shortest_time_is_a_millisecond_and_the_longest_is_finite),
		TEST(what_is_no_time_is_refused),
		TEST(they_stop_with_the_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

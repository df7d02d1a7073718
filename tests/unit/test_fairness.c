/* SPDX-License-Identifier: BSD-2-Clause */
/* How evenly the places share the work. */
#include "tests/unit/fixture.h"

#include <sys/mman.h>

#include <signal.h>

#include "master/fairness.h"

static struct fairness f;

static void
write_work(int place, uint64_t accepted, uint64_t open)
{
	struct board_page *page = fixture_page(fx.m.places[place].incumbent);

	assert_non_null(page);
	page->counters[BOARD_ACCEPTED] = accepted;
	page->gauges[BOARD_CONNECTIONS] = open;
	assert_int_equal(munmap(page, BOARD_PAGE_BYTES), 0);
}

static void
assert_fairness(uint64_t accepted_ppm, uint64_t connections_ppm)
{
	fairness_read(&fx.m, &f);
	assert_int_equal(f.accepted_ppm, accepted_ppm);
	assert_int_equal(f.connections_ppm, connections_ppm);
}

static void
it_is_the_busiest_by_the_mean(void **state)
{
	static const uint64_t even[] = { 7, 7, 7 }, one[] = { 0, 0, 9, 0 },
			      some[] = { 10, 20, 30 },
			      great[] = { BOARD_COUNT_MAX, BOARD_COUNT_MAX, 0 },
			      none[] = { 0, 0 };

	(void)state;
	assert_int_equal(fairness_ppm(even, 3), 1000000);
	assert_int_equal(fairness_ppm(one, 4), 4000000);
	assert_int_equal(fairness_ppm(some, 3), 1500000);
	assert_int_equal(fairness_ppm(great, 3), 1500000);
	assert_int_equal(fairness_ppm(none, 2), 1000000);
	assert_int_equal(fairness_ppm(none, 0), 1000000);
}

static void
only_places_that_are_ready_count(void **state)
{
	(void)state;
	fixture_all_ready();
	write_work(0, 100, 4);
	write_work(1, 300, 2);
	write_work(2, 0, 0);
	assert_fairness(2250000, 2000000);
	proc_set_state(fx.m.places[2].incumbent, PROC_SUSPECT);
	assert_fairness(1500000, 1333333);
}

static void
a_place_keeps_what_its_dead_children_accepted(void **state)
{
	struct place *pl = &fx.m.places[1];
	pid_t pid;

	(void)state;
	fixture_all_ready();
	write_work(0, 100, 1);
	write_work(1, 100, 1);
	write_work(2, 100, 1);
	pid = pl->incumbent->pid;
	proc_on_reaped(pl->incumbent, SIGKILL);
	assert_int_equal(pl->accepted, 100);
	place_fork_due(&fx.m);
	assert_non_null(pl->incumbent);
	assert_int_not_equal(pl->incumbent->pid, pid);
	/* It does not count before it is READY. */
	assert_fairness(1000000, 1000000);
	proc_set_state(pl->incumbent, PROC_PREPARED);
	proc_set_state(pl->incumbent, PROC_READY);
	write_work(1, 0, 0);
	assert_fairness(1000000, 1500000);
	write_work(1, 300, 1);
	/* 100, 400, 100 */
	assert_fairness(2000000, 1000000);
}

static void
it_counts_anew_when_there_are_more_places(void **state)
{
	(void)state;
	fixture_all_ready();
	write_work(0, 100, 0);
	fairness_restart(&fx.m);
	assert_fairness(1000000, 1000000);
	write_work(0, 200, 0);
	write_work(1, 50, 0);
	assert_fairness(2000000, 1000000);
	/* There are as many as there were. */
	fairness_restart(&fx.m);
	assert_fairness(2000000, 1000000);
	fx.m.nplaces = 2;
	fairness_restart(&fx.m);
	assert_fairness(1000000, 1000000);
	write_work(1, 51, 0);
	assert_fairness(2000000, 1000000);
}

static void
a_counter_that_goes_back_is_none(void **state)
{
	(void)state;
	fixture_all_ready();
	write_work(0, 100, 0);
	fairness_restart(&fx.m);
	write_work(0, 3, 0);
	write_work(1, 8, 0);
	assert_fairness(3000000, 1000000);
	/* Nor does nonsense overflow. */
	write_work(0, UINT64_MAX, UINT64_MAX);
	fairness_read(&fx.m, &f);
	assert_in_range(f.accepted_ppm, 2999999, 3000000);
	assert_int_equal(f.connections_ppm, 3000000);
}

/* Its number is none of the places'; a sanitizer sees who takes it for one. */
static void
an_acceptor_is_no_place(void **state)
{
	(void)state;
	fixture_all_ready();
	write_work(0, 100, 1);
	write_work(1, 100, 1);
	write_work(2, 700, 7);
	fx.m.places[2].number = HERITAGE_ACCEPTOR;
	fairness_read(&fx.m, &f);
	fx.m.places[2].number = 2;
	/* The place is there, but nobody of it is counted. */
	assert_int_equal(f.accepted_ppm, 1500000);
	assert_int_equal(f.connections_ppm, 1500000);
}

#define with_three(f)                                                          \
	cmocka_unit_test_setup_teardown(f, fixture_open, fixture_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_the_busiest_by_the_mean),
		with_three(only_places_that_are_ready_count),
		with_three(a_place_keeps_what_its_dead_children_accepted),
		with_three(it_counts_anew_when_there_are_more_places),
		with_three(a_counter_that_goes_back_is_none),
		with_three(an_acceptor_is_no_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

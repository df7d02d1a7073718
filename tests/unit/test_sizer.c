/* SPDX-License-Identifier: BSD-2-Clause */
/* MIN:MAX: from what is seen to the operation that is asked for. */
#include "tests/unit/fixture.h"

#define GROW_S (AUTOSCALE_WINDOW * AUTOSCALE_HIGH_WINDOWS)
#define SHRINK_S (AUTOSCALE_WINDOW * AUTOSCALE_LOW_WINDOWS)

/* As a server under `processes: 2:8` that has three children. */
static int
open_range(void **state)
{
	fixture_open(state);
	fixture_all_ready();
	fx.generation.conf.processes = 2;
	fx.generation.conf.processes_max = 8;
	return 0;
}

#define with_range(f)                                                          \
	cmocka_unit_test_setup_teardown(f, open_range, fixture_close)

static void
show(int place, enum board_gauge gauge, uint64_t value)
{
	struct board_page *page = fixture_page(fx.m.places[place].incumbent);

	board_set(page, gauge, value);
	assert_int_equal(munmap(page, BOARD_PAGE_BYTES), 0);
}

static void
show_all(enum board_gauge gauge, uint64_t value)
{
	int i;

	for (i = 0; i < FIXTURE_PLACES; i++)
		show(i, gauge, value);
}

/* How many children are asked for after so many seconds; 0: nothing is. */
static int
wanted_after(int seconds)
{
	while (seconds-- > 0)
		sizer_tick(&fx.m);
	return fx.m.ops.pending[OP_SCALE].ticket != 0
	    ? fx.m.ops.pending[OP_SCALE].target
	    : 0;
}

static void
busy_children_are_doubled(void **state)
{
	(void)state;
	show_all(BOARD_BUSY_PPM, 900000);
	assert_int_equal(wanted_after(GROW_S - 1), 0);
	assert_int_equal(wanted_after(1), 2 * FIXTURE_PLACES);
}

static void
utilisation_is_the_mean_of_all(void **state)
{
	(void)state;
	show(0, BOARD_BUSY_PPM, 1000000);
	show(1, BOARD_BUSY_PPM, 1000000);
	assert_int_equal(wanted_after(GROW_S), 0);
	show(2, BOARD_BUSY_PPM, 500000);
	assert_int_equal(wanted_after(GROW_S), 2 * FIXTURE_PLACES);
}

static void
the_lag_is_the_longest_of_any(void **state)
{
	(void)state;
	show_all(BOARD_BUSY_PPM, 700000);
	/* It cannot be longer than the child's life. */
	fx.m.places[1].incumbent->born_ns = 1;
	show(1, BOARD_LOOP_LAG_NS, AUTOSCALE_HIGH_LAG_NS);
	assert_int_equal(wanted_after(GROW_S), 2 * FIXTURE_PLACES);
}

static void
idle_children_become_one_fewer(void **state)
{
	(void)state;
	assert_int_equal(wanted_after(SHRINK_S - 1), 0);
	assert_int_equal(wanted_after(1), FIXTURE_PLACES - 1);
}

static void
a_plain_number_is_never_changed(void **state)
{
	(void)state;
	fx.generation.conf.processes = fx.generation.conf.processes_max = 5;
	assert_int_equal(wanted_after(2 * SHRINK_S), 0);
}

static void
the_operators_number_stays_until_auto(void **state)
{
	(void)state;
	(void)scale_ask(&fx.m, FIXTURE_PLACES);
	fx.m.ops.pending[OP_SCALE].ticket = 0;
	assert_int_equal(wanted_after(2 * SHRINK_S), 0);
	(void)scale_ask_auto(&fx.m);
	assert_int_equal(fx.m.ops.pending[OP_SCALE].target, FIXTURE_PLACES);
	fx.m.ops.pending[OP_SCALE].ticket = 0;
	assert_int_equal(wanted_after(SHRINK_S), FIXTURE_PLACES - 1);
}

static void
auto_comes_back_into_the_range(void **state)
{
	(void)state;
	(void)scale_ask(&fx.m, 100);
	(void)scale_ask_auto(&fx.m);
	assert_int_equal(fx.m.ops.pending[OP_SCALE].target, 8);
}

static void
the_operators_number_ends_with_the_range_it_was_said_of(void **state)
{
	(void)state;
	(void)scale_ask(&fx.m, FIXTURE_PLACES);
	assert_true(scale_is_overridden(&fx.m));
	fx.generation.conf.processes_max = 9;
	assert_false(scale_is_overridden(&fx.m));
}

static void
a_reload_keeps_the_number_that_its_range_allows(void **state)
{
	struct generation next = { .number = 2 };

	(void)state;
	next.conf = fx.generation.conf;
	assert_int_equal(scale_wanted(&fx.m, &fx.generation, &next),
	    FIXTURE_PLACES);
	next.conf.processes_max = 4;
	assert_int_equal(scale_wanted(&fx.m, &fx.generation, &next),
	    FIXTURE_PLACES);
	next.conf.processes = 4;
	assert_int_equal(scale_wanted(&fx.m, &fx.generation, &next), 4);
	next.conf.processes = next.conf.processes_max = 2;
	assert_int_equal(scale_wanted(&fx.m, &fx.generation, &next), 2);
}

static void
nothing_is_seen_while_an_operation_is_under_way(void **state)
{
	(void)state;
	fx.m.ops.ticket = 1;
	assert_int_equal(wanted_after(2 * SHRINK_S), 0);
	fx.m.ops.ticket = 0;
	fx.m.state = MASTER_STOPPING;
	assert_int_equal(wanted_after(2 * SHRINK_S), 0);
}

static void
a_number_outside_the_range_is_brought_back(void **state)
{
	(void)state;
	fx.generation.conf.processes = 5;
	assert_int_equal(wanted_after(1), 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_range(busy_children_are_doubled),
		with_range(utilisation_is_the_mean_of_all),
		with_range(the_lag_is_the_longest_of_any),
		with_range(idle_children_become_one_fewer),
		with_range(a_plain_number_is_never_changed),
		with_range(the_operators_number_stays_until_auto),
		with_range(auto_comes_back_into_the_range),
		with_range(
		    the_operators_number_ends_with_the_range_it_was_said_of),
		with_range(a_reload_keeps_the_number_that_its_range_allows),
		with_range(nothing_is_seen_while_an_operation_is_under_way),
		with_range(a_number_outside_the_range_is_brought_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

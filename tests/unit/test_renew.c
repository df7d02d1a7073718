/* SPDX-License-Identifier: BSD-2-Clause */
/* Which children are replaced, and how many at once. */
#include <unistd.h>

#include "tests/unit/fixture.h"

static int
open_ready(void **state)
{
	int i;

	fixture_open(state);
	fixture_all_ready();
	for (i = 0; i < FIXTURE_PLACES; i++)
		fx.m.places[i].incumbent->noise = 0.5;
	return 0;
}

#define with_ready(f)                                                          \
	cmocka_unit_test_setup_teardown(f, open_ready, fixture_close)

static struct proc *
child(int place)
{
	return fx.m.places[place].incumbent;
}

static int
count_leaving(void)
{
	int i, n = 0;

	for (i = 0; i < FIXTURE_PLACES; i++)
		n += fx.m.places[i].wants_successor;
	return n;
}

static void
accept_some(struct proc *p, uint64_t n)
{
	struct board_page *page = fixture_page(p);

	board_add(page, BOARD_ACCEPTED, n);
	assert_int_equal(munmap(page, BOARD_PAGE_BYTES), 0);
}

static void
nobody_is_replaced_without_a_limit(void **state)
{
	(void)state;
	accept_some(child(0), 1000000);
	child(1)->born_ns = 1;
	renew_tick(&fx.m);
	assert_int_equal(count_leaving(), 0);
}

static void
a_child_goes_when_its_successor_is_ready(void **state)
{
	struct proc *old = child(1), *young;
	struct ctl_msg msg;

	(void)state;
	fx.generation.conf.recycle.connections = 100;
	accept_some(child(0), 99);
	accept_some(old, 100);
	renew_tick(&fx.m);
	assert_int_equal(count_leaving(), 1);
	place_fork_due(&fx.m);
	young = fx.m.places[1].successor;
	assert_non_null(young);
	assert_int_equal(old->state, PROC_READY);
	fixture_say(young, CTL_PREPARED, NULL, 0);
	assert_int_equal(fixture_heard(old, &msg), CTL_NONE);
	fixture_say(young, CTL_READY, NULL, 0);
	assert_int_equal(old->state, PROC_DRAINING);
	assert_int_equal(fixture_heard(old, &msg), CTL_DRAIN);
	assert_int_equal(msg.body.drain.reason, CTL_RECYCLED);
	assert_int_equal(fx.m.min_accepting, FIXTURE_PLACES);
	assert_int_equal(fx.m.crashes, 0);
}

static void
no_more_than_the_surge_are_replaced_at_once(void **state)
{
	int i;

	(void)state;
	fx.generation.conf.recycle.age = 1;
	for (i = 0; i < FIXTURE_PLACES; i++)
		child(i)->born_ns = 1;
	renew_tick(&fx.m);
	assert_int_equal(count_leaving(), policy_surge(FIXTURE_PLACES));
	renew_tick(&fx.m);
	assert_int_equal(count_leaving(), policy_surge(FIXTURE_PLACES));
}

static void
children_of_one_age_do_not_all_go_at_once(void **state)
{
	(void)state;
	fx.generation.conf.recycle.connections = 100;
	accept_some(child(0), 110);
	accept_some(child(1), 110);
	child(0)->noise = 1;
	child(1)->noise = 0;
	renew_tick(&fx.m);
	assert_false(fx.m.places[0].wants_successor);
	assert_true(fx.m.places[1].wants_successor);
}

static void
nobody_is_replaced_while_an_operation_is_under_way(void **state)
{
	(void)state;
	fx.generation.conf.recycle.age = 1;
	child(0)->born_ns = 1;
	fx.m.ops.ticket = 1;
	renew_tick(&fx.m);
	assert_int_equal(count_leaving(), 0);
	fx.m.ops.ticket = 0;
	fx.m.state = MASTER_STOPPING;
	renew_tick(&fx.m);
	assert_int_equal(count_leaving(), 0);
	fx.m.state = MASTER_RUNNING;
	renew_tick(&fx.m);
	assert_int_equal(count_leaving(), 1);
}

static void
a_suspect_is_not_recycled(void **state)
{
	(void)state;
	fx.generation.conf.recycle.age = 1;
	child(0)->born_ns = 1;
	proc_set_state(child(0), PROC_SUSPECT);
	renew_tick(&fx.m);
	assert_int_equal(count_leaving(), 0);
}

static void
a_successor_that_dies_is_tried_again_later(void **state)
{
	struct place *pl = &fx.m.places[0];

	(void)state;
	fx.generation.conf.recycle.age = 1;
	child(0)->born_ns = 1;
	renew_tick(&fx.m);
	place_fork_due(&fx.m);
	proc_on_reaped(pl->successor, 1 << 8);
	assert_int_equal(child(0)->state, PROC_READY);
	assert_int_equal(pl->strikes, 1);
	assert_true(ev_is_active(&pl->retry_w));
	assert_int_equal(count_leaving(), 1);
}

static void
memory_counts_when_it_can_be_read(void **state)
{
	(void)state;
	fx.generation.conf.recycle.memory = 1 << 20;
	child(0)->born_ns = 1;
	child(1)->born_ns = 1;
	/* There is no such process, and there is this one. */
	child(0)->pid = INT32_MAX;
	child(1)->pid = getpid();
	renew_tick(&fx.m);
	child(0)->pid = 1;
	child(1)->pid = 2;
	assert_false(fx.m.places[0].wants_successor);
	assert_true(fx.m.places[1].wants_successor);
}

static void
who_lacks_the_socket_that_all_share_is_replaced(void **state)
{
	(void)state;
	fx.listener->has_slot_per_place = false;
	fx.listener->slots[0].place = -1;
	renew_tick(&fx.m);
	assert_int_equal(count_leaving(), 0);
	fx.listener->slots[0].opened_ns = mono_ns();
	child(0)->born_ns = mono_ns();
	renew_tick(&fx.m);
	assert_false(fx.m.places[0].wants_successor);
	assert_true(fx.m.places[1].wants_successor);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_ready(nobody_is_replaced_without_a_limit),
		with_ready(a_child_goes_when_its_successor_is_ready),
		with_ready(no_more_than_the_surge_are_replaced_at_once),
		with_ready(children_of_one_age_do_not_all_go_at_once),
		with_ready(nobody_is_replaced_while_an_operation_is_under_way),
		with_ready(a_suspect_is_not_recycled),
		with_ready(a_successor_that_dies_is_tried_again_later),
		with_ready(memory_counts_when_it_can_be_read),
		with_ready(who_lacks_the_socket_that_all_share_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Places: who is replaced when, by whom, and how soon. */
#include "tests/unit/fixture.h"

#include <signal.h>

#define EXITED(code) ((code) << 8)

static void
every_place_forks_once_at_the_start(void **state)
{
	(void)state;
	fx.m.state = MASTER_STARTING;
	place_fork_due(&fx.m);
	place_fork_due(&fx.m);
	assert_int_equal(fx.forks, FIXTURE_PLACES);
	assert_int_equal(fx.m.count[PROC_STARTING], FIXTURE_PLACES);
}

static void
a_killed_child_is_replaced_in_the_same_turn(void **state)
{
	struct place *pl = &fx.m.places[1];

	(void)state;
	fixture_all_ready();
	proc_on_reaped(pl->incumbent, SIGKILL);
	assert_null(pl->incumbent);
	assert_true(pl->is_due);
	place_fork_due(&fx.m);
	assert_int_equal(fx.forks, FIXTURE_PLACES + 1);
	assert_int_equal(pl->incumbent->state, PROC_STARTING);
	assert_int_equal(pl->restarts, 1);
	assert_int_equal(pl->strikes, 0);
	assert_int_equal(fx.m.crashes, 1);
}

static void
a_child_that_dies_before_ready_waits_longer_each_time(void **state)
{
	struct place *pl = &fx.m.places[0];
	double waits[3];
	int i;

	(void)state;
	place_fork_due(&fx.m);
	for (i = 0; i < 3; i++) {
		proc_on_reaped(pl->incumbent, EXITED(1));
		assert_false(pl->is_due);
		assert_true(pl->wants_token);
		waits[i] = ev_timer_remaining(fx.m.loop, &pl->retry_w);
		ev_timer_stop(fx.m.loop, &pl->retry_w);
		pl->is_due = true;
		place_fork_due(&fx.m);
	}
	assert_true(waits[0] > 0.07 && waits[0] < 0.13);
	assert_true(waits[1] > 0.15 && waits[1] < 0.25);
	assert_true(waits[2] > 0.31 && waits[2] < 0.49);
}

static void
ten_seconds_of_service_clear_the_strikes(void **state)
{
	struct place *pl = &fx.m.places[0];

	(void)state;
	fixture_all_ready();
	pl->strikes = 7;
	pl->incumbent->ready_ns -= POLICY_CALM_NS;
	proc_on_reaped(pl->incumbent, SIGSEGV);
	assert_int_equal(pl->strikes, 0);
	assert_true(pl->is_due);
}

static void
without_tokens_a_crash_loop_has_to_wait(void **state)
{
	struct place *pl = &fx.m.places[0];

	(void)state;
	place_fork_due(&fx.m);
	proc_on_reaped(pl->incumbent, EXITED(1));
	fx.m.bucket.tokens = 0;
	ev_timer_stop(fx.m.loop, &pl->retry_w);
	pl->is_due = true;
	place_fork_due(&fx.m);
	assert_int_equal(fx.forks, FIXTURE_PLACES);
	assert_false(pl->is_due);
	assert_true(ev_is_active(&pl->retry_w));
}

static void
at_most_fifty_replacements_happen_in_a_second(void **state)
{
	struct place *pl = &fx.m.places[0];

	(void)state;
	fixture_all_ready();
	fx.m.at_once.second = mono_ns() / NSEC_PER_SEC + 1;
	fx.m.at_once.used = POLICY_BURST_PER_SEC;
	proc_on_reaped(pl->incumbent, SIGKILL);
	/* Wait for the clock to come to the second that is used up. */
	while (mono_ns() / NSEC_PER_SEC < fx.m.at_once.second)
		continue;
	place_fork_due(&fx.m);
	assert_int_equal(fx.forks, FIXTURE_PLACES);
	assert_true(ev_is_active(&pl->retry_w));
}

static void
a_failed_fork_is_no_strike_and_is_tried_again_soon(void **state)
{
	struct place *pl = &fx.m.places[2];
	double wait;

	(void)state;
	fx.fork_fails = true;
	place_fork_due(&fx.m);
	assert_int_equal(fx.m.count[PROC_STARTING], 0);
	assert_int_equal(pl->strikes, 0);
	wait = ev_timer_remaining(fx.m.loop, &pl->retry_w);
	assert_true(wait > 0.4 && wait <= 0.51);
	assert_string_equal(fx.m.last_error.text, "fork for child: no");
}

static void
a_recycled_child_drains_only_when_its_successor_is_ready(void **state)
{
	struct ctl_why why = { .reason = CTL_OPERATOR };
	struct place *pl = &fx.m.places[1];
	struct proc *old, *new;
	struct ctl_msg msg;

	(void)state;
	fixture_all_ready();
	old = pl->incumbent;
	fixture_say(old, CTL_RECYCLE, &why, sizeof(why));
	fixture_say(old, CTL_RECYCLE, &why, sizeof(why));
	/* However long it takes, it is to go on. */
	assert_int_equal(fixture_heard(old, &msg), CTL_RESUME);
	assert_int_equal(fixture_heard(old, &msg), CTL_RESUME);
	place_fork_due(&fx.m);
	place_fork_due(&fx.m);
	assert_int_equal(fx.forks, FIXTURE_PLACES + 1);
	new = pl->successor;
	assert_ptr_equal(pl->incumbent, old);
	assert_int_equal(old->state, PROC_READY);
	fixture_say(new, CTL_PREPARED, NULL, 0);
	assert_int_equal(fixture_heard(old, &msg), CTL_NONE);
	fixture_say(new, CTL_READY, NULL, 0);
	assert_ptr_equal(pl->incumbent, new);
	assert_null(pl->successor);
	assert_int_equal(old->state, PROC_DRAINING);
	assert_int_equal(fixture_heard(old, &msg), CTL_DRAIN);
	assert_int_equal(msg.body.drain.reason, CTL_RECYCLED);
	assert_int_equal(fx.m.min_accepting, FIXTURE_PLACES);
}

static void
an_incumbent_that_is_kept_has_no_successor_any_more(void **state)
{
	struct place *pl = &fx.m.places[1];
	struct proc *old, *new;
	struct ctl_msg msg;

	(void)state;
	fixture_all_ready();
	place_keep(pl); /* nothing is under way */
	old = pl->incumbent;
	assert_true(place_recycle(pl, CTL_OPERATOR));
	place_fork_due(&fx.m);
	new = pl->successor;
	place_keep(pl);
	assert_int_equal(fixture_heard(new, &msg), CTL_STOP);
	proc_on_reaped(new, 0);
	place_fork_due(&fx.m);
	assert_ptr_equal(pl->incumbent, old);
	assert_int_equal(old->state, PROC_READY);
	assert_int_equal(fx.forks, FIXTURE_PLACES + 1);
	assert_int_equal(fx.m.crashes, 0);
	/* Before the fork, too. */
	assert_true(place_recycle(pl, CTL_OPERATOR));
	place_keep(pl);
	place_fork_due(&fx.m);
	assert_int_equal(fx.forks, FIXTURE_PLACES + 1);
}

static void
a_successor_takes_over_when_the_incumbent_dies_first(void **state)
{
	struct ctl_why why = { .reason = CTL_OPERATOR };
	struct place *pl = &fx.m.places[1];
	struct proc *new;

	(void)state;
	fixture_all_ready();
	fixture_say(pl->incumbent, CTL_RECYCLE, &why, sizeof(why));
	place_fork_due(&fx.m);
	new = pl->successor;
	proc_on_reaped(pl->incumbent, SIGKILL);
	assert_ptr_equal(pl->incumbent, new);
	assert_null(pl->successor);
	assert_false(pl->wants_successor);
	place_fork_due(&fx.m);
	assert_int_equal(fx.forks, FIXTURE_PLACES + 1);
}

static void
a_crowded_place_recycles_for_the_operator_only(void **state)
{
	struct ctl_why why = { .reason = CTL_RECYCLED };
	struct place *pl = &fx.m.places[0];
	int i;

	(void)state;
	fixture_all_ready();
	for (i = 0; i < 8; i++) {
		fixture_say(pl->incumbent, CTL_RECYCLE, &why, sizeof(why));
		place_fork_due(&fx.m);
		assert_non_null(pl->successor);
		fixture_rise(pl->successor);
	}
	fixture_say(pl->incumbent, CTL_RECYCLE, &why, sizeof(why));
	assert_false(pl->wants_successor);
	assert_int_equal(pl->incumbent->state, PROC_READY);
	assert_true(place_recycle(pl, CTL_OPERATOR));
}

static void
a_rescue_leaves_no_timer_that_forks_again(void **state)
{
	struct place *pl = &fx.m.places[0];

	(void)state;
	place_fork_due(&fx.m);
	proc_on_reaped(pl->incumbent, EXITED(1));
	assert_true(ev_is_active(&pl->retry_w));
	place_rescue(pl);
	assert_false(ev_is_active(&pl->retry_w));
	place_fork_due(&fx.m);
	assert_int_equal(fx.forks, FIXTURE_PLACES + 1);
	/* Even one that is due has no room for a second child. */
	pl->is_due = true;
	place_fork_due(&fx.m);
	assert_int_equal(fx.forks, FIXTURE_PLACES + 1);
	assert_null(pl->successor);
}

static void
a_child_that_left_as_it_said_is_no_crash(void **state)
{
	struct ctl_drained drained = { .cut = 0 };
	struct place *pl = &fx.m.places[1];

	(void)state;
	fixture_all_ready();
	pl->incumbent->ready_ns -= POLICY_QUICK_NS;
	fixture_say(pl->incumbent, CTL_DRAINED, &drained, sizeof(drained));
	assert_int_equal(pl->incumbent->state, PROC_DRAINING);
	/* It may not stay: exit() is all that is left. */
	assert_true(ev_is_active(&pl->incumbent->deadline_w));
	proc_on_reaped(pl->incumbent, 0);
	assert_int_equal(fx.m.crashes, 0);
	place_fork_due(&fx.m);
	assert_int_equal(fx.forks, FIXTURE_PLACES + 1);
}

static void
a_child_that_leaves_as_soon_as_it_came_is_a_strike(void **state)
{
	struct ctl_drained drained = { .cut = 0 };
	struct place *pl = &fx.m.places[1];

	(void)state;
	fixture_all_ready();
	fixture_say(pl->incumbent, CTL_DRAINED, &drained, sizeof(drained));
	proc_on_reaped(pl->incumbent, 0);
	assert_int_equal(fx.m.crashes, 1);
	assert_int_equal(pl->strikes, 1);
	assert_false(pl->is_due);
}

static void
one_deadline_covers_birth_to_ready(void **state)
{
	struct proc *p;

	(void)state;
	place_fork_due(&fx.m);
	p = fx.m.places[0].incumbent;
	fixture_say(p, CTL_PREPARED, NULL, 0);
	assert_int_equal(p->state, PROC_PREPARED);
	assert_true(ev_is_active(&p->deadline_w));
	fixture_say(p, CTL_READY, NULL, 0);
	assert_false(ev_is_active(&p->deadline_w));
}

static void
the_death_of_a_draining_child_changes_nothing(void **state)
{
	struct ctl_why why = { .reason = CTL_OPERATOR };
	struct place *pl = &fx.m.places[1];
	struct proc *old;

	(void)state;
	fixture_all_ready();
	old = pl->incumbent;
	fixture_say(old, CTL_RECYCLE, &why, sizeof(why));
	place_fork_due(&fx.m);
	fixture_say(pl->successor, CTL_PREPARED, NULL, 0);
	fixture_say(pl->incumbent == old ? pl->successor : pl->incumbent,
	    CTL_READY, NULL, 0);
	proc_on_reaped(old, 0);
	place_fork_due(&fx.m);
	assert_int_equal(fx.forks, FIXTURE_PLACES + 1);
	assert_int_equal(fx.m.crashes, 0);
}

static void
a_place_that_was_left_has_no_generation(void **state)
{
	struct place *pl = &fx.m.places[2];
	struct place as;

	(void)state;
	fixture_all_ready();
	fx.m.nplaces = fx.m.nplaces_used = 2;
	place_leave(pl);
	assert_null(pl->generation);
	as = *pl;
	place_init(pl, &fx.m, 2);
	place_resume(pl, &as, NULL, -1);
	assert_null(pl->generation);
}

static void
nothing_is_forked_once_the_server_stops(void **state)
{
	(void)state;
	fixture_all_ready();
	fx.m.state = MASTER_STOPPING;
	proc_on_reaped(fx.m.places[0].incumbent, SIGKILL);
	place_fork_due(&fx.m);
	assert_int_equal(fx.forks, FIXTURE_PLACES);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_fixture(every_place_forks_once_at_the_start),
		with_fixture(a_killed_child_is_replaced_in_the_same_turn),
		with_fixture(
		    a_child_that_dies_before_ready_waits_longer_each_time),
		with_fixture(ten_seconds_of_service_clear_the_strikes),
		with_fixture(without_tokens_a_crash_loop_has_to_wait),
		with_fixture(at_most_fifty_replacements_happen_in_a_second),
		with_fixture(
		    a_failed_fork_is_no_strike_and_is_tried_again_soon),
		with_fixture(
		    a_recycled_child_drains_only_when_its_successor_is_ready),
		with_fixture(
		    an_incumbent_that_is_kept_has_no_successor_any_more),
		with_fixture(
		    a_successor_takes_over_when_the_incumbent_dies_first),
		with_fixture(a_crowded_place_recycles_for_the_operator_only),
		with_fixture(a_rescue_leaves_no_timer_that_forks_again),
		with_fixture(a_child_that_left_as_it_said_is_no_crash),
		with_fixture(
		    a_child_that_leaves_as_soon_as_it_came_is_a_strike),
		with_fixture(one_deadline_covers_birth_to_ready),
		with_fixture(the_death_of_a_draining_child_changes_nothing),
		with_fixture(a_place_that_was_left_has_no_generation),
		with_fixture(nothing_is_forked_once_the_server_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* One generation replaces another, and comes back when the other fails. */
#include "tests/unit/fixture.h"

#include <signal.h>

#define EXITED(code) ((code) << 8)
#define LONG_NS (100 * NSEC_PER_SEC)

static struct generation *from, *to;

/* All are READY, and the next generation is to follow. */
static void
begin(double prove, double commit)
{
	fixture_all_ready();
	from = &fx.generation;
	to = fixture_next(prove, commit);
	roll_begin(&fx.m, to, CTL_RELOAD);
	place_fork_due(&fx.m);
}

static enum roll_phase
step(void)
{
	enum roll_phase phase = roll_step(&fx.m);

	place_fork_due(&fx.m);
	return phase;
}

/* As if some seconds had passed. */
static void
pass(double seconds)
{
	uint64_t ns = (uint64_t)(seconds * (double)NSEC_PER_SEC);
	struct proc *p;

	fx.m.roll.since_ns -= ns;
	fx.m.roll.progress_ns -= ns;
	TAILQ_FOREACH(p, &fx.m.procs, entry)
		if (p->prepared_ns != 0)
			p->prepared_ns -= ns;
}

/* The new child of this place serves. */
static struct proc *
follow(int place)
{
	struct proc *p = fx.m.places[place].successor;

	assert_non_null(p);
	assert_ptr_equal(p->generation, to);
	fixture_rise(p);
	return p;
}

/* Up to WATCHING. */
static void
roll_all(double commit)
{
	int i;

	begin(0, commit);
	for (i = 0; i < FIXTURE_PLACES; i++) {
		follow(i);
		(void)step();
	}
	assert_int_equal(fx.m.roll.phase, ROLL_WATCHING);
}

/* Every place is the old generation's again. */
static void
assert_undone(void)
{
	int i;

	assert_int_equal(step(), ROLL_UNDONE);
	assert_ptr_equal(fx.m.generation, from);
	assert_ptr_equal(fx.m.conf, &from->conf);
	for (i = 0; i < FIXTURE_PLACES; i++) {
		assert_ptr_equal(fx.m.places[i].generation, from);
		assert_ptr_equal(fx.m.places[i].incumbent->generation, from);
		assert_null(fx.m.places[i].successor);
	}
}

/* ---- proving ---- */

static void
a_canary_gets_no_traffic_before_it_is_proven(void **state)
{
	struct proc *old, *canary;
	struct ctl_msg msg;

	(void)state;
	begin(1, 0);
	old = fx.m.places[0].incumbent;
	canary = fx.m.places[0].successor;
	assert_int_equal(fx.forks, FIXTURE_PLACES + 1);
	fixture_say(canary, CTL_PREPARED, NULL, 0);
	assert_int_equal(step(), ROLL_PROVING);
	assert_int_equal(fixture_heard(canary, &msg), CTL_NONE);
	/* Initialised for long enough, but its loop does not turn. */
	pass(2);
	assert_int_equal(step(), ROLL_PROVING);
	canary->beat_ns = mono_ns();
	assert_int_equal(step(), ROLL_ROLLING);
	assert_int_equal(fixture_heard(canary, &msg), CTL_START);
	assert_int_equal(fixture_heard(old, &msg), CTL_NONE);
	fixture_say(canary, CTL_READY, NULL, 0);
	assert_int_equal(fixture_heard(old, &msg), CTL_DRAIN);
	assert_int_equal(msg.body.drain.reason, CTL_RELOAD);
	assert_int_equal(fx.m.min_accepting, FIXTURE_PLACES);
}

static void
a_canary_serves_at_once_when_nobody_else_does(void **state)
{
	struct proc *canary;
	struct ctl_msg msg;
	int i;

	(void)state;
	begin(1, 0);
	canary = fx.m.places[0].successor;
	fixture_say(canary, CTL_PREPARED, NULL, 0);
	for (i = 0; i < FIXTURE_PLACES; i++)
		proc_on_reaped(fx.m.places[i].incumbent, SIGKILL);
	assert_ptr_equal(fx.m.places[0].incumbent, canary);
	assert_int_equal(step(), ROLL_ROLLING);
	assert_int_equal(fixture_heard(canary, &msg), CTL_START);
}

static void
a_canary_that_dies_changes_nothing_and_its_reason_is_kept(void **state)
{
	static const char text[] = "the database is away";
	struct proc *canary;
	struct ctl_msg msg;
	int i;

	(void)state;
	begin(1, 0);
	canary = fx.m.places[0].successor;
	fixture_say(canary, CTL_FATAL, text, sizeof(text) - 1);
	proc_on_reaped(canary, EXITED(1));
	assert_int_equal(fx.m.roll.phase, ROLL_UNDOING);
	assert_string_equal(fx.m.roll.why.text,
	    "child 0: the database is away");
	assert_undone();
	assert_int_equal(fx.forks, FIXTURE_PLACES + 1);
	for (i = 0; i < FIXTURE_PLACES; i++)
		assert_int_equal(fixture_heard(fx.m.places[i].incumbent, &msg),
		    CTL_NONE);
}

static void
a_canary_that_never_gets_ready_is_given_up(void **state)
{
	(void)state;
	begin(1, 0);
	assert_int_equal(step(), ROLL_PROVING);
	pass(fx.m.conf->start_timeout + 20);
	assert_int_equal(step(), ROLL_UNDONE);
	assert_non_null(strstr(fx.m.roll.why.text, "within start-timeout"));
}

static void
forks_that_fail_are_the_reason_of_a_stall(void **state)
{
	(void)state;
	fx.fork_fails = false;
	fixture_all_ready();
	fx.fork_fails = true;
	roll_begin(&fx.m, fixture_next(1, 0), CTL_RELOAD);
	place_fork_due(&fx.m);
	pass(LONG_NS / NSEC_PER_SEC);
	assert_int_equal(step(), ROLL_UNDONE);
	assert_non_null(strstr(fx.m.roll.why.text, "fork for child: no"));
}

/* ---- rolling ---- */

static void
one_place_follows_the_other_and_accepting_never_drops(void **state)
{
	struct proc *old[FIXTURE_PLACES];
	struct ctl_msg msg;
	int i;

	(void)state;
	begin(0, 10);
	for (i = 0; i < FIXTURE_PLACES; i++)
		old[i] = fx.m.places[i].incumbent;
	for (i = 0; i < FIXTURE_PLACES; i++) {
		assert_int_equal(fx.forks, FIXTURE_PLACES + 1 + i);
		assert_ptr_equal(fx.m.generation, from);
		(void)step();
		/* No more than the surge at once. */
		assert_int_equal(fx.forks, FIXTURE_PLACES + 1 + i);
		follow(i);
		assert_int_equal(fixture_heard(old[i], &msg), CTL_DRAIN);
		(void)step();
	}
	assert_int_equal(fx.m.roll.phase, ROLL_WATCHING);
	assert_ptr_equal(fx.m.generation, to);
	assert_int_equal(fx.m.min_accepting, FIXTURE_PLACES);
	assert_int_equal(step(), ROLL_WATCHING);
	pass(11);
	assert_int_equal(step(), ROLL_COMMITTED);
	assert_int_equal(step(), ROLL_IDLE);
}

static void
watching_is_reached_before_it_is_left_even_with_no_time_to_watch(void **state)
{
	(void)state;
	begin(0, 0);
	follow(0);
	assert_int_equal(step(), ROLL_ROLLING);
	follow(1);
	assert_int_equal(step(), ROLL_ROLLING);
	follow(2);
	assert_int_equal(step(), ROLL_WATCHING);
	assert_int_equal(step(), ROLL_COMMITTED);
}

static void
the_third_that_crashes_brings_back_those_that_still_drain(void **state)
{
	struct proc *veterans[2], *bad;
	struct ctl_msg msg;
	int i, forks;

	(void)state;
	begin(0, 10);
	for (i = 0; i < 2; i++) {
		veterans[i] = fx.m.places[i].incumbent;
		follow(i);
		assert_int_equal(fixture_heard(veterans[i], &msg), CTL_DRAIN);
		(void)step();
	}
	bad = fx.m.places[2].successor;
	fixture_say(bad, CTL_PREPARED, NULL, 0);
	forks = fx.forks;
	proc_on_reaped(bad, SIGSEGV);
	assert_int_equal(fx.m.roll.phase, ROLL_UNDOING);
	for (i = 0; i < 2; i++) {
		struct proc *new = fx.m.places[i].incumbent;

		assert_int_equal(fixture_heard(veterans[i], &msg), CTL_RESUME);
		assert_int_equal(veterans[i]->state, PROC_DRAINING);
		assert_int_equal(step(), ROLL_UNDOING);
		fixture_say(veterans[i], CTL_READY, NULL, 0);
		assert_int_equal(veterans[i]->state, PROC_READY);
		assert_int_equal(new->state, PROC_DRAINING);
	}
	assert_undone();
	assert_int_equal(fx.forks, forks);
	assert_int_equal(fx.m.min_accepting, FIXTURE_PLACES);
}

static void
children_that_come_and_go_do_not_keep_a_roll_alive(void **state)
{
	double most;

	(void)state;
	begin(0, 10);
	most = to->conf.start_timeout + to->conf.prove + 6;
	follow(0);
	assert_int_equal(step(), ROLL_ROLLING);
	pass(most / 2);
	/* As the kernel does it when the memory ends. */
	proc_on_reaped(fx.m.places[0].incumbent, SIGKILL);
	assert_int_equal(step(), ROLL_ROLLING);
	fixture_rise(fx.m.places[0].incumbent);
	assert_int_equal(step(), ROLL_ROLLING);
	pass(most / 2);
	assert_int_equal(step(), ROLL_UNDOING);
}

static void
a_veteran_that_leaves_instead_is_replaced(void **state)
{
	struct ctl_drained drained = { .cut = 0 };
	struct proc *veteran;

	(void)state;
	begin(0, 10);
	veteran = fx.m.places[0].incumbent;
	follow(0);
	(void)step();
	proc_on_reaped(fx.m.places[1].successor, EXITED(1));
	assert_ptr_equal(fx.m.places[0].successor, veteran);
	fixture_say(veteran, CTL_DRAINED, &drained, sizeof(drained));
	proc_on_reaped(veteran, 0);
	assert_int_equal(fx.m.crashes, 1);
	place_fork_due(&fx.m);
	assert_int_equal(step(), ROLL_UNDOING);
	assert_ptr_equal(fx.m.places[0].successor->generation, from);
	fixture_rise(fx.m.places[0].successor);
	assert_undone();
}

/* The first place's old child, called back from its drain. */
static struct proc *
call_back(void)
{
	struct proc *veteran;
	struct ctl_msg msg;

	begin(0, 10);
	veteran = fx.m.places[0].incumbent;
	follow(0);
	(void)step();
	assert_int_equal(fixture_heard(veteran, &msg), CTL_DRAIN);
	proc_on_reaped(fx.m.places[1].successor, EXITED(1));
	assert_int_equal(fixture_heard(veteran, &msg), CTL_RESUME);
	assert_ptr_equal(fx.m.places[0].successor, veteran);
	return veteran;
}

static void
a_veteran_on_its_way_drains_again_when_the_server_stops(void **state)
{
	struct proc *veteran = call_back();
	struct ctl_msg msg;

	(void)state;
	proc_dismiss(veteran, CTL_STOPPING);
	assert_int_equal(fixture_heard(veteran, &msg), CTL_DRAIN);
	assert_int_equal(msg.body.drain.reason, CTL_STOPPING);
	assert_true(ev_is_active(&veteran->deadline_w));
	/* It had said so before it heard. */
	fixture_say(veteran, CTL_READY, NULL, 0);
	assert_int_equal(veteran->state, PROC_DRAINING);
	proc_dismiss(veteran, CTL_STOPPING);
	assert_int_equal(fixture_heard(veteran, &msg), CTL_NONE);
}

static void
a_veteran_on_its_way_is_not_cut_when_the_incumbent_is_kept(void **state)
{
	struct proc *veteran = call_back();
	struct ctl_msg msg;

	(void)state;
	place_keep(&fx.m.places[0]);
	assert_int_equal(fixture_heard(veteran, &msg), CTL_DRAIN);
	assert_int_equal(msg.body.drain.reason, CTL_RELOAD);
	assert_int_equal(fixture_heard(veteran, &msg), CTL_NONE);
	assert_int_equal(veteran->state, PROC_DRAINING);
	assert_false(veteran->is_ending);
}

static void
a_veteran_that_never_heard_of_its_drain_is_back_at_once(void **state)
{
	struct proc *veteran;

	(void)state;
	begin(0, 10);
	veteran = fx.m.places[0].incumbent;
	fixture_block(veteran);
	follow(0);
	assert_int_equal(veteran->state, PROC_DRAINING);
	(void)step();
	proc_on_reaped(fx.m.places[1].successor, EXITED(1));
	assert_int_equal(veteran->state, PROC_READY);
	assert_undone();
}

static void
the_ready_of_a_veteran_that_is_not_wanted_after_all_is_ignored(void **state)
{
	struct proc *veteran;

	(void)state;
	begin(0, 10);
	veteran = fx.m.places[0].incumbent;
	follow(0);
	(void)step();
	proc_on_reaped(fx.m.places[1].successor, EXITED(1));
	place_keep(&fx.m.places[0]);
	fixture_say(veteran, CTL_READY, NULL, 0);
	assert_int_equal(veteran->state, PROC_DRAINING);
	assert_true(ev_is_active(&veteran->deadline_w));
}

static void
an_outsiders_kill_undoes_nothing(void **state)
{
	struct place *pl = &fx.m.places[1];

	(void)state;
	begin(0, 10);
	proc_on_reaped(fx.m.places[0].successor, SIGKILL);
	assert_int_equal(fx.m.roll.phase, ROLL_PROVING);
	place_rescue(&fx.m.places[0]);
	fx.m.places[0].wants_token = false;
	place_fork_due(&fx.m);
	follow(0);
	(void)step();
	follow(1);
	proc_on_reaped(pl->incumbent, SIGTERM);
	assert_int_equal(fx.m.roll.phase, ROLL_ROLLING);
	place_fork_due(&fx.m);
	assert_ptr_equal(pl->incumbent->generation, to);
	(void)step();
	/* One we killed ourselves is no outsider's. */
	pl->incumbent->is_killed = true;
	proc_on_reaped(pl->incumbent, SIGKILL);
	assert_int_equal(fx.m.roll.phase, ROLL_UNDOING);
}

static void
an_old_child_that_dies_meanwhile_costs_nothing(void **state)
{
	struct place *pl = &fx.m.places[0];
	struct proc *canary;

	(void)state;
	begin(0, 10);
	canary = pl->successor;
	proc_on_reaped(pl->incumbent, SIGSEGV);
	assert_int_equal(fx.m.roll.phase, ROLL_PROVING);
	assert_ptr_equal(pl->incumbent, canary);
	fixture_rise(canary);
	assert_int_equal(step(), ROLL_ROLLING);
	assert_ptr_equal(fx.m.places[1].generation, to);
}

/* ---- watching ---- */

static void
a_crash_while_watched_undoes_it(void **state)
{
	int i;

	(void)state;
	roll_all(10);
	proc_on_reaped(fx.m.places[1].incumbent, SIGSEGV);
	assert_int_equal(fx.m.roll.phase, ROLL_UNDOING);
	assert_ptr_equal(fx.m.generation, from);
	for (i = 0; i < FIXTURE_PLACES; i++) {
		struct place *pl = &fx.m.places[i];
		struct proc *p =
		    pl->successor != NULL ? pl->successor : pl->incumbent;

		assert_ptr_equal(p->generation, from);
		fixture_say(p, CTL_READY, NULL, 0);
	}
	assert_undone();
}

static void
what_left_already_is_forked_anew_within_the_surge(void **state)
{
	struct proc *p, *next;
	int i, forks;

	(void)state;
	roll_all(10);
	TAILQ_FOREACH_SAFE(p, &fx.m.procs, entry, next)
		if (p->state == PROC_DRAINING)
			proc_on_reaped(p, 0);
	forks = fx.forks;
	proc_on_reaped(fx.m.places[2].incumbent, SIGSEGV);
	place_fork_due(&fx.m);
	assert_int_equal(fx.forks, forks + 1);
	fixture_rise(fx.m.places[2].incumbent);
	for (i = 0; i < 2; i++) {
		assert_int_equal(step(), ROLL_UNDOING);
		assert_int_equal(fx.forks, forks + 2 + i);
		fixture_rise(fx.m.places[i].successor);
	}
	assert_undone();
}

static void
an_undo_that_stalls_leaves_no_place_to_the_dead_generation(void **state)
{
	struct proc *p, *next;
	int i;

	(void)state;
	roll_all(10);
	TAILQ_FOREACH_SAFE(p, &fx.m.procs, entry, next)
		if (p->state == PROC_DRAINING)
			proc_on_reaped(p, 0);
	proc_on_reaped(fx.m.places[2].incumbent, SIGSEGV);
	fx.fork_fails = true;
	assert_int_equal(step(), ROLL_UNDOING);
	pass(LONG_NS / NSEC_PER_SEC);
	assert_int_equal(step(), ROLL_UNDONE);
	for (i = 0; i < FIXTURE_PLACES; i++)
		assert_ptr_equal(fx.m.places[i].generation, from);
	fx.fork_fails = false;
	for (i = 0; i < 2; i++)
		proc_on_reaped(fx.m.places[i].incumbent, SIGKILL);
	generation_sweep(&fx.m);
	place_fork_due(&fx.m);
	assert_ptr_equal(fx.m.places[0].incumbent->generation, from);
}

static void
a_newer_operation_commits_early_but_only_what_is_watched(void **state)
{
	(void)state;
	begin(0, 10);
	roll_commit(&fx.m);
	assert_int_equal(fx.m.roll.phase, ROLL_PROVING);
	follow(0);
	(void)step();
	follow(1);
	(void)step();
	follow(2);
	assert_int_equal(step(), ROLL_WATCHING);
	roll_commit(&fx.m);
	assert_int_equal(step(), ROLL_COMMITTED);
	/* Too late to undo it. */
	proc_on_reaped(fx.m.places[0].incumbent, SIGSEGV);
	assert_int_equal(fx.m.roll.phase, ROLL_IDLE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_fixture(a_canary_gets_no_traffic_before_it_is_proven),
		with_fixture(a_canary_serves_at_once_when_nobody_else_does),
		with_fixture(
		    a_canary_that_dies_changes_nothing_and_its_reason_is_kept),
		with_fixture(a_canary_that_never_gets_ready_is_given_up),
		with_fixture(forks_that_fail_are_the_reason_of_a_stall),
		with_fixture(
		    one_place_follows_the_other_and_accepting_never_drops),
		with_fixture(
		    watching_is_reached_before_it_is_left_even_with_no_time_to_watch),
		with_fixture(
		    the_third_that_crashes_brings_back_those_that_still_drain),
		with_fixture(a_veteran_that_leaves_instead_is_replaced),
		with_fixture(
		    children_that_come_and_go_do_not_keep_a_roll_alive),
		with_fixture(
		    a_veteran_that_never_heard_of_its_drain_is_back_at_once),
		with_fixture(
		    a_veteran_on_its_way_drains_again_when_the_server_stops),
		with_fixture(
		    a_veteran_on_its_way_is_not_cut_when_the_incumbent_is_kept),
		with_fixture(
		    the_ready_of_a_veteran_that_is_not_wanted_after_all_is_ignored),
		with_fixture(an_outsiders_kill_undoes_nothing),
		with_fixture(an_old_child_that_dies_meanwhile_costs_nothing),
		with_fixture(a_crash_while_watched_undoes_it),
		with_fixture(what_left_already_is_forked_anew_within_the_surge),
		with_fixture(
		    an_undo_that_stalls_leaves_no_place_to_the_dead_generation),
		with_fixture(
		    a_newer_operation_commits_early_but_only_what_is_watched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Hearts that do not beat. Time passes by setting clocks back. */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/fixture.h"

static int signals[8], nsignals;

void __wrap_proc_signal(struct proc *, int);

void
__wrap_proc_signal(struct proc *p, int sig)
{
	(void)p;
	if (nsignals < (int)nitems(signals))
		signals[nsignals++] = sig;
}

static int
open_ready(void **state)
{
	nsignals = 0;
	fixture_open(state);
	fixture_all_ready();
	fx.m.tick_ns = mono_ns();
	return 0;
}

#define with_ready(f)                                                          \
	cmocka_unit_test_setup_teardown(f, open_ready, fixture_close)

static struct proc *
child(int place)
{
	return fx.m.places[place].incumbent;
}

static void
beat(struct proc *p)
{
	struct board_page *page = fixture_page(p);

	board_set(page, BOARD_HEARTBEAT_NS,
	    page->gauges[BOARD_HEARTBEAT_NS] + 1);
	assert_int_equal(munmap(page, BOARD_PAGE_BYTES), 0);
}

/* So many seconds pass for this child, in which the master ticked on. */
static void
wait_for(struct proc *p, double seconds)
{
	fx.m.tick_ns = mono_ns();
	if (p->beat_ns != 0)
		p->beat_ns -= (uint64_t)(seconds * (double)NSEC_PER_SEC);
	watch_tick(&fx.m);
}

/* Its heart was seen to beat once, and stops. */
static void
stop_heart(struct proc *p)
{
	beat(p);
	watch_tick(&fx.m);
	assert_true(watch_is_beating(p));
}

/* Its heart stops before it is READY, and it takes no notice of SIGABRT. */
static void
what_a_child_says_after_it_was_aborted_does_not_save_it(void **state)
{
	struct proc *p = child(0);

	(void)state;
	p->state = PROC_PREPARED;
	fx.m.count[PROC_READY]--;
	fx.m.count[PROC_PREPARED]++;
	stop_heart(p);
	wait_for(p, 11);
	assert_true(p->is_hung);
	fixture_say(p, CTL_READY, NULL, 0);
	assert_int_equal(p->state, PROC_PREPARED);
	assert_true(ev_is_active(&p->deadline_w));
}

/* Its successor came in the meantime. */
static void
an_aborted_child_is_not_given_the_time_of_a_drain(void **state)
{
	struct proc *p = child(0);

	(void)state;
	stop_heart(p);
	wait_for(p, 11);
	assert_true(p->is_hung);
	proc_drain(p, CTL_RELOAD);
	assert_true(ev_timer_remaining(fx.m.loop, &p->deadline_w) < 3);
}

static void
a_beating_child_stays_ready(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 20; i++) {
		beat(child(0));
		wait_for(child(0), 1.5);
		assert_int_equal(child(0)->state, PROC_READY);
	}
	assert_true(watch_is_beating(child(0)));
	assert_int_equal(nsignals, 0);
}

static void
a_silent_child_is_suspect_and_its_slot_is_adopted(void **state)
{
	struct ctl_msg msg;

	(void)state;
	stop_heart(child(1));
	wait_for(child(1), 1.8);
	assert_int_equal(child(1)->state, PROC_READY);
	wait_for(child(1), 0.2);
	assert_int_equal(child(1)->state, PROC_SUSPECT);
	assert_false(watch_is_beating(child(1)));
	assert_true(fx.m.is_changed);
	slot_update(&fx.m);
	assert_int_equal(fixture_heard(child(0), &msg), CTL_ADOPT);
	assert_int_equal(msg.body.slot.id, 11);
	assert_int_equal(nsignals, 0);
	assert_int_equal(fx.m.hangs, 0);
}

static void
a_suspect_whose_heart_beats_again_is_ready(void **state)
{
	(void)state;
	stop_heart(child(1));
	wait_for(child(1), 2);
	assert_int_equal(child(1)->state, PROC_SUSPECT);
	beat(child(1));
	wait_for(child(1), 0);
	assert_int_equal(child(1)->state, PROC_READY);
	assert_int_equal(nsignals, 0);
}

static void
a_hung_child_is_aborted_once_and_counted(void **state)
{
	(void)state;
	stop_heart(child(1));
	wait_for(child(1), 2);
	wait_for(child(1), 8);
	assert_int_equal(nsignals, 2);
	assert_int_equal(signals[0], SIGABRT);
	assert_int_equal(signals[1], SIGCONT);
	assert_int_equal(fx.m.hangs, 1);
	assert_true(child(1)->is_hung);
	/* What its obituary, and a reload that fails by it, give as reason. */
	assert_non_null(strstr(child(1)->last_words, "it hung; handler "));
	assert_true(ev_is_active(&child(1)->deadline_w));
	wait_for(child(1), 8);
	assert_int_equal(nsignals, 2);
	assert_int_equal(fx.m.hangs, 1);
}

/* A beat after SIGABRT is no way out. */
static void
a_child_that_was_told_to_abort_is_not_looked_at_any_more(void **state)
{
	(void)state;
	stop_heart(child(1));
	wait_for(child(1), 2);
	wait_for(child(1), 8);
	beat(child(1));
	wait_for(child(1), 0);
	assert_int_equal(child(1)->state, PROC_SUSPECT);
}

static void
a_hung_child_that_is_to_drain_has_no_longer_to_live(void **state)
{
	(void)state;
	stop_heart(child(1));
	wait_for(child(1), 2);
	wait_for(child(1), 8);
	proc_drain(child(1), CTL_RELOAD);
	assert_true(ev_is_active(&child(1)->deadline_w));
	assert_true(
	    ev_timer_remaining(fx.m.loop, &child(1)->deadline_w) <= 2.5);
}

static void
a_draining_child_that_hangs_is_aborted_but_never_suspect(void **state)
{
	(void)state;
	stop_heart(child(1));
	proc_drain(child(1), CTL_OPERATOR);
	wait_for(child(1), 5);
	assert_int_equal(child(1)->state, PROC_DRAINING);
	wait_for(child(1), 5);
	assert_int_equal(nsignals, 2);
	assert_int_equal(child(1)->state, PROC_DRAINING);
}

static void
a_late_tick_of_our_own_excuses_all(void **state)
{
	(void)state;
	stop_heart(child(1));
	child(1)->beat_ns -= 60 * NSEC_PER_SEC;
	fx.m.tick_ns = mono_ns() - 2 * NSEC_PER_SEC;
	watch_tick(&fx.m);
	assert_int_equal(child(1)->state, PROC_READY);
	assert_int_equal(nsignals, 0);
	/* For one turn. */
	wait_for(child(1), 2);
	assert_int_equal(child(1)->state, PROC_SUSPECT);
}

/* A process that stands still, traced by its parent. */
static pid_t
fork_traced(void)
{
	pid_t victim = fork();
	int status;

	if (victim == 0) {
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		(void)raise(SIGSTOP);
		_exit(0);
	}
	return waitpid(victim, &status, WUNTRACED) == victim ? victim : -1;
}

/* The child is silent for a minute, and is this process. */
static void
be_silent_as(pid_t pid)
{
	pid_t saved = child(1)->pid;

	stop_heart(child(1));
	child(1)->pid = pid;
	wait_for(child(1), 60);
	child(1)->pid = saved;
}

static void
end_process(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void
a_traced_child_is_left_alone(void **state)
{
	pid_t debugger, victim;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	debugger = fork();
	if (debugger == 0) {
		victim = fork_traced();
		/* It does not outlive us. */
		(void)ptrace(PTRACE_SETOPTIONS, victim, NULL,
		    PTRACE_O_EXITKILL);
		(void)!write(fds[1], &victim, sizeof(victim));
		for (;;)
			(void)pause();
	}
	assert_int_equal(read(fds[0], &victim, sizeof(victim)), sizeof(victim));
	assert_true(victim > 0);
	be_silent_as(victim);
	assert_int_equal(child(1)->state, PROC_READY);
	assert_int_equal(nsignals, 0);
	end_process(debugger);
	closefd(&fds[0]);
	closefd(&fds[1]);
}

static void
a_child_that_names_us_its_tracer_is_aborted_all_the_same(void **state)
{
	pid_t victim = fork_traced();

	(void)state;
	assert_true(victim > 0);
	be_silent_as(victim);
	assert_int_equal(nsignals, 2);
	assert_true(child(1)->is_hung);
	end_process(victim);
}

static void
what_a_child_says_it_does_is_only_compared(void **state)
{
	struct board_page *page;

	(void)state;
	page = fixture_page(child(1));
	(void)memset(page, 0xff, BOARD_PAGE_BYTES);
	assert_int_equal(munmap(page, BOARD_PAGE_BYTES), 0);
	watch_tick(&fx.m);
	wait_for(child(1), 2);
	wait_for(child(1), 8);
	assert_int_equal(fx.m.hangs, 1);
}

static void
a_canary_that_hangs_is_aborted(void **state)
{
	struct proc *p;

	(void)state;
	place_replace(&fx.m.places[0], &fx.generation, CTL_RELOAD, true);
	place_fork_due(&fx.m);
	p = fx.m.places[0].successor;
	assert_non_null(p);
	fixture_say(p, CTL_PREPARED, NULL, 0);
	assert_true(p->is_held);
	stop_heart(p);
	wait_for(p, 10);
	assert_int_equal(fx.m.hangs, 1);
	assert_int_equal(p->state, PROC_PREPARED);
}

static void
a_child_that_is_not_prepared_is_start_timeouts_matter(void **state)
{
	struct proc *p;

	(void)state;
	proc_on_reaped(child(0), SIGKILL);
	place_fork_due(&fx.m);
	p = child(0);
	assert_int_equal(p->state, PROC_STARTING);
	wait_for(p, 60);
	assert_int_equal(p->beat_ns, 0);
	assert_int_equal(nsignals, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_ready(a_beating_child_stays_ready),
		with_ready(
		    what_a_child_says_after_it_was_aborted_does_not_save_it),
		with_ready(an_aborted_child_is_not_given_the_time_of_a_drain),
		with_ready(a_silent_child_is_suspect_and_its_slot_is_adopted),
		with_ready(a_suspect_whose_heart_beats_again_is_ready),
		with_ready(a_hung_child_is_aborted_once_and_counted),
		with_ready(
		    a_child_that_was_told_to_abort_is_not_looked_at_any_more),
		with_ready(a_hung_child_that_is_to_drain_has_no_longer_to_live),
		with_ready(
		    a_draining_child_that_hangs_is_aborted_but_never_suspect),
		with_ready(a_late_tick_of_our_own_excuses_all),
		with_ready(a_traced_child_is_left_alone),
		with_ready(
		    a_child_that_names_us_its_tracer_is_aborted_all_the_same),
		with_ready(what_a_child_says_it_does_is_only_compared),
		with_ready(a_canary_that_hangs_is_aborted),
		with_ready(
		    a_child_that_is_not_prepared_is_start_timeouts_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs of the checker: what becomes of what it says, and of one that goes
 * wrong, with a master that waits and with one that does not. child_main() is
 * wrapped. */
#include "master/checkrun.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "master/master.h"

#define PATIENCE_SECONDS 5.

/* What the process that is born does. */
static void (*birth)(const struct heritage *);

NORETURN void __wrap_child_main(const struct heritage *);

NORETURN void
__wrap_child_main(const struct heritage *h)
{
	birth(h);
	_exit(0);
}

static struct checkrun_result result;

static int
check(void)
{
	struct conf conf;
	int rc;

	checkrun_result_fini(&result);
	conf_init(&conf);
	rc = checkrun_wait(&conf, &result);
	conf_free(&conf);
	return rc;
}

static void
answer(const struct heritage *h)
{
	(void)dprintf(h->ctl, "processes=3\n");
}

static void
refuse(const struct heritage *h)
{
	(void)dprintf(h->ctl, "no such \x1b[1mhandler\ntry echo\n");
	_exit(EXIT_BAD_CONFIG);
}

/* As a handler's code might. */
static void
report_rudely(const struct heritage *h)
{
	static const char text[] = "processes=3\n\0tine: a\x1b[2Jb\n\xc3\xa4\n";

	assert_int_equal(write(h->ctl, text, sizeof(text) - 1),
	    sizeof(text) - 1);
}

static void
wait_for_ever(const struct heritage *h)
{
	(void)dprintf(h->ctl, "processes=3\n");
	for (;;)
		(void)pause();
}

static void
refuse_oddly(const struct heritage *h)
{
	(void)dprintf(h->ctl, "odd\n");
	_exit(7);
}

static void
crash(const struct heritage *h)
{
	(void)h;
	(void)kill(getpid(), SIGKILL);
}

static void
say_nothing(const struct heritage *h)
{
	(void)h;
}

static void
the_answer_of_the_check_comes_back(void **state)
{
	(void)state;
	birth = answer;
	assert_int_equal(check(), 0);
	assert_string_equal(result.text, "processes=3\n");
}

static void
the_report_is_cleaned_of_what_a_terminal_obeys(void **state)
{
	(void)state;
	birth = report_rudely;
	assert_int_equal(check(), 0);
	assert_string_equal(result.text, "processes=3\n");
	assert_string_equal(result.report, "tine: a?[2Jb\n??\n");
}

static void
a_refusal_brings_text_hint_and_code(void **state)
{
	(void)state;
	birth = refuse;
	assert_int_equal(check(), -1);
	assert_int_equal(result.err.code, EXIT_BAD_CONFIG);
	assert_string_equal(result.err.text, "no such \\x1b[1mhandler");
	assert_string_equal(result.err.hint, "try echo");
	assert_null(result.text);
}

static void
an_exit_code_that_is_not_ours_means_bad_configuration(void **state)
{
	(void)state;
	birth = refuse_oddly;
	assert_int_equal(check(), -1);
	assert_int_equal(result.err.code, EXIT_BAD_CONFIG);
	assert_string_equal(result.err.text, "odd");
}

static void
a_check_that_crashes_is_told_as_that(void **state)
{
	(void)state;
	birth = crash;
	assert_int_equal(check(), -1);
	assert_int_equal(result.err.code, EXIT_BAD_CONFIG);
	assert_string_equal(result.err.text,
	    "the check of the configuration ended: signal 9 (Killed)");
}

static void
a_check_that_says_nothing_has_failed(void **state)
{
	(void)state;
	birth = say_nothing;
	assert_int_equal(check(), -1);
	assert_int_equal(result.err.code, EXIT_BAD_CONFIG);
}

/* ---- later ---- */

static struct master m;
static struct conf said;

static int
open_master(void **state)
{
	(void)state;
	conf_init(&said);
	m = (struct master){ .said = &said, .log_fd = 2 };
	TAILQ_INIT(&m.checkruns);
	m.loop = ev_default_loop(EVFLAG_NOENV);
	return 0;
}

static int
close_master(void **state)
{
	(void)state;
	assert_true(TAILQ_EMPTY(&m.checkruns));
	ev_loop_destroy(m.loop);
	conf_free(&said);
	return 0;
}

static void
on_late(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void
turn_until_changed(void)
{
	ev_timer late_w;

	ev_timer_init(&late_w, on_late, PATIENCE_SECONDS, 0.);
	ev_timer_start(m.loop, &late_w);
	while (!m.is_changed && ev_is_active(&late_w))
		(void)ev_run(m.loop, EVRUN_ONCE);
	ev_timer_stop(m.loop, &late_w);
	assert_true(m.is_changed);
}

static void
a_run_that_nobody_waits_for_forks_later_and_is_done_later(void **state)
{
	struct checkrun *run;

	(void)state;
	birth = answer;
	run = checkrun_new(&m);
	assert_non_null(run);
	assert_int_equal(run->pid, 0);
	checkrun_fork_due(&m);
	assert_true(run->pid > 0);
	assert_false(run->is_done);
	turn_until_changed();
	assert_true(run->is_done);
	assert_string_equal(run->result.text, "processes=3\n");
	assert_string_equal(run->result.report, "");
	/* It was forked once. */
	checkrun_fork_due(&m);
	assert_int_equal(run->pid, 0);
	checkrun_free(&run);
	assert_null(run);
}

static void
two_runs_at_once_have_their_own_results(void **state)
{
	struct checkrun *one, *two;

	(void)state;
	birth = refuse;
	one = checkrun_new(&m);
	checkrun_fork_due(&m);
	birth = answer;
	two = checkrun_new(&m);
	checkrun_fork_due(&m);
	while (!one->is_done || !two->is_done) {
		m.is_changed = false;
		turn_until_changed();
	}
	assert_null(one->result.text);
	assert_string_equal(one->result.err.hint, "try echo");
	assert_string_equal(two->result.text, "processes=3\n");
	checkrun_free(&one);
	checkrun_free(&two);
}

static void
a_run_that_is_forgotten_is_killed(void **state)
{
	struct checkrun *run;
	pid_t pid;
	int status;

	(void)state;
	birth = wait_for_ever;
	run = checkrun_new(&m);
	checkrun_fork_due(&m);
	pid = run->pid;
	checkrun_free(&run);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	/* One that was never forked has nobody to kill. */
	run = checkrun_new(&m);
	checkrun_free(&run);
}

static void
a_run_that_takes_too_long_is_killed_and_told_as_that(void **state)
{
	struct checkrun *run;
	pid_t pid;
	int status;

	(void)state;
	birth = wait_for_ever;
	run = checkrun_new(&m);
	checkrun_fork_due(&m);
	pid = run->pid;
	ev_invoke(m.loop, &run->patience_w, EV_TIMER);
	assert_true(run->is_done);
	assert_null(run->result.text);
	assert_string_equal(run->result.err.text,
	    "the check of the configuration took longer than 10 s");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	checkrun_free(&run);
}

#define with_master(f)                                                         \
	cmocka_unit_test_setup_teardown(f, open_master, close_master)

static int
forget_result(void **state)
{
	(void)state;
	checkrun_result_fini(&result);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answer_of_the_check_comes_back),
		cmocka_unit_test(
		    the_report_is_cleaned_of_what_a_terminal_obeys),
		cmocka_unit_test(a_refusal_brings_text_hint_and_code),
		cmocka_unit_test(
		    an_exit_code_that_is_not_ours_means_bad_configuration),
		cmocka_unit_test(a_check_that_crashes_is_told_as_that),
		cmocka_unit_test(a_check_that_says_nothing_has_failed),
		with_master(
		    a_run_that_nobody_waits_for_forks_later_and_is_done_later),
		with_master(two_runs_at_once_have_their_own_results),
		with_master(a_run_that_is_forgotten_is_killed),
		with_master(
		    a_run_that_takes_too_long_is_killed_and_told_as_that),
	};

	return cmocka_run_group_tests_name("checkrun", tests, NULL,
	    forget_result);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Reload: from what the checker said to a generation that serves, or back. */
#include "tests/unit/fixture.h"

#include <signal.h>
#include <stdio.h>

#define EXITED(code) ((code) << 8)
#define LONG_NS (100 * NSEC_PER_SEC)

static int
setup(void **state)
{
	struct err err;

	if (fixture_open(state) == -1 ||
	    conf_set(&fx.generation.conf, "log.file", "stderr", &err) == -1)
		return -1;
	/* As if generation 1 had come from a text, too. */
	fx.generation.conf.processes_max = FIXTURE_PLACES;
	fx.listener->said_port = 9;
	fixture_all_ready();
	return 0;
}

/* What the checker says: ours, with these settings; ended by NULL. */
static void
answer(const char *key, const char *value)
{
	struct checkrun *run = fx.m.reload.run;
	struct conf conf;
	struct err err;
	FILE *f;

	conf_init(&conf);
	assert_int_equal(
	    conf_set(&conf, "servers.0.listen", "tcp://127.0.0.1:9", &err), 0);
	conf.processes = conf.processes_max = FIXTURE_PLACES;
	conf.prove = 0;
	assert_int_equal(conf_set(&conf, "log.file", "stderr", &err), 0);
	if (key != NULL)
		assert_int_equal(conf_set(&conf, key, value, &err), 0);
	f = open_memstream(&run->result.text, &run->result.len);
	assert_non_null(f);
	assert_int_equal(conf_print(&conf, f), 0);
	(void)fclose(f);
	conf_free(&conf);
	run->is_due = false;
	run->is_done = true;
	op_step(&fx.m);
}

static uint32_t
ask(void)
{
	uint32_t ticket = op_ask(&fx.m, OP_RELOAD, 0);

	op_step(&fx.m);
	assert_int_equal(fx.m.state, MASTER_RELOADING);
	assert_non_null(fx.m.reload.run);
	return ticket;
}

/* Each place's next child serves. */
static void
follow_all(void)
{
	int i;

	for (i = 0; i < FIXTURE_PLACES; i++) {
		place_fork_due(&fx.m);
		fixture_rise(fx.m.places[i].successor);
		op_step(&fx.m);
	}
}

static const struct op_result *
failure(uint32_t ticket)
{
	const struct op_result *r;

	assert_int_equal(op_verdict(&fx.m, ticket, &r), OP_FAILED);
	assert_ptr_equal(fx.m.generation, &fx.generation);
	assert_int_equal(fx.m.state, MASTER_RUNNING);
	return r;
}

static void
with_nothing_changed_it_is_a_new_generation_all_the_same(void **state)
{
	const struct op_result *r;
	uint32_t ticket = ask();

	(void)state;
	answer(NULL, NULL);
	follow_all();
	assert_int_equal(fx.m.state, MASTER_RUNNING);
	assert_int_equal(fx.m.generation->number, 2);
	assert_int_equal(fx.m.reloads, 1);
	assert_int_equal(op_verdict(&fx.m, ticket, &r), OP_UNDECIDED);
	fx.m.roll.since_ns -= LONG_NS;
	op_step(&fx.m);
	assert_int_equal(op_verdict(&fx.m, ticket, &r), OP_DONE);
	assert_int_equal(fx.m.min_accepting, FIXTURE_PLACES);
	assert_int_equal(fx.m.rollbacks, 0);
	assert_int_equal(fx.m.nlisteners, 1);
}

static void
with_no_time_to_watch_it_ends_when_all_are_ready(void **state)
{
	const struct op_result *r;
	uint32_t ticket = ask();

	(void)state;
	answer("timing.commit", "0");
	follow_all();
	assert_int_equal(op_verdict(&fx.m, ticket, &r), OP_DONE);
	assert_int_equal(fx.m.reloads, 1);
	assert_int_equal(fx.m.ops.ticket, 0);
}

static void
what_the_checker_refuses_fails_it_with_its_report(void **state)
{
	const struct op_result *r;
	uint32_t ticket = ask();
	struct checkrun *run = fx.m.reload.run;

	(void)state;
	(void)err_set(&run->result.err, EXIT_BAD_CONFIG, "line 3: no");
	run->result.report = strdup("line 3: no\nline 4: neither\n");
	run->is_done = true;
	op_step(&fx.m);
	r = failure(ticket);
	assert_string_equal(r->err.text, "line 3: no");
	assert_string_equal(r->report, "line 3: no\nline 4: neither\n");
	assert_string_equal(fx.m.last_error.text, "reload failed: line 3: no");
	assert_null(fx.m.reload.run);
	assert_int_equal(fx.forks, FIXTURE_PLACES);
}

static void
what_cannot_change_fails_it(void **state)
{
	static const char *const keys[] = { "pid-file", "control", "admin" };
	uint32_t ticket;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(keys); i++) {
		ticket = ask();
		answer(keys[i],
		    i == 2 ? "tcp://127.0.0.1:8" : "/tmp/tine-test.other");
		assert_non_null(strstr(failure(ticket)->err.text,
		    "cannot change at a reload: it is not set"));
		assert_int_equal(fx.m.last_generation, 1);
	}
}

static void
a_text_that_is_none_fails_it(void **state)
{
	uint32_t ticket = ask();
	struct checkrun *run = fx.m.reload.run;

	(void)state;
	run->result.text = strdup("nonsense\n");
	run->result.len = strlen(run->result.text);
	run->is_done = true;
	op_step(&fx.m);
	(void)failure(ticket);
}

static void
an_address_that_cannot_be_had_fails_it_before_any_fork(void **state)
{
	uint32_t ticket = ask();

	(void)state;
	answer("servers.0.listen", "tcp://192.0.2.1:1");
	assert_non_null(strstr(failure(ticket)->err.text, "192.0.2.1"));
	assert_int_equal(fx.m.nlisteners, 1);
	place_fork_due(&fx.m);
	assert_int_equal(fx.forks, FIXTURE_PLACES);
	assert_ptr_equal(TAILQ_FIRST(&fx.m.generations),
	    TAILQ_LAST(&fx.m.generations, generation_list));
}

static void
it_waits_while_too_many_old_generations_drain(void **state)
{
	struct generation *old = fixture_next(0, 0);

	(void)state;
	fx.generation.conf.max_old_generations = 1;
	old->children = 1;
	(void)ask();
	answer(NULL, NULL);
	assert_int_equal(fx.m.reload.phase, RELOAD_WAITING);
	/* As between two turns of the loop. */
	generation_sweep(&fx.m);
	op_step(&fx.m);
	assert_int_equal(fx.m.roll.phase, ROLL_IDLE);
	old->children = 0;
	generation_sweep(&fx.m);
	op_step(&fx.m);
	assert_int_equal(fx.m.roll.phase, ROLL_PROVING);
	assert_int_equal(fx.m.roll.to->number, 3);
}

static void
it_waits_for_what_the_last_one_left_to_close(void **state)
{
	(void)state;
	fx.listener->is_closing = true;
	(void)ask();
	answer(NULL, NULL);
	assert_int_equal(fx.m.reload.phase, RELOAD_WAITING);
	fx.listener->is_closing = false;
	op_step(&fx.m);
	assert_int_equal(fx.m.reload.phase, RELOAD_ROLLING);
}

static void
a_crash_rolls_it_back_and_the_childs_words_are_the_reason(void **state)
{
	static const char text[] = "no";
	struct proc *canary;
	uint32_t ticket = ask();

	(void)state;
	answer(NULL, NULL);
	place_fork_due(&fx.m);
	canary = fx.m.places[0].successor;
	fixture_say(canary, CTL_FATAL, text, sizeof(text) - 1);
	proc_on_reaped(canary, EXITED(1));
	op_step(&fx.m);
	assert_string_equal(failure(ticket)->err.text, "child 0: no");
	assert_int_equal(fx.m.rollbacks, 1);
	assert_int_equal(fx.m.reloads, 0);
	assert_string_equal(fx.m.last_error.text, "reload failed: child 0: no");
}

static void
a_crash_within_commit_rolls_it_back(void **state)
{
	uint32_t ticket = ask();
	int i;

	(void)state;
	answer(NULL, NULL);
	follow_all();
	assert_int_equal(fx.m.state, MASTER_RUNNING);
	proc_on_reaped(fx.m.places[1].incumbent, SIGSEGV);
	op_step(&fx.m);
	assert_int_equal(fx.m.state, MASTER_RELOADING);
	for (i = 0; i < FIXTURE_PLACES; i++) {
		struct place *pl = &fx.m.places[i];

		fixture_say(pl->successor != NULL ? pl->successor
						  : pl->incumbent,
		    CTL_READY, NULL, 0);
	}
	op_step(&fx.m);
	(void)failure(ticket);
	assert_int_equal(fx.m.rollbacks, 1);
}

static void
more_children_are_a_part_of_it_and_are_undone_with_it(void **state)
{
	uint32_t ticket;
	int i;

	(void)state;
	fx.listener->url.port = 0;
	assert_int_equal(addr_from_ip(&fx.listener->addr, "127.0.0.1", 0), 0);
	ticket = ask();
	answer("processes", "4");
	follow_all();
	assert_int_equal(fx.m.reload.phase, RELOAD_RESIZING);
	assert_int_equal(fx.m.nplaces, 4);
	place_fork_due(&fx.m);
	proc_on_reaped(fx.m.places[3].incumbent, SIGSEGV);
	op_step(&fx.m);
	assert_int_equal(fx.m.nplaces, FIXTURE_PLACES);
	for (i = 0; i < FIXTURE_PLACES; i++)
		fixture_say(fx.m.places[i].successor, CTL_READY, NULL, 0);
	op_step(&fx.m);
	(void)failure(ticket);
	place_fork_due(&fx.m);
	assert_int_equal(fx.m.nplaces_used, FIXTURE_PLACES);
	assert_int_equal(fx.m.ops.pending[OP_SCALE].ticket, 0);
}

static void
fewer_children_that_were_there_come_back_with_it(void **state)
{
	uint32_t ticket = ask();
	int i;

	(void)state;
	answer("processes", "2");
	follow_all();
	assert_int_equal(fx.m.reload.phase, RELOAD_RESIZING);
	assert_int_equal(fx.m.nplaces, 2);
	proc_on_reaped(fx.m.places[0].incumbent, SIGSEGV);
	op_step(&fx.m);
	assert_int_equal(fx.m.nplaces, FIXTURE_PLACES);
	assert_false(fx.listener->slots[2].is_excluded);
	for (i = 0; i < FIXTURE_PLACES; i++) {
		struct place *pl = &fx.m.places[i];

		fixture_say(pl->successor != NULL ? pl->successor
						  : pl->incumbent,
		    CTL_READY, NULL, 0);
		op_step(&fx.m);
	}
	(void)failure(ticket);
}

static void
who_asks_for_a_number_meanwhile_has_the_last_word(void **state)
{
	(void)state;
	(void)ask();
	answer("processes", "2");
	follow_all();
	fx.m.scale.since_ns -= NSEC_PER_SEC;
	for (int i = 0; i < 3; i++)
		op_step(&fx.m);
	assert_int_equal(fx.m.reload.phase, RELOAD_WATCHING);
	assert_int_equal(fx.m.nplaces, 2);
	proc_on_reaped(fx.m.places[1].incumbent, SIGSEGV);
	op_step(&fx.m);
	(void)scale_ask(&fx.m, 1);
	for (int i = 0; i < 2; i++)
		fixture_say(fx.m.places[i].successor != NULL
			? fx.m.places[i].successor
			: fx.m.places[i].incumbent,
		    CTL_READY, NULL, 0);
	op_step(&fx.m);
	assert_int_equal(fx.m.state, MASTER_SCALING);
	assert_int_equal(op_wanted_children(&fx.m), 1);
}

static void
a_stop_ends_it_wherever_it_is(void **state)
{
	const struct op_result *r;
	uint32_t ticket;

	(void)state;
	ticket = ask();
	op_cancel_all(&fx.m);
	assert_int_equal(op_verdict(&fx.m, ticket, &r), OP_FAILED);
	assert_null(fx.m.reload.run);
	fx.m.state = MASTER_RUNNING;
	ticket = ask();
	answer("processes", "2");
	follow_all();
	op_cancel_all(&fx.m);
	assert_int_equal(fx.m.nplaces, FIXTURE_PLACES);
	assert_int_equal(op_verdict(&fx.m, ticket, &r), OP_FAILED);
	fx.m.state = MASTER_STOPPING;
}

#define reloaded(f) cmocka_unit_test_setup_teardown(f, setup, fixture_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		reloaded(
		    with_nothing_changed_it_is_a_new_generation_all_the_same),
		reloaded(with_no_time_to_watch_it_ends_when_all_are_ready),
		reloaded(what_the_checker_refuses_fails_it_with_its_report),
		reloaded(what_cannot_change_fails_it),
		reloaded(a_text_that_is_none_fails_it),
		reloaded(
		    an_address_that_cannot_be_had_fails_it_before_any_fork),
		reloaded(it_waits_while_too_many_old_generations_drain),
		reloaded(it_waits_for_what_the_last_one_left_to_close),
		reloaded(
		    a_crash_rolls_it_back_and_the_childs_words_are_the_reason),
		reloaded(a_crash_within_commit_rolls_it_back),
		reloaded(more_children_are_a_part_of_it_and_are_undone_with_it),
		reloaded(fewer_children_that_were_there_come_back_with_it),
		reloaded(who_asks_for_a_number_meanwhile_has_the_last_word),
		reloaded(a_stop_ends_it_wherever_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

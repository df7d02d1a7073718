/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations: their order, their tickets, and what becomes of them. */
#include "tests/unit/fixture.h"

#include <ctype.h>

static char said[64]; /* a letter for each call of an operation's function */
static int last_target;
static bool ends_at_once[OP_NKINDS];

static void
say(char c)
{
	size_t n = strlen(said);

	assert_true(n + 1 < sizeof(said));
	said[n] = c;
	said[n + 1] = '\0';
}

static void
finish(struct master *m)
{
	op_end(m, OP_DONE, NULL, NULL);
}

/* reload: R r C x; scale: S s x; upgrade: U u C x */
#define FAKE(name, kind, letter)                                               \
	void __wrap_##name##_begin(struct master *, int);                      \
	void __wrap_##name##_step(struct master *);                            \
	void __wrap_##name##_commit(struct master *);                          \
	void __wrap_##name##_cancel(struct master *);                          \
	void __wrap_##name##_begin(struct master *m, int target)               \
	{                                                                      \
		say((char)toupper(letter));                                    \
		last_target = target;                                          \
		if (ends_at_once[kind])                                        \
			finish(m);                                             \
	}                                                                      \
	void __wrap_##name##_step(struct master *m)                            \
	{                                                                      \
		(void)m;                                                       \
	}                                                                      \
	void __wrap_##name##_commit(struct master *m)                          \
	{                                                                      \
		say('C');                                                      \
		finish(m);                                                     \
	}                                                                      \
	void __wrap_##name##_cancel(struct master *m)                          \
	{                                                                      \
		(void)m;                                                       \
		say('x');                                                      \
	}
FAKE(reload, OP_RELOAD, 'r')
FAKE(scale, OP_SCALE, 's')
FAKE(upgrade, OP_UPGRADE, 'u')

static int
setup(void **state)
{
	said[0] = '\0';
	(void)memset(ends_at_once, 0, sizeof(ends_at_once));
	return fixture_open(state);
}

static enum op_verdict
verdict(uint32_t ticket)
{
	const struct op_result *r;

	return op_verdict(&fx.m, ticket, &r);
}

static void
one_at_a_time_in_the_order_in_which_they_were_asked_for(void **state)
{
	uint32_t a, b, c;

	(void)state;
	a = op_ask(&fx.m, OP_UPGRADE, 0);
	b = op_ask(&fx.m, OP_RELOAD, 0);
	c = op_ask(&fx.m, OP_SCALE, 5);
	op_step(&fx.m);
	assert_string_equal(said, "U");
	assert_int_equal(fx.m.state, MASTER_UPGRADING);
	op_step(&fx.m);
	assert_string_equal(said, "U");
	finish(&fx.m);
	assert_int_equal(verdict(a), OP_DONE);
	op_step(&fx.m);
	assert_string_equal(said, "UR");
	assert_int_equal(verdict(b), OP_UNDECIDED);
	finish(&fx.m);
	op_step(&fx.m);
	assert_string_equal(said, "URS");
	assert_int_equal(last_target, 5);
	finish(&fx.m);
	op_step(&fx.m);
	assert_int_equal(fx.m.state, MASTER_RUNNING);
	assert_int_equal(verdict(c), OP_DONE);
}

static void
those_that_wait_are_one_and_the_latest_wish_wins(void **state)
{
	uint32_t first, second, third;

	(void)state;
	first = op_ask(&fx.m, OP_SCALE, 4);
	op_step(&fx.m);
	second = op_ask(&fx.m, OP_SCALE, 7);
	third = op_ask(&fx.m, OP_SCALE, 2);
	assert_int_not_equal(first, second);
	assert_int_equal(second, third);
	assert_int_equal(op_wanted_children(&fx.m), 2);
	finish(&fx.m);
	op_step(&fx.m);
	assert_string_equal(said, "SS");
	assert_int_equal(last_target, 2);
	finish(&fx.m);
	op_step(&fx.m);
	assert_string_equal(said, "SS");
}

static void
what_is_only_watched_is_committed_for_the_next(void **state)
{
	uint32_t reload;

	(void)state;
	reload = op_ask(&fx.m, OP_RELOAD, 0);
	op_step(&fx.m);
	op_set_watched(&fx.m, true);
	assert_int_equal(fx.m.state, MASTER_RUNNING);
	op_step(&fx.m);
	assert_int_equal(verdict(reload), OP_UNDECIDED);
	(void)op_ask(&fx.m, OP_SCALE, 4);
	op_step(&fx.m);
	assert_string_equal(said, "RCS");
	assert_int_equal(verdict(reload), OP_DONE);
}

static void
what_must_be_undone_is_not_committed(void **state)
{
	(void)state;
	(void)op_ask(&fx.m, OP_RELOAD, 0);
	op_step(&fx.m);
	op_set_watched(&fx.m, true);
	op_set_watched(&fx.m, false);
	assert_int_equal(fx.m.state, MASTER_RELOADING);
	(void)op_ask(&fx.m, OP_SCALE, 4);
	op_step(&fx.m);
	assert_string_equal(said, "R");
}

static void
one_that_ends_as_it_begins_lets_the_next_begin(void **state)
{
	(void)state;
	ends_at_once[OP_UPGRADE] = true;
	(void)op_ask(&fx.m, OP_UPGRADE, 0);
	(void)op_ask(&fx.m, OP_RELOAD, 0);
	op_step(&fx.m);
	assert_string_equal(said, "UR");
}

static void
nothing_begins_before_the_first_generation_is_complete(void **state)
{
	(void)state;
	fx.m.state = MASTER_STARTING;
	(void)op_ask(&fx.m, OP_RELOAD, 0);
	op_step(&fx.m);
	assert_string_equal(said, "");
	fx.m.state = MASTER_RUNNING;
	op_step(&fx.m);
	assert_string_equal(said, "R");
}

static void
a_stop_fails_all_that_is_asked_for(void **state)
{
	const struct op_result *r;
	uint32_t a, b, c;

	(void)state;
	a = op_ask(&fx.m, OP_RELOAD, 0);
	op_step(&fx.m);
	b = op_ask(&fx.m, OP_SCALE, 4);
	op_cancel_all(&fx.m);
	fx.m.state = MASTER_STOPPING;
	c = op_ask(&fx.m, OP_UPGRADE, 0);
	assert_string_equal(said, "Rx");
	assert_int_equal(op_verdict(&fx.m, a, &r), OP_FAILED);
	assert_string_equal(r->err.text, "the server is stopping");
	assert_int_equal(verdict(b), OP_FAILED);
	assert_int_equal(verdict(c), OP_FAILED);
	op_step(&fx.m);
	assert_string_equal(said, "Rx");
}

static void
on_delay(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

static void
nothing_begins_while_a_stop_is_delayed(void **state)
{
	(void)state;
	ev_timer_init(&fx.m.delay_w, on_delay, 60, 0);
	ev_timer_start(fx.m.loop, &fx.m.delay_w);
	fx.m.state = MASTER_STOPPING;
	assert_true(master_is_serving(&fx.m));
	assert_int_equal(verdict(op_ask(&fx.m, OP_RELOAD, 0)), OP_FAILED);
	op_step(&fx.m);
	assert_string_equal(said, "");
	ev_timer_stop(fx.m.loop, &fx.m.delay_w);
}

static void
a_verdict_waits_for_the_children_that_leave(void **state)
{
	uint32_t ticket;
	struct proc *p;

	(void)state;
	fixture_all_ready();
	ticket = op_ask(&fx.m, OP_SCALE, 2);
	op_step(&fx.m);
	p = fx.m.places[2].incumbent;
	p->drain_ticket = ticket;
	finish(&fx.m);
	assert_int_equal(verdict(ticket), OP_UNDECIDED);
	proc_on_reaped(p, 0);
	assert_int_equal(verdict(ticket), OP_DONE);
}

static void
results_are_kept_for_a_while_with_their_reports(void **state)
{
	const struct op_result *r;
	uint32_t tickets[OP_RESULTS_MAX + 1];
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(tickets); i++) {
		tickets[i] = op_ask(&fx.m, OP_RELOAD, 0);
		op_step(&fx.m);
		(void)err_set(&err, EXIT_BAD_CONFIG, "number %zu", i);
		op_end(&fx.m, OP_FAILED, &err, strdup("line\n"));
		said[0] = '\0';
	}
	assert_int_equal(op_verdict(&fx.m, tickets[0], &r), OP_UNDECIDED);
	assert_null(r);
	assert_int_equal(op_verdict(&fx.m, tickets[1], &r), OP_FAILED);
	assert_string_equal(r->err.text, "number 1");
	assert_string_equal(r->report, "line\n");
	assert_string_equal(fx.m.last_error.text, "reload failed: number 64");
}

static void
a_result_is_kept_as_long_as_its_children_leave(void **state)
{
	uint32_t ticket;
	struct proc *p;
	size_t i;

	(void)state;
	fixture_all_ready();
	ticket = op_ask(&fx.m, OP_SCALE, 2);
	op_step(&fx.m);
	p = fx.m.places[2].incumbent;
	p->drain_ticket = ticket;
	finish(&fx.m);
	for (i = 0; i < 3 * OP_RESULTS_MAX; i++) {
		(void)op_ask(&fx.m, OP_RELOAD, 0);
		op_step(&fx.m);
		finish(&fx.m);
		said[0] = '\0';
	}
	assert_int_equal(verdict(ticket), OP_UNDECIDED);
	proc_on_reaped(p, 0);
	assert_int_equal(verdict(ticket), OP_DONE);
}

static void
tickets_go_round_and_never_are_0(void **state)
{
	(void)state;
	fx.m.ops.last_ticket = UINT32_MAX - 1;
	assert_int_equal(op_ask(&fx.m, OP_UPGRADE, 0), UINT32_MAX);
	assert_int_equal(op_ask(&fx.m, OP_RELOAD, 0), 1);
	op_step(&fx.m);
	assert_string_equal(said, "U");
}

#define with_ops(f) cmocka_unit_test_setup_teardown(f, setup, fixture_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_ops(
		    one_at_a_time_in_the_order_in_which_they_were_asked_for),
		with_ops(those_that_wait_are_one_and_the_latest_wish_wins),
		with_ops(what_is_only_watched_is_committed_for_the_next),
		with_ops(what_must_be_undone_is_not_committed),
		with_ops(one_that_ends_as_it_begins_lets_the_next_begin),
		with_ops(
		    nothing_begins_before_the_first_generation_is_complete),
		with_ops(a_stop_fails_all_that_is_asked_for),
		with_ops(nothing_begins_while_a_stop_is_delayed),
		with_ops(a_verdict_waits_for_the_children_that_leave),
		with_ops(results_are_kept_for_a_while_with_their_reports),
		with_ops(a_result_is_kept_as_long_as_its_children_leave),
		with_ops(tickets_go_round_and_never_are_0),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

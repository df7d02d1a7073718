/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of a child that has connections. */
#include "rig.h"

#define GRACE 0.05

static void
start(bool quiesces)
{
	struct tine_handler h = rig_handler;

	if (quiesces)
		h.quiesce = rig_quiesce;
	(void)rig_conf();
	rig.conf.keepalive_grace = GRACE;
	rig_start(&h);
}

static void
without_connections_it_leaves_at_once(void **state)
{
	(void)state;
	start(false);
	drain_begin(&rig.ch, 30, CTL_RELOAD);
	assert_int_equal(rig.ch.state, CHILD_LEAVING);
}

static void
the_last_connection_ends_it(void **state)
{
	int a, b;

	(void)state;
	start(false);
	a = rig_connect();
	b = rig_connect();
	drain_begin(&rig.ch, 30, CTL_RELOAD);
	closefd(&a);
	rig_until(rig.closes == 1);
	assert_int_equal(rig.ch.state, CHILD_DRAINING);
	closefd(&b);
	rig_until(rig.ch.state == CHILD_LEAVING);
	assert_int_equal(rig.ch.drain.cut, 0);
}

static void
a_handler_knows_that_and_why_it_drains(void **state)
{
	int peer;

	(void)state;
	start(false);
	assert_false(tine_is_draining(rig.server));
	assert_null(tine_drain_reason(rig.server));
	peer = rig_connect();
	drain_begin(&rig.ch, 30, CTL_SCALE);
	assert_true(tine_is_draining(rig.server));
	assert_string_equal(tine_drain_reason(rig.server), "scale");
	closefd(&peer);
}

static void
quiesce_is_asked_after_the_grace_and_after_each_callback(void **state)
{
	double begun;
	int peer;

	(void)state;
	start(true);
	peer = rig_connect();
	begun = child_now(&rig.ch);
	drain_begin(&rig.ch, 30, CTL_RELOAD);
	rig_say(peer, "before the grace is over");
	rig_until(rig.datas == 1);
	assert_int_equal(rig.quiesces, 0);
	rig_until(rig.quiesces == 1);
	assert_true(child_now(&rig.ch) - begun >= GRACE * 0.9);
	assert_int_equal(rig.closes, 0);
	rig.quiesce_yes = true;
	rig_say(peer, "x");
	rig_until(rig.datas == 2);
	assert_true(rig.quiesces >= 2);
	closefd(&peer);
	rig_until(rig.ch.state == CHILD_LEAVING);
	assert_int_equal(rig.cause, TINE_DRAIN);
	assert_int_equal(rig_closed(TINE_DRAIN), 1);
	assert_int_equal(rig.ch.drain.cut, 0);
}

static void
what_was_sent_before_the_grace_ended_is_read_first(void **state)
{
	int peer;

	(void)state;
	start(true);
	peer = rig_connect();
	rig_say(peer, "x");
	rig_until(rig.datas == 1);
	rig.quiesce_yes = true;
	drain_begin(&rig.ch, 30, CTL_RELOAD);
	rig_say(peer, "y");
	/* The timer comes before the read event of the same turn. */
	ev_timer_stop(rig.ch.loop, &rig.ch.drain.grace);
	ev_feed_event(rig.ch.loop, &rig.ch.drain.grace, EV_TIMER);
	ev_invoke_pending(rig.ch.loop);
	assert_int_equal(rig.quiesces, 1);
	assert_int_equal(rig.conn->state, CONN_OPEN);
	rig_until(rig.datas == 2);
	assert_int_equal(rig.conn->state, CONN_LINGERING);
	closefd(&peer);
}

static void
a_newcomer_has_a_second_to_speak_whatever_the_grace(void **state)
{
	double opened;
	int held, peer;

	(void)state;
	start(true);
	held = rig_connect();
	rig_say(held, "x");
	rig_until(rig.datas == 1);
	drain_begin(&rig.ch, 30, CTL_STOPPING);
	rig_until(rig.quiesces == 1);
	closefd(&held);
	rig.quiesce_yes = true;
	peer = rig_connect();
	opened = child_now(&rig.ch);
	assert_int_equal(rig.conn->state, CONN_OPEN);
	rig_until(rig.conn->state != CONN_OPEN);
	assert_true(child_now(&rig.ch) - opened >= 0.9);
	closefd(&peer);
}

static void
at_the_deadline_connections_are_cut_and_counted(void **state)
{
	char text[8];
	int peer;

	(void)state;
	start(false);
	peer = rig_connect();
	drain_begin(&rig.ch, GRACE, CTL_RELOAD);
	rig_until(rig_hear(peer, text, sizeof(text)) == 0);
	assert_int_equal(rig.ch.drain.cut, 1);
	assert_int_equal(rig.closes, 0);
	closefd(&peer);
	rig_until(rig.ch.state == CHILD_LEAVING);
	assert_int_equal(rig.cause, TINE_DRAIN);
}

static void
a_peer_that_ignores_the_end_is_closed_a_second_later(void **state)
{
	static char block[65536];
	int peer;

	(void)state;
	start(false);
	peer = rig_connect();
	while (tine_unsent(rig.conn) == 0) {
		assert_int_equal(tine_write(rig.conn, block, sizeof(block)), 0);
		rig_turn();
	}
	drain_begin(&rig.ch, GRACE, CTL_STOPPING);
	rig_until(rig.ch.state == CHILD_LEAVING);
	assert_int_equal(rig.closes, 1);
	assert_int_equal(rig.cause, TINE_DRAIN);
	assert_int_equal(rig.ch.drain.cut, 1);
	closefd(&peer);
}

static void
resume_undoes_it(void **state)
{
	int peer;

	(void)state;
	start(true);
	peer = rig_connect();
	rig_say(peer, "x");
	rig_until(rig.datas == 1);
	drain_begin(&rig.ch, 30, CTL_RELOAD);
	rig_until(rig.quiesces > 0);
	drain_resume(&rig.ch);
	assert_int_equal(rig.ch.state, CHILD_READY);
	assert_false(tine_is_draining(rig.server));
	rig.quiesces = 0;
	rig_say(peer, "x");
	rig_until(rig.datas == 2);
	assert_int_equal(rig.quiesces, 0);
	closefd(&peer);
	rig_until(rig.closes == 1);
	assert_int_equal(rig.ch.state, CHILD_READY);
}

static unsigned ticks;

static enum tine_action
tick_once(struct tine_child *s, double *next)
{
	(void)s;
	(void)next;
	ticks++;
	return TINE_OK;
}

static void
resume_does_not_begin_the_ticks_again(void **state)
{
	struct tine_handler h = rig_handler;
	int peer;

	(void)state;
	ticks = 0;
	h.tick = tick_once;
	(void)rig_conf();
	rig_start(&h);
	rig_until(ticks == 1);
	peer = rig_connect();
	drain_begin(&rig.ch, 30, CTL_RELOAD);
	drain_resume(&rig.ch);
	rig_turn();
	assert_int_equal(ticks, 1);
	closefd(&peer);
}

static void
a_second_drain_may_only_be_sooner(void **state)
{
	int peer;

	(void)state;
	start(false);
	peer = rig_connect();
	drain_begin(&rig.ch, 10, CTL_RELOAD);
	drain_begin(&rig.ch, 20, CTL_RELOAD);
	assert_true(
	    ev_timer_remaining(rig.ch.loop, &rig.ch.drain.deadline) <= 10);
	drain_begin(&rig.ch, 1, CTL_STOPPING);
	assert_true(
	    ev_timer_remaining(rig.ch.loop, &rig.ch.drain.deadline) <= 1);
	assert_string_equal(tine_drain_reason(rig.server), "stop");
	closefd(&peer);
}

int
main(void)
{
#define test(f) cmocka_unit_test_teardown(f, rig_end)
	const struct CMUnitTest tests[] = {
		test(without_connections_it_leaves_at_once),
		test(the_last_connection_ends_it),
		test(a_handler_knows_that_and_why_it_drains),
		test(quiesce_is_asked_after_the_grace_and_after_each_callback),
		test(what_was_sent_before_the_grace_ended_is_read_first),
		test(a_newcomer_has_a_second_to_speak_whatever_the_grace),
		test(at_the_deadline_connections_are_cut_and_counted),
		test(a_peer_that_ignores_the_end_is_closed_a_second_later),
		test(resume_undoes_it),
		test(resume_does_not_begin_the_ticks_again),
		test(a_second_drain_may_only_be_sooner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

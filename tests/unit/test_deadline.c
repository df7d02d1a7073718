/* SPDX-License-Identifier: BSD-2-Clause */
/* The five timeouts: what each waits for, what renews it, what it is called. */
#include <errno.h>
#include <time.h>

#include "rig.h"

#define SHORT 0.08
#define LONG 0.4

/* All timeouts off but those set before. */
static struct conf_timeouts *
timeouts(void)
{
	return &rig_conf()->timeouts;
}

static void
start(void)
{
	rig_start(&rig_handler);
}

static double
seconds_until_closed(void)
{
	double begun = child_now(&rig.ch);

	rig_until(rig.closes == 1);
	return child_now(&rig.ch) - begun;
}

static void
a_peer_that_says_nothing_meets_the_first_byte_timeout(void **state)
{
	int peer;

	(void)state;
	*timeouts() = (struct conf_timeouts){ .first_byte = SHORT, .idle = 9 };
	start();
	peer = rig_connect();
	assert_true(seconds_until_closed() >= SHORT * 0.9);
	assert_int_equal(rig.cause, TINE_FIRST_BYTE);
	closefd(&peer);
}

/* As after a turn that took longer than the timeout. */
static void
expire_before_reading(enum deadline_kind kind)
{
	struct deadline_list *l = &rig.server->deadlines[kind];
	const struct timespec late = { .tv_nsec = (long)(SHORT * 1.5e9) };

	(void)nanosleep(&late, NULL);
	ev_now_update(rig.ch.loop);
	ev_timer_stop(rig.ch.loop, &l->timer);
	ev_feed_event(rig.ch.loop, &l->timer, EV_TIMER);
	ev_invoke_pending(rig.ch.loop);
}

static void
what_came_in_time_is_read_however_late_the_loop_is(void **state)
{
	int peer;

	(void)state;
	*timeouts() =
	    (struct conf_timeouts){ .first_byte = SHORT, .idle = SHORT };
	start();
	peer = rig_connect();
	rig_say(peer, "first");
	expire_before_reading(DEADLINE_FIRST_BYTE);
	assert_int_equal(rig.closes, 0);
	rig_until(rig.datas == 1);
	rig_say(peer, "idle");
	expire_before_reading(DEADLINE_IDLE);
	assert_int_equal(rig.closes, 0);
	rig_until(rig.datas == 2);
	(void)seconds_until_closed();
	assert_int_equal(rig.cause, TINE_IDLE);
	closefd(&peer);
}

static void
a_message_that_is_not_completed_meets_the_read_timeout(void **state)
{
	int peer;

	(void)state;
	*timeouts() = (struct conf_timeouts){ .read = SHORT, .idle = 9 };
	start();
	rig.leaves_input = true;
	peer = rig_connect();
	rig_say(peer, "half a mess");
	rig_until(rig.datas == 1);
	(void)seconds_until_closed();
	assert_int_equal(rig.cause, TINE_READ_TIMEOUT);
	closefd(&peer);
}

static void
dripping_does_not_renew_the_read_timeout(void **state)
{
	int peer;
	double begun;

	(void)state;
	*timeouts() = (struct conf_timeouts){ .read = LONG };
	start();
	rig.leaves_input = true;
	peer = rig_connect();
	rig_say(peer, "a");
	rig_until(rig.datas == 1);
	begun = child_now(&rig.ch);
	while (rig.closes == 0) {
		(void)send(peer, "b", 1, MSG_NOSIGNAL);
		ev_run(rig.ch.loop, EVRUN_ONCE);
	}
	assert_int_equal(rig.cause, TINE_READ_TIMEOUT);
	assert_true(child_now(&rig.ch) - begun < LONG * 2);
	assert_true(rig.datas > 2);
	closefd(&peer);
}

static void
consuming_renews_the_read_timeout(void **state)
{
	double before;
	int peer;

	(void)state;
	*timeouts() = (struct conf_timeouts){ .read = LONG };
	start();
	rig.leaves_input = true;
	peer = rig_connect();
	rig_say(peer, "abc");
	rig_until(rig.datas == 1);
	before = rig.conn->phase.at;
	while (child_now(&rig.ch) + LONG < before + 0.01)
		ev_run(rig.ch.loop, EVRUN_NOWAIT);
	tine_consume(rig.conn, 1);
	rig_turn();
	assert_true(rig.conn->phase.at > before);
	assert_int_equal(rig.conn->phase_kind, DEADLINE_READ);
	closefd(&peer);
}

static void
a_quiet_connection_meets_the_idle_timeout(void **state)
{
	int peer;

	(void)state;
	*timeouts() = (struct conf_timeouts){ .first_byte = 9, .idle = SHORT };
	start();
	peer = rig_connect();
	rig_say(peer, "x");
	rig_until(rig.datas == 1);
	assert_int_equal(rig.conn->phase_kind, DEADLINE_IDLE);
	assert_true(seconds_until_closed() >= SHORT * 0.9);
	assert_int_equal(rig.cause, TINE_IDLE);
	closefd(&peer);
}

static void
speaking_renews_the_idle_timeout(void **state)
{
	double begun;
	int peer;

	(void)state;
	*timeouts() = (struct conf_timeouts){ .idle = LONG };
	start();
	peer = rig_connect();
	begun = child_now(&rig.ch);
	while (child_now(&rig.ch) - begun < LONG * 1.5) {
		rig_say(peer, "x");
		ev_run(rig.ch.loop, EVRUN_ONCE);
	}
	assert_int_equal(rig.closes, 0);
	closefd(&peer);
}

static void
fill(void)
{
	static char block[65536];

	while (tine_unsent(rig.conn) == 0) {
		assert_int_equal(tine_write(rig.conn, block, sizeof(block)), 0);
		rig_turn();
	}
}

static void
a_peer_that_takes_nothing_meets_the_write_timeout(void **state)
{
	int peer;

	(void)state;
	*timeouts() = (struct conf_timeouts){ .write = SHORT, .idle = 9 };
	start();
	peer = rig_connect();
	fill();
	assert_int_equal(rig.conn->phase_kind, DEADLINE_WRITE);
	(void)seconds_until_closed();
	assert_int_equal(rig.cause, TINE_WRITE_TIMEOUT);
	closefd(&peer);
}

static void
a_peer_that_sends_but_takes_nothing_meets_it_too(void **state)
{
	int peer;

	(void)state;
	*timeouts() = (struct conf_timeouts){ .write = LONG, .idle = 9 };
	start();
	peer = rig_connect();
	fill();
	while (rig.closes == 0) {
		(void)send(peer, "x", 1, MSG_NOSIGNAL);
		ev_run(rig.ch.loop, EVRUN_ONCE);
	}
	assert_int_equal(rig.cause, TINE_WRITE_TIMEOUT);
	assert_true(rig.datas > 1);
	closefd(&peer);
}

/* A unix socket takes what it has begun to take, and more only when three
 * quarters of its room are free again. */
static void
a_congested_handler_meets_it_although_all_output_is_out(void **state)
{
	static const char block[100000];
	const int room = 200000;
	int peer;

	(void)state;
	*timeouts() = (struct conf_timeouts){ .write = SHORT, .idle = 9 };
	rig.conf.servers[0].limits.output_high = sizeof(block) - 1;
	rig.conf.servers[0].limits.output = 2 * sizeof(block);
	start();
	peer = rig_connect();
	assert_int_equal(setsockopt(rig.conn->io.fd, SOL_SOCKET, SO_SNDBUF,
			     &room, sizeof(room)),
	    0);
	assert_int_equal(tine_write(rig.conn, block, sizeof(block)), 0);
	rig_turn();
	assert_int_equal(tine_unsent(rig.conn), 0);
	assert_true(tine_is_congested(rig.conn));
	(void)seconds_until_closed();
	assert_int_equal(rig.cause, TINE_WRITE_TIMEOUT);
	closefd(&peer);
}

static void
each_byte_taken_renews_the_write_timeout(void **state)
{
	static char block[65536];
	double begun;
	int peer;

	(void)state;
	*timeouts() = (struct conf_timeouts){ .write = LONG };
	start();
	peer = rig_connect();
	fill();
	begun = child_now(&rig.ch);
	while (child_now(&rig.ch) - begun < LONG * 1.5) {
		(void)recv(peer, block, sizeof(block), 0);
		if (tine_unsent(rig.conn) < sizeof(block))
			fill();
		ev_run(rig.ch.loop, EVRUN_NOWAIT);
	}
	assert_int_equal(rig.closes, 0);
	closefd(&peer);
}

static void
nothing_renews_the_lifetime(void **state)
{
	double begun;
	int peer;

	(void)state;
	*timeouts() = (struct conf_timeouts){ .lifetime = LONG, .idle = 9 };
	start();
	peer = rig_connect();
	begun = child_now(&rig.ch);
	while (rig.closes == 0) {
		(void)send(peer, "x", 1, MSG_NOSIGNAL);
		ev_run(rig.ch.loop, EVRUN_ONCE);
	}
	assert_int_equal(rig.cause, TINE_LIFETIME);
	assert_true(child_now(&rig.ch) - begun < LONG * 2);
	closefd(&peer);
}

static void
a_timeout_of_zero_is_off(void **state)
{
	size_t kind;
	int peer;

	(void)state;
	(void)timeouts();
	start();
	peer = rig_connect();
	rig_say(peer, "x");
	rig_until(rig.datas == 1);
	for (kind = 0; kind < DEADLINE_NKINDS; kind++) {
		assert_true(TAILQ_EMPTY(&rig.server->deadlines[kind].entries));
		assert_false(ev_is_active(&rig.server->deadlines[kind].timer));
	}
	closefd(&peer);
}

static void
a_list_stays_in_the_order_of_expiry(void **state)
{
	const struct deadline_list *list;
	const struct deadline *d;
	int peers[4];
	size_t i;

	(void)state;
	*timeouts() = (struct conf_timeouts){ .idle = 9 };
	start();
	for (i = 0; i < nitems(peers); i++) {
		peers[i] = rig_connect();
		rig_say(peers[i], "x");
		rig_until(rig.datas == i + 1);
	}
	rig_say(peers[0], "again");
	rig_until(rig.datas == 5);
	list = &rig.server->deadlines[DEADLINE_IDLE];
	TAILQ_FOREACH(d, &list->entries, entry)
		if (TAILQ_NEXT(d, entry) != NULL)
			assert_true(d->at <= TAILQ_NEXT(d, entry)->at);
	for (i = 0; i < nitems(peers); i++)
		closefd(&peers[i]);
}

static void
one_connection_can_have_an_idle_timeout_of_its_own(void **state)
{
	int peer, other;

	(void)state;
	*timeouts() = (struct conf_timeouts){ .idle = 9 };
	start();
	other = rig_connect();
	peer = rig_connect();
	rig_say(peer, "x");
	rig_until(rig.datas == 1);
	assert_int_equal(tine_set_timeout(rig.conn, TINE_T_IDLE, SHORT), 0);
	assert_true(seconds_until_closed() >= SHORT * 0.9);
	assert_int_equal(rig.cause, TINE_IDLE);
	assert_int_equal(rig.ch.nconns, 1);
	closefd(&peer);
	closefd(&other);
}

static void
speaking_renews_its_own_timeout_too(void **state)
{
	double begun;
	int peer, i;

	(void)state;
	*timeouts() = (struct conf_timeouts){ 0 };
	start();
	peer = rig_connect();
	assert_int_equal(tine_set_timeout(rig.conn, TINE_T_IDLE, LONG), 0);
	begun = child_now(&rig.ch);
	for (i = 0; child_now(&rig.ch) - begun < LONG * 1.5; i++) {
		unsigned before = rig.datas;

		rig_say(peer, "x");
		rig_until(rig.datas > before);
	}
	assert_int_equal(rig.closes, 0);
	assert_true(seconds_until_closed() >= LONG * 0.9);
	closefd(&peer);
}

static void
one_connection_can_do_without_a_timeout(void **state)
{
	int peer, other;

	(void)state;
	*timeouts() =
	    (struct conf_timeouts){ .first_byte = SHORT, .lifetime = SHORT };
	start();
	peer = rig_connect();
	assert_int_equal(tine_set_timeout(rig.conn, TINE_T_FIRST_BYTE, 0), 0);
	assert_int_equal(tine_set_timeout(rig.conn, TINE_T_LIFETIME, 0), 0);
	other = rig_connect();
	assert_true(seconds_until_closed() >= SHORT * 0.9);
	assert_int_equal(rig.ch.nconns, 1);
	rig_say(peer, "x");
	rig_until(rig.datas == 1);
	closefd(&peer);
	closefd(&other);
}

static void
its_own_lifetime_ends_it_whatever_it_does(void **state)
{
	int peer;

	(void)state;
	*timeouts() = (struct conf_timeouts){ 0 };
	start();
	peer = rig_connect();
	assert_int_equal(tine_set_timeout(rig.conn, TINE_T_LIFETIME, LONG), 0);
	assert_int_equal(tine_set_timeout(rig.conn, TINE_T_LIFETIME, SHORT), 0);
	rig_say(peer, "x");
	assert_true(seconds_until_closed() < LONG);
	assert_int_equal(rig.cause, TINE_LIFETIME);
	closefd(&peer);
}

static void
a_timeout_that_is_no_time_is_refused(void **state)
{
	int peer;

	(void)state;
	*timeouts() = (struct conf_timeouts){ 0 };
	start();
	peer = rig_connect();
	assert_int_equal(tine_set_timeout(rig.conn, TINE_T_IDLE, -1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(tine_set_timeout(rig.conn, TINE_T_IDLE, 1e300), -1);
	assert_int_equal(tine_set_timeout(rig.conn, (enum tine_timeout)77, 1),
	    -1);
	closefd(&peer);
}

static void
what_nobody_reads_does_not_renew_the_idle_timeout(void **state)
{
	int peer;

	(void)state;
	*timeouts() = (struct conf_timeouts){ .idle = SHORT };
	start();
	peer = rig_connect();
	rig_say(peer, "x");
	rig_until(rig.datas == 1);
	tine_pause(rig.conn);
	rig_turn();
	rig_say(peer, "nobody hears this");
	(void)seconds_until_closed();
	assert_int_equal(rig.cause, TINE_IDLE);
	closefd(&peer);
}

int
main(void)
{
#define test(f) cmocka_unit_test_teardown(f, rig_end)
	const struct CMUnitTest tests[] = {
		test(a_peer_that_says_nothing_meets_the_first_byte_timeout),
		test(what_came_in_time_is_read_however_late_the_loop_is),
		test(a_message_that_is_not_completed_meets_the_read_timeout),
		test(dripping_does_not_renew_the_read_timeout),
		test(consuming_renews_the_read_timeout),
		test(a_quiet_connection_meets_the_idle_timeout),
		test(speaking_renews_the_idle_timeout),
		test(a_peer_that_takes_nothing_meets_the_write_timeout),
		test(a_peer_that_sends_but_takes_nothing_meets_it_too),
		test(a_congested_handler_meets_it_although_all_output_is_out),
		test(each_byte_taken_renews_the_write_timeout),
		test(nothing_renews_the_lifetime),
		test(a_timeout_of_zero_is_off),
		test(a_list_stays_in_the_order_of_expiry),
		test(one_connection_can_have_an_idle_timeout_of_its_own),
		test(speaking_renews_its_own_timeout_too),
		test(one_connection_can_do_without_a_timeout),
		test(its_own_lifetime_ends_it_whatever_it_does),
		test(a_timeout_that_is_no_time_is_refused),
		test(what_nobody_reads_does_not_renew_the_idle_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

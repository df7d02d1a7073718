/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a connection: callbacks, closing, and what is left behind. */
#include "rig.h"

static void
input_reaches_the_handler_without_a_buffer(void **state)
{
	int peer = rig_connect();

	(void)state;
	rig_say(peer, "hello");
	rig_until(rig.datas == 1);
	assert_memory_equal(rig.got, "hello", 5);
	assert_null(rig.conn->input);
	assert_int_equal(rig.ch.pool.kept, 0);
	assert_int_equal(rig_count(BOARD_BYTES_IN), 5);
	closefd(&peer);
}

static void
an_idle_connection_owns_nothing_but_itself(void **state)
{
	int peer;
	char text[8];

	(void)state;
	rig.is_echo = true;
	peer = rig_connect();
	rig_say(peer, "hello");
	rig_until(rig_hear(peer, text, sizeof(text)) == 5);
	assert_null(rig.conn->input);
	assert_null(rig.conn->output);
	assert_true(rig.server->slab.object_bytes <= 144);
	closefd(&peer);
}

static void
what_a_callback_leaves_comes_again_with_the_next_bytes(void **state)
{
	int peer = rig_connect();

	(void)state;
	rig.leaves_input = true;
	rig_say(peer, "one ");
	rig_until(rig.datas == 1);
	assert_int_equal(input_bytes(rig.conn), 4);
	rig.leaves_input = false;
	rig_say(peer, "two");
	rig_until(rig.datas == 2);
	assert_memory_equal(rig.got, "one two", 7);
	assert_null(rig.conn->input);
	closefd(&peer);
}

static void
input_comes_before_the_end_of_file(void **state)
{
	int peer = rig_connect();

	(void)state;
	rig_say(peer, "last words");
	closefd(&peer);
	rig_until(rig.closes == 1);
	assert_memory_equal(rig.got, "last words", 10);
	assert_int_equal(rig.cause, TINE_PEER_EOF);
	assert_int_equal(rig_closed(TINE_PEER_EOF), 1);
}

static int
with_eof(void **state)
{
	struct tine_handler h = rig_handler;

	(void)state;
	(void)rig_conf();
	h.eof = rig_eof;
	rig_start(&h);
	return 0;
}

static void
a_handler_with_eof_may_answer_after_it(void **state)
{
	int peer = rig_connect();
	char text[16];

	(void)state;
	assert_int_equal(shutdown(peer, SHUT_WR), 0);
	rig_until(rig.eofs == 1);
	assert_int_equal(rig.closes, 0);
	assert_int_equal(tine_write(rig.conn, "later", 5), 0);
	tine_close(rig.conn);
	rig_until(rig.closes == 1);
	assert_int_equal(rig_hear(peer, text, sizeof(text)), 5);
	assert_string_equal(text, "later");
	assert_int_equal(rig_hear(peer, text, sizeof(text)), 0);
	assert_int_equal(rig.cause, TINE_LOCAL);
	assert_int_equal(rig.eofs, 1);
	closefd(&peer);
}

static void
close_sends_what_was_written_and_waits_for_the_peer(void **state)
{
	int peer = rig_connect_tcp();
	char text[16];

	(void)state;
	rig.is_echo = true;
	rig.action = TINE_CLOSE;
	rig_say(peer, "bye");
	rig_until(rig.datas == 1);
	rig_turn();
	assert_int_equal(rig.conn->state, CONN_LINGERING);
	/* Input that comes too late must not turn the answer into a reset. */
	rig_say(peer, "too late");
	rig_turn();
	assert_int_equal(rig_hear(peer, text, sizeof(text)), 3);
	assert_string_equal(text, "bye");
	assert_int_equal(rig_hear(peer, text, sizeof(text)), 0);
	closefd(&peer);
	rig_until(rig.closes == 1);
	assert_int_equal(rig.cause, TINE_LOCAL);
	assert_int_equal(rig.datas, 1);
}

static void
a_lingering_connection_is_closed_after_a_second(void **state)
{
	int peer = rig_connect();
	double begun = child_now(&rig.ch);

	(void)state;
	tine_close(rig.conn);
	rig_until(rig.closes == 1);
	assert_true(child_now(&rig.ch) - begun >= LINGER_SECONDS * 0.9);
	assert_int_equal(rig.cause, TINE_LOCAL);
	closefd(&peer);
}

static void
abort_resets_and_drops_the_output(void **state)
{
	int peer = rig_connect_tcp();
	char text[16];

	(void)state;
	rig.is_echo = true;
	rig.action = TINE_ABORT;
	rig_say(peer, "never answered");
	rig_until(rig.closes == 1);
	assert_int_equal(rig.cause, TINE_LOCAL);
	assert_int_equal(rig_hear(peer, text, sizeof(text)), -1);
	assert_int_equal(errno, ECONNRESET);
	closefd(&peer);
}

static void
open_may_refuse(void **state)
{
	int peer;

	(void)state;
	rig.on_open = TINE_ABORT;
	peer = rig_connect();
	assert_int_equal(rig.closes, 1);
	assert_int_equal(rig.ch.nconns, 0);
	closefd(&peer);
}

static void
a_reset_by_the_peer_is_called_so(void **state)
{
	const struct linger now = { 1, 0 };
	int peer = rig_connect_tcp();

	(void)state;
	assert_int_equal(
	    setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	closefd(&peer);
	rig_until(rig.closes == 1);
	assert_int_equal(rig.cause, TINE_RESET);
	assert_int_equal(rig.err, ECONNRESET);
}

static void
close_is_told_once_however_often_it_is_asked(void **state)
{
	struct tine_conn *c;
	int peer = rig_connect();

	(void)state;
	c = rig.conn;
	tine_close(c);
	tine_close(c);
	conn_close(c, TINE_IDLE, 0);
	conn_close(c, TINE_RESET, EPIPE);
	assert_int_equal(rig.closes, 1);
	assert_int_equal(rig.cause, TINE_IDLE);
	assert_int_equal(tine_write(c, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	closefd(&peer);
}

static void
a_closed_connection_is_freed_by_the_sweep_and_used_again(void **state)
{
	struct tine_conn *c;
	uint64_t handle;
	int peer = rig_connect(), again;

	(void)state;
	c = rig.conn;
	handle = tine_handle(c);
	conn_close(c, TINE_LOCAL, 0);
	assert_int_equal(c->state, CONN_CLOSED);
	conn_sweep(&rig.ch);
	assert_int_equal(c->state, CONN_FREE);
	again = rig_connect();
	assert_ptr_equal(rig.conn, c);
	assert_int_not_equal(tine_handle(rig.conn), handle);
	assert_int_equal((uint32_t)tine_handle(rig.conn), (uint32_t)handle);
	closefd(&peer);
	closefd(&again);
}

static void
the_state_of_a_connection_begins_as_zeroes(void **state)
{
	static const char zeroes[16];
	int peer = rig_connect(), again;

	(void)state;
	assert_memory_equal(tine_state(rig.conn), zeroes, 16);
	(void)memset(tine_state(rig.conn), 'x', 16);
	conn_close(rig.conn, TINE_LOCAL, 0);
	conn_sweep(&rig.ch);
	again = rig_connect();
	assert_memory_equal(tine_state(rig.conn), zeroes, 16);
	closefd(&peer);
	closefd(&again);
}

static int
with_little_input(void **state)
{
	struct conf_server *server = rig_conf();

	(void)state;
	server->limits.input = 8;
	rig_start(&rig_handler);
	return 0;
}

static void
a_full_input_that_nothing_can_empty_is_an_overflow(void **state)
{
	int peer = rig_connect();

	(void)state;
	rig.leaves_input = true;
	rig_say(peer, "1234567");
	rig_until(rig.datas == 1);
	assert_int_equal(rig.closes, 0);
	rig_say(peer, "8 and more");
	rig_until(rig.closes == 1);
	assert_int_equal(rig.cause, TINE_OVERFLOW);
	assert_int_equal(rig_count(BOARD_DROPPED), 1);
	closefd(&peer);
}

static void
more_than_the_input_limit_passes_when_it_is_consumed(void **state)
{
	int peer = rig_connect();

	(void)state;
	rig_say(peer, "more than eight bytes at once");
	rig_until(rig.ngot == 29);
	assert_memory_equal(rig.got, "more than eight bytes at once", 29);
	closefd(&peer);
}

static int
with_a_small_budget(void **state)
{
	struct conf_server *server = rig_conf();

	(void)state;
	server->limits.read_cap = 4;
	server->budget.bytes = 8;
	rig_start(&rig_handler);
	return 0;
}

static void
one_event_reads_no_more_than_its_budget(void **state)
{
	int peer = rig_connect();

	(void)state;
	rig_say(peer, "sixteen bytes...");
	ev_run(rig.ch.loop, EVRUN_ONCE);
	ev_run(rig.ch.loop, EVRUN_NOWAIT);
	assert_true(rig.ngot == 8 || rig.ngot == 16);
	assert_int_equal(rig.datas, rig.ngot / 4);
	rig_until(rig.ngot == 16);
	closefd(&peer);
}

static void
consuming_too_much_is_clamped(void **state)
{
	int peer = rig_connect();
	size_t len;

	(void)state;
	rig.leaves_input = true;
	rig_say(peer, "abc");
	rig_until(rig.datas == 1);
	log_set_level((enum log_level)0);
	tine_consume(rig.conn, 100);
	(void)tine_peek(rig.conn, &len);
	assert_int_equal(len, 0);
	assert_true(rig.server->has_misused);
	closefd(&peer);
}

static void
counters_and_the_gauge_follow_connections(void **state)
{
	int a = rig_connect(), b = rig_connect();

	(void)state;
	assert_int_equal(rig_count(BOARD_ACCEPTED), 2);
	assert_int_equal(rig.ch.board->gauges[BOARD_CONNECTIONS], 2);
	tine_count_requests(rig.conn, 3);
	assert_int_equal(rig_count(BOARD_REQUESTS), 3);
	closefd(&a);
	closefd(&b);
	rig_until(rig.closes == 2);
	assert_int_equal(rig.ch.board->gauges[BOARD_CONNECTIONS], 0);
	assert_int_equal(rig.ch.board->gauges[BOARD_DOING_CALLBACK],
	    BOARD_IN_NONE);
}

static void
the_board_names_the_server_of_the_last_callback(void **state)
{
	struct tine_child two[] = { { .child = &rig.ch },
		{ .child = &rig.ch } };
	struct tine_child *own = rig.ch.servers;
	const uint64_t *shown = &rig.ch.board->gauges[BOARD_DOING_SERVER];

	(void)state;
	assert_int_equal(*shown, 0);
	rig.ch.servers = two;
	call_enter(&two[1], NULL, BOARD_IN_TICK);
	assert_int_equal(*shown, 2);
	call_leave(&two[1]);
	assert_int_equal(*shown, 2);
	call_enter(&two[0], NULL, BOARD_IN_TICK);
	assert_int_equal(*shown, 1);
	call_leave(&two[0]);
	rig.ch.servers = own;
	rig.ch.doing.server = NULL;
}

static void
one_that_closes_wants_no_more_turns(void **state)
{
	static char much[1 << 20];
	int peer = rig_connect();

	(void)state;
	rig.leaves_input = true;
	rig_say(peer, "left");
	rig_until(rig.datas == 1);
	assert_int_equal(tine_write(rig.conn, much, sizeof(much)), 0);
	tine_pause(rig.conn);
	tine_resume(rig.conn);
	tine_close(rig.conn);
	tine_pause(rig.conn);
	tine_resume(rig.conn);
	rig_turn();
	assert_int_equal(rig.closes, 0);
	assert_false(ev_is_active(&rig.ch.awake));
	closefd(&peer);
	rig_until(rig.closes == 1);
}

int
main(void)
{
#define plain(f) cmocka_unit_test_setup_teardown(f, rig_plain, rig_end)
#define with(f, setup) cmocka_unit_test_setup_teardown(f, setup, rig_end)
	const struct CMUnitTest tests[] = {
		plain(input_reaches_the_handler_without_a_buffer),
		plain(an_idle_connection_owns_nothing_but_itself),
		plain(what_a_callback_leaves_comes_again_with_the_next_bytes),
		plain(input_comes_before_the_end_of_file),
		with(a_handler_with_eof_may_answer_after_it, with_eof),
		plain(close_sends_what_was_written_and_waits_for_the_peer),
		plain(a_lingering_connection_is_closed_after_a_second),
		plain(abort_resets_and_drops_the_output),
		plain(open_may_refuse),
		plain(a_reset_by_the_peer_is_called_so),
		plain(close_is_told_once_however_often_it_is_asked),
		plain(a_closed_connection_is_freed_by_the_sweep_and_used_again),
		plain(the_state_of_a_connection_begins_as_zeroes),
		with(a_full_input_that_nothing_can_empty_is_an_overflow,
		    with_little_input),
		with(more_than_the_input_limit_passes_when_it_is_consumed,
		    with_little_input),
		with(one_event_reads_no_more_than_its_budget,
		    with_a_small_budget),
		plain(consuming_too_much_is_clamped),
		plain(counters_and_the_gauge_follow_connections),
		plain(the_board_names_the_server_of_the_last_callback),
		plain(one_that_closes_wants_no_more_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

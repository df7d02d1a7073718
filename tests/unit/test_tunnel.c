/* SPDX-License-Identifier: BSD-2-Clause */
/* Two connections that are piped together. */
#include "rig.h"

#define BLOCK 65536

static char block[BLOCK];
static int left_peer, right_peer;
static struct tine_conn *left, *right;

static int
setup(void **state)
{
	struct conf_server *server = rig_conf();
	struct tine_handler h = rig_handler;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(block); i++)
		block[i] = (char)(i * 31 % 251);
	server->limits.output_low = BLOCK;
	server->limits.output_high = 2 * BLOCK;
	server->limits.output = 4 * BLOCK;
	h.eof = rig_eof;
	rig_start(&h);
	left_peer = rig_connect();
	left = rig.conn;
	right_peer = rig_connect();
	right = rig.conn;
	return 0;
}

static int
teardown(void **state)
{
	closefd(&left_peer);
	closefd(&right_peer);
	return rig_end(state);
}

static void
expect_text(int peer, const char *text)
{
	char got[64];

	rig_turn();
	rig_until(
	    recv(peer, got, sizeof(got), MSG_PEEK) == (ssize_t)strlen(text));
	(void)rig_hear(peer, got, sizeof(got));
	assert_string_equal(got, text);
}

static void
bytes_go_both_ways_and_no_callback_sees_them(void **state)
{
	(void)state;
	assert_int_equal(tine_pipe(left, right), 0);
	rig_say(left_peer, "to the right");
	expect_text(right_peer, "to the right");
	rig_say(right_peer, "to the left");
	expect_text(left_peer, "to the left");
	assert_int_equal(rig.datas, 0);
	assert_int_equal(rig_count(BOARD_BYTES_IN), 23);
	assert_int_equal(rig_count(BOARD_BYTES_OUT), 23);
	assert_null(left->input);
	assert_null(right->output);
}

static void
what_was_left_before_goes_first(void **state)
{
	(void)state;
	rig.leaves_input = true;
	rig_say(left_peer, "early ");
	rig_until(rig.datas == 1);
	assert_int_equal(shutdown(left_peer, SHUT_WR), 0);
	rig_until(rig.eofs == 1);
	assert_int_equal(tine_pipe(right, left), 0);
	expect_text(right_peer, "early ");
	rig_turn();
	assert_int_equal(recv(right_peer, block, 1, 0), 0);
	assert_int_equal(rig.closes, 0);
}

static void
an_end_is_passed_on_and_two_of_them_close(void **state)
{
	char text[8];

	(void)state;
	assert_int_equal(tine_pipe(left, right), 0);
	rig_say(left_peer, "bye");
	assert_int_equal(shutdown(left_peer, SHUT_WR), 0);
	expect_text(right_peer, "bye");
	rig_turn();
	assert_int_equal(rig_hear(right_peer, text, sizeof(text)), 0);
	rig_say(right_peer, "answer");
	expect_text(left_peer, "answer");
	assert_int_equal(rig.closes, 0);
	assert_int_equal(shutdown(right_peer, SHUT_WR), 0);
	rig_turn();
	assert_int_equal(rig.closes, 2);
	assert_int_equal(rig.cause, TINE_PEER_EOF);
	assert_int_equal(rig.eofs, 0);
}

static void
who_is_not_heard_is_not_read(void **state)
{
	static char got[BLOCK];
	size_t said = 0, heard = 0, i;
	unsigned quiet = 0;
	ssize_t n;

	(void)state;
	assert_int_equal(tine_pipe(left, right), 0);
	while (quiet < 10) {
		n = send(left_peer, block + said % BLOCK, BLOCK - said % BLOCK,
		    MSG_NOSIGNAL);
		quiet = n > 0 ? 0 : quiet + 1;
		said += n > 0 ? (size_t)n : 0;
		ev_run(rig.ch.loop, EVRUN_NOWAIT);
	}
	assert_true(left->is_paused);
	assert_true(tine_unsent(right) <= 3 * BLOCK);
	while (heard < said) {
		n = recv(right_peer, got, sizeof(got), 0);
		for (i = 0; n > 0 && i < (size_t)n; i++)
			assert_int_equal(got[i], block[(heard + i) % BLOCK]);
		heard += n > 0 ? (size_t)n : 0;
		ev_run(rig.ch.loop, EVRUN_NOWAIT);
	}
	rig_turn();
	assert_false(left->is_paused);
	assert_int_equal(rig.drains, 0);
}

static void
what_is_under_way_arrives_before_the_close(void **state)
{
	static char got[BLOCK];
	size_t heard = 0;
	ssize_t n;

	(void)state;
	assert_int_equal(tine_write(right, block, BLOCK), 0);
	while (tine_unsent(right) == 0) {
		assert_int_equal(tine_write(right, block, BLOCK), 0);
		rig_turn();
	}
	assert_int_equal(tine_pipe(left, right), 0);
	tine_close(left);
	rig_turn();
	heard = 0;
	while ((n = recv(right_peer, got, sizeof(got), 0)) != 0) {
		heard += n > 0 ? (size_t)n : 0;
		ev_run(rig.ch.loop, EVRUN_NOWAIT);
	}
	assert_int_equal(heard % BLOCK, 0);
	closefd(&right_peer);
	closefd(&left_peer);
	rig_until(rig.closes == 2);
}

static void
what_breaks_one_end_resets_the_other(void **state)
{
	(void)state;
	assert_int_equal(tine_pipe(left, right), 0);
	conn_give_up(left, TINE_ERROR, EIO);
	rig_until(rig.closes == 2);
	assert_int_equal(rig.cause, TINE_ERROR);
	rig_turn();
	assert_int_equal(rig.ch.nconns, 0);
}

static void
what_cannot_be_piped_is_refused(void **state)
{
	int peer = rig_connect();
	struct tine_conn *third = rig.conn;

	(void)state;
	assert_int_equal(tine_pipe(left, left), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(tine_pipe(left, right), 0);
	assert_int_equal(tine_pipe(third, right), -1);
	assert_int_equal(errno, EINVAL);
	tine_close(left);
	rig_turn();
	tine_close(right);
	assert_int_equal(tine_pipe(third, right), -1);
	assert_int_equal(errno, EPIPE);
	closefd(&peer);
}

static enum tine_action
greet_and_pipe(struct tine_conn *c)
{
	assert_int_equal(tine_write(c, "hello", 5), 0);
	assert_int_equal(tine_pipe(c, right), 0);
	return TINE_OK;
}

static void
what_an_end_was_told_before_stays_its_own(void **state)
{
	static const struct tine_handler greeter = {
		.size = sizeof(struct tine_handler),
		.abi = TINE_ABI,
		.name = "greeter",
		.open = greet_and_pipe,
	};
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX,
			     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
			     fds),
	    0);
	assert_non_null(
	    tine_adopt(rig.server, &greeter, fds[0], "early", 5, NULL));
	expect_text(fds[1], "hello");
	expect_text(right_peer, "early");
	closefd(&fds[1]);
}

static void
an_abort_of_one_end_resets_the_other(void **state)
{
	char text[8];
	int peer;

	(void)state;
	peer = rig_connect_tcp();
	assert_int_equal(tine_pipe(left, rig.conn), 0);
	tine_abort(left);
	rig_until(rig.closes == 2);
	assert_int_equal(rig_hear(peer, text, sizeof(text)), -1);
	assert_int_equal(errno, ECONNRESET);
	closefd(&peer);
}

int
main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(bytes_go_both_ways_and_no_callback_sees_them),
		test(what_was_left_before_goes_first),
		test(an_end_is_passed_on_and_two_of_them_close),
		test(who_is_not_heard_is_not_read),
		test(what_is_under_way_arrives_before_the_close),
		test(what_breaks_one_end_resets_the_other),
		test(what_cannot_be_piped_is_refused),
		test(what_an_end_was_told_before_stays_its_own),
		test(an_abort_of_one_end_resets_the_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Output of every kind, and what becomes of it at the cap and at the end. */
#include "memory.h"
#include "rig.h"

#define BLOCK 65536

static void (*steps)(struct tine_conn *);
static char block[BLOCK];
static unsigned released, overflows;
static size_t refused;
static enum tine_action on_overflow_says;

static enum tine_action
run_steps(struct tine_conn *c)
{
	tine_consume(c, tine_buffered(c));
	steps(c);
	return TINE_OK;
}

static enum tine_action
on_overflow(struct tine_conn *c, size_t len)
{
	overflows++;
	refused = len;
	/* Not once more within it. */
	assert_int_equal(tine_write(c, "x", 1), -1);
	return on_overflow_says;
}

static void
count_release(void *arg)
{
	assert_ptr_equal(arg, block);
	assert_int_equal(rig.ch.doing.callback, BOARD_IN_RELEASE);
	released++;
}

static int
setup(void **state)
{
	struct tine_handler h = rig_handler;
	struct conf_server *server = rig_conf();
	size_t i;

	(void)state;
	memory_left = -1;
	released = overflows = 0;
	on_overflow_says = TINE_OK;
	for (i = 0; i < sizeof(block); i++)
		block[i] = (char)(i * 31 % 251);
	server->limits.output_low = BLOCK;
	server->limits.output_high = 2 * BLOCK;
	server->limits.output = 4 * BLOCK;
	h.data = run_steps;
	h.overflow = on_overflow;
	h.eof = rig_eof;
	rig_start(&h);
	return 0;
}

static int
teardown(void **state)
{
	memory_left = -1;
	return rig_end(state);
}

static int
run(void (*fn)(struct tine_conn *))
{
	int peer = rig_connect();

	steps = fn;
	rig_say(peer, "go");
	rig_turn();
	return peer;
}

/* All that comes until `want` bytes have, each as block has it. */
static void
expect_blocks(int peer, size_t want)
{
	static char got[BLOCK];
	size_t seen = 0, i;
	ssize_t n;

	while (seen < want) {
		n = recv(peer, got, sizeof(got), 0);
		for (i = 0; n > 0 && i < (size_t)n; i++)
			assert_int_equal(got[i], block[(seen + i) % BLOCK]);
		seen += n > 0 ? (size_t)n : 0;
		ev_run(rig.ch.loop, EVRUN_NOWAIT);
	}
	assert_int_equal(seen, want);
}

static void
expect_text(int peer, const char *text)
{
	char got[64];

	rig_until(
	    recv(peer, got, sizeof(got), MSG_PEEK) == (ssize_t)strlen(text));
	(void)rig_hear(peer, got, sizeof(got));
	assert_string_equal(got, text);
}

/* The kernel takes no more, and so many bytes wait here. */
static void
leave_unsent(size_t bytes)
{
	while (tine_unsent(rig.conn) == 0) {
		assert_int_equal(tine_write(rig.conn, block, BLOCK), 0);
		rig_turn();
	}
	while (tine_unsent(rig.conn) < bytes)
		assert_int_equal(tine_write(rig.conn, block, BLOCK), 0);
	rig_turn();
}

/* ---- kinds ---- */

static void
write_each_kind(struct tine_conn *c)
{
	const struct iovec iov[] = { { block, 1 }, { block + 1, 0 },
		{ block + 1, BLOCK - 1 } };
	struct tine_slice slice = { block, 0, NULL };

	assert_int_equal(tine_writev(c, iov, 3), 0);
	assert_int_equal(tine_write_ref(c, block, BLOCK, count_release, block),
	    0);
	assert_int_equal(tine_write_slice(c, &slice), 0);
	assert_int_equal(tine_write_ref(c, block, 0, count_release, block), 0);
	assert_int_equal(released, 1);
	assert_int_equal(tine_writev(c, iov, 3), 0);
}

static void
pieces_of_every_kind_keep_their_order(void **state)
{
	int peer = run(write_each_kind);

	(void)state;
	expect_blocks(peer, 3 * BLOCK);
	assert_int_equal(released, 2);
	assert_null(rig.conn->output);
	closefd(&peer);
}

static enum tine_action
echo_slice(struct tine_conn *c)
{
	struct tine_slice slice;

	assert_int_equal(tine_slice(c, tine_buffered(c), &slice), 0);
	assert_int_equal(tine_write_slice(c, &slice), 0);
	tine_slice_unref(&slice);
	return TINE_OK;
}

static void
what_was_read_can_be_written_without_a_copy(void **state)
{
	int peer;
	size_t done = 0;

	(void)state;
	rig.server->handler.data = echo_slice;
	peer = rig_connect();
	while (done < BLOCK) {
		ssize_t n = send(peer, block + done, BLOCK - done, 0);

		done += n > 0 ? (size_t)n : 0;
		ev_run(rig.ch.loop, EVRUN_NOWAIT);
	}
	expect_blocks(peer, BLOCK);
	closefd(&peer);
}

static void
refer_to_block(struct tine_conn *c)
{
	size_t i;

	for (i = 0; i < 4; i++)
		assert_int_equal(
		    tine_write_ref(c, block, BLOCK, count_release, block), 0);
}

static void
what_is_lost_is_released_once(void **state)
{
	int peer, size = 4096;

	(void)state;
	peer = rig_connect();
	assert_int_equal(setsockopt(rig.conn->io.fd, SOL_SOCKET, SO_SNDBUF,
			     &size, sizeof(size)),
	    0);
	steps = refer_to_block;
	rig_say(peer, "go");
	rig_turn();
	assert_true(released < 4);
	tine_abort(rig.conn);
	assert_int_equal(rig.closes, 0);
	rig_turn();
	assert_int_equal(rig.closes, 1);
	assert_int_equal(rig.cause, TINE_LOCAL);
	assert_int_equal(released, 4);
	closefd(&peer);
}

static int pipe_ends[2];

static void
write_from_pipe(struct tine_conn *c)
{
	assert_int_equal(tine_write(c, "<", 1), 0);
	assert_int_equal(tine_splice(c, pipe_ends[0], 10), 0);
	assert_int_equal(tine_write(c, ">", 1), 0);
}

static void
a_pipe_is_waited_for_while_it_is_dry(void **state)
{
	int peer;

	(void)state;
	assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
	peer = run(write_from_pipe);
	expect_text(peer, "<");
	assert_true(rig.conn->is_dry);
	assert_int_not_equal(rig.conn->phase_kind, DEADLINE_WRITE);
	assert_int_equal(rig.conn->io.events & EV_WRITE, 0);
	assert_int_equal(write(pipe_ends[1], "0123", 4), 4);
	expect_text(peer, "0123");
	assert_int_equal(write(pipe_ends[1], "456789ABC", 9), 9);
	expect_text(peer, "456789>");
	assert_int_equal(fcntl(pipe_ends[0], F_GETFD), -1);
	closefd(&pipe_ends[1]);
	closefd(&peer);
}

static void
a_pipe_that_ends_early_resets(void **state)
{
	int peer;

	(void)state;
	assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
	peer = run(write_from_pipe);
	rig_turn();
	closefd(&pipe_ends[1]);
	rig_until(rig.closes == 1);
	assert_int_equal(rig.cause, TINE_ERROR);
	assert_int_equal(rig.err, EIO);
	closefd(&peer);
}

static void
a_connection_that_waits_for_a_pipe_can_end(void **state)
{
	int peer;

	(void)state;
	assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
	peer = run(write_from_pipe);
	rig_turn();
	assert_true(rig.conn->is_dry);
	tine_abort(rig.conn);
	rig_turn();
	assert_int_equal(rig.closes, 1);
	assert_int_equal(fcntl(pipe_ends[0], F_GETFD), -1);
	closefd(&pipe_ends[1]);
	closefd(&peer);
}

static void
only_pipes_are_spliced_and_the_descriptor_is_closed_else(void **state)
{
	int peer = rig_connect(), fd = dup(peer);

	(void)state;
	assert_int_equal(tine_splice(rig.conn, fd, 1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(tine_splice(rig.conn, -1, 1), -1);
	assert_int_equal(errno, EBADF);
	closefd(&peer);
}

/* ---- when it goes out ---- */

static void
cork_and_write(struct tine_conn *c)
{
	tine_cork(c);
	assert_int_equal(tine_write(c, "ab", 2), 0);
}

static void
corked_output_waits_for_uncork(void **state)
{
	int peer = run(cork_and_write);
	char text[8];

	(void)state;
	assert_int_equal(rig_hear(peer, text, sizeof(text)), -1);
	assert_int_equal(tine_unsent(rig.conn), 2);
	assert_int_not_equal(rig.conn->phase_kind, DEADLINE_WRITE);
	rig_say(peer, "go");
	rig_turn();
	assert_int_equal(rig_hear(peer, text, sizeof(text)), -1);
	assert_int_equal(rig.writes, 0);
	tine_uncork(rig.conn);
	expect_text(peer, "abab");
	assert_int_equal(rig.writes, 1);
	closefd(&peer);
}

static void
corked_output_goes_out_when_it_is_much_or_the_end(void **state)
{
	int peer = rig_connect();

	(void)state;
	tine_cork(rig.conn);
	assert_int_equal(tine_write(rig.conn, block, BLOCK), 0);
	expect_blocks(peer, BLOCK);
	assert_int_equal(tine_write(rig.conn, "bye", 3), 0);
	tine_close(rig.conn);
	expect_text(peer, "bye");
	closefd(&peer);
}

static int watched;

static void
flush_and_look(struct tine_conn *c)
{
	char got[8];

	assert_int_equal(tine_write(c, "now", 3), 0);
	assert_int_equal(tine_flush(c), 0);
	assert_int_equal(rig_hear(watched, got, sizeof(got)), 3);
	assert_int_equal(tine_unsent(c), 0);
	assert_int_equal(tine_flush(c), 0);
	assert_int_equal(rig.ch.doing.callback, BOARD_IN_DATA);
	assert_int_equal(tine_write(c, " then", 5), 0);
}

static void
flush_sends_within_the_callback(void **state)
{
	(void)state;
	watched = rig_connect();
	steps = flush_and_look;
	rig_say(watched, "go");
	rig_turn();
	expect_text(watched, " then");
	assert_int_equal(rig.writes, 2);
	closefd(&watched);
}

static void
flush_to_nobody(struct tine_conn *c)
{
	closefd(&watched);
	assert_int_equal(tine_write(c, "x", 1), 0);
	assert_int_equal(tine_flush(c), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(rig.closes, 0);
	assert_int_equal(tine_write(c, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(tine_flush(c), -1);
}

static void
a_flush_that_fails_closes_when_the_callback_has_returned(void **state)
{
	(void)state;
	watched = rig_connect();
	steps = flush_to_nobody;
	rig_say(watched, "go");
	rig_until(rig.closes == 1);
	assert_int_equal(rig.cause, TINE_RESET);
	assert_int_equal(rig.err, EPIPE);
}

static void
abort_here(struct tine_conn *c)
{
	size_t len;
	const char *in = tine_peek(c, &len);

	assert_int_equal(tine_write(c, "lost", 4), 0);
	tine_abort(c);
	tine_abort(c);
	assert_int_equal(rig.closes, 0);
	assert_int_equal(len, 0);
	assert_non_null(in);
}

static void
abort_resets_after_the_callback(void **state)
{
	char text[8];
	int peer = rig_connect_tcp();

	(void)state;
	steps = abort_here;
	rig_say(peer, "go");
	rig_until(rig.closes == 1);
	assert_int_equal(rig.cause, TINE_LOCAL);
	rig_until(rig_hear(peer, text, sizeof(text)) == -1 && errno != EAGAIN);
	assert_int_equal(errno, ECONNRESET);
	closefd(&peer);
}

/* ---- at the cap ---- */

static void
a_closing_policy_resets_at_the_cap(void **state)
{
	int peer = rig_connect();

	(void)state;
	tine_set_policy(rig.conn, TINE_POLICY_CLOSE);
	leave_unsent(4 * BLOCK);
	assert_int_equal(tine_write(rig.conn, "x", 1), -1);
	assert_int_equal(errno, ENOBUFS);
	rig_turn();
	assert_int_equal(rig.closes, 1);
	assert_int_equal(rig.cause, TINE_OVERFLOW);
	assert_int_equal(rig_count(BOARD_DROPPED), 1);
	closefd(&peer);
}

static void
a_dropping_policy_loses_bytes_and_lets_go_of_the_rest(void **state)
{
	int peer = rig_connect();
	size_t before;

	(void)state;
	tine_set_policy(rig.conn, TINE_POLICY_DROP);
	leave_unsent(4 * BLOCK);
	before = tine_unsent(rig.conn);
	assert_int_equal(tine_write(rig.conn, "x", 1), 0);
	assert_int_equal(
	    tine_write_ref(rig.conn, block, 1, count_release, block), 0);
	assert_int_equal(released, 1);
	assert_int_equal(tine_sendfile(rig.conn, dup(peer), 0, 1), 0);
	assert_int_equal(tine_unsent(rig.conn), before);
	closefd(&peer);
}

static void
a_calling_policy_asks_the_handler(void **state)
{
	int peer = rig_connect();

	(void)state;
	tine_set_policy(rig.conn, TINE_POLICY_CALL);
	leave_unsent(4 * BLOCK);
	assert_int_equal(
	    tine_write_ref(rig.conn, block, 7, count_release, block), -1);
	assert_int_equal(errno, ENOBUFS);
	assert_int_equal(released, 0);
	assert_int_equal(overflows, 1);
	assert_int_equal(refused, 7);
	rig_turn();
	assert_int_equal(rig.closes, 0);
	on_overflow_says = TINE_ABORT;
	assert_int_equal(tine_write(rig.conn, "x", 1), -1);
	rig_turn();
	assert_int_equal(rig.closes, 1);
	closefd(&peer);
}

/* ---- half an end ---- */

static void
half_close(struct tine_conn *c)
{
	if (c->is_half_closed) {
		assert_int_equal(tine_write(c, "x", 1), -1);
		assert_int_equal(errno, EPIPE);
		return;
	}
	assert_int_equal(tine_write(c, "last", 4), 0);
	assert_int_equal(tine_shutdown_write(c), 0);
	assert_int_equal(tine_shutdown_write(c), 0);
}

static void
a_half_closed_connection_still_hears(void **state)
{
	char text[8];
	int peer = run(half_close);

	(void)state;
	expect_text(peer, "last");
	rig_until(rig_hear(peer, text, sizeof(text)) == 0);
	rig_say(peer, "more");
	rig_turn();
	assert_int_equal(rig.closes, 0);
	assert_int_equal(shutdown(peer, SHUT_WR), 0);
	rig_until(rig.closes == 1);
	assert_int_equal(rig.eofs, 1);
	assert_int_equal(rig.cause, TINE_PEER_EOF);
	closefd(&peer);
}

static void
a_half_close_after_end_of_file_ends_it(void **state)
{
	int peer = rig_connect();

	(void)state;
	assert_int_equal(shutdown(peer, SHUT_WR), 0);
	rig_until(rig.eofs == 1);
	assert_int_equal(tine_shutdown_write(rig.conn), 0);
	rig_until(rig.closes == 1);
	assert_int_equal(rig.cause, TINE_PEER_EOF);
	closefd(&peer);
}

static void
without_memory_nothing_is_taken(void **state)
{
	const struct iovec iov[] = { { block, 100 }, { block, BLOCK } };
	struct tine_slice slice = { block, 5, NULL };
	int peer = rig_connect(), ends[2];
	size_t before, made;

	(void)state;
	leave_unsent(1);
	before = tine_unsent(rig.conn);
	for (made = 0; made < 4; made++) {
		pool_fini(&rig.ch.pool);
		memory_left = (int)made;
		assert_int_equal(tine_writev(rig.conn, iov, 2), -1);
		assert_int_equal(errno, ENOMEM);
		assert_int_equal(tine_unsent(rig.conn), before);
	}
	memory_left = 0;
	pool_fini(&rig.ch.pool);
	assert_int_equal(
	    tine_write_ref(rig.conn, block, 5, count_release, block), -1);
	assert_int_equal(tine_write_slice(rig.conn, &slice), -1);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(tine_splice(rig.conn, ends[0], 5), -1);
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(fcntl(ends[0], F_GETFD), -1);
	assert_int_equal(released, 0);
	memory_left = -1;
	closefd(&ends[1]);
	closefd(&peer);
}

/* Leaves a beginning, and answers the whole in three ways. */
static void
answer_when_whole(struct tine_conn *c)
{
	struct iovec iov[] = { { block, 10 }, { block + 10, 10 } };
	struct tine_slice slice;

	if (tine_buffered(c) < 6)
		return;
	assert_int_equal(tine_slice(c, 6, &slice), 0);
	assert_int_equal(tine_writev(c, iov, 2), 0);
	assert_int_equal(tine_write_slice(c, &slice), 0);
	tine_slice_unref(&slice);
	assert_int_equal(tine_write_ref(c, block, 4, count_release, block), 0);
}

static enum tine_action
keep_or_answer(struct tine_conn *c)
{
	answer_when_whole(c);
	return TINE_OK;
}

static void
the_steady_state_asks_the_allocator_for_nothing(void **state)
{
	char got[64];
	int peer, i;

#ifdef __SANITIZE_ADDRESS__
	skip(); /* the pool keeps nothing */
#endif
	(void)state;
	rig.server->handler.data = keep_or_answer;
	peer = rig_connect();
	for (i = 0; i < 100; i++) {
		if (i == 2)
			memory_left = 0;
		rig_say(peer, "abc");
		rig_turn();
		rig_say(peer, "def");
		rig_turn();
		assert_int_equal(rig_hear(peer, got, sizeof(got)), 30);
		/* From elsewhere, too. */
		assert_int_equal(tine_write(rig.conn, "x", 1), 0);
		rig_turn();
		assert_int_equal(rig_hear(peer, got, sizeof(got)), 1);
	}
	memory_left = -1;
	assert_int_equal(rig.closes, 0);
	assert_int_equal(released, 100);
	closefd(&peer);
}

static void
write_and_flush(void *arg)
{
	released++;
	assert_int_equal(tine_write(arg, "!", 1), 0);
	assert_int_equal(tine_flush(arg), 0);
}

static void
queue_two(struct tine_conn *c)
{
	assert_int_equal(tine_write_ref(c, "abcd", 4, write_and_flush, c), 0);
	assert_int_equal(tine_write_ref(c, "efgh", 4, write_and_flush, c), 0);
}

static void
a_release_may_write_and_flush(void **state)
{
	char got[32];
	int peer;

	(void)state;
	peer = run(queue_two);
	assert_int_equal(rig_hear(peer, got, sizeof(got)), 10);
	assert_string_equal(got, "abcdefgh!!");
	/* The same when a flush has sent only one of them. */
	rig.server->budget_bytes = 4;
	rig_say(peer, "go");
	rig_until(released == 4);
	rig_turn();
	assert_true(rig_hear(peer, got, sizeof(got)) == 10);
	assert_string_equal(got, "abcdefgh!!");
	assert_int_equal(tine_unsent(rig.conn), 0);
	closefd(&peer);
}

int
main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(pieces_of_every_kind_keep_their_order),
		test(what_was_read_can_be_written_without_a_copy),
		test(what_is_lost_is_released_once),
		test(a_pipe_is_waited_for_while_it_is_dry),
		test(a_pipe_that_ends_early_resets),
		test(a_connection_that_waits_for_a_pipe_can_end),
		test(only_pipes_are_spliced_and_the_descriptor_is_closed_else),
		test(corked_output_waits_for_uncork),
		test(corked_output_goes_out_when_it_is_much_or_the_end),
		test(flush_sends_within_the_callback),
		test(a_flush_that_fails_closes_when_the_callback_has_returned),
		test(abort_resets_after_the_callback),
		test(a_closing_policy_resets_at_the_cap),
		test(a_dropping_policy_loses_bytes_and_lets_go_of_the_rest),
		test(a_calling_policy_asks_the_handler),
		test(a_half_closed_connection_still_hears),
		test(a_half_close_after_end_of_file_ends_it),
		test(without_memory_nothing_is_taken),
		test(the_steady_state_asks_the_allocator_for_nothing),
		test(a_release_may_write_and_flush),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

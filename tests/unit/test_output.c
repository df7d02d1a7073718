/* SPDX-License-Identifier: BSD-2-Clause */
/* Output: gathered, queued, in order, with files between, and its marks. */
#include <sys/mman.h>

#include "rig.h"

#define BLOCK 65536

static char block[BLOCK];

static void
every_byte(char *dst, size_t len, size_t from)
{
	size_t i;

	for (i = 0; i < len; i++)
		dst[i] = (char)((from + i) * 31 % 251);
}

/* Read from the peer until `want` bytes have come and compare each. */
static void
expect_bytes(int peer, size_t want)
{
	static char got[BLOCK], right[BLOCK];
	size_t seen = 0;
	ssize_t n;

	while (seen < want) {
		n = recv(peer, got, sizeof(got), 0);
		if (n > 0) {
			every_byte(right, (size_t)n, seen);
			assert_memory_equal(got, right, (size_t)n);
			seen += (size_t)n;
		} else {
			assert_int_equal(n, -1);
			assert_int_equal(errno, EAGAIN);
		}
		ev_run(rig.ch.loop, EVRUN_NOWAIT);
	}
	assert_int_equal(seen, want);
}

static int
file_of(const char *text)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	return fd;
}

/* ---- what the callbacks of these tests write ---- */

static unsigned pieces;

static enum tine_action
write_pieces(struct tine_conn *c)
{
	unsigned i;
	size_t len;

	(void)tine_peek(c, &len);
	tine_consume(c, len);
	for (i = 0; i < pieces; i++)
		assert_int_equal(tine_write(c, "ab", 2), 0);
	return TINE_OK;
}

static enum tine_action
write_with_file(struct tine_conn *c)
{
	size_t len;

	(void)tine_peek(c, &len);
	tine_consume(c, len);
	assert_int_equal(tine_write(c, "head ", 5), 0);
	assert_int_equal(tine_sendfile(c, file_of("<FILE>"), 1, 4), 0);
	assert_int_equal(tine_write(c, " tail", 5), 0);
	return TINE_OK;
}

static enum tine_action
promise_too_much(struct tine_conn *c)
{
	size_t len;

	(void)tine_peek(c, &len);
	tine_consume(c, len);
	assert_int_equal(tine_sendfile(c, file_of("short"), 0, 100), 0);
	return TINE_OK;
}

static void start(enum tine_action (*data)(struct tine_conn *))
{
	struct tine_handler h = rig_handler;

	if (data != NULL)
		h.data = data;
	rig_start(&h);
}

static void
what_a_callback_writes_goes_out_as_one_message(void **state)
{
	char text[64];
	int fds[2];

	(void)state;
	(void)rig_conf();
	start(write_pieces);
	pieces = 10;
	/* Records keep their bounds, so one send shows as one record. */
	assert_int_equal(socketpair(AF_UNIX,
			     SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
			     fds),
	    0);
	conn_open(rig.server, fds[0], 0);
	rig_say(fds[1], "go");
	rig_until(rig_hear(fds[1], text, sizeof(text)) != -1);
	assert_string_equal(text, "abababababababababab");
	assert_int_equal(rig.writes, 1);
	assert_int_equal(rig_count(BOARD_BYTES_OUT), 20);
	closefd(&fds[1]);
}

static void
output_larger_than_the_stage_keeps_its_order(void **state)
{
	static char large[5 * BLOCK + 777];
	int peer;

	(void)state;
	(void)rig_conf();
	rig_start(&rig_handler);
	peer = rig_connect();
	every_byte(large, sizeof(large), 0);
	assert_int_equal(tine_write(rig.conn, large, sizeof(large)), 0);
	assert_int_equal(tine_unsent(rig.conn), sizeof(large));
	expect_bytes(peer, sizeof(large));
	assert_int_equal(tine_unsent(rig.conn), 0);
	assert_null(rig.conn->output);
	closefd(&peer);
}

static void
a_slow_reader_gets_every_byte_in_order(void **state)
{
	int peer, size = 4096;

	(void)state;
	rig_conf()->limits.output = 64 * BLOCK;
	rig_start(&rig_handler);
	rig.is_echo = true;
	peer = rig_connect();
	assert_int_equal(setsockopt(rig.conn->io.fd, SOL_SOCKET, SO_SNDBUF,
			     &size, sizeof(size)),
	    0);
	every_byte(block, 30000, 0);
	assert_int_equal(send(peer, block, 30000, MSG_NOSIGNAL), 30000);
	rig_until(rig.ngot == 30000);
	assert_true(tine_unsent(rig.conn) > 0);
	assert_true(rig.conn->is_blocked);
	expect_bytes(peer, 30000);
	rig_turn();
	assert_false(rig.conn->is_blocked);
	assert_int_equal(rig.conn->io.events & EV_WRITE, 0);
	closefd(&peer);
}

static void
a_write_outside_of_a_callback_goes_out_in_the_same_turn(void **state)
{
	char text[16];
	int peer;

	(void)state;
	(void)rig_conf();
	rig_start(&rig_handler);
	peer = rig_connect();
	assert_int_equal(tine_write(rig.conn, "now", 3), 0);
	ev_run(rig.ch.loop, EVRUN_NOWAIT);
	assert_int_equal(rig_hear(peer, text, sizeof(text)), 3);
	assert_string_equal(text, "now");
	closefd(&peer);
}

static void
a_file_goes_between_what_is_written_around_it(void **state)
{
	char text[64];
	int peer;

	(void)state;
	(void)rig_conf();
	start(write_with_file);
	peer = rig_connect_tcp();
	rig_say(peer, "go");
	rig_until(rig_count(BOARD_BYTES_OUT) == 14);
	rig_until(recv(peer, text, sizeof(text), MSG_PEEK) == 14);
	(void)rig_hear(peer, text, sizeof(text));
	assert_string_equal(text, "head FILE tail");
	closefd(&peer);
}

static void
a_file_shorter_than_promised_resets(void **state)
{
	char text[64];
	int peer;
	ssize_t n;

	(void)state;
	(void)rig_conf();
	start(promise_too_much);
	peer = rig_connect_tcp();
	rig_say(peer, "go");
	rig_until(rig.closes == 1);
	assert_int_equal(rig.cause, TINE_ERROR);
	assert_int_equal(rig.err, EIO);
	do
		n = rig_hear(peer, text, sizeof(text));
	while (n > 0);
	assert_int_equal(n, -1);
	assert_int_equal(errno, ECONNRESET);
	closefd(&peer);
}

static void
sendfile_owns_its_descriptor_when_it_fails_too(void **state)
{
	int peer, fd;

	(void)state;
	(void)rig_conf();
	rig_start(&rig_handler);
	peer = rig_connect();
	fd = file_of("x");
	tine_close(rig.conn);
	assert_int_equal(tine_sendfile(rig.conn, fd, 0, 1), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	closefd(&peer);
}

static int
with_marks(void **state)
{
	struct conf_server *server = rig_conf();

	(void)state;
	server->limits.output_low = BLOCK;
	server->limits.output_high = 2 * BLOCK;
	server->limits.output = 8 * BLOCK;
	rig_start(&rig_handler);
	return 0;
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

static void
past_high_the_handler_is_told_and_drained_comes_under_low(void **state)
{
	int peer = rig_connect();

	(void)state;
	leave_unsent(1);
	assert_false(tine_is_congested(rig.conn));
	leave_unsent(2 * BLOCK + 1);
	assert_true(tine_is_congested(rig.conn));
	while (tine_unsent(rig.conn) > BLOCK) {
		assert_int_equal(rig.drains, 0);
		(void)recv(peer, block, BLOCK, 0);
		ev_run(rig.ch.loop, EVRUN_NOWAIT);
	}
	rig_until(rig.drains == 1);
	assert_false(tine_is_congested(rig.conn));
	rig_turn();
	assert_int_equal(rig.drains, 1);
	closefd(&peer);
}

static void
past_high_reading_goes_on_and_at_output_it_stops(void **state)
{
	int peer = rig_connect();
	unsigned datas;

	(void)state;
	leave_unsent(2 * BLOCK + 1);
	rig_say(peer, "x");
	rig_until(rig.datas == 1);
	leave_unsent(8 * BLOCK);
	assert_int_equal(tine_write(rig.conn, "x", 1), -1);
	assert_int_equal(errno, ENOBUFS);
	datas = rig.datas;
	rig_say(peer, "y");
	rig_turn();
	assert_int_equal(rig.datas, datas);
	while (tine_unsent(rig.conn) > BLOCK) {
		assert_int_equal(rig.datas, datas);
		(void)recv(peer, block, BLOCK, 0);
		ev_run(rig.ch.loop, EVRUN_NOWAIT);
	}
	rig_until(rig.datas == datas + 1);
	closefd(&peer);
}

static void
a_write_that_begins_under_output_is_taken_whole(void **state)
{
	static char large[20 * BLOCK];
	int peer = rig_connect();

	(void)state;
	assert_int_equal(tine_write(rig.conn, large, sizeof(large)), 0);
	assert_int_equal(tine_unsent(rig.conn), sizeof(large));
	closefd(&peer);
}

static void
end_of_file_waits_until_a_congested_handler_was_drained(void **state)
{
	int peer = rig_connect();

	(void)state;
	leave_unsent(2 * BLOCK + 1);
	assert_int_equal(shutdown(peer, SHUT_WR), 0);
	rig_turn();
	assert_true(rig.conn->eof_seen);
	assert_int_equal(rig.conn->state, CONN_OPEN);
	while (rig.closes == 0) {
		(void)recv(peer, block, BLOCK, 0);
		ev_run(rig.ch.loop, EVRUN_NOWAIT);
	}
	assert_int_equal(rig.drains, 1);
	assert_int_equal(rig.cause, TINE_PEER_EOF);
	closefd(&peer);
}

static void
a_broken_peer_ends_the_connection_and_frees_its_output(void **state)
{
	int peer = rig_connect();

	(void)state;
	leave_unsent(3 * BLOCK);
	closefd(&peer);
	rig_until(rig.closes == 1);
	assert_int_equal(rig.cause, TINE_RESET);
	rig_turn();
	assert_int_equal(rig.ch.nconns, 0);
}

int
main(void)
{
#define test(f) cmocka_unit_test_teardown(f, rig_end)
#define marks(f) cmocka_unit_test_setup_teardown(f, with_marks, rig_end)
	const struct CMUnitTest tests[] = {
		test(what_a_callback_writes_goes_out_as_one_message),
		test(output_larger_than_the_stage_keeps_its_order),
		test(a_slow_reader_gets_every_byte_in_order),
		test(a_write_outside_of_a_callback_goes_out_in_the_same_turn),
		test(a_file_goes_between_what_is_written_around_it),
		test(a_file_shorter_than_promised_resets),
		test(sendfile_owns_its_descriptor_when_it_fails_too),
		marks(
		    past_high_the_handler_is_told_and_drained_comes_under_low),
		marks(past_high_reading_goes_on_and_at_output_it_stops),
		marks(a_write_that_begins_under_output_is_taken_whole),
		marks(end_of_file_waits_until_a_congested_handler_was_drained),
		marks(a_broken_peer_ends_the_connection_and_frees_its_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

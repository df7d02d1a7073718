/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections by name, from other threads. */
#include "rig.h"

#include <sys/mman.h>
#include <sys/uio.h>

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "child/handle.h"

#define MANY 500

static int
start(void **state)
{
	return rig_plain(state);
}

static void
a_handle_finds_its_connection_among_many(void **state)
{
	int peers[MANY];
	uint64_t handles[MANY];
	struct tine_conn *conns[MANY];
	size_t i;

	(void)state;
	for (i = 0; i < MANY; i++) {
		peers[i] = rig_connect();
		conns[i] = rig.conn;
		handles[i] = tine_handle(rig.conn);
	}
	for (i = 0; i < MANY; i++)
		assert_ptr_equal(tine_find_conn(handles[i]), conns[i]);
	for (i = 0; i < MANY; i++)
		closefd(&peers[i]);
	rig_until(rig.closes == MANY);
	for (i = 0; i < MANY; i++)
		assert_null(tine_find_conn(handles[i]));
}

static void
what_is_no_handle_finds_nothing(void **state)
{
	static const uint64_t bad[] = { 0, 2, 64, 65, UINT32_MAX, UINT64_MAX,
		UINT64_C(1) << 32, (UINT64_C(1) << 32) + 1 };
	int peer;
	size_t i;

	(void)state;
	assert_null(tine_find_conn(1));
	peer = rig_connect();
	assert_int_equal(tine_handle(rig.conn), 1);
	for (i = 0; i < nitems(bad); i++) {
		assert_null(tine_find_conn(bad[i]));
		assert_int_equal(tine_wake(bad[i]), 0);
		assert_int_equal(tine_close_handle(bad[i]), 0);
		assert_int_equal(tine_write_to(bad[i], "x", 1), 0);
	}
	rig_turn();
	assert_int_equal(rig.datas, 0);
	assert_non_null(tine_find_conn(1));
	closefd(&peer);
}

/* Pain of others: the descriptor and the object are used again at once, and
 * the next client got what was meant for the one before. */
static void
a_stale_handle_never_reaches_the_next_client(void **state)
{
	int peer = rig_connect(), next;
	uint64_t old = tine_handle(rig.conn);
	struct tine_conn *object = rig.conn;
	int fd = rig.conn->io.fd;
	char text[8];

	(void)state;
	assert_int_equal(tine_write_to(old, "secret", 6), 0);
	assert_int_equal(tine_wake(old), 0);
	assert_int_equal(tine_close_handle(old), 0);
	/* It goes, and another takes its place, before they are delivered. */
	conn_close(rig.conn, TINE_LOCAL, 0);
	conn_sweep(&rig.ch);
	closefd(&peer);
	next = rig_connect();
	assert_ptr_equal(rig.conn, object);
	assert_int_equal(rig.conn->io.fd, fd);
	assert_int_not_equal(tine_handle(rig.conn), old);
	rig_turn();
	assert_int_equal(rig.datas, 0);
	assert_int_equal(rig.closes, 1);
	assert_int_equal(rig_hear(next, text, sizeof(text)), -1);
	assert_null(tine_find_conn(old));
	assert_ptr_equal(tine_find_conn(tine_handle(rig.conn)), object);
	closefd(&next);
}

static void
a_wake_calls_data_with_no_new_bytes(void **state)
{
	int peer = rig_connect();

	(void)state;
	assert_int_equal(tine_wake(tine_handle(rig.conn)), 0);
	assert_int_equal(rig.datas, 0);
	rig_turn();
	assert_int_equal(rig.datas, 1);
	assert_int_equal(rig.ngot, 0);
	/* What was left before is shown again. */
	rig.leaves_input = true;
	rig_say(peer, "left");
	rig_until(rig.datas == 2);
	rig.leaves_input = false;
	assert_int_equal(tine_wake(tine_handle(rig.conn)), 0);
	rig_turn();
	assert_int_equal(rig.datas, 3);
	assert_memory_equal(rig.got, "left", 4);
	closefd(&peer);
}

static enum tine_action
wake_from_open(struct tine_conn *c)
{
	assert_int_equal(tine_wake(tine_handle(c)), 0);
	return rig_open(c);
}

static void
woken_in_open_it_gets_data_afterwards(void **state)
{
	struct tine_handler h = rig_handler;
	int peer;

	(void)state;
	h.open = wake_from_open;
	rig.server->handler = h;
	peer = rig_connect();
	assert_int_equal(rig.opens, 1);
	assert_int_equal(rig.datas, 0);
	rig_turn();
	assert_int_equal(rig.datas, 1);
	closefd(&peer);
}

static enum tine_action
wake_from_data(struct tine_conn *c)
{
	if (rig.datas == 0)
		assert_int_equal(tine_wake(tine_handle(c)), 0);
	return rig_data(c);
}

static void
woken_in_its_own_callback_it_is_called_once_more(void **state)
{
	struct tine_handler h = rig_handler;
	int peer;

	(void)state;
	h.data = wake_from_data;
	rig.server->handler = h;
	peer = rig_connect();
	rig_say(peer, "x");
	rig_until(rig.datas == 2);
	rig_turn();
	assert_int_equal(rig.datas, 2);
	assert_int_equal(rig.ngot, 1);
	closefd(&peer);
}

static void
woken_while_it_closes_or_after_it_gets_nothing(void **state)
{
	int peer = rig_connect();
	uint64_t handle = tine_handle(rig.conn);

	(void)state;
	tine_close(rig.conn);
	assert_int_equal(tine_wake(handle), 0);
	rig_turn();
	assert_int_equal(rig.datas, 0);
	closefd(&peer);
	rig_until(rig.closes == 1);
	assert_int_equal(tine_wake(handle), 0);
	rig_turn();
	assert_int_equal(rig.datas, 0);
}

static void
writes_by_handle_arrive_in_order_and_together(void **state)
{
	char a[] = "one ", b[] = "two ";
	const struct iovec iov[] = { { a, 4 }, { NULL, 0 }, { b, 4 } };
	int peer = rig_connect();
	uint64_t handle = tine_handle(rig.conn);
	char text[32];

	(void)state;
	assert_int_equal(tine_writev_to(handle, iov, 3), 0);
	(void)memset(a, 'x', 4); /* it was copied */
	assert_int_equal(tine_write_to(handle, "three", 5), 0);
	assert_int_equal(tine_write_to(handle, NULL, 0), 0);
	assert_int_equal(rig_hear(peer, text, sizeof(text)), -1);
	rig_turn();
	assert_int_equal(rig_hear(peer, text, sizeof(text)), 13);
	assert_string_equal(text, "one two three");
	closefd(&peer);
}

static void
an_impossible_vector_is_refused(void **state)
{
	char byte;
	const struct iovec iov[] = { { &byte, SIZE_MAX }, { &byte, 1 } };
	const struct iovec most = { &byte, SIZE_MAX };

	(void)state;
	assert_int_equal(tine_writev_to(1, iov, 2), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(tine_writev_to(1, &most, 1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(tine_writev_to(1, iov, -1), -1);
	assert_int_equal(errno, EINVAL);
}

static void
close_by_handle_lets_the_output_out(void **state)
{
	int peer = rig_connect();
	uint64_t handle = tine_handle(rig.conn);
	char text[16];

	(void)state;
	assert_int_equal(tine_write_to(handle, "goodbye", 7), 0);
	assert_int_equal(tine_close_handle(handle), 0);
	assert_int_equal(tine_write_to(handle, "lost", 4), 0);
	rig_turn();
	assert_int_equal(rig_hear(peer, text, sizeof(text)), 7);
	assert_int_equal(rig_hear(peer, text, sizeof(text)), 0);
	closefd(&peer);
	rig_until(rig.closes == 1);
	assert_int_equal(rig.cause, TINE_LOCAL);
}

static void
a_write_to_one_that_does_not_read_ends_it_at_the_cap(void **state)
{
	static char block[1 << 16];
	int peer, i;
	uint64_t handle;

	(void)state;
	rig.server->limits.output = 4 * sizeof(block);
	peer = rig_connect();
	handle = tine_handle(rig.conn);
	for (i = 0; i < 64 && rig.closes == 0; i++) {
		assert_int_equal(tine_write_to(handle, block, sizeof(block)),
		    0);
		rig_turn();
	}
	assert_int_equal(rig.closes, 1);
	assert_int_equal(rig.cause, TINE_OVERFLOW);
	closefd(&peer);
}

static struct {
	uint64_t handle;
	struct tine_conn *conn;
	struct tine_timer *timer;
	unsigned refused;
} foreign;

static void
expect_refused(bool is_refused)
{
	foreign.refused += is_refused && errno == EPERM;
	errno = 0;
}

/* All that there is, but with nothing to work on. */
static void *
call_from_elsewhere(void *arg)
{
	struct tine_conn *c = foreign.conn;
	struct tine_child *s = rig.server;
	struct sockaddr_storage name;
	char text[8] = { 0 };
	struct iovec iov = { text, 1 };
	struct tine_slice slice = { text, 1, NULL };
	size_t len = 1;

	errno = 0;
	expect_refused(tine_peek(c, &len) == NULL && len == 0);
	expect_refused(tine_peek_iov(c, &iov, 1) == 0);
	expect_refused(tine_pull_up(c, 0) == NULL);
	expect_refused(tine_next(c, 0) == NULL);
	expect_refused(tine_read(c, text, 1) == 0);
	expect_refused(tine_find(c, 0, "x", 1) == -1);
	expect_refused(tine_buffered(c) == 0);
	expect_refused(tine_slice(c, 0, &slice) == -1);
	expect_refused(tine_slice_ref(&slice).bytes == NULL);
	tine_slice_unref(&slice);
	expect_refused(true);
	tine_pause(c);
	expect_refused(true);
	tine_resume(c);
	expect_refused(true);
	expect_refused(tine_write(c, "x", 1) == -1);
	expect_refused(tine_writev(c, &iov, 1) == -1);
	expect_refused(tine_reply(c, "x", 1) == -1);
	expect_refused(tine_sendfile(c, -1, 0, 1) == -1);
	expect_refused(tine_unsent(c) == 0);
	expect_refused(!tine_is_congested(c));
	expect_refused(tine_state(c) == NULL);
	expect_refused(tine_handle(c) == 0);
	expect_refused(tine_child(c) == NULL);
	expect_refused(tine_set_context(c, c) == -1);
	expect_refused(tine_context(c) == NULL);
	expect_refused(tine_listener(c) == SIZE_MAX);
	expect_refused(tine_set_timeout(c, TINE_T_IDLE, 1) == -1);
	expect_refused(tine_peer(c, &name) == -1);
	expect_refused(tine_local(c, &name) == -1);
	expect_refused(tine_peer_name(c, text, sizeof(text)) == text);
	expect_refused(tine_set_nodelay(c, true) == -1);
	expect_refused(tine_set_keepalive(c, 1, 1, 1) == -1);
	expect_refused(tine_set_buffers(c, 1, 1) == -1);
	expect_refused(tine_set_linger(c, 1) == -1);
	expect_refused(tine_fd(c) == -1);
	expect_refused(tine_dup(c) == -1);
	expect_refused(!tine_is_open(c));
	expect_refused(tine_data(s) == NULL);
	expect_refused(!tine_is_draining(s));
	expect_refused(tine_drain_reason(s) == NULL);
	expect_refused(tine_time(s) <= 0);
	expect_refused(tine_dgram_reply(NULL, "x", 1) == -1);
	expect_refused(tine_dgram_send(s, 0, NULL, 0, "x", 1) == -1);
	expect_refused(!tine_is_overloaded(s));
	expect_refused(tine_find_conn(foreign.handle) == NULL);
	expect_refused(tine_offload(s, NULL, NULL, NULL) == -1);
	expect_refused(tine_timer_start(s, 1, 0, NULL, NULL) == NULL);
	tine_timer_stop(foreign.timer);
	expect_refused(true);
	tine_set_data(s, s);
	expect_refused(true);
	tine_set_error(s, "x");
	expect_refused(true);
	tine_consume(c, 1);
	expect_refused(true);
	tine_count_requests(c, 1);
	expect_refused(true);
	tine_close(c);
	expect_refused(true);
	tine_log(NULL, TINE_LOG_ERROR, "x");
	expect_refused(true);
	return arg;
}
#define FOREIGN_CALLS 52

static void
calls_of_the_loop_are_refused_in_other_threads(void **state)
{
	pthread_t thread;
	int peer = rig_connect(), log = memfd_create("log", MFD_CLOEXEC);
	char text[1024];
	ssize_t n;

	(void)state;
	assert_int_not_equal(log, -1);
	(void)memset(&foreign, 0, sizeof(foreign));
	foreign.handle = tine_handle(rig.conn);
	foreign.conn = rig.conn;
	foreign.timer = tine_timer_start(rig.server, 99, 0, NULL, NULL);
	log_start(log, LOG_STDERR, LOG_WARN);
	assert_int_equal(
	    pthread_create(&thread, NULL, call_from_elsewhere, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	rig_turn();
	log_start(STDERR_FILENO, LOG_STDERR, LOG_ERROR);
	assert_int_equal(foreign.refused, FOREIGN_CALLS);
	/* Nothing has happened. */
	assert_ptr_equal(tine_find_conn(foreign.handle), foreign.conn);
	assert_true(tine_is_open(foreign.conn));
	assert_int_equal(rig_count(BOARD_REQUESTS), 0);
	assert_null(tine_data(rig.server));
	assert_int_equal(rig.server->timers.count, 1);
	/* And one line says who did the first of it. */
	n = pread(log, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "handler rig: tine_peek() from a thread"));
	assert_ptr_equal(strchr(text, '\n'), text + n - 1);
	closefd(&log);
	closefd(&peer);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, rig_end)
	static const struct CMUnitTest tests[] = {
		TEST(a_handle_finds_its_connection_among_many),
		TEST(what_is_no_handle_finds_nothing),
		TEST(a_stale_handle_never_reaches_the_next_client),
		TEST(a_wake_calls_data_with_no_new_bytes),
		TEST(woken_in_open_it_gets_data_afterwards),
		TEST(woken_in_its_own_callback_it_is_called_once_more),
		TEST(woken_while_it_closes_or_after_it_gets_nothing),
		TEST(writes_by_handle_arrive_in_order_and_together),
		TEST(an_impossible_vector_is_refused),
		TEST(close_by_handle_lets_the_output_out),
		TEST(a_write_to_one_that_does_not_read_ends_it_at_the_cap),
		TEST(calls_of_the_loop_are_refused_in_other_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

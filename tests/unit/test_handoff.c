/* SPDX-License-Identifier: BSD-2-Clause */
/* Hand-off pairs: what goes in comes out, and nothing that a child or an
 * acceptor can do with its end hurts the other. */
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "shared/base.h"
#include "shared/handoff.h"

static int reader, writer, connection, peer;

static int
open_all(void **state)
{
	int pair[2], ends[2];

	(void)state;
	assert_int_equal(handoff_pair(pair), 0);
	reader = pair[0];
	writer = pair[1];
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	connection = ends[0];
	peer = ends[1];
	return 0;
}

static int
close_all(void **state)
{
	(void)state;
	closefd(&reader);
	closefd(&writer);
	closefd(&connection);
	closefd(&peer);
	return 0;
}

static int
count_descriptors(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

/* Send this payload with these descriptors, as no honest acceptor does. */
static void
send_odd(size_t len, const int *fds, size_t n)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(8 * sizeof(int))];
	} control;
	char bytes[8] = "";
	struct iovec iov = { .iov_base = bytes, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	(void)memset(&control, 0, sizeof(control));
	if (n > 0) {
		msg.msg_control = control.room;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
		(void)memcpy(CMSG_DATA(cmsg), fds, n * sizeof(int));
	}
	assert_int_not_equal(sendmsg(writer, &msg, MSG_NOSIGNAL), -1);
}

static void
a_connection_arrives_alive(void **state)
{
	int got[HANDOFF_BATCH];
	char byte = 0;

	(void)state;
	assert_int_equal(handoff_send(writer, connection), 0);
	closefd(&connection);
	assert_int_equal(handoff_queue(reader), 1);
	assert_int_equal(handoff_receive(reader, got, HANDOFF_BATCH), 1);
	assert_int_equal(handoff_queue(reader), 0);
	assert_true(handoff_accept(got[0]));
	assert_true((fcntl(got[0], F_GETFL) & O_NONBLOCK) != 0);
	assert_true((fcntl(got[0], F_GETFD) & FD_CLOEXEC) != 0);
	assert_int_equal(send(peer, "x", 1, MSG_NOSIGNAL), 1);
	assert_int_equal(recv(got[0], &byte, 1, 0), 1);
	assert_int_equal(byte, 'x');
	closefd(&got[0]);
}

static void
many_arrive_with_one_call(void **state)
{
	int got[HANDOFF_BATCH], i;

	(void)state;
	for (i = 0; i < HANDOFF_BATCH + 3; i++)
		assert_int_equal(handoff_send(writer, connection), 0);
	assert_int_equal(handoff_receive(reader, got, 100), HANDOFF_BATCH);
	for (i = 0; i < HANDOFF_BATCH; i++)
		closefd(&got[i]);
	assert_int_equal(handoff_receive(reader, got, 2), 2);
	closefd(&got[0]);
	closefd(&got[1]);
	assert_int_equal(handoff_receive(reader, got, HANDOFF_BATCH), 1);
	closefd(&got[0]);
	assert_int_equal(handoff_receive(reader, got, HANDOFF_BATCH), -1);
	assert_int_equal(errno, EAGAIN);
}

static void
what_is_writable_takes_as_many_as_promised(void **state)
{
	int got[HANDOFF_BATCH], n = 0, i;

	(void)state;
	assert_true(handoff_has_room(writer));
	while (handoff_has_room(writer)) {
		assert_int_equal(handoff_send(writer, connection), 0);
		n++;
	}
	/* Not the promise of now, but that of one record before. */
	for (i = 1; i < HANDOFF_CREDIT; i++)
		assert_int_equal(handoff_send(writer, connection), 0);
	for (n += i - 1; handoff_send(writer, connection) == 0; n++)
		assert_in_range(n, 0, 1000);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(handoff_queue(reader), n);
	while (n > 0) {
		int k = handoff_receive(reader, got, HANDOFF_BATCH);

		assert_in_range(k, 1, HANDOFF_BATCH);
		for (n -= k; k > 0; k--)
			closefd(&got[k - 1]);
	}
	assert_true(handoff_has_room(writer));
}

static void
what_waits_outlives_the_one_who_sent_it(void **state)
{
	int got[HANDOFF_BATCH];

	(void)state;
	assert_int_equal(handoff_send(writer, connection), 0);
	assert_int_equal(handoff_send(writer, connection), 0);
	closefd(&writer);
	assert_int_equal(handoff_receive(reader, got, 1), 1);
	closefd(&got[0]);
	assert_int_equal(handoff_receive(reader, got, HANDOFF_BATCH), 1);
	closefd(&got[0]);
	assert_int_equal(handoff_receive(reader, got, HANDOFF_BATCH), 0);
}

static void
after_it_was_shut_nothing_goes_in_and_the_rest_comes_out(void **state)
{
	int got[HANDOFF_BATCH];

	(void)state;
	assert_false(handoff_is_shut(writer));
	assert_int_equal(handoff_send(writer, connection), 0);
	handoff_shut(writer);
	assert_true(handoff_is_shut(writer));
	assert_int_equal(handoff_send(writer, connection), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(handoff_queue(reader), 1);
	assert_int_equal(handoff_receive(reader, got, 1), 1);
	closefd(&got[0]);
	assert_int_equal(handoff_receive(reader, got, 1), 0);
}

static void
a_reader_that_shuts_it_is_seen_and_loses_nothing_that_waits(void **state)
{
	int got[HANDOFF_BATCH];

	(void)state;
	assert_int_equal(handoff_send(writer, connection), 0);
	assert_int_equal(shutdown(reader, SHUT_RDWR), 0);
	assert_true(handoff_is_shut(writer));
	assert_int_equal(handoff_receive(reader, got, 1), 1);
	closefd(&got[0]);
}

static void
it_leads_one_way_only(void **state)
{
	struct pollfd pfd = { .fd = reader, .events = POLLIN | POLLRDHUP };

	(void)state;
	assert_int_equal(send(reader, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(poll(&pfd, 1, 0), 0);
}

static void
odd_records_leave_no_descriptor_behind(void **state)
{
	const int many[] = { connection, peer, connection, peer };
	int got[HANDOFF_BATCH], before = count_descriptors(), i;

	(void)state;
	send_odd(1, NULL, 0);
	send_odd(8, NULL, 0);
	send_odd(1, many, 4);
	send_odd(8, many, 1);
	assert_int_equal(handoff_receive(reader, got, HANDOFF_BATCH), 4);
	assert_int_equal(got[0], -1);
	assert_int_equal(got[1], -1);
	for (i = 2; i < 4; i++) {
		assert_true(handoff_accept(got[i]));
		closefd(&got[i]);
	}
	assert_int_equal(count_descriptors(), before);
}

static void
an_empty_record_is_not_the_end(void **state)
{
	int got[HANDOFF_BATCH], before = count_descriptors(), i;

	(void)state;
	send_odd(0, NULL, 0);
	assert_int_equal(handoff_receive(reader, got, HANDOFF_BATCH), 1);
	assert_int_equal(got[0], -1);
	/* Nor does it hide what comes behind it, or the end. */
	for (i = 0; i < 3; i++)
		send_odd(0, NULL, 0);
	assert_int_equal(handoff_send(writer, connection), 0);
	handoff_shut(writer);
	assert_int_equal(handoff_receive(reader, got, 2), 2);
	assert_int_equal(handoff_receive(reader, got, HANDOFF_BATCH), 2);
	assert_int_equal(got[0], -1);
	assert_true(handoff_accept(got[1]));
	closefd(&got[1]);
	assert_int_equal(handoff_receive(reader, got, HANDOFF_BATCH), 0);
	assert_int_equal(count_descriptors(), before);
}

static void
what_a_reader_asks_of_the_kernel_keeps_no_successor_from_reading(void **state)
{
	static const int options[] = { SO_PASSCRED, SO_PASSSEC,
		76 /* SO_PASSPIDFD */, SO_TIMESTAMP };
	int got[HANDOFF_BATCH], on = 1, before = count_descriptors();
	size_t i;

	(void)state;
	for (i = 0; i < nitems(options); i++)
		(void)setsockopt(reader, SOL_SOCKET, options[i], &on,
		    sizeof(on));
	assert_int_equal(handoff_send(writer, connection), 0);
	assert_int_equal(handoff_receive(reader, got, 1), 1);
	assert_true(handoff_accept(got[0]));
	closefd(&got[0]);
	assert_int_equal(count_descriptors(), before);
}

static void
a_reader_that_forbids_descriptors_is_mended(void **state)
{
	const int off = 0;
	int got[HANDOFF_BATCH];

	(void)state;
	if (setsockopt(reader, SOL_SOCKET, 83 /* SO_PASSRIGHTS */, &off,
		sizeof(off)) == -1)
		skip();
	assert_int_equal(handoff_send(writer, connection), -1);
	assert_int_equal(errno, EPERM);
	handoff_mend(reader);
	assert_int_equal(handoff_send(writer, connection), 0);
	assert_int_equal(handoff_receive(reader, got, 1), 1);
	closefd(&got[0]);
}

static void
a_reader_cannot_have_records_dropped(void **state)
{
	struct sock_filter none[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_fprog prog = { .len = 1, .filter = none };
	int got[HANDOFF_BATCH], off = 0;

	(void)state;
	assert_int_equal(setsockopt(reader, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
			     sizeof(prog)),
	    -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(
	    setsockopt(reader, SOL_SOCKET, SO_LOCK_FILTER, &off, sizeof(off)),
	    -1);
	assert_int_equal(handoff_send(writer, connection), 0);
	assert_int_equal(handoff_receive(reader, got, 1), 1);
	closefd(&got[0]);
}

static void
only_a_stream_socket_is_a_connection(void **state)
{
	int fd;

	(void)state;
	assert_false(handoff_accept(-1));
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_false(handoff_accept(fd));
	closefd(&fd);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_false(handoff_accept(fd));
	closefd(&fd);
	assert_false(handoff_accept(writer));
	assert_true(handoff_accept(peer));
}

#define with_pair(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_pair(a_connection_arrives_alive),
		with_pair(many_arrive_with_one_call),
		with_pair(what_is_writable_takes_as_many_as_promised),
		with_pair(what_waits_outlives_the_one_who_sent_it),
		with_pair(
		    after_it_was_shut_nothing_goes_in_and_the_rest_comes_out),
		with_pair(
		    a_reader_that_shuts_it_is_seen_and_loses_nothing_that_waits),
		with_pair(it_leads_one_way_only),
		with_pair(odd_records_leave_no_descriptor_behind),
		with_pair(an_empty_record_is_not_the_end),
		with_pair(
		    what_a_reader_asks_of_the_kernel_keeps_no_successor_from_reading),
		with_pair(a_reader_that_forbids_descriptors_is_mended),
		with_pair(a_reader_cannot_have_records_dropped),
		with_pair(only_a_stream_socket_is_a_connection),
	};

	return cmocka_run_group_tests_name("handoff", tests, NULL, NULL);
}

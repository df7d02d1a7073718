/* SPDX-License-Identifier: BSD-2-Clause */
/* UDP in a child: a real socket, clients that the test holds, and a kernel
 * that refuses to send when it is told to. */
#include "child/dgram.h"

#include <errno.h>
#include <poll.h>

#include "tests/unit/rig.h"

#define WAIT_MS 5000
#define LONGEST 65507

/* What the handler does, and what it was told. */
static struct {
	bool takes_all; /* asks for the rest of the batch */
	bool is_silent; /* answers nothing */
	bool was_cut;   /* the last one was truncated */
	unsigned calls, packets;
	enum tine_action action;
	size_t listener;
} told;

/* What sendmmsg() and recvmmsg() say instead of being called. */
static int send_error, send_errors; /* errno, and how often; -1: always */
static int receive_error;
static unsigned sends;

static struct addr addr; /* of the socket */

int __real_sendmmsg(int, struct mmsghdr *, unsigned, int);
int __wrap_sendmmsg(int, struct mmsghdr *, unsigned, int);
int __real_recvmmsg(int, struct mmsghdr *, unsigned, int, struct timespec *);
int __wrap_recvmmsg(int, struct mmsghdr *, unsigned, int, struct timespec *);

int
__wrap_sendmmsg(int fd, struct mmsghdr *msg, unsigned n, int flags)
{
	sends++;
	if (send_errors != 0) {
		send_errors -= send_errors > 0;
		errno = send_error;
		return -1;
	}
	return __real_sendmmsg(fd, msg, n, flags);
}

int
__wrap_recvmmsg(int fd, struct mmsghdr *msg, unsigned n, int flags,
    struct timespec *t)
{
	if (receive_error != 0) {
		errno = receive_error;
		receive_error = 0;
		return -1;
	}
	return __real_recvmmsg(fd, msg, n, flags, t);
}

static enum tine_action
on_datagram(struct tine_dgram *d)
{
	const void *bytes;
	size_t len;

	assert_ptr_equal(tine_dgram_child(d), rig.server);
	told.calls++;
	told.listener = tine_dgram_listener(d);
	do {
		told.packets++;
		bytes = tine_dgram_bytes(d, &len);
		told.was_cut = tine_dgram_is_truncated(d);
		if (!told.is_silent)
			(void)tine_dgram_reply(d, bytes, len);
	} while (told.takes_all && tine_dgram_next(d));
	return told.action;
}

static const struct tine_handler handler = {
	.size = sizeof(struct tine_handler),
	.abi = TINE_ABI,
	.name = "packets",
	.datagram = on_datagram,
};

/* A READY child with one socket for the URL, which names the host. */
static void
serve(const char *url, const char *host, const char *key, const char *value)
{
	const struct ctl_slot slot = { .id = 1 };
	int fd, off = 0, on = 1;
	struct err err;

	(void)memset(&told, 0, sizeof(told));
	send_error = send_errors = receive_error = 0;
	sends = 0;
	(void)rig_conf();
	assert_int_equal(url_parse(&rig.conf.servers[0].listens[0], url, &err),
	    0);
	if (key != NULL)
		assert_int_equal(conf_set(&rig.conf, key, value, &err), 0);
	assert_int_equal(conf_set(&rig.conf, "servers.0.handler", "echo", &err),
	    0);
	rig_start(&handler);
	assert_int_equal(addr_from_ip(&addr, host, 0), 0);
	fd = socket(addr.u.sa.sa_family,
	    SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_not_equal(fd, -1);
	if (addr.u.sa.sa_family == AF_INET6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off,
		    sizeof(off));
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on,
		    sizeof(on));
	} else if (addr_is_wildcard(&addr)) {
		(void)setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	}
	assert_int_equal(bind(fd, &addr.u.sa, addr.len), 0);
	assert_int_equal(getsockname(fd, &addr.u.sa, &addr.len), 0);
	assert_int_equal(accept_add(&rig.ch, &slot, fd, true), 0);
}

static int
plain(void **state)
{
	(void)state;
	serve("udp://127.0.0.1:0", "127.0.0.1", NULL, NULL);
	return 0;
}

static int
end(void **state)
{
	send_errors = receive_error = 0;
	return rig_end(state);
}

/* A client that talks to the socket by this address of its. */
static int
client(const char *host)
{
	struct addr to;
	int fd;

	assert_int_equal(addr_from_ip(&to, host, addr_port(&addr)), 0);
	fd = socket(to.u.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, &to.u.sa, to.len), 0);
	return fd;
}

static void
say(int fd, const char *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, 0), (ssize_t)len);
}

/* The next packet that comes back to a client; -1: none has come. */
static ssize_t
hear(int fd, char *dst, size_t size)
{
	return recv(fd, dst, size, MSG_DONTWAIT);
}

static void
assert_heard(int fd, const char *text)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char got[64] = "";

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_int_equal(hear(fd, got, sizeof(got) - 1), (ssize_t)strlen(text));
	assert_string_equal(got, text);
}

static struct listener *
listener(void)
{
	return TAILQ_FIRST(&rig.ch.listeners);
}

/* ---- in and out ---- */

static void
packets_of_every_length_are_answered_and_counted(void **state)
{
	static const size_t lengths[] = { 0, 1, 1400, 9000, LONGEST };
	static char out[LONGEST], in[LONGEST + 1];
	int fd = client("127.0.0.1");
	uint64_t bytes = 0;
	ssize_t n;
	size_t i, k;

	(void)state;
	for (i = 0; i < nitems(lengths); i++) {
		for (k = 0; k < lengths[i]; k++)
			out[k] = (char)(k * 31 + i);
		say(fd, out, lengths[i]);
		rig_until((n = hear(fd, in, sizeof(in))) != -1);
		assert_int_equal(n, (ssize_t)lengths[i]);
		assert_memory_equal(in, out, lengths[i]);
		bytes += lengths[i];
	}
	assert_int_equal(rig_count(BOARD_REQUESTS), nitems(lengths));
	assert_int_equal(rig_count(BOARD_BYTES_IN), bytes);
	assert_int_equal(rig_count(BOARD_BYTES_OUT), bytes);
	assert_int_equal(rig_count(BOARD_ACCEPTED), 0);
	assert_int_equal(rig_count(BOARD_DROPPED), 0);
	closefd(&fd);
}

static void
a_batch_is_one_callback_and_its_answers_one_call(void **state)
{
	int fd = client("127.0.0.1"), i;

	(void)state;
	told.takes_all = true;
	for (i = 0; i < 10; i++)
		say(fd, "a", 1);
	rig_until(told.packets == 10);
	assert_int_equal(told.calls, 1);
	assert_int_equal(sends, 1);
	for (i = 0; i < 10; i++)
		assert_heard(fd, "a");
	closefd(&fd);
}

static void
packets_that_are_not_asked_for_come_in_calls_of_their_own(void **state)
{
	int fd = client("127.0.0.1"), i;
	char text[2] = "";

	(void)state;
	for (i = 0; i < 10; i++) {
		text[0] = (char)('a' + i);
		say(fd, text, 1);
	}
	rig_until(told.packets == 10);
	assert_int_equal(told.calls, 10);
	assert_int_equal(sends, 1);
	for (i = 0; i < 10; i++) {
		text[0] = (char)('a' + i);
		assert_heard(fd, text);
	}
	closefd(&fd);
}

static void
one_event_serves_no_more_than_the_budget(void **state)
{
	int fd, i;

	(void)state;
	serve("udp://127.0.0.1:0", "127.0.0.1", "servers.0.budget.messages",
	    "20");
	fd = client("127.0.0.1");
	for (i = 0; i < 50; i++)
		say(fd, "a", 1);
	ev_run(rig.ch.loop, EVRUN_ONCE);
	assert_int_equal(told.packets, 20);
	ev_run(rig.ch.loop, EVRUN_ONCE);
	assert_int_equal(told.packets, 40);
	rig_until(told.packets == 50);
	closefd(&fd);
}

static void
one_longer_than_read_cap_is_cut_and_says_so(void **state)
{
	char in[64];
	int fd;

	(void)state;
	serve("udp://127.0.0.1:0", "127.0.0.1", "servers.0.limits.read-cap",
	    "4");
	fd = client("127.0.0.1");
	say(fd, "1234", 4);
	rig_until(hear(fd, in, sizeof(in)) == 4);
	assert_false(told.was_cut);
	say(fd, "12345", 5);
	rig_until(hear(fd, in, sizeof(in)) == 4);
	assert_true(told.was_cut);
	closefd(&fd);
}

/* ---- addresses ---- */

/* connect() lets a client hear only answers from the address it asked. */
static void
an_answer_comes_from_the_address_that_was_asked(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "127.0.0.5",
		"127.1.2.3" };
	size_t i;
	int fd;

	(void)state;
	serve("udp4://:0", "0.0.0.0", NULL, NULL);
	for (i = 0; i < nitems(hosts); i++) {
		fd = client(hosts[i]);
		say(fd, hosts[i], strlen(hosts[i]));
		rig_until(told.packets == i + 1);
		assert_heard(fd, hosts[i]);
		closefd(&fd);
	}
}

static void
a_socket_of_both_families_answers_both(void **state)
{
	static const char *const hosts[] = { "127.0.0.5", "::1",
		"::ffff:127.0.0.7" };
	size_t i;
	int fd;

	(void)state;
	serve("udp://:0", "::", NULL, NULL);
	for (i = 0; i < nitems(hosts); i++) {
		fd = client(hosts[i]);
		say(fd, hosts[i], strlen(hosts[i]));
		rig_until(told.packets == i + 1);
		assert_heard(fd, hosts[i]);
		closefd(&fd);
	}
}

static void
one_can_send_to_anybody_from_the_listeners_port(void **state)
{
	struct sockaddr_in me = { .sin_family = AF_INET };
	socklen_t len = sizeof(me);
	int fd = client("127.0.0.1");

	(void)state;
	assert_int_equal(getsockname(fd, (struct sockaddr *)&me, &len), 0);
	assert_int_equal(tine_dgram_send(rig.server, 0,
			     (const struct sockaddr *)&me, len, "news", 4),
	    0);
	/* Gathered, until the loop waits. */
	assert_int_equal(sends, 0);
	rig_turn();
	assert_heard(fd, "news");
	closefd(&fd);
}

static void
a_v4_address_is_reached_through_a_socket_of_both_families(void **state)
{
	struct sockaddr_in me = { .sin_family = AF_INET };
	socklen_t len = sizeof(me);
	int fd;

	(void)state;
	serve("udp://:0", "::", NULL, NULL);
	fd = client("127.0.0.1");
	assert_int_equal(getsockname(fd, (struct sockaddr *)&me, &len), 0);
	assert_int_equal(tine_dgram_send(rig.server, 0,
			     (const struct sockaddr *)&me, len, "news", 4),
	    0);
	rig_turn();
	assert_heard(fd, "news");
	closefd(&fd);
}

static void
what_cannot_be_sent_is_refused_with_the_reason(void **state)
{
	static char much[LONGEST + 1];
	struct addr four, six;

	(void)state;
	assert_int_equal(addr_from_ip(&four, "127.0.0.1", 9), 0);
	assert_int_equal(addr_from_ip(&six, "::1", 9), 0);
	assert_int_equal(tine_dgram_send(rig.server, 0, &four.u.sa, four.len,
			     much, sizeof(much)),
	    -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(
	    tine_dgram_send(rig.server, 0, &six.u.sa, six.len, "", 0), -1);
	assert_int_equal(errno, EAFNOSUPPORT);
	assert_int_equal(
	    tine_dgram_send(rig.server, 1, &four.u.sa, four.len, "", 0), -1);
	assert_int_equal(errno, ENOENT);
}

/* ---- a kernel that does not take it ---- */

static void
what_the_kernel_does_not_take_waits_in_order(void **state)
{
	int fd = client("127.0.0.1"), i;
	char text[2] = "";

	(void)state;
	send_error = EAGAIN;
	send_errors = 1;
	for (i = 0; i < 3; i++) {
		text[0] = (char)('a' + i);
		say(fd, text, 1);
	}
	rig_until(told.packets == 3);
	rig_until(!dgram_is_pending(listener()->port));
	for (i = 0; i < 3; i++) {
		text[0] = (char)('a' + i);
		assert_heard(fd, text);
	}
	assert_int_equal(listener()->port->queued, 0);
	assert_int_equal(rig_count(BOARD_DROPPED), 0);
	closefd(&fd);
}

static void
what_waits_is_bounded_by_output_and_the_rest_is_counted(void **state)
{
	static char packet[1000];
	int fd, i;

	(void)state;
	serve("udp://127.0.0.1:0", "127.0.0.1", "servers.0.limits.output",
	    "8k");
	fd = client("127.0.0.1");
	send_error = EAGAIN;
	send_errors = -1;
	for (i = 0; i < 100; i++) {
		say(fd, packet, sizeof(packet));
		rig_until(told.packets == (unsigned)i + 1);
	}
	assert_in_range(rig_count(BOARD_DROPPED), 90, 99);
	assert_in_range(listener()->port->queued, 8192, 8192 + 4096);
	send_errors = 0;
	rig_until(!dgram_is_pending(listener()->port));
	closefd(&fd);
}

static void
an_error_of_the_network_is_an_older_packets_and_this_one_goes(void **state)
{
	int fd = client("127.0.0.1");

	(void)state;
	send_error = ECONNREFUSED;
	send_errors = 1;
	say(fd, "a", 1);
	rig_until(told.packets == 1);
	assert_heard(fd, "a");
	assert_int_equal(rig_count(BOARD_DROPPED), 0);
	closefd(&fd);
}

static void
one_that_fails_again_is_dropped_and_the_others_go(void **state)
{
	int fd = client("127.0.0.1");

	(void)state;
	told.takes_all = true;
	send_error = EPERM;
	send_errors = 2;
	say(fd, "a", 1);
	say(fd, "b", 1);
	rig_until(told.packets == 2);
	assert_heard(fd, "b");
	assert_int_equal(rig_count(BOARD_DROPPED), 1);
	closefd(&fd);
}

static void
an_error_that_comes_with_receiving_is_not_fatal(void **state)
{
	int fd = client("127.0.0.1");

	(void)state;
	receive_error = ECONNREFUSED;
	say(fd, "a", 1);
	rig_until(told.packets == 1);
	assert_heard(fd, "a");
	closefd(&fd);
}

/* ---- its end ---- */

static void
a_socket_that_cannot_be_read_is_left_alone_for_a_while(void **state)
{
	int fd = client("127.0.0.1");

	(void)state;
	receive_error = EBADF;
	say(fd, "a", 1);
	rig_until(ev_is_active(&listener()->rest));
	assert_false(ev_is_active(&listener()->io));
	rig_until(told.packets == 1);
	closefd(&fd);
}

static void
one_that_was_shut_down_is_read_to_its_end_and_then_rests(void **state)
{
	int fd = client("127.0.0.1");

	(void)state;
	say(fd, "a", 1);
	(void)shutdown(listener()->io.fd, SHUT_RD);
	rig_until(ev_is_active(&listener()->rest));
	assert_int_equal(told.packets, 1);
	/* Released, it is forgotten: copies would fill our table. */
	accept_release(&rig.ch, 1);
	assert_null(listener());
	closefd(&fd);
}

static void
what_has_come_to_one_that_is_released_for_good_is_served(void **state)
{
	int fd = client("127.0.0.1"), i;

	(void)state;
	for (i = 0; i < 40; i++)
		say(fd, "a", 1);
	(void)shutdown(listener()->io.fd, SHUT_RD);
	accept_release(&rig.ch, 1);
	assert_int_equal(told.packets, 40);
	assert_null(listener());
	for (i = 0; i < 40; i++)
		assert_heard(fd, "a");
	closefd(&fd);
}

static void
one_that_is_only_released_is_kept(void **state)
{
	(void)state;
	accept_release(&rig.ch, 1);
	assert_non_null(listener());
	assert_false(ev_is_active(&listener()->io));
}

static void
a_draining_child_stays_until_all_is_sent(void **state)
{
	int fd = client("127.0.0.1");

	(void)state;
	send_error = EAGAIN;
	send_errors = -1;
	say(fd, "a", 1);
	rig_until(dgram_is_pending(listener()->port));
	drain_begin(&rig.ch, 30, CTL_RELOAD);
	assert_int_equal(rig.ch.state, CHILD_DRAINING);
	send_errors = 0;
	rig_until(rig.ch.state == CHILD_LEAVING);
	assert_heard(fd, "a");
	closefd(&fd);
}

static void
what_was_not_sent_at_the_end_is_counted(void **state)
{
	int fd = client("127.0.0.1");

	(void)state;
	send_error = EAGAIN;
	send_errors = -1;
	say(fd, "a", 1);
	rig_until(dgram_is_pending(listener()->port));
	accept_close_all(&rig.ch);
	assert_int_equal(rig_count(BOARD_DROPPED), 1);
	closefd(&fd);
}

static void
an_action_that_means_nothing_is_blamed(void **state)
{
	int fd = client("127.0.0.1");

	(void)state;
	told.action = TINE_DETACH;
	say(fd, "a", 1);
	rig_until(told.packets == 1);
	assert_true(rig.server->has_misused);
	closefd(&fd);
}

static void
full_children_take_packets_all_the_same(void **state)
{
	int fd = client("127.0.0.1");

	(void)state;
	rig.ch.is_full = rig.server->is_full = true;
	rig.ch.sick = EMFILE;
	accept_update(&rig.ch);
	say(fd, "a", 1);
	rig_until(told.packets == 1);
	rig.ch.sick = 0;
	closefd(&fd);
}

#define on_plain(f) cmocka_unit_test_setup_teardown(f, plain, end)
#define on_own(f) cmocka_unit_test_teardown(f, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		on_plain(packets_of_every_length_are_answered_and_counted),
		on_plain(a_batch_is_one_callback_and_its_answers_one_call),
		on_plain(
		    packets_that_are_not_asked_for_come_in_calls_of_their_own),
		on_own(one_event_serves_no_more_than_the_budget),
		on_own(one_longer_than_read_cap_is_cut_and_says_so),
		on_own(an_answer_comes_from_the_address_that_was_asked),
		on_own(a_socket_of_both_families_answers_both),
		on_plain(one_can_send_to_anybody_from_the_listeners_port),
		on_own(
		    a_v4_address_is_reached_through_a_socket_of_both_families),
		on_plain(what_cannot_be_sent_is_refused_with_the_reason),
		on_plain(what_the_kernel_does_not_take_waits_in_order),
		on_own(what_waits_is_bounded_by_output_and_the_rest_is_counted),
		on_plain(
		    an_error_of_the_network_is_an_older_packets_and_this_one_goes),
		on_plain(one_that_fails_again_is_dropped_and_the_others_go),
		on_plain(an_error_that_comes_with_receiving_is_not_fatal),
		on_plain(
		    a_socket_that_cannot_be_read_is_left_alone_for_a_while),
		on_plain(
		    one_that_was_shut_down_is_read_to_its_end_and_then_rests),
		on_plain(
		    what_has_come_to_one_that_is_released_for_good_is_served),
		on_plain(one_that_is_only_released_is_kept),
		on_plain(a_draining_child_stays_until_all_is_sent),
		on_plain(what_was_not_sent_at_the_end_is_counted),
		on_plain(an_action_that_means_nothing_is_blamed),
		on_plain(full_children_take_packets_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

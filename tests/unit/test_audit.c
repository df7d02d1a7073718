/* SPDX-License-Identifier: BSD-2-Clause */
/* The audit of listening sockets: each attack on one, and service after it. */
#include "master/audit.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NOBODY 65534
#define BACKLOG 100
#define DEADLINE_S 5
#define ANSWER_BYTES 3000 /* more than one segment, less than a buffer */

static struct {
	struct audit audit;
	struct addr addr;
	int fd;
	int sibling; /* another member of its group, or -1 */
} slot;
static bool listen_fails, set_fails;
static uid_t started_as;

int __real_listen(int, int);
int __wrap_listen(int, int);
int __real_fcntl(int, int, ...);
int __wrap_fcntl(int, int, ...);

int
__wrap_listen(int fd, int backlog)
{
	if (listen_fails) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return __real_listen(fd, backlog);
}

int
__wrap_fcntl(int fd, int command, ...)
{
	va_list ap;
	int arg;

	va_start(ap, command);
	arg = va_arg(ap, int);
	va_end(ap);
	if (set_fails && command == F_SETFL) {
		errno = EPERM;
		return -1;
	}
	return __real_fcntl(fd, command, arg);
}

/* ---- a slot, and a client that wants an answer ---- */

static int
begin(void **state)
{
	(void)state;
	started_as = geteuid();
	listen_fails = set_fails = false;
	slot.fd = slot.sibling = -1;
	return 0;
}

static int
end(void **state)
{
	(void)state;
	listen_fails = set_fails = false;
	closefd(&slot.fd);
	closefd(&slot.sibling);
	return seteuid(started_as);
}

/* A listening member of the group of slot.addr; -1: no such address here. */
static int
open_member(void)
{
	int on = 1, fd;

	fd = socket(slot.addr.u.sa.sa_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (bind(fd, &slot.addr.u.sa, slot.addr.len) == -1 ||
	    listen(fd, BACKLOG) == -1)
		closefd(&fd);
	return fd;
}

static bool
open_slot(const char *host)
{
	slot.addr.len = sizeof(slot.addr.u);
	assert_int_equal(addr_from_ip(&slot.addr, host, 0), 0);
	slot.fd = open_member();
	if (slot.fd == -1)
		return false;
	assert_int_equal(getsockname(slot.fd, &slot.addr.u.sa, &slot.addr.len),
	    0);
	audit_learn(&slot.audit, slot.fd, &slot.addr, BACKLOG);
	return true;
}

/* An abstract name: nothing is left behind. */
static void
open_unix_slot(void)
{
	char name[64];
	struct err err;

	(void)snprintf(name, sizeof(name), "@tine-test-audit-%ld",
	    (long)getpid());
	assert_int_equal(addr_from_path(&slot.addr, name, &err), 0);
	slot.fd = open_member();
	assert_int_not_equal(slot.fd, -1);
	audit_learn(&slot.audit, slot.fd, &slot.addr, BACKLOG);
}

static int
connect_client(void)
{
	struct timeval patience = { .tv_sec = DEADLINE_S };
	int fd;

	fd = socket(slot.addr.u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_not_equal(fd, -1);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
	    sizeof(patience));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
	    sizeof(patience));
	if (connect(fd, &slot.addr.u.sa, slot.addr.len) == -1)
		closefd(&fd);
	return fd;
}

static bool
is_ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, DEADLINE_S * 1000) == 1 && (p.revents & POLLIN) != 0;
}

/* One byte from the client is seen; the answer arrives whole, then its end. */
static bool
answers(int client, int server)
{
	char buf[ANSWER_BYTES] = { 0 };
	size_t got = 0;
	ssize_t n;

	if (!is_ready(server) || recv(server, buf, sizeof(buf), 0) != 1 ||
	    send(server, buf, sizeof(buf), MSG_NOSIGNAL) != sizeof(buf))
		return false;
	(void)close(server);
	while ((n = recv(client, buf, sizeof(buf), 0)) > 0)
		got += (size_t)n;
	return n == 0 && got == ANSWER_BYTES;
}

static bool
serves(void)
{
	int client = connect_client(), server = -1;
	bool works;

	/* Before accept(), or a deferred accept would wait for it. */
	if (client != -1 && send(client, "x", 1, MSG_NOSIGNAL) == 1 &&
	    is_ready(slot.fd))
		server = accept4(slot.fd, NULL, NULL, SOCK_CLOEXEC);
	works = server != -1 && answers(client, server);
	closefd(&client);
	return works;
}

static void
assert_found(uint64_t found)
{
	char is[AUDIT_WORDS_MAX], want[AUDIT_WORDS_MAX];

	assert_string_equal(
	    audit_words(audit_slot(&slot.audit, slot.fd), is, sizeof(is)),
	    audit_words(found, want, sizeof(want)));
}

static bool
set(int level, int option, int value)
{
	return setsockopt(slot.fd, level, option, &value, sizeof(value)) == 0;
}

static uint16_t
port_now(void)
{
	struct addr a = { .len = sizeof(a.u) };

	assert_int_equal(getsockname(slot.fd, &a.u.sa, &a.len), 0);
	return addr_port(&a);
}

/* ---- options: what a child can set without privileges ---- */

static bool
set_linger(void)
{
	struct linger l = { .l_onoff = 1, .l_linger = 0 };

	return setsockopt(slot.fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)) == 0;
}

/* A segment routing header by way of an address for documentation. */
static bool
set_route(void)
{
	static const unsigned char header[24] = { 0, 2, 4, 0, 0, 0, 0, 0, 0x20,
		0x01, 0x0d, 0xb8, [23] = 1 };

	return setsockopt(slot.fd, IPPROTO_IPV6, IPV6_RTHDR, header,
		   sizeof(header)) == 0;
}

#define LOCK_TOO ", SO_BUF_LOCK was changed"
/* clang-format off */
static const struct attack {
	const char *name;
	int level, option, value;
	bool (*run)(void); /* instead, when setting an int is not enough */
	const char *also;  /* what it brings with it */
} attacks[] = {
	{ "SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT, 0, NULL, "" },
	{ "SO_INCOMING_CPU", SOL_SOCKET, SO_INCOMING_CPU, 0, NULL, "" },
	{ "SO_DONTROUTE", SOL_SOCKET, SO_DONTROUTE, 1, NULL, "" },
	{ "IP_TTL", IPPROTO_IP, IP_TTL, 1, NULL, "" },
	{ "IPV6_UNICAST_HOPS", IPPROTO_IPV6, IPV6_UNICAST_HOPS, 1, NULL, "" },
	{ "IP_MINTTL", IPPROTO_IP, 21, 255, NULL, "" },
	{ "IPV6_MINHOPCOUNT", IPPROTO_IPV6, 73, 255, NULL, "" },
	{ "IPV6_RTHDR", 0, 0, 0, set_route, "" },
	{ "TCP_DEFER_ACCEPT", IPPROTO_TCP, TCP_DEFER_ACCEPT, 9999, NULL, "" },
	{ "SO_RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT, 1 << 30, NULL,
	    ", SO_RCVBUF was changed" LOCK_TOO },
	{ "SO_LINGER", 0, 0, 0, set_linger, "" },
	{ "TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, 1, NULL, "" },
	{ "TCP_SYNCNT", IPPROTO_TCP, TCP_SYNCNT, 127, NULL, "" },
	{ "SO_MAX_PACING_RATE", SOL_SOCKET, SO_MAX_PACING_RATE, 1, NULL, "" },
	{ "SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, 1, NULL, LOCK_TOO },
	{ "SO_SNDBUF", SOL_SOCKET, SO_SNDBUF, 1, NULL, LOCK_TOO },
	{ "SO_BUF_LOCK", SOL_SOCKET, 72, 3, NULL, "" },
	{ "TCP_MAXSEG", IPPROTO_TCP, TCP_MAXSEG, 88, NULL, "" },
	{ "TCP_WINDOW_CLAMP", IPPROTO_TCP, TCP_WINDOW_CLAMP, 1, NULL, "" },
	{ "TCP_CORK", IPPROTO_TCP, TCP_CORK, 1, NULL, "" },
};
/* clang-format on */

static bool
run_attack(const struct attack *a)
{
	return a->run != NULL ? a->run() : set(a->level, a->option, a->value);
}

/* How many attacks this kernel and family let one make. */
static size_t
mend_each_attack(const char *host)
{
	char words[AUDIT_WORDS_MAX], want[AUDIT_WORDS_MAX];
	size_t i, n = 0;

	if (!open_slot(host))
		return 0;
	assert_found(0);
	assert_true(serves());
	for (i = 0; i < nitems(attacks); i++) {
		if (!run_attack(&attacks[i]))
			continue;
		n++;
		(void)snprintf(want, sizeof(want), "%s was changed%s",
		    attacks[i].name, attacks[i].also);
		assert_string_equal(
		    audit_words(audit_slot(&slot.audit, slot.fd), words,
			sizeof(words)),
		    want);
		assert_found(0);
		assert_true(serves());
	}
	return n;
}

static void
each_option_that_a_child_can_set_is_set_back_for_tcp4(void **state)
{
	(void)state;
	assert_in_range(mend_each_attack("127.0.0.1"), 14, nitems(attacks));
}

static void
each_option_that_a_child_can_set_is_set_back_for_tcp6(void **state)
{
	size_t n = mend_each_attack("::1");

	(void)state;
	if (n == 0)
		skip();
	assert_in_range(n, 16, nitems(attacks));
}

/* Until the end of the test: a capability counts only while it is effective. */
static void
drop_privileges(void)
{
	if (started_as == 0)
		assert_int_equal(seteuid(NOBODY), 0);
}

static void
setting_them_back_needs_no_privilege(void **state)
{
	(void)state;
	drop_privileges();
	assert_in_range(mend_each_attack("127.0.0.1"), 14, nitems(attacks));
}

/* Who has not bound a socket to a device may bind it. */
static void
bind_to_device(void)
{
	assert_true(open_slot("127.0.0.1"));
	assert_int_equal(
	    setsockopt(slot.fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
}

static void
a_device_cannot_be_let_go_without_privilege(void **state)
{
	char words[AUDIT_WORDS_MAX];

	(void)state;
	drop_privileges();
	bind_to_device();
	assert_string_equal(
	    audit_words(audit_slot(&slot.audit, slot.fd), words, sizeof(words)),
	    "cannot be mended, SO_BINDTODEVICE was changed");
}

static void
a_device_is_let_go_by_root(void **state)
{
	char words[AUDIT_WORDS_MAX];

	(void)state;
	if (started_as != 0)
		skip();
	bind_to_device();
	assert_string_equal(
	    audit_words(audit_slot(&slot.audit, slot.fd), words, sizeof(words)),
	    "SO_BINDTODEVICE was changed");
	assert_found(0);
	assert_true(serves());
}

static void
options_of_the_url_are_what_is_wanted(void **state)
{
	(void)state;
	assert_true(open_slot("127.0.0.1"));
	assert_true(set(IPPROTO_TCP, TCP_DEFER_ACCEPT, 10) &&
	    set(SOL_SOCKET, SO_RCVBUF, 50000) &&
	    set(SOL_SOCKET, SO_SNDBUF, 60000));
	audit_learn(&slot.audit, slot.fd, &slot.addr, BACKLOG);
	assert_found(0);
	assert_true(set(IPPROTO_TCP, TCP_DEFER_ACCEPT, 0) &&
	    set(SOL_SOCKET, SO_RCVBUF, 1) && set(SOL_SOCKET, SO_SNDBUF, 1));
	assert_int_not_equal(audit_slot(&slot.audit, slot.fd), 0);
	assert_found(0);
	assert_true(serves());
}

/* ---- listening ---- */

static void
a_socket_that_was_shut_down_listens_again_on_its_port(void **state)
{
	(void)state;
	assert_true(open_slot("127.0.0.1"));
	assert_int_equal(shutdown(slot.fd, SHUT_RDWR), 0);
	assert_int_equal(connect_client(), -1);
	assert_found(AUDIT_DOWN);
	assert_found(0);
	assert_int_equal(port_now(), addr_port(&slot.addr));
	assert_true(serves());
}

static void
one_of_a_group_too(void **state)
{
	(void)state;
	assert_true(open_slot("127.0.0.1"));
	slot.sibling = open_member();
	assert_int_equal(shutdown(slot.fd, SHUT_RDWR), 0);
	assert_found(AUDIT_DOWN);
	assert_found(0);
	assert_int_equal(shutdown(slot.sibling, SHUT_RDWR), 0);
	assert_true(serves());
}

static void
one_on_another_port_comes_back(void **state)
{
	(void)state;
	assert_true(open_slot("127.0.0.1"));
	assert_int_equal(shutdown(slot.fd, SHUT_RDWR), 0);
	/* Its port was the kernel's choice, which chooses anew. */
	assert_int_equal(listen(slot.fd, BACKLOG), 0);
	assert_int_not_equal(port_now(), addr_port(&slot.addr));
	assert_found(AUDIT_DOWN);
	assert_found(0);
	assert_int_equal(port_now(), addr_port(&slot.addr));
	assert_true(serves());
}

static void
one_that_was_connected_to_a_peer_comes_back(void **state)
{
	struct addr own;
	uint64_t found;
	int peer;

	(void)state;
	assert_true(open_slot("127.0.0.1"));
	own = slot.addr;
	peer = slot.fd;
	assert_true(open_slot("127.0.0.1"));
	assert_int_equal(shutdown(slot.fd, SHUT_RDWR), 0);
	(void)connect(slot.fd, &own.u.sa, own.len);
	/* Some options of a connection, its buffers, are found changed. */
	found = audit_slot(&slot.audit, slot.fd);
	assert_int_equal(found & (AUDIT_DOWN | AUDIT_LOST), AUDIT_DOWN);
	assert_found(0);
	assert_true(serves());
	closefd(&peer);
}

static void
one_that_was_bound_elsewhere_is_lost(void **state)
{
	struct addr other;

	(void)state;
	assert_true(open_slot("127.0.0.1"));
	assert_int_equal(shutdown(slot.fd, SHUT_RDWR), 0);
	assert_int_equal(
	    addr_from_ip(&other, "127.0.0.2", addr_port(&slot.addr)), 0);
	assert_int_equal(bind(slot.fd, &other.u.sa, other.len), 0);
	assert_found(AUDIT_DOWN | AUDIT_LOST);
	assert_found(AUDIT_DOWN | AUDIT_LOST);
}

/* A program gives it a group of its own, which listen() does not forgive. */
static void
one_that_was_steered_while_it_was_down_is_lost(void **state)
{
	struct sock_filter code = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = { .len = 1, .filter = &code };

	(void)state;
	assert_true(open_slot("127.0.0.1"));
	slot.sibling = open_member();
	assert_int_equal(shutdown(slot.sibling, SHUT_RDWR), 0);
	assert_int_equal(setsockopt(slot.sibling, SOL_SOCKET,
			     SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)),
	    0);
	assert_int_equal(audit_slot(&slot.audit, slot.sibling),
	    AUDIT_DOWN | AUDIT_LOST);
	assert_true(serves());
}

static void
a_short_queue_is_made_long_again(void **state)
{
	(void)state;
	assert_true(open_slot("127.0.0.1"));
	assert_int_equal(listen(slot.fd, 0), 0);
	assert_found(AUDIT_BACKLOG);
	assert_found(0);
	/* A longer one harms nobody. */
	assert_int_equal(listen(slot.fd, BACKLOG * 2), 0);
	assert_found(0);
	assert_true(serves());
}

static void
accept_is_kept_from_waiting(void **state)
{
	(void)state;
	assert_true(open_slot("127.0.0.1"));
	assert_int_equal(fcntl(slot.fd, F_SETFL, 0), 0);
	assert_found(AUDIT_BLOCKING);
	assert_found(0);
	assert_int_equal(accept4(slot.fd, NULL, NULL, SOCK_CLOEXEC), -1);
	assert_int_equal(errno, EAGAIN);
}

/* ---- filters ---- */

/* False: this kernel lets only privileged processes attach one. */
static bool
attach_filter(void)
{
	struct sock_filter code = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = { .len = 1, .filter = &code };

	return setsockopt(slot.fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
		   sizeof(prog)) == 0;
}

static void
a_filter_is_taken_away(void **state)
{
	(void)state;
	assert_true(open_slot("127.0.0.1"));
	if (!attach_filter())
		skip();
	assert_found(AUDIT_FILTER);
	assert_found(0);
	assert_true(serves());
}

static void
a_filter_that_is_locked_costs_the_socket(void **state)
{
	(void)state;
	assert_true(open_slot("127.0.0.1"));
	if (!attach_filter())
		skip();
	assert_true(set(SOL_SOCKET, SO_LOCK_FILTER, 1));
	assert_found(AUDIT_FILTER | AUDIT_LOCKED | AUDIT_LOST);
}

static void
a_lock_alone_is_told_and_harms_nobody(void **state)
{
	(void)state;
	assert_true(open_slot("127.0.0.1"));
	assert_true(set(SOL_SOCKET, SO_LOCK_FILTER, 1));
	assert_found(AUDIT_LOCKED);
	assert_found(AUDIT_LOCKED);
	assert_true(serves());
}

/* ---- unix sockets ---- */

static void
a_unix_socket_that_was_shut_down_is_lost(void **state)
{
	(void)state;
	open_unix_slot();
	assert_found(0);
	assert_true(serves());
	/* Nothing is lost by this half. */
	assert_int_equal(shutdown(slot.fd, SHUT_WR), 0);
	assert_found(0);
	assert_true(serves());
	assert_int_equal(shutdown(slot.fd, SHUT_RD), 0);
	assert_int_equal(connect_client(), -1);
	assert_found(AUDIT_DOWN | AUDIT_LOST);
	assert_int_equal(connect_client(), -1);
}

static void
a_unix_socket_gets_its_queue_and_its_flag_back(void **state)
{
	int i, clients[10];

	(void)state;
	open_unix_slot();
	assert_int_equal(listen(slot.fd, 0), 0);
	assert_int_equal(fcntl(slot.fd, F_SETFL, 0), 0);
	assert_found(AUDIT_BLOCKING);
	assert_found(0);
	for (i = 0; i < 10; i++) {
		clients[i] = connect_client();
		assert_int_not_equal(clients[i], -1);
	}
	for (i = 0; i < 10; i++)
		closefd(&clients[i]);
}

/* ---- failures, and words ---- */

static void
what_the_kernel_refuses_to_mend_is_lost(void **state)
{
	(void)state;
	assert_true(open_slot("127.0.0.1"));
	listen_fails = true;
	assert_found(AUDIT_LOST);
	listen_fails = false;
	assert_int_equal(fcntl(slot.fd, F_SETFL, 0), 0);
	set_fails = true;
	assert_found(AUDIT_BLOCKING | AUDIT_LOST);
	assert_true((audit_slot(&slot.audit, -1) & AUDIT_LOST) != 0);
	set_fails = false;
	assert_found(AUDIT_BLOCKING);
	closefd(&slot.fd);
	open_unix_slot();
	listen_fails = true;
	assert_found(AUDIT_LOST);
}

static void
words_for_everything_at_once_have_room(void **state)
{
	char words[AUDIT_WORDS_MAX], all[2 * AUDIT_WORDS_MAX];

	(void)state;
	assert_string_equal(audit_words(0, words, sizeof(words)), "");
	assert_string_equal(
	    audit_words(AUDIT_LOST | AUDIT_DOWN, words, sizeof(words)),
	    "cannot be mended, was shut down");
	(void)audit_words(UINT32_MAX, all, sizeof(all));
	assert_string_equal(audit_words(UINT32_MAX, words, sizeof(words)), all);
}

#define with_slot(f) cmocka_unit_test_setup_teardown(f, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_slot(
		    each_option_that_a_child_can_set_is_set_back_for_tcp4),
		with_slot(
		    each_option_that_a_child_can_set_is_set_back_for_tcp6),
		with_slot(setting_them_back_needs_no_privilege),
		with_slot(a_device_cannot_be_let_go_without_privilege),
		with_slot(a_device_is_let_go_by_root),
		with_slot(options_of_the_url_are_what_is_wanted),
		with_slot(
		    a_socket_that_was_shut_down_listens_again_on_its_port),
		with_slot(one_of_a_group_too),
		with_slot(one_on_another_port_comes_back),
		with_slot(one_that_was_connected_to_a_peer_comes_back),
		with_slot(one_that_was_bound_elsewhere_is_lost),
		with_slot(one_that_was_steered_while_it_was_down_is_lost),
		with_slot(a_short_queue_is_made_long_again),
		with_slot(accept_is_kept_from_waiting),
		with_slot(a_filter_is_taken_away),
		with_slot(a_filter_that_is_locked_costs_the_socket),
		with_slot(a_lock_alone_is_told_and_harms_nobody),
		with_slot(a_unix_socket_that_was_shut_down_is_lost),
		with_slot(a_unix_socket_gets_its_queue_and_its_flag_back),
		with_slot(what_the_kernel_refuses_to_mend_is_lost),
		with_slot(words_for_everything_at_once_have_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

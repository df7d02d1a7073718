/* SPDX-License-Identifier: BSD-2-Clause */
/* The audit of UDP sockets: what a child did to them, in a group of two. */
#include "master/audit.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "master/datagram.h"

static struct audit audit;
static struct addr addr;
static int fd, sibling;
static struct err err;

static int
open_member(void)
{
	int on = 1, s;

	s = socket(addr.u.sa.sa_family,
	    SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_not_equal(s, -1);
	assert_int_equal(
	    setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	assert_int_equal(datagram_prepare(s, &addr, &err), 0);
	assert_int_equal(bind(s, &addr.u.sa, addr.len), 0);
	assert_int_equal(getsockname(s, &addr.u.sa, &addr.len), 0);
	return s;
}

static void
open_at(const char *host)
{
	assert_int_equal(addr_from_ip(&addr, host, 0), 0);
	fd = open_member();
	sibling = open_member();
	audit_learn(&audit, fd, &addr, 0);
	audit.is_grouped = true;
	assert_int_equal(audit_slot(&audit, fd), 0);
	assert_int_equal(audit_slot(&audit, sibling), 0);
}

static int
open_v4(void **state)
{
	(void)state;
	open_at("0.0.0.0");
	return 0;
}

static int
end(void **state)
{
	(void)state;
	closefd(&fd);
	closefd(&sibling);
	return 0;
}

static bool
receives(void)
{
	int i, s;
	char c;

	/* Of the two members each gets some of so many. */
	for (i = 0; i < 64; i++) {
		struct addr to = addr;

		to.u.sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		assert_int_equal(sendto(s, "x", 1, 0, &to.u.sa, to.len), 1);
		closefd(&s);
		if (recv(fd, &c, 1, MSG_DONTWAIT) == 1)
			return true;
	}
	return false;
}

static void
options_that_a_child_set_are_set_back(void **state)
{
	static const struct {
		int level, option, value;
	} settings[] = {
		{ SOL_SOCKET, SO_REUSEADDR, 1 },
		{ SOL_SOCKET, SO_REUSEPORT, 0 },
		{ SOL_SOCKET, SO_RCVBUF, 1 },
		{ SOL_SOCKET, SO_SNDBUF, 1 },
		{ SOL_SOCKET, SO_DONTROUTE, 1 },
		{ IPPROTO_IP, IP_TTL, 1 },
		{ IPPROTO_IP, IP_PKTINFO, 0 },
		{ IPPROTO_IP, IP_MULTICAST_ALL, 1 },
		{ IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO },
		{ IPPROTO_UDP, UDP_CORK, 1 },
		{ IPPROTO_UDP, UDP_SEGMENT, 100 },
		{ IPPROTO_UDP, UDP_GRO, 1 },
		{ IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP },
	};
	size_t i, tried = 0;

	(void)state;
	for (i = 0; i < nitems(settings); i++) {
		if (setsockopt(fd, settings[i].level, settings[i].option,
			&settings[i].value, sizeof(settings[i].value)) == -1)
			continue; /* this kernel was built without */
		tried++;
		if (audit_slot(&audit, fd) < AUDIT_OPTION)
			fail_msg("option %d of level %d was not found",
			    settings[i].option, settings[i].level);
		assert_int_equal(audit_slot(&audit, fd), 0);
		assert_true(receives());
	}
	assert_true(tried >= nitems(settings) - 2);
}

static void
a_filter_is_detached(void **state)
{
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_fprog prog = { .len = 1, .filter = code };

	(void)state;
	assert_int_equal(
	    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)),
	    0);
	assert_int_equal(audit_slot(&audit, fd), AUDIT_FILTER);
	assert_true(receives());
}

static void
one_that_blocks_is_made_not_to(void **state)
{
	(void)state;
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	assert_int_equal(audit_slot(&audit, fd), AUDIT_BLOCKING);
	assert_int_equal(audit_slot(&audit, fd), 0);
}

static void
one_that_was_shut_down_is_lost(void **state)
{
	(void)state;
	(void)shutdown(fd, SHUT_RDWR);
	assert_int_equal(audit_slot(&audit, fd), AUDIT_DOWN | AUDIT_LOST);
}

static void
one_that_was_connected_is_lost(void **state)
{
	struct addr peer;

	(void)state;
	assert_int_equal(addr_from_ip(&peer, "127.0.0.1", 9), 0);
	assert_int_equal(connect(fd, &peer.u.sa, peer.len), 0);
	assert_int_equal(audit_slot(&audit, fd),
	    AUDIT_CONNECTED | AUDIT_ASTRAY | AUDIT_LOST);
	assert_int_equal(audit_slot(&audit, sibling), 0);
}

static void
one_of_one_address_that_was_connected_is_lost(void **state)
{
	struct addr peer;

	(void)state;
	open_at("127.0.0.1");
	assert_int_equal(addr_from_ip(&peer, "127.0.0.1", 9), 0);
	assert_int_equal(connect(fd, &peer.u.sa, peer.len), 0);
	assert_true((audit_slot(&audit, fd) & AUDIT_LOST) != 0);
}

static void
one_that_was_connected_for_a_moment_is_lost(void **state)
{
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	struct addr peer;

	(void)state;
	assert_int_equal(addr_from_ip(&peer, "127.0.0.1", 9), 0);
	assert_int_equal(connect(fd, &peer.u.sa, peer.len), 0);
	assert_int_equal(connect(fd, &nobody, sizeof(nobody)), 0);
	assert_int_equal(audit_slot(&audit, fd), AUDIT_ASTRAY | AUDIT_LOST);
}

static void
what_was_found_has_words(void **state)
{
	char words[AUDIT_WORDS_MAX];

	(void)state;
	assert_string_equal(
	    audit_words(AUDIT_CONNECTED | AUDIT_LOST, words, sizeof(words)),
	    "cannot be mended, was connected to one peer");
	/* All of it fits. */
	(void)audit_words(UINT64_MAX, words, sizeof(words));
	assert_true(strlen(words) < sizeof(words) - 1);
	assert_non_null(strstr(words, "IPV6_DONTFRAG was changed"));
}

#define with(f) cmocka_unit_test_setup_teardown(f, open_v4, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with(options_that_a_child_set_are_set_back),
		with(a_filter_is_detached),
		with(one_that_blocks_is_made_not_to),
		with(one_that_was_shut_down_is_lost),
		with(one_that_was_connected_is_lost),
		cmocka_unit_test_teardown(
		    one_of_one_address_that_was_connected_is_lost, end),
		with(one_that_was_connected_for_a_moment_is_lost),
		cmocka_unit_test(what_was_found_has_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

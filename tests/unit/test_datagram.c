/* SPDX-License-Identifier: BSD-2-Clause */
/* What only UDP sockets have: multicast groups on the loopback interface, and
 * the group of SO_REUSEPORT. */
#include "master/datagram.h"

#include <errno.h>
#include <net/if.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct err err;
static struct addr addr; /* of the sockets of a test */
static int fds[3];

static int
begin(void **state)
{
	(void)state;
	fds[0] = fds[1] = fds[2] = -1;
	addr = (struct addr){ .len = 0 };
	return 0;
}

static int
end(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < nitems(fds); i++)
		closefd(&fds[i]);
	return 0;
}

/* One that shares its port with those before. */
static int
open_member(size_t i, const char *host)
{
	int on = 1, fd;

	if (addr.len == 0)
		assert_int_equal(addr_from_ip(&addr, host, 0), 0);
	fd = socket(addr.u.sa.sa_family,
	    SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_not_equal(fd, -1);
	assert_int_equal(
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	assert_int_equal(datagram_prepare(fd, &addr, &err), 0);
	assert_int_equal(bind(fd, &addr.u.sa, addr.len), 0);
	assert_int_equal(getsockname(fd, &addr.u.sa, &addr.len), 0);
	fds[i] = fd;
	return fd;
}

static struct url
url_of(const char *groups)
{
	struct url url;
	char text[128];

	(void)snprintf(text, sizeof(text), "udp4://:1%s%s",
	    groups[0] == '\0' ? "" : "?multicast=", groups);
	assert_int_equal(url_parse(&url, text, &err), 0);
	return url;
}

static void
send_to_group(const char *group)
{
	struct ip_mreqn lo = { .imr_ifindex = (int)if_nametoindex("lo") };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct addr to;

	assert_int_equal(addr_from_ip(&to, group, addr_port(&addr)), 0);
	assert_int_equal(
	    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof(lo)), 0);
	assert_int_equal(sendto(fd, "x", 1, 0, &to.u.sa, to.len), 1);
	closefd(&fd);
}

/* On the loopback interface what was sent has arrived. */
static bool
has_packet(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT) == 1;
}

static bool
is_deaf(int fd, const char *group)
{
	send_to_group(group);
	return !has_packet(fd);
}

/* ---- multicast ---- */

static void
only_the_socket_that_joined_hears_the_group(void **state)
{
	struct url url = url_of("239.77.1.1@lo");

	(void)state;
	(void)open_member(0, "0.0.0.0");
	(void)open_member(1, "0.0.0.0");
	(void)open_member(2, "0.0.0.0");
	assert_int_equal(datagram_join(fds[0], &url, NULL, &err), 0);
	send_to_group("239.77.1.1");
	assert_true(has_packet(fds[0]));
	assert_false(has_packet(fds[0]));
	assert_false(has_packet(fds[1]));
	assert_false(has_packet(fds[2]));
}

static void
groups_change_in_place(void **state)
{
	struct url one = url_of("239.77.1.1@lo,239.77.1.2@lo");
	struct url two = url_of("239.77.1.2@lo,239.77.1.3@lo");
	int fd = open_member(0, "0.0.0.0");

	(void)state;
	assert_int_equal(datagram_join(fd, &one, NULL, &err), 0);
	assert_int_equal(datagram_join(fd, &two, &one, &err), 0);
	assert_true(is_deaf(fd, "239.77.1.1"));
	assert_false(is_deaf(fd, "239.77.1.2"));
	assert_false(is_deaf(fd, "239.77.1.3"));
	/* And back, as when a reload is undone. */
	assert_int_equal(datagram_join(fd, &one, &two, &err), 0);
	assert_false(is_deaf(fd, "239.77.1.1"));
	assert_true(is_deaf(fd, "239.77.1.3"));
}

static void
an_interface_that_is_not_there_is_an_error_that_says_so(void **state)
{
	struct url url = url_of("239.77.1.1@no-such0");
	int fd = open_member(0, "0.0.0.0");

	(void)state;
	assert_int_equal(datagram_join(fd, &url, NULL, &err), -1);
	assert_int_equal(err.code, EXIT_BAD_CONFIG);
	assert_non_null(strstr(err.text, "no-such0"));
	assert_non_null(strstr(err.hint, "ip link"));
}

static void
a_group_that_a_child_left_is_joined_again(void **state)
{
	struct url url = url_of("239.77.1.1@lo"), none = url_of("");
	int fd = open_member(0, "0.0.0.0");

	(void)state;
	assert_int_equal(datagram_join(fd, &url, NULL, &err), 0);
	assert_int_equal(datagram_mend_groups(fd, &url, true), 0);
	assert_int_equal(datagram_join(fd, &none, &url, &err), 0);
	assert_true(is_deaf(fd, "239.77.1.1"));
	assert_int_equal(datagram_mend_groups(fd, &url, true), 1);
	assert_int_equal(datagram_mend_groups(fd, &url, true), 0);
	assert_false(is_deaf(fd, "239.77.1.1"));
}

/* Then the socket is to be replaced. */
static void
a_child_that_joins_all_a_socket_can_is_seen(void **state)
{
	struct url url = url_of("239.77.1.1@lo"), other;
	char group[32];
	int fd = open_member(0, "0.0.0.0"), i;

	(void)state;
	for (i = 0; i < 4096; i++) {
		(void)snprintf(group, sizeof(group), "239.78.%d.%d@lo", i / 256,
		    i % 256);
		other = url_of(group);
		if (datagram_join(fd, &other, NULL, &err) == -1)
			break;
	}
	if (i == 4096)
		skip(); /* igmp_max_memberships allows more */
	assert_int_equal(err.sys, ENOBUFS);
	assert_int_equal(datagram_mend_groups(fd, &url, true), -1);
}

/* Joined where the test may, and asked for as if the kernel had chosen. */
static void
a_group_without_an_interface_is_found_on_its_own(void **state)
{
	struct url here = url_of("239.77.1.1@lo"), any = url_of("239.77.1.1");
	int fd = open_member(0, "0.0.0.0");

	(void)state;
	assert_int_equal(datagram_join(fd, &here, NULL, &err), 0);
	assert_int_equal(datagram_mend_groups(fd, &any, true), 0);
	assert_false(is_deaf(fd, "239.77.1.1"));
}

static void
a_source_that_a_child_blocked_is_heard_again(void **state)
{
	struct url url = url_of("239.77.1.1@lo");
	struct group_source_req req = { .gsr_interface = if_nametoindex("lo") };
	struct addr group, source;
	int fd = open_member(0, "0.0.0.0");

	(void)state;
	assert_int_equal(datagram_join(fd, &url, NULL, &err), 0);
	assert_int_equal(addr_from_ip(&group, "239.77.1.1", 0), 0);
	assert_int_equal(addr_from_ip(&source, "127.0.0.1", 0), 0);
	(void)memcpy(&req.gsr_group, &group.u, group.len);
	(void)memcpy(&req.gsr_source, &source.u, source.len);
	assert_int_equal(
	    setsockopt(fd, IPPROTO_IP, MCAST_BLOCK_SOURCE, &req, sizeof(req)),
	    0);
	assert_int_equal(datagram_mend_groups(fd, &url, true), 1);
	assert_int_equal(datagram_mend_groups(fd, &url, true), 0);
}

static void
a_socket_that_should_hear_nothing_is_made_to_leave(void **state)
{
	struct url url = url_of("239.77.1.1@lo");
	int fd = open_member(0, "0.0.0.0");

	(void)state;
	assert_int_equal(datagram_mend_groups(fd, &url, false), 0);
	assert_int_equal(datagram_join(fd, &url, NULL, &err), 0);
	assert_int_equal(datagram_mend_groups(fd, &url, false), 1);
	assert_true(is_deaf(fd, "239.77.1.1"));
}

/* ---- the group of SO_REUSEPORT ---- */

static void
members_that_were_bound_together_are_grouped(void **state)
{
	(void)state;
	(void)open_member(0, "127.0.0.1");
	(void)open_member(1, "127.0.0.1");
	assert_true(datagram_is_grouped(fds[0]));
	assert_true(datagram_is_grouped(fds[1]));
}

static void
one_that_was_connected_for_a_moment_is_not(void **state)
{
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	struct addr peer;

	(void)state;
	(void)open_member(0, "0.0.0.0");
	(void)open_member(1, "0.0.0.0");
	assert_int_equal(addr_from_ip(&peer, "127.0.0.1", 9), 0);
	assert_int_equal(connect(fds[1], &peer.u.sa, peer.len), 0);
	assert_int_equal(connect(fds[1], &nobody, sizeof(nobody)), 0);
	assert_true(datagram_is_grouped(fds[0]));
	assert_false(datagram_is_grouped(fds[1]));
}

static void
asking_leaves_no_program_behind(void **state)
{
	int on = 1;

	(void)state;
	(void)open_member(0, "127.0.0.1");
	(void)open_member(1, "127.0.0.1");
	assert_true(datagram_is_grouped(fds[0]));
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_DETACH_REUSEPORT_BPF,
			     &on, sizeof(on)),
	    -1);
	assert_int_equal(errno, ENOENT);
}

#define with(f) cmocka_unit_test_setup_teardown(f, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with(only_the_socket_that_joined_hears_the_group),
		with(groups_change_in_place),
		with(an_interface_that_is_not_there_is_an_error_that_says_so),
		with(a_group_that_a_child_left_is_joined_again),
		with(a_child_that_joins_all_a_socket_can_is_seen),
		with(a_group_without_an_interface_is_found_on_its_own),
		with(a_source_that_a_child_blocked_is_heard_again),
		with(a_socket_that_should_hear_nothing_is_made_to_leave),
		with(members_that_were_bound_together_are_grouped),
		with(one_that_was_connected_for_a_moment_is_not),
		with(asking_leaves_no_program_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

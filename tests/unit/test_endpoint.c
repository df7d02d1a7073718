/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket of a connection, as far as a handler may see and change it. */
#include "tests/unit/rig.h"

#include <netinet/tcp.h>

#include <errno.h>

static int
option(const struct tine_conn *c, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(tine_fd(c), level, name, &value, &len), 0);
	return value;
}

static void
both_ends_have_an_address(void **state)
{
	int peer = rig_connect_tcp();
	struct sockaddr_storage a, b;
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	char name[80], want[80];

	(void)state;
	assert_int_equal(tine_peer(rig.conn, &a), 0);
	assert_int_equal(getsockname(peer, (struct sockaddr *)&sin, &len), 0);
	assert_memory_equal(&a, &sin, sizeof(sin));
	assert_int_equal(tine_local(rig.conn, &b), 0);
	assert_int_equal(getpeername(peer, (struct sockaddr *)&sin, &len), 0);
	assert_memory_equal(&b, &sin, sizeof(sin));
	(void)snprintf(want, sizeof(want), "127.0.0.1:%u",
	    ntohs(((const struct sockaddr_in *)(const void *)&a)->sin_port));
	assert_string_equal(tine_peer_name(rig.conn, name, sizeof(name)), want);
	closefd(&peer);
}

static void
a_v4_client_of_a_socket_for_both_families_is_v4(void **state)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin6);
	int listener, peer, off = 0;
	struct sockaddr_storage a;
	char name[80];

	(void)state;
	listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener == -1)
		skip();
	assert_int_equal(
	    setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)),
	    0);
	assert_int_equal(bind(listener, (const struct sockaddr *)&sin6, len),
	    0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sin6, &len),
	    0);
	sin.sin_port = sin6.sin6_port;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    connect(peer, (const struct sockaddr *)&sin, sizeof(sin)), 0);
	conn_open(rig.server,
	    accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), 0);
	assert_int_equal(tine_peer(rig.conn, &a), 0);
	assert_int_equal(a.ss_family, AF_INET);
	assert_int_equal(strncmp(tine_peer_name(rig.conn, name, sizeof(name)),
			     "127.0.0.1:", 10),
	    0);
	closefd(&peer);
	closefd(&listener);
}

static void
a_unix_client_has_no_name(void **state)
{
	int peer = rig_connect();
	char name[80];

	(void)state;
	assert_string_equal(tine_peer_name(rig.conn, name, sizeof(name)),
	    "unix");
	closefd(&peer);
}

static void
one_that_was_reset_is_gone(void **state)
{
	const struct linger now = { .l_onoff = 1 };
	int peer = rig_connect_tcp();
	struct sockaddr_storage a;
	char name[80];

	(void)state;
	assert_int_equal(
	    setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	closefd(&peer);
	assert_int_equal(tine_peer(rig.conn, &a), -1);
	assert_int_equal(errno, ENOTCONN);
	assert_string_equal(tine_peer_name(rig.conn, name, sizeof(name)),
	    "gone");
}

static void
options_are_set_where_they_mean_something(void **state)
{
	int peer = rig_connect_tcp();
	struct linger l;
	socklen_t len = sizeof(l);

	(void)state;
	assert_int_equal(tine_set_nodelay(rig.conn, true), 0);
	assert_int_not_equal(option(rig.conn, IPPROTO_TCP, TCP_NODELAY), 0);
	assert_int_equal(tine_set_nodelay(rig.conn, false), 0);
	assert_int_equal(option(rig.conn, IPPROTO_TCP, TCP_NODELAY), 0);
	assert_int_equal(tine_set_keepalive(rig.conn, 30, 5, 3), 0);
	assert_int_equal(option(rig.conn, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option(rig.conn, IPPROTO_TCP, TCP_KEEPIDLE), 30);
	assert_int_equal(option(rig.conn, IPPROTO_TCP, TCP_KEEPINTVL), 5);
	assert_int_equal(option(rig.conn, IPPROTO_TCP, TCP_KEEPCNT), 3);
	assert_int_equal(tine_set_keepalive(rig.conn, 0, 0, 0), 0);
	assert_int_equal(option(rig.conn, SOL_SOCKET, SO_KEEPALIVE), 0);
	assert_int_equal(tine_set_linger(rig.conn, 7), 0);
	assert_int_equal(
	    getsockopt(tine_fd(rig.conn), SOL_SOCKET, SO_LINGER, &l, &len), 0);
	assert_int_equal(l.l_linger, 7);
	assert_int_equal(tine_set_linger(rig.conn, -1), 0);
	closefd(&peer);
}

static void
the_kernel_doubles_the_size_of_buffers(void **state)
{
	int peer = rig_connect_tcp(), before;

	(void)state;
	before = option(rig.conn, SOL_SOCKET, SO_SNDBUF);
	assert_int_equal(tine_set_buffers(rig.conn, 8192, 0), 0);
	assert_int_equal(option(rig.conn, SOL_SOCKET, SO_RCVBUF), 16384);
	assert_int_equal(option(rig.conn, SOL_SOCKET, SO_SNDBUF), before);
	assert_int_equal(tine_set_buffers(rig.conn, 0, 4096), 0);
	assert_int_equal(option(rig.conn, SOL_SOCKET, SO_SNDBUF), 8192);
	assert_int_equal(tine_set_buffers(rig.conn, -1, 0), -1);
	assert_int_equal(errno, EINVAL);
	closefd(&peer);
}

static void
what_means_nothing_on_a_unix_socket_is_no_error(void **state)
{
	int peer = rig_connect();

	(void)state;
	assert_int_equal(tine_set_nodelay(rig.conn, true), 0);
	assert_int_equal(tine_set_keepalive(rig.conn, 30, 5, 3), 0);
	closefd(&peer);
}

static void
a_duplicate_outlives_the_connection(void **state)
{
	int peer = rig_connect(), copy = tine_dup(rig.conn);
	char got[8];

	(void)state;
	assert_int_equal(fcntl(copy, F_GETFD), FD_CLOEXEC);
	assert_true(tine_is_open(rig.conn));
	tine_close(rig.conn);
	assert_false(tine_is_open(rig.conn));
	rig_turn();
	assert_int_equal(send(copy, "x", 1, MSG_NOSIGNAL), -1);
	closefd(&copy);
	assert_int_equal(rig_hear(peer, got, sizeof(got)), 0);
	closefd(&peer);
}

#define on_rig(f) cmocka_unit_test_setup_teardown(f, rig_plain, rig_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		on_rig(both_ends_have_an_address),
		on_rig(a_v4_client_of_a_socket_for_both_families_is_v4),
		on_rig(a_unix_client_has_no_name),
		on_rig(one_that_was_reset_is_gone),
		on_rig(options_are_set_where_they_mean_something),
		on_rig(the_kernel_doubles_the_size_of_buffers),
		on_rig(what_means_nothing_on_a_unix_socket_is_no_error),
		on_rig(a_duplicate_outlives_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

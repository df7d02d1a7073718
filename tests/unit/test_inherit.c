/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets from a service manager: the test puts real ones on descriptors from
 * 3 on and sets the environment that comes with them. */
#include "master/inherit.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/log.h"
#include "tests/unit/memory.h"

#define FIRST 3
#define MOST 8

static struct notify nobody = { .fd = -1 };
static struct err err;
static int given; /* descriptors handed over */
static char names[1024];
static int taken[MOST];
static int ntaken;
static bool is_ours;
static char folder[32], path[64], log_path[64];

static char forgotten[1024]; /* names, each with a space behind it */

void __wrap_notify_unstore_name(struct notify *, const char *);

void
__wrap_notify_unstore_name(struct notify *n, const char *name)
{
	assert_ptr_equal(n, &nobody);
	(void)strcat(strcat(forgotten, name), " ");
}

static int
open_all(void **state)
{
	int fd;

	(void)state;
	given = ntaken = 0;
	names[0] = forgotten[0] = '\0';
	memory_left = -1;
	(void)snprintf(folder, sizeof(folder), "/tmp/tine-inherit-XXXXXX");
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/socket", folder);
	(void)snprintf(log_path, sizeof(log_path), "%s/log", folder);
	/* What a caller of the test left open there is not the test's. */
	(void)close_range(FIRST, FIRST + MOST, 0);
	fd = open(log_path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_int_equal(dup2(fd, 30), 30);
	closefd(&fd);
	log_start(30, LOG_FILE, LOG_INFO);
	return 0;
}

static int
close_all(void **state)
{
	(void)state;
	memory_left = -1;
	inherit_end(&nobody);
	while (ntaken > 0)
		closefd(&taken[--ntaken]);
	(void)close_range(FIRST, FIRST + MOST, 0);
	log_start(STDERR_FILENO, LOG_STDERR, LOG_ERROR);
	(void)close(30);
	(void)unlink(path);
	(void)unlink(log_path);
	return rmdir(folder);
}

/* The next descriptor handed over. */
static void
give(int fd, const char *name)
{
	assert_int_equal(dup2(fd, FIRST + given), FIRST + given);
	(void)snprintf(names + strlen(names), sizeof(names) - strlen(names),
	    "%s%s", given == 0 ? "" : ":", name);
	given++;
	(void)close(fd);
}

/* Sockets are made above those that are handed over. */
static int
make_socket(int family, int type)
{
	int fd = socket(family, type | SOCK_CLOEXEC, 0), high;

	assert_int_not_equal(fd, -1);
	high = fcntl(fd, F_DUPFD_CLOEXEC, FIRST + MOST + 1);
	closefd(&fd);
	return high;
}

static void
set_flag(int fd, int level, int option, int value)
{
	assert_int_equal(setsockopt(fd, level, option, &value, sizeof(value)),
	    0);
}

/* A listening socket on a port of this host; *port 0: chosen and returned. */
static int
listening(const char *host, uint16_t *port, bool is_v6only)
{
	struct addr a;
	int fd;

	assert_int_equal(addr_from_ip(&a, host, *port), 0);
	fd = make_socket(a.u.sa.sa_family, SOCK_STREAM);
	set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (a.u.sa.sa_family == AF_INET6)
		set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, is_v6only);
	assert_int_equal(bind(fd, &a.u.sa, a.len), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(getsockname(fd, &a.u.sa, &a.len), 0);
	*port = addr_port(&a);
	return fd;
}

static int
listening_at_path(const char *name)
{
	int fd = make_socket(AF_UNIX, SOCK_STREAM);
	struct addr a;

	assert_int_equal(addr_from_path(&a, name, &err), 0);
	assert_int_equal(bind(fd, &a.u.sa, a.len), 0);
	assert_int_equal(listen(fd, 5), 0);
	return fd;
}

static void
set_environment(long pid, const char *count)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%ld", pid);
	(void)setenv("LISTEN_PID", text, 1);
	(void)setenv("LISTEN_FDS", count, 1);
	(void)setenv("LISTEN_FDNAMES", names, 1);
}

static int
begin(void)
{
	char count[16];

	(void)snprintf(count, sizeof(count), "%d", given);
	set_environment(getpid(), count);
	assert_int_equal(inherit_begin(), given);
	return inherit_open(&err);
}

static struct url
url_of(const char *fmt, unsigned port)
{
	char text[URL_TEXT_MAX];
	struct url url;

	(void)snprintf(text, sizeof(text), "%s:%u", fmt, port);
	assert_int_equal(
	    url_parse(&url, strncmp(fmt, "unix", 4) == 0 ? fmt : text, &err),
	    0);
	return url;
}

/* What a listener with this URL gets for a slot. */
static int
take(const char *fmt, unsigned port, unsigned index)
{
	struct url url = url_of(fmt, port);
	struct addr a;
	int fd;

	assert_int_equal(url_addr(&url, &a, &err), 0);
	fd = inherit_take(&url, &a, index, &is_ours);
	if (fd != -1)
		taken[ntaken++] = fd;
	return fd;
}

static int
take_extra(const char *fmt, unsigned port, unsigned nslots, unsigned *index)
{
	struct url url = url_of(fmt, port);
	struct addr a;
	int fd;

	assert_int_equal(url_addr(&url, &a, &err), 0);
	fd = inherit_take_extra(&url, &a, nslots, index, &is_ours);
	if (fd != -1)
		taken[ntaken++] = fd;
	return fd;
}

static bool
has(const char *fmt, unsigned port)
{
	struct url url = url_of(fmt, port);
	struct addr a;

	assert_int_equal(url_addr(&url, &a, &err), 0);
	return inherit_has(&url, &a);
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

static bool
is_same(int a, int b)
{
	struct stat x, y;

	assert_int_equal(fstat(a, &x), 0);
	assert_int_equal(fstat(b, &y), 0);
	return x.st_ino == y.st_ino;
}

static void
expect_logged(const char *text)
{
	char all[4096] = "";

	assert_true(pread(30, all, sizeof(all) - 1, 0) >= 0);
	if (strstr(all, text) == NULL)
		fail_msg("\"%s\" is not in the log: %s", text, all);
}

static const char *
stored_name(const char *fmt, unsigned port, unsigned index)
{
	static char name[128];

	(void)snprintf(name, sizeof(name), "%s%%3A%u#%u", fmt, port, index);
	return name;
}

#define LOCAL "tcp%3A//127.0.0.1"

/* ---- for whom ---- */

static void
nothing_is_handed_over_without_the_variables(void **state)
{
	(void)state;
	assert_int_equal(inherit_begin(), 0);
	assert_int_equal(inherit_open(&err), 0);
	assert_int_equal(take("tcp://127.0.0.1", 80, 0), -1);
}

static void
the_variables_are_gone_and_the_sockets_close_at_an_exec(void **state)
{
	uint16_t port = 0;

	(void)state;
	give(listening("127.0.0.1", &port, false), "x");
	assert_int_equal(begin(), 0);
	assert_null(getenv("LISTEN_PID"));
	assert_null(getenv("LISTEN_FDS"));
	assert_null(getenv("LISTEN_FDNAMES"));
	assert_true(fcntl(FIRST, F_GETFD) & FD_CLOEXEC);
}

static void
sockets_for_another_process_are_left_alone_and_said(void **state)
{
	uint16_t port = 0;

	(void)state;
	give(listening("127.0.0.1", &port, false), "x");
	set_environment(1, "1");
	assert_int_equal(inherit_begin(), 0);
	assert_null(getenv("LISTEN_PID"));
	assert_int_equal(inherit_open(&err), 0);
	assert_int_equal(take("tcp://127.0.0.1", port, 0), -1);
	assert_true(is_open(FIRST));
	expect_logged("ignored: they are for pid 1\n");
}

static void
a_number_of_sockets_that_is_none_is_ignored_and_said(void **state)
{
	static const char *const wrong[] = { "x", "-1", "65537", "" };
	size_t i;

	(void)state;
	for (i = 0; i < nitems(wrong); i++) {
		set_environment(getpid(), wrong[i]);
		assert_int_equal(inherit_begin(), 0);
		assert_int_equal(inherit_open(&err), 0);
	}
	expect_logged("LISTEN_FDS=x is invalid");
	expect_logged("LISTEN_FDS=65537 is too large");
}

/* ---- which one ---- */

static void
they_are_found_by_address_whatever_their_order_and_names(void **state)
{
	uint16_t one = 0, two = 0, six = 0;
	int fd;

	(void)state;
	give(listening_at_path(path), "");
	give(listening("::1", &six, true), "b");
	give(listening("127.0.0.1", &one, false), "");
	give(listening("127.0.0.1", &two, false), "a");
	assert_int_equal(begin(), 0);
	fd = take("tcp://127.0.0.1", two, 0);
	assert_true(is_same(fd, FIRST + 3));
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_false(is_ours);
	fd = take("tcp4://127.0.0.1", one, 0);
	assert_true(is_same(fd, FIRST + 2));
	fd = take("tcp://[::1]", six, 0);
	assert_true(is_same(fd, FIRST + 1));
	/* The folder has another name too. */
	(void)snprintf(names, sizeof(names), "unix:///proc/self/root%s", path);
	assert_true(is_same(take(names, 0, 0), FIRST));
	assert_int_equal(take("tcp://127.0.0.1", one, 0), -1);
	assert_int_equal(take("tcp://127.0.0.2", one, 0), -1);
}

static void
an_abstract_name_is_found_too(void **state)
{
	char name[64], url[80];

	(void)state;
	(void)snprintf(name, sizeof(name), "@tine-inherit-%ld", (long)getpid());
	(void)snprintf(url, sizeof(url), "unix://%s", name);
	give(listening_at_path(name), "x");
	assert_int_equal(begin(), 0);
	assert_false(has("unix://@tine-inherit", 0));
	assert_int_not_equal(take(url, 0, 0), -1);
}

static void
a_wildcard_is_for_v6_alone_or_for_both(void **state)
{
	uint16_t both = 0, six = 0;

	(void)state;
	give(listening("::", &both, false), "x");
	give(listening("::", &six, true), "x");
	assert_int_equal(begin(), 0);
	assert_false(has("tcp6://", both));
	assert_false(has("tcp4://", both));
	assert_true(has("tcp://", both));
	assert_false(has("tcp://", six));
	assert_true(has("tcp6://", six));
}

static void
a_device_must_be_the_same(void **state)
{
	uint16_t port = 0;
	int fd = listening("127.0.0.1", &port, false);
	char text[64];
	struct url url;
	struct addr a;

	(void)state;
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == -1) {
		closefd(&fd);
		skip();
	}
	give(fd, "x");
	assert_int_equal(begin(), 0);
	assert_false(has("tcp://127.0.0.1", port));
	(void)snprintf(text, sizeof(text), "tcp://127.0.0.1:%u?device=lo",
	    port);
	assert_int_equal(url_parse(&url, text, &err), 0);
	assert_int_equal(url_addr(&url, &a, &err), 0);
	assert_true(inherit_has(&url, &a));
}

static void
stored_ones_go_to_the_slots_with_their_indexes(void **state)
{
	uint16_t port = 0;
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		int fd = listening("127.0.0.1", &port, false);

		/* The service manager gives back the last one first. */
		give(fd, stored_name(LOCAL, port, 3U - (unsigned)i));
	}
	assert_int_equal(begin(), 0);
	assert_true(has("tcp://127.0.0.1", port));
	assert_int_equal(take("tcp://127.0.0.1", port, 0), -1);
	for (i = 1; i <= 3; i++) {
		int fd = take("tcp://127.0.0.1", port, (unsigned)i);

		assert_true(is_same(fd, FIRST + 3 - i));
		assert_true(is_ours);
	}
	assert_int_equal(take("tcp://127.0.0.1", port, 4), -1);
	assert_true(has("tcp://127.0.0.1", port));
}

static void
those_without_an_index_fill_the_gaps(void **state)
{
	uint16_t port = 0;
	int stored = listening("127.0.0.1", &port, false);

	(void)state;
	give(listening("127.0.0.1", &port, false), "tine.socket");
	give(stored, stored_name(LOCAL, port, 1));
	assert_int_equal(begin(), 0);
	assert_true(is_same(take("tcp://127.0.0.1", port, 0), FIRST));
	assert_false(is_ours);
	assert_true(is_same(take("tcp://127.0.0.1", port, 1), FIRST + 1));
	assert_true(is_ours);
}

static void
one_that_a_unit_has_and_we_stored_is_one_and_not_ours(void **state)
{
	uint16_t port = 0;
	int unit = listening("127.0.0.1", &port, false), fd;
	int copy = fcntl(unit, F_DUPFD_CLOEXEC, 20);
	int third = fcntl(unit, F_DUPFD_CLOEXEC, 20);

	(void)state;
	give(unit, "tine.socket");
	give(copy, stored_name(LOCAL, port, 2));
	give(third, "another");
	assert_int_equal(begin(), 0);
	assert_false(is_open(FIRST + 1));
	assert_false(is_open(FIRST + 2));
	assert_int_equal(take("tcp://127.0.0.1", port, 0), -1);
	fd = take("tcp://127.0.0.1", port, 2);
	assert_true(is_same(fd, FIRST));
	assert_false(is_ours);
	assert_int_equal(take("tcp://127.0.0.1", port, 3), -1);
}

static void
what_no_slot_has_room_for_can_still_be_had(void **state)
{
	unsigned indexes[] = { 5, 0, 3, 3, 1 }, index = 0;
	uint16_t port = 0;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(indexes); i++) {
		int fd = listening("127.0.0.1", &port, false);

		give(fd, stored_name(LOCAL, port, indexes[i]));
	}
	give(listening("127.0.0.1", &port, false), "tine.socket");
	assert_int_equal(begin(), 0);
	assert_int_not_equal(take("tcp://127.0.0.1", port, 0), -1);
	assert_true(is_same(take("tcp://127.0.0.1", port, 1), FIRST + 4));
	assert_true(
	    is_same(take_extra("tcp://127.0.0.1", port, 2, &index), FIRST + 2));
	assert_int_equal(index, 3);
	/* Stored under the same name, and yet another one. */
	assert_true(
	    is_same(take_extra("tcp://127.0.0.1", port, 2, &index), FIRST + 3));
	assert_int_equal(index, 6);
	assert_true(
	    is_same(take_extra("tcp://127.0.0.1", port, 2, &index), FIRST));
	assert_int_equal(index, 5);
	assert_true(is_ours);
	assert_true(
	    is_same(take_extra("tcp://127.0.0.1", port, 2, &index), FIRST + 5));
	assert_int_equal(index, 7);
	assert_false(is_ours);
	assert_int_equal(take_extra("tcp://127.0.0.1", port, 2, &index), -1);
}

static void
an_index_that_no_place_can_have_counts_as_none(void **state)
{
	unsigned index = 0;
	uint16_t port = 0;
	int fd = listening("127.0.0.1", &port, false);

	(void)state;
	give(fd, stored_name(LOCAL, port, 0));
	give(listening("127.0.0.1", &port, false),
	    stored_name(LOCAL, port, UINT32_MAX));
	assert_int_equal(begin(), 0);
	assert_true(is_same(take("tcp://127.0.0.1", port, 0), FIRST));
	assert_true(
	    is_same(take_extra("tcp://127.0.0.1", port, 1, &index), FIRST + 1));
	assert_int_equal(index, 1);
}

static void
after_a_failed_start_all_can_be_taken_again(void **state)
{
	unsigned index = 0;
	uint16_t port = 0;
	int round, fd = listening("127.0.0.1", &port, false);

	(void)state;
	give(fd, stored_name(LOCAL, port, 0));
	give(listening("127.0.0.1", &port, false), "x");
	assert_int_equal(begin(), 0);
	for (round = 0; round < 2; round++) {
		fd = take("tcp://127.0.0.1", port, 0);
		assert_true(is_same(fd, FIRST));
		fd = take_extra("tcp://127.0.0.1", port, 1, &index);
		assert_true(is_same(fd, FIRST + 1));
		assert_int_equal(index, 1);
		closefd(&taken[--ntaken]);
		closefd(&taken[--ntaken]);
		inherit_rewind();
	}
}

static void
a_stored_one_that_was_shut_down_can_listen_again(void **state)
{
	uint16_t port = 0;
	int fd = listening("127.0.0.1", &port, false);

	(void)state;
	assert_int_equal(shutdown(fd, SHUT_RDWR), 0);
	give(fd, stored_name(LOCAL, port, 0));
	assert_int_equal(begin(), 0);
	fd = take("tcp://127.0.0.1", port, 0);
	assert_int_not_equal(fd, -1);
	assert_int_equal(listen(fd, 5), 0);
}

static void
one_for_udp_is_for_a_udp_url_only(void **state)
{
	struct addr a;
	int fd = make_socket(AF_INET, SOCK_DGRAM);

	(void)state;
	assert_int_equal(addr_from_ip(&a, "127.0.0.1", 0), 0);
	assert_int_equal(bind(fd, &a.u.sa, a.len), 0);
	assert_int_equal(getsockname(fd, &a.u.sa, &a.len), 0);
	give(fd, "dns.socket");
	assert_int_equal(begin(), 0);
	assert_int_equal(take("tcp://127.0.0.1", addr_port(&a), 0), -1);
	assert_int_not_equal(take("udp://127.0.0.1", addr_port(&a), 0), -1);
}

/* ---- what is none ---- */

static void
what_is_no_listening_stream_socket_is_closed_and_named(void **state)
{
	static const char *const faults[] = {
		"(file) is no socket",
		"(dgram) is neither a stream socket nor one for UDP",
		"(bound) does not listen",
		"(\\x1b[31m) is of an address family that is not served",
	};
	size_t i;

	(void)state;
	give(fcntl(2, F_DUPFD_CLOEXEC, 20), "file");
	give(make_socket(AF_UNIX, SOCK_DGRAM), "dgram");
	give(make_socket(AF_INET, SOCK_STREAM), "bound");
	give(make_socket(AF_NETLINK, SOCK_RAW), "\x1b[31m");
	assert_int_equal(begin(), 0);
	for (i = 0; i < nitems(faults); i++) {
		assert_false(is_open(FIRST + (int)i));
		expect_logged(faults[i]);
	}
}

static void
a_descriptor_that_is_not_open_is_none(void **state)
{
	(void)state;
	set_environment(getpid(), "2");
	assert_int_equal(inherit_begin(), 2);
	assert_int_equal(inherit_open(&err), 0);
	expect_logged("inherited descriptor 4 is no socket");
}

static void
a_connection_is_an_error_that_names_the_mistake(void **state)
{
	uint16_t port = 0;
	int pair[2];

	(void)state;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(dup2(pair[0], 21), 21);
	assert_int_equal(dup2(pair[1], 22), 22);
	closefd(&pair[0]);
	closefd(&pair[1]);
	give(listening("127.0.0.1", &port, false), "x");
	give(21, "connection");
	give(listening("127.0.0.1", &port, false), "x");
	assert_int_equal(begin(), -1);
	assert_int_equal(err.code, EXIT_BAD_CONFIG);
	assert_non_null(strstr(err.text, "(connection) is a connection"));
	assert_non_null(strstr(err.hint, "Accept=no"));
	assert_false(is_open(FIRST));
	assert_false(is_open(FIRST + 1));
	assert_false(is_open(FIRST + 2));
	(void)close(22);
}

static void
without_memory_it_is_an_error(void **state)
{
	uint16_t port = 0;
	int rc;

	(void)state;
	give(listening("127.0.0.1", &port, false), "x");
	set_environment(getpid(), "1");
	memory_left = 0;
	assert_int_equal(inherit_begin(), 1);
	rc = inherit_open(&err);
	memory_left = -1;
	assert_int_equal(rc, -1);
	assert_int_equal(err.sys, ENOMEM);
}

/* ---- the end ---- */

static void
at_the_end_what_nobody_took_is_closed_and_forgotten(void **state)
{
	uint16_t port = 0, other = 0, third = 0, fourth = 0;
	int fd = listening("127.0.0.1", &port, false), kept;
	char expected[288], gone[128], stale[128];

	(void)state;
	(void)strcpy(gone, stored_name(LOCAL, port, 0));
	give(fd, gone);
	fd = listening("127.0.0.1", &other, false);
	(void)strcpy(stale, stored_name("tcp4%3A//127.0.0.1", other, 0));
	give(fd, stale);
	fd = listening("127.0.0.1", &fourth, false);
	give(fd, stored_name(LOCAL, fourth, 1));
	give(listening("127.0.0.1", &third, false), "unit");
	assert_int_equal(begin(), 0);
	/* This one has another name now. */
	kept = take("tcp://127.0.0.1", other, 0);
	assert_int_not_equal(take("tcp://127.0.0.1", fourth, 1), -1);
	inherit_end(&nobody);
	assert_false(is_open(FIRST));
	assert_false(is_open(FIRST + 1));
	assert_false(is_open(FIRST + 2));
	assert_false(is_open(FIRST + 3));
	assert_true(is_open(kept));
	(void)snprintf(expected, sizeof(expected), "%s %s ", gone, stale);
	assert_string_equal(forgotten, expected);
	assert_false(has("tcp://127.0.0.1", other));
	(void)snprintf(expected, sizeof(expected),
	    "127.0.0.1:%u (unit) has no listener's address; closed", third);
	expect_logged(expected);
	(void)snprintf(expected, sizeof(expected), "127.0.0.1:%u (%s)", port,
	    gone);
	expect_logged(expected);
}

#define handed(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		handed(nothing_is_handed_over_without_the_variables),
		handed(the_variables_are_gone_and_the_sockets_close_at_an_exec),
		handed(sockets_for_another_process_are_left_alone_and_said),
		handed(a_number_of_sockets_that_is_none_is_ignored_and_said),
		handed(
		    they_are_found_by_address_whatever_their_order_and_names),
		handed(an_abstract_name_is_found_too),
		handed(a_wildcard_is_for_v6_alone_or_for_both),
		handed(a_device_must_be_the_same),
		handed(stored_ones_go_to_the_slots_with_their_indexes),
		handed(those_without_an_index_fill_the_gaps),
		handed(one_that_a_unit_has_and_we_stored_is_one_and_not_ours),
		handed(what_no_slot_has_room_for_can_still_be_had),
		handed(an_index_that_no_place_can_have_counts_as_none),
		handed(after_a_failed_start_all_can_be_taken_again),
		handed(a_stored_one_that_was_shut_down_can_listen_again),
		handed(one_for_udp_is_for_a_udp_url_only),
		handed(what_is_no_listening_stream_socket_is_closed_and_named),
		handed(a_descriptor_that_is_not_open_is_none),
		handed(a_connection_is_an_error_that_names_the_mistake),
		handed(without_memory_it_is_an_error),
		handed(at_the_end_what_nobody_took_is_closed_and_forgotten),
	};

	return cmocka_run_group_tests_name("inherit", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Socket addresses from text, to text, compared. */
#include "shared/addr.h"

#include <stdio.h>

#include "tests/unit/expect.h"

static struct err err;

static struct addr
ip(const char *host, uint16_t port)
{
	struct addr a;

	assert_int_equal(addr_from_ip(&a, host, port), 0);
	return a;
}

static void
an_address_is_printed_as_it_was_read(void **state)
{
	static const struct {
		const char *host, *text;
		sa_family_t family;
	} rows[] = {
		{ "127.0.0.1", "127.0.0.1:80", AF_INET },
		{ "0.0.0.0", "0.0.0.0:80", AF_INET },
		{ "::1", "[::1]:80", AF_INET6 },
		{ "0:0:0::1", "[::1]:80", AF_INET6 },
		{ "::ffff:10.0.0.1", "[::ffff:10.0.0.1]:80", AF_INET6 },
		{ "fe80::1%lo", "[fe80::1%lo]:80", AF_INET6 },
		{ "fe80::1%1", "[fe80::1%lo]:80", AF_INET6 },
		{ "fe80::1%4000000", "[fe80::1%4000000]:80", AF_INET6 },
	};
	struct addr a;
	char text[128];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		a = ip(rows[i].host, 80);
		assert_int_equal(a.u.sa.sa_family, rows[i].family);
		assert_int_equal(addr_port(&a), 80);
		assert_string_equal(addr_print(&a, text, sizeof(text)),
		    rows[i].text);
	}
}

static void
a_name_is_not_an_address(void **state)
{
	static const char *const hosts[] = { "", "localhost", "1.2.3",
		"256.0.0.1", "[::1]", "::1::", "fe80::1%", "fe80::1%nosuch",
		"fe80::1%0",
		"1111111111111111111111111111111111111111111111111:1" };
	struct addr a;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(hosts); i++)
		assert_int_equal(addr_from_ip(&a, hosts[i], 80), -1);
}

static void
the_port_can_be_set_later(void **state)
{
	struct addr v4 = ip("127.0.0.1", 0), v6 = ip("::1", 0);

	(void)state;
	addr_set_port(&v4, 8080);
	addr_set_port(&v6, 65535);
	assert_int_equal(addr_port(&v4), 8080);
	assert_int_equal(addr_port(&v6), 65535);
}

static void
a_unix_path_is_ended_and_an_abstract_name_is_exact(void **state)
{
	struct addr path, name;
	char text[128];

	(void)state;
	assert_int_equal(addr_from_path(&path, "/run/x", &err), 0);
	assert_int_equal(path.len, offsetof(struct sockaddr_un, sun_path) + 7);
	assert_string_equal(addr_print(&path, text, sizeof(text)), "/run/x");
	assert_int_equal(addr_from_path(&name, "@tine", &err), 0);
	assert_int_equal(name.len, offsetof(struct sockaddr_un, sun_path) + 5);
	assert_memory_equal(name.u.sun.sun_path, "\0tine", 5);
	assert_string_equal(addr_print(&name, text, sizeof(text)), "@tine");
	assert_int_equal(addr_port(&path), 0);
	assert_false(addr_is_wildcard(&path));
}

static void
a_unix_path_must_fit_and_have_a_letter(void **state)
{
	char path[109];
	struct addr a;

	(void)state;
	memset(path, 'x', sizeof(path));
	path[108] = '\0';
	expect_error(addr_from_path(&a, path, &err), &err, EXIT_BAD_CONFIG,
	    "unix socket path of 108 bytes is too long",
	    "at most 107 bytes; a path may be relative");
	path[107] = '\0';
	assert_int_equal(addr_from_path(&a, path, &err), 0);
	expect_error(addr_from_path(&a, "", &err), &err, EXIT_BAD_CONFIG,
	    "a unix socket needs a path",
	    "unix:///run/name.sock or unix://@name");
	expect_error(addr_from_path(&a, "@", &err), &err, EXIT_BAD_CONFIG,
	    "a unix socket needs a path",
	    "unix:///run/name.sock or unix://@name");
}

static void
peers_without_a_name_are_printed_too(void **state)
{
	struct addr a;
	char text[64];

	(void)state;
	memset(&a, 0, sizeof(a));
	a.u.sa.sa_family = AF_UNIX;
	a.len = offsetof(struct sockaddr_un, sun_path);
	assert_string_equal(addr_print(&a, text, sizeof(text)), "(unnamed)");
	a.u.sa.sa_family = AF_PACKET;
	assert_string_equal(addr_print(&a, text, sizeof(text)),
	    "(address family 17)");
}

static void
only_the_address_of_every_interface_is_a_wildcard(void **state)
{
	struct addr a;

	(void)state;
	a = ip("0.0.0.0", 1);
	assert_true(addr_is_wildcard(&a));
	a = ip("::", 1);
	assert_true(addr_is_wildcard(&a));
	a = ip("127.0.0.1", 1);
	assert_false(addr_is_wildcard(&a));
	a = ip("::1", 1);
	assert_false(addr_is_wildcard(&a));
}

static void
addresses_overlap_as_bind_sees_it(void **state)
{
	static const struct {
		const char *a, *b;
		bool overlaps, overlaps_v6only;
	} rows[] = {
		{ "127.0.0.1", "127.0.0.1", true, true },
		{ "127.0.0.1", "127.0.0.2", false, false },
		{ "0.0.0.0", "127.0.0.1", true, true },
		{ "::", "::1", true, true },
		{ "::1", "::2", false, false },
		{ "::", "0.0.0.0", true, false },
		{ "::", "127.0.0.1", true, false },
		{ "::1", "127.0.0.1", false, false },
		{ "::1", "0.0.0.0", false, false },
		{ "::ffff:127.0.0.1", "127.0.0.1", true, true },
		{ "::ffff:127.0.0.1", "0.0.0.0", true, true },
		{ "::ffff:127.0.0.1", "127.0.0.2", false, false },
		{ "fe80::1%1", "fe80::1%1", true, true },
		{ "fe80::1%1", "fe80::1%2", false, false },
	};
	struct addr a, b;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		a = ip(rows[i].a, 80);
		b = ip(rows[i].b, 80);
		assert_int_equal(addr_overlaps(&a, &b, false),
		    rows[i].overlaps);
		assert_int_equal(addr_overlaps(&b, &a, false),
		    rows[i].overlaps);
		assert_int_equal(addr_overlaps(&a, &b, true),
		    rows[i].overlaps_v6only);
	}
}

static void
another_port_or_port_0_or_a_unix_socket_never_overlaps(void **state)
{
	struct addr a = ip("0.0.0.0", 80), b = ip("0.0.0.0", 81);

	(void)state;
	assert_false(addr_overlaps(&a, &b, false));
	a = b = ip("0.0.0.0", 0);
	assert_false(addr_overlaps(&a, &b, false));
	assert_int_equal(addr_from_path(&a, "x", &err), 0);
	assert_false(addr_overlaps(&a, &a, false));
}

static void
equal_is_the_same_family_host_and_port_or_name(void **state)
{
	static const char *const names[] = { "a", "aa", "@a", "@aa" };
	struct addr a = ip("127.0.0.1", 80), b = ip("127.0.0.1", 80);
	size_t i, k;

	(void)state;
	assert_true(addr_equal(&a, &b));
	b = ip("127.0.0.1", 81);
	assert_false(addr_equal(&a, &b));
	b = ip("127.0.0.2", 80);
	assert_false(addr_equal(&a, &b));
	b = ip("::ffff:127.0.0.1", 80);
	assert_false(addr_equal(&a, &b));
	a = ip("fe80::1%1", 80);
	b = ip("fe80::1%2", 80);
	assert_false(addr_equal(&a, &b));
	b = ip("fe80::1%1", 80);
	assert_true(addr_equal(&a, &b));
	for (i = 0; i < nitems(names); i++)
		for (k = 0; k < nitems(names); k++) {
			(void)addr_from_path(&a, names[i], &err);
			(void)addr_from_path(&b, names[k], &err);
			assert_int_equal(addr_equal(&a, &b), i == k);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_printed_as_it_was_read),
		cmocka_unit_test(a_name_is_not_an_address),
		cmocka_unit_test(the_port_can_be_set_later),
		cmocka_unit_test(
		    a_unix_path_is_ended_and_an_abstract_name_is_exact),
		cmocka_unit_test(a_unix_path_must_fit_and_have_a_letter),
		cmocka_unit_test(peers_without_a_name_are_printed_too),
		cmocka_unit_test(
		    only_the_address_of_every_interface_is_a_wildcard),
		cmocka_unit_test(addresses_overlap_as_bind_sees_it),
		cmocka_unit_test(
		    another_port_or_port_0_or_a_unix_socket_never_overlaps),
		cmocka_unit_test(
		    equal_is_the_same_family_host_and_port_or_name),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}

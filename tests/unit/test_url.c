/* SPDX-License-Identifier: BSD-2-Clause */
/* Listen URLs: scheme, host, port; test_url_param.c has the parameters. */
#include "shared/url.h"

#include <stdio.h>

#include "tests/unit/expect.h"

static struct err err;

static struct url
good(const char *text)
{
	struct url u;

	if (url_parse(&u, text, &err) == -1)
		fail_msg("%s: %s", text, err.text);
	return u;
}

static void
refused(const char *text, const char *why, const char *hint)
{
	char whole[2048];
	struct url u;

	(void)snprintf(whole, sizeof(whole), "listen URL %s: %s", text, why);
	expect_error(url_parse(&u, text, &err), &err, EXIT_BAD_CONFIG, whole,
	    hint);
}

static void
every_form_of_spec_3_is_read(void **state)
{
	static const struct {
		const char *text;
		enum url_scheme scheme;
		const char *host;
		uint16_t port;
		const char *printed;
	} rows[] = {
		{ "8080", URL_TCP, "", 8080, "tcp://:8080" },
		{ "0", URL_TCP, "", 0, "tcp://:0" },
		{ ":8080", URL_TCP, "", 8080, "tcp://:8080" },
		{ "localhost:9000", URL_TCP, "localhost", 9000,
		    "tcp://localhost:9000" },
		{ "tcp://127.0.0.1:65535", URL_TCP, "127.0.0.1", 65535,
		    "tcp://127.0.0.1:65535" },
		{ "tcp4://:8888", URL_TCP4, "", 8888, "tcp4://:8888" },
		{ "tcp6://:8888", URL_TCP6, "", 8888, "tcp6://:8888" },
		{ "tcp://[::1]:80", URL_TCP, "::1", 80, "tcp://[::1]:80" },
		{ "[::]:80", URL_TCP, "::", 80, "tcp://[::]:80" },
		{ "tcp6://[fe80::1%lo]:80", URL_TCP6, "fe80::1%lo", 80,
		    "tcp6://[fe80::1%lo]:80" },
		{ "my-host_2.example.:80", URL_TCP, "my-host_2.example.", 80,
		    "tcp://my-host_2.example.:80" },
		{ "tcp4://localhost:1", URL_TCP4, "localhost", 1,
		    "tcp4://localhost:1" },
	};
	char text[URL_TEXT_MAX];
	struct url u;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		u = good(rows[i].text);
		assert_int_equal(u.scheme, rows[i].scheme);
		assert_string_equal(u.host, rows[i].host);
		assert_int_equal(u.port, rows[i].port);
		assert_string_equal(url_print(&u, text, sizeof(text)),
		    rows[i].printed);
		assert_string_equal(url_print_short(&u, text, sizeof(text)),
		    rows[i].printed);
	}
}

static void
unix_urls_have_a_path_or_an_abstract_name(void **state)
{
	static const struct {
		const char *text, *path;
	} rows[] = {
		{ "unix://socket", "socket" },
		{ "unix:///run/tine.sock", "/run/tine.sock" },
		{ "unix://@abstract", "@abstract" },
		{ "unix://a b:c", "a b:c" },
		{ "unix://8080", "8080" },
	};
	char text[URL_TEXT_MAX];
	struct url u;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		u = good(rows[i].text);
		assert_int_equal(u.scheme, URL_UNIX);
		assert_string_equal(u.path, rows[i].path);
		assert_string_equal(url_print(&u, text, sizeof(text)),
		    rows[i].text);
	}
	refused("unix://", "a unix socket needs a path",
	    "unix:///run/name.sock or unix://@name");
}

static void
a_port_is_a_number_up_to_65535(void **state)
{
	(void)state;
	refused("tcp://:65536", "port 65536 is out of range",
	    "a number from 0 to 65535; 0 lets the kernel choose");
	refused("99999999999999999999",
	    "port 99999999999999999999 is out of range",
	    "a number from 0 to 65535; 0 lets the kernel choose");
	refused("localhost:", "\"\" is not a port", "a number from 0 to 65535");
	refused(":-1", "\"-1\" is not a port", "a number from 0 to 65535");
	refused(":80x", "\"80x\" is not a port", "a number from 0 to 65535");
	refused(":http", "\"http\" is not a port", "a number from 0 to 65535");
	refused("tcp://:8080/x", "\"8080/x\" is not a port",
	    "a listen URL ends with the port: :8080");
}

static void
a_missing_port_is_asked_for(void **state)
{
	(void)state;
	refused("tcp://localhost", "the port is missing", "localhost:8080");
	refused("tcp://8080", "the port is missing", "did you mean :8080?");
	refused("tcp://[::1]", "the port is missing", "[::1]:8080");
	refused("[::1]80", "the port is missing", "[::1]:8080");
	refused("", "the port is missing", ":8080");
}

static void
an_ipv6_address_stands_in_brackets(void **state)
{
	(void)state;
	refused("::1:80", "an IPv6 address stands in brackets", "[::1]:8080");
	refused("tcp://[::1:80", "\"]\" is missing", "[::1]:8080");
	refused("tcp://[127.0.0.1]:80", "\"127.0.0.1\" is not an IPv6 address",
	    "only those stand in brackets: [::1]");
	refused("tcp://[]:80", "\"\" is not an IPv6 address",
	    "only those stand in brackets: [::1]");
}

static void
an_address_is_of_the_family_of_its_scheme(void **state)
{
	(void)state;
	refused("tcp4://[::1]:80", "::1 is an IPv6 address",
	    "tcp6:// or tcp:// for it");
	refused("tcp6://127.0.0.1:80", "127.0.0.1 is an IPv4 address",
	    "tcp4:// or tcp:// for it");
}

static void
what_cannot_be_a_host_is_refused(void **state)
{
	static const char *const hosts[] = { "10.1", "256.0.0.1", "a b", "a/b",
		"user@host", "." };
	char text[600], why[64];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(hosts); i++) {
		(void)snprintf(text, sizeof(text), "tcp://%s:80", hosts[i]);
		(void)snprintf(why, sizeof(why),
		    "\"%s\" is neither a host nor an address", hosts[i]);
		refused(text, why,
		    "a name, 127.0.0.1, [::1], or nothing for every address");
	}
	refused("*:80", "\"*\" is neither a host nor an address",
	    "leave the host out for every address: :80");
	memset(text, 'x', 400);
	(void)strcpy(text + 400, ":80");
	refused(text, "a host of 400 letters is too long",
	    "at most 255 letters");
}

static void
an_unknown_scheme_is_refused_with_the_nearest(void **state)
{
	(void)state;
	refused("tpc://:80", "unknown scheme \"tpc\"", "did you mean \"tcp\"?");
	refused("TCP://:80", "unknown scheme \"TCP\"", "did you mean \"tcp\"?");
	refused("http://:80", "unknown scheme \"http\"",
	    "tcp, tcp4, tcp6, udp, udp4, udp6 or unix; what is spoken "
	    "there is the handler's "
	    "affair");
	refused("://:80", "unknown scheme \"\"",
	    "tcp, tcp4, tcp6, udp, udp4, udp6 or unix; what is spoken "
	    "there is the handler's "
	    "affair");
}

static void
a_scheme_needs_its_slashes_and_a_path_its_scheme(void **state)
{
	(void)state;
	refused("tcp:8080", "two slashes are missing after \"tcp:\"",
	    "tcp://:8080, unix://PATH");
	refused("unix:/run/x", "two slashes are missing after \"unix:\"",
	    "tcp://:8080, unix://PATH");
	refused("/run/x", "a path needs its scheme", "unix:///run/x");
	refused("./x", "a path needs its scheme", "unix://./x");
	refused("@x", "a path needs its scheme", "unix://@x");
	assert_string_equal(good("tcpx:80").host, "tcpx");
}

static void
udp_is_a_scheme_of_both_families_or_of_one(void **state)
{
	static const enum url_scheme schemes[] = { URL_UDP, URL_UDP4,
		URL_UDP6 };
	char text[64], printed[URL_TEXT_MAX];
	struct url u;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(schemes); i++) {
		(void)snprintf(text, sizeof(text), "%s://:9000",
		    url_scheme_names[schemes[i]]);
		u = good(text);
		assert_int_equal(u.scheme, schemes[i]);
		assert_true(url_is_udp(&u));
		assert_int_equal(url_is_dual(&u), i == 0);
		assert_string_equal(url_print(&u, printed, sizeof(printed)),
		    text);
	}
	u = good("tcp://:9000");
	assert_false(url_is_udp(&u));
	assert_true(url_is_dual(&u));
	u = good("unix://x");
	assert_false(url_is_udp(&u) || url_is_dual(&u));
}

static void
a_udp_address_must_be_of_the_schemes_family(void **state)
{
	(void)state;
	refused("udp4://[::1]:80", "::1 is an IPv6 address",
	    "udp6:// or udp:// for it");
	refused("udp6://127.0.0.1:80", "127.0.0.1 is an IPv4 address",
	    "udp4:// or udp:// for it");
}

static void
a_multicast_group_must_be_of_a_family_that_is_heard(void **state)
{
	(void)state;
	(void)good("udp://:80?multicast=239.1.1.1,ff12::1");
	(void)good("udp4://:80?multicast=239.1.1.1");
	(void)good("udp6://:80?multicast=ff12::1");
	refused("udp4://:80?multicast=239.1.1.1,ff12::1",
	    "multicast: an IPv6 group, but no IPv6 address to hear it on",
	    "udp6://:80");
	refused("udp6://:80?multicast=239.1.1.1",
	    "multicast: an IPv4 group, but no IPv4 address to hear it on",
	    "udp4://:80");
	refused("udp://[::1]:80?multicast=239.1.1.1",
	    "multicast: an IPv4 group, but no IPv4 address to hear it on",
	    "udp4://:80");
}

static void
a_url_longer_than_any_real_one_is_refused(void **state)
{
	char text[URL_TEXT_MAX + 1];
	struct url u;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[URL_TEXT_MAX] = '\0';
	assert_int_equal(url_parse(&u, text, &err), -1);
	assert_string_equal(err.text,
	    "listen URL xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...: too long");
	assert_string_equal(err.hint, "at most 1023 bytes");
}

static void
a_url_becomes_the_address_to_bind(void **state)
{
	static const struct {
		const char *url, *addr;
	} rows[] = {
		{ "tcp://:80", "[::]:80" },
		{ "tcp6://:80", "[::]:80" },
		{ "tcp4://:80", "0.0.0.0:80" },
		{ "tcp://127.0.0.1:80", "127.0.0.1:80" },
		{ "tcp://[::1]:0", "[::1]:0" },
		{ "unix://socket", "socket" },
		{ "unix://@name", "@name" },
	};
	char text[128];
	struct addr a;
	struct url u;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		u = good(rows[i].url);
		assert_int_equal(url_addr(&u, &a, &err), 0);
		assert_string_equal(addr_print(&a, text, sizeof(text)),
		    rows[i].addr);
	}
	u = good("localhost:80");
	expect_error(url_addr(&u, &a, &err), &err, EXIT_BAD_CONFIG,
	    "\"localhost\" is not an address", "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_of_spec_3_is_read),
		cmocka_unit_test(unix_urls_have_a_path_or_an_abstract_name),
		cmocka_unit_test(a_port_is_a_number_up_to_65535),
		cmocka_unit_test(a_missing_port_is_asked_for),
		cmocka_unit_test(an_ipv6_address_stands_in_brackets),
		cmocka_unit_test(an_address_is_of_the_family_of_its_scheme),
		cmocka_unit_test(what_cannot_be_a_host_is_refused),
		cmocka_unit_test(an_unknown_scheme_is_refused_with_the_nearest),
		cmocka_unit_test(
		    a_scheme_needs_its_slashes_and_a_path_its_scheme),
		cmocka_unit_test(udp_is_a_scheme_of_both_families_or_of_one),
		cmocka_unit_test(a_udp_address_must_be_of_the_schemes_family),
		cmocka_unit_test(
		    a_multicast_group_must_be_of_a_family_that_is_heard),
		cmocka_unit_test(a_url_longer_than_any_real_one_is_refused),
		cmocka_unit_test(a_url_becomes_the_address_to_bind),
	};

	return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}

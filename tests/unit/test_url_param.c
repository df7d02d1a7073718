/* SPDX-License-Identifier: BSD-2-Clause */
/* Parameters of listen URLs. */
#include "shared/url_param.h"

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
refused(const char *text, enum exit_code code, const char *why,
    const char *hint)
{
	char whole[512];
	struct url u;

	(void)snprintf(whole, sizeof(whole), "listen URL %s: %s", text, why);
	expect_error(url_parse(&u, text, &err), &err, code, whole, hint);
}

static void
without_parameters_all_have_their_default(void **state)
{
	struct url u = good("tcp://:80");

	(void)state;
	assert_int_equal(u.reuseport, URL_UNSET);
	assert_int_equal(u.backlog, 0);
	assert_true(u.nodelay);
	assert_int_equal(u.keepalive, 0);
	assert_int_equal(u.rcvbuf, 0);
	assert_int_equal(u.sndbuf, 0);
	assert_int_equal(u.defer_accept, 0);
	assert_int_equal(u.fastopen, 0);
	assert_string_equal(u.device, "");
	assert_false(u.freebind);
	assert_int_equal(u.mode, -1);
	assert_string_equal(u.owner, "");
	assert_string_equal(u.handler, "");
}

static void
every_parameter_of_tcp_is_read(void **state)
{
	struct url u = good("tcp://:80?reuseport=true&backlog=4096&nodelay=off"
			    "&keepalive=60s&rcvbuf=64k&sndbuf=1m"
			    "&defer-accept=5s&fastopen=16&device=eth0"
			    "&freebind=yes&handler=echo");

	(void)state;
	assert_int_equal(u.reuseport, URL_TRUE);
	assert_int_equal(u.backlog, 4096);
	assert_false(u.nodelay);
	assert_int_equal(u.keepalive, 60);
	assert_int_equal(u.rcvbuf, 65536);
	assert_int_equal(u.sndbuf, 1048576);
	assert_int_equal(u.defer_accept, 5);
	assert_int_equal(u.fastopen, 16);
	assert_string_equal(u.device, "eth0");
	assert_true(u.freebind);
	assert_string_equal(u.handler, "echo");
	assert_int_equal(good("80?reuseport=false").reuseport, URL_FALSE);
}

static void
every_parameter_of_unix_paths_is_read(void **state)
{
	struct url u = good("unix:///run/x?mode=0660&owner=www-data:adm"
			    "&backlog=1&rcvbuf=0&handler=./game.so");

	(void)state;
	assert_int_equal(u.mode, 0660);
	assert_string_equal(u.owner, "www-data:adm");
	assert_int_equal(u.backlog, 1);
	assert_string_equal(u.handler, "./game.so");
	assert_int_equal(good("unix://x?mode=7").mode, 7);
	assert_string_equal(good("unix://x?owner=33").owner, "33");
}

static void
a_printed_url_is_read_as_the_same(void **state)
{
	static const char *const texts[] = {
		"tcp://:80",
		"tcp://:80?reuseport=true&backlog=4096&nodelay=false&"
		"keepalive=1min&rcvbuf=64k&sndbuf=1m&defer-accept=5s&"
		"fastopen=16&device=eth0&freebind=true&handler=echo",
		"tcp://[::1]:80?reuseport=false&keepalive=61s",
		"udp://:80?reuseport=true&rcvbuf=64k&sndbuf=1m&device=eth0&"
		"freebind=true&tos=16&multicast=239.1.1.1@lo,ff12::1&"
		"handler=echo",
		"unix://x?backlog=7&mode=0060&owner=a:b&handler=upper",
		"unix://@x?handler=upper",
	};
	char text[URL_TEXT_MAX], bare[URL_TEXT_MAX];
	struct url one, two;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(texts); i++) {
		one = good(texts[i]);
		assert_string_equal(url_print(&one, text, sizeof(text)),
		    texts[i]);
		two = good(text);
		assert_memory_equal(&one, &two, sizeof(one));
		(void)url_print_short(&one, bare, sizeof(bare));
		assert_null(strchr(bare, '?'));
	}
}

static void
what_needs_a_connection_is_refused_for_udp(void **state)
{
	static const struct {
		const char *text, *name, *meant_for;
	} rows[] = {
		{ "udp://:80?nodelay=on", "nodelay", "tcp, tcp4 and tcp6" },
		{ "udp4://:80?keepalive=1s", "keepalive",
		    "tcp, tcp4 and tcp6" },
		{ "udp6://:80?defer-accept=1s", "defer-accept",
		    "tcp, tcp4 and tcp6" },
		{ "udp://:80?fastopen=1", "fastopen", "tcp, tcp4 and tcp6" },
		{ "udp://:80?backlog=1", "backlog",
		    "tcp, tcp4, tcp6 and unix" },
	};
	char why[128], hint[64];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		(void)snprintf(why, sizeof(why),
		    "parameter \"%s\" has no meaning for UDP, which has no "
		    "connections",
		    rows[i].name);
		(void)snprintf(hint, sizeof(hint), "it is for %s",
		    rows[i].meant_for);
		refused(rows[i].text, EXIT_BAD_CONFIG, why, hint);
	}
	refused("udp://:80?mode=7", EXIT_BAD_CONFIG,
	    "parameter \"mode\" has no meaning here",
	    "it is for the path of a unix socket");
	refused("tcp://:80?multicast=239.1.1.1", EXIT_BAD_CONFIG,
	    "parameter \"multicast\" has no meaning here",
	    "it is for udp, udp4 and udp6");
	refused("unix://x?tos=1", EXIT_BAD_CONFIG,
	    "parameter \"tos\" has no meaning here", "it is for tcp and udp");
}

static void
a_bad_group_is_refused(void **state)
{
	(void)state;
	refused("udp://:80?multicast=10.0.0.1", EXIT_BAD_CONFIG,
	    "multicast: \"10.0.0.1\" is not a multicast group",
	    "an address from 224.0.0.0 to 239.255.255.255 or in ff00::/8, and "
	    "@IFACE for one interface: 239.1.2.3@eth0");
}

static void
parameters_at_their_default_are_not_printed(void **state)
{
	struct url u = good("80?nodelay=true&backlog=0&keepalive=0&rcvbuf=0");
	char text[URL_TEXT_MAX];

	(void)state;
	assert_string_equal(url_print(&u, text, sizeof(text)), "tcp://:80");
}

static void
a_buffer_too_small_gets_what_fits(void **state)
{
	struct url u = good("80?backlog=1&handler=echo");
	char text[16];

	(void)state;
	assert_string_equal(url_print(&u, text, sizeof(text)),
	    "tcp://:80?backl");
}

static void
a_bad_value_names_its_parameter(void **state)
{
	static const struct {
		const char *text, *why, *hint;
	} rows[] = {
		{ ":80?backlog=x", "backlog: \"x\" is not a whole number",
		    "a whole number from 0 to 2147483647" },
		{ ":80?backlog=-1", "backlog: -1 is out of range",
		    "a whole number from 0 to 2147483647" },
		{ ":80?nodelay=1", "nodelay: \"1\" is neither true nor false",
		    "true, yes or on; false, no or off" },
		{ ":80?reuseport=", "reuseport: \"\" is neither true nor false",
		    "true, yes or on; false, no or off" },
		{ ":80?keepalive=60", "keepalive: \"60\" is not a duration",
		    "a whole number with ms, s, min or h: 250ms, 30s, 5min, "
		    "1h" },
		{ ":80?keepalive=1500ms",
		    "keepalive: 1500ms is not whole seconds",
		    "the kernel counts in seconds here" },
		{ ":80?keepalive=10h", "keepalive: 10h is out of range",
		    "a duration from 0 to 32767s" },
		{ ":80?rcvbuf=2g", "rcvbuf: 2g is out of range",
		    "a size from 0 to 1g" },
		{ ":80?device=", "device: \"\" is not a name",
		    "no spaces, at least one letter" },
		{ ":80?device=a b", "device: \"a b\" is not a name",
		    "no spaces, at least one letter" },
		{ ":80?device=sixteen-letters-",
		    "device: \"sixteen-letters-\" is too long",
		    "at most 15 bytes" },
		{ "unix://x?mode=0888", "mode: \"0888\" is not a mode",
		    "octal digits up to 0777: 0660" },
		{ "unix://x?mode=1777", "mode: \"1777\" is not a mode",
		    "octal digits up to 0777: 0660" },
		{ "unix://x?mode=", "mode: \"\" is not a mode",
		    "octal digits up to 0777: 0660" },
		{ "unix://x?owner=:adm", "owner: \":adm\" is not an owner",
		    "user or user:group" },
		{ "unix://x?owner=root:", "owner: \"root:\" is not an owner",
		    "user or user:group" },
		{ "unix://x?owner=a:b:c", "owner: \"a:b:c\" is not an owner",
		    "user or user:group" },
		{ "unix://x?owner=", "owner: \"\" is not a name",
		    "no spaces, at least one letter" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++)
		refused(rows[i].text, EXIT_BAD_CONFIG, rows[i].why,
		    rows[i].hint);
}

static void
an_unknown_parameter_is_refused_with_the_nearest(void **state)
{
	(void)state;
	refused(":80?nodelya=on", EXIT_BAD_CONFIG,
	    "unknown parameter \"nodelya\"", "did you mean \"nodelay\"?");
	refused(":80?colour=red", EXIT_BAD_CONFIG,
	    "unknown parameter \"colour\"",
	    "reuseport, backlog, nodelay, keepalive, rcvbuf, sndbuf, "
	    "defer-accept, fastopen, device, freebind, tos, multicast, mode, "
	    "owner or handler");
}

static void
a_parameter_has_a_value_and_is_given_once(void **state)
{
	(void)state;
	refused(":80?nodelay", EXIT_BAD_CONFIG,
	    "parameter \"nodelay\" has no value", "?key=value&key=value");
	refused(":80?", EXIT_BAD_CONFIG, "parameter \"\" has no value",
	    "?key=value&key=value");
	refused(":80?backlog=1&", EXIT_BAD_CONFIG,
	    "parameter \"\" has no value", "?key=value&key=value");
	refused(":80?backlog=1&backlog=1", EXIT_BAD_CONFIG,
	    "parameter \"backlog\" is given twice", "give it once");
}

static void
a_parameter_without_a_meaning_is_refused(void **state)
{
	(void)state;
	refused("unix://x?nodelay=on", EXIT_BAD_CONFIG,
	    "parameter \"nodelay\" has no meaning here",
	    "it is for tcp, tcp4 and tcp6");
	refused("unix://x?reuseport=true", EXIT_BAD_CONFIG,
	    "parameter \"reuseport\" has no meaning here",
	    "it is for tcp and udp");
	refused(":80?mode=0600", EXIT_BAD_CONFIG,
	    "parameter \"mode\" has no meaning here",
	    "it is for the path of a unix socket");
	refused("unix://@x?owner=root", EXIT_BAD_CONFIG,
	    "parameter \"owner\" has no meaning here",
	    "it is for the path of a unix socket");
}

static void
what_is_not_built_yet_says_so(void **state)
{
	static const char *const names[] = { "proxy", "tls", "user-timeout" };
	char text[64], why[64];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(names); i++) {
		(void)snprintf(text, sizeof(text), ":80?%s=x", names[i]);
		(void)snprintf(why, sizeof(why),
		    "parameter \"%s\" is not built yet", names[i]);
		refused(text, EXIT_BAD_USAGE, why, "leave it out");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_parameters_all_have_their_default),
		cmocka_unit_test(every_parameter_of_tcp_is_read),
		cmocka_unit_test(every_parameter_of_unix_paths_is_read),
		cmocka_unit_test(a_printed_url_is_read_as_the_same),
		cmocka_unit_test(what_needs_a_connection_is_refused_for_udp),
		cmocka_unit_test(a_bad_group_is_refused),
		cmocka_unit_test(parameters_at_their_default_are_not_printed),
		cmocka_unit_test(a_buffer_too_small_gets_what_fits),
		cmocka_unit_test(a_bad_value_names_its_parameter),
		cmocka_unit_test(
		    an_unknown_parameter_is_refused_with_the_nearest),
		cmocka_unit_test(a_parameter_has_a_value_and_is_given_once),
		cmocka_unit_test(a_parameter_without_a_meaning_is_refused),
		cmocka_unit_test(what_is_not_built_yet_says_so),
	};

	return cmocka_run_group_tests_name("url_param", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration: keys, text form and what happens without memory. */
#include "shared/conf.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/expect.h"
#include "tests/unit/memory.h"

static struct err err;
static struct conf conf;

static int
open_conf(void **state)
{
	(void)state;
	memory_left = -1;
	conf_init(&conf);
	return 0;
}

static int
close_conf(void **state)
{
	(void)state;
	memory_left = -1;
	conf_free(&conf);
	return 0;
}

static void
set(const char *key, const char *value)
{
	if (conf_set(&conf, key, value, &err) == -1)
		fail_msg("%s=%s: %s", key, value, err.text);
}

static char *
printed(const struct conf *c, size_t *len)
{
	char *text;
	FILE *f = open_memstream(&text, len);

	assert_non_null(f);
	assert_int_equal(conf_print(c, f), 0);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void
the_defaults_are_those_of_spec_5(void **state)
{
	const struct conf_server *s;

	(void)state;
	assert_true(conf.processes == 0 && conf.processes_max == 0);
	assert_int_equal(conf.accept, CONF_ACCEPT_AUTO);
	assert_null(conf.control);
	assert_null(conf.log_file);
	assert_true(conf.user == NULL && conf.group == NULL);
	assert_null(conf.pid_file);
	assert_true(conf.admin == NULL && conf.nadmin_listens == 0);
	assert_int_equal(conf.log_format, LOG_FORMAT_TEXT);
	assert_int_equal(conf.balance, CONF_BALANCE_KERNEL);
	assert_int_equal(conf.rlimit_nofile, 0);
	assert_int_equal(conf.max_old_generations, 4);
	assert_int_equal(conf.recycle.connections, 0);
	assert_true(conf.recycle.age == 0 && conf.recycle.memory == 0);
	assert_string_equal(conf.cpu_affinity, "none");
	assert_int_equal(conf.overload.policy, CONF_OVERLOAD_WAIT);
	assert_int_equal(conf.overload.accept_rate, 0);
	assert_true(conf.overload.lag == 0.25);
	assert_int_equal(conf.offload.threads, 4);
	assert_int_equal(conf.offload.queue, 1024);
	assert_int_equal(conf.log_level, LOG_INFO);
	assert_true(conf.uid == CONF_NO_ID && conf.gid == CONF_NO_ID);
	assert_true(conf.start_timeout == 30 && conf.drain_timeout == 30);
	assert_true(conf.hang_timeout == 10 && conf.suspect == 2);
	assert_true(conf.prove == 1 && conf.commit == 10);
	assert_true(conf.orphan == 10 && conf.drain_delay == 0);
	assert_true(conf.keepalive_grace == 5);
	assert_int_equal(conf.max_connections, 100000);
	assert_false(conf.core_dumps);
	assert_null(conf.folder);
	assert_int_equal(conf.nservers, 0);
	set("servers.0.options.once", "true");
	s = &conf.servers[0];
	assert_string_equal(s->handler, "http");
	assert_int_equal(s->nlistens, 0);
	assert_true(s->timeouts.first_byte == 10 && s->timeouts.read == 60);
	assert_true(s->timeouts.write == 60 && s->timeouts.idle == 75);
	assert_true(s->timeouts.lifetime == 0);
	assert_int_equal(s->limits.connections, 0);
	assert_int_equal(s->limits.per_address, 0);
	assert_int_equal(s->limits.read_cap, 65536);
	assert_int_equal(s->limits.input, 1048576);
	assert_int_equal(s->limits.output_low, 65536);
	assert_int_equal(s->limits.output_high, 262144);
	assert_int_equal(s->limits.output, 8388608);
	assert_int_equal(s->budget.accepts, 64);
	assert_int_equal(s->budget.bytes, 262144);
	assert_int_equal(s->budget.messages, 256);
}

static void
keys_set_their_fields(void **state)
{
	(void)state;
	set("processes", "12");
	set("accept", "reuseport");
	set("control", "none");
	set("log.file", "/var/log/tine.log");
	set("log.level", "debug");
	set("drain-timeout", "250ms");
	set("core-dumps", "yes");
	set("max-connections", "7");
	set("servers.0.handler", "echo");
	set("servers.0.timeouts.first-byte", "1500ms");
	set("servers.0.limits.output-high", "512k");
	set("servers.0.budget.accepts", "1");
	assert_int_equal(conf.processes, 12);
	assert_int_equal(conf.accept, CONF_ACCEPT_REUSEPORT);
	assert_string_equal(conf.control, "none");
	assert_string_equal(conf.log_file, "/var/log/tine.log");
	assert_int_equal(conf.log_level, LOG_DEBUG);
	assert_true(conf.drain_timeout == 0.25);
	assert_true(conf.core_dumps);
	assert_int_equal(conf.max_connections, 7);
	assert_string_equal(conf.servers[0].handler, "echo");
	assert_true(conf.servers[0].timeouts.first_byte == 1.5);
	assert_int_equal(conf.servers[0].limits.output_high, 524288);
	assert_int_equal(conf.servers[0].budget.accepts, 1);
}

static void
processes_are_a_number_a_range_or_auto(void **state)
{
	static const struct {
		const char *text;
		int min, max;
	} good[] = {
		{ "1", 1, 1 },
		{ "1024", 1024, 1024 },
		{ "2:8", 2, 8 },
		{ "1:1024", 1, 1024 },
		{ "auto", 0, 0 },
		{ "3:3", 3, 3 },
	};
	static const char form[] =
	    "auto, a whole number from 1 to 1024, or two as MIN:MAX";
	static const struct {
		const char *text, *error, *hint;
	} bad[] = {
		{ "8:2", "8:2 is not MIN:MAX", "did you mean \"2:8\"?" },
		{ "0:2", "MIN of MIN:MAX: 0 is out of range", form },
		{ "1:1025", "MAX of MIN:MAX: 1025 is out of range", form },
		{ ":2", "MIN of MIN:MAX: \"\" is not a whole number", form },
		{ "2:", "MAX of MIN:MAX: \"\" is not a whole number", form },
		{ "auto:2", "MIN of MIN:MAX: \"auto\" is not a whole number",
		    form },
		{ "2:auto", "MAX of MIN:MAX: \"auto\" is not a whole number",
		    form },
		{ "1:2:3", "MAX of MIN:MAX: \"2:3\" is not a whole number",
		    form },
		{ "-1:2", "MIN of MIN:MAX: -1 is out of range", form },
	};
	char text[128];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(good); i++) {
		set("processes", good[i].text);
		assert_int_equal(conf.processes, good[i].min);
		assert_int_equal(conf.processes_max, good[i].max);
	}
	for (i = 0; i < nitems(bad); i++) {
		(void)snprintf(text, sizeof(text), "processes: %s",
		    bad[i].error);
		expect_error(conf_set(&conf, "processes", bad[i].text, &err),
		    &err, EXIT_BAD_CONFIG, text, bad[i].hint);
	}
	assert_true(conf.processes == 3 && conf.processes_max == 3);
}

static void
the_last_value_of_a_key_wins(void **state)
{
	(void)state;
	set("log.file", "a");
	set("log.file", "b");
	set("processes", "3");
	set("processes", "auto");
	set("servers.0.options.root", "a");
	set("servers.0.options.text", "c");
	set("servers.0.options.root", "b");
	assert_string_equal(conf.log_file, "b");
	assert_int_equal(conf.processes, 0);
	assert_int_equal(conf.servers[0].noptions, 2);
	assert_string_equal(conf.servers[0].options[0].value, "b");
}

static void
listen_urls_are_appended_and_servers_come_in_order(void **state)
{
	(void)state;
	set("servers.0.listen", "8080");
	set("servers.0.listen", "unix://socket");
	set("servers.1.listen", "tcp://127.0.0.1:8080");
	assert_int_equal(conf.nservers, 2);
	assert_int_equal(conf.servers[0].nlistens, 2);
	assert_string_equal(conf.servers[0].listens[1].path, "socket");
	assert_string_equal(conf.servers[1].listens[0].host, "127.0.0.1");
	expect_error(conf_set(&conf, "servers.3.handler", "echo", &err), &err,
	    EXIT_BAD_CONFIG, "there is no servers.3",
	    "servers are numbered from 0 without a gap");
	assert_int_equal(conf.nservers, 2);
}

static void
a_thousand_servers_are_the_most(void **state)
{
	char key[64];
	int i;

	(void)state;
	for (i = 0; i < 1024; i++) {
		(void)snprintf(key, sizeof(key), "servers.%d.handler", i);
		set(key, "echo");
	}
	expect_error(conf_set(&conf, "servers.1024.handler", "echo", &err),
	    &err, EXIT_BAD_CONFIG, "there is no servers.1024",
	    "servers are numbered from 0 without a gap");
}

static void
the_same_url_twice_is_refused_unless_its_port_is_0(void **state)
{
	(void)state;
	set("servers.0.listen", "8080");
	set("servers.0.listen", "unix://x");
	set("servers.0.listen", "127.0.0.1:0");
	set("servers.0.listen", "127.0.0.1:0");
	expect_error(
	    conf_set(&conf, "servers.1.listen", "tcp://:8080?backlog=1", &err),
	    &err, EXIT_BAD_CONFIG,
	    "listen URL tcp://:8080?backlog=1 is given twice",
	    "one server listens on an address");
	expect_error(conf_set(&conf, "servers.0.listen", "unix://x", &err),
	    &err, EXIT_BAD_CONFIG, "listen URL unix://x is given twice",
	    "one server listens on an address");
}

static void
an_unknown_key_is_refused_with_the_nearest(void **state)
{
	static const struct {
		const char *key, *hint;
	} rows[] = {
		{ "proceses", "did you mean \"processes\"?" },
		{ "log.levels", "did you mean \"log.level\"?" },
		{ "nonsense", "" },
		{ "", "" },
		{ "servers.0.handlr", "did you mean \"servers.0.handler\"?" },
		{ "servers.7.timeouts.iddle",
		    "did you mean \"servers.7.timeouts.idle\"?" },
		{ "servers.0.options", "" },
		{ "servers.0.", "" },
		{ "servers.handler",
		    "a server has a number: "
		    "servers.0.handler" },
		{ "servers.-1.handler",
		    "a server has a number: "
		    "servers.0.handler" },
		{ "servers.0", "a server has a number: servers.0.handler" },
		{ "uid", "" },
		{ "admin-listen", "" },
		{ "folder", "" },
	};
	char text[64];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		(void)snprintf(text, sizeof(text), "unknown key \"%s\"",
		    rows[i].key);
		expect_error(conf_set(&conf, rows[i].key, "1", &err), &err,
		    EXIT_BAD_CONFIG, text, rows[i].hint);
	}
	assert_int_equal(conf.nservers, 0);
}

static void
a_bad_value_names_its_key_and_changes_nothing(void **state)
{
	(void)state;
	expect_error(conf_set(&conf, "processes", "1025", &err), &err,
	    EXIT_BAD_CONFIG, "processes: 1025 is out of range",
	    "auto, a whole number from 1 to 1024, or two as MIN:MAX");
	expect_error(conf_set(&conf, "servers.0.limits.input", "1.5m", &err),
	    &err, EXIT_BAD_CONFIG,
	    "servers.0.limits.input: \"1.5m\" is not a size",
	    "a whole number of bytes, or one with k, m or g: 4096, 64k, 1m");
	expect_error(conf_set(&conf, "servers.0.listen", "tpc://:1", &err),
	    &err, EXIT_BAD_CONFIG,
	    "listen URL tpc://:1: unknown scheme \"tpc\"",
	    "did you mean \"tcp\"?");
	assert_int_equal(conf.processes, 0);
	assert_int_equal(conf.servers[0].limits.input, 1048576);
	assert_int_equal(conf.servers[0].nlistens, 0);
}

static void
the_name_of_an_option_has_no_space_and_no_line(void **state)
{
	static const char *const names[] = { "", "a b", "a\nb", "a=b", "\xc3" };
	char key[64], text[64];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(names); i++) {
		(void)snprintf(key, sizeof(key), "servers.0.options.%s",
		    names[i]);
		(void)snprintf(text, sizeof(text),
		    "\"%s\" is not the name of an option", names[i]);
		expect_error(conf_set(&conf, key, "x", &err), &err,
		    EXIT_BAD_CONFIG, text, "letters, digits, - _ and .");
	}
	set("servers.0.options.a-b_c.9", "");
	assert_string_equal(conf.servers[0].options[0].value, "");
}

static void
what_was_printed_is_parsed_to_the_same(void **state)
{
	static const char addresses[] =
	    "admin-listen=tcp://127.0.0.1:9180\n"
	    "admin-listen=tcp://[::1]:9180?backlog=5\n";
	struct conf copy;
	char *one, *two;
	size_t n1, n2;

	(void)state;
	set("processes", "2:8");
	set("admin", "localhost:9180");
	set("control", "/run/a b\\c\n.sock");
	set("drain-timeout", "1500ms");
	set("servers.0.listen", "8080?backlog=5&handler=echo");
	set("servers.0.listen", "unix://so\tcket");
	set("servers.0.options.text", "Hello\\r\\n \xc3\xa4 = \x01\x7f");
	set("servers.0.options.empty", "");
	set("servers.1.handler", "./game.so");
	conf.uid = 65534;
	conf.gid = 0;
	conf.folder = strdup("/srv/a b");
	assert_int_equal(conf_parse(&conf, addresses, strlen(addresses), &err),
	    0);
	one = printed(&conf, &n1);
	conf_init(&copy);
	assert_int_equal(conf_parse(&copy, one, n1, &err), 0);
	two = printed(&copy, &n2);
	assert_string_equal(one, two);
	assert_true(copy.processes == 2 && copy.processes_max == 8);
	assert_string_equal(copy.admin, "localhost:9180");
	assert_int_equal(copy.nadmin_listens, 2);
	assert_string_equal(copy.admin_listens[1].host, "::1");
	assert_int_equal(copy.admin_listens[1].backlog, 5);
	assert_string_equal(copy.control, conf.control);
	assert_string_equal(copy.folder, "/srv/a b");
	assert_int_equal(copy.uid, 65534);
	assert_int_equal(copy.gid, 0);
	assert_string_equal(copy.servers[0].options[0].value,
	    conf.servers[0].options[0].value);
	assert_string_equal(copy.servers[0].listens[1].path, "so\tcket");
	assert_null(strstr(one, "\x01"));
	free(one);
	free(two);
	conf_free(&copy);
}

static void
fields_that_are_not_set_are_not_printed(void **state)
{
	size_t n;
	char *text = printed(&conf, &n);

	(void)state;
	assert_null(strstr(text, "control="));
	assert_null(strstr(text, "uid="));
	assert_null(strstr(text, "folder="));
	assert_non_null(strstr(text, "processes=auto\n"));
	free(text);
}

static void
a_stream_that_takes_nothing_is_an_error(void **state)
{
	FILE *f = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(f);
	assert_int_equal(conf_print(&conf, f), -1);
	(void)fclose(f);
}

static void
broken_text_is_refused_with_its_line(void **state)
{
	static const struct {
		const char *text;
		size_t length;
		const char *why;
	} rows[] = {
		{ "processes=1\nprocesses=2", 23,
		    "configuration line 2: the line is not ended" },
		{ "processes=1\n\n", 13, "configuration line 2: no = in \"\"" },
		{ "proc\0esses=1\n", 13,
		    "configuration line 1: null byte in the line" },
		{ "log.file=a\\0b\n", 14,
		    "configuration line 1: log.file: null byte" },
		{ "log.file=\\q\n", 12,
		    "configuration line 1: log.file: unknown escape \"\\q\"" },
		{ "colour=red\n", 11,
		    "configuration line 1: unknown key \"colour\"" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		assert_int_equal(
		    conf_parse(&conf, rows[i].text, rows[i].length, &err), -1);
		assert_string_equal(err.text, rows[i].why);
	}
	assert_int_equal(conf_parse(&conf, "", 0, &err), 0);
}

static void
paths_are_relative_to_the_folder_tine_started_in(void **state)
{
	static const struct {
		const char *folder, *path, *joined;
	} rows[] = {
		{ "/srv", "www", "/srv/www" },
		{ "/", "www", "/www" },
		{ "/srv", "/www", "/www" },
		{ "/srv", "../x", "/srv/../x" },
	};
	char *path;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		conf.folder = strdup(rows[i].folder);
		path = conf_path(&conf, rows[i].path);
		assert_string_equal(path, rows[i].joined);
		free(path);
		free(conf.folder);
		conf.folder = NULL;
	}
	path = conf_path(&conf, "www");
	assert_string_equal(path, "www");
	free(path);
}

static void
without_memory_every_key_fails_and_nothing_leaks(void **state)
{
	static const char *const keys[][2] = {
		{ "control", "none" },
		{ "servers.0.listen", "8080" },
		{ "servers.1.options.root", "." },
	};
	size_t i;
	int n, rc;

	(void)state;
	for (i = 0; i < nitems(keys); i++) {
		for (n = 0, rc = -1; rc == -1; n++) {
			memory_left = n;
			rc = conf_set(&conf, keys[i][0], keys[i][1], &err);
			memory_left = -1;
			if (rc == -1)
				assert_int_equal(err.code, EXIT_SYSTEM);
		}
		/* At least one allocation was needed. */
		assert_true(n > 1);
	}
	assert_int_equal(conf.nservers, 2);
}

static void
without_memory_no_text_is_parsed_and_no_path_made(void **state)
{
	(void)state;
	conf.folder = strdup("/srv");
	memory_left = 0;
	assert_int_equal(conf_parse(&conf, "processes=1\n", 12, &err), -1);
	assert_int_equal(err.code, EXIT_SYSTEM);
	assert_null(conf_path(&conf, "www"));
	assert_null(conf_path(&conf, "/www"));
}

#define with_conf(f) cmocka_unit_test_setup_teardown(f, open_conf, close_conf)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_conf(the_defaults_are_those_of_spec_5),
		with_conf(keys_set_their_fields),
		with_conf(processes_are_a_number_a_range_or_auto),
		with_conf(the_last_value_of_a_key_wins),
		with_conf(listen_urls_are_appended_and_servers_come_in_order),
		with_conf(a_thousand_servers_are_the_most),
		with_conf(the_same_url_twice_is_refused_unless_its_port_is_0),
		with_conf(an_unknown_key_is_refused_with_the_nearest),
		with_conf(a_bad_value_names_its_key_and_changes_nothing),
		with_conf(the_name_of_an_option_has_no_space_and_no_line),
		with_conf(what_was_printed_is_parsed_to_the_same),
		with_conf(fields_that_are_not_set_are_not_printed),
		with_conf(a_stream_that_takes_nothing_is_an_error),
		with_conf(broken_text_is_refused_with_its_line),
		with_conf(paths_are_relative_to_the_folder_tine_started_in),
		with_conf(without_memory_every_key_fails_and_nothing_leaks),
		with_conf(without_memory_no_text_is_parsed_and_no_path_made),
	};

	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Files, includes and command line in their order, with files that are in the
 * memory of the test, and with little memory. */
#include "shared/conf_load.h"

#include <sys/mman.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/memory.h"

static struct conf conf, said;
static struct origin_list origins;
static struct report report;
static struct err err;

static const struct {
	const char *name, *text;
} files[] = {
	{ "a.yaml",
	    "processes: 2\ninclude: [ b.yaml, x/c.yaml ]\n"
	    "servers: [ { listen: ':0', options: { root: a, index: [ x, y ] } "
	    "} ]\n" },
	{ "b.yaml",
	    "processes: 3\nservers: [ { listen: ':0', handler: b } ]\n" },
	{ "x/c.yaml", "include: d.yaml\naccept: shared\n" },
	{ "x/d.yaml", "accept: reuseport\n" },
	{ "loop.yaml", "include: loop.yaml\n" },
	{ "bad.yaml", "processes: 0\nfoo: 1\nservers: [ { listen: x } ]\n" },
};

/* A name may be read twice and is the same file then. */
static int fds[nitems(files)];

static void
open_one(void *arg, const struct conf_ask *ask, conf_give *give, void *give_arg)
{
	size_t i;

	(void)arg;
	for (i = 0; i < nitems(files); i++)
		if (strcmp(files[i].name, ask->path) == 0) {
			give(give_arg, ask->path, dup(fds[i]), NULL);
			return;
		}
	err_set(&err, EXIT_BAD_CONFIG, "no %s", ask->path);
	give(give_arg, ask->path, -1, &err);
}

static int
open_files(void **state)
{
	size_t i, len;

	(void)state;
	for (i = 0; i < nitems(files); i++) {
		len = strlen(files[i].text);
		fds[i] = memfd_create(files[i].name, MFD_CLOEXEC);
		assert_int_equal(write(fds[i], files[i].text, len), len);
	}
	return 0;
}

static int
close_files(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < nitems(files); i++)
		closefd(&fds[i]);
	return 0;
}

static int
open_load(void **state)
{
	(void)state;
	memory_left = -1;
	conf_init(&said);
	return 0;
}

static int
close_load(void **state)
{
	(void)state;
	memory_left = -1;
	conf_free(&said);
	return 0;
}

static void
begin(void)
{
	origin_init(&origins);
	assert_int_equal(report_open(&report, &err), 0);
}

static void
end(void)
{
	memory_left = -1;
	report_close(&report);
	origin_fini(&origins);
	conf_free(&conf);
}

static void
load(const char *name)
{
	assert_int_equal(conf_add_file(&said, name, &err), 0);
	begin();
	conf_load(&conf, &said, open_one, NULL, &origins, &report);
}

static void
expect_place(const char *key, const char *where, unsigned line, unsigned column)
{
	const struct origin *o = origin_find(&origins, key);

	assert_non_null(o);
	assert_string_equal(o->where, where);
	assert_int_equal(o->line, line);
	assert_int_equal(o->column, column);
}

static void
includes_win_over_their_file_and_are_relative_to_it(void **state)
{
	(void)state;
	load("a.yaml");
	assert_string_equal(report_text(&report), "");
	assert_int_equal(conf.processes, 3);
	assert_int_equal(conf.accept, CONF_ACCEPT_REUSEPORT);
	assert_int_equal(conf.nservers, 2);
	assert_string_equal(conf.servers[0].options[1].value, "x,y");
	assert_string_equal(conf.servers[1].handler, "b");
	expect_place("processes", "b.yaml", 1, 12);
	expect_place("accept", "x/d.yaml", 1, 9);
	expect_place("servers.1.handler", "b.yaml", 2, 37);
	expect_place("servers.0.listen.0", "a.yaml", 3, 22);
	end();
}

static void
the_command_line_wins_and_adds(void **state)
{
	(void)state;
	assert_int_equal(conf_set(&said, "servers.0.listen", "unix://c", &err),
	    0);
	assert_int_equal(conf_add_setting(&said, "-n", "processes", "7", &err),
	    0);
	assert_int_equal(
	    conf_add_setting(&said, "-o s", "servers.2.handler", "upper", &err),
	    0);
	assert_int_equal(conf_add_setting(&said, "-o l", "servers.0.listen",
			     "unix://l", &err),
	    0);
	load("a.yaml");
	assert_string_equal(report_text(&report), "");
	assert_int_equal(conf.processes, 7);
	assert_int_equal(conf.nservers, 3);
	assert_string_equal(conf.servers[2].listens[0].path, "c");
	assert_string_equal(conf.servers[2].handler, "upper");
	assert_int_equal(conf.servers[0].nlistens, 1);
	assert_string_equal(conf.servers[0].listens[0].path, "l");
	expect_place("processes", "-n", 0, 0);
	end();
}

static void
a_file_that_includes_itself_is_read_once(void **state)
{
	(void)state;
	load("loop.yaml");
	assert_int_equal(report.nerrors, 1);
	assert_string_equal(report.first.text,
	    "configuration file loop.yaml is read already");
	assert_string_equal(report.first.hint,
	    "a file is read once; loop.yaml was named by -c");
	end();
}

static void
errors_are_all_in_the_report_and_the_rest_is_read(void **state)
{
	(void)state;
	assert_int_equal(conf_add_file(&said, "none.yaml", &err), 0);
	load("bad.yaml");
	assert_int_equal(report.nerrors, 4);
	assert_string_equal(report.first.text, "no none.yaml");
	assert_non_null(strstr(report_text(&report),
	    "tine: bad.yaml:1:12: processes: 0 is out of range\n"
	    "    processes: 0\n"
	    "               ^\n"));
	assert_int_equal(conf.nservers, 1);
	end();
}

static void
with_little_memory_it_is_an_error_and_nothing_leaks(void **state)
{
	bool is_whole = false;
	int n;

	(void)state;
	assert_int_equal(conf_add_setting(&said, "-n", "processes", "7", &err),
	    0);
	assert_int_equal(conf_add_file(&said, "a.yaml", &err), 0);
	/* One of the first two is conf_init()'s, which cannot do without. */
	for (n = 2; !is_whole; n++) {
		begin();
		memory_left = n;
		conf_load(&conf, &said, open_one, NULL, &origins, &report);
		is_whole = memory_left > 0;
		memory_left = -1;
		if (!is_whole && report.nerrors == 0)
			assert_int_equal(conf.processes, 7);
		end();
	}
	assert_true(n > 20);
}

#define with_load(f) cmocka_unit_test_setup_teardown(f, open_load, close_load)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_load(includes_win_over_their_file_and_are_relative_to_it),
		with_load(the_command_line_wins_and_adds),
		with_load(a_file_that_includes_itself_is_read_once),
		with_load(errors_are_all_in_the_report_and_the_rest_is_read),
		with_load(with_little_memory_it_is_an_error_and_nothing_leaks),
	};

	return cmocka_run_group_tests_name("conf_load", tests, open_files,
	    close_files);
}

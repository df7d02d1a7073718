/* SPDX-License-Identifier: BSD-2-Clause */
/* The view of top: which columns there are, and what stands in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/tinectl_rates.h"
#include "master/tinectl_status.h"
#include "shared/base.h"

static json_t *status;
static char *shown;

static int
make_status(void **state)
{
	(void)state;
	status =
	    json_pack("{s:s, s:{s:i, s:s}, s:{s:i}, s:[{s:i, s:i, s:i, s:s,"
		      " s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:i}]}",
		"version", "0.1.0", "master", "pid", 7, "state", "running",
		"totals", "dropped", 0, "children", "place", 0, "pid", 4194303,
		"generation", 12, "state", "draining", "connections", 99999,
		TINECTL_RATES_REQUESTS, 12345.6, TINECTL_RATES_ACCEPTED, 1234.0,
		TINECTL_RATES_BYTES_IN, 2048000.0, TINECTL_RATES_BYTES_OUT, 1e9,
		"loop_lag_seconds", 0.0015, "utilisation", 0.5, "rss_bytes",
		1 << 20);
	assert_non_null(status);
	return 0;
}

static int
drop_status(void **state)
{
	(void)state;
	json_decref(status);
	free(shown);
	shown = NULL;
	return 0;
}

/* The children's table of so many columns, from its titles on. */
static const char *
table_of(size_t width, bool has_colour)
{
	struct tinectl_sheet sheet = { .width = width,
		.has_colour = has_colour };
	size_t len;

	free(shown);
	sheet.out = open_memstream(&shown, &len);
	assert_non_null(sheet.out);
	assert_int_equal(tinectl_status_top(status, &sheet), 0);
	assert_int_equal(fclose(sheet.out), 0);
	assert_non_null(strstr(shown, "\n\nPLACE"));
	return strstr(shown, "\n\nPLACE") + 2;
}

static void
a_wide_screen_has_every_column(void **state)
{
	static const char *const titles[] = { "PLACE", "PID", "GEN", "STATE",
		"CONNS", "REQ/S", "ACC/S", "IN/S", "OUT/S", "LAG", "BUSY",
		"RSS" };
	static const char *const values[] = { "0 ", "4194303", "12", "draining",
		"99999", "12346", "1234", "2.0M", "954M", "1.5ms", "50%",
		"1.0M" };
	const char *table = table_of(0, false), *at = table;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(titles); i++) {
		at = strstr(at, titles[i]);
		assert_non_null(at);
	}
	at = strchr(table, '\n');
	for (i = 0; i < nitems(values); i++) {
		at = strstr(at, values[i]);
		if (at == NULL)
			fail_msg("no %s in %s", values[i], table);
	}
}

static void
a_narrow_one_leaves_out_what_matters_least(void **state)
{
	const char *table = table_of(80, false);

	(void)state;
	assert_true(strcspn(table, "\n") <= 80);
	assert_null(strstr(table, "GEN"));
	assert_non_null(strstr(table, "REQ/S"));
	table = table_of(60, false);
	assert_true(strcspn(table, "\n") <= 60);
	assert_null(strstr(table, "IN/S"));
	assert_non_null(strstr(table, "REQ/S"));
	assert_non_null(strstr(table, "BUSY"));
}

static void
a_child_that_is_not_ready_has_the_colour_of_that(void **state)
{
	(void)state;
	assert_null(strchr(table_of(0, false), '\033'));
	assert_non_null(strstr(table_of(0, true), "\033[33mdraining\033[0m"));
}

static void
the_master_stands_above_and_the_sums_below(void **state)
{
	const char *table = table_of(0, false);

	(void)state;
	assert_memory_equal(shown, "tine 0.1.0: running, pid 7", 26);
	assert_non_null(strstr(table, "\ntotal"));
}

static void
words_behind_a_number_agree_with_it(void **state)
{
	json_t *master = json_object_get(status, "master");

	(void)state;
	(void)json_object_set_new(master, "processes", json_integer(1));
	(void)table_of(0, false);
	assert_non_null(strstr(shown, ", 1 place, "));
	(void)json_object_set_new(master, "processes", json_integer(11));
	(void)table_of(0, false);
	assert_non_null(strstr(shown, ", 11 places, "));
}

#define with_status(f)                                                         \
	cmocka_unit_test_setup_teardown(f, make_status, drop_status)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_status(a_wide_screen_has_every_column),
		with_status(a_narrow_one_leaves_out_what_matters_least),
		with_status(a_child_that_is_not_ready_has_the_colour_of_that),
		with_status(the_master_stands_above_and_the_sums_below),
		with_status(words_behind_a_number_agree_with_it),
	};

	return cmocka_run_group_tests_name("tinectl_status", tests, NULL, NULL);
}

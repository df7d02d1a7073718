/* SPDX-License-Identifier: BSD-2-Clause */
/* Where keys were said: found by key, shown as a line, written and read. */
#include "shared/origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/memory.h"

static struct origin_list list;
static struct err err;

static int
open_list(void **state)
{
	(void)state;
	memory_left = -1;
	origin_init(&list);
	return 0;
}

static int
close_list(void **state)
{
	(void)state;
	memory_left = -1;
	origin_fini(&list);
	return 0;
}

static void
add(const char *key, unsigned line)
{
	static char name[] = "a b=c\n.yaml";
	struct origin at = { .where = name, .line = line, .column = 3 };
	static const char text[] = "  x: \\1";

	origin_show(&at, text, 2, strlen(text));
	assert_int_equal(origin_add(&list, key, &at, &err), 0);
}

static unsigned
line_of(const char *key)
{
	const struct origin *o = origin_find(&list, key);

	return o == NULL ? 0 : o->line;
}

static void
a_key_is_found_by_itself_or_by_what_it_stands_below(void **state)
{
	(void)state;
	add("servers.0", 1);
	add("servers.0.limits.input", 2);
	add("servers.01", 3);
	assert_int_equal(line_of("servers.0.limits.input"), 2);
	assert_int_equal(line_of("servers.0.limits"), 1);
	assert_int_equal(line_of("servers.0.limits.inputs"), 1);
	assert_int_equal(line_of("servers.1"), 0);
	assert_int_equal(line_of("server"), 0);
	assert_int_equal(line_of(""), 0);
	assert_true(origin_has(&list, "servers.01"));
	assert_false(origin_has(&list, "servers.0.limits"));
}

static void
the_last_place_of_a_key_counts(void **state)
{
	(void)state;
	add("processes", 1);
	add("processes", 9);
	assert_int_equal(line_of("processes"), 9);
}

static void
what_was_written_is_read_in_the_same_order(void **state)
{
	struct origin_list copy;
	const struct origin *o;
	size_t len;
	char *text;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	add("processes", 1);
	add("processes", 2);
	add("accept", 3);
	assert_non_null(f);
	origin_print(&list, f);
	assert_int_equal(fclose(f), 0);
	origin_init(&copy);
	assert_int_equal(origin_parse(&copy, text, &err), 0);
	o = origin_find(&copy, "processes");
	assert_non_null(o);
	assert_int_equal(o->line, 2);
	assert_int_equal(o->column, 3);
	assert_int_equal(o->caret, 2);
	assert_string_equal(o->where, "a b=c\n.yaml");
	assert_string_equal(o->shown, "  x: \\1");
	assert_true(origin_has(&copy, "accept"));
	origin_fini(&copy);
	free(text);
}

static void
text_that_is_no_list_is_refused(void **state)
{
	static const char *const texts[] = { "x\n", "x\ny\n", "1 2 3 key\n\n",
		"1 2 key=w\n\n", "1 2 3 key=\\q\n\n", "1 2 3 key=w\n\\q\n",
		"1 2 3 key=w\nshown" };
	char text[64];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(texts); i++) {
		(void)snprintf(text, sizeof(text), "%s", texts[i]);
		assert_int_equal(origin_parse(&list, text, &err), -1);
	}
	assert_true(STAILQ_EMPTY(&list));
}

static void
a_line_is_shown_so_that_the_caret_stands_below_the_column(void **state)
{
	static char line[301];
	struct origin at = { .column = 7 };
	const char text[] = "\t\xc3\xa4\x01 b: x";

	(void)state;
	origin_show(&at, text, 7, strlen(text));
	assert_string_equal(at.shown, " ?? b: x");
	assert_int_equal(at.caret, 6);
	memset(line, '-', 300);
	line[200] = 'X';
	at.column = 201;
	origin_show(&at, line, 200, 300);
	assert_int_equal(strlen(at.shown), ORIGIN_SHOWN_MAX - 1);
	assert_int_equal(at.caret, 40);
	assert_int_equal(at.shown[at.caret], 'X');
	/* Behind the end of its line. */
	at.column = 3;
	origin_show(&at, "ab", 2, 2);
	assert_string_equal(at.shown, "ab");
	assert_int_equal(at.caret, 2);
}

static void
without_memory_a_place_is_not_noted_and_nothing_leaks(void **state)
{
	static char name[] = "a.yaml";
	const struct origin at = { .where = name };
	int n, rc = -1;

	(void)state;
	for (n = 0; rc == -1; n++) {
		memory_left = n;
		rc = origin_add(&list, "key", &at, &err);
		memory_left = -1;
		if (rc == -1)
			assert_int_equal(err.code, EXIT_SYSTEM);
	}
	assert_int_equal(n, 4);
}

#define with_list(f) cmocka_unit_test_setup_teardown(f, open_list, close_list)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_list(a_key_is_found_by_itself_or_by_what_it_stands_below),
		with_list(the_last_place_of_a_key_counts),
		with_list(what_was_written_is_read_in_the_same_order),
		with_list(text_that_is_no_list_is_refused),
		with_list(
		    a_line_is_shown_so_that_the_caret_stands_below_the_column),
		with_list(
		    without_memory_a_place_is_not_noted_and_nothing_leaks),
	};

	return cmocka_run_group_tests_name("origin", tests, NULL, NULL);
}

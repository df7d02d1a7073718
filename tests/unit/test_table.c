/* SPDX-License-Identifier: BSD-2-Clause */
/* Aligned columns, with and without colour. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/table.h"

static const struct table_column columns[] = { { "NAME", true, 0 },
	{ "SIZE", false, 0 }, { "END", true, 0 } };

static void
add(struct table *t, const char *name, const char *size, const char *end)
{
	struct table_cell *row = table_row(t);

	assert_non_null(row);
	(void)strcpy(row[0].text, name);
	(void)strcpy(row[1].text, size);
	(void)strcpy(row[2].text, end);
	row[2].colour = TABLE_GOOD;
}

static char *
print(const struct table *t, bool with_colour)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	table_print(t, out, with_colour);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void
text_stands_left_and_numbers_right(void **state)
{
	struct table t;
	char *text;

	(void)state;
	table_init(&t, columns, nitems(columns));
	add(&t, "a", "12345", "x");
	add(&t, "longer", "1", "");
	text = print(&t, false);
	assert_string_equal(text,
	    "NAME     SIZE  END\n"
	    "a       12345  x\n"
	    "longer      1\n");
	free(text);
	table_fini(&t);
}

static void
colour_does_not_move_the_columns(void **state)
{
	struct table t;
	char *text;

	(void)state;
	table_init(&t, columns, nitems(columns));
	add(&t, "a", "1", "x");
	text = print(&t, true);
	assert_string_equal(text,
	    "NAME  SIZE  END\n"
	    "a        1  \033[32mx\033[0m\n");
	free(text);
	table_fini(&t);
}

static void
a_table_grows_with_its_rows(void **state)
{
	struct table t;
	char *text, *p;
	size_t lines = 0;
	int i;

	(void)state;
	table_init(&t, columns, nitems(columns));
	for (i = 0; i < 1000; i++)
		add(&t, "a", "1", "x");
	text = print(&t, false);
	for (p = text; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	assert_int_equal(lines, 1001);
	free(text);
	table_fini(&t);
}

static void
a_narrow_screen_leaves_out_what_matters_least(void **state)
{
	static const struct table_column ranked[] = { { "NAME", true, 0 },
		{ "SIZE", false, 2 }, { "END", true, 1 } };
	static const struct {
		size_t width;
		const char *text;
	} cases[] = {
		{ 15, "NAME  SIZE  END\na        1  x\n" },
		{ 14, "NAME  END\na     x\n" },
		{ 9, "NAME  END\na     x\n" },
		{ 8, "NAME\na\n" },
		{ 1, "NAME\na\n" },
	};
	struct table t;
	char *text;
	size_t i;

	(void)state;
	table_init(&t, ranked, nitems(ranked));
	add(&t, "a", "1", "x");
	for (i = 0; i < nitems(cases); i++) {
		t.width = cases[i].width;
		text = print(&t, false);
		assert_string_equal(text, cases[i].text);
		free(text);
	}
	table_fini(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_stands_left_and_numbers_right),
		cmocka_unit_test(colour_does_not_move_the_columns),
		cmocka_unit_test(a_table_grows_with_its_rows),
		cmocka_unit_test(a_narrow_screen_leaves_out_what_matters_least),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

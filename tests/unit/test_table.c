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

static const struct table_column columns[] = { { "NAME", true },
	{ "SIZE", false }, { "END", true } };

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_stands_left_and_numbers_right),
		cmocka_unit_test(colour_does_not_move_the_columns),
		cmocka_unit_test(a_table_grows_with_its_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

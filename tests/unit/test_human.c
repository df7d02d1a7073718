/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers for people: few digits, and never more than their unit allows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shared/base.h"
#include "shared/human.h"

struct row {
	double n;
	const char *text;
};

static void
assert_rows(char *(*print)(double, char *, size_t), const struct row *rows,
    size_t n)
{
	char text[32];
	size_t i;

	for (i = 0; i < n; i++)
		assert_string_equal(print(rows[i].n, text, sizeof(text)),
		    rows[i].text);
}

static void
counts_are_exact_to_five_digits(void **state)
{
	static const struct row rows[] = { { 0, "0" }, { 99999, "99999" },
		{ 100000, "100k" }, { 1234567, "1.2M" }, { 9.96e9, "10G" },
		{ 9007199254740992.0, "9.0P" } };

	(void)state;
	assert_rows(human_count, rows, nitems(rows));
}

static void
bytes_go_by_1024(void **state)
{
	static const struct row rows[] = { { 0, "0" }, { 1023, "1023" },
		{ 1024, "1.0k" }, { 1536, "1.5k" }, { 1023.6 * 1024, "1.0M" },
		{ 300.0 * 1024 * 1024, "300M" } };

	(void)state;
	assert_rows(human_bytes, rows, nitems(rows));
}

static void
ages_change_their_unit_at_two_of_the_next(void **state)
{
	static const struct row rows[] = { { 0, "0s" }, { 119.9, "119s" },
		{ 120, "2m" }, { 7199, "119m" }, { 7200, "2h" },
		{ 172799, "47h" }, { 172800, "2d" } };

	(void)state;
	assert_rows(human_age, rows, nitems(rows));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_are_exact_to_five_digits),
		cmocka_unit_test(bytes_go_by_1024),
		cmocka_unit_test(ages_change_their_unit_at_two_of_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

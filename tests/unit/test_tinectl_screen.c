/* SPDX-License-Identifier: BSD-2-Clause */
/* What is written to show text on a whole screen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "master/tinectl_screen.h"

static void
expect(const char *text, size_t rows, const char *written)
{
	char *got;
	size_t len;
	FILE *f = open_memstream(&got, &len);

	assert_non_null(f);
	tinectl_screen_frame(text, rows, f);
	assert_int_equal(fclose(f), 0);
	assert_string_equal(got, written);
	free(got);
}

static void
lines_are_written_over_the_old_ones_and_the_rest_is_cleared(void **state)
{
	(void)state;
	expect("one\ntwo\n", 4, "\033[Hone\033[K\r\ntwo\033[K\r\n\033[J");
}

static void
an_empty_line_and_a_last_one_without_an_end_are_lines(void **state)
{
	(void)state;
	expect("\n\nx", 9, "\033[H\033[K\r\n\033[K\r\nx\033[K\r\n\033[J");
}

static void
what_has_no_room_is_left_out_and_nothing_scrolls(void **state)
{
	(void)state;
	expect("one\ntwo\nthree\n", 2, "\033[Hone\033[K\r\ntwo\033[K");
	expect("one\ntwo\n", 2, "\033[Hone\033[K\r\ntwo\033[K");
	expect("one\n", 0, "\033[H");
}

static void
no_text_clears_the_screen(void **state)
{
	(void)state;
	expect("", 5, "\033[H\033[J");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    lines_are_written_over_the_old_ones_and_the_rest_is_cleared),
		cmocka_unit_test(
		    an_empty_line_and_a_last_one_without_an_end_are_lines),
		cmocka_unit_test(
		    what_has_no_room_is_left_out_and_nothing_scrolls),
		cmocka_unit_test(no_text_clears_the_screen),
	};

	return cmocka_run_group_tests_name("tinectl_screen", tests, NULL, NULL);
}

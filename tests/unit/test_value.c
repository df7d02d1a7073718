/* SPDX-License-Identifier: BSD-2-Clause */
/* Scalars of the configuration. */
#include "shared/value.h"

#include <stdio.h>

#include "tests/unit/expect.h"

static struct err err;

static void
an_int_is_read_whole_and_within_its_bounds(void **state)
{
	int64_t n = 7;

	(void)state;
	assert_int_equal(value_int("0", 0, 9, &n, &err), 0);
	assert_int_equal(n, 0);
	assert_int_equal(value_int("-12", -12, 9, &n, &err), 0);
	assert_int_equal(n, -12);
	assert_int_equal(
	    value_int("9223372036854775807", 0, INT64_MAX, &n, &err), 0);
	assert_true(n == INT64_MAX);
	assert_int_equal(value_int("007", 0, 9, &n, &err), 0);
	assert_int_equal(n, 7);
}

static void
an_int_out_of_bounds_names_them(void **state)
{
	static const char *const texts[] = { "0", "10", "-1",
		"9223372036854775808", "99999999999999999999999" };
	char text[64];
	int64_t n = 7;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(texts); i++) {
		(void)snprintf(text, sizeof(text), "%s is out of range",
		    texts[i]);
		expect_error(value_int(texts[i], 1, 9, &n, &err), &err,
		    EXIT_BAD_CONFIG, text, "a whole number from 1 to 9");
		assert_int_equal(n, 7);
	}
}

static void
what_is_no_int_is_refused(void **state)
{
	static const char *const texts[] = { "", "-", "x", "1x", " 1", "1 ",
		"+1", "1.5", "0x10", "--1", "1e3" };
	char text[64];
	int64_t n = 7;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(texts); i++) {
		(void)snprintf(text, sizeof(text),
		    "\"%s\" is not a whole number", texts[i]);
		expect_error(value_int(texts[i], 1, 9, &n, &err), &err,
		    EXIT_BAD_CONFIG, text, "a whole number from 1 to 9");
		assert_int_equal(n, 7);
	}
}

static void
a_bool_has_six_words(void **state)
{
	static const char *const yes[] = { "true", "yes", "on", "On" };
	static const char *const no[] = { "false", "no", "off", "OFF" };
	bool b;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(yes); i++) {
		b = false;
		assert_int_equal(value_bool(yes[i], &b, &err), 0);
		assert_true(b);
		assert_int_equal(value_bool(no[i], &b, &err), 0);
		assert_false(b);
	}
	expect_error(value_bool("1", &b, &err), &err, EXIT_BAD_CONFIG,
	    "\"1\" is neither true nor false",
	    "true, yes or on; false, no or off");
}

static void
a_size_has_powers_of_1024(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} rows[] = {
		{ "0", 0 },
		{ "4096", 4096 },
		{ "64k", 65536 },
		{ "1M", 1048576 },
		{ "2g", 2147483648 },
	};
	uint64_t n;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		assert_int_equal(
		    value_size(rows[i].text, 0, INT64_MAX, &n, &err), 0);
		assert_true(n == rows[i].bytes);
	}
}

static void
a_size_with_junk_a_sign_or_a_fraction_is_refused(void **state)
{
	static const char *const texts[] = { "", "k", "10mx", "-1", "1.5m",
		"1 k", "64kb", "1t", "99999999999g" };
	uint64_t n = 7;
	char text[64];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(texts); i++) {
		(void)snprintf(text, sizeof(text), "\"%s\" is not a size",
		    texts[i]);
		expect_error(value_size(texts[i], 0, INT64_MAX, &n, &err), &err,
		    EXIT_BAD_CONFIG, text,
		    "a whole number of bytes, or one with k, m or g: 4096, "
		    "64k, 1m");
		assert_true(n == 7);
	}
}

static void
a_size_out_of_bounds_names_them(void **state)
{
	uint64_t n;

	(void)state;
	expect_error(value_size("1023", 1024, 1 << 20, &n, &err), &err,
	    EXIT_BAD_CONFIG, "1023 is out of range", "a size from 1k to 1m");
	expect_error(value_size("2m", 0, 1 << 20, &n, &err), &err,
	    EXIT_BAD_CONFIG, "2m is out of range", "a size from 0 to 1m");
}

static void
a_duration_has_four_units(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {
		{ "0", 0 },
		{ "250ms", 250 },
		{ "30s", 30000 },
		{ "5min", 300000 },
		{ "1h", 3600000 },
		{ "0s", 0 },
	};
	int64_t ms;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		assert_int_equal(
		    value_duration(rows[i].text, 0, INT64_MAX, &ms, &err), 0);
		assert_int_equal(ms, rows[i].ms);
	}
}

static void
a_duration_without_its_unit_is_refused(void **state)
{
	static const char *const texts[] = { "", "30", "s", "5m", "1.5s", "-1s",
		"1d", "30 s", "9999999999999999h" };
	int64_t ms = 7;
	char text[64];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(texts); i++) {
		(void)snprintf(text, sizeof(text), "\"%s\" is not a duration",
		    texts[i]);
		expect_error(value_duration(texts[i], 0, INT64_MAX, &ms, &err),
		    &err, EXIT_BAD_CONFIG, text,
		    "a whole number with ms, s, min or h: 250ms, 30s, 5min, "
		    "1h");
		assert_int_equal(ms, 7);
	}
}

static void
a_duration_out_of_bounds_names_them(void **state)
{
	int64_t ms;

	(void)state;
	expect_error(value_duration("2h", 1000, 3600000, &ms, &err), &err,
	    EXIT_BAD_CONFIG, "2h is out of range", "a duration from 1s to 1h");
	expect_error(value_duration("0", 1, 1500, &ms, &err), &err,
	    EXIT_BAD_CONFIG, "0 is out of range",
	    "a duration from 1ms to 1500ms");
}

static void
printed_sizes_and_durations_are_short_and_read_the_same(void **state)
{
	static const struct {
		uint64_t value;
		const char *size, *duration;
	} rows[] = {
		{ 0, "0", "0" },
		{ 1, "1", "1ms" },
		{ 1024, "1k", "1024ms" },
		{ 60000, "60000", "1min" },
		{ 90000, "90000", "90s" },
		{ 3600000, "3600000", "1h" },
		{ 3221225472, "3g", "3221225472ms" },
	};
	char text[VALUE_PRINT_MAX];
	int64_t ms;
	uint64_t n;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		assert_string_equal(
		    value_print_size(rows[i].value, text, sizeof(text)),
		    rows[i].size);
		assert_int_equal(value_size(text, 0, INT64_MAX, &n, &err), 0);
		assert_true(n == rows[i].value);
		assert_string_equal(value_print_duration((int64_t)rows[i].value,
					text, sizeof(text)),
		    rows[i].duration);
		assert_int_equal(value_duration(text, 0, INT64_MAX, &ms, &err),
		    0);
		assert_true((uint64_t)ms == rows[i].value);
	}
}

static const char *const modes[] = { "auto", NULL, "reuseport", "shared",
	"dispatch" };

static void
an_enum_is_the_index_of_its_name(void **state)
{
	int out;

	(void)state;
	assert_int_equal(value_enum("shared", modes, nitems(modes), &out, &err),
	    0);
	assert_int_equal(out, 3);
}

static void
an_enum_without_such_a_name_lists_them_all(void **state)
{
	int out;

	(void)state;
	expect_error(value_enum("reusport", modes, nitems(modes), &out, &err),
	    &err, EXIT_BAD_CONFIG,
	    "\"reusport\" is not one of auto, reuseport, shared or dispatch",
	    "did you mean \"reuseport\"?");
	expect_error(value_enum("", modes, nitems(modes), &out, &err), &err,
	    EXIT_BAD_CONFIG,
	    "\"\" is not one of auto, reuseport, shared or dispatch", "");
}

static void
a_list_of_names_longer_than_a_line_is_cut(void **state)
{
	const char *names[100];
	size_t i;
	int out;

	(void)state;
	for (i = 0; i < nitems(names); i++)
		names[i] = "a-rather-long-name";
	assert_int_equal(value_enum("x", names, nitems(names), &out, &err), -1);
	assert_in_range(strlen(err.text), 200, 300);
}

static void
every_escape_is_resolved(void **state)
{
	char out[64];

	(void)state;
	assert_int_equal(
	    value_unescape("a\\r\\n\\t\\\\\\\"\\'\\0\\x4a\\xfFz", out, &err),
	    11);
	assert_memory_equal(out, "a\r\n\t\\\"'\0J\xffz", 12);
}

static void
escapes_can_be_resolved_in_place(void **state)
{
	char text[] = "\\x41\\x42c";

	(void)state;
	assert_int_equal(value_unescape(text, text, &err), 3);
	assert_string_equal(text, "ABc");
}

static void
an_unknown_escape_is_refused(void **state)
{
	static const struct {
		const char *text, *escape;
	} rows[] = {
		{ "a\\q", "\\q" },
		{ "\\", "\\" },
		{ "\\x", "\\x" },
		{ "\\x1", "\\x1" },
		{ "\\x1gh", "\\x1g" },
		{ "\\xg1", "\\xg1" },
	};
	char out[64], text[64];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		(void)snprintf(text, sizeof(text), "unknown escape \"%s\"",
		    rows[i].escape);
		expect_error((int)value_unescape(rows[i].text, out, &err), &err,
		    EXIT_BAD_CONFIG, text,
		    "\\r \\n \\t \\0 \\\" \\' \\xHH, and \\\\ for a "
		    "backslash");
	}
}

static void
the_nearest_name_differs_in_a_third_of_its_letters_at_most(void **state)
{
	static const char *const names[] = { "tcp", NULL, "http", "echo",
		"upper", "keepalive" };
	static const struct {
		const char *text, *near;
	} rows[] = {
		{ "tpc", "tcp" },
		{ "ehco", "echo" },
		{ "ECHO", "echo" },
		{ "htp", "http" },
		{ "uper", "upper" },
		{ "keep-alife", "keepalive" },
		{ "udp", NULL },
		{ "ech0z", NULL },
		{ "", NULL },
		{ "discard", NULL },
	};
	const char *near;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		near = value_nearest(rows[i].text, names, nitems(names));
		if (rows[i].near == NULL)
			assert_null(near);
		else
			assert_string_equal(near, rows[i].near);
	}
}

static void
the_nearest_of_several_is_the_one_with_fewest_differences(void **state)
{
	static const char *const names[] = { "sndbug", "rcvbuf", "sndbuf" };

	(void)state;
	assert_string_equal(value_nearest("sndbufs", names, nitems(names)),
	    "sndbuf");
}

static void
a_very_long_word_has_no_nearest_name(void **state)
{
	static const char *const names[] = {
		"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"
	};

	(void)state;
	assert_null(value_nearest(names[0], names, 1));
	assert_null(
	    value_nearest("abcdefghijklmnopqrstuvwxyzabcdefghijklm", names, 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_int_is_read_whole_and_within_its_bounds),
		cmocka_unit_test(an_int_out_of_bounds_names_them),
		cmocka_unit_test(what_is_no_int_is_refused),
		cmocka_unit_test(a_bool_has_six_words),
		cmocka_unit_test(a_size_has_powers_of_1024),
		cmocka_unit_test(
		    a_size_with_junk_a_sign_or_a_fraction_is_refused),
		cmocka_unit_test(a_size_out_of_bounds_names_them),
		cmocka_unit_test(a_duration_has_four_units),
		cmocka_unit_test(a_duration_without_its_unit_is_refused),
		cmocka_unit_test(a_duration_out_of_bounds_names_them),
		cmocka_unit_test(
		    printed_sizes_and_durations_are_short_and_read_the_same),
		cmocka_unit_test(an_enum_is_the_index_of_its_name),
		cmocka_unit_test(an_enum_without_such_a_name_lists_them_all),
		cmocka_unit_test(a_list_of_names_longer_than_a_line_is_cut),
		cmocka_unit_test(every_escape_is_resolved),
		cmocka_unit_test(escapes_can_be_resolved_in_place),
		cmocka_unit_test(an_unknown_escape_is_refused),
		cmocka_unit_test(
		    the_nearest_name_differs_in_a_third_of_its_letters_at_most),
		cmocka_unit_test(
		    the_nearest_of_several_is_the_one_with_fewest_differences),
		cmocka_unit_test(a_very_long_word_has_no_nearest_name),
	};

	return cmocka_run_group_tests_name("value", tests, NULL, NULL);
}

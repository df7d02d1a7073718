/* SPDX-License-Identifier: BSD-2-Clause */
/* Structs to and from records: what comes back, and what is not believed. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/field.h"
#include "shared/base.h"

struct thing {
	bool flag;
	uint16_t port;
	uint16_t beside; /* not in the table */
	int sign;
	uint32_t big;
	int64_t wide;
	double real;
	char text[8];
	unsigned char bytes[4];
	int fd;
};

/* clang-format off */
#define T struct thing
static const struct field table[] = {
	FIELD_OF(1, FIELD_INT, T, flag, 0, 1),
	FIELD_OF(2, FIELD_INT, T, port, 0, UINT16_MAX),
	FIELD_OF(3, FIELD_INT, T, sign, -5, 5),
	FIELD_OF(4, FIELD_INT, T, big, 0, UINT32_MAX),
	FIELD_OF(5, FIELD_INT, T, wide, INT64_MIN, INT64_MAX),
	FIELD_OF(6, FIELD_REAL, T, real, 0, 0),
	FIELD_OF(7, FIELD_TEXT, T, text, 0, 0),
	FIELD_OF(8, FIELD_BYTES, T, bytes, 0, 0),
	FIELD_OF(9, FIELD_FD, T, fd, 0, 0),
};
#undef T
/* clang-format on */

static struct {
	struct tlv_writer w;
	struct tlv_record record;
	struct err err;
} fx;

static int
open_writer(void **state)
{
	(void)state;
	(void)memset(&fx, 0, sizeof(fx));
	tlv_writer_init(&fx.w);
	return 0;
}

static int
close_writer(void **state)
{
	(void)state;
	tlv_writer_fini(&fx.w);
	return 0;
}

static int
read_back(struct thing *t, bool no_fds)
{
	assert_int_equal(tlv_finish(&fx.w), 0);
	assert_int_equal(tlv_parse(&fx.record, fx.w.bytes, fx.w.len, &fx.err),
	    0);
	return field_read(&fx.record.root, table, nitems(table), t, no_fds,
	    &fx.err);
}

static void
every_kind_comes_back(void **state)
{
	const struct thing before = {
		.flag = true,
		.port = 65535,
		.beside = 7,
		.sign = -5,
		.big = UINT32_MAX,
		.wide = INT64_MIN,
		.real = 0.1,
		.text = "seventh",
		.bytes = { 1, 0, 2, 255 },
		.fd = 2,
	};
	struct field_fds fds = { .n = 0 };
	struct thing after = { .beside = 9 };

	(void)state;
	field_write(&fx.w, table, nitems(table), &before, &fds);
	assert_int_equal(read_back(&after, false), 0);
	assert_true(after.flag);
	assert_int_equal(after.port, 65535);
	assert_int_equal(after.beside, 9);
	assert_int_equal(after.sign, -5);
	assert_int_equal(after.big, UINT32_MAX);
	assert_int_equal(after.wide, INT64_MIN);
	assert_memory_equal(&after.real, &before.real, sizeof(after.real));
	assert_string_equal(after.text, "seventh");
	assert_memory_equal(after.bytes, before.bytes, sizeof(after.bytes));
	assert_int_equal(after.fd, 2);
	/* 0, 1 and 2 are there anyway. */
	assert_int_equal(fds.n, 0);
	field_fds_fini(&fds);
}

static void
what_the_record_does_not_have_stays(void **state)
{
	struct thing t = { .port = 80, .text = "old", .fd = -1, .real = 2 };

	(void)state;
	tlv_put_int(&fx.w, 77, 1);
	assert_int_equal(read_back(&t, false), 0);
	assert_int_equal(t.port, 80);
	assert_string_equal(t.text, "old");
	assert_int_equal(t.fd, -1);
	assert_true(t.real > 1);
}

/* One entry for one field, and what is wrong with it. */
static void
refused(uint16_t tag, const void *bytes, size_t len, const char *words)
{
	struct thing t = { .sign = 1 };

	tlv_put(&fx.w, tag, bytes, len);
	assert_int_equal(read_back(&t, false), -1);
	assert_non_null(strstr(fx.err.text, words));
	tlv_writer_fini(&fx.w);
	tlv_writer_init(&fx.w);
}

static void
what_is_out_of_its_bounds_is_refused(void **state)
{
	const int64_t two = 2, six = 6, minus = -1, port = 65536;
	const int32_t half = 1;

	(void)state;
	refused(1, &two, sizeof(two), "field 1 of the state is out");
	refused(1, &minus, sizeof(minus), "field 1 of the state is out");
	refused(2, &port, sizeof(port), "field 2 of the state is out");
	refused(3, &six, sizeof(six), "field 3 of the state is out");
	refused(3, &half, sizeof(half), "field 3 of the state is out");
	refused(7, "12345678", 9, "field 7 of the state is too long");
	refused(7, "abc", 3, "field 7 of the state is no text");
	refused(9, "x", 1, "field 9 of the state is no number");
}

static void
a_descriptor_must_be_open(void **state)
{
	const int64_t closed = 1000000, minus = -2, standard = 0;

	(void)state;
	refused(9, &closed, sizeof(closed), "field 9 of the state is a desc");
	refused(9, &minus, sizeof(minus), "field 9 of the state is no number");
	/* Nobody hands its input over; its errors may be the log. */
	refused(9, &standard, sizeof(standard), "field 9 of the state is a d");
}

static void
a_descriptor_stays_what_it_was(void **state)
{
	struct thing t = { .fd = -1 }, before = { .fd = dup(2) };
	struct field_fds fds = { .n = 0 };

	(void)state;
	field_write(&fx.w, table, nitems(table), &before, &fds);
	assert_int_equal(fds.n, 1);
	assert_int_equal(fds.fds[0], before.fd);
	assert_int_equal(read_back(&t, false), 0);
	assert_int_equal(t.fd, before.fd);
	assert_int_equal(fcntl(t.fd, F_GETFD), 0);
	field_fds_fini(&fds);
	closefd(&before.fd);
}

static void
in_a_trial_there_are_no_descriptors(void **state)
{
	struct thing t = { .fd = 5 };

	(void)state;
	tlv_put_int(&fx.w, 9, 1000000);
	assert_int_equal(read_back(&t, true), 0);
	assert_int_equal(t.fd, -1);
}

static void
bytes_of_another_build_are_cut_or_filled_with_zeros(void **state)
{
	struct thing t = { .bytes = { 9, 9, 9, 9 } };

	(void)state;
	tlv_put(&fx.w, 8, "\1\2", 2);
	assert_int_equal(read_back(&t, false), 0);
	assert_memory_equal(t.bytes, "\1\2\0\0", 4);
	tlv_writer_fini(&fx.w);
	tlv_writer_init(&fx.w);
	tlv_put(&fx.w, 8, "\1\2\3\4\5\6", 6);
	assert_int_equal(read_back(&t, false), 0);
	assert_memory_equal(t.bytes, "\1\2\3\4", 4);
}

#define with_writer(f)                                                         \
	cmocka_unit_test_setup_teardown(f, open_writer, close_writer)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_writer(every_kind_comes_back),
		with_writer(what_the_record_does_not_have_stays),
		with_writer(what_is_out_of_its_bounds_is_refused),
		with_writer(a_descriptor_must_be_open),
		with_writer(a_descriptor_stays_what_it_was),
		with_writer(in_a_trial_there_are_no_descriptors),
		with_writer(
		    bytes_of_another_build_are_cut_or_filled_with_zeros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

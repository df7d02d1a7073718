/* SPDX-License-Identifier: BSD-2-Clause */
/* Records: what was written is read, and what is damaged is refused. The
 * system calls behind them are wrapped, to fail. */
#include "master/tlv.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/expect.h"

enum {
	TAG_NUMBER = 1,
	TAG_TEXT,
	TAG_BYTES,
	TAG_NEST,
	TAG_ABSENT,
};

/* ---- faults ---- */

static bool no_memory, no_memfd;
static size_t write_most = SIZE_MAX; /* 0: the write fails */

void *__real_malloc(size_t);
void *__wrap_malloc(size_t);
void *__real_realloc(void *, size_t);
void *__wrap_realloc(void *, size_t);
int __real_memfd_create(const char *, unsigned);
int __wrap_memfd_create(const char *, unsigned);
ssize_t __real_pwrite(int, const void *, size_t, off_t);
ssize_t __wrap_pwrite(int, const void *, size_t, off_t);

void *
__wrap_malloc(size_t size)
{
	errno = ENOMEM;
	return no_memory ? NULL : __real_malloc(size);
}

void *
__wrap_realloc(void *old, size_t size)
{
	errno = ENOMEM;
	return no_memory ? NULL : __real_realloc(old, size);
}

int
__wrap_memfd_create(const char *name, unsigned flags)
{
	errno = EMFILE;
	return no_memfd ? -1 : __real_memfd_create(name, flags);
}

ssize_t
__wrap_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	errno = ENOSPC;
	if (write_most == 0)
		return -1;
	return __real_pwrite(fd, bytes, MIN_OF(len, write_most), at);
}

/* ---- a record ---- */

static struct tlv_writer w;
static struct tlv_record r;
static struct err err;

static int
begin(void **state)
{
	(void)state;
	no_memory = no_memfd = false;
	write_most = SIZE_MAX;
	tlv_writer_init(&w);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	tlv_writer_fini(&w);
	tlv_close(&r);
	return 0;
}

static void
write_and_parse(void)
{
	assert_int_equal(tlv_finish(&w), 0);
	assert_int_equal(tlv_parse(&r, w.bytes, w.len, &err), 0);
}

static void
what_was_written_is_read(void **state)
{
	static const int64_t numbers[] = { 0, -1, 42, INT64_MIN, INT64_MAX };
	struct tlv found;
	int64_t value;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(numbers); i++)
		tlv_put_int(&w, (uint16_t)(100 + i), numbers[i]);
	tlv_put_text(&w, TAG_TEXT, "a text");
	tlv_put_text(&w, TAG_ABSENT, NULL);
	tlv_put(&w, TAG_BYTES, "\0\1", 2);
	tlv_put(&w, TAG_NUMBER, NULL, 0);
	write_and_parse();
	assert_int_equal(r.version, TLV_VERSION);
	for (i = 0; i < nitems(numbers); i++) {
		assert_int_equal(tlv_int(&r.root, (uint16_t)(100 + i),
				     INT64_MIN, INT64_MAX, &value),
		    0);
		assert_true(value == numbers[i]);
	}
	assert_string_equal(tlv_text(&r.root, TAG_TEXT), "a text");
	assert_true(tlv_find(&r.root, TAG_BYTES, &found));
	assert_int_equal(found.len, 2);
	assert_memory_equal(found.bytes, "\0\1", 2);
	assert_true(tlv_find(&r.root, TAG_NUMBER, &found));
	assert_int_equal(found.len, 0);
	assert_false(tlv_find(&r.root, TAG_ABSENT, &found));
}

static void
entries_are_found_within_their_nest(void **state)
{
	struct tlv e = { 0 };
	int64_t value, expected = 0;

	(void)state;
	tlv_put_int(&w, TAG_NUMBER, 100);
	for (value = 0; value < 3; value++) {
		tlv_nest(&w, TAG_NEST);
		tlv_put_int(&w, TAG_NUMBER, value);
		tlv_unnest(&w);
	}
	tlv_nest(&w, TAG_NEST);
	tlv_unnest(&w);
	write_and_parse();
	while (tlv_next(&r.root, &e)) {
		if (e.tag != TAG_NEST)
			continue;
		if (expected == 3) {
			assert_false(tlv_find(&e, TAG_NUMBER, &e));
			break;
		}
		assert_int_equal(tlv_int(&e, TAG_NUMBER, 0, 2, &value), 0);
		assert_int_equal(value, expected++);
	}
	assert_int_equal(expected, 3);
}

static void
nests_go_as_deep_as_they_may(void **state)
{
	struct tlv e;
	int64_t value;
	int i;

	(void)state;
	for (i = 0; i < TLV_DEPTH_MAX; i++)
		tlv_nest(&w, TAG_NEST);
	tlv_put_int(&w, TAG_NUMBER, 8);
	for (i = 0; i < TLV_DEPTH_MAX; i++)
		tlv_unnest(&w);
	write_and_parse();
	e = r.root;
	for (i = 0; i < TLV_DEPTH_MAX; i++)
		assert_true(tlv_find(&e, TAG_NEST, &e));
	assert_int_equal(tlv_int(&e, TAG_NUMBER, 8, 8, &value), 0);
}

static void
a_number_is_held_to_its_bounds(void **state)
{
	int64_t value = 77;

	(void)state;
	tlv_put_int(&w, TAG_NUMBER, 5);
	tlv_put(&w, TAG_BYTES, "1234567", 7);
	write_and_parse();
	assert_int_equal(tlv_int(&r.root, TAG_NUMBER, 6, 9, &value), -1);
	assert_int_equal(errno, ERANGE);
	assert_int_equal(tlv_int(&r.root, TAG_NUMBER, 0, 4, &value), -1);
	assert_int_equal(errno, ERANGE);
	assert_int_equal(tlv_int(&r.root, TAG_ABSENT, 0, 9, &value), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(tlv_int(&r.root, TAG_BYTES, 0, 9, &value), -1);
	assert_int_equal(errno, EBADMSG);
	assert_int_equal(value, 77);
	assert_int_equal(tlv_int(&r.root, TAG_NUMBER, 5, 5, &value), 0);
}

static void
a_text_ends_with_its_only_null_byte(void **state)
{
	(void)state;
	tlv_put(&w, 10, "abc", 3);
	tlv_put(&w, 11, "a\0c", 4);
	tlv_put(&w, 12, "", 0);
	tlv_put(&w, 13, "", 1);
	write_and_parse();
	assert_null(tlv_text(&r.root, 10));
	assert_int_equal(errno, EBADMSG);
	assert_null(tlv_text(&r.root, 11));
	assert_null(tlv_text(&r.root, 12));
	assert_string_equal(tlv_text(&r.root, 13), "");
	assert_null(tlv_text(&r.root, TAG_ABSENT));
	assert_int_equal(errno, ENOENT);
}

static void
what_is_no_nest_has_no_entries(void **state)
{
	struct tlv e, inner = { 0 };

	(void)state;
	tlv_put(&w, TAG_BYTES, "\1\0\0\0\0\0\0\0", 8);
	write_and_parse();
	assert_true(tlv_find(&r.root, TAG_BYTES, &e));
	assert_false(tlv_next(&e, &inner));
}

/* ---- damage ---- */

static void
refused_with(const char *text)
{
	expect_error(tlv_parse(&r, w.bytes, w.len, &err), &err, EXIT_RUNTIME,
	    text, "");
}

static void
any_other_bit_is_noticed(void **state)
{
	size_t i;

	(void)state;
	tlv_put_text(&w, TAG_TEXT, "a text");
	assert_int_equal(tlv_finish(&w), 0);
	for (i = 0; i < w.len * 8; i++) {
		w.bytes[i / 8] ^= (unsigned char)BIT(i % 8);
		assert_int_equal(tlv_parse(&r, w.bytes, w.len, &err), -1);
		w.bytes[i / 8] ^= (unsigned char)BIT(i % 8);
	}
	assert_int_equal(tlv_parse(&r, w.bytes, w.len, &err), 0);
}

static void
a_record_that_was_cut_off_is_refused(void **state)
{
	size_t len;

	(void)state;
	tlv_put_text(&w, TAG_TEXT, "a text");
	assert_int_equal(tlv_finish(&w), 0);
	for (len = 0; len < w.len; len++)
		assert_int_equal(tlv_parse(&r, w.bytes, len, &err), -1);
	expect_error(-1, &err, EXIT_RUNTIME, "the record is cut off", "");
	expect_error(tlv_parse(&r, w.bytes, 3, &err), &err, EXIT_RUNTIME,
	    "the record is too short", "");
}

static void
what_stands_behind_a_record_does_not_matter(void **state)
{
	unsigned char bytes[256] = "";

	(void)state;
	tlv_put_text(&w, TAG_TEXT, "a text");
	assert_int_equal(tlv_finish(&w), 0);
	assert_true(w.len < sizeof(bytes));
	(void)memcpy(bytes, w.bytes, w.len);
	assert_int_equal(tlv_parse(&r, bytes, sizeof(bytes), &err), 0);
	assert_string_equal(tlv_text(&r.root, TAG_TEXT), "a text");
}

static void
something_else_is_refused(void **state)
{
	(void)state;
	assert_int_equal(tlv_finish(&w), 0);
	w.bytes[0] = '\177';
	refused_with("the record is none of tine's");
}

/* As a writer with another head would have written it. */
static void
with_head(uint16_t version, uint16_t readable_by)
{
	struct tlv_head head;

	assert_int_equal(tlv_finish(&w), 0);
	(void)memcpy(&head, w.bytes, sizeof(head));
	head.version = version;
	head.readable_by = readable_by;
	(void)memcpy(w.bytes, &head, sizeof(head));
	head.checksum = tlv_checksum(w.bytes, w.len);
	(void)memcpy(w.bytes, &head, sizeof(head));
}

static void
a_newer_record_is_read_when_its_writer_says_so(void **state)
{
	char text[128];

	(void)state;
	tlv_put_text(&w, TAG_TEXT, "new");
	with_head(TLV_VERSION + 5, TLV_VERSION);
	assert_int_equal(tlv_parse(&r, w.bytes, w.len, &err), 0);
	assert_int_equal(r.version, TLV_VERSION + 5);
	assert_string_equal(tlv_text(&r.root, TAG_TEXT), "new");
	with_head(TLV_VERSION + 5, TLV_VERSION + 2);
	(void)snprintf(text, sizeof(text),
	    "the record is of version %d, for readers of version %d and later; "
	    "this one is of version %d",
	    TLV_VERSION + 5, TLV_VERSION + 2, TLV_VERSION);
	refused_with(text);
}

/* An entry whose length is a lie, in a record whose checksum is right. */
static void
an_entry_that_leads_out_is_refused(void **state)
{
	static const uint32_t lies[] = { 1, 8, 4096, UINT32_MAX };
	size_t i, at = w.len;

	(void)state;
	tlv_put(&w, TAG_BYTES, NULL, 0);
	for (i = 0; i < nitems(lies); i++) {
		(void)memcpy(w.bytes + at + 4, &lies[i], sizeof(lies[i]));
		with_head(TLV_VERSION, 1);
		refused_with("the record is damaged: an entry leads out of it");
	}
}

static void
a_nest_that_is_none_is_refused(void **state)
{
	const uint16_t flags = TLV_NEST;
	size_t at = w.len;

	(void)state;
	tlv_put(&w, TAG_BYTES, "\1\0\0\0\7\0\0\0", 8);
	(void)memcpy(w.bytes + at + 2, &flags, sizeof(flags));
	with_head(TLV_VERSION, 1);
	refused_with("the record is damaged: an entry leads out of it");
}

static void
too_deep_a_nest_is_refused(void **state)
{
	const uint16_t flags = TLV_NEST;
	size_t at;
	int i;

	(void)state;
	for (i = 0; i < TLV_DEPTH_MAX; i++)
		tlv_nest(&w, TAG_NEST);
	at = w.len;
	tlv_put(&w, TAG_BYTES, "", 0);
	(void)memcpy(w.bytes + at + 2, &flags, sizeof(flags));
	for (i = 0; i < TLV_DEPTH_MAX; i++)
		tlv_unnest(&w);
	with_head(TLV_VERSION, 1);
	refused_with("the record is damaged: an entry leads out of it");
}

/* ---- files ---- */

static void
a_sealed_record_can_be_read_and_not_be_changed(void **state)
{
	int fd;
	char *large = calloc(1, 1 << 20);

	(void)state;
	assert_non_null(large);
	tlv_put(&w, TAG_BYTES, large, 1 << 20);
	tlv_put_text(&w, TAG_TEXT, "behind it");
	free(large);
	fd = tlv_seal(&w, "state", &err);
	assert_int_not_equal(fd, -1);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(tlv_open(&r, fd, &err), 0);
	closefd(&fd);
	assert_string_equal(tlv_text(&r.root, TAG_TEXT), "behind it");
}

static void
a_file_that_is_no_record_is_refused(void **state)
{
	int fd = memfd_create("odd", MFD_CLOEXEC);

	(void)state;
	expect_error(tlv_open(&r, fd, &err), &err, EXIT_RUNTIME,
	    "the record is too short", "");
	assert_int_equal(ftruncate(fd, (off_t)TLV_BYTES_MAX + 1), 0);
	expect_error(tlv_open(&r, fd, &err), &err, EXIT_RUNTIME,
	    "the record is too long", "");
	closefd(&fd);
	expect_error(tlv_open(&r, fd, &err), &err, EXIT_SYSTEM,
	    "the record: Bad file descriptor", "");
}

static void
a_writer_without_memory_says_so_in_the_end(void **state)
{
	char *large = calloc(1, 1 << 20);
	int before;

	(void)state;
	assert_non_null(large);
	no_memory = true;
	tlv_nest(&w, TAG_NEST);
	tlv_put(&w, TAG_BYTES, large, 1 << 20);
	no_memory = false;
	before = (int)w.len;
	tlv_put_int(&w, TAG_NUMBER, 1);
	tlv_unnest(&w);
	assert_int_equal(w.len, before);
	free(large);
	expect_error(tlv_seal(&w, "state", &err), &err, EXIT_SYSTEM,
	    "record state: Cannot allocate memory", "");
	tlv_writer_fini(&w);
	no_memory = true;
	tlv_writer_init(&w);
	tlv_put_text(&w, TAG_TEXT, "x");
	assert_int_equal(tlv_finish(&w), -1);
	assert_int_equal(errno, ENOMEM);
}

static void
a_record_that_nobody_would_read_is_not_written(void **state)
{
	(void)state;
	tlv_put(&w, TAG_BYTES, "", (size_t)TLV_BYTES_MAX + 1);
	tlv_put_int(&w, TAG_NUMBER, 1);
	assert_int_equal(tlv_finish(&w), -1);
	assert_int_equal(errno, EFBIG);
	tlv_writer_fini(&w);
	tlv_writer_init(&w);
	tlv_put(&w, TAG_BYTES, "", TLV_BYTES_MAX);
	assert_int_equal(tlv_finish(&w), -1);
	assert_int_equal(errno, EFBIG);
}

static void
a_memfd_that_cannot_be_had_or_filled_is_told(void **state)
{
	(void)state;
	no_memfd = true;
	expect_error(tlv_seal(&w, "state", &err), &err, EXIT_SYSTEM,
	    "memory for the record state: Too many open files", "");
	no_memfd = false;
	write_most = 0;
	expect_error(tlv_seal(&w, "state", &err), &err, EXIT_SYSTEM,
	    "memory for the record state: No space left on device", "");
	write_most = 10;
	expect_error(tlv_seal(&w, "state", &err), &err, EXIT_SYSTEM,
	    "memory for the record state: No space left on device", "");
}

static void
a_record_that_cannot_be_read_is_told(void **state)
{
	int fd = tlv_seal(&w, "state", &err), unreadable;
	char path[64];

	(void)state;
	no_memory = true;
	expect_error(tlv_open(&r, fd, &err), &err, EXIT_SYSTEM,
	    "read the record: Cannot allocate memory", "");
	no_memory = false;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	unreadable = open(path, O_WRONLY | O_CLOEXEC);
	expect_error(tlv_open(&r, unreadable, &err), &err, EXIT_SYSTEM,
	    "read the record: Bad file descriptor", "");
	closefd(&unreadable);
	closefd(&fd);
}

#define with_writer(f) cmocka_unit_test_setup_teardown(f, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_writer(what_was_written_is_read),
		with_writer(entries_are_found_within_their_nest),
		with_writer(nests_go_as_deep_as_they_may),
		with_writer(a_number_is_held_to_its_bounds),
		with_writer(a_text_ends_with_its_only_null_byte),
		with_writer(what_is_no_nest_has_no_entries),
		with_writer(any_other_bit_is_noticed),
		with_writer(a_record_that_was_cut_off_is_refused),
		with_writer(what_stands_behind_a_record_does_not_matter),
		with_writer(something_else_is_refused),
		with_writer(a_newer_record_is_read_when_its_writer_says_so),
		with_writer(an_entry_that_leads_out_is_refused),
		with_writer(a_nest_that_is_none_is_refused),
		with_writer(too_deep_a_nest_is_refused),
		with_writer(a_sealed_record_can_be_read_and_not_be_changed),
		with_writer(a_file_that_is_no_record_is_refused),
		with_writer(a_writer_without_memory_says_so_in_the_end),
		with_writer(a_record_that_nobody_would_read_is_not_written),
		with_writer(a_memfd_that_cannot_be_had_or_filled_is_told),
		with_writer(a_record_that_cannot_be_read_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The shared pages: one writer each, and nothing a writer does harms a
 * reader. */
#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/board.h"

#define PAGES 3

/* The child's view, in this process: the board itself stays. */
static struct board_page *
map_own(const struct board *b, int page)
{
	void *own = mmap(NULL, BOARD_PAGE_BYTES, PROT_READ | PROT_WRITE,
	    MAP_SHARED, board_fd(b, page), 0);

	assert_ptr_not_equal(own, MAP_FAILED);
	return own;
}

static int
open_board(void **state)
{
	static struct board b;
	struct err err;

	assert_int_equal(board_open(&b, PAGES, &err), 0);
	*state = &b;
	return 0;
}

static int
shut_board(void **state)
{
	board_close(*state);
	return 0;
}

static void
what_a_child_adds_the_master_reads(void **state)
{
	struct board *b = *state;
	struct board_page *own;
	struct board_copy copy;
	int page = board_take(b);

	own = map_own(b, page);
	assert_non_null(own);
	board_add(own, BOARD_ACCEPTED, 2);
	board_add(own, BOARD_ACCEPTED, 3);
	board_set(own, BOARD_CONNECTIONS, 4);
	board_read(b, page, &copy);
	assert_int_equal(copy.counters[BOARD_ACCEPTED], 5);
	assert_int_equal(copy.gauges[BOARD_CONNECTIONS], 4);
	assert_int_equal(munmap(own, BOARD_PAGE_BYTES), 0);
}

static void
a_page_is_zero_when_it_is_taken_again(void **state)
{
	struct board *b = *state;
	struct board_page *own;
	struct board_copy copy;
	int page = board_take(b);

	own = map_own(b, page);
	board_add(own, BOARD_REQUESTS, 9);
	board_give(b, page);
	assert_int_equal(board_take(b), page);
	board_read(b, page, &copy);
	assert_int_equal(copy.counters[BOARD_REQUESTS], 0);
	assert_int_equal(munmap(own, BOARD_PAGE_BYTES), 0);
}

static void
absurd_counts_are_clamped(void **state)
{
	struct board *b = *state;
	struct board_page *own;
	struct board_copy copy;
	int page = board_take(b);

	own = map_own(b, page);
	board_add(own, BOARD_BYTES_IN, UINT64_MAX);
	board_read(b, page, &copy);
	assert_int_equal(copy.counters[BOARD_BYTES_IN], UINT64_C(1) << 53);
	assert_int_equal(munmap(own, BOARD_PAGE_BYTES), 0);
}

static void
a_full_pool_says_so(void **state)
{
	struct board *b = *state;
	int i;

	for (i = 0; i < PAGES; i++)
		assert_int_equal(board_take(b), i);
	assert_int_equal(board_take(b), -1);
	assert_int_equal(errno, ENOSPC);
	board_give(b, 1);
	assert_int_equal(board_take(b), 1);
}

static void
no_page_leads_to_another(void **state)
{
	struct board *b = *state;
	int one = board_take(b), two = board_take(b);
	struct board_page *own = map_own(b, one);
	struct board_copy copy;
	void *more;

	/* Past the end of its file there is nothing, not the neighbour. */
	more = mmap(NULL, BOARD_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
	    board_fd(b, one), BOARD_PAGE_BYTES);
	assert_int_not_equal(board_fd(b, one), board_fd(b, two));
	board_add(own, BOARD_REQUESTS, 7);
	board_read(b, two, &copy);
	assert_int_equal(copy.counters[BOARD_REQUESTS], 0);
	if (more != MAP_FAILED)
		(void)munmap(more, BOARD_PAGE_BYTES);
	assert_int_equal(munmap(own, BOARD_PAGE_BYTES), 0);
}

static void
a_child_inherits_its_own_page_only(void **state)
{
	struct board *b = *state;
	int one = board_take(b), two = board_take(b), fd = board_fd(b, two);
	struct board_page *own;

	own = board_inherit(b, one);
	assert_non_null(own);
	board_add(own, BOARD_REQUESTS, 1);
	assert_null(b->pages);
	/* Not ours to close: the number may be somebody else's by now. */
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	closefd(&fd);
	assert_int_equal(munmap(own, BOARD_PAGE_BYTES), 0);
}

static void
nobody_can_change_the_size(void **state)
{
	struct board *b = *state;
	int fd = board_fd(b, board_take(b));

	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 1 << 20), -1);
	assert_int_equal(errno, EPERM);
}

static void
the_masters_own_view_cannot_be_written(void **state)
{
	struct board *b = *state;
	int zeros = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	const void *map = b->pages[board_take(b)].map;

	/* The kernel refuses to write into it, as it would refuse us. */
	assert_int_equal(read(zeros, (void *)(uintptr_t)map, 1), -1);
	assert_int_equal(errno, EFAULT);
	closefd(&zeros);
}

/* ---- pages of another build ---- */

static const struct board_layout LAYOUT = {
	.counters_at = 512,
	.ncounters = 2,
	.gauges_at = 1024,
	.ngauges = BOARD_NGAUGES + 3,
};

/* A page as another image left it: its words are their own numbers. */
static int
make_page(int seals, off_t size)
{
	uint64_t words[BOARD_PAGE_BYTES / sizeof(uint64_t)];
	int fd = memfd_create("page", MFD_ALLOW_SEALING);
	size_t i;

	for (i = 0; i < nitems(words); i++)
		words[i] = i;
	assert_int_equal(write(fd, words, sizeof(words)), sizeof(words));
	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static int
make_good_page(void)
{
	return make_page(F_SEAL_SHRINK | F_SEAL_GROW, BOARD_PAGE_BYTES);
}

static void
a_page_of_another_build_is_read_by_its_own_layout(void **state)
{
	struct board *b = *state;
	struct board_copy copy;
	int fd = make_good_page(), page = board_adopt(b, fd, LAYOUT);
	size_t i;

	assert_int_not_equal(page, -1);
	assert_int_equal(board_fd(b, page), fd);
	board_read(b, page, &copy);
	/* Of the counters that its build does not have there are none. */
	for (i = 0; i < BOARD_NCOUNTERS; i++)
		assert_int_equal(copy.counters[i], i < 2 ? 64 + i : 0);
	for (i = 0; i < BOARD_NGAUGES; i++)
		assert_int_equal(copy.gauges[i], 128 + i);
	/* Given back, it is a page of ours again. */
	board_give(b, page);
	assert_int_equal(board_take(b), page);
	board_read(b, page, &copy);
	assert_int_equal(copy.gauges[0], 0);
}

static void
our_own_layout_is_taken_over_as_it_is(void **state)
{
	struct board *b = *state;
	struct board_copy copy;
	int one = board_take(b), fd, two;
	struct board_page *own = map_own(b, one);

	fd = dup(board_fd(b, one));
	two = board_adopt(b, fd, board_own_layout());
	assert_int_not_equal(two, -1);
	board_add(own, BOARD_CLOSED, 7);
	board_set(own, BOARD_BUSY_PPM, 8);
	board_read(b, two, &copy);
	assert_int_equal(copy.counters[BOARD_CLOSED], 7);
	assert_int_equal(copy.gauges[BOARD_BUSY_PPM], 8);
	assert_int_equal(munmap(own, BOARD_PAGE_BYTES), 0);
}

static void
no_layout_leads_out_of_the_page(void **state)
{
	static const struct board_layout bad[] = {
		{ .counters_at = 4 },
		{ .counters_at = BOARD_PAGE_BYTES, .ncounters = 1 },
		{ .counters_at = BOARD_PAGE_BYTES + 8 },
		{ .ncounters = BOARD_PAGE_BYTES / 8 + 1 },
		{ .gauges_at = 8, .ngauges = BOARD_PAGE_BYTES / 8 },
		{ .gauges_at = UINT32_MAX - 7, .ngauges = UINT32_MAX },
		{ .ngauges = UINT32_MAX / 8 + 1 },
		{ .named_at = 4 },
		{ .named_at = BOARD_PAGE_BYTES - 48, .nnamed = 1 },
		{ .nnamed = UINT32_MAX },
	};
	static const struct board_layout least = { .counters_at =
						       BOARD_PAGE_BYTES };
	struct board *b = *state;
	int fd = make_good_page();
	size_t i;

	for (i = 0; i < nitems(bad); i++) {
		assert_int_equal(board_adopt(b, fd, bad[i]), -1);
		assert_int_equal(errno, EINVAL);
	}
	assert_int_not_equal(board_adopt(b, fd, least), -1);
}

static void
what_could_shrink_is_not_taken_over(void **state)
{
	struct board *b = *state;
	int fds[] = {
		make_page(F_SEAL_GROW, BOARD_PAGE_BYTES),
		make_page(F_SEAL_SHRINK | F_SEAL_GROW, BOARD_PAGE_BYTES - 8),
		open("/dev/null", O_RDONLY | O_CLOEXEC),
		-1,
	};
	size_t i;

	for (i = 0; i < nitems(fds); i++) {
		assert_int_equal(board_adopt(b, fds[i], LAYOUT), -1);
		assert_int_equal(errno, EINVAL);
		closefd(&fds[i]);
	}
}

static void
a_full_pool_takes_nothing_over(void **state)
{
	struct board *b = *state;
	int fd = make_good_page(), i;

	for (i = 0; i < PAGES; i++)
		(void)board_take(b);
	assert_int_equal(board_adopt(b, fd, LAYOUT), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(close(fd), 0);
}

/* ---- counters of handlers ---- */

static void
write_name(struct board_page *own, size_t i, const char *bytes, size_t len)
{
	(void)memset(own->named[i].name, 0, BOARD_NAME_MAX);
	(void)memcpy(own->named[i].name, bytes, len);
}

static void
names_are_what_they_are_said_to_be(void **state)
{
	static const char *const good[] = { "a", "z9_", "jokes_told",
		"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv" };
	static const char *const bad[] = { "", "_a", "9", "A", "aB", "a-b",
		"a b", "a\n", "a\xff", "a{b=\"c\"}",
		"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvw" };
	size_t i;

	(void)state;
	for (i = 0; i < nitems(good); i++)
		assert_true(board_is_name(good[i], strlen(good[i])));
	for (i = 0; i < nitems(bad); i++)
		assert_false(board_is_name(bad[i], strlen(bad[i])));
}

static void
a_named_counter_is_read_and_clamped(void **state)
{
	struct board *b = *state;
	int page = board_take(b);
	struct board_page *own = map_own(b, page);
	char name[BOARD_NAME_MAX + 1];
	uint64_t value;

	assert_false(board_read_named(b, page, 0, name, &value));
	write_name(own, 0, "jokes", 5);
	own->named[0].value = 7;
	assert_true(board_read_named(b, page, 0, name, &value));
	assert_string_equal(name, "jokes");
	assert_int_equal(value, 7);
	own->named[0].value = UINT64_MAX;
	assert_true(board_read_named(b, page, 0, name, &value));
	assert_int_equal(value, BOARD_COUNT_MAX);
	/* A name may fill its room. */
	(void)memset(own->named[31].name, 'x', BOARD_NAME_MAX);
	assert_true(board_read_named(b, page, 31, name, &value));
	assert_int_equal(strlen(name), BOARD_NAME_MAX);
	assert_int_equal(munmap(own, BOARD_PAGE_BYTES), 0);
}

static void
whatever_stands_there_what_is_read_is_a_name(void **state)
{
	struct board *b = *state;
	int page = board_take(b), round;
	struct board_page *own = map_own(b, page);
	unsigned char *bytes = (unsigned char *)own;
	char name[BOARD_NAME_MAX + 1];
	uint64_t value;
	size_t i, read = 0;

	srand(3);
	for (round = 0; round < 2000; round++) {
		/* Mostly letters, or hardly anything would be a name. */
		for (i = 0; i < BOARD_PAGE_BYTES; i++)
			bytes[i] = (unsigned char)(rand() % 64 == 0
				? rand()
				: 'a' + rand() % 26);
		for (i = 0; i < BOARD_NNAMED + 2; i++) {
			if (!board_read_named(b, page, i, name, &value))
				continue;
			read++;
			assert_true(board_is_name(name, strlen(name)));
			assert_true(value <= BOARD_COUNT_MAX);
		}
	}
	assert_true(read > 0);
	assert_int_equal(munmap(own, BOARD_PAGE_BYTES), 0);
}

static void
a_build_without_names_has_none(void **state)
{
	struct board *b = *state;
	int page = board_adopt(b, make_good_page(), LAYOUT);
	char name[BOARD_NAME_MAX + 1];
	uint64_t value;

	assert_int_not_equal(page, -1);
	assert_false(board_read_named(b, page, 0, name, &value));
}

#define with_board(f) cmocka_unit_test_setup_teardown(f, open_board, shut_board)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_board(what_a_child_adds_the_master_reads),
		with_board(a_page_is_zero_when_it_is_taken_again),
		with_board(absurd_counts_are_clamped),
		with_board(a_full_pool_says_so),
		with_board(no_page_leads_to_another),
		with_board(a_child_inherits_its_own_page_only),
		with_board(nobody_can_change_the_size),
		with_board(the_masters_own_view_cannot_be_written),
		with_board(a_page_of_another_build_is_read_by_its_own_layout),
		with_board(our_own_layout_is_taken_over_as_it_is),
		with_board(no_layout_leads_out_of_the_page),
		with_board(what_could_shrink_is_not_taken_over),
		with_board(a_full_pool_takes_nothing_over),
		cmocka_unit_test(names_are_what_they_are_said_to_be),
		with_board(a_named_counter_is_read_and_clamped),
		with_board(whatever_stands_there_what_is_read_is_a_name),
		with_board(a_build_without_names_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

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

#include <cmocka.h>

#include "shared/board.h"

#define PAGES 3

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

	own = board_map_own(b, page);
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

	own = board_map_own(b, page);
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

	own = board_map_own(b, page);
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
nobody_can_change_the_size(void **state)
{
	struct board *b = *state;

	assert_int_equal(ftruncate(b->fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(b->fd, 1 << 20), -1);
	assert_int_equal(errno, EPERM);
}

static void
the_masters_own_view_cannot_be_written(void **state)
{
	struct board *b = *state;
	int zeros = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	/* The kernel refuses to write into it, as it would refuse us. */
	assert_int_equal(read(zeros, (void *)(uintptr_t)b->map, 1), -1);
	assert_int_equal(errno, EFAULT);
	closefd(&zeros);
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
		with_board(nobody_can_change_the_size),
		with_board(the_masters_own_view_cannot_be_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

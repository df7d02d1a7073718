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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

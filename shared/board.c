/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * board.c: the pool of pages. Opened by the master; a child uses
 * board_map_own() once and then only board_add() and board_set().
 */
#include "shared/board.h"

#include <sys/mman.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

const char *const board_callback_names[BOARD_NCALLBACKS] = {
	[BOARD_IN_NONE] = "no callback",
	[BOARD_IN_START] = "start",
	[BOARD_IN_STOP] = "stop",
	[BOARD_IN_OPEN] = "open",
	[BOARD_IN_DATA] = "data",
	[BOARD_IN_EOF] = "eof",
	[BOARD_IN_BEFORE_WRITE] = "before_write",
	[BOARD_IN_DRAINED] = "drained",
	[BOARD_IN_CLOSE] = "close",
	[BOARD_IN_TICK] = "tick",
	[BOARD_IN_QUIESCE] = "quiesce",
};

int
board_open(struct board *b, size_t npages, struct err *err)
{
	size_t bytes = npages * BOARD_PAGE_BYTES;
	void *map = MAP_FAILED;

	*b = (struct board){ .fd = -1, .npages = npages };
	b->used = calloc(npages, 1);
	b->fd = memfd_create("tine-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (b->used != NULL && b->fd != -1 &&
	    ftruncate(b->fd, (off_t)bytes) == 0 &&
	    fcntl(b->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0)
		map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, b->fd, 0);
	if (map == MAP_FAILED) {
		err_sys(err, "shared memory for %zu children", npages);
		board_close(b);
		return -1;
	}
	b->map = map;
	return 0;
}

void
board_close(struct board *b)
{
	union {
		const char *ro;
		void *rw;
	} map = { .ro = b->map };

	if (b->map != NULL)
		(void)munmap(map.rw, b->npages * BOARD_PAGE_BYTES);
	b->map = NULL;
	closefd(&b->fd);
	free(b->used);
	b->used = NULL;
}

int
board_take(struct board *b)
{
	static const struct board_page zero;
	size_t i;

	for (i = 0; i < b->npages; i++) {
		if (b->used[i])
			continue;
		if (pwrite(b->fd, &zero, sizeof(zero),
			(off_t)(i * BOARD_PAGE_BYTES)) != (ssize_t)sizeof(zero))
			return -1;
		b->used[i] = 1;
		return (int)i;
	}
	errno = ENOSPC;
	return -1;
}

void
board_give(struct board *b, int page)
{
	assert(page >= 0 && (size_t)page < b->npages && b->used[page]);
	b->used[page] = 0;
}

void
board_read(const struct board *b, int page, struct board_copy *copy)
{
	const struct board_page *p;
	size_t i;

	assert(page >= 0 && (size_t)page < b->npages);
	p = (const struct board_page *)(const void *)(b->map +
	    (size_t)page * BOARD_PAGE_BYTES);
	for (i = 0; i < BOARD_NCOUNTERS; i++) {
		uint64_t n = __atomic_load_n(&p->counters[i], __ATOMIC_RELAXED);

		copy->counters[i] = MIN_OF(n, BOARD_COUNT_MAX);
	}
	for (i = 0; i < BOARD_NGAUGES; i++)
		copy->gauges[i] =
		    __atomic_load_n(&p->gauges[i], __ATOMIC_RELAXED);
}

struct board_page *
board_map_own(const struct board *b, int page)
{
	void *own;

	own = mmap(NULL, BOARD_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
	    b->fd, (off_t)page * BOARD_PAGE_BYTES);
	return own == MAP_FAILED ? NULL : own;
}

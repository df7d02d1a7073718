/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * board.c: the pages. Opened by the master; a child uses
 * board_inherit() once and then only board_add() and board_set().
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

const char *const board_cause_names[BOARD_NCAUSES] = {
	"peer-eof",
	"reset",
	"local",
	"idle",
	"first-byte",
	"read-timeout",
	"write-timeout",
	"lifetime",
	"overflow",
	"framing",
	"drain",
	"error",
};

int
board_open(struct board *b, size_t npages, struct err *err)
{
	size_t i;

	*b = (struct board){ .npages = npages };
	b->pages = calloc(npages, sizeof(*b->pages));
	if (b->pages == NULL)
		return err_sys(err, "memory for %zu board pages", npages);
	for (i = 0; i < npages; i++)
		b->pages[i].fd = -1;
	return 0;
}

static void
slot_close(struct board_slot *s)
{
	union {
		const struct board_page *ro;
		void *rw;
	} map = { .ro = s->map };

	if (s->map != NULL)
		(void)munmap(map.rw, BOARD_PAGE_BYTES);
	s->map = NULL;
	closefd(&s->fd);
}

void
board_close(struct board *b)
{
	size_t i;

	for (i = 0; i < b->npages && b->pages != NULL; i++)
		slot_close(&b->pages[i]);
	free(b->pages);
	b->pages = NULL;
}

static int
slot_open(struct board_slot *s)
{
	void *map = MAP_FAILED;

	s->fd = memfd_create("tine-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->fd != -1 && ftruncate(s->fd, BOARD_PAGE_BYTES) == 0 &&
	    fcntl(s->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0)
		map = mmap(NULL, BOARD_PAGE_BYTES, PROT_READ, MAP_SHARED, s->fd,
		    0);
	if (map == MAP_FAILED) {
		closefd(&s->fd);
		return -1;
	}
	s->map = map;
	return 0;
}

int
board_take(struct board *b)
{
	size_t i;

	for (i = 0; i < b->npages; i++)
		if (b->pages[i].fd == -1)
			return slot_open(&b->pages[i]) == 0 ? (int)i : -1;
	errno = ENOSPC;
	return -1;
}

/* A page that is taken. */
static struct board_slot *
slot_of(const struct board *b, int page)
{
	assert(
	    page >= 0 && (size_t)page < b->npages && b->pages[page].fd != -1);
	return &b->pages[page];
}

void
board_give(struct board *b, int page)
{
	slot_close(slot_of(b, page));
}

int
board_fd(const struct board *b, int page)
{
	return slot_of(b, page)->fd;
}

void
board_read(const struct board *b, int page, struct board_copy *copy)
{
	const struct board_page *p = slot_of(b, page)->map;
	size_t i;

	for (i = 0; i < BOARD_NCOUNTERS; i++) {
		uint64_t n = __atomic_load_n(&p->counters[i], __ATOMIC_RELAXED);

		copy->counters[i] = MIN_OF(n, BOARD_COUNT_MAX);
	}
	for (i = 0; i < BOARD_NGAUGES; i++)
		copy->gauges[i] =
		    __atomic_load_n(&p->gauges[i], __ATOMIC_RELAXED);
}

struct board_page *
board_inherit(struct board *b, int page)
{
	void *own;
	size_t i;

	own = mmap(NULL, BOARD_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
	    board_fd(b, page), 0);
	for (i = 0; i < b->npages; i++)
		if (i != (size_t)page)
			b->pages[i].fd = -1;
	board_close(b);
	return own == MAP_FAILED ? NULL : own;
}

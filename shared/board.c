/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * board.c: the pages. Opened by the master; a child uses
 * board_inherit() once and then only board_add() and board_set().
 */
#include "shared/board.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

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
	[BOARD_IN_TASK] = "task",
	[BOARD_IN_OFFLOAD] = "offload",
	[BOARD_IN_DONE] = "done",
	[BOARD_IN_TIMER] = "timer",
	[BOARD_IN_DETACHED] = "detached",
	[BOARD_IN_DATAGRAM] = "datagram",
	[BOARD_IN_FRAME] = "frame",
	[BOARD_IN_OVERFLOW] = "overflow",
	[BOARD_IN_RELEASE] = "release",
	[BOARD_IN_RUN] = "run",
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

const char *const board_refusal_names[BOARD_NREFUSALS] = {
	[BOARD_OVER_MAX_CONNECTIONS] = "max-connections",
	[BOARD_OVER_CONNECTIONS] = "connections",
	[BOARD_OVER_PER_ADDRESS] = "per-address",
	[BOARD_OVER_ACCEPT_RATE] = "accept-rate",
};

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

struct board_layout
board_own_layout(void)
{
	const struct board_page *p;

	return (struct board_layout){
		.counters_at = offsetof(struct board_page, counters),
		.ncounters = nitems(p->counters),
		.gauges_at = offsetof(struct board_page, gauges),
		.ngauges = nitems(p->gauges),
		.named_at = offsetof(struct board_page, named),
		.nnamed = nitems(p->named),
	};
}

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
		const uint64_t *ro;
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
slot_map(struct board_slot *s)
{
	void *map =
	    mmap(NULL, BOARD_PAGE_BYTES, PROT_READ, MAP_SHARED, s->fd, 0);

	if (map == MAP_FAILED)
		return -1;
	s->map = map;
	return 0;
}

static int
slot_open(struct board_slot *s)
{
	s->layout = board_own_layout();
	s->fd = memfd_create("tine-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->fd != -1 && ftruncate(s->fd, BOARD_PAGE_BYTES) == 0 &&
	    fcntl(s->fd, F_ADD_SEALS, SEALS) == 0 && slot_map(s) == 0)
		return 0;
	closefd(&s->fd);
	return -1;
}

/* The number of a page that is not taken. */
static int
find_free(const struct board *b)
{
	size_t i;

	for (i = 0; i < b->npages; i++)
		if (b->pages[i].fd == -1)
			return (int)i;
	errno = ENOSPC;
	return -1;
}

int
board_take(struct board *b)
{
	int page = find_free(b);

	if (page == -1 || slot_open(&b->pages[page]) == -1)
		return -1;
	return page;
}

static bool
is_inside(uint32_t at, uint32_t n, size_t size)
{
	return at % sizeof(uint64_t) == 0 && at <= BOARD_PAGE_BYTES &&
	    n <= (BOARD_PAGE_BYTES - at) / size;
}

/* What cannot shrink cannot be cut off under the master while it reads. */
static bool
is_page(int fd)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	return seals != -1 && (seals & SEALS) == SEALS && fstat(fd, &st) == 0 &&
	    st.st_size == BOARD_PAGE_BYTES;
}

int
board_adopt(struct board *b, int fd, struct board_layout layout)
{
	int page = find_free(b);
	struct board_slot s = { .fd = fd, .layout = layout };

	if (page == -1)
		return -1;
	if (!is_inside(layout.counters_at, layout.ncounters,
		sizeof(uint64_t)) ||
	    !is_inside(layout.gauges_at, layout.ngauges, sizeof(uint64_t)) ||
	    !is_inside(layout.named_at, layout.nnamed,
		sizeof(struct board_named)) ||
	    !is_page(fd)) {
		errno = EINVAL;
		return -1;
	}
	if (slot_map(&s) == -1)
		return -1;
	b->pages[page] = s;
	return page;
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

struct board_layout
board_layout_of(const struct board *b, int page)
{
	return slot_of(b, page)->layout;
}

int
board_fd(const struct board *b, int page)
{
	return slot_of(b, page)->fd;
}

/* Copy at most `most` words, as the child wrote them; the rest is 0. */
static void
copy_words(uint64_t *dst, size_t room, const uint64_t *src, size_t most)
{
	size_t i;

	for (i = 0; i < room; i++)
		dst[i] =
		    i < most ? __atomic_load_n(&src[i], __ATOMIC_RELAXED) : 0;
}

void
board_read(const struct board *b, int page, struct board_copy *copy)
{
	const struct board_slot *s = slot_of(b, page);
	const struct board_layout *l = &s->layout;
	size_t i;

	copy_words(copy->counters, nitems(copy->counters),
	    s->map + l->counters_at / sizeof(*s->map), l->ncounters);
	copy_words(copy->gauges, nitems(copy->gauges),
	    s->map + l->gauges_at / sizeof(*s->map), l->ngauges);
	for (i = 0; i < nitems(copy->counters); i++)
		copy->counters[i] = MIN_OF(copy->counters[i], BOARD_COUNT_MAX);
}

bool
board_is_name(const char *name, size_t len)
{
	static const char others[] = "abcdefghijklmnopqrstuvwxyz0123456789_";

	return len > 0 && len <= BOARD_NAME_MAX && name[0] >= 'a' &&
	    name[0] <= 'z' && strspn(name, others) >= len;
}

bool
board_read_named(const struct board *b, int page, size_t i, char *name,
    uint64_t *value)
{
	const struct board_slot *s = slot_of(b, page);
	const struct board_layout *l = &s->layout;
	uint64_t words[BOARD_NAME_WORDS];
	const uint64_t *src;
	size_t len;

	if (i >= l->nnamed)
		return false;
	src = s->map +
	    (l->named_at + i * sizeof(struct board_named)) / sizeof(*src);
	words[0] = __atomic_load_n(&src[1], __ATOMIC_ACQUIRE);
	if (words[0] == 0)
		return false;
	copy_words(words + 1, BOARD_NAME_WORDS - 1, src + 2,
	    BOARD_NAME_WORDS - 1);
	(void)memcpy(name, words, BOARD_NAME_MAX);
	name[BOARD_NAME_MAX] = '\0';
	copy_words(value, 1, src, 1);
	*value = MIN_OF(*value, BOARD_COUNT_MAX);
	len = strlen(name);
	return board_is_name(name, len);
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

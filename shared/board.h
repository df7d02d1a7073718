/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * board.h: shared memory in which each child shows its counters and heartbeat.
 * Each page is a memfd of its own that cannot change its size: in a common one
 * a child could remap its page onto its neighbour's. A child maps its own page
 * writable and no other; the master maps all read-only, copies, clamps and
 * displays. No lock, index, pointer, pid or descriptor is ever in it.
 *
 * After an upgrade the master reads pages of children of another build: numbers
 * stay as they are, counters and gauges are only ever appended.
 */
#ifndef TINE_SHARED_BOARD_H
#define TINE_SHARED_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base.h"
#include "shared/err.h"

#define BOARD_PAGE_BYTES 4096
#define BOARD_NNAMED 32 /* counters of handlers */
#define BOARD_NAME_MAX 48
#define BOARD_NAME_WORDS (BOARD_NAME_MAX / sizeof(uint64_t))
#define BOARD_COUNT_MAX (UINT64_C(1) << 53) /* JSON readers keep it exact */
#define BOARD_NCAUSES 12                    /* enum tine_cause of tine.h */
#define BOARD_NREFUSALS 4                   /* enum board_refusal */

/* Counters only rise and survive the child in the master's totals. */
enum board_counter {
	BOARD_ACCEPTED,
	BOARD_REQUESTS,
	BOARD_BYTES_IN,
	BOARD_BYTES_OUT,
	BOARD_DROPPED, /* connections closed by a limit */
	BOARD_CLOSED,  /* first of BOARD_NCAUSES counters, by cause */
	/* first of BOARD_NREFUSALS counters, by enum board_refusal */
	BOARD_REFUSED = BOARD_CLOSED + BOARD_NCAUSES,
	BOARD_SHED = BOARD_REFUSED + BOARD_NREFUSALS, /* idle, to make room */
	BOARD_SLOW_CALLBACKS,
	BOARD_NCOUNTERS
};

/* Gauges say what is true now and die with the child. */
enum board_gauge {
	BOARD_HEARTBEAT_NS,   /* mono_ns() of the child's last beat */
	BOARD_CONNECTIONS,    /* open now */
	BOARD_LOOP_LAG_NS,    /* how late the last beat was */
	BOARD_BUSY_PPM,       /* share of time not asleep, parts in a million */
	BOARD_DOING_CALLBACK, /* enum board_callback */
	BOARD_DOING_SINCE_NS,
	BOARD_DOING_SERVER, /* 1 + index of the callback's server; 0: none */
	BOARD_OVERLOADED,   /* 1: events wait longer than overload.lag */
	BOARD_NGAUGES
};

/* The limit for which a connection was refused. */
enum board_refusal {
	BOARD_OVER_MAX_CONNECTIONS,
	BOARD_OVER_CONNECTIONS,
	BOARD_OVER_PER_ADDRESS,
	BOARD_OVER_ACCEPT_RATE,
	BOARD_OVER_NOTHING
};
_Static_assert(BOARD_OVER_NOTHING == BOARD_NREFUSALS, "a counter for each");
/* "max-connections", ...: the last word of the limit's key */
extern const char *const board_refusal_names[BOARD_NREFUSALS];

/* The handler's callback that a child is in. */
enum board_callback {
	BOARD_IN_NONE,
	BOARD_IN_START,
	BOARD_IN_STOP,
	BOARD_IN_OPEN,
	BOARD_IN_DATA,
	BOARD_IN_EOF,
	BOARD_IN_BEFORE_WRITE,
	BOARD_IN_DRAINED,
	BOARD_IN_CLOSE,
	BOARD_IN_TICK,
	BOARD_IN_QUIESCE,
	BOARD_IN_TASK,    /* posted */
	BOARD_IN_OFFLOAD, /* in a thread, so never on the board */
	BOARD_IN_DONE,    /* of what was offloaded */
	BOARD_IN_TIMER,
	BOARD_IN_DETACHED,
	BOARD_IN_DATAGRAM,
	BOARD_IN_FRAME,
	BOARD_IN_OVERFLOW,
	BOARD_IN_RELEASE, /* of bytes written by reference */
	BOARD_IN_RUN,     /* or in what tine_spawn() calls */
	BOARD_NCALLBACKS
};
/* "no callback", "start", ... */
extern const char *const board_callback_names[BOARD_NCALLBACKS];
/* "peer-eof", "reset", ...: enum tine_cause */
extern const char *const board_cause_names[BOARD_NCAUSES];

/* A counter that a handler made up. */
struct board_named {
	uint64_t value;
	uint64_t name[BOARD_NAME_WORDS]; /* letters; 0 from its end on */
};

/* One child's page. Written by the child only, with relaxed atomic stores. */
struct board_page {
	uint64_t skew[SKEW];
	uint64_t counters[BOARD_NCOUNTERS + SKEW];
	uint64_t gauges[BOARD_NGAUGES + SKEW];
	struct board_named named[BOARD_NNAMED + SKEW];
};
_Static_assert(sizeof(struct board_page) <= BOARD_PAGE_BYTES,
    "a child's page is one page");

/* Where a build has what in a page: bytes from its beginning, and how many. */
struct board_layout {
	uint32_t counters_at, ncounters;
	uint32_t gauges_at, ngauges;
	uint32_t named_at, nnamed;
};

/* A page as the master has it. */
struct board_slot {
	int fd;              /* -1: not taken */
	const uint64_t *map; /* read-only */
	struct board_layout layout;
};

/* The master's view of all pages. */
struct board {
	size_t npages;
	struct board_slot *pages;
};

/* A copy of a page, safe to compute with. */
struct board_copy {
	uint64_t counters[BOARD_NCOUNTERS];
	uint64_t gauges[BOARD_NGAUGES];
};

/* Of the pages that this build's children write. */
struct board_layout board_own_layout(void);

int board_open(struct board *, size_t npages, struct err *);
void board_close(struct board *);
struct board_layout board_layout_of(const struct board *, int page);
/* The descriptor a child needs for board_inherit(). */
int board_fd(const struct board *, int page);
/* A zeroed page for a child about to be forked: its number, or -1 with errno
 * when none is free. */
int board_take(struct board *);
void board_give(struct board *, int page);
/*
 * Take a page over from the image that ran before in this process: its number,
 * and fd is the board's; or -1 with errno, and fd is the caller's. EINVAL: it
 * is no such page, or the layout leads out of it; ENOSPC: none is free.
 */
int board_adopt(struct board *, int fd, struct board_layout);
/* Copy a page; a counter above 2^53 is what no honest child reaches and is
 * read as that. What the page's build does not have is 0. */
void board_read(const struct board *, int page, struct board_copy *);
/*
 * The named counter i < BOARD_NNAMED of a page: its name, with room for
 * BOARD_NAME_MAX + 1, and its value, clamped as counters are. False: there is
 * none, or what stands there is no name.
 */
bool board_read_named(const struct board *, int page, size_t i, char *name,
    uint64_t *value);
/* [a-z][a-z0-9_]*, at most BOARD_NAME_MAX letters. */
bool board_is_name(const char *, size_t len);
/* In the child: its page, writable, and nothing else of the board any more;
 * NULL and errno when it cannot be mapped. The numbers of the other pages'
 * descriptors are not touched: they were closed after the fork. */
struct board_page *board_inherit(struct board *, int page);

static inline void
board_add(struct board_page *p, enum board_counter c, uint64_t n)
{
	/* One writer, so a plain read of our own value is enough. */
	__atomic_store_n(&p->counters[c], p->counters[c] + n, __ATOMIC_RELAXED);
}

static inline void
board_set(struct board_page *p, enum board_gauge g, uint64_t value)
{
	__atomic_store_n(&p->gauges[g], value, __ATOMIC_RELAXED);
}

#endif

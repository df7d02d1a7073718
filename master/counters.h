/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counters.h: the handlers' own counters, by name, of all children and of
 * those that are gone. Names come from children: they are checked letter by
 * letter, compared and displayed, and there are so many at most.
 */
#ifndef TINE_MASTER_COUNTERS_H
#define TINE_MASTER_COUNTERS_H

#include <stdbool.h>

#include "shared/board.h"

/* A child that makes up names cannot make the master grow. */
#define COUNTERS_MAX 64

struct counter {
	char name[BOARD_NAME_MAX + 1];
	uint64_t value; /* at most BOARD_COUNT_MAX */
};

struct counters {
	size_t n;
	bool is_full; /* a name was left out */
	struct counter list[COUNTERS_MAX];
};

struct master;

/* False: the name is none, or there is no room for it. */
bool counters_add(struct counters *, const char *name, uint64_t n);
/* Add what stands in a page. */
void counters_fold(struct counters *, const struct board *, int page);
/* Of all children, those that are gone too, ordered by name. */
void counters_of_all(const struct master *, struct counters *);

#endif

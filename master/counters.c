/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counters.c: adds up what handlers count. Runs in the master, when a child has
 * died and when somebody asks; nothing is decided by it.
 */
#include "master/counters.h"

#include <stdlib.h>
#include <string.h>

#include "master/master.h"

static struct counter *
find(struct counters *cs, const char *name)
{
	size_t i;

	for (i = 0; i < cs->n; i++)
		if (strcmp(cs->list[i].name, name) == 0)
			return &cs->list[i];
	return NULL;
}

bool
counters_add(struct counters *cs, const char *name, uint64_t n)
{
	size_t len = strnlen(name, sizeof(cs->list[0].name));
	struct counter *c;

	if (!board_is_name(name, len))
		return false;
	c = find(cs, name);
	if (c == NULL && cs->n == COUNTERS_MAX) {
		cs->is_full = true;
		return false;
	}
	if (c == NULL) {
		c = &cs->list[cs->n++];
		*c = (struct counter){ .value = 0 };
		(void)memcpy(c->name, name, len);
	}
	c->value =
	    MIN_OF(c->value + MIN_OF(n, BOARD_COUNT_MAX), BOARD_COUNT_MAX);
	return true;
}

void
counters_fold(struct counters *cs, const struct board *b, int page)
{
	char name[BOARD_NAME_MAX + 1];
	uint64_t value;
	size_t i;

	for (i = 0; i < BOARD_NNAMED; i++)
		if (board_read_named(b, page, i, name, &value))
			(void)counters_add(cs, name, value);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct counter *)a)->name,
	    ((const struct counter *)b)->name);
}

void
counters_of_all(const struct master *m, struct counters *cs)
{
	const struct proc *p;

	*cs = m->counters;
	TAILQ_FOREACH(p, &m->procs, entry)
		if (!proc_is_admin(p))
			counters_fold(cs, &m->board, p->page);
	qsort(cs->list, cs->n, sizeof(cs->list[0]), by_name);
}

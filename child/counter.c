/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counter.c: the handlers' own counters. Runs in children. They stand in this
 * child's board page, beside their names, where the master finds and adds up
 * those of all children; which are taken is noted in the child's own memory.
 */
#include <string.h>

#include "child/child.h"

/* What a handler holds is a counter of the page. */
static struct tine_counter *
handed_out(struct board_named *n)
{
	return (struct tine_counter *)(void *)n;
}

/* The master may read at any time: the first word is what makes it a name. */
static void
publish(struct board_named *n, const char *name, size_t len)
{
	uint64_t words[BOARD_NAME_WORDS] = { 0 };
	size_t i;

	(void)memcpy(words, name, len);
	for (i = 1; i < BOARD_NAME_WORDS; i++)
		__atomic_store_n(&n->name[i], words[i], __ATOMIC_RELAXED);
	__atomic_store_n(&n->name[0], words[0], __ATOMIC_RELEASE);
}

struct tine_counter *
tine_counter(struct tine_child *s, const char *name)
{
	struct board_named *named;
	char own[BOARD_NAME_MAX + 1] = "";
	struct child *ch;
	size_t i, len;

	if (call_is_foreign(s, "tine_counter"))
		return NULL;
	if (name == NULL || !board_is_name(name, len = strlen(name))) {
		errno = EINVAL;
		return NULL;
	}
	ch = s->child;
	named = ch->board->named;
	for (i = 0; i < ch->ncounters; i++) {
		(void)memcpy(own, named[i].name, BOARD_NAME_MAX);
		if (strcmp(own, name) == 0)
			return handed_out(&named[i]);
	}
	if (i == BOARD_NNAMED) {
		errno = ENOSPC;
		return NULL;
	}
	publish(&named[i], name, len);
	ch->ncounters++;
	return handed_out(&named[i]);
}

void
tine_counter_add(struct tine_counter *counter, uint64_t n)
{
	struct board_named *named = (struct board_named *)(void *)counter;

	if (named != NULL)
		__atomic_store_n(&named->value, named->value + n,
		    __ATOMIC_RELAXED);
}

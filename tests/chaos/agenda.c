/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * agenda.c: what the chaos client has to do when. A binary heap of items that
 * live in their owners; an item knows its place, so it can be moved or taken
 * out. Entry 0 of the heap is not used.
 */
#include "client.h"

#include <err.h>
#include <stdlib.h>

static void
put(struct agenda *a, size_t i, struct agenda_item *item)
{
	a->heap[i] = item;
	item->index = i;
}

/* Let the item at i rise or sink to where it belongs. */
static void
settle(struct agenda *a, size_t i)
{
	struct agenda_item *item = a->heap[i];
	size_t next;

	for (; i > 1 && a->heap[i / 2]->at_ns > item->at_ns; i /= 2)
		put(a, i, a->heap[i / 2]);
	while ((next = 2 * i) <= a->n) {
		if (next < a->n &&
		    a->heap[next + 1]->at_ns < a->heap[next]->at_ns)
			next++;
		if (a->heap[next]->at_ns >= item->at_ns)
			break;
		put(a, i, a->heap[next]);
		i = next;
	}
	put(a, i, item);
}

void
agenda_set(struct agenda *a, struct agenda_item *item, uint64_t at_ns)
{
	item->at_ns = at_ns;
	if (item->index == 0) {
		if (a->n + 1 >= a->room) {
			a->room = MAX_OF(2 * a->room, 1024);
			a->heap = reallocarray(a->heap, a->room,
			    sizeof(struct agenda_item *));
			if (a->heap == NULL)
				err(1, "agenda");
		}
		put(a, ++a->n, item);
	}
	settle(a, item->index);
}

void
agenda_remove(struct agenda *a, struct agenda_item *item)
{
	struct agenda_item *last;
	size_t hole = item->index;

	if (hole == 0)
		return;
	item->index = 0;
	last = a->heap[a->n--];
	if (last == item)
		return;
	put(a, hole, last);
	settle(a, hole);
}

uint64_t
agenda_next(const struct agenda *a)
{
	return a->n == 0 ? UINT64_MAX : a->heap[1]->at_ns;
}

void
agenda_run(struct agenda *a, uint64_t now)
{
	struct agenda_item *item;

	while (agenda_next(a) <= now) {
		item = a->heap[1];
		agenda_remove(a, item);
		a->late_ns = MAX_OF(a->late_ns, now - item->at_ns);
		item->fn(item->owner, now);
	}
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * slab.c: memory of connections. Runs in children. Pages of 64 objects are
 * made as they are needed and kept until the child ends; an object keeps its
 * number for life and gets a new generation at each use, so that a handle is
 * never used again.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "child/child.h"

#define ALIGN_UP(n) (((n) + 15U) & ~(size_t)15U)
#define GENERATION_ONE (UINT64_C(1) << 32)
#define GENERATION_LAST (UINT64_C(0xffffffff) << 32)

_Static_assert(sizeof(struct tine_conn) <= 128,
    "an idle connection must stay small");

void
slab_init(struct slab *s, size_t state_bytes)
{
	SLIST_INIT(&s->pages);
	STAILQ_INIT(&s->free);
	s->object_bytes = CONN_STATE_OFFSET + ALIGN_UP(state_bytes);
	s->peer_at = 0;
}

void
slab_add_peer(struct slab *s)
{
	s->peer_at = s->object_bytes;
	s->object_bytes += ALIGN_UP(sizeof(peer_key));
}

void
slab_fini(struct slab *s)
{
	struct slab_page *page;

	while ((page = SLIST_FIRST(&s->pages)) != NULL) {
		SLIST_REMOVE_HEAD(&s->pages, entry);
		free(page);
	}
	STAILQ_INIT(&s->free);
}

struct tine_conn *
slab_object(struct slab_page *page, size_t i)
{
	return (
	    struct tine_conn *)(void *)(page->objects + i * page->object_bytes);
}

static int
add_page(struct slab *s, struct handle_table *handles)
{
	struct slab_page *page;
	struct tine_conn *c;
	uint32_t first;
	size_t i;

	page = calloc(1, sizeof(*page) + SLAB_OBJECTS * s->object_bytes);
	if (page == NULL)
		return -1;
	page->object_bytes = s->object_bytes;
	first = handle_add_page(handles, page);
	if (first == 0) {
		free(page);
		return -1;
	}
	SLIST_INSERT_HEAD(&s->pages, page, entry);
	for (i = SLAB_OBJECTS; i-- > 0;) {
		c = slab_object(page, i);
		c->handle = first + (uint32_t)i;
		STAILQ_INSERT_HEAD(&s->free, c, link);
	}
	return 0;
}

struct tine_conn *
slab_take(struct slab *s, struct handle_table *handles)
{
	struct tine_conn *c;
	uint64_t handle;

	if (STAILQ_EMPTY(&s->free) && add_page(s, handles) == -1)
		return NULL;
	c = STAILQ_FIRST(&s->free);
	STAILQ_REMOVE_HEAD(&s->free, link);
	handle = c->handle;
	(void)memset(c, 0, s->object_bytes);
	c->handle = handle;
	return c;
}

void
slab_give(struct slab *s, struct tine_conn *c)
{
	assert(c->state == CONN_FREE);
	/* Out of generations: this object has done its duty. */
	if (c->handle >= GENERATION_LAST)
		return;
	c->handle += GENERATION_ONE;
	STAILQ_INSERT_HEAD(&s->free, c, link);
}

peer_key *
slab_peer(const struct slab *s, struct tine_conn *c)
{
	return (peer_key *)(void *)((char *)c + s->peer_at);
}

void
slab_each(struct slab *s, void (*fn)(struct tine_conn *))
{
	struct slab_page *page;
	struct tine_conn *c;
	size_t i;

	SLIST_FOREACH(page, &s->pages, entry)
		for (i = 0; i < SLAB_OBJECTS; i++) {
			c = slab_object(page, i);
			if (c->state != CONN_FREE && c->state != CONN_CLOSED)
				fn(c);
		}
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sweep.c: the end of a turn. Runs in children. Owns the lists of the dirty,
 * which are settled before the loop waits, of the later, which have a turn of
 * their own, and of the dead, which nobody up the stack can hold any more.
 */
#include "child/child.h"
#include "child/fiber.h"

void
conn_mark_dirty(struct tine_conn *c)
{
	struct child *ch = conn_server(c)->child;

	if (c->is_dirty || c == ch->current || c->state == CONN_CLOSED)
		return;
	c->is_dirty = true;
	STAILQ_INSERT_TAIL(&ch->dirty, c, link);
}

void
conn_again(struct tine_conn *c)
{
	if (c->state > CONN_OPEN)
		return;
	c->wants_data = true;
	conn_mark_dirty(c);
}

void
conn_mark_later(struct tine_conn *c)
{
	if (c->is_dirty)
		return;
	c->is_dirty = true;
	STAILQ_INSERT_TAIL(&conn_server(c)->child->later, c, link);
}

/* Those that wanted a turn of their own have it now; who wants another one is
 * put back. */
static void
run_later(struct child *ch)
{
	struct conn_list due = STAILQ_HEAD_INITIALIZER(due);
	struct tine_conn *c;

	STAILQ_CONCAT(&due, &ch->later);
	while ((c = STAILQ_FIRST(&due)) != NULL) {
		STAILQ_REMOVE_HEAD(&due, link);
		c->is_dirty = false;
		if (c->state == CONN_CLOSED) {
			STAILQ_INSERT_TAIL(&ch->dead, c, link);
			continue;
		}
		if (c->state == CONN_CONNECTING) {
			conn_begin(c);
			continue;
		}
		/* Who was paused meanwhile asks again when he resumes. */
		codec_begin(c);
		if (c->state == CONN_OPEN && c->wants_data && !c->is_paused)
			input_present(c);
		c->wants_data &= !c->is_paused;
		conn_settle(c);
	}
}

/* Settling one may dirty another, but calls `drained` of none: that waits for
 * an event, so this ends. */
static void
run_dirty(struct child *ch)
{
	struct tine_conn *c;

	while ((c = STAILQ_FIRST(&ch->dirty)) != NULL) {
		STAILQ_REMOVE_HEAD(&ch->dirty, link);
		c->is_dirty = false;
		if (c->state == CONN_CLOSED)
			STAILQ_INSERT_TAIL(&ch->dead, c, link);
		else
			conn_settle(c);
	}
}

static void
drop_extra(struct tine_conn *c)
{
	if (c->extra == NULL)
		return;
	pool_put(&conn_server(c)->child->pool, c->extra, c->extra->size);
	c->extra = NULL;
}

static void
free_dead(struct child *ch)
{
	struct tine_conn *c;

	while ((c = STAILQ_FIRST(&ch->dead)) != NULL) {
		STAILQ_REMOVE_HEAD(&ch->dead, link);
		drop_extra(c);
		conn_set_state(c, CONN_FREE);
		slab_give(&conn_server(c)->slab, c);
	}
}

/* Apart, so that a turn without any of it does not pay for its frame. */
static __attribute__((noinline)) void
sweep(struct child *ch)
{
	if (!STAILQ_EMPTY(&ch->later))
		run_later(ch);
	if (!STAILQ_EMPTY(&ch->dirty))
		run_dirty(ch);
	if (!STAILQ_EMPTY(&ch->dead))
		free_dead(ch);
	if ((STAILQ_EMPTY(&ch->later) && !fibers_are_ready(ch)) ==
	    !ev_is_active(&ch->awake))
		return;
	if (ev_is_active(&ch->awake))
		ev_idle_stop(ch->loop, &ch->awake);
	else
		ev_idle_start(ch->loop, &ch->awake);
}

void
conn_sweep(struct child *ch)
{
	if (STAILQ_EMPTY(&ch->later) && STAILQ_EMPTY(&ch->dirty) &&
	    STAILQ_EMPTY(&ch->dead) && !ev_is_active(&ch->awake))
		return;
	sweep(ch);
}

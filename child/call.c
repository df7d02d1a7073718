/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * call.c: into handler code and back. Runs in children. The one gate: it notes
 * what runs, for the crash line and the board, and whose output the stage
 * takes. Callbacks never nest, but for the close of another connection.
 */
#include "child/child.h"

void
call_enter(struct tine_child *s, const struct tine_conn *c,
    enum board_callback what)
{
	struct child *ch = s->child;

	/* Stays behind the callback: whose was the last one? */
	if (ch->doing.server != s)
		board_set(ch->board, BOARD_DOING_SERVER,
		    (uint64_t)(s - ch->servers) + 1);
	/* The time of this turn: good enough, and no call into the system. */
	ch->doing = (struct doing){ s, c, what };
	board_set(ch->board, BOARD_DOING_SINCE_NS,
	    ch->clock_base_ns + (uint64_t)(child_now(ch) * 1e9));
	board_set(ch->board, BOARD_DOING_CALLBACK, what);
}

void
call_leave(struct tine_child *s)
{
	s->child->doing.callback = BOARD_IN_NONE;
	board_set(s->child->board, BOARD_DOING_CALLBACK, BOARD_IN_NONE);
}

enum tine_action
call_action(struct tine_conn *c, enum board_callback what,
    enum tine_action (*fn)(struct tine_conn *))
{
	enum tine_action action;

	c->server->child->current = c;
	call_enter(c->server, c, what);
	action = fn(c);
	call_leave(c->server);
	return action;
}

void
call_notice(struct tine_conn *c, enum board_callback what,
    void (*fn)(struct tine_conn *))
{
	if (fn == NULL)
		return;
	c->server->child->current = c;
	call_enter(c->server, c, what);
	fn(c);
	call_leave(c->server);
}

bool
call_quiesce(struct tine_conn *c)
{
	bool yes;

	if (c->server->handler.quiesce == NULL)
		return false;
	c->server->child->current = c;
	call_enter(c->server, c, BOARD_IN_QUIESCE);
	yes = c->server->handler.quiesce(c);
	call_leave(c->server);
	return yes;
}

void
call_close(struct tine_conn *c, enum tine_cause cause, int err)
{
	struct child *ch = c->server->child;
	struct tine_conn *current = ch->current;

	if (c->server->handler.close == NULL)
		return;
	/* What it writes to others is queued, not staged. */
	ch->current = NULL;
	call_enter(c->server, c, BOARD_IN_CLOSE);
	c->server->handler.close(c, cause, err);
	call_leave(c->server);
	ch->current = current;
}

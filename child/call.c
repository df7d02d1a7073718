/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * call.c: into handler code and back. Runs in children. The one gate: it notes
 * what runs, for the crash line and the board, and whose output the stage
 * takes. Callbacks never nest, but for the close of another connection.
 */
#include <errno.h>
#include <stdio.h>

#include "child/child.h"
#include "child/task.h"

__thread struct call_thread call_thread;

/* A call from another thread, on its way to the log. */
static struct stray {
	struct task task; /* first */
	const struct tine_child *server;
	const char *call;
	bool is_used; /* by one thread */
} stray;

void
call_enter(struct tine_child *s, const struct tine_conn *c,
    enum board_callback what)
{
	struct child *ch = s->child;

	/* Stays behind the callback: whose was the last one? */
	if (ch->doing.server != s)
		board_set(ch->board, BOARD_DOING_SERVER,
		    (uint64_t)(server_origin(s) - ch->servers) + 1);
	/* The time of this turn: good enough, and no call into the system. */
	ch->doing = (struct doing){ s, c, what };
	ch->lag.turn_ns = ch->clock_base_ns + (uint64_t)(child_now(ch) * 1e9);
	board_set(ch->board, BOARD_DOING_SINCE_NS, ch->lag.turn_ns);
	board_set(ch->board, BOARD_DOING_CALLBACK, what);
}

void
call_leave(struct tine_child *s)
{
	lag_on_return(s);
	s->child->doing.callback = BOARD_IN_NONE;
	board_set(s->child->board, BOARD_DOING_CALLBACK, BOARD_IN_NONE);
}

struct tine_child *
call_server(void)
{
	const struct child *ch = task_child();

	if (ch == NULL || ch->doing.callback == BOARD_IN_NONE)
		return NULL;
	return server_origin(ch->doing.server);
}

enum tine_action
call_action(struct tine_conn *c, enum board_callback what,
    enum tine_action (*fn)(struct tine_conn *))
{
	enum tine_action action;

	conn_server(c)->child->current = c;
	call_enter(conn_server(c), c, what);
	action = fn(c);
	call_leave(conn_server(c));
	return action;
}

void
call_notice(struct tine_conn *c, enum board_callback what,
    void (*fn)(struct tine_conn *))
{
	if (fn == NULL)
		return;
	conn_server(c)->child->current = c;
	call_enter(conn_server(c), c, what);
	fn(c);
	call_leave(conn_server(c));
}

/* ---- within another callback, perhaps ---- */

static void
resume(struct child *ch, const struct doing *was)
{
	ch->doing = *was;
	board_set(ch->board, BOARD_DOING_CALLBACK, was->callback);
}

void
call_before_write(struct tine_conn *c)
{
	struct child *ch = conn_server(c)->child;
	const struct doing was = ch->doing;
	struct tine_conn *current = ch->current;

	if (conn_server(c)->handler.before_write == NULL ||
	    was.callback == BOARD_IN_BEFORE_WRITE)
		return;
	call_notice(c, BOARD_IN_BEFORE_WRITE,
	    conn_server(c)->handler.before_write);
	ch->current = current;
	resume(ch, &was);
}

void
call_overflow(struct tine_conn *c, size_t refused)
{
	struct child *ch = conn_server(c)->child;
	const struct doing was = ch->doing;
	enum tine_action action;

	if (conn_server(c)->handler.overflow == NULL ||
	    was.callback == BOARD_IN_OVERFLOW)
		return;
	call_enter(conn_server(c), c, BOARD_IN_OVERFLOW);
	action = conn_server(c)->handler.overflow(c, refused);
	call_leave(conn_server(c));
	resume(ch, &was);
	conn_obey(c, action);
	conn_mark_dirty(c);
}

void
call_release(struct tine_conn *c, struct chunk *k)
{
	struct child *ch = conn_server(c)->child;
	const struct doing was = ch->doing;

	call_enter(conn_server(c), c, BOARD_IN_RELEASE);
	chunk_free(&ch->pool, k);
	call_leave(conn_server(c));
	resume(ch, &was);
}

bool
call_quiesce(struct tine_conn *c)
{
	bool yes;

	if (conn_server(c)->handler.quiesce == NULL)
		return false;
	conn_server(c)->child->current = c;
	call_enter(conn_server(c), c, BOARD_IN_QUIESCE);
	yes = conn_server(c)->handler.quiesce(c);
	call_leave(conn_server(c));
	return yes;
}

int
call_decode(struct tine_conn *c, const void *in, size_t len,
    struct tine_frame *f)
{
	const struct tine_codec *codec = conn_server(c)->handler.codec;
	int rc;

	conn_server(c)->child->current = c;
	call_enter(conn_server(c), c, BOARD_IN_FRAME);
	rc = codec->decode(codec, c, in, len, f);
	call_leave(conn_server(c));
	return rc;
}

enum tine_action
call_frame(struct tine_conn *c, const void *bytes, size_t len)
{
	enum tine_action action;

	conn_server(c)->child->current = c;
	call_enter(conn_server(c), c, BOARD_IN_FRAME);
	action = conn_server(c)->handler.frame(c, bytes, len);
	call_leave(conn_server(c));
	return action;
}

void
call_close(struct tine_conn *c, enum tine_cause cause, int err)
{
	struct child *ch = conn_server(c)->child;
	struct tine_conn *current = ch->current;
	struct doing outer = ch->doing;

	if (conn_server(c)->handler.close == NULL)
		return;
	/* What it writes to others is queued, not staged. */
	ch->current = NULL;
	call_enter(conn_server(c), c, BOARD_IN_CLOSE);
	conn_server(c)->handler.close(c, cause, err);
	/* Closed by a callback of another: that one goes on. */
	if (outer.callback != BOARD_IN_NONE)
		call_enter(outer.server, outer.conn, outer.callback);
	else
		call_leave(conn_server(c));
	ch->current = current;
}

/* ---- from another thread ---- */

/* The pointer came from the handler: it is compared before it is followed. */
static struct tine_child *
find_server(const struct child *ch, const struct tine_child *s)
{
	struct tine_child *side;
	size_t i;

	for (i = 0; i < ch->nservers; i++) {
		if (&ch->servers[i] == s)
			return &ch->servers[i];
		SLIST_FOREACH(side, &ch->servers[i].sides, side)
			if (side == s)
				return side;
	}
	return NULL;
}

static void
blame(struct child *ch, struct task *t)
{
	static bool is_said;
	struct stray seen = *(struct stray *)t;
	struct tine_child *s = find_server(ch, seen.server);
	char what[96];

	__atomic_store_n(&stray.is_used, false, __ATOMIC_RELEASE);
	(void)snprintf(what, sizeof(what),
	    "%s() from a thread that is not the loop's", seen.call);
	if (s != NULL) {
		server_blame(s, what);
	} else if (!is_said) {
		is_said = true;
		log_warn("some handler: %s", what);
	}
}

bool
call_refuse(const struct tine_child *s, const char *call)
{
	if (!__atomic_exchange_n(&stray.is_used, true, __ATOMIC_ACQUIRE)) {
		stray.task.run = blame;
		stray.server = s;
		if (s == NULL && call_thread.doing != NULL)
			stray.server = call_thread.doing->server;
		stray.call = call;
		if (task_push(&stray.task, TINE_ORDINARY) == -1)
			__atomic_store_n(&stray.is_used, false,
			    __ATOMIC_RELEASE);
	}
	errno = EPERM;
	return true;
}

void
call_detached(struct tine_conn *c, int fd, const void *unread, size_t len)
{
	struct tine_child *s = conn_server(c);
	struct tine_conn *current = s->child->current;

	s->child->current = NULL;
	call_enter(s, c, BOARD_IN_DETACHED);
	s->handler.detached(server_origin(s), fd, unread, len);
	call_leave(s);
	s->child->current = current == c ? NULL : current;
}

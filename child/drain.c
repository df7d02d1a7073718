/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drain.c: the end of a child that has connections. Runs in children. First
 * they may go on as they like; after the grace each handler that can is asked,
 * connection by connection, whether it may go; at the deadline all are closed
 * in order, and one second later for good.
 */
#include "child/child.h"

#define CUT_SECONDS 1.0
/* A client that has just connected may take so long to say something, however
 * short the grace. */
#define NEWCOMER_SECONDS 1.0

static double
newcomer_seconds(const struct child *ch)
{
	return MAX_OF(ch->conf->keepalive_grace, NEWCOMER_SECONDS);
}

bool
drain_may_ask(const struct tine_conn *c)
{
	const struct child *ch = conn_server(c)->child;

	return c->has_received ||
	    child_now(ch) - (double)c->opened / CONN_TICKS_PER_SEC >=
	    newcomer_seconds(ch);
}

static void
ask_to_go(struct tine_conn *c)
{
	/* It asks quiesce on its way. */
	conn_settle(c);
}

static void
on_grace(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct child *ch = w->data;

	(void)revents;
	ch->drain.is_quiescing = true;
	child_each_conn(ch, ask_to_go);
	/* Slots that are served to the end bring newcomers. */
	ev_timer_set(w, newcomer_seconds(ch), 0.);
	ev_timer_start(loop, w);
}

static void
cut(struct tine_conn *c)
{
	struct child *ch = conn_server(c)->child;

	if (c->state != CONN_LINGERING)
		ch->drain.cut++;
	conn_finish(c, TINE_DRAIN);
	conn_settle(c);
}

static void
on_deadline(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct child *ch = w->data;

	(void)revents;
	if (ch->drain.is_cutting) {
		child_close_conns(ch);
		child_leave(ch);
		return;
	}
	ch->drain.is_cutting = true;
	accept_update(ch);
	ev_timer_set(w, CUT_SECONDS, 0.);
	ev_timer_start(loop, w);
	child_each_conn(ch, cut);
	if (ch->drain.cut > 0)
		log_info("drain-timeout: closing %u connection%s",
		    (unsigned)ch->drain.cut, ch->drain.cut == 1 ? "" : "s");
	/* A slot may have been all it stayed for. */
	drain_check(ch);
}

void
drain_init(struct child *ch)
{
	ev_init(&ch->drain.grace, on_grace);
	ev_init(&ch->drain.deadline, on_deadline);
	ch->drain.grace.data = ch;
	ch->drain.deadline.data = ch;
}

static void
restart(struct child *ch, ev_timer *w, double seconds)
{
	ev_timer_stop(ch->loop, w);
	ev_timer_set(w, seconds, 0.);
	ev_timer_start(ch->loop, w);
}

void
drain_begin(struct child *ch, double seconds, enum ctl_reason reason)
{
	bool is_first = ch->state != CHILD_DRAINING;

	if (ch->state == CHILD_LEAVING || ch->drain.is_cutting)
		return;
	ch->drain.reason = reason;
	if (is_first) {
		log_write(ch->nconns > 0 ? LOG_INFO : LOG_DEBUG,
		    "draining, connections open: %llu: %s",
		    (unsigned long long)ch->nconns, ctl_reason_names[reason]);
		child_set_state(ch, CHILD_DRAINING);
		accept_update(ch);
		restart(ch, &ch->drain.grace,
		    MIN_OF(ch->conf->keepalive_grace, seconds));
	}
	if (is_first ||
	    ev_timer_remaining(ch->loop, &ch->drain.deadline) > seconds)
		restart(ch, &ch->drain.deadline, seconds);
	drain_check(ch);
}

void
drain_resume(struct child *ch)
{
	if (ch->state != CHILD_DRAINING || ch->drain.is_cutting)
		return;
	ev_timer_stop(ch->loop, &ch->drain.grace);
	ev_timer_stop(ch->loop, &ch->drain.deadline);
	ch->drain.is_quiescing = false;
	log_info("not draining any more");
	child_serve(ch);
}

void
drain_check(struct child *ch)
{
	if (ch->nconns == 0 && ch->state == CHILD_DRAINING &&
	    !accept_is_open(ch) &&
	    (ch->drain.is_cutting || !offload_is_pending(ch)))
		child_leave(ch);
}

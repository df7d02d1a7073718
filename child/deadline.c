/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * deadline.c: the five timeouts of a connection, and the second after FIN.
 * Runs in children. All that wait for one reason wait equally long, so a list
 * is ordered when each newcomer goes to its end: no heap operation and no
 * system call a request. One timer a list wakes up for its head; it is not
 * moved when the head is, but looks again when it fires.
 */
#include <assert.h>

#include "child/child.h"

/* Timers may fire a little early by rounding: not worth another turn. */
#define SLACK_SECONDS 0.001

static const enum tine_cause causes[DEADLINE_NKINDS] = {
	[DEADLINE_FIRST_BYTE] = TINE_FIRST_BYTE,
	[DEADLINE_READ] = TINE_READ_TIMEOUT,
	[DEADLINE_WRITE] = TINE_WRITE_TIMEOUT,
	[DEADLINE_IDLE] = TINE_IDLE,
	[DEADLINE_LIFETIME] = TINE_LIFETIME,
};

static enum deadline_kind
kind_of(const struct deadline_list *l)
{
	return (enum deadline_kind)(l - l->server->deadlines);
}

static struct tine_conn *
owner_of(struct deadline *d, enum deadline_kind kind)
{
	char *p = (char *)d;

	if (kind == DEADLINE_LIFETIME) {
		p -= offsetof(struct conn_extra, life);
		return ((struct conn_extra *)(void *)p)->conn;
	}
	return (
	    struct tine_conn *)(void *)(p - offsetof(struct tine_conn, phase));
}

static void
expire(struct tine_conn *c, enum deadline_kind kind)
{
	/* Why we said goodbye matters, not how long the peer took. */
	enum tine_cause cause =
	    kind == DEADLINE_LINGER ? (enum tine_cause)c->cause : causes[kind];

	/* What the kernel still holds for this peer would outlive us by
	 * minutes, and a FIN would tell it that it got everything. */
	if (output_bytes(c) > 0)
		conn_abort(c, cause, 0);
	else
		conn_close(c, cause, 0);
}

static void
wake_for(struct deadline_list *l, const struct deadline *head)
{
	struct child *ch = l->server->child;
	double wait = head->at - child_now(ch);

	ev_timer_set(&l->timer, MAX_OF(wait, 0.), 0.);
	ev_timer_start(ch->loop, &l->timer);
}

/* The peer has spoken in time, and the read event of this turn will see it:
 * after a long turn, or a stop of the process, that may be many. */
static bool
is_heard_late(const struct tine_conn *c, enum deadline_kind kind)
{
	return (kind == DEADLINE_IDLE || kind == DEADLINE_FIRST_BYTE) &&
	    input_is_waiting(c);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct deadline_list *l = w->data;
	double now = child_now(l->server->child) + SLACK_SECONDS;
	enum deadline_kind kind = kind_of(l);
	struct deadline *head;

	(void)loop;
	(void)revents;
	while ((head = TAILQ_FIRST(&l->entries)) != NULL && head->at <= now) {
		if (!is_heard_late(owner_of(head, kind), kind)) {
			expire(owner_of(head, kind), kind);
			continue;
		}
		TAILQ_REMOVE(&l->entries, head, entry);
		head->at = now + l->seconds;
		TAILQ_INSERT_TAIL(&l->entries, head, entry);
	}
	if (head != NULL)
		wake_for(l, head);
}

static void
enlist(struct deadline_list *l, struct deadline *d)
{
	d->at = child_now(l->server->child) + l->seconds;
	TAILQ_INSERT_TAIL(&l->entries, d, entry);
	if (!ev_is_active(&l->timer))
		wake_for(l, d);
}

void
deadline_init(struct tine_child *s)
{
	const struct conf_timeouts *t = &s->conf->timeouts;
	const double seconds[DEADLINE_NKINDS] = {
		[DEADLINE_FIRST_BYTE] = t->first_byte,
		[DEADLINE_READ] = t->read,
		[DEADLINE_WRITE] = t->write,
		[DEADLINE_IDLE] = t->idle,
		[DEADLINE_LINGER] = LINGER_SECONDS,
		[DEADLINE_LIFETIME] = t->lifetime,
	};
	size_t i;

	for (i = 0; i < DEADLINE_NKINDS; i++) {
		struct deadline_list *l = &s->deadlines[i];

		TAILQ_INIT(&l->entries);
		l->seconds = seconds[i];
		l->server = s;
		ev_init(&l->timer, on_timer);
		l->timer.data = l;
	}
}

void
deadline_fini(struct tine_child *s)
{
	size_t i;

	for (i = 0; i < DEADLINE_NKINDS; i++) {
		assert(TAILQ_EMPTY(&s->deadlines[i].entries));
		ev_timer_stop(s->child->loop, &s->deadlines[i].timer);
	}
}

int
deadline_begin(struct tine_conn *c)
{
	struct deadline_list *l = &conn_server(c)->deadlines[DEADLINE_LIFETIME];

	c->phase_kind = DEADLINE_NONE;
	if (l->seconds <= 0)
		return 0;
	if (conn_extra(c) == NULL)
		return -1;
	enlist(l, &c->extra->life);
	return 0;
}

static enum deadline_kind
phase_of(const struct tine_conn *c)
{
	if (c->state == CONN_LINGERING)
		return DEADLINE_LINGER;
	if (output_bytes(c) > 0)
		return DEADLINE_WRITE;
	if (input_bytes(c) > 0)
		return DEADLINE_READ;
	return c->has_received ? DEADLINE_IDLE : DEADLINE_FIRST_BYTE;
}

/* Has happened what the phase waits for? */
static bool
is_refreshed(const struct tine_conn *c, enum deadline_kind kind)
{
	switch (kind) {
	case DEADLINE_WRITE:
		return c->has_sent;
	case DEADLINE_IDLE:
		return c->has_read || c->has_sent;
	case DEADLINE_READ:
		return c->has_consumed;
	default:
		return false;
	}
}

static void
leave_phase(struct tine_conn *c)
{
	struct deadline_list *l;

	if (c->phase_kind == DEADLINE_NONE)
		return;
	l = &conn_server(c)->deadlines[c->phase_kind];
	if (l->seconds > 0)
		TAILQ_REMOVE(&l->entries, &c->phase, entry);
	c->phase_kind = DEADLINE_NONE;
}

void
deadline_update(struct tine_conn *c)
{
	enum deadline_kind kind = phase_of(c);
	struct deadline_list *l = &conn_server(c)->deadlines[kind];

	if (kind != c->phase_kind || is_refreshed(c, kind)) {
		leave_phase(c);
		c->phase_kind = (uint8_t)kind;
		if (l->seconds > 0)
			enlist(l, &c->phase);
	}
	c->has_read = false;
	c->has_sent = false;
	c->has_consumed = false;
}

void
deadline_end(struct tine_conn *c)
{
	struct deadline_list *l = &conn_server(c)->deadlines[DEADLINE_LIFETIME];

	leave_phase(c);
	if (l->seconds > 0)
		TAILQ_REMOVE(&l->entries, &c->extra->life, entry);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * deadline.c: the five timeouts of a connection, and the second after FIN.
 * Runs in children. All that wait for one reason wait equally long, so a list
 * is ordered when each newcomer goes to its end: no heap operation and no
 * system call a request. One timer a list wakes up for its head; it is not
 * moved when the head is, but looks again when it fires.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "child/child.h"

/* Timers may fire a little early by rounding: not worth another turn. */
#define SLACK_SECONDS 0.001
/* Of what tine_set_timeout() takes: ten years. */
#define OWN_SECONDS_MAX 3e8
/* Looking for a silent one costs a system call each: those that the loop is
 * about to serve are few. */
#define LOOKS_MAX 64

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
	if (output_bytes(c) > 0 || kind == DEADLINE_WRITE)
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
 * after a long turn, or a stop of the process, that may be many. What comes to
 * one that is paused is seen by nobody. */
static bool
is_heard_late(const struct tine_conn *c, enum deadline_kind kind)
{
	return (kind == DEADLINE_IDLE || kind == DEADLINE_FIRST_BYTE) &&
	    conn_may_read(c) && input_is_waiting(c);
}

/* Is it at least so long in its list? A list that is switched off has none. */
static struct tine_conn *
head_since(struct deadline_list *l, double seconds, double *since)
{
	struct deadline *head = TAILQ_FIRST(&l->entries), *next;
	struct tine_conn *c;
	unsigned looks = LOOKS_MAX;

	for (; head != NULL && looks-- > 0; head = next) {
		next = TAILQ_NEXT(head, entry);
		*since = head->at - l->seconds;
		if (*since + seconds > child_now(l->server->child))
			break;
		c = owner_of(head, kind_of(l));
		/* One of the handler's own making is not its client's. */
		if (c->listener != CONN_NO_LISTENER && !input_is_waiting(c))
			return c;
	}
	return NULL;
}

struct tine_conn *
deadline_silent(struct tine_child *s, double seconds, double *since)
{
	double at[2] = { 0 };
	struct tine_conn *idle, *mute;

	idle = head_since(&s->deadlines[DEADLINE_IDLE], seconds, &at[0]);
	mute = head_since(&s->deadlines[DEADLINE_FIRST_BYTE], seconds, &at[1]);
	if (mute == NULL || (idle != NULL && at[0] <= at[1])) {
		*since = at[0];
		return idle;
	}
	*since = at[1];
	return mute;
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

/* ---- of one connection only ---- */

/* Timeouts that tine_set_timeout() gave one connection. Its timers are not
 * moved with each request either: they look again when they fire. */
struct own_deadlines {
	struct tine_conn *conn;
	double seconds[DEADLINE_NKINDS]; /* negative: as configured */
	ev_timer phase, life;
};

static double
own_seconds(const struct tine_conn *c, enum deadline_kind kind)
{
	return c->extra == NULL || c->extra->own == NULL
	    ? -1
	    : c->extra->own->seconds[kind];
}

static void
own_wake(struct own_deadlines *o, ev_timer *w, double at)
{
	struct ev_loop *loop = conn_server(o->conn)->child->loop;
	double wait = at - child_now(conn_server(o->conn)->child);

	if (ev_is_active(w) && ev_timer_remaining(loop, w) <= wait)
		return;
	ev_timer_stop(loop, w);
	ev_timer_set(w, MAX_OF(wait, 0.), 0.);
	ev_timer_start(loop, w);
}

static void
on_own_phase(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct own_deadlines *o = w->data;
	struct tine_conn *c = o->conn;
	enum deadline_kind kind = (enum deadline_kind)c->phase_kind;
	double now = child_now(conn_server(c)->child);

	(void)loop;
	(void)revents;
	if (!c->has_own_phase)
		return;
	if (c->phase.at <= now + SLACK_SECONDS && is_heard_late(c, kind))
		c->phase.at = now + o->seconds[kind];
	if (c->phase.at > now + SLACK_SECONDS)
		own_wake(o, w, c->phase.at);
	else
		expire(c, kind);
}

static void
on_own_life(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct own_deadlines *o = w->data;

	(void)loop;
	(void)revents;
	expire(o->conn, DEADLINE_LIFETIME);
}

static struct own_deadlines *
own_of(struct tine_conn *c)
{
	struct conn_extra *x = conn_extra(c);
	struct own_deadlines *o;
	size_t i;

	if (x == NULL || x->own != NULL)
		return x == NULL ? NULL : x->own;
	o = malloc(sizeof(*o));
	if (o == NULL)
		return NULL;
	o->conn = c;
	for (i = 0; i < DEADLINE_NKINDS; i++)
		o->seconds[i] = -1;
	ev_init(&o->phase, on_own_phase);
	ev_init(&o->life, on_own_life);
	o->phase.data = o;
	o->life.data = o;
	x->own = o;
	return o;
}

static void
own_end(struct tine_conn *c)
{
	struct own_deadlines *o = c->extra == NULL ? NULL : c->extra->own;
	struct ev_loop *loop = conn_server(c)->child->loop;

	if (o == NULL)
		return;
	ev_timer_stop(loop, &o->phase);
	ev_timer_stop(loop, &o->life);
	c->extra->own = NULL;
	free(o);
}

/* ---- of all ---- */

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
	c->extra->is_life_listed = true;
	enlist(l, &c->extra->life);
	return 0;
}

static enum deadline_kind
phase_of(const struct tine_conn *c)
{
	if (c->state == CONN_LINGERING)
		return DEADLINE_LINGER;
	/* What waits for a pipe or for the handler is not the peer's fault. */
	if (output_bytes(c) > 0 && !c->is_dry && !output_is_held(c))
		return DEADLINE_WRITE;
	/* Congested and all out: the handler waits until the kernel wants more,
	 * which it does not while the peer takes nothing. */
	if (output_bytes(c) == 0 && c->is_congested)
		return DEADLINE_WRITE;
	/* Who is not read cannot be late. */
	if (c->is_paused)
		return DEADLINE_IDLE;
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
	if (c->is_listed)
		TAILQ_REMOVE(&l->entries, &c->phase, entry);
	c->is_listed = false;
	c->has_own_phase = false;
	c->phase_kind = DEADLINE_NONE;
}

static void
enter_phase(struct tine_conn *c, enum deadline_kind kind)
{
	struct deadline_list *l = &conn_server(c)->deadlines[kind];
	double own = own_seconds(c, kind);

	c->phase_kind = (uint8_t)kind;
	if (own > 0) {
		c->phase.at = child_now(conn_server(c)->child) + own;
		c->has_own_phase = true;
		own_wake(c->extra->own, &c->extra->own->phase, c->phase.at);
	} else if (own < 0 && l->seconds > 0) {
		c->is_listed = true;
		enlist(l, &c->phase);
	}
}

/* In the same phase as before, and it waits as long as for others. */
static void
wait_anew(struct tine_conn *c)
{
	struct deadline_list *l = &conn_server(c)->deadlines[c->phase_kind];

	TAILQ_REMOVE(&l->entries, &c->phase, entry);
	enlist(l, &c->phase);
}

void
deadline_update(struct tine_conn *c)
{
	enum deadline_kind kind = phase_of(c);

	if (kind != c->phase_kind) {
		leave_phase(c);
		enter_phase(c, kind);
	} else if (is_refreshed(c, kind)) {
		if (c->is_listed)
			wait_anew(c);
		else
			enter_phase(c, kind);
	}
	c->has_read = false;
	c->has_sent = false;
	c->has_consumed = false;
}

static void
leave_life(struct tine_conn *c)
{
	struct deadline_list *l = &conn_server(c)->deadlines[DEADLINE_LIFETIME];

	if (c->extra == NULL || !c->extra->is_life_listed)
		return;
	TAILQ_REMOVE(&l->entries, &c->extra->life, entry);
	c->extra->is_life_listed = false;
}

void
deadline_end(struct tine_conn *c)
{
	leave_phase(c);
	leave_life(c);
	own_end(c);
}

/* ---- tine.h ---- */

int
tine_set_timeout(struct tine_conn *c, enum tine_timeout which, double seconds)
{
	static const enum deadline_kind kinds[] = {
		[TINE_T_FIRST_BYTE] = DEADLINE_FIRST_BYTE,
		[TINE_T_READ] = DEADLINE_READ,
		[TINE_T_WRITE] = DEADLINE_WRITE,
		[TINE_T_IDLE] = DEADLINE_IDLE,
		[TINE_T_LIFETIME] = DEADLINE_LIFETIME,
	};
	enum deadline_kind kind;
	struct own_deadlines *o;

	if (call_is_foreign(conn_server(c), "tine_set_timeout"))
		return -1;
	if ((size_t)which >= nitems(kinds) || !(seconds >= 0) ||
	    seconds > OWN_SECONDS_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (c->state == CONN_CLOSED || (o = own_of(c)) == NULL) {
		errno = c->state == CONN_CLOSED ? EPIPE : ENOMEM;
		return -1;
	}
	kind = kinds[which];
	o->seconds[kind] = seconds;
	if (kind == DEADLINE_LIFETIME) {
		leave_life(c);
		ev_timer_stop(conn_server(c)->child->loop, &o->life);
		if (seconds > 0)
			own_wake(o, &o->life,
			    child_now(conn_server(c)->child) + seconds);
	} else if (c->phase_kind == kind) {
		leave_phase(c);
		enter_phase(c, kind);
	}
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * admit.c: who is let in. Runs in children. Owns the limits on connections: of
 * the child, of a server, of an address, and of a second. Past one of them an
 * idle connection makes room, or overload.policy says what the newcomer gets:
 * to wait in the kernel's queue, or to be refused. What is refused is counted,
 * and never gets to a handler.
 */
#include "shared/addr.h"

#include "child/child.h"

/* A connection is not idle before it was silent for so long. */
#define SHED_SECONDS 1.0
/* One wait, and one change of the epoll set, for many connections. */
#define PACE_SECONDS_MIN 0.01
/* Those who are read from until they have seen our answer, so that no reset
 * destroys it. They take descriptors that max-connections leaves free. */
#define REFUSED_MAX 32

/* ---- oldest idle first ---- */

/* Of this server, or of all. */
static struct tine_conn *
find_victim(struct child *ch, struct tine_child *only)
{
	struct tine_conn *c, *oldest = NULL;
	double since, first = 0;
	size_t i;

	for (i = 0; i < ch->nservers; i++) {
		if (only != NULL && only != &ch->servers[i])
			continue;
		c = deadline_silent(&ch->servers[i], SHED_SECONDS, &since);
		if (c == NULL || (oldest != NULL && since >= first))
			continue;
		oldest = c;
		first = since;
	}
	return oldest;
}

static void
shed(struct tine_conn *c)
{
	board_add(conn_server(c)->child->board, BOARD_SHED, 1);
	conn_close(c, TINE_OVERFLOW, 0);
}

bool
admit_shed(struct child *ch)
{
	struct tine_conn *c = find_victim(ch, NULL);

	if (c == NULL)
		return false;
	shed(c);
	return true;
}

/* ---- the limits ---- */

static bool
is_full(const struct child *ch)
{
	return ch->nconns >= ch->max_conns;
}

static bool
is_server_full(const struct tine_child *s)
{
	return s->limits.connections > 0 && s->nconns >= s->limits.connections;
}

/* A second's worth at most: who was silent for an hour may not flood us. */
static void
fill(struct child *ch, double rate)
{
	double now = child_now(ch);

	ch->pace.tokens =
	    MIN_OF(ch->pace.tokens + (now - ch->pace.filled) * rate, rate);
	ch->pace.filled = now;
}

static bool
is_too_fast(struct child *ch)
{
	uint64_t rate = ch->conf->overload.accept_rate;

	if (rate == 0 || ch->pace.tokens >= 1)
		return false;
	fill(ch, (double)rate);
	return ch->pace.tokens < 1;
}

/* Clients wait in the queue of the kernel, or are taken by a sibling. */
static void
have_them_wait(struct tine_child *s, enum board_refusal over)
{
	struct child *ch = s->child;
	double rate = (double)ch->conf->overload.accept_rate;

	switch (over) {
	case BOARD_OVER_MAX_CONNECTIONS:
		ch->is_full = true;
		break;
	case BOARD_OVER_CONNECTIONS:
		s->is_full = true;
		break;
	case BOARD_OVER_ACCEPT_RATE:
		ev_timer_set(&ch->pace.wait,
		    MAX_OF((1 - ch->pace.tokens) / rate, PACE_SECONDS_MIN), 0.);
		ev_timer_start(ch->loop, &ch->pace.wait);
		break;
	case BOARD_OVER_PER_ADDRESS:
	case BOARD_OVER_NOTHING:
		break;
	}
	accept_update(ch);
}

bool
admit_look(struct tine_child *s, struct admission *a)
{
	struct child *ch = s->child;

	*a = (struct admission){ .over = BOARD_OVER_NOTHING };
	if (is_too_fast(ch)) {
		a->over = BOARD_OVER_ACCEPT_RATE;
	} else if (is_server_full(s)) {
		a->over = BOARD_OVER_CONNECTIONS;
		a->victim = find_victim(ch, s);
	} else if (is_full(ch)) {
		a->over = BOARD_OVER_MAX_CONNECTIONS;
		a->victim = find_victim(ch, NULL);
	}
	if (a->over == BOARD_OVER_NOTHING || a->victim != NULL ||
	    ch->conf->overload.policy != CONF_OVERLOAD_WAIT)
		return true;
	have_them_wait(s, a->over);
	return false;
}

/* ---- a newcomer ---- */

static void
tell(const struct tine_child *s, enum board_refusal over)
{
	static struct log_limit limit = { .burst = 1 };
	unsigned missed;
	char more[64];

	if (!log_limit_pass(&limit, &missed))
		return;
	log_warn("handler %s: connection refused: %s is reached%s",
	    s->handler.name, board_refusal_names[over],
	    log_print_missed(missed, more, sizeof(more)));
}

static void
refuse(struct tine_child *s, int fd, size_t listener, enum board_refusal over)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };
	struct child *ch = s->child;
	enum conf_overload policy = ch->conf->overload.policy;

	board_add(ch->board,
	    (enum board_counter)((unsigned)BOARD_REFUSED + (unsigned)over), 1);
	board_add(ch->board, BOARD_DROPPED, 1);
	tell(s, over);
	if (policy == CONF_OVERLOAD_REPLY && s->handler.busy != NULL) {
		if (ch->nrefused < REFUSED_MAX) {
			conn_refuse(s, fd, listener);
			return;
		}
		/* Better an answer that may be lost than none. */
		(void)send(fd, s->handler.busy, s->handler.busy_len,
		    MSG_NOSIGNAL);
	}
	/* A unix socket knows no reset: a close is all there is. */
	if (policy == CONF_OVERLOAD_RESET)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	closefd(&fd);
}

void
admit_take(struct tine_child *s, int fd, size_t listener,
    const struct sockaddr *from, const struct admission *a)
{
	uint64_t most = s->limits.per_address;
	peer_key key = most > 0 ? peers_key(from) : 0;

	if (a->victim != NULL)
		shed(a->victim);
	else if (a->over != BOARD_OVER_NOTHING) {
		refuse(s, fd, listener, a->over);
		return;
	}
	/* Whoever is over this one cannot wait: he would block the others. */
	if (key != 0 && !peers_enter(&s->peers, key, most)) {
		refuse(s, fd, listener, BOARD_OVER_PER_ADDRESS);
		return;
	}
	if (s->child->conf->overload.accept_rate > 0)
		s->child->pace.tokens--;
	if (key != 0)
		conn_open_from(s, fd, listener, key);
	else
		conn_open(s, fd, listener);
}

void
admit_on_close(struct tine_conn *c)
{
	struct tine_child *s = conn_server(c);
	peer_key key = *slab_peer(&s->slab, c);

	if (key != 0)
		peers_leave(&s->peers, key);
}

/* ---- from time to time ---- */

void
admit_on_beat(struct child *ch)
{
	bool had_room = true;
	size_t i;

	for (i = 0; i < ch->nservers; i++) {
		struct tine_child *s = &ch->servers[i];

		if (s->is_full && find_victim(ch, s) != NULL)
			s->is_full = had_room = false;
	}
	if (ch->is_full && find_victim(ch, NULL) != NULL)
		ch->is_full = had_room = false;
	if (!had_room)
		accept_update(ch);
}

static void
on_token(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	accept_update(w->data);
}

void
admit_init(struct child *ch)
{
	ch->pace.tokens = (double)ch->conf->overload.accept_rate;
	ev_init(&ch->pace.wait, on_token);
	ch->pace.wait.data = ch;
}

void
admit_fini(struct child *ch)
{
	ev_timer_stop(ch->loop, &ch->pace.wait);
}

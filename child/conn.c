/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn.c: the life of a connection. Runs in children. Owns its state, its
 * descriptor and the order of things in an event: callback, output, close.
 * conn_close() is the only way out; memory is freed by the sweep, never under
 * a running callback.
 */
#include <sys/socket.h>

#include <assert.h>
#include <errno.h>

#include "child/child.h"
#include "child/connect.h"
#include "child/fiber.h"
#include "child/stream.h"
#include "child/tunnel.h"

static const uint8_t conn_next[CONN_NSTATES] = {
	[CONN_FREE] = BIT(CONN_CONNECTING) | BIT(CONN_OPEN),
	[CONN_CONNECTING] =
	    BIT(CONN_OPEN) | BIT(CONN_FLUSHING) | BIT(CONN_CLOSED),
	[CONN_OPEN] = BIT(CONN_FLUSHING) | BIT(CONN_CLOSED),
	[CONN_FLUSHING] = BIT(CONN_LINGERING) | BIT(CONN_CLOSED),
	[CONN_LINGERING] = BIT(CONN_CLOSED),
	[CONN_CLOSED] = BIT(CONN_FREE),
};

static void
conn_set_state(struct tine_conn *c, enum conn_state to)
{
	assert(conn_next[c->state] & BIT(to));
	c->state = (uint8_t)to;
}

enum tine_cause
conn_cause_of(int err)
{
	switch (err) {
	case ECONNRESET:
	case EPIPE:
	case ETIMEDOUT:
	case ENOTCONN:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
		return TINE_RESET;
	default:
		return TINE_ERROR;
	}
}

void
conn_obey(struct tine_conn *c, enum tine_action action)
{
	switch (action) {
	case TINE_OK:
		return;
	case TINE_CLOSE:
		conn_finish(c, TINE_LOCAL);
		return;
	case TINE_ABORT:
		conn_give_up(c, TINE_LOCAL, 0);
		return;
	case TINE_STOP:
		child_shutdown(conn_server(c));
		return;
	case TINE_DETACH:
		if (conn_server(c)->handler.detached == NULL)
			break;
		c->is_detaching = true;
		conn_finish(c, TINE_LOCAL);
		return;
	}
	server_blame(conn_server(c),
	    "an action that is unknown, or TINE_DETACH without detached");
	conn_finish(c, TINE_ERROR);
}

void
conn_call(struct tine_conn *c, enum board_callback what,
    enum tine_action (*fn)(struct tine_conn *))
{
	if (fn != NULL)
		conn_obey(c, call_action(c, what, fn));
}

/* ---- closing ---- */

/* Nothing that the child keeps may lead to a closed connection. */
static void
forget(struct tine_conn *c, enum tine_cause cause)
{
	struct child *ch = conn_server(c)->child;

	tunnel_on_close(c, cause);
	ev_io_stop(ch->loop, &c->io);
	connect_end(c);
	deadline_end(c);
	output_fini(c);
	if (ch->window.conn == c)
		ch->window.conn = NULL;
	input_fini(c);
	if (ch->current == c)
		ch->current = NULL;
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
count_in(struct tine_conn *c)
{
	struct tine_child *s = conn_server(c);
	struct child *ch = s->child;

	s->nconns++;
	ch->nconns++;
	board_set(ch->board, BOARD_CONNECTIONS, ch->nconns);
}

static void
count_out(struct tine_conn *c)
{
	struct tine_child *s = conn_server(c);
	struct child *ch = s->child;

	if (c->is_refused) {
		ch->nrefused--;
		return;
	}
	if (s->slab.peer_at != 0)
		admit_on_close(c);
	s->nconns--;
	ch->nconns--;
	board_set(ch->board, BOARD_CONNECTIONS, ch->nconns);
}

/* Nobody has a claim on it any more. */
static void
bury(struct tine_conn *c)
{
	struct tine_child *s = conn_server(c);
	struct child *ch = s->child;

	count_out(c);
	closefd(&c->io.fd);
	/* The sweep finds a dirty one where it is. */
	if (!c->is_dirty)
		STAILQ_INSERT_TAIL(&ch->dead, c, link);
	accept_on_close(s);
	drain_check(ch);
}

static void
count_close(const struct tine_conn *c, enum tine_cause cause, int err)
{
	struct child *ch = conn_server(c)->child;

	trace_close(c, cause, err);
	board_add(ch->board,
	    (enum board_counter)((unsigned)BOARD_CLOSED + (unsigned)cause), 1);
	if (cause == TINE_OVERFLOW)
		board_add(ch->board, BOARD_DROPPED, 1);
}

void
conn_close(struct tine_conn *c, enum tine_cause cause, int err)
{
	if (c->state == CONN_CLOSED)
		return;
	conn_set_state(c, CONN_CLOSED);
	forget(c, cause);
	if (!c->is_refused) {
		call_close(c, cause, err);
		count_close(c, cause, err);
	}
	bury(c);
}

void
conn_unmake(struct tine_conn *c)
{
	conn_set_state(c, CONN_CLOSED);
	forget(c, TINE_LOCAL);
	bury(c);
}

/* All output is out: from here on the descriptor is the handler's. */
static void
hand_over(struct tine_conn *c)
{
	struct child *ch = conn_server(c)->child;
	size_t len;
	const void *unread = tine_peek(c, &len);
	int fd = c->io.fd;

	ev_io_stop(ch->loop, &c->io);
	conn_set_state(c, CONN_CLOSED);
	call_detached(c, fd, unread, len);
	forget(c, TINE_LOCAL);
	count_close(c, TINE_LOCAL, 0);
	c->io.fd = -1;
	bury(c);
}

void
conn_abort(struct tine_conn *c, enum tine_cause cause, int err)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	/* Fails only on a socket that cannot be reset, and then a plain close
	 * is all there is. */
	if (c->state != CONN_CLOSED)
		(void)setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &now,
		    sizeof(now));
	conn_close(c, cause, err);
}

void
conn_finish(struct tine_conn *c, enum tine_cause cause)
{
	if (c->state != CONN_OPEN && c->state != CONN_CONNECTING)
		return;
	if (c->state == CONN_CONNECTING) {
		/* There is nobody yet who could be told goodbye. */
		output_fini(c);
		c->eof_seen = true;
	}
	tunnel_on_close(c, cause);
	c->cause = (uint8_t)cause;
	conn_set_state(c, CONN_FLUSHING);
	stream_on_finish(c);
}

/*
 * All output is out. Closing now would answer input that is still under way
 * with a reset, and a reset destroys what the peer has not read yet: so say
 * FIN and read on until the peer has closed too.
 */
static void
say_fin(struct tine_conn *c)
{
	if (c->eof_seen || shutdown(c->io.fd, SHUT_WR) == -1)
		conn_close(c, (enum tine_cause)c->cause, 0);
	else
		conn_set_state(c, CONN_LINGERING);
}

/* ---- what follows from an event ---- */

bool
conn_may_read(const struct tine_conn *c)
{
	if (c->state == CONN_LINGERING)
		return true;
	return c->state == CONN_OPEN && !c->eof_seen && !c->is_stalled &&
	    !c->is_paused && !c->has_frames &&
	    input_bytes(c) < conn_server(c)->limits.input;
}

/* Nobody is there to say what becomes of the beginning of a message. */
static enum tine_cause
cause_of_eof(const struct tine_conn *c)
{
	return conn_server(c)->handler.codec != NULL && input_bytes(c) > 0
	    ? TINE_FRAMING
	    : TINE_PEER_EOF;
}

/* End-of-file is news only when the handler could have taken all that came
 * before it; a congested one will go on in `drained`. */
static bool
tell_eof(struct tine_conn *c)
{
	if (!c->eof_seen || c->eof_told || c->is_paused || c->wants_data ||
	    c->has_frames ||
	    (c->is_congested && !conn_is_piped(c) &&
		!conn_server(c)->is_stream))
		return false;
	c->eof_told = true;
	if (conn_is_piped(c)) {
		tunnel_on_eof(c);
		return false;
	}
	if (conn_server(c)->handler.eof == NULL) {
		conn_finish(c, cause_of_eof(c));
		return false;
	}
	conn_call(c, BOARD_IN_EOF, conn_server(c)->handler.eof);
	return true;
}

/* A full buffer that no output waits to make room in: there is no event left
 * that could bring the handler to consume. */
static bool
has_overflowed(const struct tine_conn *c)
{
	return input_bytes(c) >= conn_server(c)->limits.input &&
	    output_bytes(c) == 0 && !c->is_congested && !c->is_paused &&
	    !c->wants_data && !c->has_frames;
}

static void
on_overflow(struct tine_conn *c)
{
	/* A message that does not fit is the peer's mistake. */
	if (conn_server(c)->handler.codec != NULL)
		conn_finish(c, TINE_FRAMING);
	else
		conn_close(c, TINE_OVERFLOW, 0);
}

/* Its output is out, and there will be no more: say so. When the peer has said
 * so too there is nothing left to happen. */
static void
half_close(struct tine_conn *c)
{
	if (!c->is_fin_sent && shutdown(c->io.fd, SHUT_WR) == -1) {
		conn_give_up(c, conn_cause_of(errno), errno);
		return;
	}
	c->is_fin_sent = true;
	/* But a coroutine may have something to read yet. */
	if (c->eof_told && !conn_server(c)->is_stream)
		conn_finish(c, TINE_PEER_EOF);
}

/* True when a callback ran, whose output must be sent. */
static bool
advance(struct tine_conn *c, bool *asked)
{
	if (c->state == CONN_OPEN && tell_eof(c))
		return true;
	if (c->state == CONN_OPEN && has_overflowed(c))
		on_overflow(c);
	if (c->state == CONN_OPEN && !*asked) {
		*asked = true;
		if (conn_server(c)->child->drain.is_quiescing &&
		    drain_may_ask(c) && !c->has_frames && call_quiesce(c) &&
		    !input_is_waiting(c))
			conn_finish(c, TINE_DRAIN);
		/* It may have written its goodbye. */
		if (conn_server(c)->child->staged > 0)
			return true;
	}
	if (c->state == CONN_OPEN && c->is_half_closed && output_bytes(c) == 0)
		half_close(c);
	if (c->state == CONN_FLUSHING && output_bytes(c) == 0) {
		if (c->is_detaching)
			hand_over(c);
		else
			say_fin(c);
	}
	return false;
}

static void
arm(struct tine_conn *c)
{
	struct ev_loop *loop = conn_server(c)->child->loop;
	int want = 0;

	/* With messages left to show it reads on in the next turn: not worth
	 * two calls to epoll. */
	if (conn_may_read(c) || c->wants_data)
		want |= EV_READ;
	if ((output_bytes(c) > 0 ||
		(c->state == CONN_OPEN && c->is_congested)) &&
	    !c->is_dry && !output_is_held(c))
		want |= EV_WRITE;
	if (ev_is_active(&c->io)) {
		if ((c->io.events & (EV_READ | EV_WRITE)) == want)
			return;
		ev_io_stop(loop, &c->io);
	}
	if (want != 0) {
		ev_io_modify(&c->io, want);
		ev_io_start(loop, &c->io);
	}
}

void
conn_settle(struct tine_conn *c)
{
	struct child *ch = conn_server(c)->child;
	bool asked = false;

	if (c->state == CONN_CONNECTING)
		return;
	do {
		if (c->is_given_up)
			conn_abort(c, (enum tine_cause)c->cause, c->err);
		if (c->state == CONN_CLOSED)
			break;
		input_settle(c);
		if (output_bytes(c) > 0 && !c->is_blocked && !c->is_dry &&
		    !output_is_held(c))
			call_notice(c, BOARD_IN_BEFORE_WRITE,
			    conn_server(c)->handler.before_write);
		output_flush(c);
	} while (
	    c->is_given_up || (c->state != CONN_CLOSED && advance(c, &asked)));
	ch->current = NULL;
	if (c->state == CONN_CLOSED)
		return;
	codec_settle(c);
	deadline_update(c);
	arm(c);
	if (c->wants_data && !c->is_dirty) {
		c->is_dirty = true;
		STAILQ_INSERT_TAIL(&ch->later, c, link);
	}
}

static void
on_writable(struct tine_conn *c)
{
	c->is_blocked = false;
	output_flush(c);
	if (c->state != CONN_OPEN || !c->is_congested ||
	    output_bytes(c) > conn_server(c)->limits.output_low)
		return;
	c->is_congested = false;
	call_notice(c, BOARD_IN_DRAINED, conn_server(c)->handler.drained);
}

static void
on_event(struct ev_loop *loop, ev_io *w, int revents)
{
	struct tine_conn *c = (struct tine_conn *)(void *)w;

	(void)loop;
	if (c->state == CONN_CONNECTING) {
		connect_on_event(c);
		return;
	}
	if (revents & EV_WRITE)
		on_writable(c);
	if ((revents & EV_READ) && c->state == CONN_LINGERING)
		input_discard(c);
	else if ((revents & EV_READ) && conn_may_read(c))
		input_read(c);
	conn_settle(c);
}

/* Everything it needs but the callbacks; NULL: no memory. */
static struct tine_conn *
conn_new(struct tine_child *s, enum conn_state state, int fd, size_t listener)
{
	struct child *ch = s->child;
	struct tine_conn *c = slab_take(&s->slab, &ch->handles);

	if (c == NULL)
		return NULL;
	ev_io_init(&c->io, on_event, fd, EV_READ);
	c->io.data = s;
	c->opened = (uint32_t)(child_now(ch) * CONN_TICKS_PER_SEC);
	if (deadline_begin(c) == -1) {
		slab_give(&s->slab, c);
		return NULL;
	}
	c->listener = (uint16_t)MIN_OF(listener, CONN_NO_LISTENER);
	conn_set_state(c, state);
	return c;
}

static struct tine_conn *
make(struct tine_child *s, int fd, size_t listener)
{
	static struct log_limit limit = { .burst = 1 };
	struct tine_conn *c = conn_new(s, CONN_OPEN, fd, listener);
	unsigned missed;

	if (c == NULL) {
		if (log_limit_pass(&limit, &missed))
			log_sys(LOG_ERROR, "memory for a connection");
		closefd(&fd);
		return NULL;
	}
	return c;
}

static void
begin(struct tine_conn *c)
{
	struct tine_child *s = conn_server(c);
	struct child *ch = s->child;

	trace_open(c);
	count_in(c);
	board_add(ch->board, BOARD_ACCEPTED, 1);
	conn_call(c, BOARD_IN_OPEN, s->handler.open);
	conn_settle(c);
}

struct tine_conn *
conn_make(struct tine_child *s, const struct tine_handler *events, int fd,
    void *context)
{
	struct tine_child *side = s;
	struct tine_conn *c;

	if (s->child->nconns >= s->child->max_conns) {
		errno = EMFILE;
		return NULL;
	}
	if (events != NULL)
		side = server_side(s, events);
	if (side == NULL)
		return NULL;
	c = conn_new(side, CONN_CONNECTING, fd, CONN_NO_LISTENER);
	if (c == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	count_in(c);
	if (context != NULL && tine_set_context(c, context) == -1) {
		c->io.fd = -1;
		conn_unmake(c);
		errno = ENOMEM;
		return NULL;
	}
	return c;
}

void
conn_begin(struct tine_conn *c)
{
	const struct tine_handler *h = &conn_server(c)->handler;

	conn_set_state(c, CONN_OPEN);
	/* Who speaks first here is for the protocol to say. */
	c->has_received = true;
	codec_begin(c);
	trace_open(c);
	conn_call(c, BOARD_IN_OPEN, h->open);
	if (c->state == CONN_OPEN && input_bytes(c) > 0)
		input_present(c);
	conn_settle(c);
}

struct conn_extra *
conn_extra(struct tine_conn *c)
{
	struct conn_extra *x = c->extra;
	size_t size;

	if (x != NULL)
		return x;
	x = pool_get(&conn_server(c)->child->pool, sizeof(*x), &size);
	if (x != NULL)
		*x = (struct conn_extra){ .conn = c, .size = size };
	c->extra = x;
	return x;
}

void
conn_open(struct tine_child *s, int fd, size_t listener)
{
	struct tine_conn *c = make(s, fd, listener);

	if (c != NULL)
		begin(c);
}

void
conn_open_from(struct tine_child *s, int fd, size_t listener, peer_key key)
{
	struct tine_conn *c = make(s, fd, listener);

	if (c == NULL) {
		peers_leave(&s->peers, key);
		return;
	}
	*slab_peer(&s->slab, c) = key;
	begin(c);
}

void
conn_refuse(struct tine_child *s, int fd, size_t listener)
{
	struct tine_conn *c = make(s, fd, listener);
	size_t len = s->handler.busy_len;

	if (c == NULL)
		return;
	c->is_refused = true;
	s->child->nrefused++;
	/* A new socket has room for it, or never will. */
	if (send(fd, s->handler.busy, len, MSG_NOSIGNAL) != (ssize_t)len) {
		conn_abort(c, TINE_OVERFLOW, 0);
		return;
	}
	board_add(s->child->board, BOARD_BYTES_OUT, len);
	conn_finish(c, TINE_OVERFLOW);
	conn_settle(c);
}

void
conn_wake(struct tine_conn *c)
{
	if (c->state != CONN_OPEN)
		return;
	/* Not the codec: no message has come. */
	conn_call(c, BOARD_IN_DATA, conn_server(c)->handler.data);
	conn_settle(c);
}

/* ---- the end of a turn ---- */

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
	c->wants_data = true;
	conn_mark_dirty(c);
}

void
conn_give_up(struct tine_conn *c, enum tine_cause cause, int err)
{
	if (c->state == CONN_CLOSED || c->is_given_up)
		return;
	conn_finish(c, cause);
	c->is_given_up = true;
	c->cause = (uint8_t)cause;
	c->err = (uint8_t)err;
	conn_mark_dirty(c);
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
		/* Who was paused meanwhile asks again when he resumes. */
		codec_begin(c);
		if (c->state == CONN_OPEN && c->wants_data && !c->is_paused)
			input_present(c);
		c->wants_data &= !c->is_paused;
		conn_settle(c);
	}
}

void
conn_sweep(struct child *ch)
{
	struct tine_conn *c;

	if (!STAILQ_EMPTY(&ch->later))
		run_later(ch);
	/* Settling one may dirty another, but calls `drained` of none: that
	 * waits for an event, so this ends. */
	while ((c = STAILQ_FIRST(&ch->dirty)) != NULL) {
		STAILQ_REMOVE_HEAD(&ch->dirty, link);
		c->is_dirty = false;
		if (c->state == CONN_CLOSED)
			STAILQ_INSERT_TAIL(&ch->dead, c, link);
		else
			conn_settle(c);
	}
	while ((c = STAILQ_FIRST(&ch->dead)) != NULL) {
		STAILQ_REMOVE_HEAD(&ch->dead, link);
		drop_extra(c);
		conn_set_state(c, CONN_FREE);
		slab_give(&conn_server(c)->slab, c);
	}
	if ((STAILQ_EMPTY(&ch->later) && !fibers_are_ready(ch)) ==
	    !ev_is_active(&ch->awake))
		return;
	if (ev_is_active(&ch->awake))
		ev_idle_stop(ch->loop, &ch->awake);
	else
		ev_idle_start(ch->loop, &ch->awake);
}

/* ---- tine.h ---- */

void
tine_close(struct tine_conn *c)
{
	if (call_is_foreign(conn_server(c), "tine_close"))
		return;
	conn_finish(c, TINE_LOCAL);
	conn_mark_dirty(c);
}

void *
tine_state(struct tine_conn *c)
{
	if (call_is_foreign(conn_server(c), "tine_state"))
		return NULL;
	return (char *)c + CONN_STATE_OFFSET;
}

uint64_t
tine_handle(const struct tine_conn *c)
{
	return call_is_foreign(conn_server(c), "tine_handle") ? 0 : c->handle;
}

struct tine_child *
tine_child(const struct tine_conn *c)
{
	if (call_is_foreign(conn_server(c), "tine_child"))
		return NULL;
	return server_origin(conn_server(c));
}

int
tine_set_context(struct tine_conn *c, void *context)
{
	struct conn_extra *x;

	if (call_is_foreign(conn_server(c), "tine_set_context"))
		return -1;
	x = conn_extra(c);
	if (x == NULL) {
		errno = ENOMEM;
		return -1;
	}
	x->context = context;
	return 0;
}

void *
tine_context(const struct tine_conn *c)
{
	if (call_is_foreign(conn_server(c), "tine_context"))
		return NULL;
	return c->extra == NULL ? NULL : c->extra->context;
}

size_t
tine_listener(const struct tine_conn *c)
{
	if (call_is_foreign(conn_server(c), "tine_listener"))
		return SIZE_MAX;
	return c->listener == CONN_NO_LISTENER ? SIZE_MAX : c->listener;
}

void
tine_count_requests(struct tine_conn *c, unsigned n)
{
	if (!call_is_foreign(conn_server(c), "tine_count_requests"))
		board_add(conn_server(c)->child->board, BOARD_REQUESTS, n);
}

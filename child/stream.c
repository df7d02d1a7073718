/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stream.c: connections of coroutines. Runs in children. To the rest of the
 * child they are connections of a handler whose callbacks are those below: they
 * start a coroutine or let one go on that waits. A stream outlives its
 * connection until nobody can name it any more. What goes through it is
 * exchange.c's.
 */
#include "child/stream.h"

#include <errno.h>

#include "child/child.h"
#include "child/fiber.h"

/* Who waits with room for less gets it by the scratch: one call into the
 * system may serve many reads then. */
#define ROOM_BYTES_MIN 16384
/* Of closed streams of a coroutine that goes on: the oldest are forgotten. */
#define CLOSED_MAX 64
#define DEADLINE_SECONDS_MAX 1e8
/* A timer may be early by its rounding. */
#define SLACK_SECONDS 1e-6
#define PAST (-1.)

struct family {
	unsigned refs;
	TAILQ_HEAD(, tine_stream) streams;
	unsigned nstreams;
	size_t size; /* of this, for the pool */
};

struct tine_conn *
stream_find_conn(const struct tine_stream *s)
{
	return s->conn;
}

static struct tine_stream *
stream_of(const struct tine_conn *c)
{
	return c->extra == NULL ? NULL : c->extra->stream;
}

/* ---- families ---- */

struct family *
family_join(struct child *ch, struct family *fam)
{
	size_t size;

	if (fam == NULL) {
		fam = pool_get(&ch->pool, sizeof(*fam), &size);
		if (fam == NULL)
			return NULL;
		*fam = (struct family){ .size = size };
		TAILQ_INIT(&fam->streams);
	}
	fam->refs++;
	return fam;
}

static void
forget(struct family *fam, struct tine_stream *s)
{
	struct pool *pool = &s->server->child->pool;

	if (s->conn != NULL)
		s->conn->extra->stream = NULL;
	if (s->owner != NULL && s->owner->home == s)
		s->owner->home = NULL;
	TAILQ_REMOVE(&fam->streams, s, entry);
	fam->nstreams--;
	pool_put(pool, s, s->size);
}

static void
close_stream(struct tine_stream *s)
{
	if (s->conn == NULL)
		return;
	conn_finish(s->conn, TINE_LOCAL);
	conn_mark_dirty(s->conn);
}

void
family_leave(struct child *ch, struct family *fam, const struct fiber *f)
{
	struct tine_stream *s;

	if (fam == NULL)
		return;
	TAILQ_FOREACH(s, &fam->streams, entry) {
		if (s->owner != f)
			continue;
		close_stream(s);
		s->owner = NULL;
	}
	if (--fam->refs > 0)
		return;
	while ((s = TAILQ_FIRST(&fam->streams)) != NULL)
		forget(fam, s);
	pool_put(&ch->pool, fam, fam->size);
}

/* A coroutine that never returns must not keep each stream it ever had. */
static void
thin_out(struct family *fam)
{
	struct tine_stream *s, *next;

	for (s = TAILQ_FIRST(&fam->streams);
	     s != NULL && fam->nstreams > CLOSED_MAX; s = next) {
		next = TAILQ_NEXT(s, entry);
		if (s->conn == NULL && s->reader == NULL && s->writer == NULL)
			forget(fam, s);
	}
}

static struct tine_stream *
stream_new(struct fiber *f)
{
	size_t size;
	struct tine_stream *s =
	    pool_get(&f->server->child->pool, sizeof(*s), &size);

	if (s == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	*s = (struct tine_stream){
		.server = f->server,
		.owner = f,
		.size = size,
	};
	thin_out(f->family);
	TAILQ_INSERT_TAIL(&f->family->streams, s, entry);
	f->family->nstreams++;
	return s;
}

/* ---- the callbacks ---- */

static void
run(void *arg)
{
	struct tine_stream *s = arg;

	s->server->handler.run(s);
}

/* A coroutine for it, that has not begun. */
static struct fiber *
make_fiber(struct tine_conn *c)
{
	struct conn_extra *x = conn_extra(c);
	struct fiber *f;

	if (x == NULL)
		return NULL;
	f = fiber_new(conn_server(c), NULL, run, NULL);
	if (f == NULL)
		return NULL;
	f->home = stream_new(f);
	f->arg = f->home;
	if (f->home == NULL) {
		fiber_drop(f);
		return NULL;
	}
	f->home->conn = c;
	f->home->is_open = true;
	x->stream = f->home;
	return f;
}

static enum tine_action
on_open(struct tine_conn *c)
{
	static struct log_limit limit = { .burst = 1 };
	struct fiber *f = make_fiber(c);
	unsigned missed;

	if (f == NULL) {
		if (log_limit_pass(&limit, &missed))
			log_sys(LOG_ERROR, "memory for a coroutine");
		return TINE_ABORT;
	}
	fiber_resume(f);
	return TINE_OK;
}

static enum tine_action
on_connected(struct tine_conn *c)
{
	struct tine_stream *s = stream_of(c);

	if (s == NULL)
		return TINE_CLOSE;
	s->is_open = true;
	fiber_resume(s->reader);
	return TINE_OK;
}

static enum tine_action
on_data(struct tine_conn *c)
{
	struct tine_stream *s = stream_of(c);

	if (s != NULL)
		fiber_resume(s->reader);
	/* It may be gone, and who reads next says so. */
	s = stream_of(c);
	if (s == NULL || s->reader == NULL)
		c->is_paused = true;
	return TINE_OK;
}

static enum tine_action
on_eof(struct tine_conn *c)
{
	struct tine_stream *s = stream_of(c);

	if (s != NULL)
		fiber_resume(s->reader);
	return TINE_OK;
}

static void
on_drained(struct tine_conn *c)
{
	struct tine_stream *s = stream_of(c);

	if (s != NULL)
		fiber_resume(s->writer);
}

static int
errno_of(enum tine_cause cause, int err)
{
	switch (cause) {
	case TINE_IDLE:
	case TINE_FIRST_BYTE:
	case TINE_READ_TIMEOUT:
	case TINE_WRITE_TIMEOUT:
	case TINE_LIFETIME:
		return ETIMEDOUT;
	case TINE_RESET:
		return err == 0 ? ECONNRESET : err;
	case TINE_ERROR:
		return err == 0 ? EIO : err;
	default:
		return TINE_E_CLOSED;
	}
}

/* Not now: whoever closes it is in the middle of something. */
static void
fail(struct tine_stream *s, int err)
{
	if (s->err == 0)
		s->err = err;
	fiber_wake(s->reader);
	fiber_wake(s->writer);
}

static void
on_close(struct tine_conn *c, enum tine_cause cause, int err)
{
	struct tine_stream *s = stream_of(c);

	if (s == NULL)
		return;
	c->extra->stream = NULL;
	s->conn = NULL;
	fail(s, errno_of(cause, err));
}

void
stream_on_finish(struct tine_conn *c)
{
	struct tine_stream *s = stream_of(c);

	if (s != NULL)
		fail(s, errno_of((enum tine_cause)c->cause, 0));
}

char *
stream_room(const struct tine_conn *c, size_t *size)
{
	const struct tine_stream *s = stream_of(c);

	if (s == NULL || s->reader == NULL || s->filled > 0 ||
	    s->room_bytes < ROOM_BYTES_MIN || input_bytes(c) > 0)
		return NULL;
	*size = s->room_bytes;
	return s->room;
}

void
stream_fill(struct tine_conn *c, size_t n)
{
	stream_of(c)->filled = n;
}

/* ---- waiting ---- */

static bool
is_past(const struct tine_stream *s, double deadline)
{
	return deadline != 0 &&
	    deadline <= child_now(s->server->child) + SLACK_SECONDS;
}

static int
may_call(const struct tine_stream *s, const char *call,
    const struct fiber *other)
{
	if (call_is_foreign(NULL, call) || fiber_is_missing(s->server, call))
		return -1;
	if (other != NULL) {
		errno = EBUSY;
		return -1;
	}
	return 0;
}

int
stream_may_read(const struct tine_stream *s, const char *call)
{
	if (may_call(s, call, s->reader) == -1)
		return -1;
	if (s->err == 0 && !is_past(s, s->read_deadline))
		return 0;
	errno = s->err == 0 ? ETIMEDOUT : s->err;
	return -1;
}

int
stream_may_write(const struct tine_stream *s, const char *call)
{
	if (may_call(s, call, s->writer) == -1)
		return -1;
	if (s->err == 0 && !s->has_shut && !is_past(s, s->write_deadline))
		return 0;
	errno = s->err != 0 ? s->err : s->has_shut ? EPIPE : ETIMEDOUT;
	return -1;
}

/* A wait is over: how did it end? The deadline may have been moved. */
static int
judge(const struct tine_stream *s, int rc, double deadline)
{
	if (s->filled > 0)
		return 0;
	if (s->err != 0) {
		errno = s->err;
		return -1;
	}
	if (rc == -1 && errno != ETIMEDOUT)
		return -1;
	if (!is_past(s, deadline))
		return 0;
	errno = ETIMEDOUT;
	return -1;
}

int
stream_wait_input(struct tine_stream *s, void *room, size_t size)
{
	struct tine_conn *c = s->conn;
	int rc;

	if (c->is_paused) {
		c->is_paused = false;
		conn_mark_dirty(c);
	}
	s->room = room;
	s->room_bytes = room == NULL ? 0 : size;
	s->filled = 0;
	s->reader = fiber_current();
	rc = fiber_wait(s->read_deadline);
	s->reader = NULL;
	s->room = NULL;
	s->room_bytes = 0;
	return judge(s, rc, s->read_deadline);
}

int
stream_wait_output(struct tine_stream *s)
{
	int rc;

	s->writer = fiber_current();
	rc = fiber_wait(s->write_deadline);
	s->writer = NULL;
	return judge(s, rc, s->write_deadline);
}

/* ---- what is served so ---- */

static const struct tine_handler dialed = {
	.size = sizeof(struct tine_handler),
	.abi = TINE_ABI,
	.name = "stream",
	.open = on_connected,
	.data = on_data,
	.eof = on_eof,
	.drained = on_drained,
	.close = on_close,
};

bool
stream_serves(const struct tine_handler *h)
{
	return h->close == on_close;
}

void
stream_take(struct tine_handler *h)
{
	if (h->run == NULL)
		return;
	h->open = on_open;
	h->data = on_data;
	h->eof = on_eof;
	h->drained = on_drained;
	h->close = on_close;
}

int
stream_check(const struct tine_handler *h, struct err *err)
{
	const struct {
		const char *field;
		bool is_set;
	} others[] = {
		{ "codec", h->codec != NULL },
		{ "open", h->open != NULL },
		{ "data", h->data != NULL },
		{ "frame", h->frame != NULL },
		{ "eof", h->eof != NULL },
		{ "before_write", h->before_write != NULL },
		{ "drained", h->drained != NULL },
		{ "close", h->close != NULL },
		{ "detached", h->detached != NULL },
		{ "overflow", h->overflow != NULL },
	};
	size_t i;

	for (i = 0; h->run != NULL && i < nitems(others); i++) {
		if (!others[i].is_set)
			continue;
		(void)err_set(err, EXIT_BAD_CONFIG,
		    "handler %s: it has run and %s", h->name, others[i].field);
		return err_hint(err,
		    "run is the whole life of a connection: beside it there "
		    "are only start, stop, tick, quiesce and datagram");
	}
	return 0;
}

/* ---- tine.h ---- */

/* The connection of s is on its way, or errno says why not. */
static struct tine_stream *
await_open(struct tine_stream *s, struct tine_conn *c)
{
	int rc = 0;

	if (c == NULL) {
		s->err = errno;
		return NULL;
	}
	s->conn = c;
	/* It was given a context only to be sure that it has an extra. */
	c->extra->context = NULL;
	c->extra->stream = s;
	s->reader = fiber_current();
	while (rc == 0 && s->err == 0 && !s->is_open)
		rc = fiber_wait(0);
	s->reader = NULL;
	if (s->is_open && s->err == 0)
		return s;
	close_stream(s);
	errno = s->err != 0 ? s->err : TINE_E_CLOSED;
	return NULL;
}

static struct tine_stream *
begin(const char *call)
{
	struct fiber *f;

	if (call_is_foreign(NULL, call) ||
	    fiber_is_missing(call_server(), call))
		return NULL;
	f = fiber_current();
	if (!f->server->child->fibers.is_ending)
		return stream_new(f);
	errno = TINE_E_CLOSED;
	return NULL;
}

struct tine_stream *
tine_dial(const char *url, double timeout)
{
	struct tine_stream *s = begin("tine_dial");

	if (s == NULL)
		return NULL;
	return await_open(s, tine_connect(s->server, &dialed, url, timeout, s));
}

struct tine_stream *
tine_stream_adopt(int fd)
{
	struct tine_stream *s = begin("tine_stream_adopt");

	if (s == NULL)
		return NULL;
	return await_open(s, tine_adopt(s->server, &dialed, fd, NULL, 0, s));
}

int
tine_stream_close(struct tine_stream *s)
{
	if (may_call(s, "tine_stream_close", NULL) == -1)
		return -1;
	close_stream(s);
	return 0;
}

int
tine_stream_shutdown_write(struct tine_stream *s)
{
	if (stream_may_write(s, "tine_stream_shutdown_write") == -1)
		return -1;
	s->has_shut = true;
	return tine_shutdown_write(s->conn);
}

static int
set_deadline(double *deadline, double seconds, const struct child *ch)
{
	if (seconds != seconds) {
		errno = EINVAL;
		return -1;
	}
	if (seconds == 0)
		*deadline = 0;
	else if (seconds < 0)
		*deadline = PAST;
	else
		*deadline =
		    child_now(ch) + MIN_OF(seconds, DEADLINE_SECONDS_MAX);
	return 0;
}

int
tine_stream_set_read_deadline(struct tine_stream *s, double seconds)
{
	if (may_call(s, "tine_stream_set_read_deadline", NULL) == -1 ||
	    set_deadline(&s->read_deadline, seconds, s->server->child) == -1)
		return -1;
	if (s->reader != NULL)
		fiber_set_until(s->reader, s->read_deadline);
	return 0;
}

int
tine_stream_set_write_deadline(struct tine_stream *s, double seconds)
{
	if (may_call(s, "tine_stream_set_write_deadline", NULL) == -1 ||
	    set_deadline(&s->write_deadline, seconds, s->server->child) == -1)
		return -1;
	if (s->writer != NULL)
		fiber_set_until(s->writer, s->write_deadline);
	return 0;
}

struct tine_conn *
tine_stream_conn(struct tine_stream *s)
{
	if (may_call(s, "tine_stream_conn", NULL) == -1)
		return NULL;
	if (s->conn == NULL)
		errno = s->err;
	return s->conn;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stream.h: a connection as a coroutine sees it, whose calls wait; private to
 * child/. Such a connection belongs to a server, or a side of one, whose
 * callbacks are those of stream.c.
 */
#ifndef TINE_CHILD_STREAM_H
#define TINE_CHILD_STREAM_H

#include <bsd/sys/queue.h>
#include <tine.h>

struct child;
struct err;
struct family;
struct fiber;

struct tine_stream {
	TAILQ_ENTRY(tine_stream) entry; /* of its family */
	struct tine_child *server;
	struct tine_conn *conn; /* NULL: closed */
	struct fiber *owner;    /* its end closes it; NULL: it has returned */
	int err;                /* why each call fails, or 0 */
	bool is_open;           /* connected */
	bool has_shut;          /* tine_stream_shutdown_write() */
	struct fiber *reader, *writer;        /* who waits */
	double read_deadline, write_deadline; /* child_now(), or 0 */
	/* Where the reader wants what comes, and how much came there. */
	char *room;
	size_t room_bytes, filled;
	size_t size; /* of this, for the pool */
};

/* ---- stream.c ---- */
/* Is it a handler with run? Then only few callbacks mean something beside. */
int stream_check(const struct tine_handler *, struct err *);
/* Replace the callbacks of a handler with run by those of stream.c. */
void stream_take(struct tine_handler *);
/* Are they those? */
bool stream_serves(const struct tine_handler *);
struct tine_conn *stream_find_conn(const struct tine_stream *);
/* The connection is about to close: calls fail from now on. Harmless for any
 * connection. */
void stream_on_finish(struct tine_conn *);
/* Where bytes that arrive may be put without a detour; NULL: nowhere. */
char *stream_room(const struct tine_conn *, size_t *size);
/* So many were. The data callback must follow. */
void stream_fill(struct tine_conn *, size_t n);

/* Coroutines whose streams are in memory until the last of them has returned:
 * with no family (NULL), be one's own. NULL: no memory. */
struct family *family_join(struct child *, struct family *);
/* NULL is accepted. The streams of this one are closed. */
void family_leave(struct child *, struct family *, const struct fiber *);

/* May a call go on? Not outside of a coroutine, when it is closed, or at the
 * same time as another one of its kind; then errno is set. */
int stream_may_read(const struct tine_stream *, const char *call);
int stream_may_write(const struct tine_stream *, const char *call);
/* Wait until there may be something to read, or its connection closed; what
 * comes may be put in room meanwhile (NULL: not). 0; or -1 and errno: also when
 * the deadline passes. */
int stream_wait_input(struct tine_stream *, void *room, size_t size);
/* The same for room in the output. */
int stream_wait_output(struct tine_stream *);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn.h: a connection of a child and the files of its data path; private to
 * child/. Included through child.h.
 */
#ifndef TINE_CHILD_CONN_H
#define TINE_CHILD_CONN_H

#include <bsd/sys/queue.h>
#include <ev.h>
#include <tine.h>

#include "shared/board.h"

#include "child/chain.h"
#include "child/chunk.h"
#include "child/peers.h"

struct child;
struct doing;
struct handle_table;
struct err;

/*
 * FREE > [CONNECTING >] OPEN > FLUSHING > LINGERING > CLOSED > FREE; to CLOSED
 * from each but FREE.
 */
enum conn_state {
	CONN_FREE,
	CONN_CONNECTING, /* outbound or adopted: open was not called yet */
	CONN_OPEN,
	CONN_FLUSHING,  /* no more callbacks but close; output goes out */
	CONN_LINGERING, /* FIN is sent; input is thrown away until EOF */
	CONN_CLOSED,    /* waits for the sweep */
	CONN_NSTATES
};

/* The first five are phases: a connection is in exactly one of them. */
enum deadline_kind {
	DEADLINE_FIRST_BYTE, /* nothing received yet */
	DEADLINE_READ,       /* input begun and not consumed */
	DEADLINE_WRITE,      /* output is pending */
	DEADLINE_IDLE,       /* none of these */
	DEADLINE_LINGER,     /* after FIN */
	DEADLINE_LIFETIME,   /* beside the phase */
	DEADLINE_NKINDS,
	DEADLINE_NONE = DEADLINE_NKINDS
};

/* A place in a list of deadlines. */
struct deadline {
	TAILQ_ENTRY(deadline) entry;
	double at; /* child_now() */
};

/* All that expire for one reason: ordered, because each waits as long. */
struct deadline_list {
	TAILQ_HEAD(, deadline) entries;
	double seconds; /* 0: off */
	ev_timer timer;
	struct tine_child *server;
};

/* Output that waits for the kernel, but for what is staged: that comes before
 * it. */
struct output {
	struct chunk_list queue; /* never empty */
	size_t bytes;            /* in the queue */
	ev_io pipe;              /* the first in the queue, while it is dry */
};

struct tine_stream;
/* What few connections need, or none for long. */
struct conn_extra {
	struct tine_conn *conn;
	void *context;              /* the handler's */
	struct connect *connect;    /* while it is on its way */
	struct own_deadlines *own;  /* tine_set_timeout() was called */
	struct tine_stream *stream; /* of a coroutine */
	size_t size;                /* of this, for the pool */
	struct deadline life;       /* with a configured lifetime */
	bool is_life_listed;
	struct tine_conn *partner; /* see tunnel.c, or NULL */
	/* for the level debug: */
	bool is_traced;
	double opened; /* child_now() */
	uint64_t bytes_in, bytes_out;
};

/* Kept small: an idle connection is this and nothing else. */
struct tine_conn {
	ev_io io;        /* first; the only watcher; its data is the server */
	uint64_t handle; /* generation << 32 | number */
	struct deadline phase;
	/* In the dirty, to be settled before the loop waits, or in the later,
	 * to go on in the next turn; when closed in the dead, to be freed;
	 * else in the free of the slab. */
	STAILQ_ENTRY(tine_conn) link;
	struct chain *input;      /* of the pool; NULL: nothing is kept */
	struct output *output;    /* of the pool; NULL: nothing is queued */
	struct conn_extra *extra; /* of the pool; NULL: not needed yet */
	uint32_t opened;          /* CONN_TICKS_PER_SEC of child_now() */
	uint8_t state;            /* enum conn_state */
	uint8_t phase_kind;       /* enum deadline_kind */
	uint8_t cause;            /* enum tine_cause of a close under way */
	uint16_t listener;        /* of its server, or CONN_NO_LISTENER */
	bool is_dirty : 1;        /* is in the dirty or the later */
	bool is_blocked : 1;      /* the socket took less than it was given */
	bool is_congested : 1;    /* past output-high */
	bool is_stalled : 1;      /* past output: reading stops */
	uint8_t err;              /* errno of is_given_up, or 0 */
	uint8_t policy : 2;       /* enum tine_policy */
	bool is_corked : 1;       /* output waits for more of it */
	bool is_dry : 1;          /* output waits for a pipe */
	bool is_half_closed : 1;  /* FIN when the output is out */
	bool is_fin_sent : 1;     /* it was */
	bool is_paused : 1;       /* the handler wants no more input */
	bool wants_data : 1;      /* in the next turn, with what is there */
	bool is_given_up : 1;     /* to be reset when no callback runs */
	bool has_received : 1;    /* the first byte */
	/* since deadline_update() looked last: */
	bool has_read : 1;     /* bytes came */
	bool has_sent : 1;     /* the kernel took bytes */
	bool has_consumed : 1; /* the handler took bytes */
	bool eof_seen : 1;
	bool eof_told : 1;
	bool is_detaching : 1;  /* the handler gets the descriptor */
	bool is_listed : 1;     /* in the deadlines of its phase */
	bool has_own_phase : 1; /* its phase waits as long as it was told to */
	bool has_frames : 1;    /* the codec has not seen all of the input */
	bool is_refused : 1;    /* no handler knows it; not among nconns */
};

/* Outbound or adopted. */
#define CONN_NO_LISTENER UINT16_MAX

/* Fine enough for what asks for an age; 32 bits of it last eight years. */
#define CONN_TICKS_PER_SEC 16

STAILQ_HEAD(conn_list, tine_conn);

/* Where the handler's state begins, counted from the connection. */
#define CONN_STATE_OFFSET ((sizeof(struct tine_conn) + 15U) & ~(size_t)15U)

/* 64 connections of one server, each with its handler's state behind it. */
#define SLAB_OBJECTS 64
struct slab_page {
	SLIST_ENTRY(slab_page) entry;
	size_t object_bytes;
	char objects[] __attribute__((aligned(16)));
};

struct slab {
	SLIST_HEAD(, slab_page) pages;
	struct conn_list free;
	size_t object_bytes;
	size_t peer_at; /* of a conn's peer_key in an object; 0: none */
};

/* ---- slab.c ---- */
void slab_init(struct slab *, size_t state_bytes);
/* Before the first object: with room for the key of a peer's address. */
void slab_add_peer(struct slab *);
void slab_fini(struct slab *);
/* A connection with state CONN_FREE and a new handle; NULL: no memory. */
struct tine_conn *slab_take(struct slab *, struct handle_table *);
void slab_give(struct slab *, struct tine_conn *);
/* Where the connection keeps the key, in a slab that has it. */
peer_key *slab_peer(const struct slab *, struct tine_conn *);
void slab_each(struct slab *, void (*fn)(struct tine_conn *));
/* i is less than SLAB_OBJECTS. */
struct tine_conn *slab_object(struct slab_page *, size_t i);

/* ---- call.c ---- */
/* What the running thread is to the child. */
extern __thread struct call_thread {
	bool is_loop;              /* handler code is called here */
	const struct doing *doing; /* the handler code in a thread of ours */
} call_thread __attribute__((tls_model("initial-exec")));
/* The slow half of call_is_foreign(). */
bool call_refuse(const struct tine_child *, const char *call)
    __attribute__((cold));
/*
 * Was a call of tine.h that is for callbacks made from another thread? Then
 * errno is EPERM, the handler will be blamed, and nothing else may be looked
 * at: not even the server, which may be NULL.
 */
static inline bool
call_is_foreign(const struct tine_child *s, const char *call)
{
	return __builtin_expect(!call_thread.is_loop, false) &&
	    call_refuse(s, call);
}
/* Around every call of handler code; conn may be NULL. */
void call_enter(struct tine_child *, const struct tine_conn *,
    enum board_callback);
void call_leave(struct tine_child *);
/* The server whose handler code runs; NULL: none does. */
struct tine_child *call_server(void);
/* Run a callback whose output is staged; conn_settle() must follow. */
enum tine_action call_action(struct tine_conn *, enum board_callback,
    enum tine_action (*fn)(struct tine_conn *));
/* As call_action; NULL is accepted. */
void call_notice(struct tine_conn *, enum board_callback,
    void (*fn)(struct tine_conn *));
/* These two run within other callbacks too. */
void call_before_write(struct tine_conn *);
/* The output has reached its cap, and so many bytes more are not taken. */
void call_overflow(struct tine_conn *, size_t refused);
/* Free a chunk of bytes that are the handler's. */
void call_release(struct tine_conn *, struct chunk *);
bool call_quiesce(struct tine_conn *);
/* The handler's codec; conn_settle() must follow, also after the next. */
int call_decode(struct tine_conn *, const void *in, size_t len,
    struct tine_frame *);
enum tine_action call_frame(struct tine_conn *, const void *bytes, size_t len);
void call_close(struct tine_conn *, enum tine_cause, int err);
void call_detached(struct tine_conn *, int fd, const void *unread, size_t len);

static inline struct tine_child *
conn_server(const struct tine_conn *c)
{
	return c->io.data;
}

/* ---- conn.c ---- */
/* Does another connection get its input? */
static inline bool
conn_is_piped(const struct tine_conn *c)
{
	return c->extra != NULL && c->extra->partner != NULL;
}

/* The one way from state to state; it must be an edge. */
void conn_set_state(struct tine_conn *, enum conn_state);
/* What is rare about it, made when it is first needed; NULL: no memory. To look
 * only, c->extra will do. */
struct conn_extra *conn_extra(struct tine_conn *);
/* The one way out; harmless twice. err is an errno value or 0. */
void conn_close(struct tine_conn *, enum tine_cause, int err);
/* Reset: the peer learns that its answer is not whole. */
void conn_abort(struct tine_conn *, enum tine_cause, int err);
/* Reset it as soon as no callback of it runs; its output is lost. err is an
 * errno value or 0. */
void conn_give_up(struct tine_conn *, enum tine_cause, int err);
/* Close when the output is out; conn_settle() must follow. */
void conn_finish(struct tine_conn *, enum tine_cause);
/* The output of one that is finished is out: say FIN and linger, close, or give
 * the descriptor to the handler. */
void conn_end(struct tine_conn *);
/* Run a callback of the handler, if it has it, and obey. */
void conn_call(struct tine_conn *, enum board_callback,
    enum tine_action (*fn)(struct tine_conn *));
/* Do what a callback asked for. */
void conn_obey(struct tine_conn *, enum tine_action);
/* The cause that an error of send or recv means. */
enum tine_cause conn_cause_of(int err);

/* ---- birth.c ---- */
/* Serve fd, which came by that listener of the server and is owned from here
 * on, also on failure. */
void conn_open(struct tine_child *, int fd, size_t listener);
/* As conn_open(), of an address that has entered s->peers. */
void conn_open_from(struct tine_child *, int fd, size_t listener, peer_key);
/* Tell fd, which is owned from here on, that there is no room: the handler's
 * words for it and FIN. */
void conn_refuse(struct tine_child *, int fd, size_t listener);
/*
 * A connection that was not accepted: CONNECTING, with the callbacks of events,
 * or of the server when that is NULL. fd may be -1 until connected. NULL with
 * errno ENOMEM or EMFILE, and fd is the caller's.
 */
struct tine_conn *conn_make(struct tine_child *,
    const struct tine_handler *events, int fd, void *context);
/* Undo conn_make(): no callback is called. */
void conn_unmake(struct tine_conn *);
/* CONNECTING > OPEN: call open, and deliver the input that came with it. */
void conn_begin(struct tine_conn *);

/* ---- settle.c ---- */
/* Of its watcher. */
void conn_on_event(struct ev_loop *, ev_io *, int revents);
/* Do what follows from the last event: send, tell end-of-file, ask quiesce,
 * choose the deadline and the events to wait for. */
void conn_settle(struct tine_conn *);
/* Run `data` although nothing new came: what the handler waited for is there.
 * Not from within a callback. */
void conn_wake(struct tine_conn *);

/* ---- sweep.c ---- */
/* Settle before the loop waits again. */
void conn_mark_dirty(struct tine_conn *);
/* Run `data` once more with the input that is there, in the next turn: others
 * come first, and the loop does not wait. Also from within its callbacks. */
void conn_again(struct tine_conn *);
/* It was settled, and wants such a turn. */
void conn_mark_later(struct tine_conn *);
/* Settle the dirty and free the dead. */
void conn_sweep(struct child *);

/* ---- trace.c ---- */
/* It is there: say so at the level debug, and count from now on. */
void trace_open(struct tine_conn *);
/* It is closed: how, and what it was. */
void trace_close(const struct tine_conn *, enum tine_cause, int err);

/* ---- input.c ---- */
/* Read and deliver, at most budget.bytes. */
void input_read(struct tine_conn *);
/* Read and throw away; closes at end-of-file. */
void input_discard(struct tine_conn *);
/* Have the codec or `data` look at what there is; drop what nobody wants. */
void input_present(struct tine_conn *);
/* Keep a copy of the bytes behind what is kept; -1: ENOMEM, and nothing has
 * changed. */
int input_keep(struct tine_conn *, const void *, size_t len);
/* SCRATCH_BYTES to read into: valid until the loop runs something else, unless
 * input_keep() or a slice takes them over. NULL: no memory. */
char *input_scratch(struct child *);
/* After a callback: keep what it left, give back what is empty. */
void input_settle(struct tine_conn *);
void input_fini(struct tine_conn *);
/* What was noted of the bytes that tine_peek() shows, to read and to write; it
 * is void when some of them are consumed. NULL: there are none. */
struct input_note *input_note(struct tine_conn *);
/* Has something come, if only end-of-file, that was not read yet? To be asked
 * before an idle connection is closed: timers run before the read events of
 * their turn, and what a client has sent by then must be answered. */
bool input_is_waiting(const struct tine_conn *);

/* ---- codec.c, framing.c: messages ---- */
/* What is wrong with a handler's codec is an error of its loading. */
int codec_check(const struct tine_handler *, struct err *);
/* An event of this connection begins: it may deliver its budget.messages. */
void codec_begin(struct tine_conn *);
/* Show the handler the messages of the input. */
void codec_run(struct tine_conn *);
/* After an event: those that are left want a turn of their own, unless there is
 * no room for answers. */
void codec_settle(struct tine_conn *);
#define FRAMING_DELIMITER_MAX 255
#define FRAMING_OFFSET_MAX 255
#define FRAMING_STRIP_MAX 255

/* ---- output.c ---- */
/* Stage len bytes, if they are written by a callback of this connection and go
 * out before anything is queued; false: they were not taken. */
bool output_stage(struct tine_conn *, const void *bytes, size_t len);
/* Take all bytes of iov, len of them, into the stage or the queue. -1: ENOMEM,
 * and nothing has changed. */
int output_add(struct tine_conn *, const struct iovec *, int n, size_t len);
/* The same with a chunk; on -1 it stays the caller's. */
int output_add_chunk(struct tine_conn *, struct chunk *);
/* Send what can be sent, at most budget.bytes; may give the connection up. */
void output_flush(struct tine_conn *);
void output_fini(struct tine_conn *);

/* ---- deadline.c ---- */
void deadline_init(struct tine_child *);
void deadline_fini(struct tine_child *);
/* The connection exists from now on; -1: no memory. */
int deadline_begin(struct tine_conn *);
/* Be in the phase that the connection's state means. */
void deadline_update(struct tine_conn *);
void deadline_end(struct tine_conn *);
/* Of the connections of this server that are silent for so many seconds, and
 * have nothing to read or to send, the one that has been so for longest; *since
 * is its child_now(). NULL: there is none. */
struct tine_conn *deadline_silent(struct tine_child *, double seconds,
    double *since);

#endif

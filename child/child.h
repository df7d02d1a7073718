/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * child.h: a child's own structures; private to child/. A child is one process
 * with one event loop: nothing here is shared with another process or thread
 * but the board page, which only this process writes.
 */
#ifndef TINE_CHILD_CHILD_H
#define TINE_CHILD_CHILD_H

#include <bsd/sys/queue.h>
#include <ev.h>
#include <tine.h>

#include "shared/board.h"
#include "shared/conf.h"
#include "shared/ctl.h"
#include "shared/err.h"
#include "shared/heritage.h"
#include "shared/log.h"
#include "shared/origin.h"
#include "shared/report.h"

#include "child/conn.h"
#include "child/dgram.h"
#include "child/dispatch.h"
#include "child/fiber.h"
#include "child/handle.h"
#include "child/handlers/snapshot.h"
#include "child/offload.h"
#include "child/pool.h"
#include "child/timer.h"

/* The largest single read, and the output that one callback gathers. */
#define SCRATCH_BYTES 65536
#define STAGE_BYTES 65536
/* Longer than any child lives. */
#define CLOCK_SPAN 1e9
/* After FIN we read on for this long, so that no reset destroys the answer. */
#define LINGER_SECONDS 1.0
#define BEAT_SECONDS 0.5
#define CHILD_NAME_MAX 24

/*
 * STARTING > PREPARED > READY <> DRAINING > LEAVING; from each to LEAVING.
 */
enum child_state {
	CHILD_STARTING, /* handlers are loaded and started */
	CHILD_PREPARED, /* waits for START */
	CHILD_READY,    /* accepts */
	CHILD_DRAINING, /* finishes what it has */
	CHILD_LEAVING,  /* the loop ends with this turn */
	CHILD_NSTATES
};

/* The checked value of one declared option. */
struct option_value {
	char *text; /* NULL: not set */
	size_t len;
	int64_t number;
};

/* One server of the configuration in this child: what a handler's callbacks
 * know as their child. */
struct tine_child {
	struct child *child;
	/* Connections with callbacks of their own (outbound, adopted) belong to
	 * a side of the server that made them. */
	struct tine_child *origin; /* of a side; NULL: of the configuration */
	SLIST_HEAD(, tine_child) sides;
	SLIST_ENTRY(tine_child) side;
	const struct tine_handler *events; /* what makes a side */
	const struct conf_server *conf;
	struct tine_handler handler; /* a copy; unknown fields are null */
	void *library;               /* of dlopen, or NULL */
	struct option_value *options;
	char **urls; /* as many as conf->listens */
	void *data;  /* the handler's own */
	struct slab slab;
	struct deadline_list deadlines[DEADLINE_NKINDS];
	ev_timer tick;
	struct timer_list timers;
	uint64_t nconns;
	struct peers peers;        /* who they are, if limits.per-address */
	struct conf_limits limits; /* as configured, made consistent */
	size_t read_bytes;         /* asked of one recv */
	size_t budget_bytes;       /* read, and sent, in one event */
	unsigned budget_accepts;
	unsigned budget_messages; /* frames, datagrams: in one event */
	bool is_stream;           /* its connections belong to coroutines */
	bool has_started;
	bool has_ticked;
	bool has_stopped; /* it asked for the end of the server */
	bool is_full;     /* limits.connections reached */
	bool has_misused;
	char refusal[256]; /* tine_set_error() */
};

/* This child's copy of one slot: a listening socket, or the read end of a
 * hand-off pair. */
struct listener {
	TAILQ_ENTRY(listener) entry;
	ev_io io;
	ev_timer rest; /* after EINVAL */
	struct tine_child *server;
	struct route *route; /* of the acceptor; NULL: we serve */
	uint32_t id;         /* of the slot, as the master counts */
	uint32_t listen;     /* of the server */
	bool is_polled;
	bool is_kept; /* CTL_SLOT_KEEP: polled also while draining */
	bool is_unix;
	bool is_pair;
	struct dgram_port *port; /* of UDP; else NULL */
};

/* What runs now, for the crash line and the board. */
struct doing {
	struct tine_child *server;
	const struct tine_conn *conn;
	enum board_callback callback;
};

struct drain {
	ev_timer grace, deadline;
	enum ctl_reason reason;
	bool is_quiescing; /* the grace is over */
	bool is_cutting;   /* the deadline has come */
	uint32_t cut;
};

/* Questions to the master: asked is the number of the last, and it is under way
 * while answered is less; wanted may be one more. */
struct asking {
	uint64_t wanted, asked, answered;
	bool is_silent; /* it waited in vain */
	ev_timer pace, patience;
	struct snapshot shown; /* points into map */
	void *map;             /* or NULL */
	size_t map_bytes;
};

/* overload.accept-rate: what may be accepted now, and one more each so often. */
struct pace {
	double tokens, filled; /* as of this child_now() */
	ev_timer wait;         /* for the next one */
};

/* How long events have to wait, and the brown-out flag. */
struct lag {
	uint64_t turn_ns;    /* when this turn began, if a callback ran in it */
	uint64_t mark_ns;    /* when the last callback returned */
	double since, until; /* child_now() of the flag */
	double quiet_until;  /* of its lines in the log */
	bool is_overloaded, has_said;
};

struct child {
	const struct heritage *heritage;
	const struct conf *conf;
	struct ev_loop *loop;
	enum child_state state;
	int exit_code;

	struct tine_child *servers; /* as many as conf->servers */
	size_t nservers;
	TAILQ_HEAD(, listener) listeners;
	struct dispatch *dispatch; /* the acceptor's; NULL in all others */
	uint64_t nconns, max_conns;
	uint64_t max_files; /* the limit of open descriptors */
	int highest_fd;     /* of those that were received */
	struct handle_table handles;
	unsigned nrefused; /* who are told that there is no room */
	bool is_full;
	int sick;      /* errno that made accepting stop, or 0 */
	int told_sick; /* what the master believes */
	ev_timer recover;
	struct pace pace;

	struct board_page *board, own_page;
	size_t ncounters; /* of handlers, in the page */
	struct doing doing;
	struct lag lag;

	struct pool pool;
	struct block *scratch; /* read into by input_scratch() only */
	char *stage;
	struct dgram_scratch *dgram; /* NULL: no UDP yet */
	size_t staged;
	struct tine_conn *current; /* whose callback runs: it may stage */
	struct tine_conn *stager;  /* whose bytes are staged, or NULL */
	struct {
		struct tine_conn *conn;
		char *bytes;
		size_t len;
		struct input_note note;
	} window; /* input in the scratch that was not consumed yet */
	unsigned messages_left; /* that this event may still deliver */
	struct conn_list dirty, later, dead;
	ev_prepare sweep;
	/* While one is in the later, or a coroutine is ready: the loop must not
	 * wait. */
	ev_idle awake;

	ev_timer clock; /* never fires: shows libev's monotonic clock */
	uint64_t clock_base_ns;

	struct offload *offload; /* NULL: never used */
	struct fibers fibers;
	struct drain drain;
	struct asking asking;

	struct {
		ev_io io;
		uint32_t seq;
		unsigned owed; /* BIT(type) of messages still to be sent */
		uint32_t log_change; /* the last one made */
	} channel;

	struct {
		ev_async wake;
		ev_timer patience;
	} term;

	struct {
		ev_timer timer;
		double due;
		uint64_t cpu_ns, wall_ns, titled_conns;
		unsigned count;
		uint64_t loops; /* bits: the loop's own descriptors */
	} beat;
};

/* Seconds since the loop was made, as of this turn: monotonic, no call into
 * the system. */
static inline double
child_now(const struct child *ch)
{
	/* libev does not show its monotonic clock, but what is left of a timer
	 * is measured by it. */
	union {
		const ev_timer *ro;
		ev_timer *rw;
	} clock = { .ro = &ch->clock };

	return CLOCK_SPAN - ev_timer_remaining(ch->loop, clock.rw);
}

/* ---- of conn.h, what every event asks ---- */

/* Kept, not counting what the window shows. */
static inline size_t
input_bytes(const struct tine_conn *c)
{
	return c->input == NULL ? 0 : c->input->bytes;
}

/* Is there room for input, and somebody who wants it? */
static inline bool
conn_may_read(const struct tine_conn *c)
{
	if (c->state != CONN_OPEN)
		return c->state == CONN_LINGERING;
	return !c->eof_seen && !c->is_stalled && !c->is_paused &&
	    !c->has_frames && input_bytes(c) < conn_server(c)->limits.input;
}

/* Staged, queued and in files. */
static inline size_t
output_bytes(const struct tine_conn *c)
{
	const struct child *ch = conn_server(c)->child;
	size_t queued = c->output == NULL ? 0 : c->output->bytes;

	return ch->stager == c ? ch->staged + queued : queued;
}

/* It is corked, and not so much that it goes out all the same. */
static inline bool
output_is_held(const struct tine_conn *c)
{
	return c->is_corked && c->state == CONN_OPEN &&
	    output_bytes(c) < STAGE_BYTES;
}

/* ---- child.c ---- */
/* A loop and everything that does not depend on the process: no privileges,
 * no signals, no channel. For child_main() and for tests. */
int child_init(struct child *, const struct heritage *, struct err *);
/* Undo child_init(): handlers are stopped, connections must be gone. */
void child_fini(struct child *);
void child_set_state(struct child *, enum child_state);
/* "child 3", "admin child" or "acceptor", for ps and the log. Returns dst,
 * which holds CHILD_NAME_MAX bytes. */
const char *child_name(const struct heritage *, char *dst, size_t size);
/* End the loop; what is left is closed behind it. */
void child_leave(struct child *);
/* Close every connection at once. */
void child_close_conns(struct child *);
/* PREPARED or DRAINING > READY: accept, tick, and say so. */
void child_serve(struct child *);
/* A handler asked for the end of the server. */
void child_shutdown(struct tine_child *);
void child_each_conn(struct child *, void (*fn)(struct tine_conn *));

/* ---- privs.c ---- */
/* Become the unprivileged process that may run handler code. */
int privs_drop(const struct conf *, struct err *);
void privs_hide_memory(const struct conf *);
/* stdin and stdout are /dev/null from now on. */
int privs_leave_terminal(struct err *);
/* stderr too, once a tine in the background is ready. */
void privs_leave_stderr(void);
/* Get this signal when the master dies; -1 when it is dead. */
int privs_watch_parent(pid_t parent, int sig, struct err *);

/* ---- check.c ---- */
/* The roles that look at handlers and end. */
int check_run(const struct heritage *);
int check_list(const struct heritage *);

/* ---- probe.c ---- */
/* Look at a server's handler and its options in a process of its own, and fill
 * in may_stop. Each complaint names the option, or "" for the handler. -1: it
 * could not be tried. For the checker, which has dropped its privileges. */
int probe_run(const struct conf *, struct conf_server *,
    void (*complain)(void *, const char *option, const struct err *), void *arg,
    struct err *);

/* ---- handler.c ---- */
/* Fill handler and library from the name of the program's own handler or of a
 * built-in one, or from a path. */
int handler_load(struct tine_handler *, void **library, const char *name,
    const struct conf *, struct err *);
/* Can it serve all that this server listens on? -1 with the reason. */
int handler_check_listens(const struct tine_handler *,
    const struct conf_server *, struct err *);
void handler_unload(void **library);
/* "1-3", or "1" when there is one. Returns dst. */
const char *handler_abis(unsigned first, unsigned last, char *dst, size_t);
extern const struct tine_handler *const handler_builtins[];

/* ---- option.c ---- */
extern const char *const option_type_names[];
/* An array as long as the handler's options, or NULL when it has none. */
int option_parse(struct option_value **, const struct tine_handler *,
    const struct conf *, const struct conf_server *, struct err *);
/* As option_parse(), but every error is told with the option's name; *values is
 * to be freed in any case. */
typedef void option_complain(void *arg, const char *option, const struct err *);
void option_check(struct option_value **, const struct tine_handler *,
    const struct conf *, const struct conf_server *, option_complain *,
    void *arg);
void option_free(struct option_value **, const struct tine_handler *);

/* ---- reader.c ---- */
/* Have the configuration's files read by a process without privileges, and
 * make conf of them and of what said holds. Origins and report as
 * conf_load(). */
void reader_run(struct conf *, const struct conf *said, struct origin_list *,
    struct report *);

/* ---- server.c ---- */
/* Load the handler of conf->servers[index] and check its options. */
int server_init(struct tine_child *, struct child *, const struct conf_server *,
    struct err *);
void server_fini(struct tine_child *);
/* The side with these callbacks, made when it is first needed; NULL: errno is
 * ENOMEM, or EINVAL for what is no handler. */
struct tine_child *server_side(struct tine_child *,
    const struct tine_handler *events);
/* What handlers know as their child. */
struct tine_child *server_origin(struct tine_child *);
void server_each_conn(struct tine_child *, void (*fn)(struct tine_conn *));
/* Call start; *stop becomes true when the handler ends the whole server. */
int server_start(struct tine_child *, bool *stop, struct err *);
void server_stop(struct tine_child *);
void server_start_ticks(struct tine_child *);
/* The handler did what tine.h forbids: said once. */
void server_blame(struct tine_child *, const char *what);

/* ---- listening.c ---- */
/* What a handler may ask about the server's addresses. */
int listening_init(struct tine_child *, struct err *);
void listening_fini(struct tine_child *);

/* ---- accept.c ---- */
void accept_init(struct child *);
/* Know a slot, and poll it or not. One that is known already is polled too if
 * `poll`, and kept if its flags say so. fd is owned from here on, also on
 * failure. */
int accept_add(struct child *, const struct ctl_slot *, int fd, bool poll);
/* Stop polling a slot, kept or not; a draining child may leave for it. One that
 * was shut down is forgotten. */
void accept_release(struct child *, uint32_t id);
/* Start and stop watchers as limits and states ask. */
void accept_update(struct child *);
/* A connection is gone: what was full may be no more. */
void accept_on_close(struct tine_child *);
/* Is any slot served still, or as soon as there is room again; or have packets
 * to be sent yet? */
bool accept_is_open(const struct child *);
/* The master is gone: its addresses are free from now on. What was handed over,
 * or is by an acceptor that has not heard of it, is served. */
void accept_on_orphan(struct child *);
void accept_close_all(struct child *);
/* Accepting stops for want of descriptors or memory, until a connection closes
 * or a second has passed. */
void accept_fall_sick(struct child *, int code);

/* ---- receive.c ---- */
/* Open up to `most` connections that wait in a pair. 0; or an errno value:
 * EAGAIN nothing waits, EPIPE nothing ever will, EMFILE there is no room for
 * descriptors. */
int receive_some(struct listener *, unsigned most);

/* ---- admit.c ---- */
/* What is known of the next connection before it is accepted. */
struct admission {
	enum board_refusal over;  /* it will be refused for this */
	struct tine_conn *victim; /* or NULL: to be closed, to make room */
};
void admit_init(struct child *);
void admit_fini(struct child *);
/* May one more be accepted, if only to refuse it? When not, its listener is
 * not watched until it may. */
bool admit_look(struct tine_child *, struct admission *);
/* Serve fd or refuse it; it is owned from here on. */
void admit_take(struct tine_child *, int fd, size_t listener,
    const struct sockaddr *from, const struct admission *);
/* Close the connection that is silent for longest, of any server: true when
 * there was one. */
bool admit_shed(struct child *);
/* One of a server that has limits.per-address is closed. */
void admit_on_close(struct tine_conn *);
/* Twice a second: full, but has one become old enough to be closed? */
void admit_on_beat(struct child *);

/* ---- drain.c ---- */
void drain_init(struct child *);
/* Stop accepting and let connections end, within so many seconds. */
void drain_begin(struct child *, double seconds, enum ctl_reason);
/* Be READY again, and say so; nothing unless draining, or when the deadline
 * has come. */
void drain_resume(struct child *);
/* The grace is over: has this connection too had its time to speak? */
bool drain_may_ask(const struct tine_conn *);
/* A connection or a listener is gone: was it the last? */
void drain_check(struct child *);

/* ---- cctl.c ---- */
void cctl_init(struct child *);
void cctl_start(struct child *);
void cctl_stop(struct child *);
/* Without a channel these do nothing. */
void cctl_send(struct child *, enum ctl_type);
void cctl_send_text(struct child *, enum ctl_type, const char *text);
/* Send what the master could not take before. */
void cctl_retry(struct child *);
/* The master died. */
void cctl_on_orphan(struct child *);

/* ---- snapshot.c ---- */
void snapshot_init(struct child *);
void snapshot_fini(struct child *);
/* The master's answer; fd stays the caller's, -1: there is none. */
void snapshot_take(struct child *, const struct ctl_status *, int fd);
/* No answer will come any more. */
void snapshot_on_orphan(struct child *);

/* ---- term.c ---- */
/* SIGTERM, and the end of a child that is left alone. */
int term_init(struct child *, struct err *);
void term_fini(void);
/* Be killed when the orphan limit has passed. */
void term_arm(void);
/* DRAIN came: no need to leave by ourselves. */
void term_on_answer(struct child *);

/* ---- lag.c ---- */
/* A callback of this server has returned, ch->doing says which. */
void lag_on_return(struct tine_child *);
/* The loop is about to wait. */
void lag_on_turn(struct child *);
/* An event had to wait for so long. */
void lag_note(struct child *, double seconds);

/* ---- crash.c ---- */
void crash_init(struct child *);
void crash_fini(void);
/* A stack for the last line of this thread; NULL: it ends. */
void crash_guard_thread(void *bytes, size_t size);

/* ---- beat.c ---- */
void beat_init(struct child *);
/* Which descriptors the loop has for itself; before any handler is loaded. */
void beat_learn(struct child *);
/* The first beat is on the board when this returns. */
void beat_start(struct child *);
void beat_stop(struct child *);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * master.h: the supervising process. It never reads or writes a client's
 * bytes, never runs handler code, never blocks once it serves, and believes
 * nothing that a child can write.
 */
#ifndef TINE_MASTER_MASTER_H
#define TINE_MASTER_MASTER_H

#include <sys/types.h>

#include <bsd/sys/queue.h>
#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "master/acceptor.h"
#include "master/admin.h"
#include "master/audit.h"
#include "master/autoscale.h"
#include "master/binary.h"
#include "master/checkrun.h"
#include "master/counters.h"
#include "master/generation.h"
#include "master/notify.h"
#include "master/operation.h"
#include "master/policy.h"
#include "master/relay.h"
#include "master/reload.h"
#include "master/roll.h"
#include "master/scale.h"
#include "master/steer.h"
#include "master/upgrade.h"
#include "shared/addr.h"
#include "shared/board.h"
#include "shared/conf.h"
#include "shared/ctl.h"
#include "shared/err.h"
#include "shared/heritage.h"
#include "shared/log.h"

struct control;
struct master;
struct place;
struct proc;

#define SLOT_ADOPTERS_MAX (2 * POLICY_ADOPTERS)
/* Places of slots that no place has: all children poll it; or siblings serve
 * what the service manager handed over and the mode has no room for. */
#define SLOT_SHARED (-1)
#define SLOT_NOBODYS (-2)
/* In accept mode dispatch: the acceptor's, which the children poll while there
 * is none; and a pair's write end, which only acceptors get. */
#define SLOT_ACCEPTORS HERITAGE_ACCEPTOR
#define SLOT_TARGET (-4)

/* A listening socket, or one end of a hand-off pair. The master holds its
 * descriptor until the slot is retired, so that no queue dies with a child. */
struct slot {
	uint32_t id;
	int fd;             /* -1: retired */
	int place;          /* whose it is, or one of the above */
	uint64_t opened_ns; /* children that are older were not born with it */
	bool is_listening;
	uint64_t found;     /* by the last audit: BITs of audit_find */
	bool is_excluded;   /* new connections are steered away from it */
	bool is_inherited;  /* the service manager handed it over */
	bool is_foreign;    /* and has it for itself: never shut down */
	uint32_t stored_id; /* id of what the service manager stores; 0: none */
	unsigned empties;   /* times in a row that its queue was empty */
	uint64_t retire_ns; /* parked until then; 0: not parked */
	/* NULL: none. More than are wanted, for those whose RELEASE waits. */
	struct proc *adopters[SLOT_ADOPTERS_MAX];
};

/* A hand-off pair: relay.h. Excluded, retired and so on is its read end. */
struct relay {
	struct slot reader, writer;
	bool is_shut; /* nothing comes into it any more */
};

/*
 * An address that generations listen on, and its slots. Which server it is of
 * is each generation's own matter: generation_find().
 */
struct listener {
	struct url url; /* as the youngest generation has it; the real port */
	struct url before;  /* while a reload may be undone: its options */
	struct addr addr;   /* likewise */
	uint16_t said_port; /* 0: the kernel chose the one in the URL */
	bool has_slot_per_place;
	bool is_dispatched; /* the acceptor takes its connections */
	bool is_admin;      /* of no generation that serves: see admin.h */
	bool is_lone;       /* nothing can join its socket, see heir.h */
	bool is_added;      /* by a reload that may be undone */
	bool is_changed;    /* likewise: `before` counts */
	bool is_leaving;    /* the rolled generation does not have it */
	bool is_shut;       /* and its queue is empty: clients are refused */
	bool is_closing; /* it left for good, and its queue may not be empty */
	uint64_t closing_ns; /* since when */
	struct slot *slots;
	size_t nslots;
	struct relay *relays; /* if dispatched: one for each place */
	size_t nrelays;
	struct steer steer; /* its sockets that listen, if a slot per place */
	struct audit audit; /* how they should be */
	struct audit given; /* those that are the service manager's */
	bool is_misled;     /* a child's program was found when last looked */
	bool owns_path;     /* a unix path that we made: */
	dev_t path_dev;
	ino_t path_ino;
};

/*
 * One child process.
 *
 *     STARTING > PREPARED > READY <> SUSPECT > DRAINING > DEAD
 *
 * Any live one may go to DRAINING, when it is not wanted any more, and to
 * DEAD. A reload that is undone takes DRAINING back to READY.
 */
enum proc_state {
	PROC_STARTING, /* forked; must be PREPARED within start-timeout */
	PROC_PREPARED, /* initialised, was told to START */
	PROC_READY,    /* accepting */
	PROC_SUSPECT,  /* READY, but its heart has not beaten for a while */
	PROC_DRAINING, /* not accepting, finishing its connections */
	PROC_DEAD,     /* its channel ended, or it was reaped */
	PROC_NSTATES
};
extern const char *const proc_state_names[PROC_NSTATES];

struct proc {
	struct master *master;
	struct place *place;
	enum proc_state state;
	enum proc_state last_state; /* before DEAD, for the obituary */
	pid_t pid;
	int pidfd; /* the only way it is ever signalled */
	struct generation *generation;
	int page; /* of the board */
	int ctl;  /* control channel; -1 once it ended */
	const struct ctl_dialect *dialect;   /* what its build speaks there */
	struct ctl_dialect *foreign_dialect; /* the same, if allocated */
	uint32_t seq;                        /* of the next message to it */
	unsigned owed;       /* BIT(type) of messages it could not be sent */
	uint64_t blocked_ns; /* since when; 0: it can be told */
	enum ctl_reason drain_reason;
	uint32_t drain_ticket; /* of the operation that waits for its end */
	uint32_t log_change;   /* the last one of the log that it confirmed */
	uint64_t born_ns;
	uint64_t prepared_ns; /* 0: never */
	uint64_t ready_ns;    /* 0: never */
	uint64_t beat;        /* its heartbeat as it was last seen to change */
	uint64_t beat_ns;     /* when that was */
	double noise; /* 0..1, of its own: so that not all recycle at once */
	bool is_held; /* PREPARED is not answered with START */
	bool is_hung; /* was told to abort */
	bool is_resuming; /* was told RESUME, and has not said READY */
	bool is_ending;   /* was told STOP, or has said DRAINED */
	bool has_drained; /* has said DRAINED: once is enough */
	bool has_quit;    /* said so unasked */
	bool is_sick;     /* cannot accept for now: EMFILE and the like */
	bool is_guilty;   /* killed for breaking the protocol */
	bool is_killed;   /* by us */
	bool is_buried;   /* its place has heard of its death */
	bool is_asking;   /* said ASK, and was not told yet */
	/* The acceptors, incumbent and successor, that have its page. */
	struct proc *shown_to[2];
	int wait_status;
	struct policy_rate messages;
	char last_words[CTL_TEXT_MAX]; /* text of FATAL, escaped, or "" */
	ev_io ctl_w;
	ev_timer deadline_w; /* belongs to the state */
	TAILQ_ENTRY(proc) entry;
};
TAILQ_HEAD(proc_list, proc);

/* Room for one child. Draining children are in the master's list only. */
struct place {
	struct master *master;
	int number;    /* or HERITAGE_ADMIN, HERITAGE_ACCEPTOR */
	char name[16]; /* of its children, in the log: "child 3" */
	struct proc *incumbent;
	struct proc *successor; /* replaces the incumbent once READY */
	bool is_due;            /* fork for it between this turn and the next */
	bool wants_token;       /* its next fork is no plain replacement */
	bool wants_successor;   /* the incumbent is to be replaced */
	bool holds;             /* its next child waits for START: a canary */
	enum ctl_reason reason; /* why */
	struct generation
	    *generation; /* of its next child; NULL: it was left */
	unsigned strikes;
	char last_strike[256]; /* how its last child failed, or "" */
	uint64_t restarts;
	uint64_t accepted;        /* connections, by children that are gone */
	uint64_t accepted_before; /* see fairness.h: all, when it began */
	ev_timer retry_w;
};

/*
 *     INIT > BIND > STARTING > RUNNING > STOPPING > EXIT
 *                               <> RELOADING, SCALING, UPGRADING
 *
 * STARTING and the three operations may go to STOPPING too, and BIND to EXIT.
 */
enum master_state {
	MASTER_INIT,
	MASTER_BIND,     /* waiting for a busy address */
	MASTER_STARTING, /* generation 1 is not complete */
	MASTER_RUNNING,
	MASTER_RELOADING,
	MASTER_SCALING,
	MASTER_UPGRADING,
	MASTER_STOPPING,
	MASTER_EXIT,
	MASTER_NSTATES
};
extern const char *const master_state_names[MASTER_NSTATES];

#define MASTER_NSIGNALS 8

struct master {
	struct ev_loop *loop;
	const struct conf *conf; /* of the generation that serves */
	const struct conf *said; /* what conf was made of, for checks to come */
	char *const *argv;       /* what we were called with */
	struct binary binary;    /* what we run, and what an upgrade runs */
	struct checkrun_list checkruns;
	enum master_state state;
	enum exit_code exit_code;
	struct generation_list generations; /* all that are in use */
	struct generation *generation;      /* the one that serves */
	unsigned last_generation;           /* number of the youngest */
	uint64_t started_ns;
	struct listener **listeners;
	size_t nlisteners;
	uint32_t last_slot_id; /* never used twice */
	struct place *places;  /* CONF_PROCESSES_MAX, so that none ever moves */
	int nplaces;           /* children that are wanted */
	int nplaces_used;      /* more while places are being left */
	struct admin admin;
	struct place *acceptor; /* NULL: no listener ever wanted one */
	struct operations ops;
	struct reload reload;
	struct upgrade upgrade;
	struct roll roll;
	struct scale scale;
	struct autoscale autoscale;
	struct proc_list procs;  /* all that are not reaped */
	int count[PROC_NSTATES]; /* of those that serve */
	struct board board;
	int pid_fd;          /* of the locked pidfile; -1: none */
	int log_fd;          /* what the log uses; children are born with it */
	uint32_t log_change; /* number of the last one, see logs.h */
	struct notify notify;
	struct control *control; /* NULL: none */
	char control_path[108];  /* "" : none */

	/* for policy and status */
	struct policy_bucket bucket;
	struct policy_rate at_once;
	struct log_limit fork_log, gossip_log; /* gossip: what children say */
	struct log_limit guard_log;
	struct err fork_error;            /* of the last fork; text "": none */
	uint64_t totals[BOARD_NCOUNTERS]; /* of children that are gone */
	struct counters counters;         /* of handlers of such */
	uint64_t crashes, hangs, reloads, rollbacks, upgrades;
	bool is_changed;   /* master_on_change() was called */
	int stillborn;     /* deaths in a row while no child was ever READY */
	bool was_ready;    /* some child was READY once */
	int fair_places;   /* since when there are so many, see fairness.h */
	int min_accepting; /* fewest READY children since the last operation
	                    * began */
	uint64_t cut;      /* connections that drains had to end */
	char last_words[CTL_TEXT_MAX]; /* of a child that could not start */
	struct err last_error;         /* text "": none */
	struct err bind_error;         /* why BIND still waits */
	struct addr busy;              /* the address it waits for */
	bool busy_is_udp;
	bool is_waiting; /* and the operator was told so */
	char title[64];

	ev_signal signals_w[MASTER_NSIGNALS];
	ev_child reaper_w;
	ev_timer bind_w;  /* BIND: next try; then the start-timeout */
	ev_timer force_w; /* STOPPING: the patience has an end */
	ev_timer hush_w;  /* STOPPING: the listeners close */
	ev_timer delay_w; /* STOPPING: drain-delay, while all go on */
	ev_timer tick_w;  /* four times a second */
	unsigned ticks;
	uint64_t tick_ns; /* when the last one ended */
	ev_timer logs_w;  /* patience with children after a change of the log */
};

/* ---- master.c ---- */

/* Serve conf, which is taken over, until told to stop; returns the exit code.
 * said is what the command line says. log_fd is logs_start()'s and is closed in
 * the end, pid_fd is pidfile_open()'s or -1, and is closed likewise. */
enum exit_code master_run(struct conf *, const struct conf *said,
    char *const *argv, int log_fd, int pid_fd);
/* Go on as the master that another image of this process was, see upgrade.h. */
enum exit_code master_resume(const struct conf *said, char *const *argv,
    int state, int way_back);
/* Could this binary go on with the state? -1 with the reason why not. */
int master_try(const struct conf *said, char *const *argv,
    const struct tlv_record *, struct err *);
void master_set_state(struct master *, enum master_state);
/* From the first fork to the word to stop. */
bool master_is_serving(const struct master *);
/* In a forked child: let go of the loop, so that the child can make its own.
 * The watchers are stopped first: a signal watcher of a destroyed loop would
 * abort the child's. */
void master_abandon(struct master *);
/* A child became READY, died or fell sick. What follows from it is done between
 * this turn of the loop and the next, so that no event handler runs inside
 * another. */
void master_on_change(struct master *);
/* The name of the handler that a listener leads to. */
const char *master_handler_of(const struct master *, const struct listener *);
/* "tcp://127.0.0.1:8080 (http), unix:///run/x (echo)". Returns dst. */
char *master_print_listeners(const struct master *, char *dst, size_t size);
/* Children that are READY; one that is sick is counted. */
int master_accepting(const struct master *);

/* What ps shows. */
void master_show_title(struct master *);

/* ---- start.c ---- */

void start_init(struct master *);
/* Room for as many children as there can ever be. */
int start_open_pools(struct master *, struct err *);
/* Generation 1: is it complete, or hopeless? */
void start_check(struct master *);

/* ---- stop.c ---- */

void stop_init(struct master *);
/* Gracefully, or at once when `now` or when already stopping. */
void stop_begin(struct master *, bool now);
/* End with this code; err's text is printed for the operator. */
void stop_fail(struct master *, const struct err *);
/* Children were told to drain for good: their listeners close soon. */
void stop_hush(struct master *);
/* The reason, for the operator who looks at the terminal, and for the log. */
void stop_explain(const struct err *);
/* The last line of the log. */
void stop_say(const struct master *);

/* ---- signals.c ---- */

/* First thing in main(): undo what was inherited, hold back what would act
 * before there are handlers. */
void signals_prepare(void);
/* Start the watchers. What is held back stays so until signals_release(). */
void signals_watch(struct master *);
void signals_release(void);
/* The first thing in a process that was another image, which held all back. */
void signals_resume(void);
/* Stop every watcher that signals_watch() started. */
void signals_unwatch(struct master *);
/* The same at the end of the master: nothing acts on it any more. */
void signals_end(struct master *);

/* ---- single.c ---- */

/* --single: open the listeners and become the only child. Returns only when
 * that failed, with the reason in err. */
int single_run(const struct conf *said, struct err *);

/* ---- socket.c: one listening socket ---- */

/* A socket bound to the listener's address, whose port may become known;
 * share: with SO_REUSEPORT. One for UDP is not bound yet, for then it receives.
 * -1 with the reason in err. */
int socket_open(struct listener *, bool share, struct err *);
/* Get connections, or packets, from now on; again: the backlog may be another
 * one now. -1 with errno. */
int socket_listen(struct listener *, struct slot *);
int socket_share(int fd);
/* Can further sockets of ours join slot 0? To be asked for UDP, where the
 * answer would come late; else true. False with EADDRINUSE in err.sys. */
bool socket_can_be_joined(const struct listener *, struct err *);
/* Let nothing new come, whoever holds copies. False: it cannot be done, and
 * must not be closed while others may hold copies. */
bool socket_shut(const struct listener *, const struct slot *);
/* Give a socket the options of this URL that can change while it listens.
 * before: what it has now, so that those not wanted any more are taken back;
 * NULL: it is new. */
int socket_tune(int fd, const struct url *, const struct url *before,
    struct err *);
/* Learn how the listener's sockets should be, from one that no child can have
 * changed. -1 with the reason in err: what was learnt before still counts. */
int socket_learn(struct listener *, struct err *);
/* Has this URL what only a new socket could have? -1: it has, see err. joins:
 * its sockets were one for each place, and are to be one for all. */
int socket_check_fixed(const struct listener *, const struct url *, bool joins,
    struct err *);
/* bind() or listen() failed: say what would mend it. */
int socket_explain(const struct listener *, struct err *);
int socket_backlog(const struct listener *);
/* What the kernel allows. */
int socket_backlog_max(void);
/* No handshake of it ends any more, whoever holds copies; and close it. */
void socket_retire(struct listener *, struct slot *);

/* ---- listener.c: addresses ---- */

/*
 * Find or open every listener of a generation: slot 0 of a new one listens, the
 * others are bound only. Listeners that the serving generation has and this one
 * has not go on until listener_commit(). -1 with nothing changed; err.sys is
 * EADDRINUSE when waiting may help.
 */
int listener_open_all(struct master *, struct generation *, struct err *);
/* A slot with this index that has an id and no socket. NULL with the reason in
 * err. */
struct slot *listener_slot_at(struct master *, struct listener *, size_t index,
    struct err *);
/* Undo what listener_open_all() and listener_leave() did. */
void listener_revert(struct master *);
/* Stop listening and remove the unix paths that are ours. */
void listener_close_all(struct master *);
/* The same, but the admin listener goes on. */
void listener_close_service(struct master *);
/* The slots a child of this place is born with; fills out, at most max. */
size_t listener_heritage(const struct generation *, int place,
    struct heritage_slot *out, size_t max);
/* Let the slots of this child's place listen: it is PREPARED. */
void listener_listen(const struct proc *);
/* Have a slot for each place up to `places`; a listener that all share becomes
 * one with a slot per place when the mode is auto. -1: nothing was changed. */
int listener_widen(struct master *, int places, struct err *);
/* Steer new connections as `balance` says, and away from the slots that are
 * excluded, of one listener or of all. */
void listener_steer(const struct master *, struct listener *);
void listener_steer_all(struct master *);
/* A slot without a socket; its number was never used before. */
struct slot listener_new_slot(struct master *, const struct listener *,
    int place);
/* Close a slot that was excluded for long enough; nothing, if that would lose
 * what still comes there. */
void listener_retire(const struct master *, struct listener *, struct slot *);
/* Close the sockets of places beyond nplaces that never listened. */
void listener_narrow(struct master *);

/* Stop listening, remove the path if it is ours, and forget the listener
 * wherever it is known: its memory may come back as another one's. */
void listener_drop(struct master *, struct listener *);

/* ---- leaving.c: listeners that a reload leaves ---- */

/* The listeners that this generation does not have are to be left. */
void listener_leave(struct master *, const struct generation *);
/* It cannot be undone any more: what was left closes for good, as soon as its
 * queues are empty. */
void listener_commit(struct master *);
/* Does one still close? Its address is not free yet. */
bool listener_is_closing(const struct master *);
/* Each tick: shut those that are left when their queues are empty. */
void listener_tick(struct master *);
/* Connections that wait in its queue; half-open ones cannot be seen, and of a
 * unix socket only whether there are any. */
size_t listener_queue(const struct slot *);
/* To be asked now and then: was the queue empty each of the last times? */
bool listener_is_run_out(struct slot *);

/* ---- unixpath.c: paths of unix sockets, also the control socket's ---- */

/* Make way for bind(): -1 with EADDRINUSE in err.sys when a live server holds
 * the path, 73 when it is not a socket; a stale socket is unlinked. */
int unixpath_clear(const struct addr *, const char *text, struct err *);
/* Unlink path if it is still the socket with this device and inode. */
void unixpath_remove(const char *path, dev_t, ino_t);
/* The listener's path was just bound: give it its owner, and learn by what it
 * is known again. */
int unixpath_claim(struct listener *, struct err *);

/* ---- holder.c: who holds a busy port ---- */

/* Add to err who listens on addr, as a hint. Reads /proc; only before the
 * master serves. */
void holder_name(const struct addr *, bool is_udp, struct err *);
/* "tine (pid 12)", or what else can be said of a process. Returns dst. */
char *holder_who(long pid, char *dst, size_t size);
#define HOLDER_WHO_MAX 96

/* ---- slot.c: who polls what ---- */

/* Compute the wanted pollers of every slot, send ADOPT and RELEASE for what
 * changed. Called after every event that may change who is READY. */
void slot_update(struct master *);
/* Tell all children not to accept from this slot any more. */
void slot_release_all(const struct master *, const struct listener *,
    const struct slot *);
/* A child is gone: it polls nothing any more. */
void slot_forget(struct master *, const struct proc *);

/* The slot gets another socket: children that have the old one are to leave it
 * alone. Called before the change. */
void slot_on_replace(struct master *, const struct listener *, struct slot *);
/* Was this child born without the slot that all children of the listener
 * share? */
bool slot_is_missing(const struct proc *, const struct listener *);

/* ---- guard.c ---- */

/* Each second: look at every listening socket, and mend what a child did to
 * it. */
void guard_tick(struct master *);

/* ---- renew.c ---- */

/* Each second: replace children that have served long enough. */
void renew_tick(struct master *);

/* ---- sizer.c ---- */

/* Each second: does MIN:MAX want another number of children? */
void sizer_tick(struct master *);

/* ---- place.c ---- */

void place_init(struct place *, struct master *, int number);
/* It is wanted: fork for it, the generation that serves. */
void place_open(struct place *);
/* As the image before us left it, its children excepted; retry: seconds to the
 * next fork, or -1. */
void place_resume(struct place *, const struct place *as, struct generation *,
    double retry);
/* It is not wanted any more: its child drains. */
void place_leave(struct place *);
/* Fork now if a place is due; called between turns of the loop only. */
void place_fork_due(struct master *);
/* The incumbent, the successor or a draining child of this place died. */
void place_on_death(struct place *, struct proc *);
/* A child of this place is READY: the one it replaces may drain. */
void place_on_ready(struct place *, struct proc *);
/* Replace the incumbent, make before break. False: already under way; or, if
 * it is not the operator's wish, too many of the place still drain. */
bool place_recycle(struct place *, enum ctl_reason);
/* Replace whoever is there by a child of this generation; holds: it waits for
 * proc_start(). A draining child of it is called back, if there is one. */
void place_replace(struct place *, struct generation *, enum ctl_reason,
    bool holds);
/* The youngest draining child of this place and generation that can be called
 * back, or NULL. */
struct proc *place_veteran(const struct place *, const struct generation *);
/* Nobody serves: fork for this place whatever its strikes. */
void place_rescue(struct place *);
/* No successor came to life: the incumbent stays. */
void place_keep(struct place *);
/* No more forks. */
void place_stop(struct place *);

/* ---- proc.c ---- */

/* Take over a process just forked. */
struct proc *proc_new(struct place *, pid_t, int pidfd, int ctl, int page);
/* It is PREPARED: let it serve. */
void proc_start(struct proc *);
/* It is READY, for the first time or again. */
void proc_on_ready(struct proc *);
/* Call it back from its drain: it says READY when it comes. */
void proc_resume(struct proc *);
/* It is the admin child: it may ask, and goes last. */
bool proc_is_admin(const struct proc *);
/* It is none of the children that serve: it counts nowhere. */
bool proc_is_extra(const struct proc *);
/* It had said that it leaves, and left in order. */
bool proc_has_left(const struct proc *);
void proc_set_state(struct proc *, enum proc_state);
/* Go on with a child of the image before us: a copy of p, which has its
 * descriptors, with so many seconds left to its deadline, or -1 for none. */
struct proc *proc_adopt(const struct proc *p, const struct ctl_dialect *,
    double deadline);
/* Signal it; harmless when it is already gone. */
void proc_signal(struct proc *, int sig);
/* It serves, or was called back: it is to finish its connections. */
void proc_drain(struct proc *, enum ctl_reason);
/* It is not wanted any more: it drains if it can have connections, and ends if
 * it never served. One that drains already goes on doing so. */
void proc_dismiss(struct proc *, enum ctl_reason);
/* Close everything and leave; SIGKILL after a second. */
void proc_end(struct proc *);
/* Send a message that has no payload, or DRAIN as proc_drain() meant it. */
void proc_tell(struct proc *, enum ctl_type);
/* It is to die by itself within so many seconds, or is killed. */
void proc_expect_end(struct proc *, double seconds);
/* It said that it has drained and leaves. */
void proc_on_drained(struct proc *);
/* Its channel ended: it serves no more, and is given a moment to be reaped. */
void proc_on_eof(struct proc *);
/* It must die, now. */
void proc_kill(struct proc *);
/* waitpid() has it. */
void proc_on_reaped(struct proc *, int wait_status);

/* ---- watch.c ---- */

/* Each tick: which hearts do not beat? */
void watch_tick(struct master *);
/* Has its heart beaten lately? */
bool watch_is_beating(const struct proc *);

/* ---- spawn.c ---- */

/* Fork a child for this place. NULL with the reason in err. */
struct proc *spawn_child(struct place *, struct err *);
/* Fork the checker on what the operator said; it writes into the file `result`,
 * see child/check.c. The master is NULL before there is one. -1: the reason is
 * in err. */
pid_t spawn_checker(struct master *, const struct conf *said, int result,
    struct err *);
/* Fork a process that becomes another program, or ends: become_it(arg) is
 * called there with all signals blocked and must not return. Returns its pid,
 * or -1 with the reason. Called between turns of the loop only. */
pid_t spawn_stranger(void (*become_it)(void *), void *arg, struct err *);
/* "exit code 3", "signal 9 (Killed)"; returns dst. */
char *spawn_words(int wait_status, char *dst, size_t size);

/* ---- mctl.c ---- */

/* Send a message. False: the child is gone, or cannot be told now; START,
 * DRAIN, RESUME and STOP then go out when it reads again. */
bool mctl_send(struct proc *, enum ctl_type, const void *payload, size_t len,
    int fd);
/* As the image before us left it. */
void mctl_resume(struct proc *);
/* Each second: try again, and kill a child that has not read for
 * hang-timeout. */
void mctl_tick(struct proc *);
void mctl_start(struct proc *);
void mctl_stop(struct proc *);

#endif

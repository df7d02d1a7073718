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

#include "master/checkrun.h"
#include "master/policy.h"
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

/* A listening socket. The master holds its descriptor until the very end, so
 * that no queue dies with a child. */
struct slot {
	uint32_t id;
	int fd;
	int place; /* whose it is; -1: shared by all */
	bool is_listening;
	/* NULL: none. More than are wanted, for those whose RELEASE waits. */
	struct proc *adopters[SLOT_ADOPTERS_MAX];
};

/* An address of the configuration and its slots. */
struct listener {
	struct url url; /* its port is the real one */
	struct addr addr;
	uint32_t server; /* index into conf->servers */
	uint32_t listen; /* index into that server's listens */
	bool has_slot_per_place;
	struct slot *slots;
	size_t nslots;
	bool owns_path; /* a unix path that we made: */
	dev_t path_dev;
	ino_t path_ino;
};

/*
 * One child process.
 *
 *     STARTING > PREPARED > READY > DRAINING > DEAD
 *
 * Any live one may go to DRAINING, when the server stops, and to DEAD.
 */
enum proc_state {
	PROC_STARTING, /* forked; must be PREPARED within start-timeout */
	PROC_PREPARED, /* initialised, was told to START */
	PROC_READY,    /* accepting */
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
	unsigned generation;
	int page;            /* of the board */
	int ctl;             /* control channel; -1 once it ended */
	uint32_t seq;        /* of the next message to it */
	unsigned owed;       /* BIT(type) of messages it could not be sent */
	uint64_t blocked_ns; /* since when; 0: it can be told */
	enum ctl_reason drain_reason;
	uint32_t log_change; /* the last one of the log that it confirmed */
	uint64_t born_ns;
	uint64_t ready_ns; /* 0: never */
	bool is_sick;      /* cannot accept for now: EMFILE and the like */
	bool is_guilty;    /* killed for breaking the protocol */
	bool is_killed;    /* by us */
	bool is_buried;    /* its place has heard of its death */
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
	int number;
	struct proc *incumbent;
	struct proc *successor; /* replaces the incumbent once READY */
	bool is_due;            /* fork for it between this turn and the next */
	bool wants_token;       /* its next fork is no plain replacement */
	bool wants_successor;   /* the incumbent is to be replaced */
	enum ctl_reason reason; /* why */
	unsigned strikes;
	char last_strike[256]; /* how its last child failed, or "" */
	uint64_t restarts;
	ev_timer retry_w;
};

/*
 *     INIT > BIND > STARTING > RUNNING > STOPPING > EXIT
 *
 * STARTING may go to STOPPING too, and BIND to EXIT.
 */
enum master_state {
	MASTER_INIT,
	MASTER_BIND,     /* waiting for a busy address */
	MASTER_STARTING, /* generation 1 is not complete */
	MASTER_RUNNING,
	MASTER_STOPPING,
	MASTER_EXIT,
	MASTER_NSTATES
};
extern const char *const master_state_names[MASTER_NSTATES];

#define MASTER_NSIGNALS 8

struct master {
	struct ev_loop *loop;
	const struct conf *conf;
	const struct conf *said; /* what conf was made of, for checks to come */
	struct checkrun_list checkruns;
	enum master_state state;
	enum exit_code exit_code;
	unsigned generation;
	uint64_t started_ns;
	struct listener *listeners;
	size_t nlisteners;
	struct place *places;
	int nplaces;
	struct proc_list procs; /* all that are not reaped */
	int count[PROC_NSTATES];
	struct board board;
	int log_fd;          /* what the log uses; children are born with it */
	uint32_t log_change; /* number of the last one, see logs.h */
	struct control *control; /* NULL: none */
	char control_path[108];  /* "" : none */

	/* for policy and status */
	struct policy_bucket bucket;
	struct policy_rate at_once;
	struct log_limit fork_log, gossip_log; /* gossip: what children say */
	uint64_t totals[BOARD_NCOUNTERS];      /* of children that are gone */
	uint64_t crashes;
	bool is_changed;   /* master_on_change() was called */
	int stillborn;     /* deaths in a row while no child was ever READY */
	bool was_ready;    /* some child was READY once */
	int min_accepting; /* fewest READY children since RUNNING */
	uint64_t cut;      /* connections that drains had to end */
	char last_words[CTL_TEXT_MAX]; /* of a child that could not start */
	struct err last_error;         /* text "": none */
	struct err bind_error;         /* why BIND still waits */
	struct addr busy;              /* the address it waits for */
	bool is_waiting;               /* and the operator was told so */
	char title[64];

	ev_signal signals_w[MASTER_NSIGNALS];
	ev_child reaper_w;
	ev_timer bind_w;  /* BIND: next try; then the start-timeout */
	ev_timer force_w; /* STOPPING: the patience has an end */
	ev_timer hush_w;  /* STOPPING: the listeners close */
	ev_timer tick_w;  /* each second */
	ev_timer logs_w;  /* patience with children after a change of the log */
};

/* ---- master.c ---- */

/* Serve conf until told to stop; returns the exit code. said is what the
 * command line says. log_fd is logs_start()'s and is closed in the end. */
enum exit_code master_run(const struct conf *, const struct conf *said,
    int log_fd);
/* In a forked child: let go of the loop, so that the child can make its own.
 * The watchers are stopped first: a signal watcher of a destroyed loop would
 * abort the child's. */
void master_abandon(struct master *);
/* Gracefully, or at once when `now` or when already stopping. */
void master_stop(struct master *, bool now);
/* End with this code; err's text is printed for the operator. */
void master_fail(struct master *, const struct err *);
/* A child became READY, died or fell sick. What follows from it is done between
 * this turn of the loop and the next, so that no event handler runs inside
 * another. */
void master_on_change(struct master *);
/* "tcp://127.0.0.1:8080 (http), unix:///run/x (echo)". Returns dst. */
char *master_print_listeners(const struct master *, char *dst, size_t size);
/* Children that are READY; one that is sick is counted. */
int master_accepting(const struct master *);

/* ---- signals.c ---- */

/* First thing in main(): undo what was inherited, hold back what would act
 * before there are handlers. */
void signals_prepare(void);
void signals_watch(struct master *);
/* Stop every watcher that signals_watch() started. */
void signals_unwatch(struct master *);
/* The same at the end of the master: nothing acts on it any more. */
void signals_end(struct master *);

/* ---- single.c ---- */

/* --single: open the listeners and become the only child. Returns only when
 * that failed, with the reason in err. */
int single_run(const struct conf *said, struct err *);

/* ---- listener.c: addresses ---- */

/* Open every listener of conf: slot 0 listens, the others are bound only. -1
 * with nothing left open; err.sys is EADDRINUSE when waiting may help. */
int listener_open_all(struct master *, struct err *);
/* Stop listening and remove the unix paths that are ours. */
void listener_close_all(struct master *);
/* The slots a child of this place is born with; fills out, at most max. */
size_t listener_heritage(const struct master *, int place,
    struct heritage_slot *out, size_t max);
/* Let the slots of this place listen: its child is PREPARED. */
void listener_listen(struct master *, int place);

/* ---- unixpath.c: paths of unix sockets, also the control socket's ---- */

/* Make way for bind(): -1 with EADDRINUSE in err.sys when a live server holds
 * the path, 73 when it is not a socket; a stale socket is unlinked. */
int unixpath_clear(const struct addr *, const char *text, struct err *);
/* Unlink path if it is still the socket with this device and inode. */
void unixpath_remove(const char *path, dev_t, ino_t);

/* ---- holder.c: who holds a busy port ---- */

/* Add to err who listens on addr, as a hint. Reads /proc; only before the
 * master serves. */
void holder_name(const struct addr *, struct err *);
/* "tine (pid 12)", or what else can be said of a process. Returns dst. */
char *holder_who(long pid, char *dst, size_t size);
#define HOLDER_WHO_MAX 96

/* ---- slot.c: who polls what ---- */

/* Compute the wanted pollers of every slot, send ADOPT and RELEASE for what
 * changed. Called after every event that may change who is READY. */
void slot_update(struct master *);
/* A child is gone: it polls nothing any more. */
void slot_forget(struct master *, const struct proc *);

/* ---- place.c ---- */

void place_init(struct place *, struct master *, int number);
/* Fork now if a place is due; called between turns of the loop only. */
void place_fork_due(struct master *);
/* The incumbent, the successor or a draining child of this place died. */
void place_on_death(struct place *, struct proc *);
/* A child of this place is READY: the one it replaces may drain. */
void place_on_ready(struct place *, struct proc *);
/* Replace the incumbent, make before break. False: already under way. */
bool place_recycle(struct place *, enum ctl_reason);
/* Nobody serves: fork for this place whatever its strikes. */
void place_rescue(struct place *);
/* No successor came to life: the incumbent stays. */
void place_keep(struct place *);
/* No more forks. */
void place_stop(struct place *);

/* ---- proc.c ---- */

/* Take over a process just forked. */
struct proc *proc_new(struct place *, pid_t, int pidfd, int ctl, int page);
void proc_set_state(struct proc *, enum proc_state);
/* Signal it; harmless when it is already gone. */
void proc_signal(struct proc *, int sig);
void proc_drain(struct proc *, enum ctl_reason);
/* Close everything and leave; SIGKILL after a second. */
void proc_end(struct proc *);
/* Send a message that has no payload, or DRAIN as proc_drain() meant it. */
void proc_tell(struct proc *, enum ctl_type);
/* It said that it has drained and leaves. */
void proc_on_drained(struct proc *);
/* Its channel ended: it serves no more, and is given a moment to be reaped. */
void proc_on_eof(struct proc *);
/* It must die, now. */
void proc_kill(struct proc *);
/* waitpid() has it. */
void proc_on_reaped(struct proc *, int wait_status);

/* ---- spawn.c ---- */

/* Fork a child for this place. NULL with the reason in err. */
struct proc *spawn_child(struct place *, struct err *);
/* Fork the checker on what the operator said; it writes into the file `result`,
 * see child/check.c. The master is NULL before there is one. -1: the reason is
 * in err. */
pid_t spawn_checker(struct master *, const struct conf *said, int result,
    struct err *);
/* "exit code 3", "signal 9 (Killed)"; returns dst. */
char *spawn_words(int wait_status, char *dst, size_t size);

/* ---- mctl.c ---- */

/* Send a message. False: the child is gone, or cannot be told now; a message
 * without a descriptor then goes out when it reads again. */
bool mctl_send(struct proc *, enum ctl_type, const void *payload, size_t len,
    int fd);
/* Each second: try again, and kill a child that has not read for
 * hang-timeout. */
void mctl_tick(struct proc *);
void mctl_start(struct proc *);
void mctl_stop(struct proc *);

#endif

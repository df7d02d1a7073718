/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proc.c: one child process as the master sees it: its state, its end, its
 * obituary. What its death means for its place is place.c's decision.
 */
#include <sys/syscall.h>
#include <sys/wait.h>

#include <assert.h>
#include <bsd/string.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/master.h"

#define END_PATIENCE_S 1.0  /* from STOP to SIGKILL */
#define DRAIN_MARGIN_S 2.0  /* past the drain's own deadline */
#define CUT_MAX (1U << 20)  /* connections a child can have had */
#define EOF_PATIENCE_S 0.1  /* from the channel's end to the process's */
#define REAP_PATIENCE_S 5.0 /* a killed child that stays in the kernel */

const char *const proc_state_names[PROC_NSTATES] = {
	[PROC_STARTING] = "starting",
	[PROC_PREPARED] = "prepared",
	[PROC_READY] = "ready",
	[PROC_SUSPECT] = "suspect",
	[PROC_DRAINING] = "draining",
	[PROC_DEAD] = "dead",
};

static const unsigned proc_next[PROC_NSTATES] = {
	[PROC_STARTING] =
	    BIT(PROC_PREPARED) | BIT(PROC_DRAINING) | BIT(PROC_DEAD),
	[PROC_PREPARED] = BIT(PROC_READY) | BIT(PROC_DRAINING) | BIT(PROC_DEAD),
	[PROC_READY] = BIT(PROC_SUSPECT) | BIT(PROC_DRAINING) | BIT(PROC_DEAD),
	[PROC_SUSPECT] = BIT(PROC_READY) | BIT(PROC_DRAINING) | BIT(PROC_DEAD),
	[PROC_DRAINING] = BIT(PROC_READY) | BIT(PROC_DEAD),
};

static void on_deadline(struct ev_loop *, ev_timer *, int);

static void
set_deadline(struct proc *p, double seconds)
{
	ev_timer_stop(p->master->loop, &p->deadline_w);
	ev_timer_set(&p->deadline_w, seconds, 0);
	ev_timer_start(p->master->loop, &p->deadline_w);
}

bool
proc_is_admin(const struct proc *p)
{
	return p->place->number == HERITAGE_ADMIN;
}

bool
proc_is_extra(const struct proc *p)
{
	return p->place->number < 0;
}

static void
count(const struct proc *p, enum proc_state state, int n)
{
	if (!proc_is_extra(p))
		p->master->count[state] += n;
}

struct proc *
proc_new(struct place *place, pid_t pid, int pidfd, int ctl, int page)
{
	struct master *m = place->master;
	struct proc *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->master = m;
	p->place = place;
	p->state = PROC_STARTING;
	p->pid = pid;
	p->pidfd = pidfd;
	p->ctl = ctl;
	p->dialect = ctl_own_dialect();
	p->page = page;
	p->generation = place->generation;
	p->generation->children++;
	p->is_held = place->holds;
	p->noise = drand48();
	p->log_change = m->log_change;
	p->born_ns = mono_ns();
	count(p, PROC_STARTING, 1);
	TAILQ_INSERT_TAIL(&m->procs, p, entry);
	ev_init(&p->deadline_w, on_deadline);
	p->deadline_w.data = p;
	set_deadline(p, p->generation->conf.start_timeout);
	mctl_start(p);
	return p;
}

struct proc *
proc_adopt(const struct proc *as, const struct ctl_dialect *dialect,
    double deadline)
{
	struct master *m = as->master;
	struct proc *p = calloc(1, sizeof(*p));
	struct ctl_dialect *copy = malloc(sizeof(*copy));

	if (p == NULL || copy == NULL) {
		free(p);
		free(copy);
		return NULL;
	}
	*p = *as;
	*copy = *dialect;
	p->dialect = p->foreign_dialect = copy;
	p->generation->children++;
	count(p, p->state, 1);
	TAILQ_INSERT_TAIL(&m->procs, p, entry);
	ev_init(&p->deadline_w, on_deadline);
	p->deadline_w.data = p;
	if (deadline >= 0)
		set_deadline(p, deadline);
	mctl_resume(p);
	return p;
}

static void
proc_free(struct proc *p)
{
	struct master *m = p->master;

	ev_timer_stop(m->loop, &p->deadline_w);
	count(p, p->state, -1);
	p->generation->children--;
	TAILQ_REMOVE(&m->procs, p, entry);
	closefd(&p->pidfd);
	free(p->foreign_dialect);
	free(p);
}

/* The only place where a child's state changes. */
void
proc_set_state(struct proc *p, enum proc_state to)
{
	struct master *m = p->master;

	assert(proc_next[p->state] & BIT(to));
	log_debug("%s (pid %ld): %s > %s", p->place->name, (long)p->pid,
	    proc_state_names[p->state], proc_state_names[to]);
	/* One start-timeout covers all from birth to READY; and whatever one
	 * that hangs comes to be, it was told to die. */
	if ((to != PROC_PREPARED || p->is_held) && !p->is_hung)
		ev_timer_stop(m->loop, &p->deadline_w);
	count(p, p->state, -1);
	count(p, to, 1);
	p->last_state = p->state;
	p->state = to;
	if (master_is_serving(m) && m->state != MASTER_STARTING)
		m->min_accepting =
		    MIN_OF(m->min_accepting, master_accepting(m));
}

void
proc_signal(struct proc *p, int sig)
{
	if (p->pidfd != -1)
		(void)syscall(SYS_pidfd_send_signal, p->pidfd, sig, NULL, 0);
}

void
proc_drain(struct proc *p, enum ctl_reason reason)
{
	double patience = p->generation->conf.drain_timeout;

	/* One that was called back may have left it by now, or not. */
	if (p->state != PROC_DRAINING)
		proc_set_state(p, PROC_DRAINING);
	/* One that was told to abort has no connections to finish. */
	if (!p->is_hung)
		set_deadline(p, patience + DRAIN_MARGIN_S);
	p->drain_reason = reason;
	p->is_resuming = false;
	proc_tell(p, CTL_DRAIN);
}

void
proc_dismiss(struct proc *p, enum ctl_reason reason)
{
	if (p->state == PROC_READY || p->state == PROC_SUSPECT ||
	    (p->state == PROC_DRAINING && p->is_resuming))
		proc_drain(p, reason);
	else if (p->state != PROC_DRAINING)
		proc_end(p);
}

void
proc_tell(struct proc *p, enum ctl_type type)
{
	struct ctl_drain drain = {
		.deadline_ms =
		    (uint32_t)(p->generation->conf.drain_timeout * 1000),
		.reason = (uint32_t)p->drain_reason,
	};

	(void)mctl_send(p, type, &drain, type == CTL_DRAIN ? sizeof(drain) : 0,
	    -1);
}

void
proc_start(struct proc *p)
{
	if (p->is_held)
		set_deadline(p, p->generation->conf.start_timeout);
	p->is_held = false;
	listener_listen(p);
	proc_tell(p, CTL_START);
	/* Its slots listen now, and it does not accept yet. */
	master_on_change(p->master);
}

void
proc_on_ready(struct proc *p)
{
	struct master *m = p->master;

	if (p->state == PROC_DRAINING && !p->is_resuming)
		return; /* crossed our DRAIN */
	if (p->state == PROC_READY || p->state == PROC_SUSPECT)
		return; /* it drained for a moment, unasked */
	if (p->is_hung)
		return; /* was told to abort: it dies, whatever it says */
	p->is_resuming = false;
	if (p->ready_ns == 0)
		p->ready_ns = mono_ns();
	proc_set_state(p, PROC_READY);
	if (!proc_is_extra(p)) {
		m->was_ready = true;
		m->stillborn = 0;
	}
	place_on_ready(p->place, p);
	master_on_change(m);
}

void
proc_resume(struct proc *p)
{
	bool was_told = !(p->owed & BIT(CTL_DRAIN));

	p->is_resuming = true;
	p->drain_ticket = 0;
	proc_tell(p, CTL_RESUME);
	/* One that never heard of the drain has nothing to come back from. */
	if (!was_told && p->ctl != -1)
		proc_on_ready(p);
}

bool
proc_has_left(const struct proc *p)
{
	if (p->last_state != PROC_DRAINING || p->wait_status != 0)
		return false;
	/* One that leaves as soon as it has come, unasked, has failed. */
	return !p->has_quit || mono_ns() - p->ready_ns >= POLICY_QUICK_NS;
}

void
proc_end(struct proc *p)
{
	if (p->state == PROC_DEAD)
		return;
	if (p->state != PROC_DRAINING)
		proc_set_state(p, PROC_DRAINING);
	p->is_ending = true;
	p->is_resuming = false;
	/* Asking again and again must not put the end off. */
	if (!ev_is_active(&p->deadline_w) ||
	    ev_timer_remaining(p->master->loop, &p->deadline_w) >
		END_PATIENCE_S)
		set_deadline(p, END_PATIENCE_S);
	proc_tell(p, CTL_STOP);
}

void
proc_expect_end(struct proc *p, double seconds)
{
	set_deadline(p, seconds);
}

void
proc_on_drained(struct proc *p)
{
	if (p->state != PROC_DRAINING) {
		p->has_quit = true;
		proc_set_state(p, PROC_DRAINING);
	}
	p->has_drained = p->is_ending = true;
	/* What it was told last crossed with this. */
	p->is_resuming = false;
	/* Nothing but exit() is left to it. */
	set_deadline(p, END_PATIENCE_S);
	slot_forget(p->master, p);
	master_on_change(p->master);
}

/* While nobody was ever READY, deaths are counted and explained to the one who
 * starts the server. */
static void
note_stillbirth(const struct proc *p)
{
	struct master *m = p->master;
	char words[64];

	if (m->was_ready || proc_is_extra(p))
		return;
	m->stillborn++;
	(void)snprintf(m->last_words, sizeof(m->last_words), "%s",
	    p->last_words[0] != '\0'
		? p->last_words
		: spawn_words(p->wait_status, words, sizeof(words)));
}

/* Its channel ended a while ago, and it has not. */
static void
on_late_death(struct proc *p)
{
	if (!p->is_killed) {
		log_error("%s (pid %ld): closed its channel and lives "
			  "on; killing it",
		    p->place->name, (long)p->pid);
		p->is_guilty = true;
		proc_kill(p);
		return;
	}
	/* Stuck in the kernel: its place must not wait for it. */
	log_error("%s (pid %ld): killed, but not gone after %.0f s",
	    p->place->name, (long)p->pid, REAP_PATIENCE_S);
	p->wait_status = SIGKILL;
	p->is_buried = true;
	note_stillbirth(p);
	place_on_death(p->place, p);
	master_on_change(p->master);
}

/* The time that the state allows is over. */
static void
on_deadline(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct proc *p = w->data;

	(void)loop;
	(void)revents;
	switch (p->state) {
	case PROC_STARTING:
	case PROC_PREPARED:
		if (p->is_hung)
			break;
		log_error("%s (pid %ld): not ready within start-timeout",
		    p->place->name, (long)p->pid);
		/* The reason of its death, before "signal 9". */
		if (p->last_words[0] == '\0')
			(void)strlcpy(p->last_words,
			    "not ready within start-timeout",
			    sizeof(p->last_words));
		break;
	case PROC_DRAINING:
		if (p->is_hung)
			break;
		log_warn("%s (pid %ld): did not leave in time", p->place->name,
		    (long)p->pid);
		break;
	case PROC_DEAD:
		on_late_death(p);
		return;
	case PROC_READY:
	case PROC_SUSPECT:
	case PROC_NSTATES:
		break;
	}
	proc_kill(p);
}

void
proc_on_eof(struct proc *p)
{
	if (p->state == PROC_DEAD)
		return;
	mctl_stop(p);
	proc_set_state(p, PROC_DEAD);
	set_deadline(p, EOF_PATIENCE_S);
	slot_forget(p->master, p);
	/* The siblings take over its slots now; the place is refilled when
	 * waitpid() has said how it died. */
	master_on_change(p->master);
}

void
proc_kill(struct proc *p)
{
	proc_on_eof(p);
	p->is_killed = true;
	proc_signal(p, SIGKILL);
	set_deadline(p, REAP_PATIENCE_S);
}

/* One line for every death, whoever wanted it. */
static void
log_obituary(const struct proc *p)
{
	double age = (double)(mono_ns() - p->born_ns) / (double)NSEC_PER_SEC;
	bool is_expected = proc_has_left(p);
	char words[64];

	log_write(is_expected ? LOG_INFO : LOG_WARN,
	    "%s (pid %ld, gen %u) ended: %s, %.3f s old, was %s%s%s",
	    p->place->name, (long)p->pid, p->generation->number,
	    spawn_words(p->wait_status, words, sizeof(words)), age,
	    proc_state_names[p->last_state], p->last_words[0] ? ": " : "",
	    p->last_words);
}

static void
fold_counters(const struct proc *p)
{
	struct master *m = p->master;
	struct board_copy copy;
	bool was_full;
	size_t i;

	board_read(&m->board, p->page, &copy);
	/* A drain that a signal ended could not say whom it cut. */
	if (p->last_state == PROC_DRAINING && WIFSIGNALED(p->wait_status))
		m->cut += MIN_OF(copy.gauges[BOARD_CONNECTIONS], CUT_MAX);
	for (i = 0; i < BOARD_NCOUNTERS; i++)
		m->totals[i] =
		    MIN_OF(m->totals[i] + copy.counters[i], BOARD_COUNT_MAX);
	was_full = m->counters.is_full;
	counters_fold(&m->counters, &m->board, p->page);
	if (m->counters.is_full && !was_full)
		log_warn("handlers have more than %d counters: some are lost "
			 "with %s",
		    COUNTERS_MAX, p->place->name);
	p->place->accepted =
	    MIN_OF(p->place->accepted + copy.counters[BOARD_ACCEPTED],
		BOARD_COUNT_MAX);
}

void
proc_on_reaped(struct proc *p, int wait_status)
{
	struct master *m = p->master;

	if (p->state != PROC_DEAD) {
		/* What it said before it died is still in the channel. */
		mctl_stop(p);
		proc_set_state(p, PROC_DEAD);
		slot_forget(m, p);
	}
	/* It cannot be signalled any more: the pid may have a new owner. */
	closefd(&p->pidfd);
	p->wait_status = wait_status;
	if (!proc_is_extra(p))
		fold_counters(p);
	board_give(&m->board, p->page);
	log_obituary(p);
	if (!p->is_buried) {
		note_stillbirth(p);
		place_on_death(p->place, p);
	}
	proc_free(p);
	master_on_change(m);
}

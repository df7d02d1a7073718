/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * term.c: SIGTERM. Runs in children. From an operator it means "be replaced":
 * the child asks the master and goes on accepting until DRAIN comes, so that a
 * TERM to the whole group does not empty every place at once. From the kernel
 * it means that the master died: then a timer is armed in the signal handler
 * itself, whose expiry is SIGKILL, because a child that loops in a handler
 * comes back to no event loop.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "child/child.h"

/* Patience with the master's answer. */
#define ANSWER_SECONDS 1.0
/* The orphan limit is for those who still listen; this is for the others. */
#define KILL_AFTER_ORPHAN 2.0

static const int ignored[] = { SIGPIPE, SIGINT, SIGQUIT, SIGHUP, SIGUSR1,
	SIGUSR2, SIGTTIN, SIGTTOU, SIGWINCH, SIGXFSZ };
/* What a terminal sends to a server that has no master. */
static const int single_stops[] = { SIGTERM, SIGINT, SIGQUIT };

/* All that the signal handler touches. */
static struct {
	struct child *child;
	timer_t timer;
	bool has_timer;
	struct itimerspec limit;
	pid_t parent; /* 0: none to watch */
} term;

void
term_arm(void)
{
	if (term.child != NULL && term.has_timer)
		(void)timer_settime(term.timer, 0, &term.limit, NULL);
}

static void
on_signal(int sig)
{
	int saved = errno;

	(void)sig;
	if (term.parent != 0 && getppid() != term.parent)
		term_arm();
	ev_async_send(term.child->loop, &term.child->term.wake);
	errno = saved;
}

static void
on_patience(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct child *ch = w->data;

	(void)loop;
	(void)revents;
	log_warn("the master does not answer: draining without a successor");
	drain_begin(ch, ch->conf->drain_timeout, CTL_OPERATOR);
}

static void
stop_single(struct child *ch)
{
	if (ch->state == CHILD_DRAINING) {
		child_leave(ch);
		return;
	}
	drain_begin(ch, ch->conf->drain_timeout, CTL_STOPPING);
	/* There is no master to refuse later clients. */
	accept_close_all(ch);
	drain_check(ch);
}

static void
on_wake(struct ev_loop *loop, ev_async *w, int revents)
{
	struct child *ch = w->data;

	(void)revents;
	if (ch->heritage->ctl == -1) {
		stop_single(ch);
	} else if (getppid() != ch->heritage->parent) {
		cctl_on_orphan(ch);
	} else if (ch->state != CHILD_DRAINING &&
	    !ev_is_active(&ch->term.patience)) {
		cctl_send(ch, CTL_RECYCLE);
		ev_timer_set(&ch->term.patience, ANSWER_SECONDS, 0.);
		ev_timer_start(loop, &ch->term.patience);
	}
}

void
term_on_answer(struct child *ch)
{
	ev_timer_stop(ch->loop, &ch->term.patience);
}

static int
set_dispositions(bool is_single, struct err *err)
{
	struct sigaction act = { .sa_handler = SIG_IGN };
	size_t i;

	(void)sigemptyset(&act.sa_mask);
	for (i = 0; i < nitems(ignored); i++)
		if (sigaction(ignored[i], &act, NULL) == -1)
			return err_sys(err, "ignore signal %d", ignored[i]);
	act.sa_handler = SIG_DFL;
	if (sigaction(SIGCHLD, &act, NULL) == -1)
		return err_sys(err, "default action of SIGCHLD");
	act.sa_handler = on_signal;
	act.sa_flags = SA_RESTART;
	for (i = 0; i < (is_single ? nitems(single_stops) : 1); i++)
		if (sigaction(single_stops[i], &act, NULL) == -1)
			return err_sys(err, "catch signal %d", single_stops[i]);
	return 0;
}

static void
make_timer(struct child *ch)
{
	struct sigevent kill_us = {
		.sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGKILL,
	};
	double limit = ch->conf->orphan + KILL_AFTER_ORPHAN;

	if (timer_create(CLOCK_MONOTONIC, &kill_us, &term.timer) == -1) {
		/* Timers are counted by user: a sibling may have taken them
		 * all. Without one only a looping orphan lives on. */
		log_sys(LOG_WARN, "timer for the death of the master");
		return;
	}
	term.has_timer = true;
	term.limit.it_value.tv_sec = (time_t)limit;
	term.limit.it_value.tv_nsec =
	    (long)((limit - (double)(time_t)limit) * 1e9);
}

int
term_init(struct child *ch, struct err *err)
{
	bool is_single = ch->heritage->ctl == -1;

	ev_async_init(&ch->term.wake, on_wake);
	ch->term.wake.data = ch;
	ev_async_start(ch->loop, &ch->term.wake);
	ev_init(&ch->term.patience, on_patience);
	ch->term.patience.data = ch;
	term.child = ch;
	if (!is_single) {
		term.parent = ch->heritage->parent;
		make_timer(ch);
	}
	return set_dispositions(is_single, err);
}

void
term_fini(void)
{
	struct sigaction act = { .sa_handler = SIG_IGN };
	size_t i;

	/* The loop may not be woken any more. The timer lives on: it ends a
	 * handler that does not return from its stop callback. */
	for (i = 0; i < nitems(single_stops); i++)
		(void)sigaction(single_stops[i], &act, NULL);
	term.child = NULL;
}

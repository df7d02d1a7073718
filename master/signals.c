/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * signals.c: signals from the operator become operations of the master, and
 * SIGCHLD becomes the end of a child. Handlers are libev's: they only wake the
 * loop.
 */
#include <signal.h>

#include "master/logs.h"
#include "master/master.h"

static void
stop_on_signal(struct master *m)
{
	stop_begin(m, false);
}

static void
reopen_on_signal(struct master *m)
{
	struct err err;

	/* Why it failed is in the log. */
	(void)logs_reopen(m, &err);
}

static void
reload_on_signal(struct master *m)
{
	(void)op_ask(m, OP_RELOAD, 0);
}

static void
upgrade_on_signal(struct master *m)
{
	(void)op_ask(m, OP_UPGRADE, 0);
}

static void
grow_on_signal(struct master *m)
{
	scale_ask(m, op_wanted_children(m) + 1);
}

static void
shrink_on_signal(struct master *m)
{
	scale_ask(m, op_wanted_children(m) - 1);
}

/* What a signal of spec 4 does. */
static const struct {
	int sig;
	void (*fn)(struct master *);
	const char *name;
} signal_table[MASTER_NSIGNALS] = {
	{ SIGTERM, stop_on_signal, "TERM" },
	{ SIGINT, stop_on_signal, "INT" },
	{ SIGQUIT, stop_on_signal, "QUIT" },
	{ SIGHUP, reload_on_signal, "HUP" },
	{ SIGUSR1, reopen_on_signal, "USR1" },
	{ SIGUSR2, upgrade_on_signal, "USR2" },
	{ SIGTTIN, grow_on_signal, "TTIN" },
	{ SIGTTOU, shrink_on_signal, "TTOU" },
};

static void
on_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct master *m = w->data;
	size_t i;

	(void)loop;
	(void)revents;
	for (i = 0; i < nitems(signal_table); i++) {
		if (signal_table[i].sig != w->signum)
			continue;
		log_info("signal %s", signal_table[i].name);
		signal_table[i].fn(m);
	}
}

/* Some process ended: a child of ours, or a stranger that PID 1 inherits. */
static void
on_reaped(struct ev_loop *loop, ev_child *w, int revents)
{
	struct master *m = w->data;
	struct proc *p;

	(void)loop;
	(void)revents;
	TAILQ_FOREACH(p, &m->procs, entry) {
		if (p->pid != w->rpid)
			continue;
		proc_on_reaped(p, w->rstatus);
		return;
	}
}

void
signals_resume(void)
{
	(void)signal(SIGCHLD, SIG_DFL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGWINCH, SIG_IGN);
	/* A file that reached its limit is a failed write, not the end. */
	(void)signal(SIGXFSZ, SIG_IGN);
}

void
signals_prepare(void)
{
	sigset_t held;
	size_t i;

	/* What our parent ignored or blocked is not our wish. */
	signals_resume();
	/* Until there are handlers, a reload must not kill; a stop may. */
	(void)sigemptyset(&held);
	for (i = 0; i < nitems(signal_table); i++)
		if (signal_table[i].fn != stop_on_signal)
			(void)sigaddset(&held, signal_table[i].sig);
	(void)sigprocmask(SIG_SETMASK, &held, NULL);
}

void
signals_watch(struct master *m)
{
	size_t i;

	for (i = 0; i < nitems(signal_table); i++) {
		ev_signal_init(&m->signals_w[i], on_signal,
		    signal_table[i].sig);
		m->signals_w[i].data = m;
		ev_signal_start(m->loop, &m->signals_w[i]);
	}
	ev_child_init(&m->reaper_w, on_reaped, 0, 0);
	m->reaper_w.data = m;
	ev_child_start(m->loop, &m->reaper_w);
}

void
signals_release(void)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

void
signals_end(struct master *m)
{
	size_t i;

	/* What comes now is late, and must not spoil the exit code. */
	signals_unwatch(m);
	for (i = 0; i < nitems(signal_table); i++)
		(void)signal(signal_table[i].sig, SIG_IGN);
}

void
signals_unwatch(struct master *m)
{
	size_t i;

	for (i = 0; i < nitems(signal_table); i++)
		ev_signal_stop(m->loop, &m->signals_w[i]);
	ev_child_stop(m->loop, &m->reaper_w);
}

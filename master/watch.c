/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * watch.c: children whose hearts do not beat. Runs in the master at each tick.
 * A heartbeat is never taken for a time: it only counts whether it has changed
 * since the last look.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/master.h"

/* When our own tick is later than this we slept too: a suspended machine, a
 * stopped one, a debugger. */
#define LATE_NS (NSEC_PER_SEC)
/* Less than a tick: so that the one at which the time is up, which may come a
 * little early, is not taken for one at which it is not. */
#define JITTER_S 0.1
/* From SIGABRT to SIGKILL. */
#define ABORT_PATIENCE_S 2.0

static double
silence(const struct proc *p)
{
	return (double)(mono_ns() - p->beat_ns) / (double)NSEC_PER_SEC;
}

static bool
is_silent_for(const struct proc *p, double seconds)
{
	return silence(p) + JITTER_S >= seconds;
}

bool
watch_is_beating(const struct proc *p)
{
	return p->beat_ns != 0 &&
	    !is_silent_for(p, p->generation->conf.suspect);
}

/* Somebody debugs it: it stands still on purpose. That it has named us its
 * tracer, which a child can do by itself, is nobody's debugging. */
static bool
is_traced(const struct proc *p)
{
	char path[32], text[2048];
	const char *tracer;
	ssize_t n;
	long who;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%ld/status", (long)p->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	closefd(&fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	tracer = strstr(text, "\nTracerPid:");
	if (tracer == NULL)
		return false;
	who = strtol(tracer + strlen("\nTracerPid:"), NULL, 10);
	return who != 0 && who != (long)getpid();
}

/* What it did when it was heard of last, for the log. Nothing that it wrote is
 * used but to compare. */
static void
describe(const struct proc *p, const struct board_copy *copy, char *dst,
    size_t size)
{
	const struct conf *conf = &p->generation->conf;
	uint64_t callback = copy->gauges[BOARD_DOING_CALLBACK];
	uint64_t server = copy->gauges[BOARD_DOING_SERVER];
	const char *handler = "none", *name = "no callback";
	size_t i;

	for (i = 0; i < conf->nservers; i++)
		if (server == i + 1)
			handler = conf->servers[i].handler;
	for (i = 0; i < BOARD_NCALLBACKS; i++)
		if (callback == i)
			name = board_callback_names[i];
	(void)snprintf(dst, size, "handler %s, in %s, %llu connections",
	    handler, name,
	    (unsigned long long)MIN_OF(copy->gauges[BOARD_CONNECTIONS],
		conf->max_connections));
}

static void
suspect(struct proc *p, const struct board_copy *copy)
{
	char doing[512];

	describe(p, copy, doing, sizeof(doing));
	log_warn("%s (pid %ld): its heart has not beaten for %.1f s: "
		 "siblings take its clients; %s",
	    p->place->name, (long)p->pid, silence(p), doing);
	proc_set_state(p, PROC_SUSPECT);
	master_on_change(p->master);
}

/* A core shows where it hangs, if cores are asked for; one that is stopped
 * must go on to die. */
static void
abort_hung(struct proc *p, const struct board_copy *copy)
{
	char doing[512];

	describe(p, copy, doing, sizeof(doing));
	log_error("%s (pid %ld): hangs for %.1f s: aborting it; %s",
	    p->place->name, (long)p->pid, silence(p), doing);
	/* The reason of its death, before "signal 6". */
	if (p->last_words[0] == '\0')
		(void)snprintf(p->last_words, sizeof(p->last_words),
		    "it hung; %.480s", doing);
	p->master->hangs += !proc_is_extra(p);
	p->is_hung = true;
	proc_signal(p, SIGABRT);
	proc_signal(p, SIGCONT);
	proc_expect_end(p, ABORT_PATIENCE_S);
}

static void
look_at(struct proc *p, bool is_late)
{
	const struct conf *conf = &p->generation->conf;
	struct board_copy copy;

	if (p->state < PROC_PREPARED || p->state > PROC_DRAINING || p->is_hung)
		return;
	board_read(&p->master->board, p->page, &copy);
	if (copy.gauges[BOARD_HEARTBEAT_NS] != p->beat || p->beat_ns == 0) {
		p->beat = copy.gauges[BOARD_HEARTBEAT_NS];
		p->beat_ns = mono_ns();
		if (p->state == PROC_SUSPECT) {
			log_info("%s (pid %ld): its heart beats again",
			    p->place->name, (long)p->pid);
			proc_set_state(p, PROC_READY);
			master_on_change(p->master);
		}
		return;
	}
	if (is_late || (is_silent_for(p, conf->suspect) && is_traced(p))) {
		p->beat_ns = mono_ns();
		return;
	}
	if (is_silent_for(p, conf->hang_timeout))
		abort_hung(p, &copy);
	else if (p->state == PROC_READY && is_silent_for(p, conf->suspect))
		suspect(p, &copy);
}

void
watch_tick(struct master *m)
{
	bool is_late = mono_ns() - m->tick_ns > LATE_NS;
	struct proc *p, *next;

	TAILQ_FOREACH_SAFE(p, &m->procs, entry, next)
		look_at(p, is_late);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * spawn.c: birth. The only file that forks below the master: a child for
 * a place, and the checker. A forked process keeps the descriptors it needs
 * and no other.
 */
#include <sys/syscall.h>
#include <sys/wait.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/master.h"

char *
spawn_words(int wait_status, char *dst, size_t size)
{
	if (WIFSIGNALED(wait_status))
		(void)snprintf(dst, size, "signal %d (%s)",
		    WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
	else
		(void)snprintf(dst, size, "exit code %d",
		    WEXITSTATUS(wait_status));
	return dst;
}

static int
compare_fds(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/*
 * Close all descriptors but those in keep[], which is sorted here. Close-on-
 * exec does nothing without exec: a sibling's channel held in this process
 * would hide the master's death from it.
 */
static void
close_all_but(int *keep, size_t n)
{
	int next = 0;
	size_t i;

	qsort(keep, n, sizeof(*keep), compare_fds);
	for (i = 0; i < n; i++) {
		if (keep[i] > next)
			(void)close_range((unsigned)next, (unsigned)keep[i] - 1,
			    0);
		if (keep[i] >= next)
			next = keep[i] + 1;
	}
	(void)close_range((unsigned)next, ~0U, 0);
}

/* In the forked process: never returns. */
NORETURN static void
become(const struct heritage *h, int log_fd, int *keep)
{
	size_t i, n = 0;

	for (i = 0; i < 3; i++)
		keep[n++] = (int)i;
	keep[n++] = log_fd;
	keep[n++] = h->ctl;
	if (h->board != NULL)
		keep[n++] = board_fd(h->board, h->page);
	for (i = 0; i < h->nslots; i++)
		keep[n++] = h->slots[i].fd;
	close_all_but(keep, n);
	child_main(h);
}

#define KEEP_FIXED 6 /* 0 1 2, log, channel, board */

/* fork() with all signals blocked; the parent's mask is as before. */
static pid_t
fork_blocked(void)
{
	sigset_t all, old;
	pid_t pid;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &old);
	pid = fork();
	if (pid != 0)
		(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return pid;
}

static int
open_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* The process was just forked and nobody has waited for it: the pid is its
 * own. */
static void
kill_newborn(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static struct proc *
fork_child(struct place *pl, struct heritage *h, int parent_end, int *keep,
    struct err *err)
{
	struct master *m = pl->master;
	struct proc *p;
	int pidfd;
	pid_t pid;

	pid = fork_blocked();
	if (pid == -1) {
		err_sys(err, "fork for %s", pl->name);
		err_hint(err,
		    "a limit on processes: ulimit -u, TasksMax=, pids.max");
		return NULL;
	}
	if (pid == 0) {
		master_abandon(m);
		become(h, m->log_fd, keep);
	}
	pidfd = open_pidfd(pid);
	p = pidfd == -1 ? NULL : proc_new(pl, pid, pidfd, parent_end, h->page);
	if (p == NULL) {
		err_sys(err, "descriptor for %s", pl->name);
		kill_newborn(pid);
		closefd(&pidfd);
	}
	return p;
}

struct proc *
spawn_child(struct place *pl, struct err *err)
{
	struct master *m = pl->master;
	const struct generation *g = pl->generation;
	struct heritage_slot *slots = calloc(g->nlisteners, sizeof(*slots));
	int *keep = calloc(g->nlisteners + KEEP_FIXED, sizeof(*keep));
	int channel[2] = { -1, -1 };
	struct proc *p = NULL;
	struct heritage h = {
		.role = HERITAGE_SERVE,
		.conf = &g->conf,
		.place = pl->number,
		.generation = g->number,
		.parent = getpid(),
		.board = &m->board,
		.page = -1,
		.slots = slots,
	};

	if (slots == NULL || keep == NULL || ctl_pair(channel) == -1 ||
	    (h.page = board_take(&m->board)) == -1) {
		err_sys(err, "resources for %s", pl->name);
	} else {
		h.ctl = channel[1];
		h.nslots =
		    listener_heritage(g, pl->number, slots, g->nlisteners);
		p = fork_child(pl, &h, channel[0], keep, err);
	}
	if (p == NULL) {
		if (h.page != -1)
			board_give(&m->board, h.page);
		closefd(&channel[0]);
	}
	closefd(&channel[1]);
	free(keep);
	free(slots);
	return p;
}

pid_t
spawn_checker(struct master *m, const struct conf *said, int result,
    struct err *err)
{
	int keep[KEEP_FIXED];
	struct heritage h = {
		.role = HERITAGE_CHECK,
		.conf = said,
		.parent = getpid(),
		.ctl = result,
		.page = -1,
	};
	pid_t pid = fork_blocked();

	if (pid == -1) {
		err_sys(err, "fork to check the configuration");
	} else if (pid == 0) {
		if (m != NULL)
			master_abandon(m);
		become(&h, STDERR_FILENO, keep);
	}
	return pid;
}

pid_t
spawn_stranger(void (*become_it)(void *), void *arg, struct err *err)
{
	pid_t pid = fork_blocked();

	if (pid == -1)
		err_sys(err, "fork to try a new binary");
	else if (pid == 0)
		become_it(arg);
	return pid;
}

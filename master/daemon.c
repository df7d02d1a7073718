/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * daemon.c: into the background, and how the caller hears of it. Two pipes
 * lead from the background to the caller: what is printed on stderr, and one
 * byte when the service is ready. None of the caller's descriptors goes into
 * the background, so nobody waits for the end of a terminal or of a pipe that
 * a child still holds.
 */
#include "master/daemon.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/master.h"

/* Where the background says that it is ready; -1: it need not. */
static int ready_pipe = -1;

/* What the caller waits for. */
struct caller {
	pid_t pid;
	int ready, words; /* the reading ends */
	bool is_ready;
};

/* ---- the process that was called ---- */

/* What came from the background's stderr goes to ours. */
static void
copy_words(struct caller *c)
{
	char text[4096];
	ssize_t n = -1;

	while (c->words != -1) {
		n = read(c->words, text, sizeof(text));
		if (n <= 0)
			break;
		(void)fwrite(text, 1, (size_t)n, stderr);
	}
	if (n == 0)
		closefd(&c->words);
}

/* False: the other side has said that it is ready, or is gone. */
static bool
wait_for_word(struct caller *c)
{
	struct pollfd fds[] = {
		{ .fd = c->ready, .events = POLLIN },
		{ .fd = c->words, .events = POLLIN },
	};
	char byte;

	if (poll(fds, nitems(fds), -1) == -1)
		return errno == EINTR;
	if (fds[1].revents != 0)
		copy_words(c);
	if (fds[0].revents == 0)
		return true;
	c->is_ready = read(c->ready, &byte, 1) == 1;
	return false;
}

/* The background ended before it was ready. Its own exit code has its reason
 * on stderr already. */
static enum exit_code
tell_end(pid_t pid)
{
	char words[64];
	int status;

	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return EXIT_SYSTEM;
	if (WIFEXITED(status) && WEXITSTATUS(status) != EXIT_OK)
		return (enum exit_code)WEXITSTATUS(status);
	if (WIFEXITED(status))
		(void)fprintf(stderr,
		    "tine: the service stopped before it was ready\n");
	else
		(void)fprintf(stderr,
		    "tine: the master ended before it was ready: %s\n",
		    spawn_words(status, words, sizeof(words)));
	return EXIT_RUNTIME;
}

static enum exit_code
wait_until_ready(struct caller *c)
{
	while (wait_for_word(c))
		continue;
	copy_words(c);
	closefd(&c->words);
	closefd(&c->ready);
	return c->is_ready ? EXIT_OK : tell_end(c->pid);
}

/* ---- the background ---- */

/*
 * A caller that is interrupted, or killed, takes the start with it: the signal
 * at its death is the one that stops a master.
 */
static int
leave_terminal(pid_t caller, int null, int words, struct err *err)
{
	if (prctl(PR_SET_PDEATHSIG, (unsigned long)SIGTERM, 0L, 0L, 0L) == -1)
		return err_sys(err, "signal at the death of the caller");
	if (getppid() != caller)
		return err_set(err, EXIT_RUNTIME, "the caller is gone");
	if (setsid() == -1)
		return err_sys(err, "new session");
	if (dup2(null, STDIN_FILENO) == -1 || dup2(null, STDOUT_FILENO) == -1 ||
	    dup2(words, STDERR_FILENO) == -1)
		return err_sys(err, "leave the terminal");
	return 0;
}

/* ---- both ---- */

/* Descriptors of the way: /dev/null and the pipes' ends. */
struct way {
	int null;
	int ready[2], words[2];
};

static int
open_way(struct way *w, struct err *err)
{
	*w = (struct way){ -1, { -1, -1 }, { -1, -1 } };
	w->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (w->null == -1)
		return err_sys(err, "open /dev/null");
	/* Only the reader's end of the words: the writers share theirs. */
	if (pipe2(w->ready, O_CLOEXEC) == -1 ||
	    pipe2(w->words, O_CLOEXEC) == -1 ||
	    fcntl(w->words[0], F_SETFL, O_NONBLOCK) == -1)
		return err_sys(err, "pipe to the background");
	return 0;
}

static void
close_way(struct way *w)
{
	closefd(&w->null);
	closefd(&w->ready[0]);
	closefd(&w->ready[1]);
	closefd(&w->words[0]);
	closefd(&w->words[1]);
}

static enum exit_code
be_caller(struct way *w, pid_t pid)
{
	struct caller c = { pid, w->ready[0], w->words[0], false };

	w->ready[0] = w->words[0] = -1;
	close_way(w);
	return wait_until_ready(&c);
}

static enum daemon_side
be_background(struct way *w, pid_t caller, struct err *err)
{
	int rc = leave_terminal(caller, w->null, w->words[1], err);

	ready_pipe = w->ready[1];
	w->ready[1] = -1;
	close_way(w);
	return rc == 0 ? DAEMON_BACKGROUND : DAEMON_FAILED;
}

enum daemon_side
daemon_fork(enum exit_code *code, struct err *err)
{
	pid_t pid, caller = getpid();
	struct way w;

	if (open_way(&w, err) == -1) {
		close_way(&w);
		return DAEMON_FAILED;
	}
	/* A reader of our stderr that goes away ends neither side. */
	(void)signal(SIGPIPE, SIG_IGN);
	pid = fork();
	if (pid == -1) {
		err_sys(err, "fork into the background");
		close_way(&w);
		return DAEMON_FAILED;
	}
	if (pid == 0)
		return be_background(&w, caller, err);
	*code = be_caller(&w, pid);
	return DAEMON_CALLER;
}

void
daemon_set_ready(void)
{
	if (ready_pipe == -1)
		return;
	if (prctl(PR_SET_PDEATHSIG, 0UL, 0L, 0L, 0L) == -1)
		log_sys(LOG_WARN, "no signal at the death of the caller");
	/* 0 is /dev/null since the fork. */
	if (dup2(STDIN_FILENO, STDERR_FILENO) == -1)
		log_sys(LOG_WARN, "leave the caller's stderr");
	if (write(ready_pipe, "r", 1) == -1)
		log_sys(LOG_WARN, "tell the caller that the service is ready");
	closefd(&ready_pipe);
}

/* ---- paths ---- */

/* A value that is a path, or one of the words that stand for something else. */
struct anchor {
	char **path;
	bool is_socket;
	const char *words[2];
};

static bool
is_path(const struct anchor *a)
{
	size_t i;

	/* An abstract name, which is no path. */
	if (*a->path == NULL || (a->is_socket && (*a->path)[0] == '@'))
		return false;
	for (i = 0; i < nitems(a->words); i++)
		if (a->words[i] != NULL && strcmp(*a->path, a->words[i]) == 0)
			return false;
	return true;
}

/* 1: it is absolute now; 0: it would not fit; -1: no memory. */
static int
anchor_text(const struct conf *conf, const struct anchor *a, struct err *err)
{
	char *full = conf_path(conf, *a->path);

	if (full == NULL)
		return err_sys(err, "path %s", *a->path);
	if (a->is_socket && strlen(full) >= URL_PATH_MAX) {
		free(full);
		return 0;
	}
	free(*a->path);
	*a->path = full;
	return 1;
}

static int
anchor_url(const struct conf *conf, struct url *u, struct err *err)
{
	char *full;
	int fits;

	if (u->scheme != URL_UNIX || u->path[0] == '@')
		return 1;
	full = conf_path(conf, u->path);
	if (full == NULL)
		return err_sys(err, "path %s", u->path);
	fits = strlen(full) < sizeof(u->path);
	if (fits)
		(void)memcpy(u->path, full, strlen(full) + 1);
	free(full);
	return fits;
}

static int
anchor_all(struct conf *conf, struct err *err)
{
	const struct anchor texts[] = {
		{ &conf->control, true, { "none" } },
		{ &conf->log_file, false, { "stderr", "syslog" } },
		{ &conf->pid_file, false, { NULL } },
	};
	int rc, all = 1;
	size_t i, k;

	for (i = 0; i < nitems(texts); i++) {
		if (!is_path(&texts[i]))
			continue;
		rc = anchor_text(conf, &texts[i], err);
		if (rc == -1)
			return -1;
		all &= rc;
	}
	for (i = 0; i < conf->nservers; i++)
		for (k = 0; k < conf->servers[i].nlistens; k++) {
			rc =
			    anchor_url(conf, &conf->servers[i].listens[k], err);
			if (rc == -1)
				return -1;
			all &= rc;
		}
	return all;
}

int
daemon_leave_folder(struct conf *conf, struct err *err)
{
	switch (anchor_all(conf, err)) {
	case -1:
		return -1;
	case 0:
		return 0;
	default:
		return chdir("/") == -1 ? err_sys(err, "folder /") : 0;
	}
}

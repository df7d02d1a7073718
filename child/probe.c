/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probe.c: the process that looks at one server's handler for the checker. A
 * shared object's constructor is code of whoever wrote it: it runs here,
 * without privileges and without the descriptor of the result, so that it can
 * refuse itself and nothing else. The checker believes complaints, which it
 * cleans, and one bit.
 */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "child/child.h"

#define RECORDS_MAX 64

/* What the probe says: complaints, and at last that it is done. */
struct record {
	bool is_done, may_stop;
	char option[64]; /* "": the handler as a whole */
	struct err err;
};
_Static_assert(sizeof(struct record) <= PIPE_BUF, "a record is one write");

/* ---- the probe ---- */

static void
send_record(int pipe, const struct record *r)
{
	/* A checker that is gone has no use for it. */
	if (write(pipe, r, sizeof(*r)) != (ssize_t)sizeof(*r))
		_exit(EXIT_RUNTIME);
}

static void
send_complaint(void *arg, const char *option, const struct err *err)
{
	struct record r = { .err = *err };

	(void)snprintf(r.option, sizeof(r.option), "%s", option);
	send_record(*(const int *)arg, &r);
}

NORETURN static void
probe(const struct conf *conf, const struct conf_server *server, pid_t checker,
    int pipe)
{
	struct record done = { .is_done = true };
	struct option_value *values;
	struct tine_handler handler;
	void *library;
	struct err err;

	(void)close_range(STDERR_FILENO + 1, (unsigned)pipe - 1, 0);
	(void)close_range((unsigned)pipe + 1, ~0U, 0);
	/* A constructor that does not return must not outlive the master. */
	if (privs_watch_parent(checker, SIGKILL, &err) == -1)
		_exit(EXIT_RUNTIME);
	if (handler_load(&handler, &library, server->handler, conf, &err) ==
	    -1) {
		send_complaint(&pipe, "", &err);
	} else {
		if (handler_check_listens(&handler, server, &err) == -1)
			send_complaint(&pipe, "", &err);
		option_check(&values, &handler, conf, server, send_complaint,
		    &pipe);
		done.may_stop = (handler.flags & TINE_MAY_STOP) != 0;
		option_free(&values, &handler);
		handler_unload(&library);
	}
	send_record(pipe, &done);
	_exit(EXIT_OK);
}

/* ---- the checker ---- */

/* A line, ended, of letters that no terminal obeys. */
static void
clean_text(char *text, size_t size)
{
	text[size - 1] = '\0';
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

/* Nothing in it is a text of ours yet. */
static void
clean(struct record *r)
{
	r->option[sizeof(r->option) - 1] = '\0';
	clean_text(r->err.text, sizeof(r->err.text));
	clean_text(r->err.hint, sizeof(r->err.hint));
	if (r->err.code != EXIT_NO_PERMISSION && r->err.code != EXIT_SYSTEM)
		r->err.code = EXIT_BAD_CONFIG;
}

/* Pass complaints on; true when the probe came to its end. */
static bool
hear(int pipe, void (*complain)(void *, const char *, const struct err *),
    void *arg, bool *may_stop)
{
	struct record r;
	int left = RECORDS_MAX;
	ssize_t n;

	while (left-- > 0) {
		do
			n = read(pipe, &r, sizeof(r));
		while (n == -1 && errno == EINTR);
		if (n != (ssize_t)sizeof(r))
			return false;
		if (r.is_done) {
			*may_stop = r.may_stop;
			return true;
		}
		clean(&r);
		complain(arg, r.option, &r.err);
	}
	return false;
}

static void
complain_of_death(const struct conf_server *server, int status,
    void (*complain)(void *, const char *, const struct err *), void *arg)
{
	struct err err;

	if (WIFSIGNALED(status))
		err_set(&err, EXIT_BAD_CONFIG,
		    "handler %s: loading it ended with signal %d (%s)",
		    server->handler, WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else
		err_set(&err, EXIT_BAD_CONFIG,
		    "handler %s: loading it ended with exit code %d",
		    server->handler, WEXITSTATUS(status));
	/* What a file does not hold cannot be mapped. */
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS)
		err_hint(&err, "was it copied whole? compile or copy it anew");
	else
		err_hint(&err,
		    "its constructor is to blame: it runs before tine can "
		    "look at the handler");
	complain(arg, "", &err);
}

int
probe_run(const struct conf *conf, struct conf_server *server,
    void (*complain)(void *, const char *, const struct err *), void *arg,
    struct err *err)
{
	pid_t pid, checker = getpid();
	int ends[2], status;
	bool is_done;

	if (pipe2(ends, O_CLOEXEC) == -1)
		return err_sys(err, "pipe for a handler");
	pid = fork();
	if (pid == 0)
		probe(conf, server, checker, ends[1]);
	closefd(&ends[1]);
	if (pid == -1) {
		closefd(&ends[0]);
		return err_sys(err, "fork for a handler");
	}
	is_done = hear(ends[0], complain, arg, &server->may_stop);
	closefd(&ends[0]);
	if (is_done)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return err_sys(err, "wait for a handler");
	if (!is_done)
		complain_of_death(server, status, complain, arg);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * checkrun.c: runs of the checker in the master: how long one may take and what
 * it said. The checker may have run a handler's code, so what it wrote for
 * people is cleaned, and its configuration is parsed as text of our own.
 */
#include "master/checkrun.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/master.h"

#define PATIENCE_MS 10000
#define LOOK_MS 10
#define TEXT_MAX (16 << 20)

/* ---- what it said ---- */

static enum exit_code
known_code(int code)
{
	switch (code) {
	case EXIT_BAD_USAGE:
	case EXIT_UNAVAILABLE:
	case EXIT_SYSTEM:
	case EXIT_CANT_CREATE:
	case EXIT_NO_PERMISSION:
		return (enum exit_code)code;
	default:
		return EXIT_BAD_CONFIG;
	}
}

/* The checker said no: its first line is what is wrong, its second the hint. */
static void
take_refusal(int status, const char *text, struct err *err)
{
	size_t line = strcspn(text, "\n");
	const char *hint = text[line] == '\n' ? text + line + 1 : "";
	char words[64];

	if (WIFSIGNALED(status) || line == 0) {
		(void)err_set(err, EXIT_BAD_CONFIG,
		    "the check of the configuration ended: %s",
		    spawn_words(status, words, sizeof(words)));
		(void)err_hint(err,
		    "a loaded handler's constructor may be to blame: try the "
		    "command without it");
		return;
	}
	err->code = known_code(WEXITSTATUS(status));
	err->sys = 0;
	(void)log_escape(err->text, sizeof(err->text), text, line);
	(void)log_escape(err->hint, sizeof(err->hint), hint,
	    strcspn(hint, "\n"));
}

static void
take_slowness(struct err *err)
{
	(void)err_set(err, EXIT_BAD_CONFIG,
	    "the check of the configuration took longer than %d s",
	    PATIENCE_MS / 1000);
	(void)err_hint(err,
	    "a host name may not resolve, or a loaded handler's constructor "
	    "does not return");
}

/* A terminal obeys other letters than these. */
static void
clean(char *text)
{
	for (; *text != '\0'; text++)
		if ((*text < ' ' || *text > '~') && *text != '\n')
			*text = '?';
}

/* The two texts of the memory: for us, and for people. */
static int
read_memory(int fd, struct checkrun_result *r)
{
	struct stat st;
	char *text;
	ssize_t n;

	if (fstat(fd, &st) == -1 || st.st_size > TEXT_MAX)
		return -1;
	text = calloc(1, (size_t)st.st_size + 1);
	if (text == NULL)
		return -1;
	n = pread(fd, text, (size_t)st.st_size, 0);
	r->len = strlen(text);
	r->report = strdup(n > (ssize_t)r->len ? text + r->len + 1 : "");
	if (n == -1 || r->report == NULL) {
		free(text);
		return -1;
	}
	clean(r->report);
	r->text = text;
	return 0;
}

/* status -1: it was too slow. */
static int
take_result(int memory, int status, struct checkrun_result *r)
{
	if (read_memory(memory, r) == -1) {
		err_set(&r->err, EXIT_SYSTEM,
		    "no memory for the result of the check");
		return -1;
	}
	if (status == 0 && r->len > 0)
		return 0;
	if (status == -1)
		take_slowness(&r->err);
	else
		take_refusal(status, r->text, &r->err);
	/* What a run that was cut short had to say is not the reason. */
	if (status == -1 || WIFSIGNALED(status))
		r->report[0] = '\0';
	free(r->text);
	r->text = NULL;
	r->len = 0;
	return -1;
}

void
checkrun_result_fini(struct checkrun_result *r)
{
	free(r->text);
	free(r->report);
	memset(r, 0, sizeof(*r));
}

/* ---- at the start ---- */

/* Its wait status, or -1 when it was too slow. */
static int
await(pid_t pid)
{
	uint64_t end = mono_ns() + PATIENCE_MS * (NSEC_PER_SEC / 1000);
	struct pollfd pfd = { .events = POLLIN };
	int status;
	pid_t rc;

	/* Without a descriptor to wait for it looks again and again. */
	pfd.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	do {
		(void)poll(&pfd, 1, pfd.fd == -1 ? LOOK_MS : PATIENCE_MS);
		rc = waitpid(pid, &status, WNOHANG);
	} while ((rc == 0 || (rc == -1 && errno == EINTR)) && mono_ns() < end);
	closefd(&pfd.fd);
	if (rc == pid)
		return status;
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	return -1;
}

int
checkrun_wait(const struct conf *said, struct checkrun_result *r)
{
	int memory = memfd_create("tine-check", MFD_CLOEXEC), rc = -1;
	pid_t pid;

	memset(r, 0, sizeof(*r));
	if (memory == -1)
		return err_sys(&r->err, "memory for the check");
	pid = spawn_checker(NULL, said, memory, &r->err);
	if (pid != -1)
		rc = take_result(memory, await(pid), r);
	closefd(&memory);
	return rc;
}

/* ---- later ---- */

static void
finish(struct checkrun *run, int status)
{
	ev_child_stop(run->master->loop, &run->exit_w);
	ev_timer_stop(run->master->loop, &run->patience_w);
	(void)take_result(run->memory, status, &run->result);
	run->pid = 0;
	run->is_done = true;
	master_on_change(run->master);
}

static void
on_checker_exit(struct ev_loop *loop, ev_child *w, int revents)
{
	(void)loop;
	(void)revents;
	finish(w->data, w->rstatus);
}

/* Nobody but the loop waits for it, so the pid is still its own. */
static void
end_checker(struct checkrun *run)
{
	if (run->pid > 0)
		(void)kill(run->pid, SIGKILL);
	run->pid = 0;
}

static void
on_patience(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct checkrun *run = w->data;

	(void)loop;
	(void)revents;
	end_checker(run);
	finish(run, -1);
}

struct checkrun *
checkrun_new(struct master *m)
{
	struct checkrun *run = calloc(1, sizeof(*run));

	if (run == NULL)
		return NULL;
	run->master = m;
	run->memory = memfd_create("tine-check", MFD_CLOEXEC);
	if (run->memory == -1) {
		free(run);
		return NULL;
	}
	run->is_due = true;
	ev_init(&run->exit_w, on_checker_exit);
	ev_timer_init(&run->patience_w, on_patience, PATIENCE_MS / 1000., 0.);
	run->exit_w.data = run->patience_w.data = run;
	TAILQ_INSERT_TAIL(&m->checkruns, run, entry);
	return run;
}

void
checkrun_free(struct checkrun **slot)
{
	struct checkrun *run = *slot;

	*slot = NULL;
	if (run == NULL)
		return;
	ev_child_stop(run->master->loop, &run->exit_w);
	ev_timer_stop(run->master->loop, &run->patience_w);
	end_checker(run);
	TAILQ_REMOVE(&run->master->checkruns, run, entry);
	closefd(&run->memory);
	checkrun_result_fini(&run->result);
	free(run);
}

static void
fork_one(struct checkrun *run)
{
	struct master *m = run->master;
	pid_t pid = spawn_checker(m, m->said, run->memory, &run->result.err);

	run->is_due = false;
	if (pid == -1) {
		run->is_done = true;
		master_on_change(m);
		return;
	}
	run->pid = pid;
	ev_child_set(&run->exit_w, pid, 0);
	ev_child_start(m->loop, &run->exit_w);
	ev_timer_start(m->loop, &run->patience_w);
}

void
checkrun_fork_due(struct master *m)
{
	struct checkrun *run;

	TAILQ_FOREACH(run, &m->checkruns, entry)
		if (run->is_due)
			fork_one(run);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trial.c: try a new binary. Runs in the master and in the process that it
 * forks for that. The binary may be anything: the time it has and what is kept
 * of its output are bounded, and nothing of it is shown as it is.
 */
#include "master/trial.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "master/binary.h"
#include "master/master.h"
#include "master/tlv.h"
#include "master/trial_answer.h"

#define PATIENCE_SECONDS 10.
#define STATE_FD 3
#define ANSWER_FD 4
#define BINARY_FD 5
#define SPARE_FD 16 /* above all that have a fixed number */
#define OPTION_3 TRIAL_OPTION "3"
#define READS_MAX 64 /* of output, in one turn */

/* ---- what it says ---- */

/* Keep the beginning and let the rest go: who fills a pipe would wait. */
static void
read_output(struct trial *t)
{
	char rest[4096];
	ssize_t n = 1;
	int i;

	for (i = 0; i < READS_MAX && n > 0; i++) {
		size_t room = sizeof(t->said) - t->nsaid;

		if (room == 0)
			n = read(t->output[0], rest, sizeof(rest));
		else
			n = read(t->output[0], t->said + t->nsaid, room);
		if (n > 0 && room > 0)
			t->nsaid += (size_t)n;
	}
	if (n == 0) {
		ev_io_stop(t->loop, &t->output_w);
		closefd(&t->output[0]);
	}
}

static void
on_output(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	read_output(w->data);
}

/* ": " and its first line, or "". */
static const char *
first_line(const struct trial *t, char *dst, size_t size)
{
	size_t from = 0, len;

	while (from < t->nsaid && strchr("\r\n", t->said[from]) != NULL)
		from++;
	len = 0;
	while (from + len < t->nsaid &&
	    strchr("\r\n", t->said[from + len]) == NULL)
		len++;
	dst[0] = '\0';
	if (len > 0) {
		(void)strlcpy(dst, ": ", size);
		(void)log_escape(dst + 2, size - 2, t->said + from, len);
	}
	return dst;
}

/* ---- the verdict ---- */

static void
condemn_silent(struct trial *t, int status)
{
	const char *name = t->subject.name;
	char words[64], line[512];

	if (status == 0) {
		(void)err_set(&t->err, EXIT_RUNTIME,
		    "%s is no tine that could go on here: it ended with exit "
		    "code 0 and no answer%s",
		    name, first_line(t, line, sizeof(line)));
		(void)err_hint(&t->err, "see what it says to --version");
		return;
	}
	(void)err_set(&t->err, EXIT_RUNTIME, "the trial of %s ended: %s%s",
	    name, spawn_words(status, words, sizeof(words)),
	    first_line(t, line, sizeof(line)));
	(void)err_hint(&t->err, "see whether it runs by itself: %s --version",
	    name);
}

static void
condemn_slow(struct trial *t)
{
	(void)err_set(&t->err, EXIT_RUNTIME,
	    "the trial of %s took longer than %.0f s", t->subject.name,
	    PATIENCE_SECONDS);
	(void)err_hint(&t->err,
	    "a host name may not resolve, or a loaded handler's constructor "
	    "does not return");
}

static void
take_yes(struct trial *t, const struct trial_answer *a, int status)
{
	char words[64];

	t->is_good = status == 0;
	(void)strlcpy(t->version, a->version, sizeof(t->version));
	if (!t->is_good)
		(void)err_set(&t->err, EXIT_RUNTIME,
		    "the trial of %s went well and then ended: %s",
		    t->subject.name, spawn_words(status, words, sizeof(words)));
}

/* status -1: it was too slow. */
static void
judge(struct trial *t, int status)
{
	struct trial_answer a;

	if (status == -1) {
		condemn_slow(t);
		return;
	}
	trial_answer_read(t->answer, t->checksum, &a);
	switch (a.verdict) {
	case TRIAL_YES:
		take_yes(t, &a, status);
		break;
	case TRIAL_NO:
		t->err = a.err;
		if (a.err.text[0] == '\0')
			(void)err_set(&t->err, EXIT_RUNTIME,
			    "%s refuses and does not say why", t->subject.name);
		break;
	case TRIAL_SILENT:
		condemn_silent(t, status);
		break;
	}
}

static void
stop(struct trial *t)
{
	ev_child_stop(t->loop, &t->exit_w);
	ev_timer_stop(t->loop, &t->patience_w);
	ev_io_stop(t->loop, &t->output_w);
	/* Nobody but the loop waits for it, so the pid is still its own. */
	if (t->pid > 0)
		(void)kill(t->pid, SIGKILL);
	t->pid = 0;
}

static void
finish(struct trial *t, int status)
{
	if (t->output[0] != -1)
		read_output(t);
	stop(t);
	judge(t, status);
	t->is_done = true;
	t->on_done(t);
}

static void
on_exit_status(struct ev_loop *loop, ev_child *w, int revents)
{
	struct trial *t = w->data;

	(void)loop;
	(void)revents;
	t->pid = 0;
	finish(t, w->rstatus);
}

static void
on_patience(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	finish(w->data, -1);
}

/* ---- its life ---- */

/* Its end of the pipe blocks, as a program expects of its output. */
static int
open_files(struct trial *t)
{
	int flags;

	t->answer = trial_answer_open();
	if (t->answer == -1 || pipe2(t->output, O_CLOEXEC) == -1)
		return -1;
	flags = fcntl(t->output[0], F_GETFL);
	return fcntl(t->output[0], F_SETFL, flags | O_NONBLOCK);
}

struct trial *
trial_new(struct ev_loop *loop, const struct trial_subject *subject,
    void (*on_done)(struct trial *), void *data, struct err *err)
{
	struct trial *t;
	struct tlv_record state;

	if (tlv_open(&state, subject->state, err) == -1)
		return NULL;
	t = calloc(1, sizeof(*t));
	if (t == NULL) {
		err_sys(err, "memory for a trial");
		tlv_close(&state);
		return NULL;
	}
	t->loop = loop;
	t->subject = *subject;
	t->on_done = on_done;
	t->data = data;
	t->checksum = state.checksum;
	t->answer = t->output[0] = t->output[1] = -1;
	tlv_close(&state);
	ev_init(&t->output_w, on_output);
	ev_init(&t->exit_w, on_exit_status);
	ev_timer_init(&t->patience_w, on_patience, PATIENCE_SECONDS, 0.);
	t->output_w.data = t->exit_w.data = t->patience_w.data = t;
	if (open_files(t) == -1) {
		err_sys(err, "files for a trial");
		trial_free(&t);
	}
	return t;
}

void
trial_free(struct trial **slot)
{
	struct trial *t = *slot;

	*slot = NULL;
	if (t == NULL)
		return;
	stop(t);
	closefd(&t->answer);
	closefd(&t->output[0]);
	closefd(&t->output[1]);
	free(t);
}

/* ---- in the forked process ---- */

/* The master's handlers would write into its loop. */
static void
forget_signals(void)
{
	sigset_t none;
	int sig;

	for (sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Put the descriptors where they belong; those in their way may be theirs. */
static int
arrange(const struct trial *t)
{
	const int from[] = {
		[STDIN_FILENO] = open("/dev/null", O_RDWR | O_CLOEXEC),
		[STDOUT_FILENO] = t->output[1],
		[STDERR_FILENO] = t->output[1],
		[STATE_FD] = t->subject.state,
		[ANSWER_FD] = t->answer,
		[BINARY_FD] = t->subject.binary,
	};
	int spare[nitems(from)], i;

	for (i = 0; i < (int)nitems(from); i++) {
		spare[i] = fcntl(from[i], F_DUPFD_CLOEXEC, SPARE_FD);
		if (spare[i] == -1)
			return -1;
	}
	for (i = 0; i < (int)nitems(from); i++)
		if (dup3(spare[i], i, i == BINARY_FD ? O_CLOEXEC : 0) == -1)
			return -1;
	return close_range(BINARY_FD + 1, ~0U, 0);
}

static char **
arguments(char *const *argv)
{
	static char option[] = OPTION_3, none[] = "tine";
	char **args;
	size_t n = 0;

	while (argv[n] != NULL)
		n++;
	args = calloc(n + 3, sizeof(*args));
	if (args == NULL)
		return NULL;
	args[0] = n > 0 ? argv[0] : none;
	args[1] = option;
	if (n > 1)
		(void)memcpy(&args[2], &argv[1], (n - 1) * sizeof(*args));
	return args;
}

NORETURN static void
become_subject(void *arg)
{
	const struct trial *t = arg;
	struct binary_image image = {
		.name = t->subject.name,
		.fd = BINARY_FD,
		.envp = t->subject.envp,
	};
	struct err err;
	int answer = t->answer;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != t->master)
		_exit(EXIT_RUNTIME);
	forget_signals();
	image.argv = arguments(t->subject.argv);
	if (image.argv == NULL || arrange(t) == -1) {
		err_sys(&err, "prepare the trial of %s", image.name);
	} else {
		answer = ANSWER_FD;
		(void)binary_exec(&image, &err);
	}
	(void)trial_answer_write(answer, t->checksum, &err);
	_exit(EXIT_SYSTEM);
}

/* ---- in the master again ---- */

int
trial_fork(struct trial *t, struct err *err)
{
	pid_t pid;

	t->master = getpid();
	pid = spawn_stranger(become_subject, t, err);
	if (pid == -1)
		return -1;
	t->pid = pid;
	closefd(&t->output[1]);
	ev_io_set(&t->output_w, t->output[0], EV_READ);
	ev_io_start(t->loop, &t->output_w);
	ev_child_set(&t->exit_w, pid, 0);
	ev_child_start(t->loop, &t->exit_w);
	ev_timer_start(t->loop, &t->patience_w);
	return 0;
}

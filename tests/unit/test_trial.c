/* SPDX-License-Identifier: BSD-2-Clause */
/* Trying a binary: what is good, and what becomes of everything else. This
 * program tries itself in many parts. */
#include "master/trial.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/binary.h"
#include "master/tlv.h"
#include "master/trial_answer.h"
#include "tests/unit/expect.h"

#define TAG_GREETING 7
#define PATIENCE_SECONDS 10.
#define FULL (1 << 20) /* more than a pipe holds */

/* ---- the parts ---- */

static void
say_yes(int fd, const struct tlv_record *r)
{
	assert(trial_answer_write(fd + 1, r->checksum, NULL) == 0);
}

static void
say_no(int fd, const struct tlv_record *r)
{
	struct err err;

	(void)err_set(&err, EXIT_BAD_CONFIG, "no such handler");
	(void)err_hint(&err, "try echo");
	(void)trial_answer_write(fd + 1, r->checksum, &err);
}

static void
say_no_without_a_reason(int fd, const struct tlv_record *r)
{
	struct err err = { .code = EXIT_BAD_CONFIG };

	(void)trial_answer_write(fd + 1, r->checksum, &err);
	_exit(3);
}

static void
say_no_and_crash(int fd, const struct tlv_record *r)
{
	say_no(fd, r);
	(void)kill(getpid(), SIGKILL);
}

static void
say_yes_to_something_else(int fd, const struct tlv_record *r)
{
	(void)trial_answer_write(fd + 1, r->checksum + 1, NULL);
}

static void
say_yes_and_fail(int fd, const struct tlv_record *r)
{
	say_yes(fd, r);
	_exit(4);
}

static void
say_yes_and_crash(int fd, const struct tlv_record *r)
{
	say_yes(fd, r);
	(void)kill(getpid(), SIGKILL);
}

static void
say_nothing(int fd, const struct tlv_record *r)
{
	(void)fd;
	(void)r;
}

static void
complain(int fd, const struct tlv_record *r)
{
	(void)fd;
	(void)r;
	(void)fputs("\r\nno \033[1mlibrary\nmore\n", stderr);
	_exit(127);
}

static void
babble(int fd, const struct tlv_record *r)
{
	static char text[FULL];

	(void)fd;
	(void)r;
	(void)memset(text, 'x', sizeof(text));
	assert(write(1, text, sizeof(text)) == (ssize_t)sizeof(text));
	_exit(1);
}

static void
crash(int fd, const struct tlv_record *r)
{
	(void)fd;
	(void)r;
	(void)kill(getpid(), SIGKILL);
}

/* Yes, in time, but it does not end. */
static void
hang(int fd, const struct tlv_record *r)
{
	say_yes(fd, r);
	assert(write(1, "x", 1) == 1);
	for (;;)
		(void)pause();
}

/* "No" is how it says what it found; all tests are in the other process. */
static void
tell(int fd, const struct tlv_record *r, const char *text)
{
	struct err err = { .code = EXIT_RUNTIME };

	(void)snprintf(err.text, sizeof(err.text), "%s", text);
	(void)trial_answer_write(fd + 1, r->checksum, &err);
}

static void
tell_descriptors(int fd, const struct tlv_record *r)
{
	char text[256] = "";
	int i;

	for (i = 0; i < 100; i++)
		if (fcntl(i, F_GETFD) != -1)
			(void)snprintf(text + strlen(text),
			    sizeof(text) - strlen(text), "%d ", i);
	tell(fd, r, text);
}

static void
tell_greeting(int fd, const struct tlv_record *r)
{
	tell(fd, r, tlv_text(&r->root, TAG_GREETING));
}

static void
tell_signals(int fd, const struct tlv_record *r)
{
	struct sigaction sa;
	char text[256] = "";
	sigset_t blocked;
	int sig;

	(void)sigprocmask(SIG_BLOCK, NULL, &blocked);
	for (sig = 1; sig < 32; sig++)
		if (sigismember(&blocked, sig) ||
		    (sigaction(sig, NULL, &sa) == 0 &&
			sa.sa_handler == SIG_IGN))
			(void)snprintf(text + strlen(text),
			    sizeof(text) - strlen(text), "%d ", sig);
	tell(fd, r, text[0] == '\0' ? "none" : text);
}

static const struct {
	const char *name;
	void (*play)(int, const struct tlv_record *);
} parts[] = {
	{ "yes", say_yes },
	{ "no", say_no },
	{ "no-without-a-reason", say_no_without_a_reason },
	{ "no-and-crash", say_no_and_crash },
	{ "something-else", say_yes_to_something_else },
	{ "yes-and-fail", say_yes_and_fail },
	{ "yes-and-crash", say_yes_and_crash },
	{ "nothing", say_nothing },
	{ "complain", complain },
	{ "babble", babble },
	{ "crash", crash },
	{ "hang", hang },
	{ "descriptors", tell_descriptors },
	{ "greeting", tell_greeting },
	{ "signals", tell_signals },
};

static int
play(int fd, const char *part)
{
	struct tlv_record r;
	struct err err;
	size_t i;

	if (tlv_open(&r, fd, &err) == -1)
		return 9;
	for (i = 0; i < nitems(parts); i++)
		if (strcmp(parts[i].name, part) == 0)
			parts[i].play(fd, &r);
	tlv_close(&r);
	return 0;
}

/* ---- the stage ---- */

static bool no_fork;

pid_t __real_fork(void);
pid_t __wrap_fork(void);

pid_t
__wrap_fork(void)
{
	errno = EAGAIN;
	return no_fork ? -1 : __real_fork();
}

static struct ev_loop *loop;
static struct trial *t;
static struct trial_subject subject;
static char program[] = "the-binary", part[32];
static char *args[] = { program, part, NULL };
static struct err err;
static int ndone;

static void
on_done(struct trial *done)
{
	assert_ptr_equal(done, t);
	assert_true(done->is_done);
	ndone++;
	ev_break(done->loop, EVBREAK_ALL);
}

static int
open_stage(void **state)
{
	struct tlv_writer w;

	(void)state;
	tlv_writer_init(&w);
	tlv_put_text(&w, TAG_GREETING, "good day");
	loop = ev_default_loop(EVFLAG_NOENV);
	subject = (struct trial_subject){
		.name = "/bin/new",
		.binary = open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
		.state = tlv_seal(&w, "state", &err),
		.argv = args,
		.envp = environ,
	};
	tlv_writer_fini(&w);
	no_fork = false;
	ndone = 0;
	return subject.binary == -1 || subject.state == -1 ? -1 : 0;
}

static int
close_stage(void **state)
{
	(void)state;
	trial_free(&t);
	closefd(&subject.binary);
	closefd(&subject.state);
	ev_loop_destroy(loop);
	return 0;
}

static void
begin(const char *name)
{
	(void)snprintf(part, sizeof(part), "%s", name);
	t = trial_new(loop, &subject, on_done, NULL, &err);
	assert_non_null(t);
	assert_int_equal(trial_fork(t, &err), 0);
}

static void
on_late(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(l, EVBREAK_ALL);
}

static void
finish(void)
{
	ev_timer late_w;

	ev_timer_init(&late_w, on_late, PATIENCE_SECONDS, 0.);
	ev_timer_start(loop, &late_w);
	ev_run(loop, 0);
	ev_timer_stop(loop, &late_w);
	assert_int_equal(ndone, 1);
	assert_int_equal(t->pid, 0);
}

static void
try(const char *name)
{
	begin(name);
	finish();
}

static void
try_and_fail(const char *name, enum exit_code code, const char *text,
    const char *hint)
{
	try(name);
	assert_false(t->is_good);
	expect_error(-1, &t->err, code, text, hint);
}

/* ---- the tests ---- */

static void
a_binary_that_says_yes_is_good(void **state)
{
	(void)state;
	try("yes");
	assert_true(t->is_good);
	assert_string_equal(t->version, TINE_VERSION);
}

static void
a_refusal_brings_its_reason_hint_and_code(void **state)
{
	(void)state;
	try_and_fail("no", EXIT_BAD_CONFIG, "no such handler", "try echo");
}

static void
a_refusal_counts_however_it_ends(void **state)
{
	(void)state;
	try_and_fail("no-and-crash", EXIT_BAD_CONFIG, "no such handler",
	    "try echo");
}

static void
a_refusal_without_a_reason_is_told_as_that(void **state)
{
	(void)state;
	try_and_fail("no-without-a-reason", EXIT_RUNTIME,
	    "/bin/new refuses and does not say why", "");
}

static void
an_end_without_an_answer_is_no_yes(void **state)
{
	(void)state;
	try_and_fail("nothing", EXIT_RUNTIME,
	    "/bin/new is no tine that could go on here: it ended with exit "
	    "code 0 and no answer",
	    "see what it says to --version");
}

static void
a_yes_to_another_question_is_none(void **state)
{
	(void)state;
	try("something-else");
	assert_false(t->is_good);
	assert_non_null(strstr(t->err.text, "and no answer"));
}

static void
what_it_said_last_does_not_save_it(void **state)
{
	(void)state;
	try_and_fail("yes-and-fail", EXIT_RUNTIME,
	    "the trial of /bin/new went well and then ended: exit code 4", "");
}

static void
a_crash_after_a_yes_is_no_yes(void **state)
{
	(void)state;
	try_and_fail("yes-and-crash", EXIT_RUNTIME,
	    "the trial of /bin/new went well and then ended: signal 9 (Killed)",
	    "");
}

static void
what_ends_badly_is_told_with_its_first_line(void **state)
{
	(void)state;
	try_and_fail("complain", EXIT_RUNTIME,
	    "the trial of /bin/new ended: exit code 127: no \\x1b[1mlibrary",
	    "see whether it runs by itself: /bin/new --version");
}

static void
much_output_is_let_go(void **state)
{
	(void)state;
	try("babble");
	assert_false(t->is_good);
	assert_non_null(strstr(t->err.text, "exit code 1: xxx"));
	assert_int_equal(t->nsaid, sizeof(t->said));
}

static void
a_crash_is_told_as_that(void **state)
{
	(void)state;
	try_and_fail("crash", EXIT_RUNTIME,
	    "the trial of /bin/new ended: signal 9 (Killed)",
	    "see whether it runs by itself: /bin/new --version");
}

static void
what_takes_too_long_is_killed_and_told_as_that(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	begin("hang");
	pid = t->pid;
	ev_invoke(loop, &t->patience_w, EV_TIMER);
	assert_int_equal(ndone, 1);
	expect_error(-1, &t->err, EXIT_RUNTIME,
	    "the trial of /bin/new took longer than 10 s",
	    "a host name may not resolve, or a loaded handler's constructor "
	    "does not return");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void
a_trial_that_is_forgotten_is_killed(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	begin("hang");
	pid = t->pid;
	trial_free(&t);
	assert_null(t);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(ndone, 0);
	trial_free(&t);
}

static void
it_has_the_descriptors_of_the_protocol_and_no_other(void **state)
{
	int other = open("/dev/null", O_RDONLY);

	(void)state;
	try("descriptors");
	assert_string_equal(t->err.text, "0 1 2 3 4 ");
	closefd(&other);
}

static void
descriptors_may_be_in_each_others_way(void **state)
{
	int low, binary = subject.binary;

	(void)state;
	/* The state where the answer belongs, the binary where the state. */
	low = fcntl(4, F_GETFD) == -1 ? -1 : fcntl(4, F_DUPFD_CLOEXEC, 50);
	subject.binary = fcntl(binary, F_DUPFD_CLOEXEC, 50);
	closefd(&binary);
	assert_int_equal(dup2(subject.state, 4), 4);
	(void)close(subject.state);
	subject.state = 4;
	try("greeting");
	assert_string_equal(t->err.text, "good day");
	if (low != -1)
		subject.state = fcntl(4, F_DUPFD_CLOEXEC, 50);
	if (low != -1)
		(void)dup2(low, 4);
	closefd(&low);
}

static void
it_reads_the_state(void **state)
{
	(void)state;
	try("greeting");
	assert_string_equal(t->err.text, "good day");
}

static void
it_begins_with_no_signal_blocked_or_ignored(void **state)
{
	void (*old)(int) = signal(SIGWINCH, SIG_IGN);

	(void)state;
	try("signals");
	(void)signal(SIGWINCH, old);
	assert_string_equal(t->err.text, "none");
}

static void
what_is_no_program_fails_with_the_reason(void **state)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(write(fd, "text\n", 5), 5);
	assert_int_equal(fchmod(fd, 0755), 0);
	closefd(&subject.binary);
	subject.binary = fd;
	try("yes");
	assert_false(t->is_good);
	assert_non_null(strstr(t->err.text, "/bin/new"));
	assert_true(t->err.text[0] != '\0');
}

/* The first bytes of a program, which look well. */
static void
a_program_that_was_cut_off_fails(void **state)
{
	int fd = memfd_create("short", MFD_CLOEXEC);
	char bytes[4096];

	(void)state;
	assert_int_equal(pread(subject.binary, bytes, sizeof(bytes), 0),
	    sizeof(bytes));
	assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(fchmod(fd, 0755), 0);
	closefd(&subject.binary);
	subject.binary = fd;
	try("yes");
	assert_false(t->is_good);
	assert_non_null(strstr(t->err.text, "/bin/new"));
}

static void
a_fork_that_fails_is_told(void **state)
{
	(void)state;
	t = trial_new(loop, &subject, on_done, NULL, &err);
	assert_non_null(t);
	no_fork = true;
	expect_error(trial_fork(t, &err), &err, EXIT_SYSTEM,
	    "fork to try a new binary: Resource temporarily unavailable", "");
	assert_int_equal(ndone, 0);
	no_fork = false;
	assert_int_equal(trial_fork(t, &err), 0);
}

static void
a_state_that_is_none_is_told(void **state)
{
	int old = subject.state;

	(void)state;
	subject.state = subject.binary;
	assert_null(trial_new(loop, &subject, on_done, NULL, &err));
	assert_string_equal(err.text, "the record is none of tine's");
	subject.state = old;
}

/* In a process of its own: it begins a trial, hears of it, and dies. */
static void
die_beside_a_trial(int report)
{
	struct trial *own;
	char byte;

	(void)snprintf(part, sizeof(part), "hang");
	own = trial_new(loop, &subject, on_done, NULL, &err);
	if (own == NULL || trial_fork(own, &err) == -1)
		_exit(1);
	while (read(own->output[0], &byte, 1) != 1)
		continue;
	(void)!write(report, &own->pid, sizeof(own->pid));
	_exit(0);
}

static void
it_dies_with_the_master(void **state)
{
	int fds[2], status;
	pid_t master, pid = 0;

	(void)state;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	master = __real_fork();
	if (master == 0)
		die_beside_a_trial(fds[1]);
	assert_int_equal(read(fds[0], &pid, sizeof(pid)), sizeof(pid));
	assert_int_equal(waitpid(master, &status, 0), master);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
	closefd(&fds[0]);
	closefd(&fds[1]);
}

#define on_stage(f) cmocka_unit_test_setup_teardown(f, open_stage, close_stage)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		on_stage(a_binary_that_says_yes_is_good),
		on_stage(a_refusal_brings_its_reason_hint_and_code),
		on_stage(a_refusal_counts_however_it_ends),
		on_stage(a_refusal_without_a_reason_is_told_as_that),
		on_stage(an_end_without_an_answer_is_no_yes),
		on_stage(a_yes_to_another_question_is_none),
		on_stage(what_it_said_last_does_not_save_it),
		on_stage(a_crash_after_a_yes_is_no_yes),
		on_stage(what_ends_badly_is_told_with_its_first_line),
		on_stage(much_output_is_let_go),
		on_stage(a_crash_is_told_as_that),
		on_stage(what_takes_too_long_is_killed_and_told_as_that),
		on_stage(a_trial_that_is_forgotten_is_killed),
		on_stage(it_has_the_descriptors_of_the_protocol_and_no_other),
		on_stage(descriptors_may_be_in_each_others_way),
		on_stage(it_reads_the_state),
		on_stage(it_begins_with_no_signal_blocked_or_ignored),
		on_stage(what_is_no_program_fails_with_the_reason),
		on_stage(a_program_that_was_cut_off_fails),
		on_stage(a_fork_that_fails_is_told),
		on_stage(a_state_that_is_none_is_told),
		on_stage(it_dies_with_the_master),
	};
	int fd = trial_answer_state(argc, argv);

	if (fd != -1)
		return argc == 3 ? play(fd, argv[2]) : 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

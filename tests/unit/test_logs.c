/* SPDX-License-Identifier: BSD-2-Clause */
/* The master's side of the log: opened, opened anew, handed to the children. */
#include "tests/unit/fixture.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "master/logs.h"

static char folder[32], path[64];
static int stderr_copy;

static void
log_to(const char *where)
{
	struct err err;

	fx.generation.conf.log_level = LOG_INFO;
	free(fx.generation.conf.log_file);
	fx.generation.conf.log_file = strdup(where);
	assert_non_null(fx.generation.conf.log_file);
	fx.m.log_fd = logs_start(&fx.generation.conf, &err);
	assert_int_not_equal(fx.m.log_fd, -1);
	log_set_who("master");
}

static int
open_all(void **state)
{
	(void)fixture_open(state);
	logs_init(&fx.m);
	fx.m.log_fd = STDERR_FILENO;
	(void)snprintf(folder, sizeof(folder), "/tmp/tine-logs-XXXXXX");
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/log", folder);
	stderr_copy = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	return stderr_copy == -1;
}

static int
close_all(void **state)
{
	(void)dup2(stderr_copy, STDERR_FILENO);
	closefd(&stderr_copy);
	logs_fini(&fx.m);
	(void)unsetenv("JOURNAL_STREAM");
	(void)unlink(path);
	(void)rmdir(folder);
	return fixture_close(state);
}

/* Opening this must fail; what it says is in err. */
static void
refused(const char *where, struct err *err)
{
	free(fx.generation.conf.log_file);
	fx.generation.conf.log_file = strdup(where);
	assert_non_null(fx.generation.conf.log_file);
	assert_int_equal(logs_start(&fx.generation.conf, err), -1);
	assert_non_null(strstr(err->text, where));
	assert_true(err->hint[0] != '\0');
}

/* ---- opening ---- */

static void
a_file_is_for_its_owner_and_group(void **state)
{
	struct stat st;

	(void)state;
	log_to(path);
	log_info("hello");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07137, 0);
	assert_true(st.st_size > 0);
	assert_int_equal(fcntl(fx.m.log_fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fcntl(fx.m.log_fd, F_GETFL) & O_APPEND, O_APPEND);
}

static void
a_relative_path_means_the_folder_of_the_start(void **state)
{
	(void)state;
	fx.generation.conf.folder = strdup(folder);
	log_to("log");
	assert_int_equal(access(path, F_OK), 0);
}

static void
no_link_is_followed(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(symlink("/dev/null", path), 0);
	refused(path, &err);
	assert_int_equal(err.code, EXIT_CANT_CREATE);
	assert_non_null(strstr(err.hint, "symbolic link"));
}

static void
a_path_that_cannot_be_made_says_why(void **state)
{
	struct err err;

	(void)state;
	refused("/nonexistent/x.log", &err);
	assert_int_equal(err.code, EXIT_CANT_CREATE);
	refused(folder, &err);
	assert_int_equal(err.code, EXIT_CANT_CREATE);
	assert_int_equal(mkfifo(path, 0600), 0);
	refused(path, &err);
	assert_non_null(strstr(err.hint, "nobody reads"));
}

static void
root_does_not_write_where_everybody_can(void **state)
{
	struct err err;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(folder, 0777), 0);
	refused(path, &err);
	assert_int_equal(err.code, EXIT_CANT_CREATE);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(chmod(folder, 01777), 0);
	log_to(path);
}

static void
a_fifo_is_never_waited_for(void **state)
{
	int i, reader;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	log_to(path);
	for (i = 0; i < 5000; i++)
		log_info("line %d", i);
	closefd(&reader);
	log_info("nobody reads");
}

/* A descriptor that the shell has too keeps its flags. */
static void
stderr_that_is_a_pipe_is_opened_a_second_time(void **state)
{
	int fds[2], i;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	log_to("stderr");
	assert_true(fx.m.log_fd > STDERR_FILENO);
	assert_true(log_is_stderr());
	for (i = 0; i < 5000; i++)
		log_info("line %d", i);
	assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
	closefd(&fds[0]);
	closefd(&fds[1]);
}

static void
stderr_that_cannot_be_opened_again_is_used_as_it_is(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	log_to("stderr");
	assert_int_equal(fx.m.log_fd, STDERR_FILENO);
	closefd(&fds[0]);
	closefd(&fds[1]);
}

static void
the_journal_is_known_by_its_numbers(void **state)
{
	char text[64] = "", stream[64];
	struct stat st;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	assert_int_equal(fstat(fds[1], &st), 0);
	(void)snprintf(stream, sizeof(stream), "%llu:%llu",
	    (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
	log_to("stderr");
	log_info("hello");
	assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
	assert_int_equal(strncmp(text, "<6>info ", 8), 0);
	logs_fini(&fx.m);
	/* Inherited from a service, but stderr is another one. */
	assert_int_equal(setenv("JOURNAL_STREAM", "1:1", 1), 0);
	log_to("stderr");
	log_info("hello");
	(void)memset(text, 0, sizeof(text));
	assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
	assert_int_equal(strncmp(text, "tine: info ", 11), 0);
	closefd(&fds[0]);
	closefd(&fds[1]);
}

/* ---- changes ---- */

/* The next message to this child is a change of the log: its number. */
static uint32_t
told(struct proc *p, enum ctl_type type, uint32_t value)
{
	struct ctl_msg m;

	assert_int_equal(ctl_recv(fx.peer[p->pid - 1], &m, true), CTL_GOT_MSG);
	assert_int_equal(m.head.type, type);
	assert_int_equal(m.body.logs.value, value);
	assert_int_equal(m.fd != -1, type == CTL_LOGS);
	closefd(&m.fd);
	return m.body.logs.change;
}

static void
confirm(struct proc *p, uint32_t change)
{
	const struct ctl_logs_ok ok = { .change = change };

	fixture_say(p, CTL_LOGS_OK, &ok, sizeof(ok));
}

static void
reopen_makes_a_new_file_and_tells_every_child(void **state)
{
	char old[80];
	struct err err;
	uint32_t change;
	int i;

	(void)state;
	log_to(path);
	fixture_all_ready();
	(void)snprintf(old, sizeof(old), "%s.1", path);
	assert_int_equal(rename(path, old), 0);
	assert_int_equal(logs_reopen(&fx.m, &err), 0);
	assert_int_equal(access(path, F_OK), 0);
	change = logs_change(&fx.m);
	for (i = 0; i < FIXTURE_PLACES; i++) {
		struct proc *p = fx.m.places[i].incumbent;

		assert_non_null(logs_awaited(&fx.m, change));
		assert_int_equal(told(p, CTL_LOGS, LOG_FILE), change);
		confirm(p, change);
	}
	assert_null(logs_awaited(&fx.m, change));
	assert_true(fx.m.is_changed);
	assert_false(ev_is_active(&fx.m.logs_w));
	(void)unlink(old);
}

static void
an_answer_to_an_earlier_change_is_none_to_this(void **state)
{
	struct proc *p;
	struct err err;
	uint32_t first;

	(void)state;
	log_to(path);
	fixture_all_ready();
	p = fx.m.places[0].incumbent;
	assert_int_equal(logs_reopen(&fx.m, &err), 0);
	first = logs_change(&fx.m);
	logs_set_level(&fx.m, LOG_WARN);
	confirm(p, first);
	assert_ptr_not_equal(logs_awaited(&fx.m, first), p);
	assert_ptr_equal(logs_awaited(&fx.m, first + 1), p);
	/* Nor is one to a change that never was. */
	confirm(p, first + 1000);
	assert_ptr_equal(logs_awaited(&fx.m, first + 1), p);
	assert_int_equal(p->state, PROC_READY);
	confirm(p, first + 1);
	assert_ptr_not_equal(logs_awaited(&fx.m, first + 1), p);
}

static void
a_child_that_dies_is_not_awaited(void **state)
{
	struct err err;
	uint32_t change;
	int i;

	(void)state;
	log_to(path);
	fixture_all_ready();
	assert_int_equal(logs_reopen(&fx.m, &err), 0);
	change = logs_change(&fx.m);
	for (i = 1; i < FIXTURE_PLACES; i++)
		confirm(fx.m.places[i].incumbent, change);
	assert_ptr_equal(logs_awaited(&fx.m, change), fx.m.places[0].incumbent);
	proc_on_eof(fx.m.places[0].incumbent);
	assert_null(logs_awaited(&fx.m, change));
}

static void
a_later_child_is_born_with_the_change(void **state)
{
	struct err err;

	(void)state;
	log_to(path);
	assert_int_equal(logs_reopen(&fx.m, &err), 0);
	place_fork_due(&fx.m);
	assert_null(logs_awaited(&fx.m, logs_change(&fx.m)));
	logs_set_level(&fx.m, LOG_ERROR);
	assert_non_null(logs_awaited(&fx.m, logs_change(&fx.m)));
}

static void
a_failed_reopen_leaves_the_old_log_in_use(void **state)
{
	struct err err;
	char old[80], text[4096] = "";
	int fd;

	(void)state;
	log_to(path);
	fixture_all_ready();
	fd = fx.m.log_fd;
	(void)snprintf(old, sizeof(old), "%s.1", path);
	assert_int_equal(rename(path, old), 0);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(logs_reopen(&fx.m, &err), -1);
	assert_non_null(strstr(err.text, path));
	assert_string_equal(fx.m.last_error.text, err.text);
	assert_int_equal(fx.m.log_fd, fd);
	assert_null(logs_awaited(&fx.m, logs_change(&fx.m)));
	fd = open(old, O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "the old log stays in use"));
	closefd(&fd);
	(void)unlink(old);
}

static void
the_level_goes_to_every_child(void **state)
{
	int i;

	(void)state;
	fixture_all_ready();
	logs_set_level(&fx.m, LOG_WARN);
	assert_int_equal(log_get_level(), LOG_WARN);
	for (i = 0; i < FIXTURE_PLACES; i++)
		assert_int_equal(
		    told(fx.m.places[i].incumbent, CTL_LEVEL, LOG_WARN),
		    logs_change(&fx.m));
	assert_true(ev_is_active(&fx.m.logs_w));
}

int
main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)
	const struct CMUnitTest tests[] = {
		test(a_file_is_for_its_owner_and_group),
		test(a_relative_path_means_the_folder_of_the_start),
		test(no_link_is_followed),
		test(a_path_that_cannot_be_made_says_why),
		test(root_does_not_write_where_everybody_can),
		test(a_fifo_is_never_waited_for),
		test(stderr_that_is_a_pipe_is_opened_a_second_time),
		test(stderr_that_cannot_be_opened_again_is_used_as_it_is),
		test(the_journal_is_known_by_its_numbers),
		test(reopen_makes_a_new_file_and_tells_every_child),
		test(an_answer_to_an_earlier_change_is_none_to_this),
		test(a_child_that_dies_is_not_awaited),
		test(a_later_child_is_born_with_the_change),
		test(a_failed_reopen_leaves_the_old_log_in_use),
		test(the_level_goes_to_every_child),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

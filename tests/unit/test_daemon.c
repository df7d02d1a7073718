/* SPDX-License-Identifier: BSD-2-Clause */
/* Into the background: the paths that become absolute, and starts for which
 * the system has nothing left. The way itself is shown by the system tests.
 * fork() and pipe2() are wrapped. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/daemon.h"

static struct {
	int pipes; /* pipe2() calls that work */
	char was[PATH_MAX];
} world;
static struct conf conf;
static struct err err;

int __real_pipe2(int[2], int);
int __wrap_pipe2(int[2], int);
pid_t __wrap_fork(void);

int
__wrap_pipe2(int fds[2], int flags)
{
	errno = EMFILE;
	return world.pipes-- > 0 ? __real_pipe2(fds, flags) : -1;
}

pid_t
__wrap_fork(void)
{
	errno = EAGAIN;
	return -1;
}

static void
set(const char *key, const char *value)
{
	assert_int_equal(conf_set(&conf, key, value, &err), 0);
}

static int
open_world(void **state)
{
	(void)state;
	world.pipes = 2;
	assert_non_null(getcwd(world.was, sizeof(world.was)));
	assert_int_equal(chdir("/tmp"), 0);
	conf_init(&conf);
	conf.folder = strdup("/tmp");
	return 0;
}

static int
close_world(void **state)
{
	(void)state;
	conf_free(&conf);
	return chdir(world.was);
}

static void
expect_folder(const char *expected)
{
	char now[PATH_MAX];

	assert_non_null(getcwd(now, sizeof(now)));
	assert_string_equal(now, expected);
}

static void
relative_paths_become_absolute(void **state)
{
	(void)state;
	set("control", "run/c.sock");
	set("log.file", "tine.log");
	set("pid-file", "./tine.pid");
	set("servers.0.listen", "unix://echo.sock");
	set("servers.1.listen", "unix://other.sock");
	assert_int_equal(daemon_leave_folder(&conf, &err), 0);
	assert_string_equal(conf.control, "/tmp/run/c.sock");
	assert_string_equal(conf.log_file, "/tmp/tine.log");
	assert_string_equal(conf.pid_file, "/tmp/./tine.pid");
	assert_string_equal(conf.servers[0].listens[0].path, "/tmp/echo.sock");
	assert_string_equal(conf.servers[1].listens[0].path, "/tmp/other.sock");
	expect_folder("/");
}

static void
what_is_no_path_stays_as_it_is(void **state)
{
	(void)state;
	set("control", "none");
	set("log.file", "syslog");
	set("pid-file", "none");
	set("servers.0.listen", "unix://@name");
	set("servers.0.listen", "unix:///run/x.sock");
	set("servers.0.listen", "tcp://:80");
	assert_int_equal(daemon_leave_folder(&conf, &err), 0);
	assert_string_equal(conf.control, "none");
	assert_string_equal(conf.log_file, "syslog");
	/* Not a word that a pidfile knows. */
	assert_string_equal(conf.pid_file, "/tmp/none");
	assert_string_equal(conf.servers[0].listens[0].path, "@name");
	assert_string_equal(conf.servers[0].listens[1].path, "/run/x.sock");
	expect_folder("/");
}

static void
an_abstract_control_socket_is_still_refused_by_its_name(void **state)
{
	(void)state;
	set("control", "@name");
	assert_int_equal(daemon_leave_folder(&conf, &err), 0);
	assert_string_equal(conf.control, "@name");
}

static void
a_socket_that_would_be_too_long_keeps_the_folder(void **state)
{
	char folder[URL_PATH_MAX];

	(void)state;
	(void)memset(folder, 'd', sizeof(folder));
	(void)memcpy(folder, "/tmp/", 5);
	folder[sizeof(folder) - 2] = '\0';
	free(conf.folder);
	conf.folder = strdup(folder);
	set("log.file", "tine.log");
	set("control", "c");
	assert_int_equal(daemon_leave_folder(&conf, &err), 0);
	assert_string_equal(conf.control, "c");
	/* A file's path may be longer. */
	assert_int_equal(conf.log_file[0], '/');
	expect_folder("/tmp");
	set("control", "none");
	set("servers.0.listen", "unix://e");
	assert_int_equal(daemon_leave_folder(&conf, &err), 0);
	assert_string_equal(conf.servers[0].listens[0].path, "e");
	expect_folder("/tmp");
}

static void
without_a_process_or_a_pipe_it_says_so(void **state)
{
	static const struct {
		int pipes;
		const char *text;
	} rows[] = {
		{ 0, "pipe to the background: Too many open files" },
		{ 1, "pipe to the background: Too many open files" },
		{ 2,
		    "fork into the background: Resource temporarily "
		    "unavailable" },
	};
	enum exit_code code;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		world.pipes = rows[i].pipes;
		assert_int_equal(daemon_fork(&code, &err), DAEMON_FAILED);
		assert_int_equal(err.code, EXIT_SYSTEM);
		assert_string_equal(err.text, rows[i].text);
	}
}

static void
in_the_foreground_nobody_waits_to_be_told(void **state)
{
	struct stat before, after;

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &before), 0);
	daemon_set_ready();
	assert_int_equal(fstat(STDERR_FILENO, &after), 0);
	assert_true(before.st_ino == after.st_ino);
}

#define in_world(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_world(relative_paths_become_absolute),
		in_world(what_is_no_path_stays_as_it_is),
		in_world(
		    an_abstract_control_socket_is_still_refused_by_its_name),
		in_world(a_socket_that_would_be_too_long_keeps_the_folder),
		in_world(without_a_process_or_a_pipe_it_says_so),
		in_world(in_the_foreground_nobody_waits_to_be_told),
	};

	return cmocka_run_group_tests_name("daemon", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The pidfile: what is taken over, what is refused, and whose it is at the
 * end. lstat(), pwrite() and unlink() can be made to fail. */
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/pidfile.h"
#include "shared/log.h"

static char top[32], path[64], other[64];
static struct err err;
static int lstat_errno, pwrite_errno, unlink_errno; /* 0: the real one */

int __real_lstat(const char *, struct stat *);
int __wrap_lstat(const char *, struct stat *);
ssize_t __real_pwrite(int, const void *, size_t, off_t);
ssize_t __wrap_pwrite(int, const void *, size_t, off_t);
int __real_unlink(const char *);
int __wrap_unlink(const char *);

int
__wrap_lstat(const char *name, struct stat *st)
{
	errno = lstat_errno;
	return lstat_errno != 0 ? -1 : __real_lstat(name, st);
}

ssize_t
__wrap_pwrite(int fd, const void *buf, size_t n, off_t at)
{
	errno = pwrite_errno;
	return pwrite_errno != 0 ? -1 : __real_pwrite(fd, buf, n, at);
}

int
__wrap_unlink(const char *name)
{
	errno = unlink_errno;
	return unlink_errno != 0 ? -1 : __real_unlink(name);
}

static int
make_folder(void **state)
{
	(void)state;
	lstat_errno = pwrite_errno = unlink_errno = 0;
	log_set_level(LOG_ERROR);
	(void)snprintf(top, sizeof(top), "/tmp/tine-pidfile-XXXXXX");
	assert_non_null(mkdtemp(top));
	(void)snprintf(path, sizeof(path), "%s/tine.pid", top);
	(void)snprintf(other, sizeof(other), "%s/other", top);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	unlink_errno = 0;
	(void)rmdir(path);
	(void)unlink(path);
	(void)unlink(other);
	return rmdir(top);
}

static void
put(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	closefd(&fd);
}

/* The text of a file, by a path that is not the pidfile's: its lock must not
 * go. */
static void
expect_text(int fd, const char *expected)
{
	char text[256] = "";

	assert_true(pread(fd, text, sizeof(text) - 1, 0) >= 0);
	assert_string_equal(text, expected);
}

static void
expect_our_pid(int fd)
{
	char pid[32];

	(void)snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	expect_text(fd, pid);
}

static void
expect_refusal(enum exit_code code, const char *text)
{
	assert_int_equal(pidfile_open(path, &err), -1);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.text, text));
	assert_string_not_equal(err.hint, "");
}

static void
it_has_our_pid_and_is_gone_at_the_end(void **state)
{
	struct stat st;
	int fd = pidfile_open(path, &err);

	(void)state;
	assert_int_not_equal(fd, -1);
	expect_our_pid(fd);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	pidfile_close(&fd, path);
	assert_int_equal(fd, -1);
	assert_int_equal(access(path, F_OK), -1);
	pidfile_close(&fd, path);
}

static void
a_stale_file_is_taken_over_and_not_replaced(void **state)
{
	static const char *const stale[] = { "", "\n", "1", "4194304\n" };
	struct stat before, after;
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < nitems(stale); i++) {
		put(path, stale[i]);
		assert_int_equal(stat(path, &before), 0);
		fd = pidfile_open(path, &err);
		assert_int_not_equal(fd, -1);
		expect_our_pid(fd);
		assert_int_equal(fstat(fd, &after), 0);
		assert_true(before.st_ino == after.st_ino);
		pidfile_close(&fd, path);
	}
}

static void
what_is_no_pidfile_is_left_as_it_is(void **state)
{
	static const char *const foreign[] = { "root:x:0:0\n", "12 34\n",
		"12\n\n", "-1\n", "0x12",
		"11111111111111111111111111111111\n" };
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < nitems(foreign); i++) {
		put(path, foreign[i]);
		expect_refusal(EXIT_CANT_CREATE, "is not a pidfile");
		fd = open(path, O_RDONLY | O_CLOEXEC);
		expect_text(fd, foreign[i]);
		closefd(&fd);
	}
}

static void
a_symbolic_link_is_not_followed(void **state)
{
	(void)state;
	put(other, "12\n");
	assert_int_equal(symlink(other, path), 0);
	expect_refusal(EXIT_CANT_CREATE, "symbolic links");
	assert_non_null(strstr(err.hint, "symbolic link"));
	/* Nor is one made through it. */
	assert_int_equal(unlink(other), 0);
	expect_refusal(EXIT_CANT_CREATE, "symbolic links");
	assert_int_equal(access(other, F_OK), -1);
}

static void
a_fifo_or_a_folder_is_refused_at_once(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_refusal(EXIT_CANT_CREATE, "not a regular file");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	expect_refusal(EXIT_CANT_CREATE, "Is a directory");
}

static void
a_file_with_two_names_is_refused(void **state)
{
	(void)state;
	put(other, "");
	assert_int_equal(link(other, path), 0);
	expect_refusal(EXIT_CANT_CREATE, "has another name");
}

static void
a_file_that_others_can_write_is_refused(void **state)
{
	(void)state;
	put(path, "");
	assert_int_equal(chmod(path, 0664), 0);
	expect_refusal(EXIT_CANT_CREATE, "can be written by others");
	assert_int_equal(chmod(path, 0646), 0);
	expect_refusal(EXIT_CANT_CREATE, "can be written by others");
}

static void
another_users_file_is_refused(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	put(path, "1\n");
	assert_int_equal(chown(path, 65534, 65534), 0);
	expect_refusal(EXIT_CANT_CREATE, "another user (uid 65534)");
}

static void
a_folder_that_is_missing_is_named(void **state)
{
	(void)state;
	(void)snprintf(path, sizeof(path), "%s/none/tine.pid", top);
	assert_int_equal(pidfile_open(path, &err), -1);
	assert_int_equal(err.code, EXIT_CANT_CREATE);
	assert_non_null(strstr(err.text, "/none: No such file"));
}

static void
root_refuses_a_folder_where_others_could_replace_it(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(top, 0777), 0);
	assert_int_equal(pidfile_open(path, &err), -1);
	assert_int_equal(err.code, EXIT_CANT_CREATE);
	assert_non_null(strstr(err.text, top));
	assert_int_equal(access(path, F_OK), -1);
}

/* A process that holds the lock until it is told to end; returns its pid. */
static pid_t
hold_in_another_process(int *lead)
{
	int fds[2], told[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pipe(told), 0);
	pid = fork();
	if (pid == 0) {
		(void)close(fds[1]);
		if (pidfile_open(path, &err) == -1)
			_exit(1);
		(void)!write(told[1], "x", 1);
		(void)!read(fds[0], &byte, 1);
		_exit(0);
	}
	(void)close(fds[0]);
	(void)close(told[1]);
	assert_int_equal(read(told[0], &byte, 1), 1);
	(void)close(told[0]);
	*lead = fds[1];
	return pid;
}

static void
a_file_that_is_held_is_69_and_names_the_holder(void **state)
{
	int lead, fd, status;
	char words[64], name[32];
	pid_t pid = hold_in_another_process(&lead);

	(void)state;
	/* As the kernel knows it: under valgrind it is another name. */
	(void)prctl(PR_GET_NAME, name);
	(void)snprintf(words, sizeof(words), "is held by %s (pid %ld)", name,
	    (long)pid);
	expect_refusal(EXIT_UNAVAILABLE, words);
	closefd(&lead);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* Its death was enough; nobody needs to clean up. */
	fd = pidfile_open(path, &err);
	assert_int_not_equal(fd, -1);
	pidfile_close(&fd, path);
}

static void
a_forked_process_does_not_hold_it(void **state)
{
	int fd = pidfile_open(path, &err), lead[2], again;
	char byte;
	pid_t pid;

	(void)state;
	assert_int_not_equal(fd, -1);
	assert_int_equal(pipe(lead), 0);
	pid = fork();
	if (pid == 0) {
		(void)close(lead[1]);
		(void)!read(lead[0], &byte, 1);
		_exit(0);
	}
	/* The lock goes, while the forked process has the descriptor still. */
	closefd(&fd);
	closefd(&lead[0]);
	if (fork() == 0)
		_exit(pidfile_open(path, &err) == -1);
	assert_int_not_equal(wait(&again), -1);
	assert_int_equal(again, 0);
	closefd(&lead[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void
a_file_that_is_always_removed_meanwhile_is_given_up(void **state)
{
	(void)state;
	lstat_errno = ENOENT;
	expect_refusal(EXIT_UNAVAILABLE, "removed again and again");
}

static void
a_full_disk_leaves_no_file(void **state)
{
	(void)state;
	pwrite_errno = ENOSPC;
	assert_int_equal(pidfile_open(path, &err), -1);
	assert_int_equal(err.code, EXIT_CANT_CREATE);
	assert_non_null(strstr(err.text, "No space left"));
	assert_int_equal(access(path, F_OK), -1);
}

static void
somebody_elses_file_is_left_alone_at_the_end(void **state)
{
	int fd = pidfile_open(path, &err);

	(void)state;
	assert_int_not_equal(fd, -1);
	put(other, "77\n");
	assert_int_equal(rename(other, path), 0);
	pidfile_close(&fd, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	expect_text(fd, "77\n");
	closefd(&fd);
}

static void
a_file_that_cannot_be_removed_is_emptied(void **state)
{
	struct stat st;
	int fd = pidfile_open(path, &err);

	(void)state;
	assert_int_not_equal(fd, -1);
	unlink_errno = EACCES;
	pidfile_close(&fd, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 0);
}

#define in_folder(f)                                                           \
	cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_folder(it_has_our_pid_and_is_gone_at_the_end),
		in_folder(a_stale_file_is_taken_over_and_not_replaced),
		in_folder(what_is_no_pidfile_is_left_as_it_is),
		in_folder(a_symbolic_link_is_not_followed),
		in_folder(a_fifo_or_a_folder_is_refused_at_once),
		in_folder(a_file_with_two_names_is_refused),
		in_folder(a_file_that_others_can_write_is_refused),
		in_folder(another_users_file_is_refused),
		in_folder(a_folder_that_is_missing_is_named),
		in_folder(root_refuses_a_folder_where_others_could_replace_it),
		in_folder(a_file_that_is_held_is_69_and_names_the_holder),
		in_folder(a_forked_process_does_not_hold_it),
		in_folder(a_file_that_is_always_removed_meanwhile_is_given_up),
		in_folder(a_full_disk_leaves_no_file),
		in_folder(somebody_elses_file_is_left_alone_at_the_end),
		in_folder(a_file_that_cannot_be_removed_is_emptied),
	};

	return cmocka_run_group_tests_name("pidfile", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs: which one runs, which one an upgrade would run, and how a process
 * becomes it. Copies of this program play the parts. */
#include "master/binary.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/expect.h"

#define PART "--part"

static char top[64], prog[128], other[128], self[PATH_MAX];
static struct binary b;
static struct err err;

/* What the next step fails with; 0: it does not. */
static int exec_code;

int __real_execveat(int, const char *, char *const *, char *const *, int);
int __wrap_execveat(int, const char *, char *const *, char *const *, int);

int
__wrap_execveat(int fd, const char *path, char *const *argv, char *const *envp,
    int flags)
{
	errno = exec_code;
	return exec_code != 0 ? -1
			      : __real_execveat(fd, path, argv, envp, flags);
}

/* ---- the parts ---- */

/* "removed": this file goes; "replaced": another one comes in its place. Then
 * say by which path we were called. */
static int
say_path(const char *argv0, const char *fate, const char *file)
{
	if (strcmp(fate, "removed") == 0)
		(void)unlink(file);
	else if (strcmp(fate, "replaced") == 0)
		(void)rename(other, file);
	if (binary_init(&b, argv0, &err) == -1)
		(void)printf("%s", err.text);
	(void)printf("%s", b.path);
	binary_fini(&b);
	return 0;
}

/* Say which descriptors there are where our caller had none. */
static int
say_descriptors(void)
{
	int fd;

	for (fd = 100; fd < 200; fd++)
		if (fcntl(fd, F_GETFD) != -1)
			(void)printf("%d ", fd);
	return 0;
}

static int
play(int argc, char **argv)
{
	if (argc == 6 && strcmp(argv[2], "path") == 0) {
		(void)snprintf(other, sizeof(other), "%s", argv[5]);
		return say_path(argv[0], argv[3], argv[4]);
	}
	if (argc == 3 && strcmp(argv[2], "descriptors") == 0)
		return say_descriptors();
	return 2;
}

/* ---- the stage ---- */

static void
copy(const char *from, const char *to, mode_t mode, size_t most)
{
	static char bytes[1 << 24];
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	ssize_t n = read(in, bytes, MIN_OF(most, sizeof(bytes)));

	assert_true(n > 0);
	assert_int_equal(write(out, bytes, (size_t)n), n);
	assert_int_equal(fchmod(out, mode), 0);
	closefd(&in);
	closefd(&out);
}

static int
open_stage(void **state)
{
	(void)state;
	(void)snprintf(top, sizeof(top), "/tmp/tine-binary-XXXXXX");
	assert_non_null(mkdtemp(top));
	(void)snprintf(prog, sizeof(prog), "%s/prog", top);
	(void)snprintf(other, sizeof(other), "%s/other", top);
	copy(self, prog, 0755, SIZE_MAX);
	assert_int_equal(binary_init(&b, self, &err), 0);
	return 0;
}

static int
close_stage(void **state)
{
	(void)state;
	binary_fini(&b);
	(void)unlink(prog);
	(void)rmdir(prog);
	(void)unlink(other);
	return rmdir(top);
}

/* What a copy of this program says when it is run so; the caller frees it. */
static char *
output_of(const char *folder, char *const argv[])
{
	char *text = calloc(1, PATH_MAX);
	int fds[2], status;
	pid_t pid;

	assert_non_null(text);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		if (chdir(folder) == 0 && dup2(fds[1], 1) == 1)
			(void)execv(prog, argv);
		_exit(9);
	}
	closefd(&fds[1]);
	assert_true(read(fds[0], text, PATH_MAX - 1) >= 0);
	closefd(&fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return text;
}

static void
is_called(const char *folder, const char *argv0, const char *fate,
    const char *expected)
{
	char a[128], f[16], part[] = PART, path[] = "path";
	char *argv[] = { a, part, path, f, prog, other, NULL }, *text;

	(void)snprintf(a, sizeof(a), "%s", argv0);
	(void)snprintf(f, sizeof(f), "%s", fate);
	text = output_of(folder, argv);
	assert_string_equal(text, expected);
	free(text);
}

/* ---- which one runs ---- */

static void
a_relative_path_is_made_absolute(void **state)
{
	char odd[256];

	(void)state;
	is_called(top, "./prog", "kept", prog);
	is_called(top, ".//./prog", "kept", prog);
	is_called("/", prog + 1, "kept", prog);
	is_called(top, prog, "kept", prog);
	(void)snprintf(odd, sizeof(odd), "%s/../%s/prog", top, top + 5);
	is_called(top, odd + strlen(top) + 1, "kept", odd);
}

static void
a_link_is_kept_so_that_it_can_be_turned(void **state)
{
	(void)state;
	assert_int_equal(symlink("prog", other), 0);
	is_called(top, "./other", "kept", other);
}

static void
a_bare_name_is_what_the_kernel_says(void **state)
{
	(void)state;
	is_called("/", "prog", "kept", prog);
	is_called("/", "-prog", "kept", prog);
	is_called("/", "", "kept", prog);
}

static void
a_name_that_is_a_lie_is_what_the_kernel_says(void **state)
{
	(void)state;
	is_called("/", "/usr/bin/env", "kept", prog);
	is_called("/", "no/such/thing", "kept", prog);
}

static void
a_file_that_is_gone_is_called_by_its_name_alone(void **state)
{
	(void)state;
	is_called("/", "prog", "removed", prog);
	copy(self, prog, 0755, SIZE_MAX);
	is_called(top, "./prog", "removed", prog);
	copy(self, prog, 0755, SIZE_MAX);
	copy(self, other, 0755, SIZE_MAX);
	is_called(top, "./prog", "replaced", prog);
}

static void
a_name_that_really_ends_with_the_remark_is_kept(void **state)
{
	char odd[sizeof(prog) + 16];

	(void)state;
	(void)snprintf(odd, sizeof(odd), "%s (deleted)", prog);
	assert_int_equal(rename(prog, odd), 0);
	(void)strcpy(prog, odd);
	is_called("/", "prog", "kept", prog);
}

/* ---- which one an upgrade would run ---- */

static void
would_run(const char *path)
{
	(void)snprintf(b.path, sizeof(b.path), "%s", path);
}

static void
is_refused(const char *text, const char *hint)
{
	char expected[256];

	would_run(prog);
	assert_int_equal(binary_open(&b, &err), -1);
	(void)snprintf(expected, sizeof(expected), "%s%s", prog, text);
	assert_string_equal(err.text, expected);
	assert_non_null(strstr(err.hint, hint));
}

static void
write_file(const char *text)
{
	FILE *f = fopen(prog, "w");

	assert_non_null(f);
	(void)fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void
a_good_program_is_opened(void **state)
{
	int fd;

	(void)state;
	would_run(prog);
	fd = binary_open(&b, &err);
	assert_int_not_equal(fd, -1);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	closefd(&fd);
}

static void
what_cannot_be_a_program_is_refused_with_the_reason(void **state)
{
	(void)state;
	write_file("#!/bin/sh\nexec tine\n");
	is_refused(" is a script", "only a program");
	write_file("#!");
	is_refused(" is a script", "only a program");
	write_file("a text\n");
	is_refused(" is not a program", "copied whole?");
	write_file("\177EL");
	is_refused(" is not a program", "copied whole?");
	write_file("");
	is_refused(" is not a program", "copied whole?");
	assert_int_equal(chmod(prog, 0644), 0);
	is_refused(" cannot be executed: Permission denied", "chmod +x /tmp/");
	assert_int_equal(unlink(prog), 0);
	is_refused(": No such file or directory", "put the new binary there");
	assert_int_equal(mkfifo(prog, 0755), 0);
	is_refused(" is not a file", "put the new binary there");
	assert_int_equal(unlink(prog), 0);
	assert_int_equal(mkdir(prog, 0755), 0);
	is_refused(" is not a file", "put the new binary there");
}

static void
what_others_could_have_put_there_is_refused_to_root(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(chmod(prog, 0757), 0);
	would_run(prog);
	if (geteuid() != 0) {
		fd = binary_open(&b, &err);
		assert_int_not_equal(fd, -1);
		closefd(&fd);
		return;
	}
	assert_int_equal(binary_open(&b, &err), -1);
	assert_non_null(strstr(err.text, "can be written by others"));
}

static void
without_a_way_back_there_is_no_way_forth(void **state)
{
	(void)state;
	binary_fini(&b);
	would_run(prog);
	expect_error(binary_open(&b, &err), &err, EXIT_RUNTIME,
	    "the running binary could not be opened at the start: there would "
	    "be no way back",
	    "");
	assert_int_equal(binary_init(&b, self, &err), 0);
}

/* ---- to become it ---- */

/* What it says to have when this process became it with these to keep. */
static char *
descriptors_of(int fd, int *keep, size_t nkeep)
{
	char argv0[] = "copy", part[] = PART, what[] = "descriptors";
	char *argv[] = { argv0, part, what, NULL }, *envp[] = { NULL };
	const struct binary_image image = {
		.name = "copy",
		.fd = fd,
		.argv = argv,
		.envp = envp,
		.keep = keep,
		.nkeep = nkeep,
	};
	char *text = calloc(1, 4096);
	int fds[2], status;
	pid_t pid;

	assert_non_null(text);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(fds[1], 1);
		(void)binary_exec(&image, &err);
		_exit(9);
	}
	closefd(&fds[1]);
	assert_true(read(fds[0], text, 4095) >= 0);
	closefd(&fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return text;
}

static void
only_what_is_listed_survives(void **state)
{
	int keep[] = { fcntl(2, F_DUPFD_CLOEXEC, 100),
		fcntl(2, F_DUPFD_CLOEXEC, 150), fcntl(2, F_DUPFD, 170) };
	int not_kept = fcntl(2, F_DUPFD_CLOEXEC, 120);
	char *text = descriptors_of(b.fd, keep, nitems(keep));

	(void)state;
	assert_string_equal(text, "100 150 170 ");
	free(text);
	closefd(&not_kept);
	closefd(&keep[0]);
	closefd(&keep[1]);
	closefd(&keep[2]);
}

static void
a_program_that_was_removed_can_still_be_become(void **state)
{
	const char *preloaded = getenv("LD_PRELOAD");
	int fd = open(prog, O_RDONLY | O_CLOEXEC);
	char *text;

	(void)state;
	/* Valgrind makes a path of the descriptor, and there is none. */
	if (preloaded != NULL && strstr(preloaded, "valgrind") != NULL) {
		closefd(&fd);
		skip();
	}
	assert_int_equal(unlink(prog), 0);
	text = descriptors_of(fd, NULL, 0);
	free(text);
	closefd(&fd);
}

/* The descriptors are as they were; the reason is in err. */
static void
cannot_become(int fd, int extra, int code)
{
	char argv0[] = "x", *argv[] = { argv0, NULL }, *envp[] = { NULL };
	int a = fcntl(2, F_DUPFD_CLOEXEC, 100), c = fcntl(2, F_DUPFD, 100);
	int keep[] = { c, a, extra };
	const struct binary_image image = {
		.name = "it",
		.fd = fd,
		.argv = argv,
		.envp = envp,
		.keep = keep,
		.nkeep = nitems(keep),
	};

	exec_code = code;
	assert_int_equal(binary_exec(&image, &err), -1);
	exec_code = 0;
	assert_int_equal(fcntl(a, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(c, F_GETFD), 0);
	assert_int_equal(keep[0] + keep[1] + keep[2], a + c + extra);
	closefd(&a);
	closefd(&c);
}

static void
what_cannot_be_become_leaves_everything_as_it_was(void **state)
{
	static const struct {
		int code;
		const char *text, *hint;
	} cases[] = {
		{ ENOEXEC, "it is no program that this machine can run",
		    "was it copied whole, and built for this machine?" },
		{ EACCES, "it cannot be executed",
		    "chmod +x, or mount its file system without noexec" },
		{ ENOENT, "it needs a loader that is not here",
		    "was it built for this system? ldd shows what it needs" },
		{ ELIBBAD, "it needs a loader that is no program",
		    "ldd shows what it needs" },
		{ ETXTBSY, "it is being written",
		    "try again when that is done" },
		{ E2BIG, "it cannot be given its arguments", "" },
		{ ENOMEM, "execute it: Cannot allocate memory", "" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < nitems(cases); i++) {
		cannot_become(b.fd, 2, cases[i].code);
		assert_string_equal(err.text, cases[i].text);
		assert_string_equal(err.hint, cases[i].hint);
		assert_int_equal(err.sys, cases[i].code);
	}
}

static void
a_list_with_a_descriptor_that_is_none_is_refused(void **state)
{
	(void)state;
	cannot_become(b.fd, 9999, 0);
	assert_string_equal(err.text,
	    "descriptors for it: Bad file descriptor");
}

#define on_stage(f) cmocka_unit_test_setup_teardown(f, open_stage, close_stage)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		on_stage(a_relative_path_is_made_absolute),
		on_stage(a_link_is_kept_so_that_it_can_be_turned),
		on_stage(a_bare_name_is_what_the_kernel_says),
		on_stage(a_name_that_is_a_lie_is_what_the_kernel_says),
		on_stage(a_file_that_is_gone_is_called_by_its_name_alone),
		on_stage(a_name_that_really_ends_with_the_remark_is_kept),
		on_stage(a_good_program_is_opened),
		on_stage(what_cannot_be_a_program_is_refused_with_the_reason),
		on_stage(what_others_could_have_put_there_is_refused_to_root),
		on_stage(without_a_way_back_there_is_no_way_forth),
		on_stage(only_what_is_listed_survives),
		on_stage(a_program_that_was_removed_can_still_be_become),
		on_stage(what_cannot_be_become_leaves_everything_as_it_was),
		on_stage(a_list_with_a_descriptor_that_is_none_is_refused),
	};
	ssize_t n;

	if (argc > 1 && strcmp(argv[1], PART) == 0)
		return play(argc, argv);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n == -1)
		return 2;
	self[n] = '\0';
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The way to a file: which files nobody but root can have put there. */
#include "shared/pathwalk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define STRANGER 12345

static char top[32], folder[64], path[128], link_path[128];
static struct err err;

static int
make_file(void **state)
{
	int fd;

	(void)state;
	(void)snprintf(top, sizeof(top), "/tmp/tine-walk-XXXXXX");
	assert_non_null(mkdtemp(top));
	(void)snprintf(folder, sizeof(folder), "%s/in", top);
	(void)snprintf(path, sizeof(path), "%s/file", folder);
	(void)snprintf(link_path, sizeof(link_path), "%s/link", top);
	assert_int_equal(mkdir(folder, 0755), 0);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
	assert_int_equal(write(fd, "inside", 6), 6);
	return close(fd);
}

static int
remove_file(void **state)
{
	(void)state;
	(void)unlink(link_path);
	(void)unlink(path);
	(void)rmdir(path);
	(void)rmdir(folder);
	return rmdir(top);
}

static int
count_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n;
}

static void
opens(const char *name, bool must_be_roots)
{
	int before = count_descriptors();
	int fd = pathwalk_open(name, must_be_roots, &err);
	char text[8] = "";

	if (fd == -1)
		print_error("%s\n", err.text);
	assert_int_not_equal(fd, -1);
	assert_int_equal(read(fd, text, sizeof(text)), 6);
	assert_string_equal(text, "inside");
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	closefd(&fd);
	assert_int_equal(count_descriptors(), before);
}

/* Refused when it must be root's, but for this reason only. */
static void
refuses(const char *name, const char *text, const char *hint)
{
	int before = count_descriptors();

	opens(name, false);
	assert_int_equal(pathwalk_open(name, true, &err), -1);
	assert_non_null(strstr(err.text, text));
	assert_non_null(strstr(err.hint, hint));
	assert_int_equal(err.code, EXIT_NO_PERMISSION);
	assert_int_equal(count_descriptors(), before);
}

static void
fails(const char *name, int code)
{
	int before = count_descriptors();

	assert_int_equal(pathwalk_open(name, false, &err), -1);
	assert_int_equal(err.sys, code);
	assert_int_equal(count_descriptors(), before);
}

/* Only root can make a file that is not its own. */
static bool
is_root(void)
{
	if (geteuid() == 0)
		return true;
	skip();
	return false;
}

static void
a_file_is_opened_by_every_spelling_of_its_path(void **state)
{
	char odd[256];

	(void)state;
	opens(path, false);
	(void)snprintf(odd, sizeof(odd), "//tmp/.//%s/../%s/file", top + 5,
	    folder + 5);
	opens(odd, false);
	(void)snprintf(odd, sizeof(odd), "/../%s/", path + 1);
	opens(odd, false);
}

static void
links_are_followed(void **state)
{
	char odd[256];

	(void)state;
	assert_int_equal(symlink("in", link_path), 0);
	(void)snprintf(odd, sizeof(odd), "%s/file", link_path);
	opens(odd, false);
	assert_int_equal(unlink(link_path), 0);
	assert_int_equal(symlink(path, link_path), 0);
	opens(link_path, false);
	assert_int_equal(unlink(link_path), 0);
	assert_int_equal(symlink("./in/../in//file", link_path), 0);
	opens(link_path, false);
}

static void
what_is_not_there_fails_as_the_kernel_says(void **state)
{
	char odd[PATH_MAX + 8];

	(void)state;
	fails("/no/such/file", ENOENT);
	(void)snprintf(odd, sizeof(odd), "%s/more", path);
	fails(odd, ENOTDIR);
	(void)snprintf(odd, sizeof(odd), "%s/none", folder);
	fails(odd, ENOENT);
	assert_int_equal(symlink("link", link_path), 0);
	fails(link_path, ELOOP);
	(void)memset(odd, 'x', sizeof(odd) - 1);
	odd[0] = '/';
	(void)strcpy(odd + 300, "/file");
	fails(odd, ENAMETOOLONG);
	(void)memset(odd + 1, 'x', sizeof(odd) - 2);
	odd[sizeof(odd) - 1] = '\0';
	fails(odd, ENAMETOOLONG);
}

static void
a_folder_is_no_file(void **state)
{
	(void)state;
	assert_int_equal(pathwalk_open("/", false, &err), -1);
	assert_string_equal(err.text, "/ is a folder");
}

static void
a_links_target_may_be_too_long_together_with_the_rest(void **state)
{
	char target[PATH_MAX - 90], odd[PATH_MAX];
	int fd;

	(void)state;
	(void)memset(target, '/', sizeof(target));
	target[sizeof(target) - 1] = '\0';
	assert_int_equal(symlink(target, link_path), 0);
	fd = snprintf(odd, sizeof(odd), "%s/", link_path);
	(void)memset(odd + fd, 'x', 200);
	odd[fd + 200] = '\0';
	fails(odd, ENAMETOOLONG);
}

static void
a_system_program_is_roots_all_the_way(void **state)
{
	int fd;

	(void)state;
	fd = pathwalk_open("/usr/bin/env", true, &err);
	assert_int_not_equal(fd, -1);
	closefd(&fd);
}

static void
roots_own_file_below_a_sticky_folder_passes(void **state)
{
	(void)state;
	if (is_root())
		opens(path, true);
}

static void
a_file_that_others_own_or_can_write_is_refused(void **state)
{
	(void)state;
	if (!is_root())
		return;
	assert_int_equal(chmod(path, 0775), 0);
	refuses(path, "/in/file can be written by others (mode 0775)",
	    "chmod go-w /tmp/");
	assert_int_equal(chmod(path, 0757), 0);
	refuses(path, "file /tmp/", "chmod go-w");
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(chown(path, STRANGER, 0), 0);
	refuses(path, "/in/file belongs to another user (uid 12345)",
	    "chown root /tmp/");
}

static void
a_folder_above_that_others_own_or_can_write_is_refused(void **state)
{
	(void)state;
	if (!is_root())
		return;
	assert_int_equal(chmod(top, 0777), 0);
	refuses(path, "can be written by others (mode 0777)", "chmod go-w");
	assert_null(strstr(err.text, "/in"));
	/* In a sticky one nobody can move what is root's away. */
	assert_int_equal(chmod(top, 01777), 0);
	opens(path, true);
	assert_int_equal(chmod(top, 0755), 0);
	assert_int_equal(chown(folder, STRANGER, 0), 0);
	refuses(path, "/in belongs to another user", "chown root");
}

static void
a_link_that_others_own_is_refused(void **state)
{
	(void)state;
	if (!is_root())
		return;
	assert_int_equal(symlink("in/file", link_path), 0);
	opens(link_path, true);
	assert_int_equal(lchown(link_path, STRANGER, 0), 0);
	refuses(link_path, "/link belongs to another user", "chown root");
}

static void
a_fifo_is_not_waited_for(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0755), 0);
	fd = pathwalk_open(path, false, &err);
	assert_int_not_equal(fd, -1);
	closefd(&fd);
}

#define with_file(f) cmocka_unit_test_setup_teardown(f, make_file, remove_file)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_file(a_file_is_opened_by_every_spelling_of_its_path),
		with_file(links_are_followed),
		with_file(what_is_not_there_fails_as_the_kernel_says),
		cmocka_unit_test(a_folder_is_no_file),
		with_file(
		    a_links_target_may_be_too_long_together_with_the_rest),
		cmocka_unit_test(a_system_program_is_roots_all_the_way),
		with_file(roots_own_file_below_a_sticky_folder_passes),
		with_file(a_file_that_others_own_or_can_write_is_refused),
		with_file(
		    a_folder_above_that_others_own_or_can_write_is_refused),
		with_file(a_link_that_others_own_is_refused),
		with_file(a_fifo_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

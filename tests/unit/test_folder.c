/* SPDX-License-Identifier: BSD-2-Clause */
/* The folder of the control socket: which ones are safe to live in. */
#include <sys/stat.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/folder.h"

static char top[32], folder[64], path[128], link_path[128];
static struct err err;

static int
make_folders(void **state)
{
	(void)state;
	(void)snprintf(top, sizeof(top), "/tmp/tine-folder-XXXXXX");
	assert_non_null(mkdtemp(top));
	(void)snprintf(folder, sizeof(folder), "%s/in", top);
	(void)snprintf(path, sizeof(path), "%s/c.sock", folder);
	(void)snprintf(link_path, sizeof(link_path), "%s/link", top);
	return mkdir(folder, 0700);
}

static int
remove_folders(void **state)
{
	(void)state;
	(void)unlink(link_path);
	(void)rmdir(folder);
	return rmdir(top);
}

static void
a_folder_of_our_own_is_safe(void **state)
{
	(void)state;
	assert_int_equal(folder_check(path, &err), 0);
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(folder_check(path, &err), 0);
}

static void
a_folder_that_others_can_write_is_refused_with_the_cure(void **state)
{
	static const mode_t modes[] = { 0770, 0707, 01777 };
	size_t i;

	(void)state;
	for (i = 0; i < nitems(modes); i++) {
		/* A sticky one is safe when it is root's. */
		if ((modes[i] & S_ISVTX) != 0 && geteuid() == 0)
			continue;
		assert_int_equal(chmod(folder, modes[i]), 0);
		assert_int_equal(folder_check(path, &err), -1);
		assert_int_equal(err.code, EXIT_CANT_CREATE);
		assert_non_null(strstr(err.text, folder));
		assert_non_null(strstr(err.hint, "chmod go-w"));
	}
}

static void
tmp_is_safe_because_it_is_roots_and_sticky(void **state)
{
	(void)state;
	assert_int_equal(folder_check("/tmp/c.sock", &err), 0);
}

static void
another_users_folder_is_refused(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(folder, 65534, (gid_t)-1), 0);
	assert_int_equal(folder_check(path, &err), -1);
	assert_int_equal(err.code, EXIT_CANT_CREATE);
	assert_non_null(strstr(err.text, "65534"));
}

static void
a_link_is_refused_and_the_real_folder_named(void **state)
{
	char through[192];

	(void)state;
	assert_int_equal(symlink(folder, link_path), 0);
	(void)snprintf(through, sizeof(through), "%s/c.sock", link_path);
	assert_int_equal(folder_check(through, &err), -1);
	assert_int_equal(err.code, EXIT_CANT_CREATE);
	assert_non_null(strstr(err.hint, folder));
	/* Slashes behind its name must not let the link through. */
	(void)snprintf(through, sizeof(through), "%s//c.sock", link_path);
	assert_int_equal(folder_check(through, &err), -1);
}

static void
a_folder_that_is_missing_or_a_file_is_refused(void **state)
{
	char below[192];

	(void)state;
	(void)snprintf(below, sizeof(below), "%s/none/c.sock", folder);
	assert_int_equal(folder_check(below, &err), -1);
	assert_int_equal(err.code, EXIT_CANT_CREATE);
	assert_int_equal(err.sys, ENOENT);
	assert_int_equal(folder_check("/dev/null/c.sock", &err), -1);
	assert_int_equal(err.code, EXIT_CANT_CREATE);
}

static void
a_file_may_be_made_through_a_link_to_a_folder(void **state)
{
	char through[192];

	(void)state;
	assert_int_equal(symlink(folder, link_path), 0);
	(void)snprintf(through, sizeof(through), "%s/tine.pid", link_path);
	assert_int_equal(folder_check_for_root(through, &err), 0);
	assert_int_equal(chmod(folder, 0777), 0);
	if (geteuid() == 0) {
		assert_int_equal(folder_check_for_root(through, &err), -1);
		assert_int_equal(err.code, EXIT_CANT_CREATE);
		assert_int_equal(chown(folder, 65534, (gid_t)-1), 0);
		assert_int_equal(chmod(folder, 0755), 0);
		assert_int_equal(folder_check_for_root(through, &err), -1);
		assert_non_null(strstr(err.text, "uid 65534"));
	} else {
		assert_int_equal(folder_check_for_root(through, &err), 0);
	}
	assert_int_equal(folder_check_for_root("/none/tine.pid", &err), -1);
	assert_int_equal(err.code, EXIT_CANT_CREATE);
}

static void
a_bare_name_means_the_current_folder(void **state)
{
	char was[4096];

	(void)state;
	assert_non_null(getcwd(was, sizeof(was)));
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(folder_check("c.sock", &err), 0);
	assert_int_equal(chmod(".", 0777), 0);
	assert_int_equal(folder_check("c.sock", &err), -1);
	assert_int_equal(chdir(was), 0);
}

static void
only_the_last_folder_is_made(void **state)
{
	char below[192];
	struct stat st;

	(void)state;
	assert_int_equal(rmdir(folder), 0);
	(void)snprintf(below, sizeof(below), "%s/a/c.sock", folder);
	assert_int_equal(folder_make(below, 0700, &err), -1);
	assert_int_equal(err.code, EXIT_CANT_CREATE);
	assert_int_equal(folder_make(path, 0700, &err), 0);
	assert_int_equal(folder_make(path, 0700, &err), 0);
	assert_int_equal(stat(folder, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

#define with_folders(f)                                                        \
	cmocka_unit_test_setup_teardown(f, make_folders, remove_folders)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_folders(a_folder_of_our_own_is_safe),
		with_folders(
		    a_folder_that_others_can_write_is_refused_with_the_cure),
		with_folders(tmp_is_safe_because_it_is_roots_and_sticky),
		with_folders(another_users_folder_is_refused),
		with_folders(a_link_is_refused_and_the_real_folder_named),
		with_folders(a_folder_that_is_missing_or_a_file_is_refused),
		with_folders(a_file_may_be_made_through_a_link_to_a_folder),
		with_folders(a_bare_name_means_the_current_folder),
		with_folders(only_the_last_folder_is_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Paths of unix sockets: alive, stale, or somebody's precious file. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "master/master.h"

static char folder[32], path[64];
static struct addr address;

static int
make_folder(void **state)
{
	struct err err;

	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/tine-path-XXXXXX");
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/s", folder);
	assert_int_equal(addr_from_path(&address, path, &err), 0);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	(void)unlink(path);
	(void)rmdir(folder);
	return 0;
}

static int
bind_path(bool with_listen)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, &address.u.sa, address.len), 0);
	if (with_listen)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void
a_path_that_is_free_stays_free(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(unixpath_clear(&address, path, &err), 0);
}

static void
a_live_server_keeps_its_path(void **state)
{
	struct err err;
	int fd = bind_path(true);

	(void)state;
	assert_int_equal(unixpath_clear(&address, path, &err), -1);
	assert_int_equal(err.code, EXIT_UNAVAILABLE);
	assert_int_equal(err.sys, EADDRINUSE);
	assert_int_equal(access(path, F_OK), 0);
	closefd(&fd);
}

static void
a_live_server_with_a_full_queue_keeps_its_path(void **state)
{
	int fd = bind_path(true), clients[8], i, rc = 0;
	struct err err;

	(void)state;
	for (i = 0; i < 8; i++) {
		clients[i] = socket(AF_UNIX,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		rc = connect(clients[i], &address.u.sa, address.len);
	}
	assert_int_equal(rc, -1);
	assert_int_equal(unixpath_clear(&address, path, &err), -1);
	assert_int_equal(err.code, EXIT_UNAVAILABLE);
	for (i = 0; i < 8; i++)
		closefd(&clients[i]);
	closefd(&fd);
}

static void
a_dead_servers_socket_is_removed(void **state)
{
	struct err err;
	int fd = bind_path(true);

	(void)state;
	closefd(&fd);
	assert_int_equal(unixpath_clear(&address, path, &err), 0);
	assert_int_equal(access(path, F_OK), -1);
}

static void
a_file_that_is_no_socket_is_never_touched(void **state)
{
	struct err err;
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)state;
	assert_int_equal(unixpath_clear(&address, path, &err), -1);
	assert_int_equal(err.code, EXIT_CANT_CREATE);
	assert_string_equal(err.hint, "remove it, or choose another path");
	assert_int_equal(access(path, F_OK), 0);
	closefd(&fd);
}

static void
only_our_own_socket_is_removed_at_the_end(void **state)
{
	struct stat st;
	int fd = bind_path(false);

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	unixpath_remove(path, st.st_dev, st.st_ino + 1);
	assert_int_equal(access(path, F_OK), 0);
	unixpath_remove(path, st.st_dev, st.st_ino);
	assert_int_equal(access(path, F_OK), -1);
	closefd(&fd);
}

#define with_folder(f)                                                         \
	cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_folder(a_path_that_is_free_stays_free),
		with_folder(a_live_server_keeps_its_path),
		with_folder(a_live_server_with_a_full_queue_keeps_its_path),
		with_folder(a_dead_servers_socket_is_removed),
		with_folder(a_file_that_is_no_socket_is_never_touched),
		with_folder(only_our_own_socket_is_removed_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The asking side of the control socket: default path, answers, deadlines. */
#include <sys/socket.h>
#include <sys/stat.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/addr.h"
#include "shared/wire.h"

#define SECOND NSEC_PER_SEC

static char folder[32], path[64];
static int server; /* listens on path */
static struct wire wire;
static struct err err;

static int
open_server(void **state)
{
	struct addr a;

	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/tine-wire-XXXXXX");
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/c.sock", folder);
	server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(addr_from_path(&a, path, &err), 0);
	assert_int_equal(bind(server, &a.u.sa, a.len), 0);
	assert_int_equal(listen(server, 0), 0);
	wire = (struct wire){ .fd = -1 };
	return 0;
}

static int
close_server(void **state)
{
	(void)state;
	wire_close(&wire);
	closefd(&server);
	(void)unlink(path);
	(void)rmdir(folder);
	return 0;
}

/* Connect, and let the server answer before it is asked. */
static enum wire_result
exchange(const char *line, const char *answer)
{
	char heard[WIRE_LINE_MAX] = "";
	enum wire_result result;
	int fd;

	assert_int_equal(wire_open(&wire, path, mono_ns() + 5 * SECOND, &err),
	    WIRE_OK);
	assert_int_equal(wire.server, getpid());
	fd = accept(server, NULL, NULL);
	assert_int_equal(send(fd, answer, strlen(answer), MSG_NOSIGNAL),
	    strlen(answer));
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	result = wire_ask(&wire, line, &err);
	assert_true(recv(fd, heard, sizeof(heard) - 1, 0) > 0);
	assert_string_equal(heard, line);
	closefd(&fd);
	return result;
}

static void
ok_is_success_and_what_follows_is_the_body(void **state)
{
	(void)state;
	assert_int_equal(exchange("status\n", "ok\n{}\nmore\n"), WIRE_OK);
	assert_string_equal(wire.body, "{}\nmore\n");
}

static void
ok_alone_has_an_empty_body(void **state)
{
	(void)state;
	assert_int_equal(exchange("stop\n", "ok\n"), WIRE_OK);
	assert_string_equal(wire.body, "");
}

static void
fail_gives_the_servers_reason(void **state)
{
	(void)state;
	assert_int_equal(exchange("kill 9\n", "fail no such place\n"),
	    WIRE_FAILED);
	assert_string_equal(err.text, "no such place");
}

static void
another_protocol_is_not_believed(void **state)
{
	(void)state;
	assert_int_equal(exchange("stop\n", "okay\n"), WIRE_FAILED);
	assert_non_null(strstr(err.text, "no tine"));
}

static void
a_server_that_hangs_up_is_no_server(void **state)
{
	(void)state;
	assert_int_equal(exchange("stop\n", ""), WIRE_NO_SERVER);
	wire_close(&wire);
	assert_int_equal(exchange("stop\n", "o"), WIRE_NO_SERVER);
}

static void
a_long_answer_arrives_whole(void **state)
{
	static char answer[100000];

	(void)state;
	(void)memset(answer, 'x', sizeof(answer) - 1);
	(void)memcpy(answer, "ok\n", 3);
	assert_int_equal(exchange("status\n", answer), WIRE_OK);
	assert_string_equal(wire.body, answer + 3);
}

static void
silence_ends_at_the_deadline(void **state)
{
	uint64_t start = mono_ns();

	(void)state;
	assert_int_equal(wire_open(&wire, path, start + SECOND / 10, &err),
	    WIRE_OK);
	assert_int_equal(wire_ask(&wire, "status\n", &err), WIRE_TIMEOUT);
	assert_true(mono_ns() - start >= SECOND / 10);
	assert_true(mono_ns() - start < 5 * SECOND);
}

static void
a_full_queue_ends_at_the_deadline(void **state)
{
	struct wire first;
	uint64_t start = mono_ns();

	(void)state;
	assert_int_equal(wire_open(&first, path, start + 5 * SECOND, &err),
	    WIRE_OK);
	assert_int_equal(wire_open(&wire, path, start + SECOND / 10, &err),
	    WIRE_NO_SERVER);
	assert_true(mono_ns() - start < 5 * SECOND);
	wire_close(&first);
}

static void
nothing_and_a_dead_socket_are_no_server(void **state)
{
	(void)state;
	closefd(&server);
	assert_int_equal(wire_open(&wire, path, mono_ns() + SECOND, &err),
	    WIRE_NO_SERVER);
	wire_close(&wire);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(wire_open(&wire, path, mono_ns() + SECOND, &err),
	    WIRE_NO_SERVER);
	assert_non_null(strstr(err.text, path));
}

static void
another_users_server_is_not_believed(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	/* The kernel remembers who called listen(). */
	assert_int_equal(seteuid(65534), 0);
	assert_int_equal(listen(server, 1), 0);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(wire_open(&wire, path, mono_ns() + SECOND, &err),
	    WIRE_FAILED);
	assert_non_null(strstr(err.text, "another user"));
}

static void
root_finds_the_server_in_run(void **state)
{
	char text[128];

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_string_equal(wire_default_path(text, sizeof(text)),
	    "/run/tine/control.sock");
}

static void
a_user_finds_it_in_the_runtime_folder_or_in_tmp(void **state)
{
	char text[128], expected[128];
	uid_t was = geteuid(), uid = was == 0 ? 65534 : was;

	(void)state;
	assert_int_equal(chown(folder, uid, (gid_t)-1), 0);
	assert_int_equal(seteuid(uid), 0);
	assert_int_equal(setenv("XDG_RUNTIME_DIR", folder, 1), 0);
	(void)snprintf(expected, sizeof(expected), "%s/tine/control.sock",
	    folder);
	assert_string_equal(wire_default_path(text, sizeof(text)), expected);
	(void)snprintf(expected, sizeof(expected), "/tmp/tine-%lu/control.sock",
	    (unsigned long)uid);
	/* Root's own folder, left over from before su. */
	assert_int_equal(setenv("XDG_RUNTIME_DIR", "/usr", 1), 0);
	assert_string_equal(wire_default_path(text, sizeof(text)), expected);
	assert_int_equal(unsetenv("XDG_RUNTIME_DIR"), 0);
	assert_string_equal(wire_default_path(text, sizeof(text)), expected);
	assert_int_equal(seteuid(was), 0);
}

#define with_server(f)                                                         \
	cmocka_unit_test_setup_teardown(f, open_server, close_server)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_server(ok_is_success_and_what_follows_is_the_body),
		with_server(ok_alone_has_an_empty_body),
		with_server(fail_gives_the_servers_reason),
		with_server(another_protocol_is_not_believed),
		with_server(a_server_that_hangs_up_is_no_server),
		with_server(a_long_answer_arrives_whole),
		with_server(silence_ends_at_the_deadline),
		with_server(a_full_queue_ends_at_the_deadline),
		with_server(nothing_and_a_dead_socket_are_no_server),
		with_server(another_users_server_is_not_believed),
		with_server(root_finds_the_server_in_run),
		with_server(a_user_finds_it_in_the_runtime_folder_or_in_tmp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Listeners: what is open when, and what is said when it cannot be. */
#include <sys/prctl.h>
#include <sys/socket.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/master.h"

static struct conf conf;
static struct master m;

/* A master that wants these URLs; ended by NULL. */
static void
want(int processes, ...)
{
	const char *text;
	struct err err;
	va_list ap;

	conf_init(&conf);
	va_start(ap, processes);
	while ((text = va_arg(ap, const char *)) != NULL)
		assert_int_equal(
		    conf_set(&conf, "servers.0.listen", text, &err), 0);
	va_end(ap);
	m = (struct master){ .conf = &conf, .nplaces = processes };
}

static int
done(void **state)
{
	(void)state;
	listener_close_all(&m);
	conf_free(&conf);
	return 0;
}

static int
is_listening(int fd)
{
	socklen_t len = sizeof(int);
	int on = -1;

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len),
	    0);
	return on;
}

static void
a_reuseport_listener_has_a_slot_for_each_place(void **state)
{
	struct heritage_slot born[1];
	struct listener *l;
	struct err err;
	size_t i;

	(void)state;
	want(3, "tcp://127.0.0.1:0", NULL);
	assert_int_equal(listener_open_all(&m, &err), 0);
	l = &m.listeners[0];
	assert_int_equal(l->nslots, 3);
	assert_int_not_equal(l->url.port, 0);
	/* Only the first listens: nobody polls the others yet. */
	for (i = 0; i < 3; i++)
		assert_int_equal(is_listening(l->slots[i].fd), i == 0);
	assert_int_equal(listener_heritage(&m, 2, born, 1), 1);
	assert_int_equal(born[0].fd, l->slots[2].fd);
	listener_listen(&m, 2);
	assert_int_equal(is_listening(l->slots[2].fd), 1);
	assert_int_equal(is_listening(l->slots[1].fd), 0);
}

static void
a_shared_listener_has_one_slot_for_all(void **state)
{
	struct heritage_slot a[1], b[1];
	struct err err;

	(void)state;
	want(3, "tcp://127.0.0.1:0?reuseport=false", NULL);
	assert_int_equal(listener_open_all(&m, &err), 0);
	assert_int_equal(m.listeners[0].nslots, 1);
	assert_int_equal(listener_heritage(&m, 0, a, 1), 1);
	assert_int_equal(listener_heritage(&m, 2, b, 1), 1);
	assert_int_equal(a[0].fd, b[0].fd);
	assert_int_equal(a[0].id, b[0].id);
}

static void
a_busy_port_is_an_error_even_for_reuseport(void **state)
{
	struct addr a = { .len = sizeof(a.u) };
	int on = 1, other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char url[64], name[32], words[64];
	struct err err;

	(void)state;
	/* As the kernel knows us: under valgrind it is another name. */
	(void)prctl(PR_GET_NAME, name);
	(void)addr_from_ip(&a, "127.0.0.1", 0);
	(void)setsockopt(other, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	assert_int_equal(bind(other, &a.u.sa, a.len), 0);
	assert_int_equal(listen(other, 1), 0);
	assert_int_equal(getsockname(other, &a.u.sa, &a.len), 0);
	(void)snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", addr_port(&a));
	want(2, url, NULL);
	assert_int_equal(listener_open_all(&m, &err), -1);
	assert_int_equal(err.sys, EADDRINUSE);
	assert_int_equal(m.nlisteners, 0);
	holder_name(&m.busy, &err);
	assert_int_equal(err.code, EXIT_UNAVAILABLE);
	(void)snprintf(words, sizeof(words), "in use by %s (pid %ld)", name,
	    (long)getpid());
	assert_non_null(strstr(err.text, words));
	closefd(&other);
}

static void
one_failure_leaves_nothing_open(void **state)
{
	int before = dup(0), after;
	struct err err;

	(void)state;
	want(2, "tcp://127.0.0.1:0", "tcp://192.0.2.1:1", NULL);
	assert_int_equal(listener_open_all(&m, &err), -1);
	assert_int_equal(err.code, EXIT_BAD_CONFIG);
	assert_non_null(strstr(err.text, "192.0.2.1:1"));
	assert_non_null(strstr(err.hint, "freebind"));
	closefd(&before);
	after = dup(0);
	assert_int_equal(before, -1);
	assert_in_range(after, 3, 9);
	closefd(&after);
}

static void
an_address_that_covers_another_of_ours_is_shared_with_it(void **state)
{
	char any[64], one[64];
	struct err err;
	unsigned port;

	(void)state;
	want(2, "tcp4://:0", NULL);
	assert_int_equal(listener_open_all(&m, &err), 0);
	port = m.listeners[0].url.port;
	listener_close_all(&m);
	conf_free(&conf);
	(void)snprintf(any, sizeof(any), "tcp4://:%u", port);
	(void)snprintf(one, sizeof(one), "tcp4://127.0.0.1:%u", port);
	want(2, any, one, NULL);
	assert_int_equal(listener_open_all(&m, &err), 0);
	assert_int_equal(m.nlisteners, 2);
}

#define then_close(f) cmocka_unit_test_teardown(f, done)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		then_close(a_reuseport_listener_has_a_slot_for_each_place),
		then_close(a_shared_listener_has_one_slot_for_all),
		then_close(a_busy_port_is_an_error_even_for_reuseport),
		then_close(one_failure_leaves_nothing_open),
		then_close(
		    an_address_that_covers_another_of_ours_is_shared_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

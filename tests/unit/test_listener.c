/* SPDX-License-Identifier: BSD-2-Clause */
/* Listeners: what is open when, what is said when it cannot be, and how a
 * generation's addresses come and go. */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/master.h"

#define LONG_AGO(since) ((since)-20 * NSEC_PER_SEC)

static struct master m;

static int
setup(void **state)
{
	(void)state;
	log_set_level(LOG_ERROR);
	m = (struct master){ .nplaces = 3 };
	TAILQ_INIT(&m.generations);
	TAILQ_INIT(&m.procs);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	listener_close_all(&m);
	generation_free_all(&m);
	return 0;
}

/* A generation of these URLs, ended by NULL. */
static struct generation *
make(enum conf_accept accept, ...)
{
	const char *text;
	struct generation *g;
	struct conf conf;
	struct err err;
	va_list ap;

	conf_init(&conf);
	va_start(ap, accept);
	while ((text = va_arg(ap, const char *)) != NULL)
		assert_int_equal(
		    conf_set(&conf, "servers.0.listen", text, &err), 0);
	va_end(ap);
	conf.accept = accept;
	conf.processes = conf.processes_max = m.nplaces;
	g = generation_new(&m, &conf);
	assert_non_null(g);
	return g;
}

static void
serve(struct generation *g)
{
	m.generation = g;
	m.conf = &g->conf;
}

/* The first generation serves on these. */
#define begin(...)                                                             \
	do {                                                                   \
		struct err begin_err;                                          \
		serve(make(__VA_ARGS__, NULL));                                \
		assert_int_equal(                                              \
		    listener_open_all(&m, m.generation, &begin_err), 0);       \
		listener_commit(&m);                                           \
	} while (0)

static int
get_option(int fd, int level, int option)
{
	socklen_t len = sizeof(int);
	int value = -1;

	assert_int_equal(getsockopt(fd, level, option, &value, &len), 0);
	return value;
}

static int
is_listening(int fd)
{
	return get_option(fd, SOL_SOCKET, SO_ACCEPTCONN);
}

/* As if this child were PREPARED. */
static void
listen_for(struct generation *g, int place)
{
	struct place pl = { .number = place };
	struct proc p = { .master = &m, .place = &pl, .generation = g };

	listener_listen(&p);
}

/* A client of this listener, connected; -1 when it is refused. */
static int
connect_to(const struct listener *l)
{
	int fd = socket(l->addr.u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_not_equal(fd, -1);
	if (connect(fd, &l->addr.u.sa, l->addr.len) == -1)
		closefd(&fd);
	return fd;
}

static const char *print(char *, size_t, const char *, ...) PRINTF_LIKE(3, 4);

static const char *
print(char *dst, size_t size, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(dst, size, format, ap);
	va_end(ap);
	return dst;
}

/* ---- opening ---- */

static void
a_reuseport_listener_has_a_slot_for_each_place(void **state)
{
	struct heritage_slot born[1];
	struct listener *l;
	size_t i;

	(void)state;
	begin(CONF_ACCEPT_AUTO, "tcp://127.0.0.1:0");
	l = m.listeners[0];
	assert_int_equal(l->nslots, 3);
	assert_int_not_equal(l->url.port, 0);
	/* Only the first listens: nobody polls the others yet. */
	for (i = 0; i < 3; i++)
		assert_int_equal(is_listening(l->slots[i].fd), i == 0);
	assert_int_equal(listener_heritage(m.generation, 2, born, 1), 1);
	assert_int_equal(born[0].fd, l->slots[2].fd);
	listen_for(m.generation, 2);
	assert_int_equal(is_listening(l->slots[2].fd), 1);
	assert_int_equal(is_listening(l->slots[1].fd), 0);
}

static void
the_balance_that_is_served_with_is_the_groups(void **state)
{
	enum conf_balance balance;
	struct listener *l;
	struct conf conf;
	int i;

	(void)state;
	begin(CONF_ACCEPT_AUTO, "tcp://127.0.0.1:0");
	l = m.listeners[0];
	conf = *m.conf;
	m.conf = &conf;
	/* The last one begins to listen first. */
	for (i = 2; i > 0; i--)
		listen_for(m.generation, i);
	assert_int_equal(l->steer.how, STEER_KERNEL);
	assert_false(l->steer.has_program);
	for (balance = 0; balance < CONF_BALANCE_NHOWS; balance++) {
		conf.balance = balance;
		listener_steer_all(&m);
		assert_int_equal(l->steer.has_program,
		    balance == CONF_BALANCE_SOURCE_HASH ||
			balance == CONF_BALANCE_RANDOM);
	}
	assert_int_equal(l->steer.how, STEER_RANDOM);
	for (i = 0; i < 3; i++)
		assert_int_equal(
		    l->steer.members[steer_index_of(&l->steer, l->slots[i].id)]
			.rank,
		    i);
	m.conf = &m.generation->conf;
}

static void
a_shared_listener_has_one_slot_for_all(void **state)
{
	struct heritage_slot a[1], b[1];

	(void)state;
	begin(CONF_ACCEPT_AUTO, "tcp://127.0.0.1:0?reuseport=false");
	assert_int_equal(m.listeners[0]->nslots, 1);
	assert_int_equal(listener_heritage(m.generation, 0, a, 1), 1);
	assert_int_equal(listener_heritage(m.generation, 2, b, 1), 1);
	assert_int_equal(a[0].fd, b[0].fd);
	assert_int_equal(a[0].id, b[0].id);
}

static int
open_busy(char *url, size_t size)
{
	struct addr a = { .len = sizeof(a.u) };
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)addr_from_ip(&a, "127.0.0.1", 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	assert_int_equal(bind(fd, &a.u.sa, a.len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, &a.u.sa, &a.len), 0);
	(void)print(url, size, "tcp://127.0.0.1:%u", addr_port(&a));
	return fd;
}

static void
a_busy_port_is_an_error_even_for_reuseport(void **state)
{
	char url[64], name[32], words[64];
	int other = open_busy(url, sizeof(url));
	struct err err;

	(void)state;
	/* As the kernel knows us: under valgrind it is another name. */
	(void)prctl(PR_GET_NAME, name);
	serve(make(CONF_ACCEPT_AUTO, url, NULL));
	assert_int_equal(listener_open_all(&m, m.generation, &err), -1);
	assert_int_equal(err.sys, EADDRINUSE);
	assert_int_equal(m.nlisteners, 0);
	holder_name(&m.busy, m.busy_is_udp, &err);
	assert_int_equal(err.code, EXIT_UNAVAILABLE);
	assert_non_null(strstr(err.text,
	    print(words, sizeof(words), "in use by %s (pid %ld)", name,
		(long)getpid())));
	closefd(&other);
}

static void
one_failure_leaves_nothing_open(void **state)
{
	int before = dup(0), after;
	struct err err;

	(void)state;
	serve(make(CONF_ACCEPT_AUTO, "tcp://127.0.0.1:0", "tcp://192.0.2.1:1",
	    NULL));
	assert_int_equal(listener_open_all(&m, m.generation, &err), -1);
	assert_int_equal(err.code, EXIT_BAD_CONFIG);
	assert_non_null(strstr(err.text, "192.0.2.1:1"));
	assert_non_null(strstr(err.hint, "freebind"));
	closefd(&before);
	after = dup(0);
	assert_in_range(after, 3, 9);
	closefd(&after);
}

static void
an_address_that_covers_another_of_ours_is_shared_with_it(void **state)
{
	char any[64], one[64];
	unsigned port;

	(void)state;
	begin(CONF_ACCEPT_AUTO, "tcp4://:0");
	port = m.listeners[0]->url.port;
	listener_close_all(&m);
	begin(CONF_ACCEPT_AUTO, print(any, sizeof(any), "tcp4://:%u", port),
	    print(one, sizeof(one), "tcp4://127.0.0.1:%u", port));
	assert_int_equal(m.nlisteners, 2);
}

/* ---- the next generation ---- */

static void
a_listener_that_stays_is_the_same_port_0_included(void **state)
{
	struct generation *next;
	struct listener *a, *b;
	struct err err;
	unsigned port;

	(void)state;
	begin(CONF_ACCEPT_AUTO, "tcp://127.0.0.1:0", "tcp://127.0.0.1:0");
	a = m.listeners[0];
	b = m.listeners[1];
	port = a->url.port;
	next = make(CONF_ACCEPT_AUTO, "tcp://127.0.0.1:0", "tcp://127.0.0.1:0",
	    NULL);
	assert_int_equal(listener_open_all(&m, next, &err), 0);
	assert_int_equal(m.nlisteners, 2);
	assert_ptr_equal(next->listeners[0], a);
	assert_ptr_equal(next->listeners[1], b);
	assert_int_equal(a->url.port, port);
}

static void
what_a_failed_reload_opened_is_closed_and_what_it_changed_is_back(void **state)
{
	char busy[64];
	int other = open_busy(busy, sizeof(busy));
	struct generation *next;
	struct listener *l;
	struct err err;

	(void)state;
	begin(CONF_ACCEPT_AUTO, "tcp://127.0.0.1:0?backlog=9");
	l = m.listeners[0];
	next = make(CONF_ACCEPT_AUTO,
	    "tcp://127.0.0.1:0?backlog=7&defer-accept=5s",
	    "tcp://127.0.0.1:0?backlog=1", busy, NULL);
	assert_int_equal(listener_open_all(&m, next, &err), -1);
	assert_int_equal(err.sys, EADDRINUSE);
	assert_int_equal(m.nlisteners, 1);
	assert_ptr_equal(m.listeners[0], l);
	assert_int_equal(l->url.backlog, 9);
	assert_int_equal(
	    get_option(l->slots[0].fd, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
	assert_int_equal(is_listening(l->slots[0].fd), 1);
	closefd(&other);
}

static void
an_option_that_is_not_wanted_any_more_is_taken_back(void **state)
{
	struct listener *l;
	struct err err;

	(void)state;
	begin(CONF_ACCEPT_AUTO, "tcp://127.0.0.1:0?defer-accept=5s");
	l = m.listeners[0];
	assert_true(
	    get_option(l->slots[2].fd, IPPROTO_TCP, TCP_DEFER_ACCEPT) > 0);
	assert_int_equal(listener_open_all(&m,
			     make(CONF_ACCEPT_AUTO, "tcp://127.0.0.1:0", NULL),
			     &err),
	    0);
	assert_int_equal(
	    get_option(l->slots[2].fd, IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
	listener_revert(&m);
	assert_true(
	    get_option(l->slots[2].fd, IPPROTO_TCP, TCP_DEFER_ACCEPT) > 0);
}

static void
what_only_a_new_socket_could_have_is_an_error(void **state)
{
	static const char *const urls[] = {
		"tcp://127.0.0.1:0?freebind=true",
		"tcp://127.0.0.1:0?device=lo",
		"tcp://127.0.0.1:0?reuseport=false",
	};
	struct err err;
	size_t i;

	(void)state;
	begin(CONF_ACCEPT_AUTO, "tcp://127.0.0.1:0");
	for (i = 0; i < nitems(urls); i++) {
		assert_int_equal(listener_open_all(&m,
				     make(CONF_ACCEPT_AUTO, urls[i], NULL),
				     &err),
		    -1);
		assert_int_equal(err.code, EXIT_BAD_CONFIG);
		assert_non_null(strstr(err.text, "cannot change at a reload"));
	}
	assert_int_equal(
	    listener_open_all(&m,
		make(CONF_ACCEPT_SHARED, "tcp://127.0.0.1:0", NULL), &err),
	    -1);
	assert_non_null(strstr(err.text, "accept mode"));
}

static void
a_split_that_was_undone_does_not_forbid_later_reloads(void **state)
{
	struct err err;

	(void)state;
	begin(CONF_ACCEPT_SHARED, "tcp://127.0.0.1:0");
	assert_int_equal(m.listeners[0]->nslots, 1);
	assert_int_equal(
	    listener_open_all(&m,
		make(CONF_ACCEPT_REUSEPORT, "tcp://127.0.0.1:0", NULL), &err),
	    0);
	assert_int_equal(m.listeners[0]->nslots, 3);
	listener_revert(&m);
	assert_int_equal(
	    listener_open_all(&m,
		make(CONF_ACCEPT_SHARED, "tcp://127.0.0.1:0", NULL), &err),
	    0);
}

static void
widening_splits_a_shared_listener_in_the_automatic_mode(void **state)
{
	struct listener *l;
	struct err err;

	(void)state;
	m.nplaces = 1;
	begin(CONF_ACCEPT_AUTO, "tcp://127.0.0.1:0");
	l = m.listeners[0];
	assert_false(l->has_slot_per_place);
	assert_int_equal(listener_widen(&m, 3, &err), 0);
	assert_true(l->has_slot_per_place);
	assert_int_equal(l->nslots, 3);
	assert_int_equal(l->slots[0].place, 0);
	assert_int_equal(is_listening(l->slots[2].fd), 0);
	/* Nobody was born to them: they can go again. */
	listener_narrow(&m);
	assert_int_equal(l->slots[2].fd, -1);
	assert_int_equal(listener_widen(&m, 2, &err), 0);
	assert_int_not_equal(l->slots[1].fd, -1);
}

/* ---- leaving ---- */

/* The next generation has the first listener only, and every place is its. */
static void
leave_second(void)
{
	struct generation *next =
	    make(CONF_ACCEPT_AUTO, "tcp://127.0.0.1:0?reuseport=false", NULL);
	struct err err;

	assert_int_equal(listener_open_all(&m, next, &err), 0);
	listener_leave(&m, next);
	m.roll.phase = ROLL_WATCHING;
	m.roll.since_ns = mono_ns();
}

static void
tick(int times)
{
	while (times-- > 0)
		listener_tick(&m);
}

static void
a_listener_that_is_left_is_shut_when_its_queue_ran_out(void **state)
{
	int client, again, served, other;
	struct listener *l;
	char url[64];

	(void)state;
	other = open_busy(url, sizeof(url));
	closefd(&other);
	begin(CONF_ACCEPT_AUTO, "tcp://127.0.0.1:0?reuseport=false", url);
	leave_second();
	l = m.listeners[1];
	assert_true(l->is_leaving);
	assert_false(m.listeners[0]->is_leaving);
	client = connect_to(l);
	assert_int_not_equal(client, -1);
	m.roll.since_ns = LONG_AGO(m.roll.since_ns);
	tick(9);
	assert_false(l->is_shut);
	served = accept4(l->slots[0].fd, NULL, NULL, SOCK_CLOEXEC);
	assert_int_not_equal(served, -1);
	tick(3);
	assert_true(l->is_shut);
	assert_int_equal(connect_to(l), -1);
	/* Undone: it is as it was. */
	listener_revert(&m);
	again = connect_to(l);
	assert_int_not_equal(again, -1);
	closefd(&client);
	closefd(&served);
	closefd(&again);
}

static void
a_port_that_the_kernel_chose_is_kept_until_the_commit(void **state)
{
	struct listener *l;
	int client;

	(void)state;
	begin(CONF_ACCEPT_AUTO, "tcp://127.0.0.1:0?reuseport=false",
	    "tcp4://127.0.0.1:0?reuseport=false");
	leave_second();
	l = m.listeners[1];
	m.roll.since_ns = LONG_AGO(m.roll.since_ns);
	tick(9);
	listener_revert(&m);
	client = connect_to(l);
	assert_int_not_equal(client, -1);
	closefd(&client);
}

static void
clients_that_queue_at_the_commit_are_served_first(void **state)
{
	int client, served;
	struct listener *l;

	(void)state;
	begin(CONF_ACCEPT_AUTO, "tcp://127.0.0.1:0?reuseport=false",
	    "tcp4://127.0.0.1:0?reuseport=false");
	leave_second();
	l = m.listeners[1];
	client = connect_to(l);
	listener_commit(&m);
	m.roll.phase = ROLL_IDLE;
	assert_true(listener_is_closing(&m));
	tick(9);
	served = accept4(l->slots[0].fd, NULL, NULL, SOCK_CLOEXEC);
	assert_int_not_equal(served, -1);
	/* Not before the second is over. */
	tick(9);
	assert_false(l->is_shut);
	l->closing_ns -= NSEC_PER_SEC;
	tick(1);
	assert_int_equal(connect_to(l), -1);
	tick(1);
	assert_int_equal(m.nlisteners, 1);
	assert_false(listener_is_closing(&m));
	assert_null(m.generation->listeners[1]);
	closefd(&client);
	closefd(&served);
}

static void
a_queue_that_nobody_serves_does_not_keep_a_listener_for_ever(void **state)
{
	struct listener *l;
	int client;

	(void)state;
	begin(CONF_ACCEPT_AUTO, "tcp://127.0.0.1:0?reuseport=false",
	    "tcp4://127.0.0.1:0?reuseport=false");
	leave_second();
	l = m.listeners[1];
	client = connect_to(l);
	listener_commit(&m);
	l->closing_ns = LONG_AGO(l->closing_ns);
	tick(2);
	assert_int_equal(m.nlisteners, 1);
	closefd(&client);
}

static void
a_unix_listener_that_is_left_keeps_its_path_until_the_commit(void **state)
{
	char path[64], url[96];
	struct listener *l;
	int client, served;
	struct stat st;

	(void)state;
	(void)print(path, sizeof(path), "/tmp/tine-test-%ld.sock",
	    (long)getpid());
	begin(CONF_ACCEPT_AUTO, "tcp://127.0.0.1:0?reuseport=false",
	    print(url, sizeof(url), "unix://%s", path));
	leave_second();
	l = m.listeners[1];
	m.roll.since_ns = LONG_AGO(m.roll.since_ns);
	tick(9);
	assert_false(l->is_shut);
	client = connect_to(l);
	assert_int_not_equal(client, -1);
	assert_int_equal(listener_queue(&l->slots[0]), 1);
	listener_commit(&m);
	m.roll.phase = ROLL_IDLE;
	assert_int_equal(stat(path, &st), -1);
	l->closing_ns -= NSEC_PER_SEC;
	tick(9);
	assert_int_equal(m.nlisteners, 2);
	served = accept4(l->slots[0].fd, NULL, NULL, SOCK_CLOEXEC);
	assert_int_not_equal(served, -1);
	tick(4);
	assert_int_equal(m.nlisteners, 1);
	closefd(&client);
	closefd(&served);
}

static void
one_that_may_come_back_is_widened_too(void **state)
{
	struct heritage_slot born[2];
	struct generation *old;
	struct err err;

	(void)state;
	begin(CONF_ACCEPT_AUTO, "tcp://127.0.0.1:0?reuseport=false",
	    "tcp4://127.0.0.1:0");
	old = m.generation;
	leave_second();
	assert_int_equal(m.listeners[1]->nslots, 3);
	assert_int_equal(listener_widen(&m, 5, &err), 0);
	listener_revert(&m);
	assert_int_equal(listener_heritage(old, 4, born, 2), 2);
	assert_int_equal(born[1].fd, m.listeners[1]->slots[4].fd);
}

#define with_master(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_master(a_reuseport_listener_has_a_slot_for_each_place),
		with_master(the_balance_that_is_served_with_is_the_groups),
		with_master(a_shared_listener_has_one_slot_for_all),
		with_master(a_busy_port_is_an_error_even_for_reuseport),
		with_master(one_failure_leaves_nothing_open),
		with_master(
		    an_address_that_covers_another_of_ours_is_shared_with_it),
		with_master(a_listener_that_stays_is_the_same_port_0_included),
		with_master(
		    what_a_failed_reload_opened_is_closed_and_what_it_changed_is_back),
		with_master(
		    an_option_that_is_not_wanted_any_more_is_taken_back),
		with_master(what_only_a_new_socket_could_have_is_an_error),
		with_master(
		    a_split_that_was_undone_does_not_forbid_later_reloads),
		with_master(
		    widening_splits_a_shared_listener_in_the_automatic_mode),
		with_master(
		    a_listener_that_is_left_is_shut_when_its_queue_ran_out),
		with_master(
		    a_port_that_the_kernel_chose_is_kept_until_the_commit),
		with_master(clients_that_queue_at_the_commit_are_served_first),
		with_master(
		    a_queue_that_nobody_serves_does_not_keep_a_listener_for_ever),
		with_master(
		    a_unix_listener_that_is_left_keeps_its_path_until_the_commit),
		with_master(one_that_may_come_back_is_widened_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

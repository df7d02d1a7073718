/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is let in: each limit, and what comes of those past it. */
#include "rig.h"

#define SLOT 7
#define NCLIENTS 16

static struct sockaddr_in where;
static int clients[NCLIENTS];
static struct tine_conn *opened[NCLIENTS * 4]; /* in order */
static int lack; /* how often accept4() finds no descriptor */

int __real_accept4(int, struct sockaddr *, socklen_t *, int);
int __wrap_accept4(int, struct sockaddr *, socklen_t *, int);

int
__wrap_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	if (lack == 0)
		return __real_accept4(fd, sa, len, flags);
	lack--;
	errno = EMFILE;
	return -1;
}

static enum tine_action
note_open(struct tine_conn *c)
{
	opened[rig.opens] = c;
	rig.opens++;
	rig.conn = c;
	return TINE_OK;
}

static const struct tine_handler handler = {
	.size = sizeof(struct tine_handler),
	.abi = TINE_ABI,
	.name = "rig",
	.conn_size = 24,
	.open = note_open,
	.data = rig_data,
	.before_write = rig_before_write,
	.close = rig_close,
	.busy = "busy",
	.busy_len = 4,
};

static int
setup(void **state)
{
	struct conf_server *server = rig_conf();
	size_t i;

	(void)state;
	for (i = 0; i < NCLIENTS; i++)
		clients[i] = -1;
	lack = 0;
	server->timeouts.first_byte = server->timeouts.idle = 60;
	return 0;
}

static int
teardown(void **state)
{
	size_t i;

	for (i = 0; i < NCLIENTS; i++)
		closefd(&clients[i]);
	return rig_end(state);
}

static void
start(enum conf_overload policy)
{
	const struct ctl_slot slot = { .id = SLOT };
	socklen_t len = sizeof(where);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	rig.conf.overload.policy = policy;
	rig_start(&handler);
	where = (struct sockaddr_in){ .sin_family = AF_INET };
	where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(
	    bind(fd, (const struct sockaddr *)&where, sizeof(where)), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&where, &len), 0);
	assert_int_equal(accept_add(&rig.ch, &slot, fd, true), 0);
}

/* The client i, of the address 127.0.0.`host`. */
static void
call_from(size_t i, unsigned host)
{
	struct sockaddr_in own = { .sin_family = AF_INET };

	own.sin_addr.s_addr = htonl(0x7f000000 + host);
	clients[i] =
	    socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(
	    bind(clients[i], (const struct sockaddr *)&own, sizeof(own)), 0);
	/* The loopback is there at once. */
	(void)connect(clients[i], (const struct sockaddr *)&where,
	    sizeof(where));
}

static void
call(size_t from, size_t n)
{
	size_t i;

	for (i = from; i < from + n; i++)
		call_from(i, 1);
}

static uint64_t
refused(enum board_refusal over)
{
	return rig.ch.board->counters[(unsigned)BOARD_REFUSED + (unsigned)over];
}

/* What client i hears: "" for FIN, "reset", or the bytes. */
static const char *
hear(size_t i)
{
	static char text[64];
	ssize_t n;

	rig_until((n = rig_hear(clients[i], text, sizeof(text))) != -1 ||
	    errno != EAGAIN);
	if (n == -1)
		return errno == ECONNRESET ? "reset" : strerror(errno);
	return text;
}

static struct listener *
the_listener(void)
{
	return TAILQ_FIRST(&rig.ch.listeners);
}

static void
past_the_limit_of_a_server_clients_wait(void **state)
{
	(void)state;
	rig.conf.servers[0].limits.connections = 3;
	start(CONF_OVERLOAD_WAIT);
	call(0, 3);
	rig_until(rig.opens == 3);
	call(3, 1);
	rig_turn();
	assert_false(ev_is_active(&the_listener()->io));
	assert_int_equal(rig.opens, 3);
	assert_int_equal(rig_count(BOARD_DROPPED), 0);
	closefd(&clients[0]);
	rig_until(rig.opens == 4);
}

static void
past_the_limit_of_a_server_clients_are_closed(void **state)
{
	(void)state;
	rig.conf.servers[0].limits.connections = 2;
	start(CONF_OVERLOAD_CLOSE);
	call(0, 3);
	assert_string_equal(hear(2), "");
	assert_int_equal(rig.opens, 2);
	assert_int_equal(rig_count(BOARD_ACCEPTED), 2);
	assert_int_equal(rig_count(BOARD_DROPPED), 1);
	assert_int_equal(refused(BOARD_OVER_CONNECTIONS), 1);
	closefd(&clients[0]);
	rig_until(rig.closes == 1);
	call(3, 1);
	rig_until(rig.opens == 3);
	assert_int_equal(refused(BOARD_OVER_CONNECTIONS), 1);
}

static void
past_the_limit_of_a_child_clients_are_reset(void **state)
{
	(void)state;
	rig.conf.max_connections = 2;
	start(CONF_OVERLOAD_RESET);
	call(0, 3);
	assert_string_equal(hear(2), "reset");
	assert_int_equal(rig.opens, 2);
	assert_int_equal(refused(BOARD_OVER_MAX_CONNECTIONS), 1);
	assert_int_equal(rig_count(BOARD_DROPPED), 1);
}

static void
a_reply_is_heard_whatever_the_client_has_sent(void **state)
{
	size_t i;

	(void)state;
	rig.conf.max_connections = 1;
	start(CONF_OVERLOAD_REPLY);
	call(0, 1);
	rig_until(rig.opens == 1);
	call(1, 1);
	rig_say(clients[1], "GET");
	rig_until(rig.ch.nrefused == 1);
	for (i = 0; i < 10; i++)
		rig_say(clients[1], " more");
	assert_string_equal(hear(1), "busy");
	assert_string_equal(hear(1), "");
	assert_int_equal(rig.ch.nconns, 1);
	assert_int_equal(rig.datas + rig.writes + rig.closes, 0);
	closefd(&clients[1]);
	rig_until(rig.ch.nrefused == 0);
	assert_int_equal(rig.closes, 0);
	assert_int_equal(rig_count(BOARD_ACCEPTED), 1);
	assert_int_equal(rig_closed(TINE_OVERFLOW), 0);
	assert_int_equal(refused(BOARD_OVER_MAX_CONNECTIONS), 1);
}

static void
who_hears_a_reply_and_stays_is_closed_after_a_second(void **state)
{
	(void)state;
	rig.conf.max_connections = 1;
	start(CONF_OVERLOAD_REPLY);
	call(0, 2);
	rig_until(rig.ch.nrefused == 1);
	rig_until(rig.ch.nrefused == 0);
	assert_int_equal(rig.ch.nconns, 1);
}

static void
a_child_that_leaves_does_not_wait_for_the_refused(void **state)
{
	(void)state;
	rig.conf.max_connections = 1;
	start(CONF_OVERLOAD_REPLY);
	call(0, 2);
	rig_until(rig.ch.nrefused == 1);
	drain_begin(&rig.ch, 30, CTL_RELOAD);
	closefd(&clients[0]);
	rig_until(rig.ch.state == CHILD_LEAVING);
	assert_int_equal(rig.ch.drain.cut, 0);
}

static void
without_words_for_it_a_reply_is_a_close(void **state)
{
	(void)state;
	rig.conf.max_connections = 1;
	start(CONF_OVERLOAD_REPLY);
	rig.server->handler.busy = NULL;
	call(0, 2);
	assert_string_equal(hear(1), "");
	assert_int_equal(rig.ch.nrefused, 0);
}

static void
an_address_has_so_many_and_no_more(void **state)
{
	(void)state;
	rig.conf.servers[0].limits.per_address = 2;
	start(CONF_OVERLOAD_RESET);
	call_from(0, 1);
	call_from(1, 1);
	call_from(2, 1);
	call_from(3, 2);
	rig_until(rig.opens == 3);
	assert_string_equal(hear(2), "reset");
	assert_int_equal(refused(BOARD_OVER_PER_ADDRESS), 1);
	closefd(&clients[0]);
	rig_until(rig.closes == 1);
	call_from(4, 1);
	rig_until(rig.opens == 4);
	call_from(5, 1);
	assert_string_equal(hear(5), "reset");
	assert_int_equal(rig.server->peers.used, 2);
}

static void
past_the_limit_of_an_address_nobody_waits(void **state)
{
	(void)state;
	rig.conf.servers[0].limits.per_address = 1;
	start(CONF_OVERLOAD_WAIT);
	call_from(0, 1);
	call_from(1, 1);
	call_from(2, 2);
	assert_string_equal(hear(1), "");
	rig_until(rig.opens == 2);
}

static void
clients_without_an_address_are_not_counted(void **state)
{
	int one, two;

	(void)state;
	rig.conf.servers[0].limits.per_address = 1;
	start(CONF_OVERLOAD_CLOSE);
	one = rig_connect();
	two = rig_connect();
	assert_int_equal(rig.ch.nconns, 2);
	assert_int_equal(rig.server->peers.used, 0);
	closefd(&one);
	closefd(&two);
	rig_until(rig.ch.nconns == 0);
}

static void
a_second_has_its_share_and_the_rest_waits(void **state)
{
	double from;

	(void)state;
	rig.conf.overload.accept_rate = 4;
	start(CONF_OVERLOAD_WAIT);
	call(0, 6);
	rig_until(rig.opens == 4);
	from = child_now(&rig.ch);
	rig_turn();
	assert_int_equal(rig.opens, 4);
	rig_until(rig.opens == 6);
	assert_true(child_now(&rig.ch) - from >= 0.4);
	assert_int_equal(rig_count(BOARD_DROPPED), 0);
}

static void
past_the_rate_clients_are_refused(void **state)
{
	(void)state;
	rig.conf.overload.accept_rate = 2;
	start(CONF_OVERLOAD_CLOSE);
	call(0, 3);
	assert_string_equal(hear(2), "");
	assert_int_equal(rig.opens, 2);
	assert_int_equal(refused(BOARD_OVER_ACCEPT_RATE), 1);
	/* The refused one took nothing. */
	rig.ch.pace.filled -= 0.6;
	call(3, 1);
	rig_until(rig.opens == 3);
}

/* As if they were silent for so long. */
static void
age(struct tine_conn *c, double seconds)
{
	c->phase.at -= seconds;
}

static void
the_connection_that_is_idle_longest_makes_room(void **state)
{
	struct tine_conn *first;

	(void)state;
	rig.conf.max_connections = 2;
	start(CONF_OVERLOAD_WAIT);
	call(0, 2);
	rig_until(rig.opens == 2);
	first = opened[0];
	age(first, 5);
	age(opened[1], 3);
	admit_on_beat(&rig.ch);
	call(2, 1);
	rig_until(rig.opens == 3);
	assert_int_equal(rig.closes, 1);
	assert_int_equal(rig.cause, TINE_OVERFLOW);
	assert_string_equal(hear(0), "");
	assert_int_equal(rig_count(BOARD_SHED), 1);
	assert_int_equal(rig_count(BOARD_DROPPED), 1);
	assert_int_equal(rig.ch.nconns, 2);
}

static void
nobody_is_shed_while_nobody_waits(void **state)
{
	(void)state;
	rig.conf.max_connections = 2;
	start(CONF_OVERLOAD_WAIT);
	call(0, 1);
	rig_until(rig.opens == 1);
	age(opened[0], 5);
	call(1, 1);
	rig_until(rig.opens == 2);
	rig_turn();
	assert_int_equal(rig.closes, 0);
}

static void
who_was_just_busy_is_not_shed(void **state)
{
	(void)state;
	rig.conf.max_connections = 1;
	start(CONF_OVERLOAD_CLOSE);
	call(0, 1);
	rig_until(rig.opens == 1);
	age(opened[0], 0.9);
	call(1, 1);
	assert_string_equal(hear(1), "");
	assert_int_equal(rig.closes, 0);
}

static void
who_has_just_spoken_is_not_shed(void **state)
{
	(void)state;
	rig.conf.max_connections = 1;
	start(CONF_OVERLOAD_CLOSE);
	call(0, 1);
	rig_until(rig.opens == 1);
	age(opened[0], 5);
	/* Both arrive in one turn, whichever event comes first. */
	rig_say(clients[0], "x");
	call(1, 1);
	assert_string_equal(hear(1), "");
	assert_int_equal(rig.closes, 0);
	assert_int_equal(rig.ngot, 1);
}

static void
a_message_under_way_is_not_shed(void **state)
{
	(void)state;
	rig.conf.max_connections = 1;
	rig.conf.servers[0].timeouts.read = 60;
	start(CONF_OVERLOAD_CLOSE);
	rig.leaves_input = true;
	call(0, 1);
	rig_say(clients[0], "half of it");
	rig_until(rig.datas == 1);
	age(opened[0], 5);
	call(1, 1);
	assert_string_equal(hear(1), "");
	assert_int_equal(rig.closes, 0);
}

static void
a_full_child_looks_again_with_each_beat(void **state)
{
	(void)state;
	rig.conf.max_connections = 1;
	start(CONF_OVERLOAD_WAIT);
	call(0, 2);
	rig_until(rig.ch.is_full);
	admit_on_beat(&rig.ch);
	assert_true(rig.ch.is_full);
	age(opened[0], 5);
	admit_on_beat(&rig.ch);
	assert_false(rig.ch.is_full);
	rig_until(rig.opens == 2);
	assert_int_equal(rig.cause, TINE_OVERFLOW);
}

static void
a_full_server_looks_again_with_each_beat(void **state)
{
	(void)state;
	rig.conf.servers[0].limits.connections = 1;
	start(CONF_OVERLOAD_WAIT);
	call(0, 2);
	rig_until(rig.server->is_full);
	admit_on_beat(&rig.ch);
	assert_true(rig.server->is_full);
	age(opened[0], 5);
	admit_on_beat(&rig.ch);
	rig_until(rig.opens == 2);
	assert_int_equal(rig_count(BOARD_SHED), 1);
}

static void
without_descriptors_the_idle_make_room_first(void **state)
{
	(void)state;
	start(CONF_OVERLOAD_WAIT);
	call(0, 2);
	rig_until(rig.opens == 2);
	age(opened[0], 5);
	lack = 1;
	call(2, 1);
	rig_until(rig.opens == 3);
	assert_int_equal(rig.ch.sick, 0);
	assert_int_equal(rig_count(BOARD_SHED), 1);
	/* Nobody else is idle. */
	lack = 1;
	call(3, 1);
	rig_until(rig.ch.sick == EMFILE);
	assert_int_equal(rig_count(BOARD_SHED), 1);
}

int
main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(past_the_limit_of_a_server_clients_wait),
		test(past_the_limit_of_a_server_clients_are_closed),
		test(past_the_limit_of_a_child_clients_are_reset),
		test(a_reply_is_heard_whatever_the_client_has_sent),
		test(who_hears_a_reply_and_stays_is_closed_after_a_second),
		test(a_child_that_leaves_does_not_wait_for_the_refused),
		test(without_words_for_it_a_reply_is_a_close),
		test(an_address_has_so_many_and_no_more),
		test(past_the_limit_of_an_address_nobody_waits),
		test(clients_without_an_address_are_not_counted),
		test(a_second_has_its_share_and_the_rest_waits),
		test(past_the_rate_clients_are_refused),
		test(the_connection_that_is_idle_longest_makes_room),
		test(nobody_is_shed_while_nobody_waits),
		test(who_was_just_busy_is_not_shed),
		test(who_has_just_spoken_is_not_shed),
		test(a_message_under_way_is_not_shed),
		test(a_full_child_looks_again_with_each_beat),
		test(a_full_server_looks_again_with_each_beat),
		test(without_descriptors_the_idle_make_room_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

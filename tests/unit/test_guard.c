/* SPDX-License-Identifier: BSD-2-Clause */
/* Damaged sockets of a real listener: mended, replaced, handed on. */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/fixture.h"

static bool sockets_fail;

int __real_socket(int, int, int);
int __wrap_socket(int, int, int);

int
__wrap_socket(int domain, int type, int protocol)
{
	if (sockets_fail) {
		errno = EMFILE;
		return -1;
	}
	return __real_socket(domain, type, protocol);
}

/* The fixture's listener made real: a socket for each place, or one. */
static void
open_real(const char *url)
{
	struct err err;
	size_t i;

	sockets_fail = false;
	for (i = 0; i < fx.listener->nslots; i++)
		closefd(&fx.listener->slots[i].fd);
	free(fx.listener->slots);
	free(fx.listener);
	fx.m.nlisteners = 0;
	fx.generation.listeners[0] = NULL;
	assert_int_equal(
	    url_parse(fx.generation.conf.servers[0].listens, url, &err), 0);
	assert_int_equal(listener_open_all(&fx.m, &fx.generation, &err), 0);
	listener_commit(&fx.m);
	fx.listener = fx.m.listeners[0];
	fixture_all_ready();
	guard_tick(&fx.m);
	for (i = 0; i < fx.listener->nslots; i++)
		assert_int_equal(fx.listener->slots[i].found, 0);
}

static int
open_places(void **state)
{
	fixture_open(state);
	open_real("tcp://127.0.0.1:0");
	assert_int_equal(fx.listener->nslots, FIXTURE_PLACES);
	return 0;
}

/* All sockets bound, as if each child had been PREPARED. */
static int
open_udp(void **state)
{
	size_t i;

	fixture_open(state);
	open_real("udp4://:0");
	assert_int_equal(fx.listener->nslots, FIXTURE_PLACES);
	for (i = 1; i < FIXTURE_PLACES; i++)
		assert_int_equal(
		    socket_listen(fx.listener, &fx.listener->slots[i]), 0);
	guard_tick(&fx.m);
	for (i = 0; i < FIXTURE_PLACES; i++)
		assert_int_equal(fx.listener->slots[i].found, 0);
	return 0;
}

static int
open_shared(void **state)
{
	fixture_open(state);
	fx.generation.conf.accept = CONF_ACCEPT_SHARED;
	open_real("tcp://127.0.0.1:0");
	assert_int_equal(fx.listener->nslots, 1);
	return 0;
}

static int
open_unix(void **state)
{
	fixture_open(state);
	open_real("unix://test_guard.sock");
	return 0;
}

static int
close_all(void **state)
{
	sockets_fail = false;
	fx.m.state = MASTER_EXIT;
	listener_close_all(&fx.m);
	return fixture_close(state);
}

#define with(open, f) cmocka_unit_test_setup_teardown(f, open, close_all)

/* What makes audit_slot() call a socket lost: its descriptor is none. */
static void
lose(struct slot *s)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_not_equal(fd, -1);
	assert_int_equal(dup3(fd, s->fd, O_CLOEXEC), s->fd);
	closefd(&fd);
}

static bool
is_listening(int fd)
{
	socklen_t len = sizeof(int);
	int on = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 &&
	    on == 1;
}

static struct proc *
child(int place)
{
	return fx.m.places[place].incumbent;
}

static void
a_socket_that_was_shut_down_is_the_last_of_its_group(void **state)
{
	struct slot *s = &fx.listener->slots[0];

	(void)state;
	assert_int_equal(steer_index_of(&fx.listener->steer, s->id), 0);
	assert_int_equal(shutdown(s->fd, SHUT_RDWR), 0);
	guard_tick(&fx.m);
	assert_true(is_listening(s->fd));
	assert_true((s->found & AUDIT_DOWN) != 0);
	assert_int_equal(steer_index_of(&fx.listener->steer, s->id),
	    FIXTURE_PLACES - 1);
	guard_tick(&fx.m);
	assert_int_equal(s->found, 0);
}

static void
a_lost_socket_is_replaced_and_its_child_adopts_it(void **state)
{
	struct slot *s = &fx.listener->slots[1];
	uint32_t old = s->id;
	struct ctl_msg msg;
	int i;

	(void)state;
	lose(s);
	guard_tick(&fx.m);
	assert_true(is_listening(s->fd));
	assert_int_not_equal(s->id, old);
	assert_int_equal(steer_index_of(&fx.listener->steer, old), -1);
	assert_int_not_equal(steer_index_of(&fx.listener->steer, s->id), -1);
	slot_update(&fx.m);
	for (i = 0; i < FIXTURE_PLACES; i++) {
		assert_int_equal(fixture_heard(child(i), &msg), CTL_RELEASE);
		assert_int_equal(msg.body.slot.id, old);
	}
	assert_int_equal(fixture_heard(child(1), &msg), CTL_ADOPT);
	assert_int_equal(msg.body.slot.id, s->id);
	assert_int_equal(fixture_heard(child(0), &msg), CTL_NONE);
	assert_int_equal(fixture_heard(child(2), &msg), CTL_NONE);
}

/* How many of the packets of so many clients each member got. */
static void
count_packets(unsigned *got)
{
	struct addr to = fx.listener->addr;
	size_t i;
	int s;
	char c;

	to.u.sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (i = 0; i < 90; i++) {
		s = __real_socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		assert_int_equal(sendto(s, "x", 1, 0, &to.u.sa, to.len), 1);
		closefd(&s);
	}
	for (i = 0; i < FIXTURE_PLACES; i++)
		for (got[i] = 0;
		     recv(fx.listener->slots[i].fd, &c, 1, MSG_DONTWAIT) == 1;)
			got[i]++;
}

static void
a_udp_socket_that_was_connected_is_replaced_in_its_group(void **state)
{
	struct slot *s = &fx.listener->slots[0];
	unsigned got[FIXTURE_PLACES];
	uint32_t old = s->id;
	struct addr peer;

	(void)state;
	assert_int_equal(addr_from_ip(&peer, "127.0.0.1", 9), 0);
	assert_int_equal(connect(s->fd, &peer.u.sa, peer.len), 0);
	guard_tick(&fx.m);
	assert_int_not_equal(s->id, old);
	guard_tick(&fx.m);
	assert_int_equal(s->found, 0);
	count_packets(got);
	assert_true(got[0] > 0 && got[1] > 0 && got[2] > 0);
	assert_int_equal(got[0] + got[1] + got[2], 90);
	/* The mirror is right: who is excluded gets nothing. */
	s->is_excluded = true;
	listener_steer(&fx.m, fx.listener);
	assert_true(fx.listener->steer.has_program);
	count_packets(got);
	assert_int_equal(got[0], 0);
	assert_true(got[1] > 0 && got[2] > 0);
}

static void
a_udp_socket_that_is_retired_gets_nothing_whoever_has_a_copy(void **state)
{
	struct slot *s = &fx.listener->slots[1];
	int copy = dup(s->fd);
	unsigned got[FIXTURE_PLACES];

	(void)state;
	s->is_excluded = true;
	listener_steer(&fx.m, fx.listener);
	listener_retire(&fx.m, fx.listener, s);
	assert_int_equal(s->fd, -1);
	count_packets(got);
	assert_int_equal(got[0] + got[2], 90);
	closefd(&copy);
}

static void
what_a_retired_udp_socket_has_received_can_be_read(void **state)
{
	struct slot *s = &fx.listener->slots[2];
	int copy = dup(s->fd);
	unsigned got[FIXTURE_PLACES], n = 0;
	char c;

	(void)state;
	closefd(&s->fd);
	s->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	count_packets(got);
	(void)dup3(copy, s->fd, O_CLOEXEC);
	socket_retire(fx.listener, s);
	while (recv(copy, &c, 1, MSG_DONTWAIT) == 1)
		n++;
	assert_int_equal(got[0] + got[1] + n, 90);
	assert_true(n > 0);
	closefd(&copy);
}

static void
a_later_child_of_the_place_is_born_with_the_new_socket(void **state)
{
	struct slot *s = &fx.listener->slots[1];
	struct proc *old = child(1);
	struct ctl_msg msg;

	(void)state;
	lose(s);
	guard_tick(&fx.m);
	slot_update(&fx.m);
	assert_ptr_equal(s->adopters[0], old);
	proc_on_reaped(old, SIGKILL);
	place_fork_due(&fx.m);
	fixture_say(child(1), CTL_PREPARED, NULL, 0);
	fixture_say(child(1), CTL_READY, NULL, 0);
	slot_update(&fx.m);
	assert_int_equal(fixture_heard(child(1), &msg), CTL_START);
	assert_int_equal(fixture_heard(child(1), &msg), CTL_NONE);
	assert_null(s->adopters[0]);
}

static void
of_a_shared_socket_two_children_adopt_the_new_one(void **state)
{
	struct slot *s = &fx.listener->slots[0];
	struct ctl_msg msg;
	int i, adopters = 0;

	(void)state;
	lose(s);
	guard_tick(&fx.m);
	assert_true(is_listening(s->fd));
	slot_update(&fx.m);
	for (i = 0; i < FIXTURE_PLACES; i++) {
		assert_true(slot_is_missing(child(i), fx.listener));
		assert_int_equal(fixture_heard(child(i), &msg), CTL_RELEASE);
		adopters += fixture_heard(child(i), &msg) == CTL_ADOPT;
	}
	assert_int_equal(adopters, POLICY_ADOPTERS);
}

static void
a_unix_socket_keeps_its_path(void **state)
{
	struct slot *s = &fx.listener->slots[0];
	ino_t before = fx.listener->path_ino;

	(void)state;
	assert_int_equal(shutdown(s->fd, SHUT_RDWR), 0);
	guard_tick(&fx.m);
	assert_true((s->found & AUDIT_LOST) != 0);
	assert_true(is_listening(s->fd));
	assert_true(fx.listener->owns_path);
	assert_int_not_equal(fx.listener->path_ino, before);
	guard_tick(&fx.m);
	assert_int_equal(s->found, 0);
}

static void
what_cannot_be_replaced_is_tried_again_each_second(void **state)
{
	struct slot *s = &fx.listener->slots[2];
	uint32_t old = s->id;

	(void)state;
	log_set_level(LOG_ERROR);
	lose(s);
	sockets_fail = true;
	guard_tick(&fx.m);
	guard_tick(&fx.m);
	assert_int_equal(s->id, old);
	sockets_fail = false;
	guard_tick(&fx.m);
	assert_int_not_equal(s->id, old);
	assert_true(is_listening(s->fd));
}

static void
a_listener_that_is_shut_on_purpose_is_not_opened(void **state)
{
	struct slot *s = &fx.listener->slots[0];

	(void)state;
	assert_int_equal(shutdown(s->fd, SHUT_RDWR), 0);
	fx.listener->is_shut = true;
	guard_tick(&fx.m);
	assert_false(is_listening(s->fd));
}

static void
nothing_is_opened_when_the_server_stops(void **state)
{
	struct slot *s = &fx.listener->slots[0];

	(void)state;
	assert_int_equal(shutdown(s->fd, SHUT_RDWR), 0);
	fx.m.state = MASTER_STOPPING;
	guard_tick(&fx.m);
	assert_false(is_listening(s->fd));
}

static void
an_excluded_slot_stays_excluded_when_it_is_replaced(void **state)
{
	struct slot *s = &fx.listener->slots[2];

	(void)state;
	s->is_excluded = true;
	listener_steer_all(&fx.m);
	assert_true(fx.listener->steer.has_program);
	lose(s);
	guard_tick(&fx.m);
	assert_true(s->is_excluded);
	assert_true(fx.listener->steer.has_program);
	assert_true(fx.listener->steer.members[FIXTURE_PLACES - 1].is_excluded);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with(open_places,
		    a_socket_that_was_shut_down_is_the_last_of_its_group),
		with(open_places,
		    a_lost_socket_is_replaced_and_its_child_adopts_it),
		with(open_places,
		    a_later_child_of_the_place_is_born_with_the_new_socket),
		with(open_shared,
		    of_a_shared_socket_two_children_adopt_the_new_one),
		with(open_udp,
		    a_udp_socket_that_was_connected_is_replaced_in_its_group),
		with(open_udp,
		    a_udp_socket_that_is_retired_gets_nothing_whoever_has_a_copy),
		with(open_udp,
		    what_a_retired_udp_socket_has_received_can_be_read),
		with(open_unix, a_unix_socket_keeps_its_path),
		with(open_places,
		    what_cannot_be_replaced_is_tried_again_each_second),
		with(open_places,
		    a_listener_that_is_shut_on_purpose_is_not_opened),
		with(open_places, nothing_is_opened_when_the_server_stops),
		with(open_places,
		    an_excluded_slot_stays_excluded_when_it_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

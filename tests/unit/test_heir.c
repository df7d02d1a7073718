/* SPDX-License-Identifier: BSD-2-Clause */
/* Slots from the service manager: real sockets, handed over by the test. */
#include "master/heir.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>

#include "tests/unit/fixture.h"

#define MOST 4

/* What there is to be taken. */
static struct {
	int fd; /* -1: taken */
	int index;
	bool is_ours;
} given[MOST];
static size_t ngiven;
static int kept[MOST]; /* the service manager's copies */
static struct listener l;
static struct err err;

int __wrap_inherit_take(const struct url *, const struct addr *, unsigned,
    bool *);
int __wrap_inherit_take_extra(const struct url *, const struct addr *, unsigned,
    unsigned *, bool *);

static int
hand_over(size_t i, bool *is_ours)
{
	int fd = given[i].fd;

	*is_ours = given[i].is_ours;
	given[i].fd = -1;
	return fd;
}

int
__wrap_inherit_take(const struct url *url, const struct addr *addr,
    unsigned index, bool *is_ours)
{
	size_t i;

	(void)url;
	(void)addr;
	for (i = 0; i < ngiven; i++)
		if (given[i].fd != -1 && given[i].index == (int)index)
			return hand_over(i, is_ours);
	return -1;
}

int
__wrap_inherit_take_extra(const struct url *url, const struct addr *addr,
    unsigned nslots, unsigned *index, bool *is_ours)
{
	size_t i;

	(void)url;
	(void)addr;
	for (i = 0; i < ngiven; i++)
		if (given[i].fd != -1 && given[i].index >= (int)nslots) {
			*index = (unsigned)given[i].index;
			return hand_over(i, is_ours);
		}
	return -1;
}

static void
give(int index, bool is_ours)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	struct addr a = l.addr;

	assert_int_equal(
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, &a.u.sa, a.len), 0);
	assert_int_equal(getsockname(fd, &a.u.sa, &a.len), 0);
	l.addr = a;
	kept[ngiven] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	given[ngiven].fd = fd;
	given[ngiven].index = index;
	given[ngiven++].is_ours = is_ours;
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

static int
open_all(void **state)
{
	int rc = fixture_open(state);

	l = (struct listener){ .has_slot_per_place = true, .is_added = true };
	l.addr.len = sizeof(l.addr.u);
	assert_int_equal(url_parse(&l.url, "tcp://127.0.0.1:1", &err), 0);
	assert_int_equal(addr_from_ip(&l.addr, "127.0.0.1", 0), 0);
	ngiven = 0;
	return rc;
}

static int
close_all(void **state)
{
	size_t i;

	for (i = 0; i < ngiven; i++) {
		closefd(&given[i].fd);
		closefd(&kept[i]);
	}
	for (i = 0; i < l.nslots; i++)
		closefd(&l.slots[i].fd);
	steer_fini(&l.steer);
	free(l.slots);
	return fixture_close(state);
}

static void
without_a_socket_there_is_no_slot(void **state)
{
	(void)state;
	assert_int_equal(heir_open(&fx.m, &l, 3, &err), 0);
	assert_int_equal(l.nslots, 0);
	assert_false(heir_has_sockets(&l));
}

static void
the_first_becomes_slot_0_and_listens(void **state)
{
	(void)state;
	give(0, false);
	assert_int_equal(heir_open(&fx.m, &l, 3, &err), 0);
	assert_true(heir_has_sockets(&l));
	assert_int_equal(l.nslots, 1);
	assert_int_equal(l.slots[0].place, 0);
	assert_true(is_listening(l.slots[0].fd));
	assert_int_equal(steer_index_of(&l.steer, l.slots[0].id), 0);
	/* A group of one has a known order. */
	assert_false(l.steer.is_blind);
}

static void
what_an_older_master_set_is_taken_back_from_its_own(void **state)
{
	socklen_t len = sizeof(int);
	int i, seconds = 9;

	(void)state;
	for (i = 0; i < 2; i++) {
		give(i, i == 0);
		assert_int_equal(setsockopt(kept[i], IPPROTO_TCP,
				     TCP_DEFER_ACCEPT, &seconds,
				     sizeof(seconds)),
		    0);
	}
	assert_int_equal(heir_open(&fx.m, &l, 2, &err), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(getsockopt(kept[i], IPPROTO_TCP,
				     TCP_DEFER_ACCEPT, &seconds, &len),
		    0);
		assert_int_equal(seconds == 0, i == 0);
	}
}

static void
others_keep_their_index_and_cannot_be_steered(void **state)
{
	(void)state;
	give(0, true);
	give(1, true);
	give(3, true);
	assert_int_equal(heir_open(&fx.m, &l, 2, &err), 0);
	assert_int_equal(l.nslots, 4);
	assert_int_equal(l.slots[1].place, 1);
	assert_int_equal(l.slots[2].fd, -1);
	assert_int_equal(l.slots[3].place, 3);
	assert_true(is_listening(l.slots[3].fd));
	assert_true(l.steer.is_blind);
}

static void
in_shared_mode_siblings_serve_the_others(void **state)
{
	(void)state;
	l.has_slot_per_place = false;
	give(0, true);
	give(2, true);
	assert_int_equal(heir_open(&fx.m, &l, 1, &err), 0);
	assert_int_equal(l.slots[0].place, SLOT_SHARED);
	assert_int_equal(l.slots[2].place, SLOT_NOBODYS);
}

static void
a_path_has_one_socket(void **state)
{
	(void)state;
	l.url.scheme = URL_UNIX;
	l.has_slot_per_place = false;
	give(0, true);
	give(1, true);
	assert_int_equal(heir_open(&fx.m, &l, 1, &err), 0);
	assert_int_equal(l.nslots, 1);
}

static void
one_that_cannot_listen_is_an_error(void **state)
{
	(void)state;
	give(0, true);
	closefd(&given[0].fd);
	given[0].fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(heir_open(&fx.m, &l, 1, &err), -1);
	assert_int_equal(err.sys, ENOTSOCK);
}

static void
the_service_managers_own_is_never_shut_down(void **state)
{
	(void)state;
	give(0, false);
	assert_int_equal(heir_open(&fx.m, &l, 1, &err), 0);
	l.is_added = false;
	socket_retire(&l, &l.slots[0]);
	assert_int_equal(l.slots[0].fd, -1);
	assert_true(is_listening(kept[0]));
}

static void
one_that_was_stored_is_shut_down_once_the_start_has_succeeded(void **state)
{
	(void)state;
	give(0, true);
	give(1, true);
	assert_int_equal(heir_open(&fx.m, &l, 2, &err), 0);
	socket_retire(&l, &l.slots[0]);
	assert_true(is_listening(kept[0]));
	l.is_added = false;
	socket_retire(&l, &l.slots[1]);
	assert_false(is_listening(kept[1]));
}

static void
all_share_slot_0_when_none_can_join(void **state)
{
	(void)state;
	give(0, false);
	give(2, false);
	assert_int_equal(heir_open(&fx.m, &l, 1, &err), 0);
	assert_non_null(listener_slot_at(&fx.m, &l, 1, &err));
	l.slots[1].fd = dup(2);
	(void)err_set(&err, EXIT_UNAVAILABLE, "busy");
	assert_false(heir_share(&l, &err));
	err.sys = EADDRINUSE;
	assert_true(heir_share(&l, &err));
	assert_true(l.is_lone);
	assert_false(l.has_slot_per_place);
	assert_int_equal(l.slots[0].place, SLOT_SHARED);
	assert_int_equal(l.slots[1].fd, -1);
	assert_int_equal(l.slots[2].place, SLOT_NOBODYS);
}

static void
it_stays_as_it_is_where_others_have_joined(void **state)
{
	(void)state;
	err.sys = EADDRINUSE;
	assert_false(heir_share(fx.listener, &err));
	assert_true(fx.listener->has_slot_per_place);
}

static void
children_are_told_to_leave_what_is_not_shut_down(void **state)
{
	struct ctl_msg msg;

	(void)state;
	fixture_all_ready();
	fx.listener->slots[1].is_foreign = true;
	heir_leave(&fx.m, fx.listener);
	assert_int_equal(fixture_heard(fx.m.places[0].incumbent, &msg),
	    CTL_RELEASE);
	assert_int_equal(msg.body.slot.id, 11);
	assert_int_equal(fixture_heard(fx.m.places[0].incumbent, &msg),
	    CTL_NONE);
	assert_int_equal(fixture_heard(fx.m.places[1].incumbent, &msg),
	    CTL_RELEASE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_socket_there_is_no_slot),
		TEST(the_first_becomes_slot_0_and_listens),
		TEST(what_an_older_master_set_is_taken_back_from_its_own),
		TEST(others_keep_their_index_and_cannot_be_steered),
		TEST(in_shared_mode_siblings_serve_the_others),
		TEST(a_path_has_one_socket),
		TEST(one_that_cannot_listen_is_an_error),
		TEST(the_service_managers_own_is_never_shut_down),
		TEST(
		    one_that_was_stored_is_shut_down_once_the_start_has_succeeded),
		TEST(all_share_slot_0_when_none_can_join),
		TEST(it_stays_as_it_is_where_others_have_joined),
		TEST(children_are_told_to_leave_what_is_not_shut_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* What comes through a hand-off pair becomes connections of a child, as many as
 * it has room for, and nothing else does. */
#include "tests/unit/rig.h"

#include <sys/resource.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "shared/handoff.h"

static int pair[2], peers[64];
static size_t npeers;

static void
open_pair(void)
{
	const struct ctl_slot slot = { .id = 7, .flags = CTL_SLOT_READ };

	npeers = 0;
	assert_int_equal(handoff_pair(pair), 0);
	assert_int_equal(accept_add(&rig.ch, &slot, dup(pair[0]), true), 0);
}

static int
start(void **state)
{
	(void)state;
	(void)rig_plain(state);
	open_pair();
	return 0;
}

static int
start_limited(void **state)
{
	(void)state;
	rig_conf()->limits.connections = 3;
	rig_start(&rig_handler);
	open_pair();
	return 0;
}

static int
end(void **state)
{
	closefd(&pair[0]);
	closefd(&pair[1]);
	while (npeers > 0)
		closefd(&peers[--npeers]);
	return rig_end(state);
}

static void
hand_over(int n)
{
	int ends[2];

	for (; n > 0; n--) {
		assert_int_equal(
		    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends),
		    0);
		assert_int_equal(handoff_send(pair[1], ends[0]), 0);
		closefd(&ends[0]);
		peers[npeers++] = ends[1];
	}
}

static void
what_is_handed_over_is_served(void **state)
{
	char heard[8];

	(void)state;
	rig.is_echo = true;
	hand_over(20);
	rig_until(rig.opens == 20);
	rig_say(peers[19], "hello");
	rig_until(rig.ngot == 5);
	rig_turn();
	assert_int_equal(rig_hear(peers[19], heard, sizeof(heard)), 5);
	assert_string_equal(heard, "hello");
}

static void
a_child_with_enough_connections_leaves_the_rest_where_they_are(void **state)
{
	(void)state;
	hand_over(8);
	rig_until(rig.opens == 3);
	rig_turn();
	assert_int_equal(rig.ch.nconns, 3);
	assert_int_equal(handoff_queue(pair[0]), 5);
	closefd(&peers[0]);
	rig_until(rig.opens == 4);
	assert_int_equal(handoff_queue(pair[0]), 4);
}

static void
what_is_no_connection_is_closed(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	log_set_level(LOG_ERROR);
	assert_int_equal(handoff_send(pair[1], fd), 0);
	closefd(&fd);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(handoff_send(pair[1], fd), 0);
	closefd(&fd);
	assert_int_equal(send(pair[1], "x", 1, MSG_NOSIGNAL), 1);
	assert_int_equal(send(pair[1], "", 0, MSG_NOSIGNAL), 0);
	rig_until(poll(&(struct pollfd){ pair[0], POLLIN, 0 }, 1, 0) == 0);
	hand_over(1);
	rig_until(rig.opens == 1);
	assert_int_equal(rig.ch.nconns, 1);
}

static void
near_the_limit_of_descriptors_none_is_lost(void **state)
{
	struct rlimit old, few;
	int spare;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	hand_over(1);
	rig_until(rig.opens == 1);
	hand_over(3);
	spare = fcntl(pair[0], F_DUPFD_CLOEXEC, 0);
	few = (struct rlimit){ (rlim_t)spare, old.rlim_max };
	closefd(&spare);
	rig.ch.max_files = few.rlim_cur;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	rig_until(rig.ch.sick == EMFILE);
	assert_int_equal(handoff_queue(pair[0]), 3);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	rig_until(rig.opens == 4);
}

static void
the_end_of_a_pair_is_the_end_of_the_slot(void **state)
{
	(void)state;
	hand_over(2);
	handoff_shut(pair[1]);
	rig_until(TAILQ_EMPTY(&rig.ch.listeners));
	assert_int_equal(rig.opens, 2);
}

static void
a_stop_waits_for_the_end_of_the_pair(void **state)
{
	(void)state;
	drain_begin(&rig.ch, 10, CTL_STOPPING);
	rig_turn();
	assert_int_equal(rig.ch.state, CHILD_DRAINING);
	hand_over(1);
	rig_until(rig.opens == 1);
	closefd(&peers[0]);
	rig_until(rig.ch.nconns == 0);
	assert_int_equal(rig.ch.state, CHILD_DRAINING);
	closefd(&pair[1]);
	rig_until(rig.ch.state == CHILD_LEAVING);
}

static void
an_orphan_serves_what_its_acceptor_still_sends(void **state)
{
	(void)state;
	accept_on_orphan(&rig.ch);
	assert_false(TAILQ_EMPTY(&rig.ch.listeners));
	drain_begin(&rig.ch, 10, CTL_STOPPING);
	hand_over(1);
	rig_until(rig.opens == 1);
}

#define with(how, f) cmocka_unit_test_setup_teardown(f, how, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with(start, what_is_handed_over_is_served),
		with(start_limited,
		    a_child_with_enough_connections_leaves_the_rest_where_they_are),
		with(start, what_is_no_connection_is_closed),
		with(start, near_the_limit_of_descriptors_none_is_lost),
		with(start, the_end_of_a_pair_is_the_end_of_the_slot),
		with(start, a_stop_waits_for_the_end_of_the_pair),
		with(start, an_orphan_serves_what_its_acceptor_still_sends),
	};

	return cmocka_run_group_tests_name("receive", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The acceptor: where connections go, what happens when there is no room, and
 * that it holds one at the most. */
#include "tests/unit/rig.h"

#include <sys/mman.h>

#include <errno.h>
#include <poll.h>

#include "shared/handoff.h"

#define PLACES 3

static int listener, readers[PLACES], writers[PLACES];
static struct sockaddr_in address;
static int fault; /* errno of the next sends; 0: none */

int __real_handoff_send(int, int);
int __wrap_handoff_send(int, int);

int
__wrap_handoff_send(int fd, int connection)
{
	if (fault == 0)
		return __real_handoff_send(fd, connection);
	errno = fault;
	return -1;
}

static void
add_target(int place)
{
	const struct ctl_slot slot = {
		.id = 10 + (uint32_t)place,
		.flags = CTL_SLOT_WRITE,
		.place = (uint32_t)place,
	};

	assert_int_equal(dispatch_add(&rig.ch, &slot, dup(writers[place])), 0);
}

static void
open_listener(void)
{
	const struct ctl_slot slot = { .id = 1 };
	socklen_t len = sizeof(address);

	address = (struct sockaddr_in){ .sin_family = AF_INET };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener =
	    socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(
	    bind(listener, (const struct sockaddr *)&address, sizeof(address)),
	    0);
	assert_int_equal(listen(listener, 512), 0);
	assert_int_equal(
	    getsockname(listener, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(accept_add(&rig.ch, &slot, dup(listener), true), 0);
}

static void
start(enum conf_balance balance)
{
	int i, fds[2];

	fault = 0;
	(void)rig_conf();
	rig.conf.balance = balance;
	rig.heritage.place = HERITAGE_ACCEPTOR;
	rig_start(&rig_handler);
	open_listener();
	for (i = 0; i < PLACES; i++) {
		assert_int_equal(handoff_pair(fds), 0);
		readers[i] = fds[0];
		writers[i] = fds[1];
	}
}

static int
by_turns(void **state)
{
	int i;

	(void)state;
	start(CONF_BALANCE_ROUND_ROBIN);
	for (i = 0; i < PLACES; i++)
		add_target(i);
	return 0;
}

static int
by_load(void **state)
{
	int i;

	(void)state;
	start(CONF_BALANCE_LEAST_CONNECTIONS);
	for (i = 0; i < PLACES; i++)
		add_target(i);
	return 0;
}

static int
without_targets(void **state)
{
	(void)state;
	start(CONF_BALANCE_ROUND_ROBIN);
	return 0;
}

static int
end(void **state)
{
	int i;

	closefd(&listener);
	for (i = 0; i < PLACES; i++) {
		closefd(&readers[i]);
		closefd(&writers[i]);
	}
	return rig_end(state);
}

static void
come(int n)
{
	int fd;

	for (; n > 0; n--) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(fd, (const struct sockaddr *)&address,
				     sizeof(address)),
		    0);
		/* Who comes leaves at once: it stays a connection. */
		closefd(&fd);
	}
}

static size_t
waiting(int place)
{
	return handoff_queue(readers[place]);
}

static size_t
all_waiting(void)
{
	size_t n = 0;
	int i;

	for (i = 0; i < PLACES; i++)
		n += waiting(i);
	return n;
}

static void
take_all(int place)
{
	int got[HANDOFF_BATCH], n;

	while ((n = handoff_receive(readers[place], got, HANDOFF_BATCH)) > 0)
		while (n > 0)
			closefd(&got[--n]);
}

static void
connections_go_to_each_in_turn(void **state)
{
	(void)state;
	come(6);
	rig_until(all_waiting() == 6);
	assert_int_equal(waiting(0), 2);
	assert_int_equal(waiting(1), 2);
	assert_int_equal(waiting(2), 2);
	assert_int_equal(rig_count(BOARD_ACCEPTED), 6);
}

static void
without_anywhere_to_go_they_wait_in_the_kernels_queue(void **state)
{
	struct pollfd pfd = { .fd = listener, .events = POLLIN };

	(void)state;
	come(2);
	rig_turn();
	assert_int_equal(poll(&pfd, 1, 0), 1);
	add_target(1);
	rig_until(waiting(1) == 2);
}

static void
a_place_that_leaves_gets_no_more(void **state)
{
	(void)state;
	assert_true(dispatch_remove(&rig.ch, 11));
	assert_false(dispatch_remove(&rig.ch, 11));
	come(6);
	rig_until(all_waiting() == 6);
	assert_int_equal(waiting(0), 3);
	assert_int_equal(waiting(1), 0);
}

static void
when_all_are_full_it_stops_accepting_and_holds_nothing(void **state)
{
	size_t most;
	struct pollfd pfd = { .fd = listener, .events = POLLIN };

	(void)state;
	come(200);
	rig_turn();
	rig_until(all_waiting() >= (size_t)PLACES * HANDOFF_CREDIT);
	rig_turn();
	most = all_waiting();
	rig_turn();
	assert_int_equal(all_waiting(), most);
	assert_int_equal(rig_count(BOARD_ACCEPTED), most);
	assert_int_equal(poll(&pfd, 1, 0), 1);
	assert_false(dispatch_is_holding(&rig.ch));
	take_all(1);
	rig_until(waiting(1) >= HANDOFF_CREDIT);
	take_all(0);
	take_all(1);
	take_all(2);
	rig_until(poll(&pfd, 1, 0) == 0 ||
	    (take_all(0), take_all(1), take_all(2), false));
	rig_until(rig_count(BOARD_ACCEPTED) == 200);
}

static void
a_pair_that_was_shut_is_left_out(void **state)
{
	(void)state;
	assert_int_equal(shutdown(readers[0], SHUT_RDWR), 0);
	come(4);
	rig_until(waiting(1) + waiting(2) == 4);
	assert_false(dispatch_is_holding(&rig.ch));
}

static void
what_the_kernel_cannot_send_now_is_held_and_sent_later(void **state)
{
	(void)state;
	fault = ETOOMANYREFS;
	come(2);
	rig_until(dispatch_is_holding(&rig.ch));
	assert_int_equal(rig.ch.sick, ETOOMANYREFS);
	assert_true(accept_is_open(&rig.ch));
	rig_turn();
	assert_int_equal(rig_count(BOARD_ACCEPTED), 0);
	fault = 0;
	rig_until(all_waiting() == 2);
	assert_false(dispatch_is_holding(&rig.ch));
}

static void
readers_that_forbid_descriptors_do_not_make_it_spin(void **state)
{
	(void)state;
	fault = EPERM;
	come(1);
	rig_until(dispatch_is_holding(&rig.ch));
	assert_int_equal(rig.ch.sick, EPERM);
	fault = 0;
	rig_until(all_waiting() == 1);
}

static void
a_drain_waits_for_the_one_it_holds(void **state)
{
	(void)state;
	fault = ENOBUFS;
	come(1);
	rig_until(dispatch_is_holding(&rig.ch));
	drain_begin(&rig.ch, 10, CTL_RELOAD);
	assert_int_equal(rig.ch.state, CHILD_DRAINING);
	fault = 0;
	rig_until(rig.ch.state == CHILD_LEAVING);
	assert_int_equal(all_waiting(), 1);
}

/* A child's page: -1 for a place that has none. */
static void
show(uint32_t place, uint64_t accepted, uint64_t connections)
{
	const struct ctl_page page = {
		.place = place,
		.accepted_at = 0,
		.connections_at = 8,
	};
	const uint64_t words[2] = { accepted, connections };
	int fd = memfd_create("page", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, BOARD_PAGE_BYTES), 0);
	assert_int_equal(pwrite(fd, words, sizeof(words), 0),
	    (ssize_t)sizeof(words));
	dispatch_set_page(&rig.ch, &page, fd);
	closefd(&fd);
}

static void
the_one_with_the_fewest_connections_gets_the_next(void **state)
{
	(void)state;
	show(0, 5, 5);
	show(1, 9, 2);
	show(2, 7, 4);
	come(3);
	rig_until(all_waiting() == 3);
	/* 2, 3 and 4 at place 1; then it is place 2's turn, with 4. */
	assert_int_equal(waiting(0), 0);
	assert_in_range(waiting(1), 2, 3);
	come(3);
	rig_until(all_waiting() == 6);
	assert_in_range(waiting(0), 0, 1);
}

static void
whatever_a_page_says_connections_go_on(void **state)
{
	const struct ctl_page odd[] = {
		{ .place = CONF_PROCESSES_MAX },
		{ .place = 0, .accepted_at = 4 },
		{ .place = 0, .accepted_at = BOARD_PAGE_BYTES },
		{ .place = 0, .connections_at = UINT32_MAX - 7 },
	};
	int fd = memfd_create("page", MFD_CLOEXEC);
	size_t i;

	(void)state;
	for (i = 0; i < nitems(odd); i++)
		dispatch_set_page(&rig.ch, &odd[i], fd);
	dispatch_set_page(&rig.ch, &odd[1], -1);
	closefd(&fd);
	show(0, UINT64_MAX, UINT64_MAX);
	show(1, 0, UINT64_MAX);
	show(2, UINT64_MAX, UINT64_MAX);
	come(30);
	rig_until(all_waiting() == 30);
	assert_int_equal(waiting(0), 10);
}

static void
what_cannot_be_a_target_is_refused(void **state)
{
	struct ctl_slot slot = { .id = 9, .place = CONF_PROCESSES_MAX };

	(void)state;
	assert_int_equal(dispatch_add(&rig.ch, &slot, dup(writers[0])), -1);
	slot.place = 0;
	assert_int_equal(dispatch_add(&rig.ch, &slot, -1), -1);
}

#define with(how, f) cmocka_unit_test_setup_teardown(f, how, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with(by_turns, connections_go_to_each_in_turn),
		with(without_targets,
		    without_anywhere_to_go_they_wait_in_the_kernels_queue),
		with(by_turns, a_place_that_leaves_gets_no_more),
		with(by_turns,
		    when_all_are_full_it_stops_accepting_and_holds_nothing),
		with(by_turns, a_pair_that_was_shut_is_left_out),
		with(by_turns,
		    what_the_kernel_cannot_send_now_is_held_and_sent_later),
		with(by_turns,
		    readers_that_forbid_descriptors_do_not_make_it_spin),
		with(by_turns, a_drain_waits_for_the_one_it_holds),
		with(by_load,
		    the_one_with_the_fewest_connections_gets_the_next),
		with(by_load, whatever_a_page_says_connections_go_on),
		with(without_targets, what_cannot_be_a_target_is_refused),
	};

	return cmocka_run_group_tests_name("dispatch", tests, NULL, NULL);
}

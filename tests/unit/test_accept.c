/* SPDX-License-Identifier: BSD-2-Clause */
/* Accepting: what is polled, what makes it pause and what makes it go on. */
#include <netinet/tcp.h>

#include "rig.h"

#define SLOT 7

static struct sockaddr_in where;
static int clients[16];
static int failure;  /* what accept4() fails with while it is not 0 */
static int failures; /* how often; -1: for ever */

int __real_accept4(int, struct sockaddr *, socklen_t *, int);
int __wrap_accept4(int, struct sockaddr *, socklen_t *, int);

int
__wrap_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	if (failures == 0)
		return __real_accept4(fd, sa, len, flags);
	failures -= failures > 0;
	errno = failure;
	return -1;
}

static void
fail_with(int code, int times)
{
	failure = code;
	failures = times;
}

/* A listening socket of which a child gets a copy. */
static int
make_listener(void)
{
	socklen_t len = sizeof(where);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	where = (struct sockaddr_in){ .sin_family = AF_INET };
	where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(
	    bind(fd, (const struct sockaddr *)&where, sizeof(where)), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&where, &len), 0);
	return fd;
}

static void
add(uint32_t id, int fd, bool poll)
{
	const struct ctl_slot slot = { .id = id };

	assert_int_equal(accept_add(&rig.ch, &slot, fd, poll), 0);
}

static void
call_in(unsigned n)
{
	unsigned i;

	for (i = 0; n > 0; i++) {
		if (clients[i] != -1)
			continue;
		n--;
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(clients[i],
				     (const struct sockaddr *)&where,
				     sizeof(where)),
		    0);
	}
}

static int
setup(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < nitems(clients); i++)
		clients[i] = -1;
	fail_with(0, 0);
	(void)rig_conf();
	return 0;
}

static int
teardown(void **state)
{
	size_t i;

	for (i = 0; i < nitems(clients); i++)
		closefd(&clients[i]);
	return rig_end(state);
}

static void
a_polled_slot_is_accepted_from(void **state)
{
	(void)state;
	rig_start(&rig_handler);
	add(SLOT, make_listener(), true);
	call_in(3);
	rig_until(rig.opens == 3);
	assert_int_equal(rig_count(BOARD_ACCEPTED), 3);
}

static void
a_slot_that_is_only_kept_is_not(void **state)
{
	(void)state;
	rig_start(&rig_handler);
	add(SLOT, make_listener(), false);
	call_in(1);
	rig_turn();
	assert_int_equal(rig.opens, 0);
	add(SLOT, -1, true);
	rig_until(rig.opens == 1);
}

static void
a_released_slot_is_kept_and_can_be_polled_again(void **state)
{
	int fd = make_listener();

	(void)state;
	rig_start(&rig_handler);
	add(SLOT, fd, true);
	accept_release(&rig.ch, SLOT);
	call_in(1);
	rig_turn();
	assert_int_equal(rig.opens, 0);
	assert_int_not_equal(fcntl(fd, F_GETFD), -1);
	add(SLOT, dup(fd), true);
	rig_until(rig.opens == 1);
}

static void
a_second_copy_of_a_slot_is_closed(void **state)
{
	int fd, copy;

	(void)state;
	rig_start(&rig_handler);
	fd = make_listener();
	copy = dup(fd);
	add(SLOT, fd, true);
	add(SLOT, copy, true);
	assert_int_equal(fcntl(copy, F_GETFD), -1);
	assert_int_not_equal(fcntl(fd, F_GETFD), -1);
}

static void
a_slot_of_no_server_is_refused_and_closed(void **state)
{
	const struct ctl_slot slot = { .id = 1, .server = 9 };
	int fd = dup(2);

	(void)state;
	rig_start(&rig_handler);
	assert_int_equal(accept_add(&rig.ch, &slot, fd, true), -1);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void
one_event_accepts_no_more_than_its_budget(void **state)
{
	(void)state;
	rig.conf.servers[0].budget.accepts = 2;
	rig_start(&rig_handler);
	add(SLOT, make_listener(), true);
	call_in(5);
	ev_run(rig.ch.loop, EVRUN_ONCE);
	assert_int_equal(rig.opens, 2);
	rig_until(rig.opens == 5);
}

static void
a_full_server_pauses_until_a_connection_closes(void **state)
{
	(void)state;
	rig.conf.servers[0].limits.connections = 2;
	rig_start(&rig_handler);
	add(SLOT, make_listener(), true);
	call_in(4);
	rig_until(rig.opens == 2);
	rig_turn();
	assert_int_equal(rig.opens, 2);
	assert_false(ev_is_active(&TAILQ_FIRST(&rig.ch.listeners)->io));
	closefd(&clients[0]);
	rig_until(rig.opens == 3);
	assert_int_equal(rig.ch.nconns, 2);
}

static void
a_full_child_pauses_too(void **state)
{
	(void)state;
	rig.conf.max_connections = 1;
	rig_start(&rig_handler);
	add(SLOT, make_listener(), true);
	call_in(2);
	rig_until(rig.opens == 1);
	rig_turn();
	assert_int_equal(rig.opens, 1);
	closefd(&clients[0]);
	rig_until(rig.opens == 2);
}

/* What the child said last on its channel. */
static enum ctl_type
heard(void)
{
	struct ctl_msg m;
	enum ctl_type last = CTL_NONE;

	while (ctl_recv(rig.ctl, &m, false) == CTL_GOT_MSG)
		last = (enum ctl_type)m.head.type;
	return last;
}

static void
out_of_descriptors_it_is_sick_until_one_is_free(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(ctl_pair(fds), 0);
	rig.ctl = fds[0];
	rig.heritage.ctl = fds[1];
	rig_start(&rig_handler);
	add(SLOT, make_listener(), true);
	call_in(1);
	rig_until(rig.opens == 1);
	call_in(2);
	(void)heard();
	fail_with(EMFILE, -1);
	rig_until(rig.ch.sick == EMFILE);
	assert_int_equal(heard(), CTL_SICK);
	assert_false(ev_is_active(&TAILQ_FIRST(&rig.ch.listeners)->io));
	fail_with(0, 0);
	conn_close(rig.conn, TINE_LOCAL, 0);
	assert_int_equal(rig.ch.sick, 0);
	rig_until(rig.opens == 3);
	assert_int_equal(heard(), CTL_NONE);
	rig_until(heard() == CTL_WELL);
}

static struct tine_conn *some;

static void
remember(struct tine_conn *c)
{
	some = c;
}

static void
at_the_limit_the_master_is_told_once(void **state)
{
	int fds[2], said = 0;
	struct ctl_msg m;

	(void)state;
	assert_int_equal(ctl_pair(fds), 0);
	rig.ctl = fds[0];
	rig.heritage.ctl = fds[1];
	rig_start(&rig_handler);
	add(SLOT, make_listener(), true);
	call_in(8);
	rig_until(rig.opens == 8);
	call_in(1);
	fail_with(EMFILE, -1);
	(void)heard();
	while (rig.ch.nconns > 0) {
		rig_until(rig.ch.sick == EMFILE);
		child_each_conn(&rig.ch, remember);
		conn_close(some, TINE_LOCAL, 0);
	}
	rig_until(rig.ch.sick == EMFILE);
	while (ctl_recv(rig.ctl, &m, false) == CTL_GOT_MSG)
		said++;
	assert_int_equal(said, 1);
}

static void
out_of_descriptors_it_tries_again_after_a_second(void **state)
{
	(void)state;
	rig_start(&rig_handler);
	add(SLOT, make_listener(), true);
	call_in(1);
	fail_with(EMFILE, -1);
	rig_until(rig.ch.sick == EMFILE);
	fail_with(0, 0);
	rig_until(rig.opens == 1);
	assert_int_equal(rig.ch.sick, 0);
}

static void
errors_of_a_single_connection_do_not_stop_the_others(void **state)
{
	static const int codes[] = { EINTR, ECONNABORTED, EPROTO, EPERM };
	size_t i;

	(void)state;
	rig_start(&rig_handler);
	add(SLOT, make_listener(), true);
	for (i = 0; i < nitems(codes); i++) {
		fail_with(codes[i], 1);
		call_in(1);
		rig_until(rig.opens == i + 1);
		assert_int_equal(rig.ch.sick, 0);
		closefd(&clients[0]);
	}
}

static void
a_listener_that_was_shut_down_rests_and_does_not_spin(void **state)
{
	struct listener *l;
	socklen_t len = sizeof(where);
	int fd = make_listener();

	(void)state;
	rig_start(&rig_handler);
	add(SLOT, fd, true);
	l = TAILQ_FIRST(&rig.ch.listeners);
	assert_int_equal(shutdown(fd, SHUT_RDWR), 0);
	rig_until(ev_is_active(&l->rest));
	assert_false(ev_is_active(&l->io));
	/* A port that the kernel chose is chosen anew. */
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&where, &len), 0);
	call_in(1);
	rig_until(rig.opens == 1);
}

static void
options_of_the_url_hold_for_what_is_accepted(void **state)
{
	struct url *url = &rig.conf.servers[0].listens[0];
	int on = 0, idle = 0;
	socklen_t len = sizeof(on);

	(void)state;
	url->nodelay = true;
	url->keepalive = 77;
	rig_start(&rig_handler);
	add(SLOT, make_listener(), true);
	call_in(1);
	rig_until(rig.opens == 1);
	assert_int_equal(
	    getsockopt(rig.conn->io.fd, IPPROTO_TCP, TCP_NODELAY, &on, &len),
	    0);
	assert_int_equal(on, 1);
	on = 0;
	assert_int_equal(
	    getsockopt(rig.conn->io.fd, SOL_SOCKET, SO_KEEPALIVE, &on, &len),
	    0);
	assert_int_equal(on, 1);
	assert_int_equal(
	    getsockopt(rig.conn->io.fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &len),
	    0);
	assert_int_equal(idle, 77);
}

static void
a_stopping_child_serves_until_its_listeners_are_shut(void **state)
{
	struct listener *l;

	(void)state;
	rig_start(&rig_handler);
	add(SLOT, make_listener(), true);
	l = TAILQ_FIRST(&rig.ch.listeners);
	call_in(3);
	drain_begin(&rig.ch, 30, CTL_STOPPING);
	rig_until(rig.opens == 3);
	child_close_conns(&rig.ch);
	assert_int_equal(rig.ch.state, CHILD_DRAINING);
	call_in(1);
	rig_until(rig.opens == 4);
	child_close_conns(&rig.ch);
	assert_int_equal(shutdown(l->io.fd, SHUT_RDWR), 0);
	rig_until(rig.ch.state == CHILD_LEAVING);
	assert_false(ev_is_active(&l->io));
}

static void
any_other_drain_leaves_the_queue_to_a_sibling(void **state)
{
	int held;

	(void)state;
	rig_start(&rig_handler);
	add(SLOT, make_listener(), true);
	held = rig_connect();
	call_in(2);
	drain_begin(&rig.ch, 30, CTL_RELOAD);
	rig_turn();
	assert_int_equal(rig.opens, 1);
	drain_resume(&rig.ch);
	rig_until(rig.opens == 3);
	closefd(&held);
}

static void
a_released_slot_that_was_shut_down_is_forgotten(void **state)
{
	int fd = make_listener(), own = dup(fd);

	(void)state;
	rig_start(&rig_handler);
	add(SLOT, fd, true);
	/* It rests: nobody is there to accept from. */
	assert_int_equal(shutdown(own, SHUT_RDWR), 0);
	rig_turn();
	accept_release(&rig.ch, SLOT);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	accept_release(&rig.ch, SLOT);
	closefd(&own);
	/* It comes again. */
	add(SLOT, make_listener(), true);
	call_in(1);
	rig_until(rig.opens == 1);
}

static void
adopt(uint32_t id, int fd, uint32_t flags)
{
	const struct ctl_slot slot = { .id = id, .flags = flags };

	assert_int_equal(accept_add(&rig.ch, &slot, fd, true), 0);
}

static void
a_kept_slot_is_served_until_it_is_released(void **state)
{
	(void)state;
	rig_start(&rig_handler);
	adopt(SLOT, make_listener(), CTL_SLOT_KEEP);
	drain_begin(&rig.ch, 30, CTL_RELOAD);
	assert_int_equal(rig.ch.state, CHILD_DRAINING);
	call_in(2);
	rig_until(rig.opens == 2);
	child_close_conns(&rig.ch);
	/* The queue may get more. */
	assert_int_equal(rig.ch.state, CHILD_DRAINING);
	accept_release(&rig.ch, SLOT);
	assert_int_equal(rig.ch.state, CHILD_LEAVING);
}

static void
only_the_last_kept_slot_lets_it_leave(void **state)
{
	int held;

	(void)state;
	rig_start(&rig_handler);
	held = rig_connect();
	adopt(1, make_listener(), CTL_SLOT_KEEP);
	adopt(2, make_listener(), CTL_SLOT_KEEP);
	drain_begin(&rig.ch, 30, CTL_RELOAD);
	accept_release(&rig.ch, 1);
	child_close_conns(&rig.ch);
	assert_int_equal(rig.ch.state, CHILD_DRAINING);
	accept_release(&rig.ch, 2);
	assert_int_equal(rig.ch.state, CHILD_LEAVING);
	closefd(&held);
}

static void
a_released_slot_does_not_end_a_child_with_connections(void **state)
{
	int held;

	(void)state;
	rig_start(&rig_handler);
	held = rig_connect();
	adopt(SLOT, make_listener(), CTL_SLOT_KEEP);
	drain_begin(&rig.ch, 30, CTL_SCALE);
	accept_release(&rig.ch, SLOT);
	assert_int_equal(rig.ch.state, CHILD_DRAINING);
	closefd(&held);
	rig_until(rig.ch.state == CHILD_LEAVING);
}

static void
a_kept_slot_that_is_shut_down_lets_it_leave(void **state)
{
	int fd = make_listener();

	(void)state;
	rig_start(&rig_handler);
	adopt(SLOT, fd, CTL_SLOT_KEEP);
	drain_begin(&rig.ch, 30, CTL_RELOAD);
	call_in(1);
	rig_until(rig.opens == 1);
	child_close_conns(&rig.ch);
	assert_int_equal(shutdown(fd, SHUT_RDWR), 0);
	rig_until(rig.ch.state == CHILD_LEAVING);
}

static void
a_slot_of_its_own_can_be_kept_later(void **state)
{
	int copy, held, fd = make_listener();

	(void)state;
	rig_start(&rig_handler);
	held = rig_connect();
	add(SLOT, fd, true);
	drain_begin(&rig.ch, 30, CTL_RELOAD);
	call_in(1);
	rig_turn();
	assert_int_equal(rig.opens, 1);
	copy = dup(fd);
	adopt(SLOT, copy, CTL_SLOT_KEEP);
	assert_int_equal(fcntl(copy, F_GETFD), -1);
	rig_until(rig.opens == 2);
	closefd(&held);
}

static void
a_draining_child_can_be_given_a_slot_to_keep(void **state)
{
	int held;

	(void)state;
	rig_start(&rig_handler);
	held = rig_connect();
	drain_begin(&rig.ch, 30, CTL_UPGRADE);
	adopt(SLOT, make_listener(), CTL_SLOT_KEEP);
	call_in(1);
	rig_until(rig.opens == 2);
	closefd(&held);
}

static void
a_plain_adoption_ends_the_keeping(void **state)
{
	int fd = make_listener();

	(void)state;
	rig_start(&rig_handler);
	adopt(SLOT, fd, CTL_SLOT_KEEP);
	drain_begin(&rig.ch, 30, CTL_RELOAD);
	assert_int_equal(rig.ch.state, CHILD_DRAINING);
	/* Nothing else holds it. */
	adopt(SLOT, dup(fd), 0);
	assert_int_equal(rig.ch.state, CHILD_LEAVING);
}

static void
at_the_deadline_a_kept_slot_is_left_alone(void **state)
{
	(void)state;
	rig_start(&rig_handler);
	adopt(SLOT, make_listener(), CTL_SLOT_KEEP);
	drain_begin(&rig.ch, 0.05, CTL_RELOAD);
	rig_until(rig.ch.drain.is_cutting);
	/* Without a connection there is nothing to wait for. */
	assert_int_equal(rig.ch.state, CHILD_LEAVING);
	call_in(1);
	rig_turn();
	assert_int_equal(rig.opens, 0);
}

static void
resume_polls_what_was_polled_before(void **state)
{
	struct listener *l;
	int held;

	(void)state;
	rig_start(&rig_handler);
	held = rig_connect();
	add(1, make_listener(), true);
	add(2, make_listener(), true);
	drain_begin(&rig.ch, 30, CTL_RELOAD);
	accept_release(&rig.ch, 1);
	drain_resume(&rig.ch);
	TAILQ_FOREACH(l, &rig.ch.listeners, entry)
		assert_int_equal(ev_is_active(&l->io), l->id == 2);
	closefd(&held);
}

int
main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(a_polled_slot_is_accepted_from),
		test(a_slot_that_is_only_kept_is_not),
		test(a_released_slot_is_kept_and_can_be_polled_again),
		test(a_released_slot_that_was_shut_down_is_forgotten),
		test(a_second_copy_of_a_slot_is_closed),
		test(a_slot_of_no_server_is_refused_and_closed),
		test(one_event_accepts_no_more_than_its_budget),
		test(a_full_server_pauses_until_a_connection_closes),
		test(a_full_child_pauses_too),
		test(out_of_descriptors_it_is_sick_until_one_is_free),
		test(at_the_limit_the_master_is_told_once),
		test(out_of_descriptors_it_tries_again_after_a_second),
		test(errors_of_a_single_connection_do_not_stop_the_others),
		test(a_listener_that_was_shut_down_rests_and_does_not_spin),
		test(options_of_the_url_hold_for_what_is_accepted),
		test(a_stopping_child_serves_until_its_listeners_are_shut),
		test(any_other_drain_leaves_the_queue_to_a_sibling),
		test(a_kept_slot_is_served_until_it_is_released),
		test(only_the_last_kept_slot_lets_it_leave),
		test(a_released_slot_does_not_end_a_child_with_connections),
		test(a_kept_slot_that_is_shut_down_lets_it_leave),
		test(a_slot_of_its_own_can_be_kept_later),
		test(a_draining_child_can_be_given_a_slot_to_keep),
		test(a_plain_adoption_ends_the_keeping),
		test(at_the_deadline_a_kept_slot_is_left_alone),
		test(resume_polls_what_was_polled_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

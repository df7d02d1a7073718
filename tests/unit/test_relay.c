/* SPDX-License-Identifier: BSD-2-Clause */
/* Accept mode dispatch as the master sees it: who has which end of a pair, and
 * what becomes of pairs that are left or shut. */
#include "tests/unit/fixture.h"

#include <errno.h>
#include <signal.h>

#include "shared/handoff.h"

static struct place acceptor_place;

static int
open_dispatched(void **state)
{
	struct listener *l;
	struct err err;

	assert_int_equal(fixture_open(state), 0);
	l = fx.listener;
	fx.generation.conf.accept = CONF_ACCEPT_DISPATCH;
	fx.generation.conf.balance = CONF_BALANCE_LEAST_CONNECTIONS;
	l->has_slot_per_place = false;
	l->is_dispatched = true;
	while (l->nslots > 1)
		closefd(&l->slots[--l->nslots].fd);
	l->slots[0].place = SLOT_ACCEPTORS;
	fx.m.last_slot_id = 100;
	assert_int_equal(relay_open(&fx.m, l, FIXTURE_PLACES, &err), 0);
	place_init(&acceptor_place, &fx.m, HERITAGE_ACCEPTOR);
	place_open(&acceptor_place);
	fx.m.acceptor = &acceptor_place;
	return 0;
}

static int
close_dispatched(void **state)
{
	place_stop(&acceptor_place);
	relay_close(fx.listener);
	return fixture_close(state);
}

static uint32_t
reader_of(int place)
{
	return fx.listener->relays[place].reader.id;
}

static uint32_t
writer_of(int place)
{
	return fx.listener->relays[place].writer.id;
}

static struct proc *
acceptor(void)
{
	return fx.m.acceptor->incumbent;
}

/* As the master does between two turns. */
static void
step(void)
{
	acceptor_step(&fx.m);
	slot_update(&fx.m);
}

/* The next message is one of this type, for this slot; its flags. */
static uint32_t
expect(struct proc *p, enum ctl_type type, uint32_t id)
{
	struct ctl_msg msg;

	assert_int_equal(fixture_heard(p, &msg), type);
	assert_int_equal(msg.body.slot.id, id);
	return msg.body.slot.flags;
}

static void
expect_nothing(struct proc *p)
{
	struct ctl_msg msg;

	assert_int_equal(fixture_heard(p, &msg), CTL_NONE);
}

/* Throw away what it was told so far. */
static void
skip_messages(struct proc *p)
{
	struct ctl_msg msg;

	while (fixture_heard(p, &msg) != CTL_NONE)
		continue;
}

/* An acceptor and all children are READY and have heard everything. */
static void
all_ready(void)
{
	int i;

	fixture_all_ready();
	fixture_say(acceptor(), CTL_PREPARED, NULL, 0);
	fixture_say(acceptor(), CTL_READY, NULL, 0);
	step();
	skip_messages(acceptor());
	for (i = 0; i < FIXTURE_PLACES; i++)
		skip_messages(fx.m.places[i].incumbent);
}

static void
the_acceptor_gets_the_write_ends_of_places_that_have_a_child(void **state)
{
	struct ctl_msg msg;
	int i;

	(void)state;
	place_fork_due(&fx.m);
	fixture_say(acceptor(), CTL_PREPARED, NULL, 0);
	slot_update(&fx.m);
	assert_int_equal(fixture_heard(acceptor(), &msg), CTL_START);
	expect_nothing(acceptor());
	fixture_all_ready();
	slot_update(&fx.m);
	for (i = 0; i < FIXTURE_PLACES; i++) {
		assert_int_equal(fixture_heard(acceptor(), &msg), CTL_ADOPT);
		assert_int_equal(msg.body.slot.id, writer_of(i));
		assert_int_equal(msg.body.slot.flags, CTL_SLOT_WRITE);
		assert_int_equal(msg.body.slot.place, i);
	}
	expect_nothing(acceptor());
}

static void
it_is_shown_the_page_of_each_child_once(void **state)
{
	struct ctl_msg msg;
	int i;

	(void)state;
	fixture_all_ready();
	fixture_say(acceptor(), CTL_PREPARED, NULL, 0);
	acceptor_step(&fx.m);
	assert_int_equal(fixture_heard(acceptor(), &msg), CTL_START);
	for (i = 0; i < FIXTURE_PLACES; i++) {
		assert_int_equal(fixture_heard(acceptor(), &msg), CTL_PAGE);
		assert_int_equal(msg.body.page.place, i);
		assert_int_equal(msg.body.page.connections_at,
		    offsetof(struct board_page, gauges[BOARD_CONNECTIONS]));
		assert_int_equal(msg.body.page.accepted_at,
		    offsetof(struct board_page, counters[BOARD_ACCEPTED]));
	}
	acceptor_step(&fx.m);
	expect_nothing(acceptor());
}

static void
while_no_acceptor_is_ready_two_children_poll_its_socket(void **state)
{
	int i;

	(void)state;
	all_ready();
	proc_on_eof(acceptor());
	slot_update(&fx.m);
	for (i = 1; i < FIXTURE_PLACES; i++)
		assert_int_equal(expect(fx.m.places[i].incumbent, CTL_ADOPT,
				     fx.listener->slots[0].id),
		    0);
	expect_nothing(fx.m.places[0].incumbent);
	proc_on_reaped(acceptor(), SIGKILL);
	place_fork_due(&fx.m);
	fixture_say(acceptor(), CTL_PREPARED, NULL, 0);
	fixture_say(acceptor(), CTL_READY, NULL, 0);
	slot_update(&fx.m);
	for (i = 1; i < FIXTURE_PLACES; i++)
		(void)expect(fx.m.places[i].incumbent, CTL_RELEASE,
		    fx.listener->slots[0].id);
}

static void
a_sick_acceptor_is_stood_in_for(void **state)
{
	struct ctl_errno sick = { .code = EMFILE };

	(void)state;
	all_ready();
	fixture_say(acceptor(), CTL_SICK, &sick, sizeof(sick));
	slot_update(&fx.m);
	(void)expect(fx.m.places[1].incumbent, CTL_ADOPT,
	    fx.listener->slots[0].id);
	fixture_say(acceptor(), CTL_WELL, NULL, 0);
	slot_update(&fx.m);
	(void)expect(fx.m.places[1].incumbent, CTL_RELEASE,
	    fx.listener->slots[0].id);
}

static void
the_pair_of_a_dead_child_is_read_by_siblings(void **state)
{
	int i;

	(void)state;
	all_ready();
	proc_on_eof(fx.m.places[1].incumbent);
	slot_update(&fx.m);
	for (i = 0; i < FIXTURE_PLACES; i += 2)
		assert_int_equal(
		    expect(fx.m.places[i].incumbent, CTL_ADOPT, reader_of(1)),
		    CTL_SLOT_READ);
	/* It stays a place to send to: somebody reads. */
	expect_nothing(acceptor());
}

static void
a_place_that_leaves_gets_nothing_more_and_ends_when_it_is_empty(void **state)
{
	struct relay *r = &fx.listener->relays[2];
	int got[HANDOFF_BATCH], copy = -1, ends[2];

	(void)state;
	all_ready();
	copy = dup(r->writer.fd);
	relay_exclude(fx.listener, 2, 3);
	slot_update(&fx.m);
	(void)expect(acceptor(), CTL_RELEASE, writer_of(2));
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(handoff_send(copy, ends[0]), 0);
	relay_park(fx.listener, 2);
	relay_tick(&fx.m);
	/* What waits is served first, and nothing comes after it. */
	assert_int_not_equal(r->reader.fd, -1);
	assert_int_equal(relay_queue(fx.listener), 1);
	assert_int_equal(handoff_send(copy, ends[0]), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(handoff_receive(r->reader.fd, got, 1), 1);
	relay_tick(&fx.m);
	assert_int_equal(r->reader.fd, -1);
	assert_int_equal(r->writer.fd, -1);
	closefd(&got[0]);
	closefd(&ends[0]);
	closefd(&ends[1]);
	closefd(&copy);
}

static void
a_place_that_stays_after_all_is_sent_to_again(void **state)
{
	(void)state;
	all_ready();
	relay_exclude(fx.listener, 2, 3);
	slot_update(&fx.m);
	(void)expect(acceptor(), CTL_RELEASE, writer_of(2));
	relay_include(fx.listener, 2, 3);
	slot_update(&fx.m);
	assert_int_equal(expect(acceptor(), CTL_ADOPT, writer_of(2)),
	    CTL_SLOT_WRITE);
}

static void
a_pair_that_a_child_has_shut_gets_another_in_its_stead(void **state)
{
	struct relay *r = &fx.listener->relays[0];
	uint32_t before = r->reader.id, written = r->writer.id;

	(void)state;
	all_ready();
	log_set_level(LOG_ERROR);
	relay_guard(&fx.m);
	assert_int_equal(r->reader.id, before);
	assert_int_equal(shutdown(r->reader.fd, SHUT_RDWR), 0);
	relay_guard(&fx.m);
	assert_int_not_equal(r->reader.id, before);
	assert_true(r->reader.is_listening);
	slot_update(&fx.m);
	(void)expect(fx.m.places[0].incumbent, CTL_RELEASE, before);
	(void)expect(fx.m.places[0].incumbent, CTL_RELEASE, written);
	assert_int_equal(
	    expect(fx.m.places[0].incumbent, CTL_ADOPT, r->reader.id),
	    CTL_SLOT_READ);
	(void)expect(acceptor(), CTL_RELEASE, before);
	(void)expect(acceptor(), CTL_RELEASE, written);
	assert_int_equal(expect(acceptor(), CTL_ADOPT, r->writer.id),
	    CTL_SLOT_WRITE);
}

static void
more_places_have_more_pairs_and_those_there_are_stay(void **state)
{
	uint32_t before = reader_of(0);
	struct err err;

	(void)state;
	assert_int_equal(relay_open(&fx.m, fx.listener, 5, &err), 0);
	assert_int_equal(fx.listener->nrelays, 5);
	assert_int_equal(reader_of(0), before);
	assert_int_not_equal(fx.listener->relays[4].writer.fd, -1);
	assert_false(relay_is_open(&fx.listener->relays[4].reader));
	relay_listen(fx.listener, 4);
	assert_true(relay_is_open(&fx.listener->relays[4].reader));
}

static void
it_follows_the_generation_that_serves(void **state)
{
	struct generation next = fx.generation;
	struct proc *old;

	(void)state;
	all_ready();
	old = acceptor();
	next.number = 2;
	next.children = 0;
	fx.m.generation = &next;
	acceptor_step(&fx.m);
	place_fork_due(&fx.m);
	assert_ptr_equal(acceptor(), old);
	assert_non_null(fx.m.acceptor->successor);
	assert_ptr_equal(fx.m.acceptor->successor->generation, &next);
	fixture_say(fx.m.acceptor->successor, CTL_PREPARED, NULL, 0);
	fixture_say(fx.m.acceptor->successor, CTL_READY, NULL, 0);
	assert_int_equal(old->state, PROC_DRAINING);
	fx.m.generation = &fx.generation;
	fx.m.acceptor->generation = &fx.generation;
}

static void
it_counts_in_no_number_about_the_service(void **state)
{
	int ready;

	(void)state;
	all_ready();
	ready = master_accepting(&fx.m);
	assert_int_equal(ready, FIXTURE_PLACES);
	proc_on_reaped(acceptor(), SIGKILL);
	assert_int_equal(master_accepting(&fx.m), FIXTURE_PLACES);
	assert_int_equal(fx.m.crashes, 0);
	assert_int_equal(fx.m.min_accepting, FIXTURE_PLACES);
}

#define with_pairs(f)                                                          \
	cmocka_unit_test_setup_teardown(f, open_dispatched, close_dispatched)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_pairs(
		    the_acceptor_gets_the_write_ends_of_places_that_have_a_child),
		with_pairs(it_is_shown_the_page_of_each_child_once),
		with_pairs(
		    while_no_acceptor_is_ready_two_children_poll_its_socket),
		with_pairs(a_sick_acceptor_is_stood_in_for),
		with_pairs(the_pair_of_a_dead_child_is_read_by_siblings),
		with_pairs(
		    a_place_that_leaves_gets_nothing_more_and_ends_when_it_is_empty),
		with_pairs(a_place_that_stays_after_all_is_sent_to_again),
		with_pairs(
		    a_pair_that_a_child_has_shut_gets_another_in_its_stead),
		with_pairs(
		    more_places_have_more_pairs_and_those_there_are_stay),
		with_pairs(it_follows_the_generation_that_serves),
		with_pairs(it_counts_in_no_number_about_the_service),
	};

	return cmocka_run_group_tests_name("relay", tests, NULL, NULL);
}

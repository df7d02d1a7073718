/* SPDX-License-Identifier: BSD-2-Clause */
/* Adoption: no queue is without a poller while anybody serves. */
#include "tests/unit/fixture.h"

#include <signal.h>

static void
nobody_adopts_while_all_are_ready(void **state)
{
	struct ctl_msg msg;

	(void)state;
	fixture_all_ready();
	slot_update(&fx.m);
	assert_int_equal(fixture_heard(fx.m.places[0].incumbent, &msg),
	    CTL_NONE);
}

static void
a_dead_childs_slot_is_adopted_by_two_siblings(void **state)
{
	struct ctl_msg msg;
	int i;

	(void)state;
	fixture_all_ready();
	proc_on_eof(fx.m.places[1].incumbent);
	slot_update(&fx.m);
	for (i = 0; i < FIXTURE_PLACES; i += 2) {
		struct proc *p = fx.m.places[i].incumbent;

		assert_int_equal(fixture_heard(p, &msg), CTL_ADOPT);
		assert_int_equal(msg.body.slot.id, 11);
		assert_int_equal(fixture_heard(p, &msg), CTL_NONE);
	}
}

static void
a_slot_that_no_place_has_is_served_by_two(void **state)
{
	struct ctl_msg msg;
	int i;

	(void)state;
	fixture_all_ready();
	fx.listener->has_slot_per_place = false;
	fx.listener->slots[0].place = SLOT_SHARED;
	fx.listener->slots[1].place = SLOT_NOBODYS;
	fx.listener->slots[2].is_listening = false;
	slot_update(&fx.m);
	assert_int_equal(fixture_heard(fx.m.places[1].incumbent, &msg),
	    CTL_NONE);
	for (i = 0; i < FIXTURE_PLACES; i += 2) {
		struct proc *p = fx.m.places[i].incumbent;

		assert_int_equal(fixture_heard(p, &msg), CTL_ADOPT);
		assert_int_equal(msg.body.slot.id, 11);
	}
}

static void
an_adopter_that_is_found_dead_has_its_own_slot_adopted_too(void **state)
{
	struct proc *last;
	struct ctl_msg msg;

	(void)state;
	fixture_all_ready();
	last = fx.m.places[2].incumbent;
	/* Its end is not known before it is told to adopt. */
	closefd(&fx.peer[fx.m.places[1].incumbent->pid - 1]);
	proc_on_eof(fx.m.places[0].incumbent);
	slot_update(&fx.m);
	assert_int_equal(fx.m.places[1].incumbent->state, PROC_DEAD);
	slot_update(&fx.m);
	assert_int_equal(fixture_heard(last, &msg), CTL_ADOPT);
	assert_int_equal(msg.body.slot.id, 10);
	assert_int_equal(fixture_heard(last, &msg), CTL_ADOPT);
	assert_int_equal(msg.body.slot.id, 11);
}

static void
an_adopter_is_released_when_the_place_is_ready_again(void **state)
{
	struct place *pl = &fx.m.places[1];
	struct ctl_msg msg;

	(void)state;
	fixture_all_ready();
	proc_on_reaped(pl->incumbent, SIGKILL);
	slot_update(&fx.m);
	assert_int_equal(fixture_heard(fx.m.places[0].incumbent, &msg),
	    CTL_ADOPT);
	place_fork_due(&fx.m);
	fixture_say(pl->incumbent, CTL_PREPARED, NULL, 0);
	slot_update(&fx.m);
	assert_int_equal(fixture_heard(fx.m.places[0].incumbent, &msg),
	    CTL_NONE);
	fixture_say(pl->incumbent, CTL_READY, NULL, 0);
	slot_update(&fx.m);
	assert_int_equal(fixture_heard(fx.m.places[0].incumbent, &msg),
	    CTL_RELEASE);
	assert_int_equal(msg.body.slot.id, 11);
}

static void
when_an_adopter_dies_the_last_one_adopts_both(void **state)
{
	struct proc *last;
	struct ctl_msg msg;

	(void)state;
	fixture_all_ready();
	last = fx.m.places[2].incumbent;
	proc_on_eof(fx.m.places[1].incumbent);
	slot_update(&fx.m);
	assert_int_equal(fixture_heard(last, &msg), CTL_ADOPT);
	proc_on_eof(fx.m.places[0].incumbent);
	slot_update(&fx.m);
	assert_int_equal(fixture_heard(last, &msg), CTL_ADOPT);
	assert_int_equal(msg.body.slot.id, 10);
	assert_int_equal(fixture_heard(last, &msg), CTL_NONE);
}

static void
a_sick_childs_slot_is_adopted_until_it_is_well(void **state)
{
	struct ctl_errno sick = { .code = EMFILE };
	struct proc *p, *sibling;
	struct ctl_msg msg;

	(void)state;
	fixture_all_ready();
	p = fx.m.places[0].incumbent;
	sibling = fx.m.places[1].incumbent;
	fixture_say(p, CTL_SICK, &sick, sizeof(sick));
	slot_update(&fx.m);
	assert_int_equal(fixture_heard(sibling, &msg), CTL_ADOPT);
	fixture_say(p, CTL_WELL, NULL, 0);
	slot_update(&fx.m);
	assert_int_equal(fixture_heard(sibling, &msg), CTL_RELEASE);
}

static void
while_all_are_sick_they_still_adopt(void **state)
{
	struct ctl_errno sick = { .code = EMFILE };
	struct ctl_msg msg;

	(void)state;
	fixture_all_ready();
	fixture_say(fx.m.places[0].incumbent, CTL_SICK, &sick, sizeof(sick));
	fixture_say(fx.m.places[2].incumbent, CTL_SICK, &sick, sizeof(sick));
	proc_on_eof(fx.m.places[1].incumbent);
	slot_update(&fx.m);
	assert_int_equal(fixture_heard(fx.m.places[0].incumbent, &msg),
	    CTL_ADOPT);
	assert_int_equal(msg.body.slot.id, 11);
}

static void
an_adopter_that_is_busy_lives_and_is_told_later(void **state)
{
	struct proc *busy;

	(void)state;
	fixture_all_ready();
	busy = fx.m.places[2].incumbent;
	fixture_block(busy);
	proc_on_eof(fx.m.places[1].incumbent);
	proc_on_eof(fx.m.places[0].incumbent);
	slot_update(&fx.m);
	assert_int_equal(busy->state, PROC_READY);
	assert_null(fx.listener->slots[1].adopters[0]);
	assert_int_equal(fixture_unblock(busy), CTL_ADOPT);
	assert_ptr_equal(fx.listener->slots[0].adopters[0], busy);
	assert_ptr_equal(fx.listener->slots[1].adopters[0], busy);
}

static void
a_socket_that_does_not_listen_is_not_adopted(void **state)
{
	struct ctl_msg msg;

	(void)state;
	fixture_all_ready();
	fx.listener->slots[1].is_listening = false;
	proc_on_eof(fx.m.places[1].incumbent);
	slot_update(&fx.m);
	assert_int_equal(fixture_heard(fx.m.places[0].incumbent, &msg),
	    CTL_NONE);
}

static void
siblings_found_dead_on_the_way_are_nobodys_adopters(void **state)
{
	int i;

	(void)state;
	fixture_all_ready();
	proc_on_eof(fx.m.places[0].incumbent);
	/* They died too, and nobody has told the master yet. */
	for (i = 1; i < FIXTURE_PLACES; i++)
		closefd(&fx.peer[fx.m.places[i].incumbent->pid - 1]);
	slot_update(&fx.m);
	for (i = 0; i < FIXTURE_PLACES; i++) {
		assert_int_equal(fx.m.places[i].incumbent->state, PROC_DEAD);
		assert_null(fx.listener->slots[i].adopters[0]);
	}
	assert_true(fx.m.is_changed);
}

/* ---- listeners that a reload leaves ---- */

static void
two_who_know_it_keep_a_listener_that_is_left(void **state)
{
	struct slot *s = &fx.listener->slots[0];
	struct ctl_msg msg;
	int i, kept = 0;

	(void)state;
	fixture_all_ready();
	fx.listener->is_leaving = true;
	slot_update(&fx.m);
	for (i = 0; i < FIXTURE_PLACES; i++) {
		struct proc *p = fx.m.places[i].incumbent;

		while (fixture_heard(p, &msg) == CTL_ADOPT) {
			assert_int_equal(msg.body.slot.flags, CTL_SLOT_KEEP);
			kept += msg.body.slot.id == s->id;
		}
	}
	assert_int_equal(kept, POLICY_ADOPTERS);
}

static void
who_keeps_a_slot_keeps_it_while_it_drains(void **state)
{
	struct slot *s = &fx.listener->slots[0];
	struct proc *keeper, *other;
	struct ctl_msg msg;

	(void)state;
	fixture_all_ready();
	fx.listener->is_leaving = true;
	slot_update(&fx.m);
	keeper = s->adopters[0];
	other = s->adopters[1];
	proc_drain(keeper, CTL_RELOAD);
	slot_update(&fx.m);
	assert_ptr_equal(s->adopters[0], keeper);
	/* One that dies is followed by another. */
	proc_on_eof(other);
	slot_update(&fx.m);
	assert_ptr_equal(s->adopters[0], keeper);
	assert_non_null(s->adopters[1]);
	assert_ptr_not_equal(s->adopters[1], other);
	while (fixture_heard(keeper, &msg) != CTL_NONE)
		assert_int_not_equal(msg.head.type, CTL_RELEASE);
}

static void
nobody_keeps_a_slot_that_was_shut(void **state)
{
	struct proc *owner, *sibling;
	struct ctl_msg msg;
	unsigned flags = CTL_SLOT_KEEP;
	enum ctl_type last = CTL_NONE, type;

	(void)state;
	fixture_all_ready();
	fx.listener->is_leaving = true;
	slot_update(&fx.m);
	fx.listener->is_shut = true;
	slot_update(&fx.m);
	assert_null(fx.listener->slots[0].adopters[0]);
	/* The owner is told not to keep it, a sibling to let go of it. */
	owner = fx.m.places[0].incumbent;
	while (fixture_heard(owner, &msg) == CTL_ADOPT)
		if (msg.body.slot.id == fx.listener->slots[0].id)
			flags = msg.body.slot.flags;
	assert_int_equal(flags, 0);
	sibling = fx.m.places[1].incumbent;
	while ((type = fixture_heard(sibling, &msg)) != CTL_NONE)
		if (msg.body.slot.id == fx.listener->slots[0].id)
			last = type;
	assert_int_equal(last, CTL_RELEASE);
}

static void
who_does_not_know_a_listener_does_not_keep_it(void **state)
{
	struct generation *next = fixture_next(0, 0);
	int i;

	(void)state;
	fixture_all_ready();
	next->listeners[0] = NULL;
	for (i = 0; i < FIXTURE_PLACES; i++) {
		struct proc *p = fx.m.places[i].incumbent;

		p->generation->children--;
		p->generation = next;
		next->children++;
	}
	fx.listener->is_leaving = true;
	slot_update(&fx.m);
	assert_null(fx.listener->slots[0].adopters[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_fixture(nobody_adopts_while_all_are_ready),
		with_fixture(a_dead_childs_slot_is_adopted_by_two_siblings),
		with_fixture(a_slot_that_no_place_has_is_served_by_two),
		with_fixture(
		    an_adopter_that_is_found_dead_has_its_own_slot_adopted_too),
		with_fixture(
		    an_adopter_is_released_when_the_place_is_ready_again),
		with_fixture(when_an_adopter_dies_the_last_one_adopts_both),
		with_fixture(a_sick_childs_slot_is_adopted_until_it_is_well),
		with_fixture(while_all_are_sick_they_still_adopt),
		with_fixture(an_adopter_that_is_busy_lives_and_is_told_later),
		with_fixture(a_socket_that_does_not_listen_is_not_adopted),
		with_fixture(
		    siblings_found_dead_on_the_way_are_nobodys_adopters),
		with_fixture(two_who_know_it_keep_a_listener_that_is_left),
		with_fixture(who_keeps_a_slot_keeps_it_while_it_drains),
		with_fixture(nobody_keeps_a_slot_that_was_shut),
		with_fixture(who_does_not_know_a_listener_does_not_keep_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

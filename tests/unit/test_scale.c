/* SPDX-License-Identifier: BSD-2-Clause */
/* More children, fewer, and the slots that are left behind. */
#include "tests/unit/fixture.h"

#include <signal.h>

#define EXITED(code) ((code) << 8)
#define LONG_NS (100 * NSEC_PER_SEC)

/* All are READY; the listener's sockets are real and listen. */
static int
setup(void **state)
{
	int i;

	if (fixture_open(state) == -1)
		return -1;
	fx.generation.conf.processes_max = FIXTURE_PLACES;
	fx.listener->url.port = 0;
	assert_int_equal(addr_from_ip(&fx.listener->addr, "127.0.0.1", 0), 0);
	for (i = 0; i < FIXTURE_PLACES; i++) {
		struct slot *s = &fx.listener->slots[i];

		s->is_listening = false;
		assert_int_equal(socket_share(s->fd), 0);
		assert_int_equal(socket_listen(fx.listener, s), 0);
	}
	fixture_all_ready();
	return 0;
}

static void
tick(int times)
{
	while (times-- > 0)
		op_step(&fx.m);
}

static void
new_places_get_children_and_slots(void **state)
{
	(void)state;
	(void)scale_ask(&fx.m, 5);
	tick(1);
	assert_int_equal(fx.m.state, MASTER_SCALING);
	assert_int_equal(fx.m.nplaces, 5);
	assert_int_equal(fx.listener->nslots, 5);
	place_fork_due(&fx.m);
	fixture_rise(fx.m.places[3].incumbent);
	tick(1);
	assert_int_equal(fx.m.state, MASTER_SCALING);
	assert_true(fx.listener->slots[3].is_listening);
	fixture_rise(fx.m.places[4].incumbent);
	tick(1);
	assert_int_equal(fx.m.state, MASTER_RUNNING);
	assert_true(fx.m.scale.has_override);
}

static void
an_old_place_in_trouble_does_not_keep_the_new_ones_from_being_done(void **state)
{
	(void)state;
	proc_on_reaped(fx.m.places[0].incumbent, EXITED(1));
	(void)scale_ask(&fx.m, 4);
	tick(1);
	place_fork_due(&fx.m);
	fixture_rise(fx.m.places[3].incumbent);
	tick(1);
	assert_int_equal(fx.m.state, MASTER_RUNNING);
	assert_int_equal(fx.m.nplaces, 4);
}

static void
growth_that_fails_is_taken_back(void **state)
{
	const struct op_result *r;
	uint32_t ticket = scale_ask(&fx.m, 4);
	int i;

	(void)state;
	tick(1);
	for (i = 0; i < POLICY_FIRST_TRIES; i++) {
		place_rescue(&fx.m.places[3]);
		place_fork_due(&fx.m);
		proc_on_reaped(fx.m.places[3].incumbent, EXITED(3));
		tick(1);
	}
	assert_int_equal(op_verdict(&fx.m, ticket, &r), OP_FAILED);
	assert_string_equal(r->err.text,
	    "only 0 of 1 new children got ready: exit code 3");
	assert_int_equal(fx.m.nplaces, FIXTURE_PLACES);
	assert_int_equal(fx.m.nplaces_used, FIXTURE_PLACES);
	assert_false(ev_is_active(&fx.m.places[3].retry_w));
	/* Its socket closes at the next tick: nobody was ever sent there. */
	fx.listener->slots[3].retire_ns = 1;
	scale_tick(&fx.m);
	assert_int_equal(fx.listener->slots[3].fd, -1);
}

static void
growth_in_which_nothing_happens_is_given_up(void **state)
{
	const struct op_result *r;
	uint32_t ticket = scale_ask(&fx.m, 4);

	(void)state;
	fx.fork_fails = true;
	tick(1);
	place_fork_due(&fx.m);
	fx.m.scale.progress_ns -= LONG_NS;
	tick(1);
	assert_int_equal(op_verdict(&fx.m, ticket, &r), OP_FAILED);
	assert_non_null(strstr(r->err.text, "fork for child: no"));
}

static void
one_that_leaves_gets_nothing_new_first_and_drains_then(void **state)
{
	struct slot *s = &fx.listener->slots[2];
	struct proc *leaver = fx.m.places[2].incumbent;
	const struct op_result *r;
	uint32_t ticket = scale_ask(&fx.m, 2);
	struct ctl_msg msg;

	(void)state;
	tick(5);
	assert_true(s->is_excluded);
	assert_true(fx.listener->steer.has_program);
	assert_int_equal(leaver->state, PROC_READY);
	assert_int_equal(fx.m.state, MASTER_SCALING);
	fx.m.scale.since_ns -= NSEC_PER_SEC;
	tick(1);
	assert_int_equal(leaver->state, PROC_DRAINING);
	assert_int_equal(fixture_heard(leaver, &msg), CTL_DRAIN);
	assert_int_equal(msg.body.drain.reason, CTL_SCALE);
	assert_int_equal(fx.m.nplaces_used, 2);
	/* Parked: siblings poll it. */
	assert_int_not_equal(s->retire_ns, 0);
	slot_update(&fx.m);
	assert_int_equal(fixture_heard(fx.m.places[0].incumbent, &msg),
	    CTL_ADOPT);
	assert_int_equal(msg.body.slot.id, s->id);
	assert_int_equal(op_verdict(&fx.m, ticket, &r), OP_UNDECIDED);
	proc_on_reaped(leaver, 0);
	assert_int_equal(op_verdict(&fx.m, ticket, &r), OP_DONE);
	place_fork_due(&fx.m);
	assert_int_equal(fx.forks, FIXTURE_PLACES);
}

static void
a_queue_that_does_not_run_out_is_not_waited_for_without_end(void **state)
{
	struct slot *s = &fx.listener->slots[2];
	struct addr a = { .len = sizeof(a.u) };
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(getsockname(s->fd, &a.u.sa, &a.len), 0);
	assert_int_equal(connect(client, &a.u.sa, a.len), 0);
	(void)scale_ask(&fx.m, 2);
	tick(1);
	fx.m.scale.since_ns -= 5 * NSEC_PER_SEC;
	tick(9);
	assert_int_equal(fx.m.state, MASTER_SCALING);
	fx.m.scale.since_ns -= 5 * NSEC_PER_SEC;
	tick(1);
	assert_int_equal(fx.m.state, MASTER_RUNNING);
	/* Nor is the slot closed over it. */
	s->retire_ns = 1;
	scale_tick(&fx.m);
	assert_int_not_equal(s->fd, -1);
	closefd(&client);
}

/* Down to two children; the third's slot is parked. */
static struct slot *
park(void)
{
	(void)scale_ask(&fx.m, 2);
	tick(1);
	fx.m.scale.since_ns -= NSEC_PER_SEC;
	tick(3);
	assert_int_equal(fx.m.state, MASTER_RUNNING);
	return &fx.listener->slots[2];
}

static void
a_parked_slot_is_closed_when_its_time_is_over(void **state)
{
	struct slot *s = park();
	uint32_t id = s->id;
	struct proc *adopter;
	struct ctl_msg msg;

	(void)state;
	scale_tick(&fx.m);
	assert_int_not_equal(s->fd, -1);
	s->retire_ns = 1;
	slot_update(&fx.m);
	adopter = s->adopters[0];
	assert_non_null(adopter);
	while (fixture_heard(adopter, &msg) != CTL_ADOPT)
		continue;
	fx.m.is_changed = false;
	scale_tick(&fx.m);
	assert_int_equal(s->fd, -1);
	assert_false(s->is_excluded);
	/* It would be woken by it for ever. */
	assert_true(fx.m.is_changed);
	slot_update(&fx.m);
	assert_null(s->adopters[0]);
	assert_int_equal(fixture_heard(adopter, &msg), CTL_RELEASE);
	assert_int_equal(msg.body.slot.id, id);
	assert_false(fx.listener->steer.has_program);
	assert_int_equal(steer_index_of(&fx.listener->steer, id), -1);
}

static void
a_parked_slot_is_taken_over_by_the_next_child_of_its_place(void **state)
{
	struct slot *s = park();
	uint32_t id = s->id;
	int fd = s->fd;

	(void)state;
	(void)scale_ask(&fx.m, 3);
	tick(1);
	s = &fx.listener->slots[2];
	assert_int_equal(s->id, id);
	assert_int_equal(s->fd, fd);
	assert_int_equal(s->retire_ns, 0);
	assert_false(s->is_excluded);
	assert_false(fx.listener->steer.has_program);
	place_fork_due(&fx.m);
	fixture_rise(fx.m.places[2].incumbent);
	tick(1);
	assert_int_equal(fx.m.state, MASTER_RUNNING);
}

static void
where_strangers_share_the_port_a_slot_is_served_for_good(void **state)
{
	struct slot *s = park();

	(void)state;
	fx.listener->url.reuseport = URL_TRUE;
	s->retire_ns = 1;
	scale_tick(&fx.m);
	assert_int_not_equal(s->fd, -1);
	fx.listener->url.reuseport = URL_UNSET;
}

static void
a_stop_keeps_those_who_were_to_leave(void **state)
{
	(void)state;
	(void)scale_ask(&fx.m, 1);
	tick(1);
	assert_int_equal(fx.m.nplaces, 1);
	op_cancel_all(&fx.m);
	assert_int_equal(fx.m.nplaces, FIXTURE_PLACES);
	assert_false(fx.listener->slots[2].is_excluded);
	assert_false(fx.listener->steer.has_program);
	assert_int_equal(fx.m.scale.phase, SCALE_IDLE);
}

static void
what_is_undone_while_it_grows_is_as_it_was(void **state)
{
	struct err err;
	struct proc *p;

	(void)state;
	scale_start(&fx.m, 4);
	place_fork_due(&fx.m);
	p = fx.m.places[3].incumbent;
	assert_int_equal(scale_go_on(&fx.m, &err), SCALE_UNDER_WAY);
	scale_undo(&fx.m);
	assert_int_equal(fx.m.nplaces, FIXTURE_PLACES);
	assert_int_equal(p->state, PROC_DRAINING);
	assert_null(fx.m.places[3].incumbent);
	place_fork_due(&fx.m);
	assert_int_equal(fx.forks, FIXTURE_PLACES + 1);
}

static void
no_change_is_done_at_once_and_limits_hold(void **state)
{
	(void)state;
	(void)scale_ask(&fx.m, FIXTURE_PLACES);
	tick(1);
	assert_int_equal(fx.m.state, MASTER_RUNNING);
	(void)scale_ask(&fx.m, -7);
	assert_int_equal(op_wanted_children(&fx.m), 1);
	(void)scale_ask(&fx.m, 1 << 20);
	assert_int_equal(op_wanted_children(&fx.m), CONF_PROCESSES_MAX);
	(void)scale_ask_auto(&fx.m);
	assert_int_equal(op_wanted_children(&fx.m), FIXTURE_PLACES);
	assert_false(fx.m.scale.has_override);
}

static void
a_number_chosen_at_run_time_survives_unless_the_configured_one_changes(
    void **state)
{
	struct generation *same = fixture_next(0, 0);
	struct generation *other = fixture_next(0, 0);

	(void)state;
	other->conf.processes = other->conf.processes_max = 7;
	fx.m.nplaces = 2;
	assert_int_equal(scale_wanted(&fx.m, &fx.generation, same), 2);
	assert_int_equal(scale_wanted(&fx.m, &fx.generation, other), 7);
}

#define scaled(f) cmocka_unit_test_setup_teardown(f, setup, fixture_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scaled(new_places_get_children_and_slots),
		scaled(
		    an_old_place_in_trouble_does_not_keep_the_new_ones_from_being_done),
		scaled(growth_that_fails_is_taken_back),
		scaled(growth_in_which_nothing_happens_is_given_up),
		scaled(one_that_leaves_gets_nothing_new_first_and_drains_then),
		scaled(
		    a_queue_that_does_not_run_out_is_not_waited_for_without_end),
		scaled(a_parked_slot_is_closed_when_its_time_is_over),
		scaled(
		    a_parked_slot_is_taken_over_by_the_next_child_of_its_place),
		scaled(
		    where_strangers_share_the_port_a_slot_is_served_for_good),
		scaled(a_stop_keeps_those_who_were_to_leave),
		scaled(what_is_undone_while_it_grows_is_as_it_was),
		scaled(no_change_is_done_at_once_and_limits_hold),
		scaled(
		    a_number_chosen_at_run_time_survives_unless_the_configured_one_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

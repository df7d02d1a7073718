/* SPDX-License-Identifier: BSD-2-Clause */
/* The master's ears: what a child may not say costs that child its life, and
 * nothing else. */
#include "tests/unit/fixture.h"

#include <sys/socket.h>

static struct proc *
a_ready_child(void)
{
	fixture_all_ready();
	return fx.m.places[0].incumbent;
}

static void
assert_condemned(const struct proc *p)
{
	assert_int_equal(p->state, PROC_DEAD);
	assert_true(p->is_guilty);
	assert_int_equal(p->ctl, -1);
	assert_int_equal(fx.m.state, MASTER_RUNNING);
}

static void
a_message_in_the_wrong_state_is_the_end(void **state)
{
	struct proc *p = a_ready_child();

	(void)state;
	fixture_say(p, CTL_PREPARED, NULL, 0);
	assert_condemned(p);
}

static void
a_message_that_only_the_master_sends_is_the_end(void **state)
{
	struct proc *p = a_ready_child();

	(void)state;
	fixture_say(p, CTL_STOP, NULL, 0);
	assert_condemned(p);
}

static void
a_malformed_record_is_the_end(void **state)
{
	struct proc *p = a_ready_child();

	(void)state;
	assert_int_equal(send(fx.peer[p->pid - 1], "junk", 4, 0), 4);
	ev_run(fx.m.loop, EVRUN_NOWAIT);
	assert_condemned(p);
}

static void
an_empty_record_is_the_end(void **state)
{
	struct proc *p = a_ready_child();

	(void)state;
	assert_int_equal(send(fx.peer[p->pid - 1], "", 0, 0), 0);
	ev_run(fx.m.loop, EVRUN_NOWAIT);
	assert_condemned(p);
}

static void
a_child_stops_the_server_only_if_its_handler_may(void **state)
{
	struct proc *p = a_ready_child();

	(void)state;
	fx.generation.conf.servers[0].may_stop = false;
	fixture_say(p, CTL_SHUTDOWN, "bye", 3);
	assert_condemned(p);
}

static void
a_flood_is_the_end(void **state)
{
	struct ctl_errno sick = { .code = EMFILE };
	struct proc *p = a_ready_child();
	int i;

	(void)state;
	for (i = 0; i < 4000 && p->state == PROC_READY; i++)
		fixture_say(p, CTL_SICK, &sick, sizeof(sick));
	assert_condemned(p);
}

/* However fast the operator has the log opened anew. */
static void
answers_that_were_asked_for_are_no_flood(void **state)
{
	struct ctl_logs_ok ok = { .change = 0 };
	struct proc *p = a_ready_child();

	(void)state;
	for (ok.change = fx.m.log_change + 1; ok.change <= 1000; ok.change++) {
		fx.m.log_change = ok.change;
		fixture_say(p, CTL_LOGS_OK, &ok, sizeof(ok));
	}
	assert_int_equal(p->state, PROC_READY);
	for (ok.change = 0; ok.change < 4000 && p->state == PROC_READY;
	     ok.change++)
		fixture_say(p, CTL_LOGS_OK, &ok, sizeof(ok));
	assert_condemned(p);
}

static void
one_turn_reads_a_bounded_number_of_messages(void **state)
{
	struct ctl_errno sick = { .code = EMFILE };
	struct proc *p = a_ready_child();
	struct ctl_msg msg;
	int i, left = 0;

	(void)state;
	for (i = 0; i < 40; i++)
		assert_int_equal(ctl_send(fx.peer[p->pid - 1], CTL_SICK, 0, 1,
				     &sick, sizeof(sick), -1),
		    0);
	ev_run(fx.m.loop, EVRUN_NOWAIT);
	while (ctl_recv(p->ctl, &msg, false) == CTL_GOT_MSG)
		left++;
	assert_int_equal(left, 40 - 16);
}

static void
the_end_of_the_channel_is_death(void **state)
{
	struct proc *p = a_ready_child();

	(void)state;
	closefd(&fx.peer[p->pid - 1]);
	ev_run(fx.m.loop, EVRUN_NOWAIT);
	assert_int_equal(p->state, PROC_DEAD);
	assert_false(p->is_guilty);
	assert_true(fx.m.is_changed);
}

static void
a_child_that_is_busy_is_told_when_it_reads_again(void **state)
{
	struct proc *p = a_ready_child();

	(void)state;
	fixture_block(p);
	proc_drain(p, CTL_STOPPING);
	assert_int_equal(p->state, PROC_DRAINING);
	assert_int_equal(fixture_unblock(p), CTL_DRAIN);
	assert_int_equal(p->blocked_ns, 0);
	assert_int_equal(p->owed, 0);
}

/* Without its payload it would be a malformed record. */
static void
what_cannot_be_repeated_is_not_owed(void **state)
{
	struct ctl_logs logs = { .change = 1, .value = LOG_DEBUG };
	struct proc *p = a_ready_child();

	(void)state;
	fixture_block(p);
	p->owed = 0;
	assert_false(mctl_send(p, CTL_LEVEL, &logs, sizeof(logs), -1));
	assert_int_equal(p->owed, 0);
}

static void
a_child_that_does_not_read_for_long_is_killed(void **state)
{
	struct proc *p = a_ready_child();

	(void)state;
	fixture_block(p);
	mctl_tick(p);
	assert_int_equal(p->state, PROC_READY);
	p->blocked_ns -= (uint64_t)(fx.generation.conf.hang_timeout * 1e9);
	mctl_tick(p);
	assert_condemned(p);
}

static void
last_words_are_heard_after_death_and_escaped(void **state)
{
	struct proc *p = a_ready_child();

	(void)state;
	assert_int_equal(
	    ctl_send(fx.peer[p->pid - 1], CTL_FATAL, 0, 1, "no\ndisk", 7, -1),
	    0);
	mctl_stop(p);
	assert_string_equal(p->last_words, "no\\x0adisk");
}

static void
an_absurd_number_of_cut_connections_is_clamped(void **state)
{
	struct ctl_drained drained = { .cut = UINT32_MAX };
	struct proc *p = a_ready_child();

	(void)state;
	fixture_say(p, CTL_DRAINED, &drained, sizeof(drained));
	assert_int_equal(p->state, PROC_DRAINING);
	assert_int_equal(fx.m.cut, 1U << 20);
}

static void
a_child_that_says_again_that_it_leaves_does_not_live_longer(void **state)
{
	struct ctl_drained drained = { .cut = 1 };
	struct proc *p = a_ready_child();
	ev_tstamp end;

	(void)state;
	fixture_say(p, CTL_DRAINED, &drained, sizeof(drained));
	end = p->deadline_w.at;
	ev_now_update(fx.m.loop);
	fixture_say(p, CTL_DRAINED, &drained, sizeof(drained));
	assert_true(ev_is_active(&p->deadline_w));
	assert_true(p->deadline_w.at <= end);
	assert_int_equal(fx.m.cut, 1);
}

static void
a_child_that_left_instead_of_coming_back_does_not_come_back(void **state)
{
	struct ctl_drained drained = { .cut = 0 };
	struct proc *p = a_ready_child();

	(void)state;
	proc_drain(p, CTL_RELOAD);
	proc_resume(p);
	fixture_say(p, CTL_DRAINED, &drained, sizeof(drained));
	fixture_say(p, CTL_READY, NULL, 0);
	assert_int_equal(p->state, PROC_DRAINING);
	assert_true(ev_is_active(&p->deadline_w));
}

static void
a_canary_may_not_serve_before_it_is_told(void **state)
{
	struct proc *p;

	(void)state;
	fixture_all_ready();
	place_replace(&fx.m.places[0], &fx.generation, CTL_RELOAD, true);
	place_fork_due(&fx.m);
	p = fx.m.places[0].successor;
	fixture_say(p, CTL_PREPARED, NULL, 0);
	fixture_say(p, CTL_READY, NULL, 0);
	assert_condemned(p);
	assert_int_equal(fx.m.places[0].incumbent->state, PROC_READY);
}

/* A child of a newer build, as the master knows it after an upgrade. */
static struct proc *
a_newer_child(struct ctl_dialect *d)
{
	struct proc *p = a_ready_child();

	*d = *ctl_own_dialect();
	d->version++;
	d->sizes[CTL_WELL] = 4;
	d->sizes[d->ntypes++] = 0;
	p->dialect = d;
	return p;
}

static void
newer_says(struct proc *p, unsigned type, uint32_t length)
{
	struct ctl_msg m = {
		.head = {
			.version = p->dialect->version,
			.type = (uint16_t)type,
			.length = length,
		},
	};

	assert_int_not_equal(
	    send(fx.peer[p->pid - 1], &m, sizeof(m.head) + length, 0), -1);
	ev_run(fx.m.loop, EVRUN_NOWAIT);
}

static void
a_child_of_another_build_is_spoken_to_as_it_speaks(void **state)
{
	struct ctl_dialect d;
	struct proc *p = a_newer_child(&d);
	struct ctl_header head;

	(void)state;
	p->is_sick = true;
	newer_says(p, CTL_NTYPES, 0);
	newer_says(p, CTL_WELL, 4);
	assert_false(p->is_sick);
	assert_int_equal(p->state, PROC_READY);
	proc_tell(p, CTL_RESUME);
	assert_int_equal(recv(fx.peer[p->pid - 1], &head, sizeof(head), 0),
	    sizeof(head));
	assert_int_equal(head.version, d.version);
}

static void
what_a_childs_build_does_not_know_is_not_owed_to_it(void **state)
{
	struct ctl_dialect d;
	struct proc *p = a_newer_child(&d);

	(void)state;
	d.ntypes = CTL_LEVEL;
	assert_false(mctl_send(p, CTL_STATUS, &(struct ctl_status){ 0 },
	    sizeof(struct ctl_status), -1));
	assert_int_equal(p->owed, 0);
	assert_int_equal(p->blocked_ns, 0);
	assert_int_equal(p->state, PROC_READY);
}

static void
a_flood_of_what_nobody_understands_is_the_end_too(void **state)
{
	struct ctl_dialect d;
	struct proc *p = a_newer_child(&d);
	int i;

	(void)state;
	for (i = 0; i < 4000 && p->state == PROC_READY; i++)
		newer_says(p, CTL_NTYPES, 0);
	assert_condemned(p);
}

static void
last_words_are_heard_behind_what_nobody_understands(void **state)
{
	struct ctl_dialect d;
	struct proc *p = a_newer_child(&d);
	const struct ctl_header odd = { .version = d.version,
		.type = CTL_NTYPES };
	const struct ctl_header fatal = { .type = CTL_FATAL, .length = 2 };
	int peer = fx.peer[p->pid - 1];

	(void)state;
	assert_int_equal(send(peer, &odd, sizeof(odd), 0), sizeof(odd));
	assert_int_equal(ctl_send_in(peer, &d, fatal, "no", -1), 0);
	mctl_stop(p);
	assert_string_equal(p->last_words, "no");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_fixture(a_message_in_the_wrong_state_is_the_end),
		with_fixture(a_message_that_only_the_master_sends_is_the_end),
		with_fixture(a_malformed_record_is_the_end),
		with_fixture(an_empty_record_is_the_end),
		with_fixture(a_child_stops_the_server_only_if_its_handler_may),
		with_fixture(a_flood_is_the_end),
		with_fixture(answers_that_were_asked_for_are_no_flood),
		with_fixture(one_turn_reads_a_bounded_number_of_messages),
		with_fixture(the_end_of_the_channel_is_death),
		with_fixture(a_child_that_is_busy_is_told_when_it_reads_again),
		with_fixture(what_cannot_be_repeated_is_not_owed),
		with_fixture(a_child_that_does_not_read_for_long_is_killed),
		with_fixture(last_words_are_heard_after_death_and_escaped),
		with_fixture(an_absurd_number_of_cut_connections_is_clamped),
		with_fixture(
		    a_child_that_says_again_that_it_leaves_does_not_live_longer),
		with_fixture(
		    a_child_that_left_instead_of_coming_back_does_not_come_back),
		with_fixture(a_canary_may_not_serve_before_it_is_told),
		with_fixture(
		    a_child_of_another_build_is_spoken_to_as_it_speaks),
		with_fixture(
		    what_a_childs_build_does_not_know_is_not_owed_to_it),
		with_fixture(a_flood_of_what_nobody_understands_is_the_end_too),
		with_fixture(
		    last_words_are_heard_behind_what_nobody_understands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

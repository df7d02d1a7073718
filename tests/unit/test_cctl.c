/* SPDX-License-Identifier: BSD-2-Clause */
/* The child's end of the channel: what it obeys and what it says. */
#include "rig.h"

static int
setup(void **state)
{
	int fds[2];

	(void)state;
	(void)rig_conf();
	assert_int_equal(ctl_pair(fds), 0);
	rig.ctl = fds[0];
	rig.heritage.ctl = fds[1];
	rig_start(&rig_handler);
	cctl_start(&rig.ch);
	return 0;
}

static void
say(enum ctl_type type, const void *payload, size_t len, int fd)
{
	assert_int_equal(ctl_send(rig.ctl, type, 0, 1, payload, len, fd), 0);
}

/* The next message of this type; others are skipped. */
static bool
hears(enum ctl_type type, struct ctl_msg *m)
{
	while (ctl_recv(rig.ctl, m, false) == CTL_GOT_MSG)
		if (m->head.type == type)
			return true;
	return false;
}

static void
a_serving_child_says_ready(void **state)
{
	struct ctl_msg m;

	(void)state;
	assert_true(hears(CTL_READY, &m));
	assert_int_equal(m.head.generation, 1);
}

static void
adopt_brings_a_slot_and_release_stops_polling_it(void **state)
{
	const struct sockaddr anywhere = { .sa_family = AF_UNIX };
	const struct ctl_slot slot = { .id = 42 };
	struct listener *l;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	rig.conf.servers[0].listens[0].scheme = URL_UNIX;
	/* Any name that is free. */
	assert_int_equal(bind(fd, &anywhere, sizeof(anywhere.sa_family)), 0);
	assert_int_equal(listen(fd, 1), 0);
	say(CTL_ADOPT, &slot, sizeof(slot), fd);
	closefd(&fd);
	rig_until(!TAILQ_EMPTY(&rig.ch.listeners));
	l = TAILQ_FIRST(&rig.ch.listeners);
	assert_int_equal(l->id, 42);
	assert_true(l->is_polled);
	say(CTL_RELEASE, &slot, sizeof(slot), -1);
	rig_until(!l->is_polled);
	assert_int_not_equal(fcntl(l->io.fd, F_GETFD), -1);
}

static void
drain_has_the_deadline_and_the_reason_of_the_message(void **state)
{
	const struct ctl_drain drain = { .deadline_ms = 7000,
		.reason = CTL_UPGRADE };
	int peer = rig_connect();

	(void)state;
	say(CTL_DRAIN, &drain, sizeof(drain), -1);
	rig_until(rig.ch.state == CHILD_DRAINING);
	assert_string_equal(tine_drain_reason(rig.server), "upgrade");
	assert_true(
	    ev_timer_remaining(rig.ch.loop, &rig.ch.drain.deadline) <= 7);
	say(CTL_RESUME, NULL, 0, -1);
	rig_until(rig.ch.state == CHILD_READY);
	closefd(&peer);
}

static void
adopt_with_keep_holds_a_draining_child_until_release(void **state)
{
	const struct ctl_slot slot = { .id = 42, .flags = CTL_SLOT_KEEP };
	const struct ctl_drain drain = { .reason = CTL_RELOAD };
	const struct sockaddr any = { .sa_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	rig.conf.servers[0].listens[0].scheme = URL_UNIX;
	/* The kernel chooses a name that no file has. */
	assert_int_equal(bind(fd, &any, sizeof(any.sa_family)), 0);
	assert_int_equal(listen(fd, 1), 0);
	say(CTL_ADOPT, &slot, sizeof(slot), fd);
	say(CTL_DRAIN, &drain, sizeof(drain), -1);
	closefd(&fd);
	rig_until(rig.ch.state == CHILD_DRAINING);
	rig_turn();
	assert_int_equal(rig.ch.state, CHILD_DRAINING);
	say(CTL_RELEASE, &slot, sizeof(slot), -1);
	rig_until(rig.ch.state == CHILD_LEAVING);
}

static unsigned
count_ready(void)
{
	struct ctl_msg m;
	unsigned n = 0;

	while (hears(CTL_READY, &m))
		n++;
	return n;
}

static void
resume_says_ready_when_it_drained(void **state)
{
	const struct ctl_drain drain = { .reason = CTL_RELOAD };
	int peer = rig_connect();

	(void)state;
	assert_int_equal(count_ready(), 1);
	say(CTL_DRAIN, &drain, sizeof(drain), -1);
	say(CTL_RESUME, NULL, 0, -1);
	rig_until(rig.ch.state == CHILD_DRAINING);
	rig_until(rig.ch.state == CHILD_READY);
	assert_int_equal(count_ready(), 1);
	assert_false(tine_is_draining(rig.server));
	say(CTL_RESUME, NULL, 0, -1);
	rig_turn();
	assert_int_equal(count_ready(), 0);
	closefd(&peer);
}

static void
who_cannot_resume_says_nothing(void **state)
{
	const struct ctl_drain drain = { .deadline_ms = 1,
		.reason = CTL_RELOAD };
	int peer = rig_connect();

	(void)state;
	assert_int_equal(count_ready(), 1);
	say(CTL_DRAIN, &drain, sizeof(drain), -1);
	rig_until(rig.ch.drain.is_cutting);
	say(CTL_RESUME, NULL, 0, -1);
	rig_turn();
	assert_int_equal(rig.ch.state, CHILD_DRAINING);
	closefd(&peer);
	rig_until(rig.ch.state == CHILD_LEAVING);
	say(CTL_RESUME, NULL, 0, -1);
	rig_turn();
	assert_int_equal(rig.ch.state, CHILD_LEAVING);
	assert_int_equal(count_ready(), 0);
}

static void
a_ready_that_is_owed_is_forgotten_when_it_drains(void **state)
{
	const struct ctl_drain drain = { .reason = CTL_RELOAD };
	int peer = rig_connect();
	unsigned i;

	(void)state;
	say(CTL_DRAIN, &drain, sizeof(drain), -1);
	rig_until(rig.ch.state == CHILD_DRAINING);
	for (i = 0; i < 100000 && rig.ch.channel.owed == 0; i++)
		cctl_send(&rig.ch, CTL_WELL);
	drain_resume(&rig.ch);
	assert_true(rig.ch.channel.owed & BIT(CTL_READY));
	(void)count_ready();
	drain_begin(&rig.ch, 30, CTL_RELOAD);
	cctl_retry(&rig.ch);
	assert_int_equal(rig.ch.channel.owed, 0);
	assert_int_equal(count_ready(), 0);
	closefd(&peer);
}

static void
stop_ends_the_loop(void **state)
{
	int peer = rig_connect();

	(void)state;
	say(CTL_STOP, NULL, 0, -1);
	rig_until(rig.ch.state == CHILD_LEAVING);
	child_close_conns(&rig.ch);
	assert_int_equal(rig.closes, 1);
	assert_int_equal(rig.cause, TINE_DRAIN);
	closefd(&peer);
}

static void
logs_switches_the_log_and_says_so(void **state)
{
	const struct ctl_logs logs = { .change = 7, .value = LOG_STDERR };
	struct ctl_msg m;
	char line[64];
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	say(CTL_LOGS, &logs, sizeof(logs), fds[1]);
	closefd(&fds[1]);
	rig_until(hears(CTL_LOGS_OK, &m));
	assert_int_equal(m.body.logs_ok.change, 7);
	log_error("to the new one");
	assert_true(read(fds[0], line, sizeof(line)) > 0);
	assert_non_null(strstr(line, "to the new one"));
	fds[1] = log_use(STDERR_FILENO, LOG_STDERR);
	closefd(&fds[1]);
	closefd(&fds[0]);
}

static void
a_log_without_its_descriptor_is_not_confirmed(void **state)
{
	const struct ctl_logs logs = { .change = 7, .value = LOG_FILE };
	const struct ctl_logs odd = { .change = 8, .value = LOG_NSINKS };
	struct ctl_msg m;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), old;

	(void)state;
	old = log_use(null, LOG_FILE);
	say(CTL_LOGS, &logs, sizeof(logs), -1);
	say(CTL_LOGS, &odd, sizeof(odd), STDERR_FILENO);
	rig_turn();
	assert_false(hears(CTL_LOGS_OK, &m));
	assert_int_equal(log_use(old, LOG_STDERR), null);
	closefd(&null);
}

static void
level_sets_the_level_and_says_so(void **state)
{
	const struct ctl_logs level = { .change = 3, .value = LOG_WARN };
	struct ctl_msg m;

	(void)state;
	say(CTL_LEVEL, &level, sizeof(level), -1);
	rig_until(hears(CTL_LOGS_OK, &m));
	assert_int_equal(m.body.logs_ok.change, 3);
	assert_int_equal(log_get_level(), LOG_WARN);
}

static void
end_of_file_closes_the_listeners_and_drains(void **state)
{
	const struct ctl_slot slot = { .id = 1 };
	int peer = rig_connect();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	rig.conf.servers[0].listens[0].scheme = URL_UNIX;
	log_set_level(LOG_ERROR);
	assert_int_equal(accept_add(&rig.ch, &slot, fd, false), 0);
	closefd(&rig.ctl);
	rig_until(rig.ch.state == CHILD_DRAINING);
	assert_true(TAILQ_EMPTY(&rig.ch.listeners));
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_true(ev_timer_remaining(rig.ch.loop, &rig.ch.drain.deadline) <=
	    rig.conf.orphan);
	assert_int_equal(rig.closes, 0);
	closefd(&peer);
}

static void
what_only_children_say_is_ignored(void **state)
{
	(void)state;
	log_set_level((enum log_level)0);
	say(CTL_READY, NULL, 0, -1);
	rig_turn();
	assert_int_equal(rig.ch.state, CHILD_READY);
}

static void
what_the_master_cannot_take_is_owed_until_it_can(void **state)
{
	struct ctl_msg m;
	unsigned i;

	(void)state;
	for (i = 0; i < 100000 && rig.ch.channel.owed == 0; i++)
		cctl_send(&rig.ch, CTL_WELL);
	assert_int_equal(rig.ch.channel.owed, BIT(CTL_WELL));
	rig.ch.told_sick = EMFILE;
	cctl_send(&rig.ch, CTL_SICK);
	/* What is no longer true is not owed any more. */
	assert_int_equal(rig.ch.channel.owed, BIT(CTL_SICK));
	while (ctl_recv(rig.ctl, &m, false) == CTL_GOT_MSG)
		continue;
	cctl_retry(&rig.ch);
	assert_int_equal(rig.ch.channel.owed, 0);
	assert_true(hears(CTL_SICK, &m));
	assert_int_equal(m.body.sick.code, EMFILE);
}

int
main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, setup, rig_end)
	const struct CMUnitTest tests[] = {
		test(a_serving_child_says_ready),
		test(adopt_brings_a_slot_and_release_stops_polling_it),
		test(drain_has_the_deadline_and_the_reason_of_the_message),
		test(adopt_with_keep_holds_a_draining_child_until_release),
		test(resume_says_ready_when_it_drained),
		test(who_cannot_resume_says_nothing),
		test(a_ready_that_is_owed_is_forgotten_when_it_drains),
		test(stop_ends_the_loop),
		test(logs_switches_the_log_and_says_so),
		test(a_log_without_its_descriptor_is_not_confirmed),
		test(level_sets_the_level_and_says_so),
		test(end_of_file_closes_the_listeners_and_drains),
		test(what_only_children_say_is_ignored),
		test(what_the_master_cannot_take_is_owed_until_it_can),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

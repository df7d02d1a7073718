/* SPDX-License-Identifier: BSD-2-Clause */
/* The admin child's questions to the master, which is the test. */
#include "rig.h"

#include <sys/mman.h>

#include <errno.h>
#include <unistd.h>

#define JSON "{\"version\":\"0\"}"
#define METRICS "tine_up 1\n"

void *__real_mmap(void *, size_t, int, int, int, off_t);
void *__wrap_mmap(void *, size_t, int, int, int, off_t);

static bool mmap_fails;

void *
__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off)
{
	if (mmap_fails && fd != -1) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return __real_mmap(at, len, prot, flags, fd, off);
}

static int
setup(void **state)
{
	struct ctl_msg m;
	int fds[2];

	(void)state;
	(void)rig_conf();
	mmap_fails = false;
	assert_int_equal(ctl_pair(fds), 0);
	rig.ctl = fds[0];
	rig.heritage.ctl = fds[1];
	rig_start(&rig_handler);
	cctl_start(&rig.ch);
	assert_int_equal(ctl_recv(rig.ctl, &m, false), CTL_GOT_MSG);
	assert_int_equal(m.head.type, CTL_READY);
	return 0;
}

/* Has the child put a question since the last call? */
static bool
has_asked(void)
{
	struct ctl_msg m;

	if (ctl_recv(rig.ctl, &m, false) != CTL_GOT_MSG)
		return false;
	assert_int_equal(m.head.type, CTL_ASK);
	return true;
}

static void
answer(enum ctl_readiness readiness, const char *json, const char *metrics)
{
	const struct ctl_status s = {
		.json_bytes = (uint32_t)strlen(json),
		.metrics_bytes = (uint32_t)strlen(metrics),
		.readiness = readiness,
	};
	int fd = memfd_create("status", MFD_CLOEXEC);

	assert_int_equal(write(fd, json, strlen(json)), s.json_bytes);
	assert_int_equal(write(fd, metrics, strlen(metrics)), s.metrics_bytes);
	assert_int_equal(ctl_send(rig.ctl, CTL_STATUS, 0, 1, &s, sizeof(s), fd),
	    0);
	closefd(&fd);
}

static void
assert_shown(const struct snapshot *s, const char *json, const char *metrics)
{
	assert_non_null(s);
	assert_int_equal(s->json_len, strlen(json));
	assert_memory_equal(s->json, json, s->json_len);
	assert_int_equal(s->metrics_len, strlen(metrics));
	assert_memory_equal(s->metrics, metrics, s->metrics_len);
	assert_true(s->is_alive);
}

static void
a_question_goes_out_at_once_and_its_answer_wakes_connections(void **state)
{
	int peer = rig_connect();
	uint64_t n = snapshot_ask(rig.server);

	(void)state;
	assert_true(has_asked());
	assert_null(snapshot_get(rig.server, n));
	answer(CTL_CAN_SERVE, JSON, METRICS);
	rig_until(rig.datas == 1);
	assert_shown(snapshot_get(rig.server, n), JSON, METRICS);
	assert_null(snapshot_get(rig.server, n)->trouble);
	assert_null(snapshot_get(rig.server, n + 1));
	closefd(&peer);
}

static void
those_who_ask_meanwhile_share_the_next_answer(void **state)
{
	uint64_t first = snapshot_ask(rig.server), second, third;

	(void)state;
	assert_true(has_asked());
	second = snapshot_ask(rig.server);
	third = snapshot_ask(rig.server);
	assert_int_equal(second, third);
	assert_false(has_asked());
	answer(CTL_CAN_SERVE, JSON, METRICS);
	rig_until(snapshot_get(rig.server, first) != NULL);
	/* What the first one got may be older than the second. */
	assert_null(snapshot_get(rig.server, second));
	rig_until(has_asked());
	answer(CTL_CAN_SERVE, "{}", METRICS);
	rig_until(snapshot_get(rig.server, second) != NULL);
	assert_shown(snapshot_get(rig.server, second), "{}", METRICS);
	rig_turn();
	assert_false(has_asked());
}

static void
at_most_ten_questions_a_second_are_put(void **state)
{
	double begun = child_now(&rig.ch);
	uint64_t n = 0;
	int i;

	(void)state;
	for (i = 0; i < 4; i++) {
		n = snapshot_ask(rig.server);
		rig_until(has_asked());
		answer(CTL_CAN_SERVE, JSON, METRICS);
		rig_until(snapshot_get(rig.server, n) != NULL);
	}
	assert_true(child_now(&rig.ch) - begun >= 0.29);
}

static void
after_an_answer_nothing_is_asked_that_nobody_wants(void **state)
{
	(void)state;
	(void)snapshot_ask(rig.server);
	assert_true(has_asked());
	answer(CTL_CAN_SERVE, JSON, METRICS);
	rig_until(!ev_is_active(&rig.ch.asking.pace));
	assert_false(ev_is_active(&rig.ch.asking.patience));
	assert_false(has_asked());
}

static void
what_keeps_clients_away_has_a_name(void **state)
{
	static const char *const names[] = {
		[CTL_NOT_YET] = "starting",
		[CTL_TOO_FEW] = "too few children are ready",
		[CTL_NO_MORE] = "stopping",
		/* Not one of ours: the worst. */
		[CTL_NREADINESS] = "stopping",
	};
	unsigned i;

	(void)state;
	for (i = CTL_NOT_YET; i < nitems(names); i++) {
		uint64_t n = snapshot_ask(rig.server);

		rig_until(has_asked());
		answer((enum ctl_readiness)i, JSON, METRICS);
		rig_until(snapshot_get(rig.server, n) != NULL);
		assert_string_equal(snapshot_get(rig.server, n)->trouble,
		    names[i]);
	}
}

/* The master's silence was noticed. */
static uint64_t
wait_in_vain(void)
{
	uint64_t n = snapshot_ask(rig.server);

	log_set_level((enum log_level)0);
	assert_true(has_asked());
	rig_until(snapshot_get(rig.server, n) != NULL);
	return n;
}

static void
a_silent_master_is_told_after_two_seconds_and_then_at_once(void **state)
{
	int peer = rig_connect();
	double begun = child_now(&rig.ch);
	uint64_t n = wait_in_vain();
	const struct snapshot *s = snapshot_get(rig.server, n);

	(void)state;
	assert_true(child_now(&rig.ch) - begun >= 1.9);
	assert_int_equal(rig.datas, 1);
	assert_false(s->is_alive);
	assert_string_equal(s->trouble, "the master does not answer");
	assert_null(s->json);
	assert_null(s->metrics);
	n = snapshot_ask(rig.server);
	assert_false(snapshot_get(rig.server, n)->is_alive);
	assert_false(has_asked());
	closefd(&peer);
}

static void
a_late_answer_is_not_taken_for_that_to_a_later_question(void **state)
{
	uint64_t n;

	(void)state;
	(void)wait_in_vain();
	n = snapshot_ask(rig.server);
	answer(CTL_CAN_SERVE, "late", METRICS);
	rig_until(snapshot_get(rig.server, n) == NULL);
	rig_until(has_asked());
	answer(CTL_CAN_SERVE, JSON, METRICS);
	rig_until(snapshot_get(rig.server, n) != NULL);
	assert_shown(snapshot_get(rig.server, n), JSON, METRICS);
}

static void
nobody_waits_for_a_master_that_is_dead(void **state)
{
	int peer = rig_connect();
	uint64_t n = snapshot_ask(rig.server);

	(void)state;
	log_set_level((enum log_level)0);
	closefd(&rig.ctl);
	rig_until(rig.datas == 1);
	assert_false(snapshot_get(rig.server, n)->is_alive);
	n = snapshot_ask(rig.server);
	assert_non_null(snapshot_get(rig.server, n));
	closefd(&peer);
}

static void
the_death_of_the_master_wakes_no_connection_that_does_not_wait(void **state)
{
	int peer = rig_connect();

	(void)state;
	log_set_level((enum log_level)0);
	closefd(&rig.ctl);
	rig_until(rig.ch.state == CHILD_DRAINING);
	assert_int_equal(rig.datas, 0);
	closefd(&peer);
}

/* The answer came and says no more than that the master lives. */
static void
assert_bare(uint64_t n)
{
	rig_until(snapshot_get(rig.server, n) != NULL);
	assert_true(snapshot_get(rig.server, n)->is_alive);
	assert_null(snapshot_get(rig.server, n)->json);
	assert_null(snapshot_get(rig.server, n)->metrics);
}

static void
an_answer_that_cannot_be_shown_still_says_that_the_master_lives(void **state)
{
	const struct ctl_status none = { .readiness = CTL_TOO_FEW };
	const struct ctl_status longer = { .json_bytes = 4096 };
	int fd = memfd_create("short", MFD_CLOEXEC);
	uint64_t n = snapshot_ask(rig.server);

	(void)state;
	log_set_level((enum log_level)0);
	assert_int_equal(
	    ctl_send(rig.ctl, CTL_STATUS, 0, 1, &none, sizeof(none), -1), 0);
	assert_bare(n);
	assert_non_null(snapshot_get(rig.server, n)->trouble);
	n = snapshot_ask(rig.server);
	rig_until(rig.ch.asking.asked == n);
	assert_int_equal(
	    ctl_send(rig.ctl, CTL_STATUS, 0, 1, &longer, sizeof(longer), fd),
	    0);
	assert_bare(n);
	closefd(&fd);
	mmap_fails = true;
	n = snapshot_ask(rig.server);
	rig_until(rig.ch.asking.asked == n);
	answer(CTL_CAN_SERVE, JSON, METRICS);
	assert_bare(n);
}

static void
a_status_that_nobody_asked_for_is_dropped(void **state)
{
	int peer = rig_connect();

	(void)state;
	log_set_level((enum log_level)0);
	answer(CTL_CAN_SERVE, JSON, METRICS);
	rig_turn();
	assert_int_equal(rig.datas, 0);
	assert_null(rig.ch.asking.map);
	closefd(&peer);
}

int
main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, setup, rig_end)
	const struct CMUnitTest tests[] = {
		test(
		    a_question_goes_out_at_once_and_its_answer_wakes_connections),
		test(those_who_ask_meanwhile_share_the_next_answer),
		test(at_most_ten_questions_a_second_are_put),
		test(after_an_answer_nothing_is_asked_that_nobody_wants),
		test(what_keeps_clients_away_has_a_name),
		test(
		    a_silent_master_is_told_after_two_seconds_and_then_at_once),
		test(a_late_answer_is_not_taken_for_that_to_a_later_question),
		test(nobody_waits_for_a_master_that_is_dead),
		test(
		    the_death_of_the_master_wakes_no_connection_that_does_not_wait),
		test(
		    an_answer_that_cannot_be_shown_still_says_that_the_master_lives),
		test(a_status_that_nobody_asked_for_is_dropped),
	};

	return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}

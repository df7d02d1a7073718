/* SPDX-License-Identifier: BSD-2-Clause */
/* What the master sees of the loop: that it turns, and how late. */
#include <sys/eventfd.h>
#include <sys/wait.h>

#include <time.h>
#include <unistd.h>

#include "rig.h"

static uint64_t
shown(enum board_gauge gauge)
{
	return rig.ch.board->gauges[gauge];
}

static void
the_first_beat_is_shown_before_the_loop_turns(void **state)
{
	uint64_t before = mono_ns();

	(void)state;
	assert_int_equal(shown(BOARD_HEARTBEAT_NS), 0);
	beat_start(&rig.ch);
	assert_true(shown(BOARD_HEARTBEAT_NS) >= before);
	assert_int_equal(shown(BOARD_LOOP_LAG_NS), 0);
	assert_int_equal(shown(BOARD_BUSY_PPM), 0);
}

static void
after_a_long_stop_the_first_turn_beats(void **state)
{
	const struct timespec stop = { .tv_nsec = 700000000 };
	uint64_t before;

	(void)state;
	beat_start(&rig.ch);
	/* The title would be this program's. */
	rig.ch.beat.titled_conns = 0;
	before = shown(BOARD_HEARTBEAT_NS);
	rig_until(shown(BOARD_HEARTBEAT_NS) > before);
	/* As long as a stopped process does not run. */
	(void)nanosleep(&stop, NULL);
	before = mono_ns();
	ev_run(rig.ch.loop, EVRUN_NOWAIT);
	assert_true(shown(BOARD_HEARTBEAT_NS) >= before);
	assert_true(shown(BOARD_LOOP_LAG_NS) >= 100000000);
}

/* Turns until a beat has passed, in a process of its own; its wait status. */
static int
beat_elsewhere(int lost)
{
	uint64_t before;
	int status;
	pid_t pid = fork();

	assert_true(pid != -1);
	if (pid == 0) {
		ev_loop_fork(rig.ch.loop);
		(void)close(lost);
		beat_start(&rig.ch);
		rig.ch.beat.titled_conns = 0;
		before = shown(BOARD_HEARTBEAT_NS);
		while (shown(BOARD_HEARTBEAT_NS) == before)
			ev_run(rig.ch.loop, EVRUN_ONCE);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
a_loop_that_lost_its_wake_up_ends_the_child(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC), status;

	(void)state;
	assert_true(fd != -1);
	beat_learn(&rig.ch);
	assert_true(rig.ch.beat.loops & UINT64_C(1) << fd);
	status = beat_elsewhere(-1);
	assert_true(WIFEXITED(status));
	status = beat_elsewhere(fd);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	closefd(&fd);
}

int
main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, rig_plain, rig_end)
	const struct CMUnitTest tests[] = {
		test(the_first_beat_is_shown_before_the_loop_turns),
		test(after_a_long_stop_the_first_turn_beats),
		test(a_loop_that_lost_its_wake_up_ends_the_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

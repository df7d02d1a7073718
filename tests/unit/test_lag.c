/* SPDX-License-Identifier: BSD-2-Clause */
/* How long events wait, and who is blamed for it. */
#include <time.h>

#include "rig.h"

static struct timespec skipped; /* what the coarse clock is ahead */
static char said[512];          /* the last line of the log */
static unsigned lines;

int __real_clock_gettime(clockid_t, struct timespec *);
int __wrap_clock_gettime(clockid_t, struct timespec *);
void __wrap_log_write(enum log_level, const char *, ...) PRINTF_LIKE(2, 3);

int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = __real_clock_gettime(id, ts);

	if (id != CLOCK_MONOTONIC_COARSE)
		return rc;
	ts->tv_sec += skipped.tv_sec;
	ts->tv_nsec += skipped.tv_nsec;
	return rc;
}

void
__wrap_log_write(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	(void)level;
	va_start(ap, fmt);
	(void)vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
	lines++;
}

/* As if the callback that runs had taken so long. */
static void
take_ms(int ms)
{
	skipped.tv_nsec += ms * 1000000L;
}

static int took_ms, close_ms;
static bool wants_close;

static enum tine_action
slow_data(struct tine_conn *c)
{
	take_ms(took_ms);
	if (wants_close)
		conn_close(c, TINE_LOCAL, 0);
	return rig_data(c);
}

static void
slow_close(struct tine_conn *c, enum tine_cause cause, int err)
{
	take_ms(close_ms);
	rig_close(c, cause, err);
}

static bool
is_overloaded(void)
{
	assert_int_equal(rig.ch.board->gauges[BOARD_OVERLOADED],
	    tine_is_overloaded(rig.server));
	return tine_is_overloaded(rig.server);
}

static int
setup(void **state)
{
	struct tine_handler handler = rig_handler;

	(void)state;
	skipped = (struct timespec){ 0 };
	took_ms = close_ms = 0;
	wants_close = false;
	(void)rig_conf();
	handler.data = slow_data;
	handler.close = slow_close;
	rig_start(&handler);
	said[0] = '\0';
	lines = 0;
	return 0;
}

/* A turn in which data takes so long. */
static void
turn_of(int ms)
{
	static int peer;

	took_ms = ms;
	peer = rig_connect();
	rig_say(peer, "x");
	rig_until(rig.datas > 0);
	rig.datas = 0;
	/* The turn ends, and the clock goes right again. */
	ev_run(rig.ch.loop, EVRUN_NOWAIT);
	skipped = (struct timespec){ 0 };
	rig.ch.lag.mark_ns = 0;
	closefd(&peer);
	rig_turn();
}

static void
a_slow_callback_is_named(void **state)
{
	(void)state;
	turn_of(180);
	assert_int_equal(rig_count(BOARD_SLOW_CALLBACKS), 1);
	assert_memory_equal(said, "handler rig: data took 1", 24);
	assert_non_null(strstr(said, " ms, for which all connections"));
}

static void
a_callback_that_is_fast_enough_is_not(void **state)
{
	(void)state;
	turn_of(80);
	assert_int_equal(rig_count(BOARD_SLOW_CALLBACKS), 0);
	assert_int_equal(lines, 0);
}

static void
many_slow_callbacks_are_counted_and_said_once_a_second(void **state)
{
	int i;

	(void)state;
	/* Whatever ran out of this second before. */
	turn_of(120);
	lines = 0;
	for (i = 0; i < 5; i++)
		turn_of(120);
	assert_int_equal(rig_count(BOARD_SLOW_CALLBACKS), 6);
	assert_in_range(lines, 0, 1);
}

static void
a_callback_that_closes_another_is_blamed_for_both(void **state)
{
	(void)state;
	wants_close = true;
	close_ms = 60;
	turn_of(60);
	assert_int_equal(rig_count(BOARD_SLOW_CALLBACKS), 1);
	assert_int_equal(rig.ch.doing.callback, BOARD_IN_NONE);
}

static void
a_start_that_takes_its_time_is_not_blamed(void **state)
{
	(void)state;
	call_enter(rig.server, NULL, BOARD_IN_START);
	take_ms(500);
	call_leave(rig.server);
	assert_int_equal(rig_count(BOARD_SLOW_CALLBACKS), 0);
}

static void
a_turn_over_the_limit_is_overload_until_a_second_was_well(void **state)
{
	(void)state;
	turn_of(240);
	assert_false(is_overloaded());
	turn_of(300);
	assert_true(is_overloaded());
	rig.ch.lag.until = child_now(&rig.ch) + 60;
	turn_of(0);
	assert_true(is_overloaded());
	rig.ch.lag.until = child_now(&rig.ch);
	turn_of(0);
	assert_false(is_overloaded());
}

static void
half_of_the_limit_keeps_an_overload(void **state)
{
	(void)state;
	turn_of(300);
	rig.ch.lag.until = child_now(&rig.ch);
	/* In a turn of its own: the one before says that all is well. */
	lag_note(&rig.ch, 0.2);
	assert_true(is_overloaded());
	assert_true(rig.ch.lag.until > child_now(&rig.ch) + 1);
}

static void
a_late_beat_is_overload_too(void **state)
{
	(void)state;
	beat_start(&rig.ch);
	assert_false(is_overloaded());
	lag_note(&rig.ch, 0.26);
	assert_true(is_overloaded());
	beat_stop(&rig.ch);
}

static void
without_a_limit_there_is_no_overload(void **state)
{
	(void)state;
	rig.conf.overload.lag = 0;
	turn_of(900);
	lag_note(&rig.ch, 100);
	assert_false(is_overloaded());
}

static void
an_overload_that_comes_and_goes_is_said_now_and_then(void **state)
{
	int i;

	(void)state;
	lag_note(&rig.ch, 1);
	assert_string_equal(said,
	    "overloaded: an event had to wait for 1000 "
	    "ms");
	for (i = 0; i < 10; i++) {
		rig.ch.lag.until = 0;
		lag_note(&rig.ch, 0);
		assert_false(is_overloaded());
		lag_note(&rig.ch, 1);
		assert_true(is_overloaded());
	}
	/* Its beginning and its end. */
	assert_int_equal(lines, 2);
}

int
main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, setup, rig_end)
	const struct CMUnitTest tests[] = {
		test(a_slow_callback_is_named),
		test(a_callback_that_is_fast_enough_is_not),
		test(many_slow_callbacks_are_counted_and_said_once_a_second),
		test(a_callback_that_closes_another_is_blamed_for_both),
		test(a_start_that_takes_its_time_is_not_blamed),
		test(a_turn_over_the_limit_is_overload_until_a_second_was_well),
		test(half_of_the_limit_keeps_an_overload),
		test(a_late_beat_is_overload_too),
		test(without_a_limit_there_is_no_overload),
		test(an_overload_that_comes_and_goes_is_said_now_and_then),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

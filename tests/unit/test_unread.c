/* SPDX-License-Identifier: BSD-2-Clause */
/* What a handler does with its input: each call, in the window and in the
 * chain, which a handler must not be able to tell apart. */
#include "memory.h"
#include "rig.h"

#define LARGE 40000

static void (*steps)(struct tine_conn *);
static struct tine_slice slice;
static char large[LARGE];
static unsigned calls;

static enum tine_action
run_steps(struct tine_conn *c)
{
	calls++;
	if (steps != NULL)
		steps(c);
	return TINE_OK;
}

static int
setup(void **state)
{
	struct tine_handler h = rig_handler;
	size_t i;

	(void)state;
	memory_left = -1;
	steps = NULL;
	calls = 0;
	slice = (struct tine_slice){ "", 0, NULL };
	for (i = 0; i < sizeof(large); i++)
		large[i] = (char)(i * 31 % 251);
	(void)rig_conf();
	h.data = run_steps;
	h.eof = rig_eof;
	rig_start(&h);
	return 0;
}

static int
teardown(void **state)
{
	tine_slice_unref(&slice);
	return rig_end(state);
}

/* Say it at once, so that the window shows it, or in two parts of which the
 * first is kept; then the steps are run. */
static int
hear(const char *first, const char *rest, void (*fn)(struct tine_conn *))
{
	int peer = rig_connect();

	steps = NULL;
	calls = 0;
	if (*first != '\0') {
		rig_say(peer, first);
		rig_until(calls == 1);
	}
	steps = fn;
	rig_say(peer, rest);
	rig_until(calls == 1 + (*first != '\0'));
	return peer;
}

static void
both_ways(const char *all, size_t cut, void (*fn)(struct tine_conn *))
{
	char first[64];
	int peer;

	peer = hear("", all, fn);
	closefd(&peer);
	(void)snprintf(first, sizeof(first), "%.*s", (int)cut, all);
	peer = hear(first, all + cut, fn);
	closefd(&peer);
	rig_turn();
}

static void
use_every_call(struct tine_conn *c)
{
	const char *next, *all;
	struct iovec iov[4];
	char copy[8];
	size_t len;

	assert_int_equal(tine_buffered(c), 22);
	assert_int_equal(tine_find(c, 0, "\r\n", 2), 5);
	assert_int_equal(tine_find(c, 6, "\r\n", 2), 20);
	assert_int_equal(tine_find(c, 21, "\r\n", 2), -1);
	assert_int_equal(errno, ENODATA);
	assert_int_equal(tine_find(c, 0, "", 0), -1);
	assert_int_equal(errno, EINVAL);
	assert_memory_equal(tine_pull_up(c, 7), "hello\r\n", 7);
	assert_null(tine_pull_up(c, 23));
	assert_int_equal(errno, ENODATA);
	assert_non_null(tine_pull_up(c, 0));
	next = tine_next(c, 7);
	assert_int_equal(tine_peek_iov(c, iov, 0), 0);
	assert_int_equal(tine_peek_iov(c, iov, 4), 1);
	assert_int_equal(iov[0].iov_len, 15);
	assert_int_equal(tine_read(c, copy, 6), 6);
	assert_memory_equal(copy, "how ar", 6);
	all = tine_peek(c, &len);
	assert_int_equal(len, 9);
	assert_memory_equal(all, "e you\?\?\r\n", 9);
	tine_consume(c, 1);
	assert_int_equal(tine_read(c, copy, sizeof(copy)), 8);
	assert_int_equal(tine_read(c, copy, sizeof(copy)), 0);
	assert_int_equal(tine_peek_iov(c, iov, 4), 0);
	(void)tine_peek(c, &len);
	assert_int_equal(len, 0);
	/* Both still show what they showed. */
	assert_memory_equal(next, "hello\r\n", 7);
	assert_memory_equal(all, "e you\?\?\r\n", 9);
}

static void
every_call_sees_the_same_bytes_new_or_kept(void **state)
{
	(void)state;
	both_ways("hello\r\nhow are you\?\?\r\n", 3, use_every_call);
	both_ways("hello\r\nhow are you\?\?\r\n", 6, use_every_call);
}

static void
consume_too_much(struct tine_conn *c)
{
	tine_consume(c, tine_buffered(c) + 1);
	assert_int_equal(tine_buffered(c), 0);
}

static void
consuming_more_than_there_is_takes_all_and_the_blame(void **state)
{
	(void)state;
	both_ways("abcdef", 3, consume_too_much);
	assert_true(rig.server->has_misused);
}

static void
take_slice(struct tine_conn *c)
{
	tine_slice_unref(&slice);
	assert_int_equal(tine_slice(c, 100, &slice), -1);
	assert_int_equal(errno, ENODATA);
	assert_int_equal(tine_slice(c, 4, &slice), 0);
	assert_int_equal(tine_buffered(c), 2);
	tine_consume(c, 2);
}

static void
a_slice_outlives_callback_and_connection(void **state)
{
	struct tine_slice second;

	(void)state;
	both_ways("abcdef", 3, take_slice);
	child_close_conns(&rig.ch);
	rig_until(rig.ch.nconns == 0);
	assert_memory_equal(slice.bytes, "abcd", 4);
	second = tine_slice_ref(&slice);
	tine_slice_unref(&slice);
	assert_int_equal(slice.len, 0);
	tine_slice_unref(&slice);
	assert_memory_equal(second.bytes, "abcd", 4);
	tine_slice_unref(&second);
}

static void
take_nothing(struct tine_conn *c)
{
	assert_int_equal(tine_slice(c, 0, &slice), 0);
	assert_null(slice.owner);
	slice = tine_slice_ref(&slice);
	tine_slice_unref(&slice);
}

static void
an_empty_slice_is_a_slice(void **state)
{
	(void)state;
	both_ways("abcdef", 3, take_nothing);
}

static void
take_all(struct tine_conn *c)
{
	assert_int_equal(tine_slice(c, tine_buffered(c), &slice), 0);
}

static void
a_large_slice_takes_the_scratch_and_the_loop_another(void **state)
{
	const struct block *scratch = rig.ch.scratch;
	int peer = rig_connect();

	(void)state;
	steps = take_all;
	assert_int_equal(send(peer, large, LARGE, MSG_NOSIGNAL), LARGE);
	rig_until(calls == 1);
	assert_int_equal(slice.len, LARGE);
	assert_ptr_equal(slice.owner, scratch);
	steps = NULL;
	rig_say(peer, "other bytes");
	rig_until(calls == 2);
	assert_ptr_not_equal(rig.ch.scratch, scratch);
	assert_memory_equal(slice.bytes, large, LARGE);
	closefd(&peer);
}

static void
most_of_a_scratch_is_kept_without_a_copy(void **state)
{
	const struct block *scratch = rig.ch.scratch;
	int peer = rig_connect();
	size_t len;

	(void)state;
	assert_int_equal(send(peer, large, LARGE, MSG_NOSIGNAL), LARGE);
	rig_until(calls == 1);
	assert_ptr_equal(STAILQ_FIRST(&rig.conn->input->blocks), scratch);
	rig_say(peer, "more");
	rig_until(calls == 2);
	assert_memory_equal(tine_peek(rig.conn, &len), large, LARGE);
	assert_int_equal(len, LARGE + 4);
	tine_consume(rig.conn, len);
	rig_turn();
	assert_null(rig.conn->input);
	closefd(&peer);
}

static void
without_memory_a_slice_is_refused_and_a_peek_resets(void **state)
{
	int peer = hear("abc", "def", NULL);
	size_t len;

	(void)state;
	pool_fini(&rig.ch.pool);
	assert_int_equal(chain_add(rig.conn->input, &rig.ch.pool, large, LARGE),
	    0);
	memory_left = 0;
	pool_fini(&rig.ch.pool);
	assert_int_equal(tine_slice(rig.conn, 1000, &slice), -1);
	assert_int_equal(errno, ENOMEM);
	assert_null(tine_next(rig.conn, 1000));
	assert_int_equal(errno, ENOMEM);
	(void)tine_peek(rig.conn, &len);
	assert_int_equal(len, 0);
	assert_int_equal(rig.closes, 0);
	rig_turn();
	memory_left = -1;
	assert_int_equal(rig.closes, 1);
	assert_int_equal(rig.cause, TINE_ERROR);
	assert_int_equal(rig.err, ENOMEM);
	closefd(&peer);
}

static void
pause_here(struct tine_conn *c)
{
	tine_pause(c);
	tine_pause(c);
}

static void
nothing_comes_while_paused_and_all_of_it_after(void **state)
{
	int peer = hear("", "first", pause_here);
	size_t len;

	(void)state;
	rig_say(peer, "second");
	assert_int_equal(shutdown(peer, SHUT_WR), 0);
	rig_turn();
	assert_int_equal(calls, 1);
	assert_int_equal(rig.eofs, 0);
	steps = NULL;
	tine_resume(rig.conn);
	rig_until(rig.eofs == 1);
	assert_true(calls >= 2);
	assert_memory_equal(tine_peek(rig.conn, &len), "firstsecond", 11);
	assert_int_equal(len, 11);
	closefd(&peer);
}

static void
resume_at_once(struct tine_conn *c)
{
	tine_pause(c);
	tine_resume(c);
}

static void
resuming_shows_what_is_there_once_a_turn(void **state)
{
	int peer = hear("", "kept", resume_at_once);
	unsigned turns = calls;

	(void)state;
	/* The loop neither waits nor spins within a turn. */
	for (turns = 0; turns < 5; turns++)
		ev_run(rig.ch.loop, EVRUN_ONCE);
	assert_in_range(calls, 5, 7);
	steps = NULL;
	rig_turn();
	turns = calls;
	tine_resume(rig.conn);
	rig_turn();
	assert_int_equal(calls, turns);
	closefd(&peer);
}

static void
a_connection_that_closes_before_its_turn_is_forgotten(void **state)
{
	int peer = hear("", "kept", NULL);

	(void)state;
	conn_again(rig.conn);
	conn_settle(rig.conn);
	conn_close(rig.conn, TINE_LOCAL, 0);
	rig_turn();
	assert_int_equal(rig.ch.nconns, 0);
	assert_true(STAILQ_EMPTY(&rig.ch.later));
	assert_int_equal(calls, 1);
	closefd(&peer);
}

int
main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(every_call_sees_the_same_bytes_new_or_kept),
		test(consuming_more_than_there_is_takes_all_and_the_blame),
		test(a_slice_outlives_callback_and_connection),
		test(an_empty_slice_is_a_slice),
		test(a_large_slice_takes_the_scratch_and_the_loop_another),
		test(most_of_a_scratch_is_kept_without_a_copy),
		test(without_memory_a_slice_is_refused_and_a_peek_resets),
		test(nothing_comes_while_paused_and_all_of_it_after),
		test(resuming_shows_what_is_there_once_a_turn),
		test(a_connection_that_closes_before_its_turn_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

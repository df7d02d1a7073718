/* SPDX-License-Identifier: BSD-2-Clause */
/* What threads leave for the loop. */
#include "rig.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "memory.h"

#include "child/task.h"

#define NTHREADS 4
#define EACH 20000
#define A_TURN 256

static struct {
	unsigned ran;
	uintptr_t order[8];
	uintptr_t last[NTHREADS]; /* the newest number of each thread */
	bool is_disordered;
	unsigned turns; /* of the loop, in which something ran */
} seen;

static int
start(void **state)
{
	(void)memset(&seen, 0, sizeof(seen));
	return rig_plain(state);
}

static void
note(struct tine_child *s, void *arg)
{
	assert_ptr_equal(s, rig.server);
	assert_int_equal(rig.ch.doing.callback, BOARD_IN_TASK);
	if (seen.ran < nitems(seen.order))
		seen.order[seen.ran] = (uintptr_t)arg;
	seen.ran++;
}

static int
post(enum tine_priority priority, uintptr_t number)
{
	return tine_post(rig.server, priority, note, (void *)number);
}

static void
turn(void)
{
	ev_run(rig.ch.loop, EVRUN_NOWAIT);
}

static void
a_post_runs_on_the_loop_and_not_within_the_call(void **state)
{
	(void)state;
	assert_int_equal(post(TINE_ORDINARY, 1), 0);
	assert_int_equal(post(TINE_URGENT, 2), 0);
	assert_int_equal(seen.ran, 0);
	turn();
	assert_int_equal(seen.ran, 2);
	assert_int_equal(rig.ch.doing.callback, BOARD_IN_NONE);
	turn();
	assert_int_equal(seen.ran, 2);
}

static void
the_urgent_come_first_and_each_queue_keeps_its_order(void **state)
{
	uintptr_t i;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_int_equal(post(TINE_ORDINARY, 10 + i), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(post(TINE_URGENT, 20 + i), 0);
	turn();
	assert_int_equal(seen.ran, 6);
	for (i = 0; i < 3; i++) {
		assert_int_equal(seen.order[i], 20 + i);
		assert_int_equal(seen.order[3 + i], 10 + i);
	}
}

static void
a_turn_runs_all_urgent_tasks(void **state)
{
	uintptr_t i;

	(void)state;
	for (i = 0; i < 3000; i++)
		assert_int_equal(post(TINE_URGENT, i), 0);
	turn();
	assert_int_equal(seen.ran, 3000);
}

static void
a_turn_runs_256_ordinary_tasks_and_serves_the_connections(void **state)
{
	int peer = rig_connect();
	uintptr_t i;

	(void)state;
	turn();
	for (i = 0; i < 3 * A_TURN + 1; i++)
		assert_int_equal(post(TINE_ORDINARY, i), 0);
	rig_say(peer, "x");
	turn();
	assert_int_equal(seen.ran, A_TURN);
	assert_int_equal(rig.datas, 1);
	for (i = 2; i <= 3; i++) {
		rig_say(peer, "x");
		turn();
		assert_int_equal(seen.ran, i * A_TURN);
		assert_int_equal(rig.datas, i);
	}
	/* What is urgent does not stand behind the rest. */
	assert_int_equal(post(TINE_URGENT, 0), 0);
	turn();
	assert_int_equal(seen.ran, 3 * A_TURN + 2);
	closefd(&peer);
}

static void
post_again(struct tine_child *s, void *arg)
{
	unsigned *left = arg;

	seen.ran++;
	if (--*left > 0)
		assert_int_equal(tine_post(s, TINE_URGENT, post_again, left),
		    0);
}

static void
what_a_task_posts_runs_in_the_next_turn(void **state)
{
	unsigned left = 3, i;

	(void)state;
	assert_int_equal(tine_post(rig.server, TINE_URGENT, post_again, &left),
	    0);
	for (i = 1; i <= 3; i++) {
		turn();
		assert_int_equal(seen.ran, i);
	}
	assert_int_equal(left, 0);
}

/* Calls of write that this process has made. */
static unsigned long
writes_made(void)
{
	unsigned long n = 0;
	FILE *f = fopen("/proc/self/io", "re");
	char line[64];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "syscw: %lu", &n) == 1)
			break;
	(void)fclose(f);
	return n;
}

/* Its threads write to each other. */
static void
skip_under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	if (preload != NULL && strstr(preload, "vgpreload") != NULL)
		skip();
}

static void *
post_many(void *arg)
{
	uintptr_t i;

	(void)arg;
	for (i = 0; i < EACH; i++)
		if (post(TINE_URGENT, i) == -1)
			return NULL;
	return arg;
}

static void
a_thousand_posts_between_two_turns_wake_the_loop_once(void **state)
{
	unsigned long before = writes_made();
	pthread_t thread;
	void *ok;

	(void)state;
	skip_under_valgrind();
	assert_int_equal(pthread_create(&thread, NULL, post_many, &ok), 0);
	assert_int_equal(pthread_join(thread, &ok), 0);
	assert_non_null(ok);
	assert_true(writes_made() - before <= 1);
	turn();
	assert_int_equal(seen.ran, EACH);
	assert_true(writes_made() - before <= 1);
}

static void
on_turn(struct ev_loop *loop, ev_prepare *w, int revents)
{
	static unsigned ran;

	(void)loop;
	(void)w;
	(void)revents;
	if (ran != seen.ran)
		seen.turns++;
	ran = seen.ran;
}

static void
a_sleeping_loop_is_woken_at_most_once_for_each_turn(void **state)
{
	unsigned long before = writes_made();
	ev_prepare w;
	pthread_t thread;
	void *ok;

	(void)state;
	skip_under_valgrind();
	ev_prepare_init(&w, on_turn);
	ev_prepare_start(rig.ch.loop, &w);
	assert_int_equal(pthread_create(&thread, NULL, post_many, &ok), 0);
	rig_until(seen.ran == EACH);
	assert_int_equal(pthread_join(thread, &ok), 0);
	ev_prepare_stop(rig.ch.loop, &w);
	assert_true(writes_made() - before <= seen.turns + 1);
}

static void
check_order(struct tine_child *s, void *arg)
{
	uintptr_t number = (uintptr_t)arg, thread = number % NTHREADS;

	(void)s;
	seen.is_disordered |= number / NTHREADS != ++seen.last[thread];
	seen.ran++;
}

static void *
post_numbers(void *arg)
{
	uintptr_t thread = (uintptr_t)arg, i;

	for (i = 1; i <= EACH; i++)
		if (tine_post(rig.server,
			thread % 2 == 0 ? TINE_URGENT : TINE_ORDINARY,
			check_order, (void *)(i * NTHREADS + thread)) == -1)
			return NULL;
	return &seen;
}

static void
posts_of_many_threads_all_run_in_each_threads_order(void **state)
{
	pthread_t threads[NTHREADS];
	uintptr_t i;
	void *ok;

	(void)state;
	for (i = 0; i < NTHREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, post_numbers, (void *)i),
		    0);
	rig_until(seen.ran == NTHREADS * EACH);
	for (i = 0; i < NTHREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &ok), 0);
		assert_non_null(ok);
	}
	assert_false(seen.is_disordered);
}

static void
in_the_steady_state_a_post_allocates_nothing(void **state)
{
	unsigned i;

	(void)state;
	turn();
	memory_left = 0;
	for (i = 0; i < 5000; i++) {
		assert_int_equal(post(TINE_URGENT, 1), 0);
		if (i % 1000 == 999)
			turn();
	}
	memory_left = -1;
	assert_int_equal(seen.ran, 5000);
}

static void
without_memory_a_post_is_refused(void **state)
{
	unsigned n = 0;

	(void)state;
	memory_left = 0;
	while (post(TINE_ORDINARY, 1) == 0)
		n++;
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(tine_wake(1), -1);
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(tine_write_to(1, "x", 1), -1);
	assert_int_equal(errno, ENOMEM);
	memory_left = -1;
	assert_int_equal(post(TINE_ORDINARY, 1), 0);
	rig_until(seen.ran == n + 1);
}

static void
when_the_child_leaves_posts_are_refused_and_those_made_still_run(void **state)
{
	(void)state;
	assert_int_equal(post(TINE_ORDINARY, 1), 0);
	assert_int_equal(post(TINE_URGENT, 1), 0);
	child_leave(&rig.ch);
	assert_int_equal(post(TINE_ORDINARY, 1), -1);
	assert_int_equal(errno, ESHUTDOWN);
	assert_int_equal(tine_wake(1), -1);
	assert_int_equal(errno, ESHUTDOWN);
	assert_int_equal(tine_write_to(1, "x", 1), -1);
	assert_int_equal(errno, ESHUTDOWN);
	assert_int_equal(tine_close_handle(1), -1);
	assert_int_equal(errno, ESHUTDOWN);
	turn();
	assert_int_equal(seen.ran, 0);
	child_fini(&rig.ch);
	assert_int_equal(seen.ran, 2);
	/* There is no loop any more, and that is safe too. */
	assert_int_equal(post(TINE_URGENT, 1), -1);
	assert_int_equal(errno, ESHUTDOWN);
	task_close();
}

static void *
post_until_refused(void *arg)
{
	unsigned *n = arg;

	while (post(TINE_URGENT, 1) == 0)
		++*n;
	return NULL;
}

static void
a_thread_may_post_while_the_child_ends(void **state)
{
	pthread_t thread;
	unsigned n = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, post_until_refused, &n),
	    0);
	rig_until(seen.ran > 1000);
	child_leave(&rig.ch);
	child_fini(&rig.ch);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(seen.ran, n);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, rig_end)
	static const struct CMUnitTest tests[] = {
		TEST(a_post_runs_on_the_loop_and_not_within_the_call),
		TEST(the_urgent_come_first_and_each_queue_keeps_its_order),
		TEST(a_turn_runs_all_urgent_tasks),
		TEST(a_turn_runs_256_ordinary_tasks_and_serves_the_connections),
		TEST(what_a_task_posts_runs_in_the_next_turn),
		TEST(a_thousand_posts_between_two_turns_wake_the_loop_once),
		TEST(a_sleeping_loop_is_woken_at_most_once_for_each_turn),
		TEST(posts_of_many_threads_all_run_in_each_threads_order),
		TEST(in_the_steady_state_a_post_allocates_nothing),
		TEST(without_memory_a_post_is_refused),
		TEST(
		    when_the_child_leaves_posts_are_refused_and_those_made_still_run),
		TEST(a_thread_may_post_while_the_child_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Work that blocks, in threads. */
#include "rig.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#define THREADS 3
#define QUEUE 5

/* What the threads wait for. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_open;
	unsigned begun, ran;
	sigset_t mask;
	char name[16];
} gate = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER };
static unsigned dones;
static int create_error; /* of pthread_create */

int __real_pthread_create(pthread_t *, const pthread_attr_t *,
    void *(*)(void *), void *);
int __wrap_pthread_create(pthread_t *, const pthread_attr_t *,
    void *(*)(void *), void *);

int
__wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
    void *(*fn)(void *), void *arg)
{
	if (create_error != 0)
		return create_error;
	return __real_pthread_create(thread, attr, fn, arg);
}

static int
start(void **state)
{
	(void)state;
	gate.is_open = true;
	gate.begun = gate.ran = dones = 0;
	create_error = 0;
	(void)rig_conf();
	rig.conf.offload.threads = THREADS;
	rig.conf.offload.queue = QUEUE;
	rig_start(&rig_handler);
	return 0;
}

static void
set_open(bool is_open)
{
	(void)pthread_mutex_lock(&gate.lock);
	gate.is_open = is_open;
	(void)pthread_cond_broadcast(&gate.changed);
	(void)pthread_mutex_unlock(&gate.lock);
}

static unsigned
begun(void)
{
	unsigned n;

	(void)pthread_mutex_lock(&gate.lock);
	n = gate.begun;
	(void)pthread_mutex_unlock(&gate.lock);
	return n;
}

static void
work(void *arg)
{
	(void)arg;
	(void)pthread_mutex_lock(&gate.lock);
	gate.begun++;
	(void)pthread_sigmask(SIG_SETMASK, NULL, &gate.mask);
	(void)pthread_getname_np(pthread_self(), gate.name, sizeof(gate.name));
	(void)pthread_cond_broadcast(&gate.changed);
	while (!gate.is_open)
		(void)pthread_cond_wait(&gate.changed, &gate.lock);
	gate.ran++;
	(void)pthread_mutex_unlock(&gate.lock);
}

static void
await_begun(unsigned n)
{
	(void)pthread_mutex_lock(&gate.lock);
	while (gate.begun < n)
		(void)pthread_cond_wait(&gate.changed, &gate.lock);
	(void)pthread_mutex_unlock(&gate.lock);
}

static void
done(struct tine_child *s, void *arg)
{
	assert_ptr_equal(s, rig.server);
	assert_int_equal(rig.ch.doing.callback, BOARD_IN_DONE);
	assert_ptr_equal(arg, &gate);
	dones++;
}

static int
offload(void)
{
	return tine_offload(rig.server, work, done, &gate);
}

/* Ours: a sanitizer has some too. */
static unsigned
count_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	char path[64], name[16] = "";
	const struct dirent *e;
	unsigned n = 0;
	FILE *f;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		(void)snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm",
		    e->d_name);
		f = fopen(path, "re");
		if (f == NULL)
			continue;
		if (fgets(name, sizeof(name), f) != NULL &&
		    strncmp(name, "offload-", 8) == 0)
			n++;
		(void)fclose(f);
	}
	(void)closedir(d);
	return n;
}

static void
work_runs_elsewhere_and_done_on_the_loop(void **state)
{
	(void)state;
	assert_int_equal(count_threads(), 0);
	set_open(false);
	assert_int_equal(offload(), 0);
	await_begun(1);
	assert_int_equal(count_threads(), 1);
	assert_true(offload_is_pending(&rig.ch));
	rig_turn();
	assert_int_equal(dones, 0);
	set_open(true);
	rig_until(dones == 1);
	assert_false(offload_is_pending(&rig.ch));
	/* The thread stays, and takes the next. */
	assert_int_equal(offload(), 0);
	rig_until(dones == 2);
	assert_int_equal(tine_offload(rig.server, work, NULL, &gate), 0);
	rig_until(!offload_is_pending(&rig.ch));
	assert_int_equal(gate.ran, 3);
	assert_int_equal(dones, 2);
}

static void
its_threads_have_names_and_leave_signals_alone(void **state)
{
	static const int blocked[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1,
		SIGABRT, SIGCHLD, SIGALRM };
	size_t i;

	(void)state;
	assert_int_equal(offload(), 0);
	rig_until(dones == 1);
	assert_string_equal(gate.name, "offload-0");
	for (i = 0; i < nitems(blocked); i++)
		assert_int_equal(sigismember(&gate.mask, blocked[i]), 1);
	/* A thread's own mistake is to be heard. */
	assert_int_equal(sigismember(&gate.mask, SIGSEGV), 0);
}

static void
threads_and_queue_are_bounded_and_full_is_an_error(void **state)
{
	unsigned i;

	(void)state;
	set_open(false);
	for (i = 0; i < THREADS + QUEUE; i++)
		assert_int_equal(offload(), 0);
	assert_int_equal(offload(), -1);
	assert_int_equal(errno, EAGAIN);
	await_begun(THREADS);
	assert_int_equal(begun(), THREADS);
	assert_int_equal(count_threads(), THREADS);
	set_open(true);
	rig_until(dones == THREADS + QUEUE);
	assert_int_equal(offload(), 0);
	rig_until(dones == THREADS + QUEUE + 1);
	assert_int_equal(count_threads(), THREADS);
}

static void
offload_again(struct tine_child *s, void *arg)
{
	if (++dones < 1000)
		assert_int_equal(tine_offload(s, work, offload_again, arg), 0);
}

/* The thread may be slower than the loop to find out that it is idle. */
static void
a_child_that_leaves_when_all_is_done_ends_every_thread(void **state)
{
	unsigned i;

	for (i = 0; i < 200; i++) {
		assert_int_equal(offload(), 0);
		drain_begin(&rig.ch, 30, CTL_RELOAD);
		rig_until(rig.ch.state == CHILD_LEAVING);
		assert_true(offload_stop(&rig.ch));
		(void)rig_end(state);
		(void)start(state);
	}
}

static void
done_may_offload_again(void **state)
{
	(void)state;
	assert_int_equal(tine_offload(rig.server, work, offload_again, NULL),
	    0);
	rig_until(dones == 1000);
}

static void
without_any_thread_it_is_refused_with_some_it_goes_on(void **state)
{
	(void)state;
	create_error = EAGAIN;
	assert_int_equal(offload(), -1);
	assert_int_equal(errno, EAGAIN);
	assert_false(offload_is_pending(&rig.ch));
	create_error = 0;
	set_open(false);
	assert_int_equal(offload(), 0);
	create_error = EAGAIN;
	assert_int_equal(offload(), 0);
	await_begun(1);
	set_open(true);
	rig_until(dones == 2);
}

static void
none_are_configured(void **state)
{
	(void)state;
	rig.conf.offload.threads = 0;
	assert_int_equal(offload(), -1);
	assert_int_equal(errno, ENOTSUP);
}

static void
a_draining_child_waits_for_it(void **state)
{
	(void)state;
	set_open(false);
	assert_int_equal(offload(), 0);
	await_begun(1);
	drain_begin(&rig.ch, 30, CTL_RELOAD);
	rig_turn();
	assert_int_equal(rig.ch.state, CHILD_DRAINING);
	/* It may need more of it to finish. */
	assert_int_equal(offload(), 0);
	set_open(true);
	rig_until(rig.ch.state == CHILD_LEAVING);
	assert_int_equal(dones, 2);
	assert_int_equal(offload(), -1);
	assert_int_equal(errno, ESHUTDOWN);
}

static void
but_not_longer_than_the_drain_timeout(void **state)
{
	(void)state;
	set_open(false);
	assert_int_equal(offload(), 0);
	await_begun(1);
	drain_begin(&rig.ch, 0.05, CTL_RELOAD);
	rig_until(rig.ch.state == CHILD_LEAVING);
	assert_int_equal(dones, 0);
	assert_false(offload_stop(&rig.ch));
	/* So the process would end without asking it; here it is asked. */
	set_open(true);
	while (!offload_stop(&rig.ch))
		continue;
}

static void
what_was_not_begun_is_never_begun_by_a_child_that_left(void **state)
{
	unsigned i;

	(void)state;
	set_open(false);
	for (i = 0; i < THREADS + QUEUE; i++)
		assert_int_equal(offload(), 0);
	await_begun(THREADS);
	child_leave(&rig.ch);
	assert_false(offload_stop(&rig.ch));
	set_open(true);
	while (!offload_stop(&rig.ch))
		continue;
	assert_int_equal(gate.ran, THREADS);
}

static void
what_was_done_says_so_before_the_child_ends(void **state)
{
	(void)state;
	assert_int_equal(offload(), 0);
	await_begun(1);
	/* Joined without a turn of the loop in between. */
	while (!offload_stop(&rig.ch))
		continue;
	child_fini(&rig.ch);
	assert_int_equal(dones, 1);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, rig_end)
	static const struct CMUnitTest tests[] = {
		TEST(work_runs_elsewhere_and_done_on_the_loop),
		TEST(its_threads_have_names_and_leave_signals_alone),
		TEST(threads_and_queue_are_bounded_and_full_is_an_error),
		TEST(a_child_that_leaves_when_all_is_done_ends_every_thread),
		TEST(done_may_offload_again),
		TEST(without_any_thread_it_is_refused_with_some_it_goes_on),
		TEST(none_are_configured),
		TEST(a_draining_child_waits_for_it),
		TEST(but_not_longer_than_the_drain_timeout),
		TEST(what_was_not_begun_is_never_begun_by_a_child_that_left),
		TEST(what_was_done_says_so_before_the_child_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

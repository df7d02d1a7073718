/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of CPUs, and which of them a place gets. */
#include "shared/affinity.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "shared/base.h"

static cpu_set_t usable[8];
static int refuse; /* errno of the calls to come; 0: none fails */
static int bound;  /* what was asked for last */

int __wrap_sched_getaffinity(pid_t, size_t, cpu_set_t *);
int __wrap_sched_setaffinity(pid_t, size_t, const cpu_set_t *);

int
__wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	assert_true(pid >= 0);
	assert_int_equal(size, sizeof(usable));
	if (refuse != 0) {
		errno = refuse;
		return -1;
	}
	(void)memcpy(set, usable, size);
	return 0;
}

int
__wrap_sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *set)
{
	int cpu;

	assert_int_equal(pid, 0);
	assert_int_equal(CPU_COUNT_S(size, set), 1);
	if (refuse != 0) {
		errno = refuse;
		return -1;
	}
	for (cpu = 0; !CPU_ISSET_S((size_t)cpu, size, set); cpu++)
		continue;
	bound = cpu;
	return 0;
}

static void
allow(const int *cpus, size_t n)
{
	size_t i;

	CPU_ZERO_S(sizeof(usable), usable);
	for (i = 0; i < n; i++)
		CPU_SET_S((size_t)cpus[i], sizeof(usable), usable);
}

static int
begin(void **state)
{
	static const int some[] = { 1, 2, 3, 7, 2000 };

	(void)state;
	refuse = 0;
	allow(some, nitems(some));
	return 0;
}

static void
a_list_is_numbers_and_ranges_with_commas(void **state)
{
	static const char *const good[] = { "0", "0-3", "0,2-3", "1023", "3,1",
		"2-2", "1,1" };
	static const char *const bad[] = { "", "none", "auto", "1024", "3-2",
		"0,", ",0", "0,,1", "0-", "-1", "0-1024", "0 1", "1-2-3", "x",
		"99999999999999999999", "0x1", "1.5" };
	size_t i;

	(void)state;
	for (i = 0; i < nitems(good); i++)
		if (!affinity_is_list(good[i]))
			fail_msg("\"%s\" is refused", good[i]);
	for (i = 0; i < nitems(bad); i++)
		if (affinity_is_list(bad[i]))
			fail_msg("\"%s\" is taken", bad[i]);
}

static void
places_take_the_list_in_turn(void **state)
{
	static const int cpus[] = { 5, 2, 3, 4, 5 };
	int i;

	(void)state;
	for (i = 0; i < 1024; i++)
		assert_int_equal(affinity_of_place("5,2-4,5", i), cpus[i % 5]);
	assert_int_equal(affinity_of_place("0-1023,0-1023", 1025), 1);
	assert_int_equal(affinity_of_place("5,2-4,5", -1), -1);
}

static void
auto_is_what_this_process_may_use(void **state)
{
	static const int cpus[] = { 1, 2, 3, 7, 2000 };
	int i;

	(void)state;
	for (i = 0; i < 20; i++)
		assert_int_equal(affinity_of_place("auto", i), cpus[i % 5]);
	refuse = EINVAL;
	assert_int_equal(affinity_of_place("auto", 0), -1);
}

static void
none_is_none(void **state)
{
	(void)state;
	assert_int_equal(affinity_of_place("none", 0), -1);
}

static void
a_cpu_that_cannot_be_used_is_named_with_those_that_can(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(affinity_check("none", &err), 0);
	assert_int_equal(affinity_check("auto", &err), 0);
	assert_int_equal(affinity_check("1-3,7", &err), 0);
	assert_int_equal(affinity_check("1,6-7", &err), -1);
	assert_int_equal(err.code, EXIT_BAD_CONFIG);
	assert_string_equal(err.text,
	    "cpu-affinity: CPU 6 cannot be used here");
	assert_string_equal(err.hint, "those that can: 1-3, 7, 2000");
	refuse = EPERM;
	assert_int_equal(affinity_check("1", &err), -1);
	assert_int_equal(err.sys, EPERM);
}

static void
many_that_can_be_used_are_cut_off(void **state)
{
	int cpus[1000], i;
	struct err err;

	(void)state;
	for (i = 0; i < 1000; i++)
		cpus[i] = 2 * i;
	allow(cpus, nitems(cpus));
	assert_int_equal(affinity_check("1", &err), -1);
	assert_memory_equal(err.hint, "those that can: 0, 2, 4, ", 25);
}

static void
a_process_is_bound_to_one_and_that_can_be_read(void **state)
{
	static const int one[] = { 1500 };

	(void)state;
	assert_int_equal(affinity_bind(1500), 0);
	assert_int_equal(bound, 1500);
	assert_int_equal(affinity_of_process(getpid()), -1);
	allow(one, 1);
	assert_int_equal(affinity_of_process(getpid()), 1500);
	refuse = ESRCH;
	assert_int_equal(affinity_of_process(getpid()), -1);
	assert_int_equal(affinity_bind(1), -1);
	assert_int_equal(errno, ESRCH);
}

#define with_cpus(f) cmocka_unit_test_setup(f, begin)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_cpus(a_list_is_numbers_and_ranges_with_commas),
		with_cpus(places_take_the_list_in_turn),
		with_cpus(auto_is_what_this_process_may_use),
		with_cpus(none_is_none),
		with_cpus(
		    a_cpu_that_cannot_be_used_is_named_with_those_that_can),
		with_cpus(many_that_can_be_used_are_cut_off),
		with_cpus(a_process_is_bound_to_one_and_that_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

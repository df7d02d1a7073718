/* SPDX-License-Identifier: BSD-2-Clause */
/* The limit of open descriptors. getrlimit() and setrlimit() are wrapped: they
 * read and write a limit of the test's own. */
#include <sys/resource.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "shared/log.h"
#include "shared/rlimit.h"

#define NR_OPEN 1000000

static struct {
	struct rlimit files;
	bool is_root, is_blind;
} world;
static struct conf conf;
static struct err err;

int __wrap_getrlimit(int, struct rlimit *);
int __wrap_setrlimit(int, const struct rlimit *);

int
__wrap_getrlimit(int what, struct rlimit *r)
{
	assert_int_equal(what, RLIMIT_NOFILE);
	errno = EFAULT;
	*r = world.files;
	return world.is_blind ? -1 : 0;
}

/* As the kernel does. */
int
__wrap_setrlimit(int what, const struct rlimit *r)
{
	assert_int_equal(what, RLIMIT_NOFILE);
	if (r->rlim_max > NR_OPEN ||
	    (r->rlim_max > world.files.rlim_max && !world.is_root)) {
		errno = EPERM;
		return -1;
	}
	assert_true(r->rlim_cur <= r->rlim_max);
	world.files = *r;
	return 0;
}

static int
open_world(void **state)
{
	(void)state;
	log_set_level(LOG_ERROR);
	conf = (struct conf){ .max_connections = 100000 };
	world.files = (struct rlimit){ 1024, 4096 };
	world.is_root = world.is_blind = false;
	return 0;
}

static void
expect_limits(rlim_t soft, rlim_t hard)
{
	assert_int_equal(world.files.rlim_cur, soft);
	assert_int_equal(world.files.rlim_max, hard);
}

static void
max_is_what_the_hard_limit_gives(void **state)
{
	(void)state;
	assert_int_equal(rlimit_raise_files(&conf, &err), 0);
	expect_limits(4096, 4096);
	world.is_root = true;
	assert_int_equal(rlimit_raise_files(&conf, &err), 0);
	expect_limits(4096, 4096);
}

static void
root_passes_the_hard_limit(void **state)
{
	(void)state;
	conf.rlimit_nofile = 50000;
	world.is_root = true;
	assert_int_equal(rlimit_raise_files(&conf, &err), 0);
	expect_limits(50000, 50000);
}

static void
others_are_told_where_it_is(void **state)
{
	(void)state;
	conf.rlimit_nofile = 50000;
	assert_int_equal(rlimit_raise_files(&conf, &err), -1);
	assert_int_equal(err.code, EXIT_NO_PERMISSION);
	assert_string_equal(err.text,
	    "rlimit-nofile 50000: Operation not permitted");
	assert_non_null(strstr(err.hint, "4096"));
	expect_limits(1024, 4096);
}

static void
nobody_passes_what_the_kernel_allows(void **state)
{
	(void)state;
	conf.rlimit_nofile = NR_OPEN + 1;
	world.is_root = true;
	assert_int_equal(rlimit_raise_files(&conf, &err), -1);
	assert_non_null(strstr(err.hint, "fs.nr_open"));
}

static void
a_small_number_is_for_children_only(void **state)
{
	(void)state;
	conf.rlimit_nofile = 500;
	assert_int_equal(rlimit_raise_files(&conf, &err), 0);
	expect_limits(4096, 4096);
	rlimit_set_files(&conf);
	expect_limits(500, 500);
	/* For good, whatever it says later. */
	conf.rlimit_nofile = 0;
	rlimit_set_files(&conf);
	expect_limits(500, 500);
}

static void
connections_leave_descriptors_for_the_rest(void **state)
{
	(void)state;
	assert_int_equal(rlimit_connections(&conf), 1024 - 64);
	conf.max_connections = 10;
	assert_int_equal(rlimit_connections(&conf), 10);
	conf.max_connections = 100000;
	world.files.rlim_cur = 70;
	assert_int_equal(rlimit_connections(&conf), 16);
}

static void
a_limit_that_cannot_be_read_changes_nothing(void **state)
{
	(void)state;
	world.is_blind = true;
	assert_int_equal(rlimit_raise_files(&conf, &err), -1);
	assert_int_equal(err.code, EXIT_SYSTEM);
	rlimit_set_files(&conf);
	expect_limits(1024, 4096);
	assert_int_equal(rlimit_connections(&conf), 100000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(max_is_what_the_hard_limit_gives,
		    open_world),
		cmocka_unit_test_setup(root_passes_the_hard_limit, open_world),
		cmocka_unit_test_setup(others_are_told_where_it_is, open_world),
		cmocka_unit_test_setup(nobody_passes_what_the_kernel_allows,
		    open_world),
		cmocka_unit_test_setup(a_small_number_is_for_children_only,
		    open_world),
		cmocka_unit_test_setup(
		    connections_leave_descriptors_for_the_rest, open_world),
		cmocka_unit_test_setup(
		    a_limit_that_cannot_be_read_changes_nothing, open_world),
	};

	return cmocka_run_group_tests_name("rlimit", tests, NULL, NULL);
}

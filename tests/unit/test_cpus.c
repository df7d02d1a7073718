/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUs that may be used, by affinity and by made-up trees of cgroups. */
#include "master/cpus.h"

#include <sys/stat.h>

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "shared/conf.h"

static char root[PATH_MAX / 2];
static int affinity; /* CPUs; negative: sched_getaffinity() fails */

int __wrap_sched_getaffinity(pid_t, size_t, cpu_set_t *);

int
__wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	size_t i;

	(void)pid;
	if (affinity < 0) {
		errno = EINVAL;
		return -1;
	}
	CPU_ZERO_S(size, set);
	for (i = 0; i < (size_t)affinity; i++)
		CPU_SET_S(i * 2, size, set);
	return 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int
open_tree(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	(void)snprintf(root, sizeof(root), "%s/test_cpus.XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	affinity = 8;
	return mkdtemp(root) == NULL ? -1 : 0;
}

static int
close_tree(void **state)
{
	(void)state;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Write a file of the tree and the folders above it. */
static void
put(const char *file, const char *text)
{
	char path[PATH_MAX], *slash;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", root, file);
	for (slash = strchr(path + strlen(root) + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	(void)fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static int
quota(const char *membership)
{
	char path[PATH_MAX];

	put("membership", membership);
	(void)snprintf(path, sizeof(path), "%s/membership", root);
	return cpus_quota(root, path);
}

static void
version_2_has_a_quota_and_a_period_in_one_file(void **state)
{
	(void)state;
	put("app/cpu.max", "200000 100000\n");
	assert_int_equal(quota("0::/app\n"), 2);
	put("app/cpu.max", "150000 100000\n");
	assert_int_equal(quota("0::/app\n"), 2);
	put("app/cpu.max", "1000 100000\n");
	assert_int_equal(quota("0::/app\n"), 1);
	put("app/cpu.max", "max 100000\n");
	assert_int_equal(quota("0::/app\n"), 0);
}

static void
the_smallest_quota_on_the_way_up_counts(void **state)
{
	(void)state;
	put("a/cpu.max", "300000 100000\n");
	put("a/b/cpu.max", "max 100000\n");
	put("a/b/c/cpu.max", "500000 100000\n");
	assert_int_equal(quota("0::/a/b/c\n"), 3);
	put("cpu.max", "100000 100000\n");
	assert_int_equal(quota("0::/a/b/c\n"), 1);
	assert_int_equal(quota("0::/\n"), 1);
}

static void
version_1_has_two_files_under_its_controllers(void **state)
{
	(void)state;
	put("cpu,cpuacct/app/cpu.cfs_quota_us", "400000\n");
	put("cpu,cpuacct/app/cpu.cfs_period_us", "100000\n");
	assert_int_equal(quota("9:name=systemd:/\n4:cpu,cpuacct:/app\n"), 4);
	put("cpu,cpuacct/app/cpu.cfs_quota_us", "-1\n");
	assert_int_equal(quota("4:cpu,cpuacct:/app\n"), 0);
	put("cpu/cpu.cfs_quota_us", "250000\n");
	put("cpu/cpu.cfs_period_us", "100000\n");
	assert_int_equal(quota("4:cpuacct,cpu:/gone\n"), 3);
	assert_int_equal(quota("4:cpuset:/gone\n7:cpuacct:/\n"), 0);
}

static void
the_smaller_of_two_hierarchies_counts(void **state)
{
	(void)state;
	put("app/cpu.max", "600000 100000\n");
	put("cpu/cpu.cfs_quota_us", "500000\n");
	put("cpu/cpu.cfs_period_us", "100000\n");
	assert_int_equal(quota("1:cpu:/app\n0::/app\n"), 5);
}

static void
a_group_outside_our_namespace_leaves_the_root(void **state)
{
	(void)state;
	put("cpu.max", "700000 100000\n");
	put("app/cpu.max", "100000 100000\n");
	assert_int_equal(quota("0::/../app\n"), 7);
}

static void
strange_files_mean_no_quota(void **state)
{
	static const char *const texts[] = { "", "x", "100000", "100000 x",
		"0 100000", "100000 0", "-5 100000",
		"99999999999999999999 1\n" };
	char path[PATH_MAX], line[2 * PATH_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(texts); i++) {
		put("app/cpu.max", texts[i]);
		assert_int_equal(quota("0::/app\n"), 0);
	}
	assert_int_equal(quota("nonsense\n1:cpu\n\n"), 0);
	put("app/cpu.max", "100000 100000\n");
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	(void)snprintf(line, sizeof(line), "0::/app/%s\n", path);
	assert_int_equal(quota(line), 0);
	assert_int_equal(cpus_quota(root, "/nonexistent"), 0);
}

static void
a_path_that_only_fits_without_its_tail_is_still_walked(void **state)
{
	char line[PATH_MAX];
	size_t i, used;

	(void)state;
	put("app/cpu.max", "100000 100000\n");
	used = (size_t)snprintf(line, sizeof(line), "0::/app");
	for (i = used; i < PATH_MAX - 10; i++)
		line[i] = i % 2 == 0 ? 'x' : '/';
	line[i] = '\0';
	assert_int_equal(quota(line), 1);
}

static void
the_count_is_at_most_the_affinity(void **state)
{
	(void)state;
	assert_int_equal(cpus_count(root), 8);
	affinity = 3;
	assert_int_equal(cpus_count("/nonexistent"), 3);
}

static void
the_count_is_at_least_1_and_at_most_1024(void **state)
{
	(void)state;
	affinity = -1;
	assert_int_equal(cpus_count(root), 1);
	affinity = 0;
	assert_int_equal(cpus_count(root), 1);
	affinity = 4000;
	assert_int_equal(cpus_count(root), CONF_PROCESSES_MAX);
}

#define with_tree(f) cmocka_unit_test_setup_teardown(f, open_tree, close_tree)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_tree(version_2_has_a_quota_and_a_period_in_one_file),
		with_tree(the_smallest_quota_on_the_way_up_counts),
		with_tree(version_1_has_two_files_under_its_controllers),
		with_tree(the_smaller_of_two_hierarchies_counts),
		with_tree(a_group_outside_our_namespace_leaves_the_root),
		with_tree(strange_files_mean_no_quota),
		with_tree(
		    a_path_that_only_fits_without_its_tail_is_still_walked),
		with_tree(the_count_is_at_most_the_affinity),
		with_tree(the_count_is_at_least_1_and_at_most_1024),
	};

	return cmocka_run_group_tests_name("cpus", tests, NULL, NULL);
}

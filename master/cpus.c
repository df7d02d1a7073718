/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpus.c: the CPUs of this process by affinity and cgroup quota, version 1 and
 * 2. Runs in the master at start. A file that is missing or strange means no
 * quota: a wrong guess costs a few children, a refused start costs a service.
 */
#include "master/cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base.h"
#include "shared/conf.h"

/* 64 * 1024 CPUs; Linux knows at most 8192. */
#define CPU_SETS 64

static int
count_affinity(void)
{
	cpu_set_t sets[CPU_SETS];

	CPU_ZERO_S(sizeof(sets), sets);
	if (sched_getaffinity(0, sizeof(sets), sets) == -1)
		return 1;
	return CPU_COUNT_S(sizeof(sets), sets);
}

/* The numbers in a file of one line; how many of them could be read. */
static int
read_numbers(const char *folder, const char *file, long long out[2])
{
	char path[PATH_MAX];
	FILE *f;
	int n;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, file);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	/* "max 100000" has no number where the quota stands. */
	n = fscanf(f, "%lld %lld", &out[0], &out[1]);
	(void)fclose(f);
	return MAX_OF(n, 0);
}

/* CPUs that one folder of the tree pays for, or 0. */
static int
read_quota(const char *folder)
{
	long long v[2], period[2];

	if (read_numbers(folder, "cpu.max", v) != 2) {
		if (read_numbers(folder, "cpu.cfs_quota_us", v) < 1 ||
		    read_numbers(folder, "cpu.cfs_period_us", period) < 1)
			return 0;
		v[1] = period[0];
	}
	/* -1 is version 1's word for none. */
	if (v[0] <= 0 || v[1] <= 0 || v[0] / v[1] >= CONF_PROCESSES_MAX)
		return 0;
	return (int)(v[0] / v[1] + (v[0] % v[1] != 0));
}

static int
smaller_quota(int a, int b)
{
	if (a == 0 || b == 0)
		return a + b;
	return MIN_OF(a, b);
}

/* From the group of a process up to the root, for any folder may set a limit.
 * Cuts path. */
static int
walk_up(const char *mount, char *path)
{
	char folder[PATH_MAX];
	int least = 0;
	char *slash;

	/* A group outside our cgroup namespace: only the root is ours to see. */
	if (strstr(path, "/..") != NULL)
		*path = '\0';
	for (;;) {
		if (snprintf(folder, sizeof(folder), "%s%s", mount, path) <
		    (int)sizeof(folder))
			least = smaller_quota(least, read_quota(folder));
		slash = strrchr(path, '/');
		if (slash == NULL)
			return least;
		*slash = '\0';
	}
}

static bool
has_cpu_controller(const char *controllers)
{
	const char *p = controllers;
	size_t n;

	for (; *p != '\0'; p += n + (p[n] == ',')) {
		n = strcspn(p, ",");
		if (n == 3 && strncmp(p, "cpu", n) == 0)
			return true;
	}
	return false;
}

/* One line of the membership file, "4:cpu,cpuacct:/path" or "0::/path". */
static int
quota_of_line(const char *cgroup_root, char *line)
{
	char mount[PATH_MAX], copy[PATH_MAX];
	char *controllers, *path;
	int quota;

	line[strcspn(line, "\n")] = '\0';
	(void)strsep(&line, ":");
	controllers = strsep(&line, ":");
	path = line;
	if (path == NULL || strlen(path) >= sizeof(copy))
		return 0;
	if (controllers[0] == '\0')
		return walk_up(cgroup_root, path);
	if (!has_cpu_controller(controllers))
		return 0;
	/* The folder is named after the controllers mounted together, or there
	 * is a link of the plain name. */
	memcpy(copy, path, strlen(path) + 1);
	(void)snprintf(mount, sizeof(mount), "%s/%s", cgroup_root, controllers);
	quota = walk_up(mount, copy);
	(void)snprintf(mount, sizeof(mount), "%s/cpu", cgroup_root);
	return smaller_quota(quota, walk_up(mount, path));
}

int
cpus_quota(const char *cgroup_root, const char *membership)
{
	FILE *f = fopen(membership, "re");
	char *line = NULL;
	size_t size = 0;
	int least = 0;

	if (f == NULL)
		return 0;
	while (getline(&line, &size, f) != -1)
		least = smaller_quota(least, quota_of_line(cgroup_root, line));
	free(line);
	(void)fclose(f);
	return least;
}

int
cpus_count(const char *cgroup_root)
{
	int count = smaller_quota(count_affinity(),
	    cpus_quota(cgroup_root, "/proc/self/cgroup"));

	return MIN_OF(MAX_OF(count, 1), CONF_PROCESSES_MAX);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpus.h: how many CPUs this process may use, for `-n auto`.
 */
#ifndef TINE_MASTER_CPUS_H
#define TINE_MASTER_CPUS_H

/* Where cgroups are mounted. */
#define CPUS_CGROUP_ROOT "/sys/fs/cgroup"

/* The smaller of the CPUs that we may run on and those that the cgroups above
 * us pay for; 1 to CONF_PROCESSES_MAX. cgroup_root: CPUS_CGROUP_ROOT. */
int cpus_count(const char *cgroup_root);
/* CPUs that the quotas of the cgroups pay for, rounded up; 0: no quota.
 * membership: a file as /proc/self/cgroup. */
int cpus_quota(const char *cgroup_root, const char *membership);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * affinity.h: the key cpu-affinity: its lists of CPUs, which of them a place
 * gets, and binding a process to it. "none", "auto" (all CPUs that this process
 * may use) or a list, "0,2-3", whose order counts. Any process; not for
 * threads of their own.
 */
#ifndef TINE_SHARED_AFFINITY_H
#define TINE_SHARED_AFFINITY_H

#include <sys/types.h>

#include <stdbool.h>

#include "shared/err.h"

/* Numbers of CPUs in a list are less. */
#define AFFINITY_CPUS_MAX 1024

/* Is it a list, "0", "0-3", "0,2-3"? */
bool affinity_is_list(const char *text);
/* May this process use every CPU that is named? -1: not so, and err says which
 * one not, and which it may. */
int affinity_check(const char *text, struct err *err);
/* The CPU for this place: the (place mod n)-th of n. -1: none, as for places
 * that are less than 0. The text is one that was checked, here or elsewhere. */
int affinity_of_place(const char *text, int place);
/* Let this process run on that CPU only. -1 and errno. */
int affinity_bind(int cpu);
/* The one CPU that a process may use; -1: it may use more, or is gone. */
int affinity_of_process(pid_t pid);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * affinity.c: one CPU for each place. The checker looks whether the list is
 * one of CPUs that there are, a child binds itself before it loads a handler,
 * the master reads it back for those who ask. It keeps nothing: CPUs come and
 * go while a server runs.
 */
#include "shared/affinity.h"

#include <ctype.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base.h"

/* Linux knows at most 8192. */
#define SETS 8
#define CPUS (SETS * CPU_SETSIZE)

struct set {
	cpu_set_t bits[SETS];
};

struct range {
	int first, last;
};

static int
read_number(const char **text)
{
	unsigned long n;
	char *end;

	if (!isdigit((unsigned char)**text))
		return -1;
	n = strtoul(*text, &end, 10);
	*text = end;
	return n < AFFINITY_CPUS_MAX ? (int)n : -1;
}

/* The range at *text, which is left behind it and its comma. False: there is
 * none, and at the end of a list *text is empty. */
static bool
next_range(const char **text, struct range *r)
{
	r->first = r->last = read_number(text);
	if (r->first == -1)
		return false;
	if (**text == '-') {
		++*text;
		r->last = read_number(text);
	}
	if (r->last < r->first || (**text != ',' && **text != '\0') ||
	    strcmp(*text, ",") == 0)
		return false;
	*text += **text == ',';
	return true;
}

bool
affinity_is_list(const char *text)
{
	struct range r;

	if (*text == '\0')
		return false;
	while (next_range(&text, &r))
		if (*text == '\0')
			return true;
	return false;
}

static int
read_usable(pid_t pid, struct set *usable)
{
	CPU_ZERO_S(sizeof(usable->bits), usable->bits);
	return sched_getaffinity(pid, sizeof(usable->bits), usable->bits);
}

static bool
has(const struct set *set, int cpu)
{
	return CPU_ISSET_S((size_t)cpu, sizeof(set->bits), set->bits) != 0;
}

/* "0-1, 4" */
static const char *
print_set(const struct set *set, char *dst, size_t size)
{
	size_t used = 0;
	int cpu, last;

	dst[0] = '\0';
	for (cpu = 0; cpu < CPUS && used < size; cpu++) {
		if (!has(set, cpu))
			continue;
		for (last = cpu; last + 1 < CPUS && has(set, last + 1);)
			last++;
		used += (size_t)snprintf(dst + used, size - used,
		    last > cpu ? "%s%d-%d" : "%s%d", used > 0 ? ", " : "", cpu,
		    last);
		cpu = last;
	}
	return dst;
}

int
affinity_check(const char *text, struct err *err)
{
	char list[128];
	struct set usable;
	struct range r;
	int cpu;

	if (!affinity_is_list(text))
		return 0;
	if (read_usable(0, &usable) == -1)
		return err_sys(err, "the CPUs that may be used");
	while (next_range(&text, &r))
		for (cpu = r.first; cpu <= r.last; cpu++) {
			if (has(&usable, cpu))
				continue;
			err_set(err, EXIT_BAD_CONFIG,
			    "cpu-affinity: CPU %d cannot be used here", cpu);
			return err_hint(err, "those that can: %s",
			    print_set(&usable, list, sizeof(list)));
		}
	return 0;
}

/* The n-th CPU of a set that is not empty, counted round and round. */
static int
nth_of_set(const struct set *set, int n)
{
	int cpu;

	n %= CPU_COUNT_S(sizeof(set->bits), set->bits);
	for (cpu = 0; !has(set, cpu) || n-- > 0;)
		cpu++;
	return cpu;
}

/* The same of a list. */
static int
nth_of_list(const char *text, int n)
{
	const char *p = text;
	struct range r;
	int all = 0;

	while (next_range(&p, &r))
		all += r.last - r.first + 1;
	for (n %= all; next_range(&text, &r); n -= r.last - r.first + 1)
		if (n <= r.last - r.first)
			break;
	return r.first + n;
}

int
affinity_of_place(const char *text, int place)
{
	struct set usable;

	if (place < 0)
		return -1;
	if (affinity_is_list(text))
		return nth_of_list(text, place);
	if (strcmp(text, "auto") != 0 || read_usable(0, &usable) == -1)
		return -1;
	return nth_of_set(&usable, place);
}

int
affinity_bind(int cpu)
{
	struct set set;

	CPU_ZERO_S(sizeof(set.bits), set.bits);
	CPU_SET_S((size_t)cpu, sizeof(set.bits), set.bits);
	return sched_setaffinity(0, sizeof(set.bits), set.bits);
}

int
affinity_of_process(pid_t pid)
{
	struct set usable;

	if (read_usable(pid, &usable) == -1 ||
	    CPU_COUNT_S(sizeof(usable.bits), usable.bits) != 1)
		return -1;
	return nth_of_set(&usable, 0);
}

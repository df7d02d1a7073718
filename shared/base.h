/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base.h: the few helpers that every file may need. Used by the master and the
 * children; includes nothing of ours.
 */
#ifndef TINE_SHARED_BASE_H
#define TINE_SHARED_BASE_H

#include <sys/types.h>

#include <errno.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#ifndef nitems
#define nitems(array) (sizeof(array) / sizeof((array)[0]))
#endif
#define BIT(n) (1U << (n))
#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN __attribute__((noreturn))

#define NSEC_PER_SEC 1000000000ULL

/*
 * 1 in a build that stands in for another release (make SKEW=1): everything
 * that two builds may disagree about is different there, so that tests can
 * upgrade from one to the other and back.
 */
#ifdef TINE_SKEW
#define SKEW 1
#else
#define SKEW 0
#endif

/* Close *fd if it is open and mark it closed. Keeps errno. */
static inline void
closefd(int *fd)
{
	int saved = errno;

	if (*fd != -1)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

/* CLOCK_MONOTONIC in nanoseconds: the same clock in master and children. */
static inline uint64_t
mono_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

#endif

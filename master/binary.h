/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * binary.h: the file that this process runs, the file that an upgrade would
 * run, and the step from one to the other in the same process.
 */
#ifndef TINE_MASTER_BINARY_H
#define TINE_MASTER_BINARY_H

#include <limits.h>
#include <stddef.h>

#include "shared/err.h"

struct binary {
	int fd;              /* what runs now: the way back; or -1 */
	char path[PATH_MAX]; /* what an upgrade runs; absolute */
};

/*
 * At the start, before the folder is left: open what runs, and find out by
 * which path it was called. A relative one is made absolute and not freed of
 * links, so that an operator may turn a link; a bare name was found in PATH and
 * is what the kernel says. -1: nothing can be upgraded, with the reason.
 */
int binary_init(struct binary *, const char *argv0, struct err *);
void binary_fini(struct binary *);
/*
 * Open and check what an upgrade would run: a program that this process may
 * execute, and for root one that nobody else can have put there. The
 * descriptor, or -1 with the reason and how to mend it.
 */
int binary_open(const struct binary *, struct err *);

/* What a process is to become. */
struct binary_image {
	const char *name; /* for messages */
	int fd;           /* of the program */
	char *const *argv;
	char *const *envp;
	int *keep; /* descriptors that it is to have besides 0, 1 and 2 */
	size_t nkeep;
};

/*
 * Become it: returns only when that failed, -1 with the reason. keep[], whose
 * order may change, is as close-on-exec then as it was before. To become
 * something by descriptor is possible although its file was removed; a script
 * cannot be run so.
 */
int binary_exec(const struct binary_image *, struct err *);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pathwalk.h: open a file by a way on which nobody but root can put another
 * one: every folder and every link on it is looked at, from the top down, and
 * the next step is taken from what was looked at.
 */
#ifndef TINE_SHARED_PATHWALK_H
#define TINE_SHARED_PATHWALK_H

#include <sys/stat.h>

#include <stdbool.h>

#include "shared/err.h"

/*
 * Open an absolute path for reading (close-on-exec, without waiting for a
 * FIFO's other end). must_be_roots: every folder and link on the way, and the
 * file, is root's, and no folder or file can be written by others; a folder of
 * root's that is sticky, as /tmp is, passes. The descriptor, or -1 with the
 * reason and how to mend it.
 */
int pathwalk_open(const char *path, bool must_be_roots, struct err *);
/* May others put something else in the place of it? `what` names it: "file",
 * "folder". -1 with the reason, code 77. */
int pathwalk_check(const char *what, const char *name, const struct stat *,
    struct err *);

#endif

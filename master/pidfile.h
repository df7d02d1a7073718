/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pidfile.h: the file that tells the master's pid. A lock on it, held for the
 * master's life, is the proof: a pid in a file may be anybody's by now.
 */
#ifndef TINE_MASTER_PIDFILE_H
#define TINE_MASTER_PIDFILE_H

#include "shared/err.h"

/*
 * Make or take over the file at path, lock it and write our pid. Returns the
 * descriptor that holds the lock: the process must never open the same file
 * again, as closing any descriptor of it ends the lock. -1 with the reason in
 * err: code 69 when another process holds it, which is named; 73 for what is
 * no pidfile of ours to write; 77.
 */
int pidfile_open(const char *path, struct err *);
/* Remove the file if it is still the one that was opened, empty it if it cannot
 * be removed, and let go of the lock. */
void pidfile_close(int *fd, const char *path);

#endif

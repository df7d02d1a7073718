/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * folder.h: may a socket or a file of ours live in this folder? Who can
 * write a folder can replace what is in it, and then speaks in our name.
 */
#ifndef TINE_MASTER_FOLDER_H
#define TINE_MASTER_FOLDER_H

#include <sys/types.h>

#include "shared/err.h"

/* Make the folder that holds path, but none above it; one that exists is left
 * as it is. -1 with the reason in err. */
int folder_make(const char *path, mode_t mode, struct err *);
/*
 * Check the folder that holds path: no symbolic link, ours or root's, and
 * writable by its owner alone, unless it is root's and sticky as /tmp is. -1
 * with the reason, how to mend it and code 73 (77 when it cannot be seen).
 */
int folder_check(const char *path, struct err *);
/*
 * Check the folder that holds a file which the master makes, seen through
 * symbolic links: it must exist, and for root be root's and writable by others
 * only if it is sticky. -1 as above.
 */
int folder_check_for_root(const char *path, struct err *);

#endif

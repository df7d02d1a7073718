/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * daemon.h: the way into the background. The process that was called stays
 * until the service is ready or has failed, and tells its caller which.
 */
#ifndef TINE_MASTER_DAEMON_H
#define TINE_MASTER_DAEMON_H

#include "shared/conf.h"
#include "shared/err.h"

enum daemon_side {
	DAEMON_FAILED,
	DAEMON_CALLER,
	DAEMON_BACKGROUND,
};

/*
 * Fork. DAEMON_BACKGROUND: this process goes on as the master, in a session of
 * its own; its stderr still reaches the caller's terminal. DAEMON_CALLER: this
 * process is the one that was called, and the other is ready or gone: *code is
 * what to exit with, the reason was printed. DAEMON_FAILED: see err.
 */
enum daemon_side daemon_fork(enum exit_code *code, struct err *err);
/*
 * Make the relative paths of conf absolute and let go of the current folder, so
 * that it can be removed or unmounted. A unix path that would be too long stays
 * relative, and the folder stays then, too.
 */
int daemon_leave_folder(struct conf *, struct err *);
/* The service is ready: the caller may go, stderr leads nowhere from here on.
 * Does nothing in the foreground. */
void daemon_set_ready(void);

#endif

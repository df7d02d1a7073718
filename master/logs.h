/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * logs.h: the log's descriptor and level, in the master and in every child. A
 * change has a number; a child confirms it when it has left the old log, and
 * whoever asked for the change waits for that.
 */
#ifndef TINE_MASTER_LOGS_H
#define TINE_MASTER_LOGS_H

#include <stdint.h>

#include "shared/conf.h"
#include "shared/err.h"
#include "shared/log.h"

/* A child that has not confirmed a change for so long hangs. */
#define LOGS_PATIENCE_S 5.0

struct master;
struct proc;

/*
 * Open where the configuration's log goes, and log there from here on. A file
 * is made with mode 0640 and never followed through a symbolic link. Returns
 * the descriptor, for the master to keep, or -1 with the reason.
 */
int logs_start(const struct conf *, struct err *);

/* Could the log of the new configuration be opened, where it is another than
 * the old one's? -1 with the reason. */
int logs_check(const struct conf *old, const struct conf *new, struct err *);

/* ---- for a master that has children ---- */

void logs_init(struct master *);
/* Back to stderr; closes the log's descriptor. */
void logs_fini(struct master *);
/* Open the log anew and hand it to every child. -1 with the reason, and the old
 * log stays in use, when it cannot be opened. */
int logs_reopen(struct master *, struct err *);
/* Change the level, here and in every child; later ones are born with it. */
void logs_set_level(struct master *, enum log_level);
/* The master's configuration is now `new`: log where it says, as much as it
 * says, where that is not what the old one said. */
void logs_follow(struct master *, const struct conf *old,
    const struct conf *new);
/* The number of the last change. */
uint32_t logs_change(const struct master *);
/* A live child that has not confirmed this change or a later one; NULL: none. */
const struct proc *logs_awaited(const struct master *, uint32_t change);
/* Was this change asked for, and not confirmed by this child yet? */
bool logs_is_answer(const struct proc *, uint32_t change);
/* The child says that this change is in effect. */
void logs_on_ok(struct proc *, uint32_t change);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * upgrade.h: the operation that runs the binary on disk in the master's place.
 * Its functions are operation.c's to call.
 */
#ifndef TINE_MASTER_UPGRADE_H
#define TINE_MASTER_UPGRADE_H

struct master;

void upgrade_begin(struct master *, int target);
void upgrade_step(struct master *);
void upgrade_commit(struct master *);
void upgrade_cancel(struct master *);

#endif

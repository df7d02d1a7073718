/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * upgrade.c: not built yet.
 */
#include "master/upgrade.h"

#include "master/master.h"

void
upgrade_begin(struct master *m, int target)
{
	struct err err;

	(void)target;
	(void)err_set(&err, EXIT_RUNTIME, "upgrade is not built yet");
	op_end(m, OP_FAILED, &err, NULL);
}

void
upgrade_step(struct master *m)
{
	(void)m;
}

void
upgrade_commit(struct master *m)
{
	(void)m;
}

void
upgrade_cancel(struct master *m)
{
	(void)m;
}

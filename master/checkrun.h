/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * checkrun.h: a run of the checker: at the start, when the master may wait for
 * it, and later, when it may not.
 */
#ifndef TINE_MASTER_CHECKRUN_H
#define TINE_MASTER_CHECKRUN_H

#include <bsd/sys/queue.h>
#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

#include "shared/conf.h"
#include "shared/err.h"

struct master;

struct checkrun_result {
	char *text; /* the effective configuration; NULL: refused, see err */
	size_t len;
	char *report;   /* warnings and errors for people, whole lines, or "" */
	struct err err; /* the first error */
};

/* Run the checker on what the operator said and wait for it, 10 s at most: only
 * before the master serves. -1: refused. The result is filled either way. */
int checkrun_wait(const struct conf *said, struct checkrun_result *);
void checkrun_result_fini(struct checkrun_result *);

/* A run that nobody waits for. */
struct checkrun {
	struct master *master;
	int memory; /* what the checker writes into */
	pid_t pid;  /* 0: not forked yet, or over */
	bool is_due, is_done;
	struct checkrun_result result;
	ev_child exit_w;
	ev_timer patience_w;
	TAILQ_ENTRY(checkrun) entry;
};
TAILQ_HEAD(checkrun_list, checkrun);

/*
 * Begin a run on what the master was started with: its command line, and the
 * files as they are now. master_on_change() is called when is_done becomes
 * true. NULL: no memory.
 */
struct checkrun *checkrun_new(struct master *);
/* Forget a run; one that is under way is killed. */
void checkrun_free(struct checkrun **);
/* Fork what is due; called between turns of the loop only. */
void checkrun_fork_due(struct master *);

#endif

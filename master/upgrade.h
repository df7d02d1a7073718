/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * upgrade.h: the operation that runs the binary on disk in the master's place,
 * with the same pid, and comes back when that is no good.
 *
 *     the old image        the new image          the old image again
 *     TRYING > LEAVING --> ROLLING > WATCHING
 *                          and from both
 *                          > RETURNING ---------> UNDOING
 *
 * An image that cannot go on calls the one before it back, with the state that
 * it was given: the old one from LEAVING, then nothing has changed; or the new
 * one from RETURNING, which does the UNDOING then.
 *
 * Its functions are operation.c's to call but where it is said.
 */
#ifndef TINE_MASTER_UPGRADE_H
#define TINE_MASTER_UPGRADE_H

#include <stdbool.h>

#include "shared/conf.h"
#include "shared/err.h"

struct master;
struct tlv_record;
struct trial;

enum upgrade_phase {
	UPGRADE_IDLE,
	UPGRADE_TRYING,    /* the new binary runs beside us, see trial.h */
	UPGRADE_LEAVING,   /* upgrade_change_over() makes us it */
	UPGRADE_ROLLING,   /* we are it; its children take over */
	UPGRADE_WATCHING,  /* they have; a crash still leads back */
	UPGRADE_RETURNING, /* and back */
	UPGRADE_UNDOING,   /* we are back; the new children go */
	UPGRADE_NPHASES
};

struct upgrade {
	enum upgrade_phase phase;
	struct trial *trial; /* TRYING */
	int file;            /* TRYING, LEAVING: the new binary; or -1 */
	int state;           /* TRYING: the state that is tried; or -1 */
	int way_back;        /* from ROLLING on: the old binary; or -1 */
	struct err why;      /* RETURNING, UNDOING */
};

void upgrade_begin(struct master *, int target);
void upgrade_step(struct master *);
void upgrade_commit(struct master *);
void upgrade_cancel(struct master *);

/* Between two turns of the loop: become the other image if it is time. */
void upgrade_change_over(struct master *);
/* roll.c: the new generation fails. True: the old binary sees to it. */
bool upgrade_goes_back(struct master *, const struct err *why);

/* ---- main.c, in a process that another image has become ---- */

/* The first argument of an image that is to go on: the descriptors of the state
 * and of the binary before. */
#define UPGRADE_OPTION "--upgrade-state="

/* Are we such a process? Then the descriptors are taken out of argv. */
bool upgrade_is_resuming(int *argc, char **argv, int *state, int *way_back);
/* Take the first argument out of argv, whose texts are malloc'ed. */
void upgrade_drop_option(int *argc, char **argv);
/*
 * Go on with the state: 0, and the master is as it was. Otherwise the old image
 * is called back, and this returns, -1 with the reason in err, only when that
 * failed too.
 */
int upgrade_resume(struct master *, int state, int way_back, struct err *);
/* Call the image before us back, because of err: nothing that it handed to us
 * was touched. Returns, -1, when that failed. */
int upgrade_call_back(struct master *, int state, int way_back, struct err *);
/* The trial of a new binary, see trial_answer.h: could we go on with this state?
 * -1 with the reason why not. */
int upgrade_try(struct master *, const struct tlv_record *, struct err *);

#endif

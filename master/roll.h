/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * roll.h: one generation replaces another, place by place, and can be undone.
 *
 *     PROVING > ROLLING > WATCHING > COMMITTED
 *
 * and from the first three to UNDOING > UNDONE when a child of the new
 * generation fails by its own fault.
 */
#ifndef TINE_MASTER_ROLL_H
#define TINE_MASTER_ROLL_H

#include <stdint.h>

#include "shared/ctl.h"
#include "shared/err.h"

struct generation;
struct master;
struct proc;

enum roll_phase {
	ROLL_IDLE,
	ROLL_PROVING,  /* a canary initialises and beats, without traffic */
	ROLL_ROLLING,  /* each place gets a new child before its old one goes */
	ROLL_WATCHING, /* all are new; a crash still undoes it */
	ROLL_COMMITTED,
	ROLL_UNDOING, /* each place gets a child of the old generation back */
	ROLL_UNDONE,
	ROLL_NPHASES
};

struct roll {
	enum roll_phase phase;
	struct generation *from, *to; /* NULL: none */
	enum ctl_reason reason;
	struct err why;       /* it is undone */
	uint64_t since_ns;    /* of the phase */
	uint64_t progress_ns; /* when a child became READY last */
	int progress;         /* places done then */
};

/* The serving generation is to be replaced by this one. */
void roll_begin(struct master *, struct generation *to, enum ctl_reason);
/* Go on; returns the phase reached. WATCHING is returned before it is left, and
 * COMMITTED and UNDONE are returned once: then it is over. */
enum roll_phase roll_step(struct master *);
/* Undo it for this reason. */
void roll_undo(struct master *, const struct err *);
/* A newer operation waits: what is watched counts as good. */
void roll_commit(struct master *);
/* A child died; it was the fault of its own if not an outsider's. */
void roll_on_death(struct master *, const struct proc *);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scale.h: the operation that changes the number of children, and the slots
 * that a smaller number leaves behind. The functions of an operation are
 * operation.c's to call.
 */
#ifndef TINE_MASTER_SCALE_H
#define TINE_MASTER_SCALE_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/err.h"

struct generation;
struct master;

enum scale_phase {
	SCALE_IDLE,
	SCALE_GROWING,   /* new places wait for their children */
	SCALE_EXCLUDING, /* no new connection goes to the leaving places */
};

struct scale {
	enum scale_phase phase;
	int target;
	int before;
	uint64_t since_ns;
	uint64_t progress_ns; /* GROWING: when a child became READY last */
	int progress;
	struct err err;         /* text "": it began well */
	bool has_override;      /* the operator chose the number ... */
	int said_min, said_max; /* ... when the configuration said this */
};

enum scale_result {
	SCALE_UNDER_WAY,
	SCALE_DONE,
	SCALE_FAILED,
};

void scale_begin(struct master *, int target);
void scale_step(struct master *);
void scale_cancel(struct master *);
/* The same as a part of another operation: begin, and go on; err is filled when
 * it failed, and the number is then what it was. */
void scale_start(struct master *, int target);
enum scale_result scale_go_on(struct master *, struct err *);
/* That operation fails: what was begun is taken back. */
void scale_undo(struct master *);
/* So many children, at least 1; or as many as the configuration says. Both
 * return the operation's ticket. */
uint32_t scale_ask(struct master *, int target);
uint32_t scale_ask_auto(struct master *);
/* Each tick: slots that were parked long enough are closed. */
void scale_tick(struct master *);
/* Did the operator choose the number of children, and does it still hold? */
bool scale_is_overridden(const struct master *);
/* How many children this generation wants, given the number there is and what
 * its predecessor said. */
int scale_wanted(const struct master *, const struct generation *from,
    const struct generation *to);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * operation.h: reload, scale, upgrade: one at a time, in the order in which
 * they were asked for. One that waits is merged with a later one of its kind,
 * of which the latest wish wins. Nothing that was asked for is lost: each
 * request has a ticket, and each ticket a verdict. A stop overrides all.
 */
#ifndef TINE_MASTER_OPERATION_H
#define TINE_MASTER_OPERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/err.h"

struct master;
struct proc;

enum op_kind {
	OP_RELOAD,
	OP_SCALE,
	OP_UPGRADE,
	OP_NKINDS
};
extern const char *const op_kind_names[OP_NKINDS];

enum op_verdict {
	OP_UNDECIDED, /* it waits or is under way */
	OP_DONE,
	OP_FAILED, /* everything is as it was before */
	OP_NVERDICTS
};

#define OP_RESULTS_MAX 64

struct op_result {
	uint32_t ticket; /* 0: none */
	enum op_verdict verdict;
	struct err err; /* why it failed */
	char *report;   /* whole lines for people, or NULL */
};

struct operations {
	uint32_t last_ticket;
	/* At most one waits of each kind. Ticket 0: none. */
	struct {
		uint32_t ticket;
		int target; /* scale: how many */
	} pending[OP_NKINDS];
	uint32_t ticket; /* of the one under way; 0: none */
	enum op_kind kind;
	bool is_watched; /* it is done but for its commit: the next may begin */
	struct op_result results[OP_RESULTS_MAX]; /* the last ones, a ring */
	unsigned nresults;
};

/* Ask for an operation. target: of a scale, the number of children. Returns
 * the ticket. */
uint32_t op_ask(struct master *, enum op_kind, int target);
/* What became of it. *result is the ring's, NULL while it is undecided or too
 * long ago to be known. */
enum op_verdict op_verdict(const struct master *, uint32_t ticket,
    const struct op_result **result);
/* What the last scale asked for wants, or how many children there are. */
int op_wanted_children(const struct master *);
/* Go on as far as can be gone now; called after every change and tick. */
void op_step(struct master *);
/* The one under way is over; err and report (malloc'ed, taken over) may be
 * NULL. */
void op_end(struct master *, enum op_verdict, const struct err *, char *report);
/* The one under way waits for nothing but its commit; or not any more, because
 * it must be undone. */
void op_set_watched(struct master *, bool is_watched);
/* The server stops: none will be done. */
void op_cancel_all(struct master *);
void op_fini(struct master *);

#endif

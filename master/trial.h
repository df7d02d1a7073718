/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trial.h: a new binary, run beside the server before it may take its place. It
 * gets a copy of the state and has to answer, within 10 s, that it could go on
 * with it; see trial_answer.h for what passes between the two.
 */
#ifndef TINE_MASTER_TRIAL_H
#define TINE_MASTER_TRIAL_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/err.h"

struct trial_subject {
	const char *name; /* its path, for messages */
	int binary;       /* of binary_open() */
	int state;        /* of tlv_seal() */
	char *const *argv;
	char *const *envp;
};

struct trial {
	struct ev_loop *loop; /* the default one, which hears of deaths */
	struct trial_subject subject;
	void (*on_done)(struct trial *);
	void *data;
	uint64_t checksum; /* of the state: the answer has to repeat it */
	int answer;        /* trial_answer_open() */
	int output[2];     /* what it says: our end, and its */
	pid_t master, pid; /* pid 0: not forked yet, or over */
	bool is_done, is_good;
	struct err err;   /* why it is not good */
	char version[64]; /* of a good one */
	char said[1024];  /* the beginning of its output */
	size_t nsaid;
	ev_io output_w;
	ev_child exit_w;
	ev_timer patience_w;
};

/*
 * Prepare to try a binary. The subject's descriptors and texts stay the
 * caller's and must outlive the trial. on_done is called once, from the loop,
 * after is_done has become true, and may free the trial. NULL with the reason.
 */
struct trial *trial_new(struct ev_loop *, const struct trial_subject *,
    void (*on_done)(struct trial *), void *data, struct err *);
/* Forget a trial; what is under way is killed. */
void trial_free(struct trial **);
/* Begin; called between turns of the loop only. -1: it could not be forked;
 * on_done is not called. */
int trial_fork(struct trial *, struct err *);

#endif

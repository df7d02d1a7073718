/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trial_answer.h: what a binary is asked that is tried, and what it says. This
 * must hold between any two releases.
 *
 * It is called as `PROGRAM --upgrade-check=3 ARGUMENT...`, where the arguments
 * are those of the running one. Descriptor 3 is the state, a sealed record;
 * descriptor 4 is for the answer, a record in a file of fixed size; both
 * numbers follow from the one in the option. 0 is /dev/null; what it says on 1
 * and 2 is shown to the operator when it gave no answer. It has no other
 * descriptor and dies with the master.
 */
#ifndef TINE_MASTER_TRIAL_ANSWER_H
#define TINE_MASTER_TRIAL_ANSWER_H

#include <stdint.h>

#include "shared/err.h"

#define TRIAL_OPTION "--upgrade-check="

/* The descriptor of the state, or -1 when this is no trial: its option is the
 * first argument. The one behind it is for the answer. */
int trial_answer_state(int argc, char *const argv[]);

/* A file that who is tried can fill and not grow: its descriptor (close-on-
 * exec), or -1 and errno. */
int trial_answer_open(void);
/*
 * Answer: refusal NULL says that we can go on with the state of this checksum;
 * else why we cannot. 0, or -1 and errno.
 */
int trial_answer_write(int fd, uint64_t checksum, const struct err *refusal);

enum trial_verdict {
	TRIAL_SILENT, /* no answer, or none to this question */
	TRIAL_YES,
	TRIAL_NO
};

struct trial_answer {
	enum trial_verdict verdict;
	char version[64]; /* of the release that answered */
	struct err err;   /* why not */
};

/* What there is in the file, bounded, verified and fit to be shown. */
void trial_answer_read(int fd, uint64_t checksum, struct trial_answer *);

#endif

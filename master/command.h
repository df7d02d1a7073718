/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * command.h: what may be said to the control socket, and what it does. A
 * command is run once when its line is there, and while it waits it is looked
 * at again after every event that may have ended it.
 */
#ifndef TINE_MASTER_COMMAND_H
#define TINE_MASTER_COMMAND_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "shared/base.h"
#include "shared/err.h"

#define COMMAND_REASON_MAX 512

struct checkrun;
struct master;

enum command_result {
	COMMAND_DONE,   /* "ok", then the body if there is one */
	COMMAND_FAILED, /* "fail", then the reason, then the body */
	COMMAND_WAITS,  /* look again with command_check() */
};

/* What a command does to the server once its answer is on the way: the
 * server may be gone before it could be sent otherwise. */
enum command_after {
	COMMAND_GO_ON,
	COMMAND_STOP,
	COMMAND_STOP_NOW,
};

/* One command from its line to its answer. */
struct command {
	struct master *master;
	const struct command_verb *verb; /* once it is known */
	uid_t uid;                       /* who asked, for the log */
	pid_t pid;
	char reason[COMMAND_REASON_MAX]; /* of a failure, printable */
	char *body;                      /* malloc'ed, or NULL */
	enum command_after after;
	double patience; /* seconds that it may wait */
	int place;       /* kill, drain: whose child, and which one it was */
	pid_t victim;
	uint64_t victim_born_ns;
	unsigned strikes;    /* drain: of the place, when it began */
	uint32_t log_change; /* reopen, log-level: what all are to confirm */
	uint32_t ticket;     /* of the operation that it waits for */
	struct checkrun *checkrun; /* check: under way, or NULL */
};

/* Run a line, which has no newline. */
enum command_result command_run(struct command *, const char *line);
/* See whether a command that waits has come to its end. */
enum command_result command_check(struct command *);
/* The patience of a command that waits is over: put why into the reason. */
void command_give_up(struct command *);
/* Its client is gone: what it began for it ends. */
void command_fini(struct command *);
/* The first word of its line, once that is known; else "". */
const char *command_verb_name(const struct command *);
/* It waits, and the image before us ran it. -1: it cannot be gone on with. */
int command_resume(struct command *, const char *verb, struct err *);
/* Fill the reason; returns COMMAND_FAILED. */
enum command_result command_fail(struct command *, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

#endif

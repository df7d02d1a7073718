/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tinectl.h: one run of tinectl, and what its files tell each other: the
 * command line (tinectl.c), the commands (tinectl_ask.c), and top, the one
 * that stays (tinectl_top.c).
 */
#ifndef TINE_MASTER_TINECTL_H
#define TINE_MASTER_TINECTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base.h"
#include "shared/err.h"
#include "shared/wire.h"

#define EXIT_NO_SERVER 2 /* beside those of err.h */
#define TINECTL_TIMEOUT_S 60
/* As long as the server takes: it bounds these commands itself, by times that
 * its configuration has. The longest that the option --timeout may say. */
#define TINECTL_TIMEOUT_MAX_S (366LL * 24 * 3600)

struct run;

struct verb {
	const char *name;
	const char *args;
	const char *flag; /* the one option of its own, or NULL */
	int nargs;
	bool takes_long; /* silence means that it is not done yet */
	int64_t timeout_s;
	int (*run)(struct run *);
	const char *help;
};

/* One run of this program. */
struct run {
	const struct verb *verb;
	const char *control; /* path; NULL: the default one */
	char path[512];      /* the path used */
	int64_t timeout_s;   /* 0: that of the verb */
	bool wants_json, wants_now, wants_one_fewer;
	bool is_probing; /* is anybody there? */
	char **args;     /* of the command, ended by NULL */
	struct wire wire;
};

/* "tinectl: text" on stderr, safe for a terminal; returns code. */
int tinectl_complain(int code, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A word that is not known, with dashes before it or not, and the nearest of n
 * names (entries may be NULL), on stderr; returns the exit code. */
int tinectl_unknown(const char *what, const char *dashes, const char *text,
    const char *const *names, size_t n);
/* The exit code that a result means; says why it is not 0. */
int tinectl_judge(const struct run *, enum wire_result, struct err *);

/* The commands: each returns the exit code. */
int tinectl_ask_status(struct run *);
int tinectl_ask_stop(struct run *);
int tinectl_ask_place(struct run *); /* drain, kill */
int tinectl_ask_metrics(struct run *);
int tinectl_ask_check(struct run *);
int tinectl_ask_log_level(struct run *);
int tinectl_ask_scale(struct run *);
/* Those that say their name and print what comes: reload, upgrade, reopen. */
int tinectl_ask_plain(struct run *);
int tinectl_top(struct run *);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * err.h: what went wrong, filled where the facts are and printed or logged
 * once where the decision is taken. shared/ never exits.
 */
#ifndef TINE_SHARED_ERR_H
#define TINE_SHARED_ERR_H

#include "shared/base.h"

/* Exit codes of spec 2: the names of sysexits.h that systemd shows. */
enum exit_code {
	EXIT_OK = 0,
	EXIT_RUNTIME = 1,      /* failure at run time */
	EXIT_BAD_USAGE = 64,   /* the command line cannot be parsed */
	EXIT_UNAVAILABLE = 69, /* address held, or no child could start */
	EXIT_SYSTEM = 71,      /* system error */
	EXIT_CANT_CREATE = 73, /* a log, pidfile or socket path */
	EXIT_NO_PERMISSION = 77,
	EXIT_BAD_CONFIG =
	    78, /* what the command line or a file says is wrong */
};

struct err {
	enum exit_code code; /* what the process exits with, if it must */
	int sys;             /* errno, or 0 */
	char text[1024];     /* one line: operation, object, cause */
	char hint[512];      /* how to mend it, or "" */
};

/* Fill err with a text; returns -1 so that callers can return it. */
int err_set(struct err *, enum exit_code, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* As err_set, with ": " and the text of errno behind it; keeps errno. The code
 * is 77 for EACCES and EPERM, otherwise 71. */
int err_sys(struct err *, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Put "what: " before the text; keeps code, errno and hint; returns -1. */
int err_prefix(struct err *, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Add the hint; returns -1. */
int err_hint(struct err *, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Text and hint on stderr, where control characters stand as "?". */
void err_print(const struct err *);

#endif

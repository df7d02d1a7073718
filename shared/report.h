/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * report.h: all that is wrong with a configuration, as the lines that the
 * operator will read. For the checker and -X.
 */
#ifndef TINE_SHARED_REPORT_H
#define TINE_SHARED_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "shared/err.h"
#include "shared/origin.h"

/* With more errors than this the file is not a configuration. */
#define REPORT_ERRORS_MAX 50

struct report {
	FILE *f;
	char *text;
	size_t len;
	unsigned nerrors;
	struct err first; /* the error that names the exit code */
};

/* -1: no memory. */
int report_open(struct report *, struct err *);
void report_close(struct report *);
/* Lines for an error; at may be NULL. */
void report_error(struct report *, const struct origin *at, const struct err *);
/* No more errors are taken: reading on is useless. */
bool report_is_full(const struct report *);
/* The lines so far; valid until the next call. */
const char *report_text(struct report *);

#endif

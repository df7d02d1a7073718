/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * origin.h: where a key of the configuration was said, so that an error found
 * much later still names file, line and column. For the checker.
 */
#ifndef TINE_SHARED_ORIGIN_H
#define TINE_SHARED_ORIGIN_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "shared/err.h"

#define ORIGIN_SHOWN_MAX 76

struct origin {
	char *key;   /* "servers.0.handler"; NULL in one that is in no list */
	char *where; /* "tine.yaml", or "-o processes=4" */
	unsigned line, column;        /* from 1; line 0: no line */
	char shown[ORIGIN_SHOWN_MAX]; /* a piece of that line, in ASCII */
	unsigned caret;               /* letters of it before the column */
	STAILQ_ENTRY(origin) entry;
};
STAILQ_HEAD(origin_list, origin);

void origin_init(struct origin_list *);
void origin_fini(struct origin_list *);
/* Note that key was said there; a later place of the same key wins. -1: no
 * memory. */
int origin_add(struct origin_list *, const char *key, const struct origin *at,
    struct err *);
/* The place of a key, or else of the longest key that it begins with, up to a
 * dot; or NULL. */
const struct origin *origin_find(const struct origin_list *, const char *key);
/* Was this very key said? */
bool origin_has(const struct origin_list *, const char *key);
/* Fill shown and caret from a line, for the column that is set; at is the byte
 * of the column, len the line's. */
void origin_show(struct origin *, const char *text, size_t at, size_t len);
/* Write the list so that origin_parse() gets it back, one line for each. */
void origin_print(const struct origin_list *, FILE *);
int origin_parse(struct origin_list *, char *text, struct err *);

#endif

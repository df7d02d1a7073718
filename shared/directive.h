/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * directive.h: the table of the configuration's keys. One row gives a key its
 * type, place in struct conf, bounds, default and help; parsing, printing and
 * the manual come from it. For conf.c and for the command line.
 */
#ifndef TINE_SHARED_DIRECTIVE_H
#define TINE_SHARED_DIRECTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "shared/err.h"

/* Type of a value and of the field it is kept in. */
enum directive_kind {
	DIRECTIVE_NUMBER,    /* uint64_t */
	DIRECTIVE_SIZE,      /* uint64_t, bytes */
	DIRECTIVE_SECONDS,   /* double, written as a duration */
	DIRECTIVE_BOOL,      /* bool */
	DIRECTIVE_ENUM,      /* an enum, written as one of names */
	DIRECTIVE_TEXT,      /* char *, malloc'ed or NULL */
	DIRECTIVE_URL,       /* as text; a listen URL */
	DIRECTIVE_CPUS,      /* as text; none, auto or a list of numbers */
	DIRECTIVE_ID,        /* uid_t or gid_t; CONF_NO_ID is not printed */
	DIRECTIVE_PROCESSES, /* two int: MIN and MAX; 0 is written auto */
	DIRECTIVE_LISTEN,    /* a list that conf.c keeps */
	DIRECTIVE_OPTIONS,   /* a map that conf.c keeps */
	DIRECTIVE_NKINDS
};

struct directive {
	const char *key;
	enum directive_kind kind;
	size_t offset;     /* in struct conf or struct conf_server */
	int64_t min, max;  /* numbers; bytes; milliseconds; letters of a text */
	const char *value; /* default; NULL: none */
	const char *help;
	const char *const *names; /* of an enum, max of them */
	bool is_derived;  /* only in the effective text, not for operators */
	const char *zero; /* of a number: the word that means 0 */
};

/* More than any scope has. */
#define DIRECTIVE_ROWS_MAX 64

enum directive_scope {
	DIRECTIVE_CONF,
	DIRECTIVE_SERVER,
	DIRECTIVE_NSCOPES
};

/* The rows of a scope, *n of them: the keys of struct conf, or those that stand
 * behind "servers.N.". */
const struct directive *directive_table(enum directive_scope, size_t *n);
/* The row of a key, or NULL with the nearest one (or NULL) in *near. */
const struct directive *directive_find(enum directive_scope, const char *key,
    const char **near);
/* Give every field of the struct at base its default; fields are overwritten,
 * not freed. -1: no memory; directive_fini() is safe then. */
int directive_init(enum directive_scope, void *base, struct err *);
/* Free what the fields own. */
void directive_fini(enum directive_scope, void *base);
/* Set the field of one row in the struct at base; not for lists and maps. -1
 * with the reason, which does not name the key, in err. */
int directive_set(const struct directive *, void *base, const char *text,
    struct err *);
/* Write "PREFIXkey=value\n", or nothing when the field is not set. */
void directive_print(const struct directive *, const void *base,
    const char *prefix, FILE *);
/* Has the field a value? Those that always have one: yes. */
bool directive_is_set(const struct directive *, const void *base);
/* The value as directive_set() takes it, malloc'ed; NULL when it is not set,
 * of lists and maps, and without memory. */
char *directive_text(const struct directive *, const void *base);
/* Is the value the row's default? For rows whose default is written as it is
 * printed: "1min" and not "60s". */
bool directive_is_default(const struct directive *, const void *base);
/* Write text so that value_unescape() and a reader of lines get it back. */
void directive_print_text(const char *text, FILE *);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * words.h: what a command line says of servers. For cmdline.c.
 */
#ifndef TINE_MASTER_WORDS_H
#define TINE_MASTER_WORDS_H

#include <stddef.h>

#include "shared/conf.h"
#include "shared/err.h"

#define WORDS_DEFAULT_URL "tcp://127.0.0.1:8080"

/* All point into argv. */
struct words {
	unsigned seen; /* options that were given, as bits */
	const char **listens;
	size_t nlistens;
	const char *handler;
	const char **options; /* KEY=VALUE */
	size_t noptions;
};

/* A word that is no option: the handler, or KEY=VALUE behind it. */
int words_take(struct words *, const char *word, struct err *);
/* Add the servers that the words describe; none when there are files and no
 * word. */
int words_add_servers(const struct words *, struct conf *, struct err *);

#endif

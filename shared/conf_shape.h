/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conf_shape.h: a configuration file as keys and values, each with its place.
 * For conf_load.c.
 */
#ifndef TINE_SHARED_CONF_SHAPE_H
#define TINE_SHARED_CONF_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/err.h"
#include "shared/origin.h"

/* Who is told what stands in a file. False: it is enough, read no further. */
struct conf_shape_sink {
	void *arg;
	/* The value of a key, as conf_set() takes both; one call for each
	 * element of a list that conf_set() appends to. */
	bool (*set)(void *arg, const char *key, const char *value,
	    const struct origin *);
	/* A server begins: "servers.0". */
	bool (*server)(void *arg, const char *key, const struct origin *);
	bool (*include)(void *arg, const char *pattern, const struct origin *);
	bool (*fail)(void *arg, const struct origin *, const struct err *);
};

/*
 * Read a file's text. name is what its places are called; its first server has
 * the number first_server. Every error goes to sink->fail(), and what follows
 * is read all the same. 1: it broke off at an error of YAML's syntax. -1: no
 * memory.
 */
int conf_shape_read(char *name, const char *text, size_t len,
    size_t first_server, const struct conf_shape_sink *, struct err *);

#endif

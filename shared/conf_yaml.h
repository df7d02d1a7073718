/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conf_yaml.h: a configuration file as libyaml's events, each with its place
 * in the file, and errors of syntax in words. For conf_shape.c.
 */
#ifndef TINE_SHARED_CONF_YAML_H
#define TINE_SHARED_CONF_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include <yaml.h>

#include "shared/err.h"
#include "shared/origin.h"

struct conf_yaml {
	yaml_parser_t parser;
	yaml_event_t event;
	bool has_event; /* false: it is over, by an error or by fail() */
	bool is_over, is_broken; /* broken: by an error of syntax */
	size_t depth;            /* of maps and lists */
	char *name;
	const char *text;
	size_t *lines; /* where each line begins */
	size_t nlines, len;
	struct {
		size_t line, column, byte;
	} last; /* place that was looked up */
	/* Told every error; false: it is enough. */
	bool (*fail)(void *arg, const struct origin *, const struct err *);
	void *arg;
};

/* Read text under this name; both stay the caller's. -1: no memory. */
int conf_yaml_open(struct conf_yaml *, char *name, const char *text, size_t len,
    struct err *);
void conf_yaml_close(struct conf_yaml *);
/* Step to the next event: false when there is none. An error of syntax is
 * told to fail() and is the end, for nothing behind it can be understood. */
bool conf_yaml_next(struct conf_yaml *);
/* At the beginning of a node: go to its end. */
void conf_yaml_skip(struct conf_yaml *);
/* Is there an event, and is it of this type? */
bool conf_yaml_is(const struct conf_yaml *, yaml_event_type_t);
/* The text of a scalar. */
const char *conf_yaml_scalar(const struct conf_yaml *);
/* Is the scalar empty, "~" or "null", without quotes? */
bool conf_yaml_is_null(const struct conf_yaml *);
/* Where the event begins. */
void conf_yaml_place(struct conf_yaml *, struct origin *);
void conf_yaml_fail(struct conf_yaml *, const struct origin *,
    const struct err *);

#endif

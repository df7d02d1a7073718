/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * own.h: the handler that a program brings, which tine_main() was called with,
 * and what the program is called. It is part of the program like the built-in
 * ones: the same in every process of the server, and set before there are two.
 */
#ifndef TINE_SHARED_OWN_H
#define TINE_SHARED_OWN_H

#include <stdbool.h>

#include "shared/base.h"

struct tine_handler;

/* Once, first of all. handler NULL: the program is tine itself. argv0 is
 * copied, for process titles are written over it. */
void own_set(const struct tine_handler *, const char *argv0);
/* The handler, which only a process that may run handlers looks into; or
 * NULL. */
const struct tine_handler *own_handler(void);
/* How configurations call it: its name, or that of the program when it has
 * none that can be read. NULL: there is no such handler. */
const char *own_name(void);
/* Is this its name? */
bool own_is(const char *name);
/* What is meant where no handler is named. */
const char *own_default(void);
/* How people call the program: "tine", or as the file of one that brings a
 * handler. */
const char *own_program(void);

#endif

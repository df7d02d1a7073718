/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * own.c: the handler that a program brings. Runs in every process; set by the
 * master before it does anything else. Reads the handler's name and calls
 * nothing: whether it fits is found out where handlers are loaded.
 */
#include "shared/own.h"

#include <limits.h>
#include <string.h>

#include <bsd/string.h>
#include <tine.h>

#define NAME_BYTES (offsetof(struct tine_handler, name) + sizeof(const char *))

static const struct tine_handler *own;
static char program[NAME_MAX + 1] = "tine";

void
own_set(const struct tine_handler *handler, const char *argv0)
{
	const char *slash = strrchr(argv0, '/');

	own = handler;
	(void)strlcpy(program, "tine", sizeof(program));
	if (own != NULL)
		(void)strlcpy(program, slash != NULL ? slash + 1 : argv0,
		    sizeof(program));
}

const struct tine_handler *
own_handler(void)
{
	return own;
}

const char *
own_name(void)
{
	if (own == NULL)
		return NULL;
	/* In another ABI something else may stand there. */
	if (own->abi < TINE_ABI_MIN || own->abi > TINE_ABI ||
	    own->size < NAME_BYTES || own->name == NULL || own->name[0] == '\0')
		return program;
	return own->name;
}

bool
own_is(const char *name)
{
	return own != NULL && strcmp(own_name(), name) == 0;
}

const char *
own_default(void)
{
	return own != NULL ? own_name() : "http";
}

const char *
own_program(void)
{
	return program;
}

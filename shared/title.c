/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * title.c: process titles by libbsd. Runs in every process of the server.
 */
#include "shared/title.h"

#include <bsd/unistd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The null byte behind the original argv[0]. */
static char *first_end;

void
title_init(int argc, char **argv, char **envp)
{
	first_end = argv[0] + strlen(argv[0]);
	setproctitle_init(argc, argv, envp);
}

void
title_set(const char *fmt, ...)
{
	char text[128];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	setproctitle("-tine: %s", text);
	/* libbsd writes a full stop there when the title is shorter than
	 * argv[0] was, and ps would show it. */
	if (first_end != NULL && *first_end == '.')
		*first_end = '\0';
}

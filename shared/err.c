/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * err.c: fill struct err, and say it on stderr. Used by every process; decides
 * nothing, and ends nobody.
 */
#include "shared/err.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
err_set(struct err *err, enum exit_code code, const char *fmt, ...)
{
	va_list ap;

	err->code = code;
	err->sys = 0;
	err->hint[0] = '\0';
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return -1;
}

int
err_sys(struct err *err, const char *fmt, ...)
{
	int saved = errno;
	size_t used;
	va_list ap;

	err->code = saved == EACCES || saved == EPERM ? EXIT_NO_PERMISSION
						      : EXIT_SYSTEM;
	err->sys = saved;
	err->hint[0] = '\0';
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	used = strlen(err->text);
	(void)snprintf(err->text + used, sizeof(err->text) - used, ": %s",
	    strerror(saved));
	errno = saved;
	return -1;
}

int
err_hint(struct err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
	return -1;
}

int
err_prefix(struct err *err, const char *fmt, ...)
{
	char text[sizeof(err->text)];
	size_t used;
	va_list ap;

	memcpy(text, err->text, sizeof(text));
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	used = strlen(err->text);
	(void)snprintf(err->text + used, sizeof(err->text) - used, ": %s",
	    text);
	return -1;
}

/* A terminal obeys them, and what was refused may be anybody's text. */
static void
print_line(const char *before, const char *text)
{
	(void)fputs(before, stderr);
	for (; *text != '\0'; text++)
		(void)fputc(iscntrl((unsigned char)*text) ? '?' : *text,
		    stderr);
	(void)fputc('\n', stderr);
}

void
err_print(const struct err *err)
{
	print_line("tine: ", err->text);
	if (err->hint[0] != '\0')
		print_line("tine: hint: ", err->hint);
}

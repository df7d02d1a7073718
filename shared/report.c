/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * report.c: errors of a configuration as lines for people: where,
 * what, the line itself, a caret, a hint. Used by the process that reads the
 * files and by the checker; prints nothing itself.
 */
#include "shared/report.h"

#include <stdlib.h>

int
report_open(struct report *r, struct err *err)
{
	r->text = NULL;
	r->len = 0;
	r->nerrors = 0;
	r->f = open_memstream(&r->text, &r->len);
	return r->f == NULL ? err_sys(err, "memory for errors") : 0;
}

void
report_close(struct report *r)
{
	if (r->f != NULL)
		(void)fclose(r->f);
	r->f = NULL;
	free(r->text);
	r->text = NULL;
}

static void
print(struct report *r, const struct origin *at, const struct err *err)
{
	(void)fputs("tine: ", r->f);
	if (at != NULL && at->line != 0)
		(void)fprintf(r->f, "%s:%u:%u: ", at->where, at->line,
		    at->column);
	else if (at != NULL)
		(void)fprintf(r->f, "%s: ", at->where);
	(void)fprintf(r->f, "%s\n", err->text);
	if (at != NULL && at->line != 0)
		(void)fprintf(r->f, "    %s\n    %*s^\n", at->shown,
		    (int)at->caret, "");
	if (err->hint[0] != '\0')
		(void)fprintf(r->f, "tine: hint: %s\n", err->hint);
}

void
report_error(struct report *r, const struct origin *at, const struct err *err)
{
	r->nerrors++;
	if (r->nerrors == 1)
		r->first = *err;
	if (r->nerrors <= REPORT_ERRORS_MAX)
		print(r, at, err);
	else if (r->nerrors == REPORT_ERRORS_MAX + 1)
		(void)fputs("tine: more errors are not shown\n", r->f);
}

bool
report_is_full(const struct report *r)
{
	return r->nerrors > REPORT_ERRORS_MAX;
}

const char *
report_text(struct report *r)
{
	(void)fflush(r->f);
	return r->text == NULL ? "" : r->text;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log_line.h: one line of the log: what stands before the text, and how the
 * text is made safe for its reader. Private to log.c and its tests. Nothing
 * here allocates, locks or looks at the locale: it runs in signal handlers.
 */
#ifndef TINE_SHARED_LOG_LINE_H
#define TINE_SHARED_LOG_LINE_H

#include <limits.h>
#include <stddef.h>

#include "shared/log.h"

/* A pipe takes this much whole or not at all. */
#define LOG_LINE_MAX PIPE_BUF

struct log_line {
	/* A newline stands before the line, for a sink whose last line was
	 * torn: text + 1 is where this one begins. */
	char text[LOG_LINE_MAX];
	size_t len; /* with that newline */
	enum log_sink sink;
	enum log_format format;
};

/* All that stands before the text. */
void log_line_begin(struct log_line *, enum log_sink, enum log_format,
    enum log_level, const char *who);
/* The same for a line that only says "tine: " before it. */
void log_line_begin_plain(struct log_line *, enum log_sink, enum log_level);
/* The text, or more of it: control characters are escaped, what is too long is
 * cut. */
void log_line_add(struct log_line *, const char *text, size_t len);
/* All that stands behind the text. */
void log_line_end(struct log_line *);

#endif

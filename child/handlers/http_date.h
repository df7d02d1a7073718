/* SPDX-License-Identifier: BSD-2-Clause */
/* http_date.h: dates as HTTP writes them. Pure. */
#ifndef TINE_CHILD_HANDLERS_HTTP_DATE_H
#define TINE_CHILD_HANDLERS_HTTP_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

enum {
	HTTP_DATE_LEN = 29 /* "Sun, 06 Nov 1994 08:49:37 GMT" */
};

/* Write HTTP_DATE_LEN bytes, without a final null. Times that a four-digit
 * year cannot show are written as the nearest that it can. */
void http_date_format(char *out, time_t when);
/* Read any of the three forms of RFC 9110; false when it is none of them. */
bool http_date_parse(const char *text, size_t len, time_t *when);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http_date.c: dates as HTTP writes them. Runs in a child; knows no clock and
 * no time zone but GMT.
 */
#include "http_date.h"

#include <string.h>

static char *
put_digits(char *out, int n, int width)
{
	int i;

	for (i = width - 1; i >= 0; i--, n /= 10)
		out[i] = (char)('0' + n % 10);
	return out + width;
}

void
http_date_format(char *out, time_t when)
{
	static const char days[] = "Sun, Mon, Tue, Wed, Thu, Fri, Sat, ";
	static const char months[] = " Jan  Feb  Mar  Apr  May  Jun "
				     " Jul  Aug  Sep  Oct  Nov  Dec ";
	static const time_t last = 253402300799; /* end of the year 9999 */
	struct tm tm = { 0 };
	char *p = out;

	when = when < 0 ? 0 : when > last ? last : when;
	(void)gmtime_r(&when, &tm);
	p = mempcpy(p, days + 5 * (ptrdiff_t)tm.tm_wday, 5);
	p = put_digits(p, tm.tm_mday, 2);
	p = mempcpy(p, months + 5 * (ptrdiff_t)tm.tm_mon, 5);
	p = put_digits(p, tm.tm_year + 1900, 4);
	*p++ = ' ';
	p = put_digits(p, tm.tm_hour, 2);
	*p++ = ':';
	p = put_digits(p, tm.tm_min, 2);
	*p++ = ':';
	p = put_digits(p, tm.tm_sec, 2);
	memcpy(p, " GMT", 4);
}

bool
http_date_parse(const char *text, size_t len, time_t *when)
{
	static const char *const forms[] = {
		"%a, %d %b %Y %H:%M:%S GMT", /* the one to send */
		"%A, %d-%b-%y %H:%M:%S GMT", /* RFC 850 */
		"%a %b %e %H:%M:%S %Y",      /* asctime() */
	};
	char copy[48];
	const char *rest;
	struct tm tm;
	size_t i;

	if (len >= sizeof(copy) || memchr(text, '\0', len) != NULL)
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		memset(&tm, 0, sizeof(tm));
		rest = strptime(copy, forms[i], &tm);
		if (rest != NULL && *rest == '\0') {
			*when = timegm(&tm);
			return true;
		}
	}
	return false;
}

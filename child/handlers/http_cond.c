/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http_cond.c: entity tags and conditional requests, in the order of
 * precedence of RFC 9110, section 13.2.2. Runs in a child on bytes that a
 * stranger sent; a condition that cannot be read is as good as none, so the
 * client gets the whole file.
 */
#include "http_cond.h"

#include <stdint.h>
#include <string.h>

#include "http_date.h"

static char *
put_hex(char *out, uint64_t n)
{
	static const char digits[] = "0123456789abcdef";
	int shift = 60;

	while (shift > 0 && n >> shift == 0)
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*out++ = digits[n >> shift & 15];
	return out;
}

size_t
http_cond_etag(char *out, const struct stat *st)
{
	char *p = out;

	*p++ = '"';
	p = put_hex(p,
	    (uint64_t)st->st_mtim.tv_sec * 1000000000U +
		(uint64_t)st->st_mtim.tv_nsec);
	*p++ = '-';
	p = put_hex(p, (uint64_t)st->st_size);
	*p++ = '"';
	return (size_t)(p - out);
}

/* Is the tag in this list? Compared weakly, as a GET may. */
static bool
has_etag(struct http_span list, const char *etag, size_t etag_len)
{
	const char *p = list.at, *end = p + list.len, *close;

	if (list.len == 1 && *p == '*')
		return true;
	while (p < end) {
		if (*p == ' ' || *p == '\t' || *p == ',') {
			p++;
			continue;
		}
		if (end - p > 2 && p[0] == 'W' && p[1] == '/')
			p += 2;
		if (*p != '"')
			return false;
		close = memchr(p + 1, '"', (size_t)(end - p - 1));
		if (close == NULL)
			return false;
		close++;
		if ((size_t)(close - p) == etag_len &&
		    memcmp(p, etag, etag_len) == 0)
			return true;
		p = close;
	}
	return false;
}

bool
http_cond_is_unchanged(const struct http_request *req, const char *etag,
    size_t etag_len, time_t modified)
{
	time_t since;

	if (req->if_none_match.at != NULL)
		return has_etag(req->if_none_match, etag, etag_len);
	return req->if_modified_since.at != NULL &&
	    http_date_parse(req->if_modified_since.at,
		req->if_modified_since.len, &since) &&
	    modified <= since;
}

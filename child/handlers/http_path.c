/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http_path.c: from a request's path to a file's name and back. Runs in a
 * child on bytes that a stranger sent. It decodes exactly once; that a name
 * stays under the root is the kernel's work (openat2), not that of this text.
 */
#include "http_path.h"

#include <stdbool.h>
#include <string.h>

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Hidden files are not meant for strangers: .git, .env, .htpasswd; and with
 * them go "." and "..". RFC 8615 gives one such name a public meaning. */
static bool
is_hidden(const char *part, size_t len)
{
	static const char known[] = ".well-known";

	return len > 0 && part[0] == '.' &&
	    (len != sizeof(known) - 1 || memcmp(part, known, len) != 0);
}

/* What editors leave behind is the source of a page, not the page. */
static bool
is_backup(const char *name, size_t len)
{
	static const char *const ends[] = { "~", ".bak", ".orig", ".swp" };
	size_t i, n;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		n = strlen(ends[i]);
		if (len >= n && memcmp(name + len - n, ends[i], n) == 0)
			return true;
	}
	return false;
}

/* The byte at *p, which moves on; -1 for an escape that is not allowed. */
static int
decode_byte(const char **p, const char *end)
{
	int high, low, c = (unsigned char)*(*p)++;

	if (c != '%')
		return c;
	if (end - *p < 2)
		return -1;
	high = hex((*p)[0]);
	low = hex((*p)[1]);
	*p += 2;
	if (high == -1 || low == -1)
		return -1;
	c = high << 4 | low;
	return c == '\0' || c == '/' ? -1 : c;
}

int
http_path_decode(const char *path, size_t len, char *out, size_t size)
{
	const char *p = path, *end = path + len;
	size_t n = 0, part = 0;
	bool is_never_served = false;

	while (p < end) {
		bool is_slash = *p == '/';
		int c = decode_byte(&p, end);

		if (c == -1)
			return 400;
		if (is_slash && n == part)
			continue;
		/* Go on behind a name that is not served: a broken escape
		 * further on is an error all the same. */
		if (n + 1 >= size) {
			is_never_served = true;
			continue;
		}
		if (is_slash && is_hidden(out + part, n - part))
			is_never_served = true;
		out[n++] = (char)c;
		if (is_slash)
			part = n;
	}
	out[n] = '\0';
	if (is_never_served || is_hidden(out + part, n - part) ||
	    is_backup(out + part, n - part))
		return 404;
	return 0;
}

size_t
http_path_encode(const char *name, char *out)
{
	static const char digits[] = "0123456789ABCDEF";
	static const char plain[] = "-._~!$&'()*+,;=:@/";
	char *p = out;

	for (; *name != '\0'; name++) {
		unsigned char c = (unsigned char)*name;

		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		    (c >= 'a' && c <= 'z') || strchr(plain, c) != NULL) {
			*p++ = (char)c;
			continue;
		}
		*p++ = '%';
		*p++ = digits[c >> 4];
		*p++ = digits[c & 15];
	}
	return (size_t)(p - out);
}

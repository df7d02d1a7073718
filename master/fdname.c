/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fdname.c: names of stored sockets, to text and back. Runs in the master, on
 * what it wrote itself and on what the service manager hands over, where any
 * name may stand. Opens nothing.
 */
#include "master/fdname.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>

#define HEX "0123456789ABCDEF"
#define INDEX_DIGITS 10 /* of an unsigned */
#define HASH_TEXT 17    /* "~" and 16 digits */
/* Room for the URL's part, its null byte included. */
#define URL_PART_MAX (FDNAME_MAX - 1 - INDEX_DIGITS)

/* FNV-1a: names of one server must differ, no more. */
static unsigned long long
hash(const char *text)
{
	unsigned long long h = 14695981039346656037ULL;

	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * 1099511628211ULL;
	return h;
}

static bool
may_stand(unsigned char c)
{
	return c >= ' ' && c < 0x7f && c != ':' && c != '%';
}

/* False, and dst is cut after a whole character, when size is too small. */
static bool
encode(const char *text, char *dst, size_t size)
{
	size_t used = 0;

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		size_t need = may_stand(c) ? 1 : 3;

		if (used + need >= size)
			break;
		if (need == 1) {
			dst[used++] = (char)c;
			continue;
		}
		dst[used++] = '%';
		dst[used++] = HEX[c >> 4];
		dst[used++] = HEX[c & 15];
	}
	dst[used] = '\0';
	return *text == '\0';
}

char *
fdname_print(const struct url *url, unsigned index, char *dst)
{
	char text[URL_TEXT_MAX];
	size_t used;

	(void)url_print_short(url, text, sizeof(text));
	if (url->device[0] != '\0') {
		(void)strlcat(text, "?device=", sizeof(text));
		(void)strlcat(text, url->device, sizeof(text));
	}
	if (!encode(text, dst, URL_PART_MAX)) {
		(void)encode(text, dst, URL_PART_MAX - HASH_TEXT);
		used = strlen(dst);
		(void)snprintf(dst + used, FDNAME_MAX - used, "~%016llx",
		    hash(text));
	}
	used = strlen(dst);
	(void)snprintf(dst + used, FDNAME_MAX - used, "#%u", index);
	return dst;
}

static int
hex_value(char c)
{
	const char *at = c == '\0' ? NULL : strchr(HEX, c);

	return at == NULL ? -1 : (int)(at - HEX);
}

/* The first n bytes of name. False: it was not made by encode(). */
static bool
decode(const char *name, size_t n, char *dst, size_t size)
{
	size_t i, used = 0;

	for (i = 0; i < n && used + 1 < size; i++) {
		int high, low;

		if (may_stand((unsigned char)name[i])) {
			dst[used++] = name[i];
			continue;
		}
		if (name[i] != '%' || n - i < 3)
			return false;
		high = hex_value(name[i + 1]);
		low = hex_value(name[i + 2]);
		/* No URL has a null byte. */
		if (high == -1 || low == -1 || high + low == 0)
			return false;
		dst[used++] = (char)(high * 16 + low);
		i += 2;
	}
	dst[used] = '\0';
	return i == n;
}

static bool
has_scheme(const char *url)
{
	const char *end = strstr(url, "://");
	size_t i;

	for (i = 0; end != NULL && i < URL_NSCHEMES; i++)
		if (strlen(url_scheme_names[i]) == (size_t)(end - url) &&
		    strncmp(url, url_scheme_names[i], (size_t)(end - url)) == 0)
			return true;
	return false;
}

int
fdname_parse(const char *name, char *url, size_t size, unsigned *index)
{
	const char *end = strrchr(name, '#'), *wrong;
	long long number;

	url[0] = '\0';
	if (end == NULL || strlen(name) >= FDNAME_MAX ||
	    !isdigit((unsigned char)end[1]))
		return -1;
	number = strtonum(end + 1, 0, UINT32_MAX, &wrong);
	if (wrong != NULL)
		return -1;
	if (!decode(name, (size_t)(end - name), url, size) ||
	    !has_scheme(url)) {
		url[0] = '\0';
		return -1;
	}
	*index = (unsigned)number;
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* http_cond.h: entity tags and conditional requests. Pure. */
#ifndef TINE_CHILD_HANDLERS_HTTP_COND_H
#define TINE_CHILD_HANDLERS_HTTP_COND_H

#include <sys/stat.h>

#include <stdbool.h>
#include <stddef.h>

#include "http_parse.h"

enum {
	HTTP_ETAG_SIZE = 40 /* quotes, two 64-bit numbers in hex, a dash */
};

/* The strong entity tag of a file, quotes included: when its content was
 * written, to the nanosecond, and its size. Returns its length; no null. */
size_t http_cond_etag(char *out, const struct stat *st);
/* Has the client of this GET or HEAD the file already? If-None-Match decides
 * alone when it is there, else If-Modified-Since. */
bool http_cond_is_unchanged(const struct http_request *req, const char *etag,
    size_t etag_len, time_t modified);

#endif

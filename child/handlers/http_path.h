/* SPDX-License-Identifier: BSD-2-Clause */
/* http_path.h: from a request's path to a file's name and back. Pure. */
#ifndef TINE_CHILD_HANDLERS_HTTP_PATH_H
#define TINE_CHILD_HANDLERS_HTTP_PATH_H

#include <stddef.h>

/*
 * Decode the path of a request, which begins with '/', into a name relative to
 * the root: no leading slash, no empty part, '/' at the end if it was there;
 * "" for the root itself. 0; or the status to answer: 400 for an escape that
 * is broken or stands for '/' or null, 404 for a name that is never served
 * (hidden, a backup, longer than size allows).
 */
int http_path_decode(const char *path, size_t len, char *out, size_t size);
/* Encode a name for a Location; out must hold 3 * strlen(name) bytes. Returns
 * the number written, without a final null. */
size_t http_path_encode(const char *name, char *out);

#endif

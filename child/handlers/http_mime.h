/* SPDX-License-Identifier: BSD-2-Clause */
/* http_mime.h: the content type that belongs to a file's name. */
#ifndef TINE_CHILD_HANDLERS_HTTP_MIME_H
#define TINE_CHILD_HANDLERS_HTTP_MIME_H

struct http_mime;

/*
 * The built-in types and, over them, those of the file (/etc/mime.types: a
 * type, then its extensions, on a line; NULL: none). A file that cannot be
 * read leaves the built-in ones. NULL when there is no memory.
 */
struct http_mime *http_mime_new(const char *file);
void http_mime_free(struct http_mime **);
/* Never NULL; lives as long as the table. */
const char *http_mime_type(const struct http_mime *, const char *path);

#endif

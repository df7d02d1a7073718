/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http_head.h: the next request of a connection whose input comes in pieces,
 * and whether the connection goes on after it. Pure.
 */
#ifndef TINE_CHILD_HANDLERS_HTTP_HEAD_H
#define TINE_CHILD_HANDLERS_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http_parse.h"

enum {
	HTTP_REQUESTS_MAX = 1000 /* on one connection */
};

/* What an answer says about the connection. */
enum http_keep {
	HTTP_KEEP,    /* nothing: HTTP/1.1 goes on */
	HTTP_KEEP_10, /* that it stays open, as an HTTP/1.0 client asked */
	HTTP_CLOSE,   /* that it closes */
	HTTP_NKEEP
};

/* Beside each connection, zero at first. Of a head that is not whole yet: how
 * much was searched for its end, and how much there was when it was last
 * parsed. */
struct http_head {
	uint32_t searched;
	uint32_t parsed;
};

/*
 * As http_parse(), for input that may be the longer form of what the last call
 * found not to be whole: its cost is that of the bytes, however they drip in.
 */
int http_head_next(struct http_head *, const char *in, size_t len,
    struct http_request *req);
/*
 * May the connection go on after the answer to this request, the requests-th on
 * it? When the child leaves, the last of the requests that came together says
 * goodbye: a client loses those behind that word. rest: the len bytes that came
 * behind the head.
 */
enum http_keep http_head_keep(const struct http_request *req, unsigned requests,
    bool is_leaving, const char *rest, size_t len);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http_parse.h: the head of one HTTP/1 request, read strictly. Pure: no
 * allocation, no copy, no system call; the spans of a request point into the
 * caller's buffer.
 */
#ifndef TINE_CHILD_HANDLERS_HTTP_PARSE_H
#define TINE_CHILD_HANDLERS_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HTTP_LINE_MAX = 8192,  /* request line in bytes, without its CRLF */
	HTTP_HEAD_MAX = 32768, /* whole head in bytes, empty line included */
	HTTP_FIELDS_MAX = 100
};

/* What http_parse() returns when it is not a status of 400 or above. */
enum {
	HTTP_DONE = 0,
	HTTP_MORE = -1
};

enum http_method {
	HTTP_UNKNOWN,
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_DELETE,
	HTTP_PATCH,
	HTTP_OPTIONS,
	HTTP_CONNECT,
	HTTP_TRACE,
	HTTP_NMETHODS
};

/* Bytes of the caller's buffer; at is NULL when there were none. */
struct http_span {
	const char *at;
	size_t len;
};

struct http_request {
	size_t head_len;         /* bytes to consume, empty line included */
	uint64_t content_length; /* 0 when the field is absent */
	struct http_span target; /* as sent */
	struct http_span path;   /* begins with '/'; "*" for OPTIONS * */
	struct http_span query;  /* without '?' */
	struct http_span host;   /* the authority that counts */
	struct http_span if_none_match;
	struct http_span if_modified_since;
	enum http_method method;
	uint8_t minor;         /* 0 or 1 of HTTP/1.x */
	bool keep_alive;       /* as version and Connection decide */
	bool chunked;          /* the body has no length of its own */
	bool expects_continue; /* waits for 100 before it sends the body */
	/* What single fields said, judged when the head is complete. */
	bool has_length;
	bool has_coding;
	bool has_foreign_coding;
	bool has_foreign_expectation;
	bool says_close;
	bool says_keep_alive;
	bool is_none_match_twice;
	bool is_modified_since_twice;
};

/*
 * Read the request head at the start of buf. HTTP_DONE: *req is complete and
 * its spans point into buf. HTTP_MORE: no fault so far, but the head is not
 * whole; call again from the start with more bytes. Otherwise the status to
 * refuse it with (400, 414, 417, 431, 501 or 505): the connection must then
 * close, since where the next request begins is unknown; req->method and
 * req->minor are set if the request line was read.
 */
int http_parse(const char *buf, size_t len, struct http_request *req);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http.h: what the files of the http handler share. One struct http for each
 * child, one struct http_conn beside each connection, one struct http_exchange
 * on the stack for each request.
 */
#ifndef TINE_CHILD_HANDLERS_HTTP_H
#define TINE_CHILD_HANDLERS_HTTP_H

#include <tine.h>

#include <limits.h>
#include <time.h>

#include "http_date.h"
#include "http_head.h"

struct http_exchange;
struct http_mime;

enum {
	HTTP_SMALL_FILE = 16384, /* bytes that travel with their head */
	HTTP_SCRATCH = 3 * HTTP_SMALL_FILE
};

/* An answer made beforehand: head and body in one piece. */
struct http_canned {
	char *bytes; /* NULL: not made */
	size_t head_len, len;
	size_t date_at; /* where the value of Date stands */
};

struct http {
	/* Answers one request; HEAD has no body. -1: it could not be written,
	 * the connection must end. */
	int (*answer)(struct http_exchange *);
	unsigned methods;  /* bits of enum http_method that answer takes */
	const char *allow; /* the same, for people */
	struct tine_child *child;

	time_t now; /* the second that date and canned show */
	char date[HTTP_DATE_LEN];
	struct http_canned canned[HTTP_NKEEP];
	int welcome_count; /* children that the welcome page speaks of */

	int root;          /* -1: none is served */
	const char *index; /* names separated by commas */
	struct http_mime *mime;
	time_t complained; /* the second of the last line in the log */

	char path[PATH_MAX];
	char scratch[HTTP_SCRATCH]; /* the answer that is being made */
};

/* Beside each connection. */
struct http_conn {
	uint64_t body_left; /* bytes to skip before the next head */
	struct http_head head;
	uint16_t requests;
	bool has_eof; /* no more input comes */
	bool is_last; /* close when the body is skipped */
};

_Static_assert(sizeof(struct http_conn) <= 32,
    "an idle connection costs little");

struct http_exchange {
	struct tine_conn *conn;
	struct http *http;
	struct http_request req;
	enum http_keep keep; /* may be set to HTTP_CLOSE until it is written */
	bool is_refused;     /* the body will not be read past */
	/* The answer that is being made. */
	char *at, *end;
	bool is_full; /* it did not fit */
};

/* ---- http_reply.c ---- */

/* "404 Not Found"; that of 500 for a code that is never answered. */
const char *http_reply_line(int status);
/* The line of the head that says it, with its CRLF. */
extern const char *const http_reply_connection[HTTP_NKEEP];
/* Begin a head in the scratch space: status line, Server, Date, Connection. */
void http_reply_begin(struct http_exchange *, int status);
void http_reply_put(struct http_exchange *, const char *, size_t);
void http_reply_puts(struct http_exchange *, const char *);
/* One more field, its value a text, and a number. */
void http_reply_field(struct http_exchange *, const char *name,
    const char *value, size_t len);
void http_reply_length(struct http_exchange *, uint64_t);
/* Write what was made. 0; or -1. */
int http_reply_send(struct http_exchange *);
/* A whole answer with a page that explains the status; extra: one more line
 * of the head with its CRLF, or NULL. An error with a body that was not read
 * closes. 0; or -1. */
int http_reply_page(struct http_exchange *, int status, const char *extra);

/* ---- http_canned.c ---- */

/* Make the answers of all enum http_keep anew. 0; or -1: no memory, the
 * earlier ones stay. */
int http_canned_make(struct http *, const char *type, const char *body,
    size_t len);
void http_canned_free(struct http *);
/* Show the date of http->date. */
void http_canned_set_date(struct http *);
int http_canned_answer(struct http_exchange *);

/* ---- http_file.c ---- */

/* Open root= and read what belongs to it. 0; or -1 after tine_set_error(). */
int http_file_start(struct http *, const char *root);
void http_file_stop(struct http *);
int http_file_answer(struct http_exchange *);

/* ---- http_welcome.c ---- */

/* 0; or -1: no memory. */
int http_welcome_make(struct http *);
int http_welcome_answer(struct http_exchange *);

#endif

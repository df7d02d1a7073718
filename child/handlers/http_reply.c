/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http_reply.c: heads and the pages that explain a status. Runs in a child.
 * An answer is made in the scratch space of the child and written at once; no
 * byte of a request gets into it, but for the Location of a folder.
 */
#include "http.h"

#include <string.h>

#define nitems(array) (sizeof(array) / sizeof((array)[0]))

const char *const http_reply_connection[HTTP_NKEEP] = {
	[HTTP_KEEP] = "",
	[HTTP_KEEP_10] = "Connection: keep-alive\r\n",
	[HTTP_CLOSE] = "Connection: close\r\n",
};

static const struct status {
	int code;
	const char *line;
	const char *hint;
} statuses[] = {
	{ 200, "200 OK", "" },
	{ 301, "301 Moved Permanently",
	    "This folder is reached by a name that "
	    "ends in a slash." },
	{ 304, "304 Not Modified", "" },
	{ 400, "400 Bad Request", "The request could not be understood." },
	{ 403, "403 Forbidden", "This may not be read." },
	{ 404, "404 Not Found", "There is nothing under this address." },
	{ 405, "405 Method Not Allowed", "This can only be read." },
	{ 411, "411 Length Required", "Send the body with its length." },
	{ 414, "414 URI Too Long", "The address is longer than 8 KiB." },
	{ 417, "417 Expectation Failed", "This server can only continue." },
	{ 431, "431 Request Header Fields Too Large",
	    "The head of the request "
	    "is longer than 32 KiB or has more than 100 fields." },
	{ 501, "501 Not Implemented",
	    "The request asks for something that "
	    "this server does not do." },
	{ 503, "503 Service Unavailable",
	    "The server is out of resources. "
	    "Try again in a moment." },
	{ 505, "505 HTTP Version Not Supported",
	    "This server speaks "
	    "HTTP/1.0 and 1.1." },
	/* Last: stands for every other code. */
	{ 500, "500 Internal Server Error", "The server could not do this." },
};

/* The page is: open, line, middle, line, then, hint, finish. */
static const char page_open[] =
    "<!doctype html>\n"
    "<html lang=\"en\">\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<link rel=\"icon\" href=\"data:,\">\n"
    "<title>";
static const char page_middle[] =
    "</title>\n"
    "<style>\n"
    ":root{color-scheme:light dark}\n"
    "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;"
    "margin:18vh auto;padding:0 1.5rem}\n"
    "h1{font-size:1.6rem;font-weight:600;margin:0}\n"
    "p{margin:.5rem 0;opacity:.8}\n"
    "</style>\n"
    "<h1>";
static const char page_then[] = "</h1>\n<p>";
static const char page_finish[] = "</p>\n</html>\n";

static const struct status *
status_of(int code)
{
	const struct status *s = statuses;

	while (s < statuses + nitems(statuses) - 1 && s->code != code)
		s++;
	return s;
}

const char *
http_reply_line(int status)
{
	return status_of(status)->line;
}

void
http_reply_put(struct http_exchange *x, const char *bytes, size_t len)
{
	if (len > (size_t)(x->end - x->at)) {
		x->is_full = true;
		return;
	}
	memcpy(x->at, bytes, len);
	x->at += len;
}

void
http_reply_puts(struct http_exchange *x, const char *text)
{
	http_reply_put(x, text, strlen(text));
}

void
http_reply_field(struct http_exchange *x, const char *name, const char *value,
    size_t len)
{
	http_reply_puts(x, name);
	http_reply_put(x, ": ", 2);
	http_reply_put(x, value, len);
	http_reply_put(x, "\r\n", 2);
}

void
http_reply_length(struct http_exchange *x, uint64_t n)
{
	char digits[20], *p = digits + sizeof(digits);

	do
		*--p = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	http_reply_field(x, "Content-Length", p,
	    (size_t)(digits + sizeof(digits) - p));
}

void
http_reply_begin(struct http_exchange *x, int status)
{
	x->at = x->http->scratch;
	x->end = x->at + sizeof(x->http->scratch);
	x->is_full = false;
	http_reply_puts(x, "HTTP/1.1 ");
	http_reply_puts(x, http_reply_line(status));
	http_reply_puts(x, "\r\nServer: tine/");
	http_reply_puts(x, tine_version());
	http_reply_puts(x, "\r\nDate: ");
	http_reply_put(x, x->http->date, HTTP_DATE_LEN);
	http_reply_puts(x, "\r\n");
	http_reply_puts(x, http_reply_connection[x->keep]);
}

int
http_reply_send(struct http_exchange *x)
{
	const char *from = x->http->scratch;

	if (x->is_full)
		return -1;
	return tine_write(x->conn, from, (size_t)(x->at - from));
}

int
http_reply_page(struct http_exchange *x, int status, const char *extra)
{
	const struct status *s = status_of(status);
	const char *parts[] = { page_open, s->line, page_middle, s->line,
		page_then, s->hint, page_finish };
	size_t i, len = 0;

	/* Reading past a body that was refused helps nobody. */
	if (x->req.content_length > 0 || x->req.chunked) {
		x->keep = HTTP_CLOSE;
		x->is_refused = true;
	}
	for (i = 0; i < nitems(parts); i++)
		len += strlen(parts[i]);
	http_reply_begin(x, status);
	http_reply_puts(x, "Content-Type: text/html; charset=utf-8\r\n");
	http_reply_length(x, len);
	if (extra != NULL)
		http_reply_puts(x, extra);
	http_reply_puts(x, "\r\n");
	for (i = 0; i < nitems(parts) && x->req.method != HTTP_HEAD; i++)
		http_reply_puts(x, parts[i]);
	return http_reply_send(x);
}

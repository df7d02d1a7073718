/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http_canned.c: answers made beforehand. Runs in a child; owns the bytes of
 * text= and of the welcome page, one copy for each thing that an answer can
 * say about the connection. A request then costs one copy into the output;
 * once a second the date is written over the old one.
 */
#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
make_one(struct http_canned *c, const char *type, const char *connection,
    const char *body, size_t len)
{
	char head[256];
	size_t head_len;
	int n;

	n = snprintf(head, sizeof(head),
	    "HTTP/1.1 200 OK\r\n"
	    "Server: tine/%s\r\n"
	    "Date: %*s\r\n"
	    "Content-Type: %s\r\n"
	    "Content-Length: %zu\r\n"
	    "%s\r\n",
	    tine_version(), HTTP_DATE_LEN, "", type, len, connection);
	if (n < 0 || (size_t)n >= sizeof(head))
		return -1;
	head_len = (size_t)n;
	c->bytes = malloc(head_len + len);
	if (c->bytes == NULL)
		return -1;
	memcpy(c->bytes, head, head_len);
	memcpy(c->bytes + head_len, body, len);
	c->head_len = head_len;
	c->len = head_len + len;
	c->date_at = (size_t)(strstr(head, "Date: ") + 6 - head);
	return 0;
}

int
http_canned_make(struct http *h, const char *type, const char *body, size_t len)
{
	struct http_canned made[HTTP_NKEEP] = { 0 };
	int i;

	for (i = 0; i < HTTP_NKEEP; i++)
		if (make_one(&made[i], type, http_reply_connection[i], body,
			len) == -1) {
			while (i-- > 0)
				free(made[i].bytes);
			return -1;
		}
	http_canned_free(h);
	memcpy(h->canned, made, sizeof(made));
	http_canned_set_date(h);
	return 0;
}

void
http_canned_free(struct http *h)
{
	int i;

	for (i = 0; i < HTTP_NKEEP; i++) {
		free(h->canned[i].bytes);
		h->canned[i].bytes = NULL;
	}
}

void
http_canned_set_date(struct http *h)
{
	struct http_canned *c = h->canned;

	for (; c < h->canned + HTTP_NKEEP; c++)
		if (c->bytes != NULL)
			memcpy(c->bytes + c->date_at, h->date, HTTP_DATE_LEN);
}

int
http_canned_answer(struct http_exchange *x)
{
	const struct http_canned *c = &x->http->canned[x->keep];

	return tine_write(x->conn, c->bytes,
	    x->req.method == HTTP_HEAD ? c->head_len : c->len);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http_head.c: from the input of a connection to its next request. Runs in a
 * child, for the handlers that speak HTTP/1. Owns nothing: what it remembers of
 * a head that is not whole lies beside the connection.
 */
#include "http_head.h"

#include <string.h>

enum {
	/* With so much input the request line is whole, or too long: it may
	 * have a line end before and behind it. */
	LINE_SEEN = HTTP_LINE_MAX + 4
};

/*
 * One that is not whole is not read again for each packet that drips in, which
 * would cost the square of its length, but when it looks ended, when it reached
 * a limit, or when it has doubled.
 */
int
http_head_next(struct http_head *h, const char *in, size_t len,
    struct http_request *req)
{
	size_t from = h->searched > 3 ? h->searched - 3 : 0;
	int rc;

	if (h->parsed > 0) {
		h->searched = (uint32_t)len;
		if (memmem(in + from, len - from, "\n\r\n", 3) == NULL &&
		    memmem(in + from, len - from, "\n\n", 2) == NULL &&
		    (len < LINE_SEEN || h->parsed >= LINE_SEEN) &&
		    len < HTTP_HEAD_MAX && len / 2 < h->parsed)
			return HTTP_MORE;
	}
	rc = http_parse(in, len, req);
	h->parsed = h->searched = rc == HTTP_MORE ? (uint32_t)len : 0;
	return rc;
}

/* Does another request follow behind the body of this one, if only with its
 * first byte? Line ends are none: old clients send one after a body. */
static bool
is_followed(const struct http_request *req, const char *rest, size_t len)
{
	const char *end = rest + len;

	if (len <= req->content_length)
		return false;
	for (rest += req->content_length; rest < end; rest++)
		if (*rest != '\r' && *rest != '\n')
			return true;
	return false;
}

enum http_keep
http_head_keep(const struct http_request *req, unsigned requests,
    bool is_leaving, const char *rest, size_t len)
{
	if (!req->keep_alive || requests >= HTTP_REQUESTS_MAX ||
	    (is_leaving && !is_followed(req, rest, len)))
		return HTTP_CLOSE;
	return req->minor > 0 ? HTTP_KEEP : HTTP_KEEP_10;
}

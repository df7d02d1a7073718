/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http_hello: answers HTTP with "Hello World!", by hand: what a codec of one's
 * own looks like. It cuts the input into requests, a body of Content-Length
 * bytes included, so that pipelines and pieces are not its business any more;
 * what is no request gets an error, and the connection closes. The built-in
 * http handler is the one that knows the whole protocol.
 *
 *     build/tine -l 8080 ./build/examples/http_hello.so
 *     ./build/examples/http_hello -l 8080 -n auto
 *     curl -i 127.0.0.1:8080
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <tine.h>

#define BAD "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nbad request\n"

/* METHOD /path[?query] HTTP/1.x, lines with a name and a colon, the body. */
static int
hello_decode(const struct tine_codec *codec, struct tine_conn *c,
    const void *in, size_t len, struct tine_frame *f)
{
	const char *end = memmem(in, len, "\r\n\r\n", 4);
	size_t n = end == NULL ? len : (size_t)(end + 4 - (const char *)in);
	char head[8192], path[2048], cr[2], *line = head;
	long body = 0;

	if (end == NULL && len < codec->limit)
		return 0;
	/* None that is longer, or has a null byte in it. */
	if (end == NULL || n >= sizeof(head) ||
	    memccpy(head, in, '\0', n) != NULL)
		goto bad;
	head[n] = '\0';
	if (sscanf(head, "%*[A-Z] %2047[!-~] HTTP/1.%*1[01]%1[\r]", path, cr) !=
		2 ||
	    path[0] != '/')
		goto bad;
	while (*(line = strchr(line, '\n') + 1) != '\r') {
		n = strcspn(line, ": \t\r\n");
		/* Nine digits: more than any limit, fewer than overflow. */
		if (n == 0 || line[n] != ':' ||
		    strncasecmp(line, "Transfer-Encoding:", 18) == 0 ||
		    (strncasecmp(line, "Content-Length:", 15) == 0 &&
			(body != 0 ||
			    sscanf(line + 15, "%9ld%1[\r]", &body, cr) != 2)) ||
		    body < 0)
			goto bad;
	}
	f->bytes = in;
	f->len = (size_t)(end + 4 - (const char *)in); /* not the body */
	f->consumed = f->need = f->len + (size_t)body;
	return len >= f->need;
bad:
	(void)tine_write(c, BAD, sizeof(BAD) - 1);
	return -1;
}

static enum tine_action
hello_frame(struct tine_conn *c, const void *head, size_t len)
{
	time_t now = (time_t)tine_time(tine_child(c));
	char answer[256];
	size_t n = strftime(answer, sizeof(answer),
	    "HTTP/1.1 200 OK\r\nServer: tine\r\nContent-Length: 12\r\n"
	    "Date: %a, %d %b %Y %H:%M:%S GMT\r\n\r\nHello World!",
	    gmtime(&now));

	tine_count_requests(c, 1);
	if (tine_write(c, answer, n) == -1)
		return TINE_ABORT;
	return memmem(head, len, "HTTP/1.0\r", 9) ? TINE_CLOSE : TINE_OK;
}

/* The child leaves: this connection may go when no request has begun. */
static bool
hello_quiesce(struct tine_conn *c)
{
	size_t len;

	return tine_peek(c, &len), len == 0;
}

static const struct tine_codec codec =
    TINE_CODEC(.decode = hello_decode, .limit = 8191);
TINE_HANDLER(.name = "http_hello", .codec = &codec, .frame = hello_frame,
    .quiesce = hello_quiesce);

int
main(int argc, char **argv)
{
	return tine_main(argc, argv, &tine_handler);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http_hello: answers every HTTP request with "Hello World!", by hand: it finds
 * where a request's head ends and looks at nothing in it. The built-in http
 * handler is the one that knows the protocol. For tine to load, and as a server
 * of its own:
 *
 *     build/tine -l 8080 ./build/examples/http_hello.so
 *     build/examples/http_hello -l 8080 -n auto
 */
#include <string.h>
#include <time.h>

#include <tine.h>

#define HEAD_MAX 8192

/* The answer of this second. A child is a process of its own and runs one
 * callback at a time, so a static variable needs no lock. */
static char answer[256];
static size_t answer_len;
static time_t answer_made;

static void
hello_make(time_t now)
{
	struct tm tm;

	answer_made = now;
	answer_len = strftime(answer, sizeof(answer),
	    "HTTP/1.1 200 OK\r\n"
	    "Server: tine\r\n"
	    "Content-Type: text/plain\r\n"
	    "Date: %a, %d %b %Y %H:%M:%S GMT\r\n"
	    "Content-Length: 12\r\n"
	    "\r\n"
	    "Hello World!",
	    gmtime_r(&now, &tm));
}

static enum tine_action
hello_data(struct tine_conn *c)
{
	time_t now = (time_t)tine_time(tine_child(c));
	const char *in, *end;
	size_t len, done = 0;
	unsigned answered = 0;

	if (now != answer_made)
		hello_make(now);
	in = tine_peek(c, &len);
	/* One client's pipeline must not fill memory: drained goes on. */
	while (!tine_is_congested(c) &&
	    (end = memmem(in + done, len - done, "\r\n\r\n", 4)) != NULL) {
		if (tine_write(c, answer, answer_len) == -1)
			return TINE_CLOSE;
		done = (size_t)(end + 4 - in);
		answered++;
	}
	tine_consume(c, done);
	tine_count_requests(c, answered);
	if (!tine_is_congested(c) && len - done > HEAD_MAX)
		return TINE_CLOSE;
	return TINE_OK;
}

static void
hello_drained(struct tine_conn *c)
{
	if (hello_data(c) == TINE_CLOSE)
		tine_close(c);
}

static bool
hello_quiesce(struct tine_conn *c)
{
	size_t len;

	(void)tine_peek(c, &len);
	return len == 0 && tine_unsent(c) == 0;
}

TINE_HANDLER(.name = "http_hello", .data = hello_data, .drained = hello_drained,
    .quiesce = hello_quiesce);

int
main(int argc, char **argv)
{
	return tine_main(argc, argv, &tine_handler);
}

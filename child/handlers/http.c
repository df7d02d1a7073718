/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http.c: the http handler: what connects requests, answers and connections.
 * Runs in a child. All whole requests of the input are answered in one
 * callback, in order, until the output is congested; the rest waits for
 * drained. After a request that cannot be read nothing more is parsed.
 */
#include "http.h"

#include <stdlib.h>
#include <string.h>

#define BIT(n) (1U << (n))

enum {
	METHODS_READ = BIT(HTTP_GET) | BIT(HTTP_HEAD),
	METHODS_TEXT = METHODS_READ | BIT(HTTP_POST) | BIT(HTTP_PUT) |
	    BIT(HTTP_DELETE) | BIT(HTTP_PATCH) | BIT(HTTP_OPTIONS)
};

/* ---- start and stop ---- */

/* Once a second, the first callback of it writes the date anew. */
static void
update_date(struct http *h)
{
	time_t now = (time_t)tine_time(h->child);

	if (now == h->now)
		return;
	h->now = now;
	http_date_format(h->date, now);
	http_canned_set_date(h);
}

static void
on_stop(struct tine_child *child)
{
	struct http *h = tine_data(child);

	if (h == NULL)
		return;
	http_file_stop(h);
	http_canned_free(h);
	tine_set_data(child, NULL);
	free(h);
}

static int
choose_answer(struct http *h)
{
	const char *root = tine_option(h->child, "root", NULL), *text;
	size_t len;

	text = tine_option(h->child, "text", &len);
	if (root != NULL && text != NULL) {
		tine_set_error(h->child,
		    "root= and text= are both set: every "
		    "path can have one answer only");
		return -1;
	}
	h->methods = METHODS_READ;
	h->allow = "Allow: GET, HEAD\r\n";
	if (root != NULL) {
		h->answer = http_file_answer;
		return http_file_start(h, root);
	}
	if (text != NULL) {
		h->answer = http_canned_answer;
		h->methods = METHODS_TEXT;
		h->allow = "Allow: GET, HEAD, POST, PUT, DELETE, PATCH, "
			   "OPTIONS\r\n";
		if (http_canned_make(h, "text/plain; charset=utf-8", text,
			len) == 0)
			return 0;
	} else {
		h->answer = http_welcome_answer;
		if (http_welcome_make(h) == 0)
			return 0;
	}
	tine_set_error(h->child, "no memory for the answers made beforehand");
	return -1;
}

static enum tine_action
on_start(struct tine_child *child)
{
	struct http *h = calloc(1, sizeof(*h));

	if (h == NULL) {
		tine_set_error(child, "no memory");
		return TINE_ABORT;
	}
	tine_set_data(child, h);
	h->child = child;
	h->root = -1;
	h->now = -1;
	h->index = tine_option(child, "index", NULL);
	update_date(h);
	if (choose_answer(h) == -1) {
		on_stop(child);
		return TINE_ABORT;
	}
	return TINE_OK;
}

/* ---- one request ---- */

/* A client that waits for leave to send its body gets it where the body will
 * be read past. Elsewhere the answer is final: it may or may not send the body
 * after that, so that no later request can be told from it. */
static int
answer_expectation(struct http_exchange *x)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (x->keep != HTTP_CLOSE && (x->http->methods & BIT(HTTP_POST)) != 0)
		return tine_write(x->conn, go_on, sizeof(go_on) - 1);
	x->keep = HTTP_CLOSE;
	x->is_refused = true;
	return 0;
}

static int
answer(struct http_exchange *x, size_t rest)
{
	const struct http_request *req = &x->req;
	struct http *h = x->http;

	if (req->method == HTTP_UNKNOWN)
		return http_reply_page(x, 501, NULL);
	if ((h->methods & BIT(req->method)) == 0)
		return http_reply_page(x, 405, h->allow);
	/* RFC 9112, 6.3 lets a server ask for a body with a length. */
	if (req->chunked)
		return http_reply_page(x, 411, NULL);
	if (req->expects_continue && rest == 0 && answer_expectation(x) == -1)
		return -1;
	return h->answer(x);
}

enum served {
	SERVED_ONE,   /* go on with what follows */
	SERVED_NONE,  /* there is no whole request */
	SERVED_LAST,  /* close when the output is out */
	SERVED_FAILED /* the answer could not be written whole */
};

/* Answer the request at *at, which moves behind its head. */
static enum served
serve_one(struct http_exchange *x, struct http_conn *st, const char **at,
    const char *end)
{
	const struct http_request *req = &x->req;
	size_t rest;
	int rc;

	rc = http_head_next(&st->head, *at, (size_t)(end - *at), &x->req);
	if (rc == HTTP_MORE)
		return SERVED_NONE;
	x->is_refused = false;
	if (rc != HTTP_DONE) {
		x->keep = HTTP_CLOSE;
		return http_reply_page(x, rc, NULL) == 0 ? SERVED_LAST
							 : SERVED_FAILED;
	}
	*at += req->head_len;
	rest = (size_t)(end - *at);
	x->keep = http_head_keep(req, ++st->requests,
	    tine_is_draining(x->http->child), *at, rest);
	if (answer(x, rest) == -1)
		return SERVED_FAILED;
	if (x->is_refused)
		return SERVED_LAST;
	st->body_left = req->content_length;
	st->is_last = x->keep == HTTP_CLOSE;
	return SERVED_ONE;
}

/* ---- one connection ---- */

static size_t
skip_body(struct http_conn *st, size_t len)
{
	size_t n = st->body_left < len ? (size_t)st->body_left : len;

	st->body_left -= n;
	return n;
}

static enum tine_action
serve(struct tine_conn *c)
{
	/* clang-format off */
	static const enum tine_action actions[] = {
		[SERVED_ONE] = TINE_OK,
		[SERVED_NONE] = TINE_OK,
		[SERVED_LAST] = TINE_CLOSE,
		[SERVED_FAILED] = TINE_ABORT,
	};
	/* clang-format on */
	struct http_conn *st = tine_state(c);
	struct http_exchange x = { .conn = c,
		.http = tine_data(tine_child(c)) };
	enum served served = SERVED_ONE;
	unsigned answered = 0;
	size_t len;
	const char *in = tine_peek(c, &len), *at = in, *end = in + len;

	update_date(x.http);
	while (served == SERVED_ONE) {
		at += skip_body(st, (size_t)(end - at));
		if (st->is_last && st->body_left == 0)
			served = SERVED_LAST;
		else if (at == end || tine_is_congested(c))
			break;
		else {
			served = serve_one(&x, st, &at, end);
			answered += served != SERVED_NONE;
		}
	}
	/* What follows the last request is of no use to anybody. */
	if (actions[served] != TINE_OK)
		at = end;
	tine_consume(c, (size_t)(at - in));
	if (answered > 0)
		tine_count_requests(c, answered);
	return actions[served];
}

/* The peer has sent its last request; those still waiting are answered. */
static enum tine_action
on_eof(struct tine_conn *c)
{
	struct http_conn *st = tine_state(c);
	enum tine_action action = serve(c);

	st->has_eof = true;
	if (action == TINE_OK && !tine_is_congested(c))
		action = TINE_CLOSE;
	return action;
}

static void
on_drained(struct tine_conn *c)
{
	const struct http_conn *st = tine_state(c);

	if (serve(c) != TINE_OK || (st->has_eof && !tine_is_congested(c)))
		tine_close(c);
}

static bool
on_quiesce(struct tine_conn *c)
{
	const struct http_conn *st = tine_state(c);
	size_t len;

	(void)tine_peek(c, &len);
	return len == 0 && st->body_left == 0 && tine_unsent(c) == 0;
}

/* clang-format off */
static const struct tine_option options[] = {
	{ "root", TINE_FOLDER, NULL, 0, 0,
	    "serve the files of this folder" },
	{ "index", TINE_LIST, "index.html", 0, 0,
	    "files that stand for their folder, the first one found" },
	{ "text", TINE_TEXT, NULL, 0, 1048576,
	    "answer this text to every request; \\r \\n \\t \\xHH are resolved" },
	{ NULL, TINE_STRING, NULL, 0, 0, NULL },
};
/* clang-format on */

/* To a client that is not served: made of nothing that could be short. */
static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\n"
			   "Server: tine\r\n"
			   "Retry-After: 1\r\n"
			   "Connection: close\r\n"
			   "Content-Type: text/plain\r\n"
			   "Content-Length: 24\r\n"
			   "\r\n"
			   "503 Service Unavailable\n";

TINE_HANDLER(.name = "http", .options = options,
    .conn_size = sizeof(struct http_conn), .start = on_start, .stop = on_stop,
    .data = serve, .eof = on_eof, .drained = on_drained, .quiesce = on_quiesce,
    .busy = busy, .busy_len = sizeof(busy) - 1);

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pages.c: the status handler: what the admin listener serves. Runs in the
 * admin child. Most pages show what the master answers to a question that is
 * put after the request came; until then the request stays in the input, and
 * with it those behind it. Nothing here can change the server.
 */
#include "pages.h"

#include <tine.h>

#include <stdio.h>
#include <string.h>

#include "http.h"
#include "snapshot.h"

#define nitems(array) (sizeof(array) / sizeof((array)[0]))

enum {
	HEAD_BYTES = 1024, /* of an answer */
	LINE_BYTES = 80
};

/* Beside each connection. */
struct pages_conn {
	struct http_head head;
	/* The answer that shows the state after the first `covered` bytes of
	 * the input had come; there is none when they are 0. */
	uint64_t number;
	uint32_t covered;
	uint16_t requests;
	bool has_eof; /* no more input comes */
};

struct answer {
	int status;
	const char *type;
	const char *extra; /* lines of the head */
	const char *body;
	size_t len;
	char line[LINE_BYTES]; /* for a body that is one */
};

/* ---- what there is ---- */

static const char type_text[] = "text/plain; charset=utf-8";

/* A text and a newline. */
static void
put_line(struct answer *a, int status, const char *text)
{
	(void)snprintf(a->line, sizeof(a->line), "%s\n", text);
	a->status = status;
	a->type = type_text;
	a->body = a->line;
	a->len = strlen(a->line);
}

/* Something the master rendered; it may have had no memory for it. */
static void
put_rendered(struct answer *a, const struct snapshot *s, const char *bytes,
    size_t len)
{
	if (bytes == NULL) {
		put_line(a, 503,
		    s->is_alive ? "there is no memory to show it" : s->trouble);
		return;
	}
	a->body = bytes;
	a->len = len;
}

static void
put_live(struct answer *a, const struct snapshot *s)
{
	(void)s;
	a->extra = pages_live_policy;
	a->body = pages_live;
	a->len = pages_live_len;
}

static void
put_json(struct answer *a, const struct snapshot *s)
{
	put_rendered(a, s, s->json, s->json_len);
}

static void
put_metrics(struct answer *a, const struct snapshot *s)
{
	put_rendered(a, s, s->metrics, s->metrics_len);
}

static void
put_health(struct answer *a, const struct snapshot *s)
{
	if (s->is_alive)
		put_line(a, 200, "ok");
	else
		put_line(a, 503, s->trouble);
}

static void
put_readiness(struct answer *a, const struct snapshot *s)
{
	if (s->trouble == NULL)
		put_line(a, 200, "ready");
	else
		put_line(a, 503, s->trouble);
}

static const struct page {
	const char *path, *type;
	bool has_news; /* what it shows comes from the master */
	void (*put)(struct answer *, const struct snapshot *);
} pages[] = {
	{ "/", "text/html; charset=utf-8", false, put_live },
	{ "/status.json", "application/json", true, put_json },
	{ "/metrics", "text/plain; version=0.0.4; charset=utf-8", true,
	    put_metrics },
	{ "/healthz", type_text, true, put_health },
	{ "/readyz", type_text, true, put_readiness },
};

static const struct page *
find_page(const struct http_request *req)
{
	const struct page *p;

	for (p = pages; p < pages + nitems(pages); p++)
		if (req->path.len == strlen(p->path) &&
		    memcmp(req->path.at, p->path, req->path.len) == 0)
			return p;
	return NULL;
}

static void
refuse(struct answer *a, int status)
{
	put_line(a, status, http_reply_line(status));
	if (status == 405)
		a->extra = "Allow: GET, HEAD\r\n";
}

/* ---- one request ---- */

struct exchange {
	struct tine_conn *conn;
	struct http_request req;
	enum http_keep keep;
	struct answer answer;
};

/* 0; or -1: it could not be written, the connection must end. */
static int
send_answer(struct exchange *x)
{
	const struct answer *a = &x->answer;
	char date[HTTP_DATE_LEN], head[HEAD_BYTES];
	int n;

	http_date_format(date, (time_t)tine_time(tine_child(x->conn)));
	n = snprintf(head, sizeof(head),
	    "HTTP/1.1 %s\r\n"
	    "Server: tine/%s\r\n"
	    "Date: %.*s\r\n"
	    "Content-Type: %s\r\n"
	    "Content-Length: %zu\r\n"
	    "Cache-Control: no-store\r\n"
	    "X-Content-Type-Options: nosniff\r\n"
	    "%s%s\r\n",
	    http_reply_line(a->status), tine_version(), HTTP_DATE_LEN, date,
	    a->type, a->len, a->extra, http_reply_connection[x->keep]);
	if (n < 0 || (size_t)n >= sizeof(head) ||
	    tine_write(x->conn, head, (size_t)n) == -1)
		return -1;
	return x->req.method == HTTP_HEAD
	    ? 0
	    : tine_write(x->conn, a->body, a->len);
}

/* What the master said after this request had come; NULL: wait. The requests
 * that came with it share the answer. */
static const struct snapshot *
find_snapshot(struct exchange *x, struct pages_conn *st, size_t len)
{
	struct tine_child *child = tine_child(x->conn);

	if (x->req.head_len > st->covered) {
		st->number = snapshot_ask(child);
		st->covered = (uint32_t)len;
	}
	return snapshot_get(child, st->number);
}

/* False: not yet. */
static bool
make_answer(struct exchange *x, struct pages_conn *st, size_t len)
{
	const struct http_request *req = &x->req;
	const struct snapshot *s = NULL;
	struct answer *a = &x->answer;
	const struct page *page;

	if (req->method == HTTP_UNKNOWN) {
		refuse(a, 501);
	} else if (req->method != HTTP_GET && req->method != HTTP_HEAD) {
		refuse(a, 405);
	} else if ((page = find_page(req)) == NULL) {
		refuse(a, 404);
	} else {
		if (page->has_news && (s = find_snapshot(x, st, len)) == NULL)
			return false;
		a->status = 200;
		a->type = page->type;
		page->put(a, s);
	}
	return true;
}

enum served {
	SERVED_ONE,   /* go on with what follows */
	SERVED_NONE,  /* there is no whole request */
	SERVED_LATER, /* the master has not answered yet */
	SERVED_LAST,  /* close when the output is out */
	SERVED_FAILED /* the answer could not be written whole */
};

/* Answer the request at *at, which moves behind its head. */
static enum served
serve_one(struct exchange *x, struct pages_conn *st, const char **at,
    const char *end)
{
	const struct http_request *req = &x->req;
	size_t len = (size_t)(end - *at);
	int rc;

	rc = http_head_next(&st->head, *at, len, &x->req);
	if (rc == HTTP_MORE)
		return SERVED_NONE;
	x->answer = (struct answer){ .extra = "" };
	x->keep = HTTP_CLOSE;
	if (rc != HTTP_DONE) {
		refuse(&x->answer, rc);
		return send_answer(x) == -1 ? SERVED_FAILED : SERVED_LAST;
	}
	if (!make_answer(x, st, len))
		return SERVED_LATER;
	*at += req->head_len;
	st->covered -= (uint32_t)(req->head_len < st->covered ? req->head_len
							      : st->covered);
	st->requests++;
	/* No page takes a body: where the next request begins is not worth
	 * finding out. */
	if (req->content_length == 0 && !req->chunked)
		x->keep = http_head_keep(req, st->requests,
		    tine_is_draining(tine_child(x->conn)), *at,
		    (size_t)(end - *at));
	if (send_answer(x) == -1)
		return SERVED_FAILED;
	return x->keep == HTTP_CLOSE ? SERVED_LAST : SERVED_ONE;
}

/* ---- one connection ---- */

/* Does the first request wait for the master? Then more input changes
 * nothing. */
static bool
is_waiting(const struct tine_conn *c, const struct pages_conn *st)
{
	return st->covered > 0 &&
	    snapshot_get(tine_child(c), st->number) == NULL;
}

static enum tine_action
act(const struct tine_conn *c, const struct pages_conn *st, enum served served)
{
	switch (served) {
	case SERVED_ONE:
	case SERVED_NONE:
		return st->has_eof && !tine_is_congested(c) ? TINE_CLOSE
							    : TINE_OK;
	case SERVED_LATER:
		return TINE_OK;
	case SERVED_LAST:
		return TINE_CLOSE;
	case SERVED_FAILED:
		return TINE_ABORT;
	}
	return TINE_ABORT;
}

/* Also called when the master has answered. */
static enum tine_action
serve(struct tine_conn *c)
{
	struct pages_conn *st = tine_state(c);
	struct exchange x = { .conn = c };
	enum served served = SERVED_ONE;
	enum tine_action action;
	unsigned answered = 0;
	size_t len;
	const char *in = tine_peek(c, &len), *at = in, *end = in + len;

	if (is_waiting(c, st))
		return TINE_OK;
	while (served == SERVED_ONE && at < end && !tine_is_congested(c)) {
		served = serve_one(&x, st, &at, end);
		answered += served == SERVED_ONE || served == SERVED_LAST;
	}
	action = act(c, st, served);
	/* What follows the last request is of no use to anybody. */
	if (action != TINE_OK)
		at = end;
	tine_consume(c, (size_t)(at - in));
	if (answered > 0)
		tine_count_requests(c, answered);
	return action;
}

/* The peer has sent its last request; those still waiting are answered. */
static enum tine_action
on_eof(struct tine_conn *c)
{
	struct pages_conn *st = tine_state(c);

	st->has_eof = true;
	return serve(c);
}

static void
on_drained(struct tine_conn *c)
{
	if (serve(c) != TINE_OK)
		tine_close(c);
}

static bool
on_quiesce(struct tine_conn *c)
{
	size_t len;

	(void)tine_peek(c, &len);
	return len == 0 && tine_unsent(c) == 0;
}

TINE_HANDLER(.name = "status", .conn_size = sizeof(struct pages_conn),
    .data = serve, .eof = on_eof, .drained = on_drained, .quiesce = on_quiesce);

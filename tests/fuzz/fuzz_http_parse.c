/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_http_parse.c: the request parser on any bytes (libFuzzer). Beside what
 * the sanitizers find it checks what the handler relies on: spans that lie in
 * the head, an answer that stands whatever follows, and beginnings of a good
 * head that are never refused.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "child/handlers/http_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool is_true)
{
	if (!is_true)
		abort();
}

static void
check_span(struct http_span s, const char *head, size_t len)
{
	if (s.at == NULL)
		return;
	must(s.at >= head && s.len <= len &&
	    (size_t)(s.at - head) <= len - s.len);
	must(memchr(s.at, '\r', s.len) == NULL);
	must(memchr(s.at, '\n', s.len) == NULL);
	must(memchr(s.at, '\0', s.len) == NULL);
}

static void
check_request(const struct http_request *req, const char *head, size_t size)
{
	must(req->head_len >= 16 && req->head_len <= size);
	must(memcmp(head + req->head_len - 4, "\r\n\r\n", 4) == 0);
	must(req->target.len > 0 && req->path.len > 0);
	must(req->minor == 0 || req->host.at != NULL);
	must(req->content_length == 0 || !req->chunked);
	must(req->content_length <= INT64_MAX);
	check_span(req->target, head, req->head_len);
	check_span(req->query, head, req->head_len);
	check_span(req->host, head, req->head_len);
	check_span(req->if_none_match, head, req->head_len);
	check_span(req->if_modified_since, head, req->head_len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_request req, again;
	char *bytes = malloc(size > 0 ? size : 1);
	size_t n;
	int rc;

	must(bytes != NULL);
	memcpy(bytes, data, size);
	rc = http_parse(bytes, size, &req);
	must(rc == HTTP_DONE || rc == HTTP_MORE || (rc >= 400 && rc <= 505));
	if (rc == HTTP_DONE) {
		check_request(&req, bytes, size);
		must(http_parse(bytes, req.head_len, &again) == HTTP_DONE);
		must(again.head_len == req.head_len);
		for (n = 0; n < req.head_len; n += 1 + req.head_len / 64)
			must(http_parse(bytes, n, &again) == HTTP_MORE);
	}
	free(bytes);
	return 0;
}

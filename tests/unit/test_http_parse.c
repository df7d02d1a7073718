/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_http_parse.c: what the request parser accepts, how it reads it, and
 * above all what it refuses. Every input is also given in all its beginnings,
 * in memory that ends with it, so that reading behind the end is found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child/handlers/http_parse.h"

#define HOST "Host: a\r\n"

/* Parse a copy that ends where the bytes end; spans point into `kept`. */
static char *kept;

static int
parse_bytes(const char *bytes, size_t len, struct http_request *req)
{
	free(kept);
	kept = malloc(len > 0 ? len : 1);
	assert_non_null(kept);
	memcpy(kept, bytes, len);
	return http_parse(kept, len, req);
}

/* No beginning of a good head may be refused or taken for whole. */
static int
parse(const char *text, struct http_request *req)
{
	size_t n, head, len = strlen(text);
	int rc = parse_bytes(text, len, req);

	if (rc != HTTP_DONE)
		return rc;
	head = req->head_len;
	for (n = 0; n < head; n++)
		assert_int_equal(parse_bytes(text, n, req), HTTP_MORE);
	return parse_bytes(text, len, req);
}

static int
status_of(const char *text)
{
	struct http_request req;

	return parse(text, &req);
}

static int
status_of_field(const char *field)
{
	char text[512];

	assert_true(
	    snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n" HOST "%s\r\n\r\n",
		field) < (int)sizeof(text));
	return status_of(text);
}

static int
status_of_host(const char *host)
{
	char text[512];

	assert_true(
	    snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n",
		host) < (int)sizeof(text));
	return status_of(text);
}

static int
status_of_target(const char *target)
{
	char text[512];

	assert_true(
	    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" HOST "\r\n",
		target) < (int)sizeof(text));
	return status_of(text);
}

static void
assert_span(struct http_span s, const char *text)
{
	assert_non_null(s.at);
	assert_int_equal(s.len, strlen(text));
	assert_memory_equal(s.at, text, s.len);
}

/* ---- what it reads ---- */

static void
a_plain_request_is_read_and_its_length_reported(void **state)
{
	static const char text[] =
	    "GET /a/b?c=d&e HTTP/1.1\r\nHost: www.example.org:8080\r\n"
	    "User-Agent: x\r\n\r\nnext";
	struct http_request req;

	(void)state;
	assert_int_equal(parse(text, &req), HTTP_DONE);
	assert_int_equal(req.head_len, sizeof(text) - 1 - 4);
	assert_int_equal(req.method, HTTP_GET);
	assert_int_equal(req.minor, 1);
	assert_span(req.target, "/a/b?c=d&e");
	assert_span(req.path, "/a/b");
	assert_span(req.query, "c=d&e");
	assert_span(req.host, "www.example.org:8080");
	assert_int_equal(req.content_length, 0);
	assert_true(req.keep_alive);
	assert_false(req.chunked);
	assert_false(req.expects_continue);
	assert_null(req.if_none_match.at);
	assert_null(req.if_modified_since.at);
}

static void
every_known_method_is_told_apart(void **state)
{
	static const char *const names[HTTP_NMETHODS] = { "BREW", "GET", "HEAD",
		"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT",
		"TRACE" };
	char text[64];
	struct http_request req;
	unsigned i;

	(void)state;
	for (i = 0; i < HTTP_NMETHODS; i++) {
		(void)snprintf(text, sizeof(text),
		    "%s %s HTTP/1.1\r\n" HOST "\r\n", names[i],
		    i == HTTP_CONNECT ? "a:80" : "/");
		assert_int_equal(parse(text, &req), HTTP_DONE);
		assert_int_equal(req.method, i);
	}
}

static void
methods_are_case_sensitive(void **state)
{
	struct http_request req;

	(void)state;
	assert_int_equal(parse("get / HTTP/1.1\r\n" HOST "\r\n", &req),
	    HTTP_DONE);
	assert_int_equal(req.method, HTTP_UNKNOWN);
}

static void
field_names_are_read_in_any_case_and_values_without_blanks(void **state)
{
	struct http_request req;

	(void)state;
	assert_int_equal(parse("POST / HTTP/1.1\r\nhOsT:\t b.c \t\r\n"
			       "CONTENT-length:42\r\n\r\n",
			     &req),
	    HTTP_DONE);
	assert_span(req.host, "b.c");
	assert_int_equal(req.content_length, 42);
}

static void
an_unknown_field_of_a_known_length_is_ignored(void **state)
{
	struct http_request req;

	(void)state;
	assert_int_equal(parse("GET / HTTP/1.1\r\n" HOST
			       "Hose: [\r\nContent-Lengte: x\r\n"
			       "Transfer_Encoding: gzip\r\n"
			       "X-Quite-A-Long-Field-Name: y\r\n\r\n",
			     &req),
	    HTTP_DONE);
	assert_span(req.host, "a");
	assert_int_equal(req.content_length, 0);
}

static void
values_may_hold_tabs_and_bytes_beyond_ascii(void **state)
{
	(void)state;
	assert_int_equal(status_of_field("A: one\ttwo three\tfour"), 0);
	assert_int_equal(status_of_field("A: gr\xc3\xbc\xc3\x9f dich"), 0);
	assert_int_equal(status_of_field("A:"), 0);
	assert_int_equal(status_of_field("A: 0123456789abcdef\xff"), 0);
}

static void
conditions_are_handed_on_as_they_stand(void **state)
{
	struct http_request req;

	(void)state;
	assert_int_equal(parse("GET / HTTP/1.1\r\n" HOST
			       "If-None-Match: \"a\", W/\"b\" \r\n"
			       "If-Modified-Since: yesterday\r\n\r\n",
			     &req),
	    HTTP_DONE);
	assert_span(req.if_none_match, "\"a\", W/\"b\"");
	assert_span(req.if_modified_since, "yesterday");
}

static void
a_condition_given_twice_counts_as_none(void **state)
{
	struct http_request req;

	(void)state;
	assert_int_equal(parse("GET / HTTP/1.1\r\n" HOST
			       "If-Modified-Since: x\r\n"
			       "If-Modified-Since: y\r\n\r\n",
			     &req),
	    HTTP_DONE);
	assert_null(req.if_modified_since.at);
	assert_int_equal(parse("GET / HTTP/1.1\r\n" HOST
			       "If-None-Match: \"a\"\r\n"
			       "If-Modified-Since: x\r\n"
			       "If-None-Match: \"b\"\r\n\r\n",
			     &req),
	    HTTP_DONE);
	assert_null(req.if_none_match.at);
	assert_null(req.if_modified_since.at);
}

static void
one_empty_line_before_a_request_is_skipped(void **state)
{
	struct http_request req;

	(void)state;
	assert_int_equal(parse("\r\nGET / HTTP/1.1\r\n" HOST "\r\n", &req), 0);
	assert_int_equal(req.head_len, 29);
	assert_int_equal(status_of("\r\n\r\nGET / HTTP/1.1\r\n"), 400);
	assert_int_equal(status_of("\rGET / HTTP/1.1\r\n"), 400);
	assert_int_equal(status_of("\nGET / HTTP/1.1\r\n"), 400);
}

/* ---- keep-alive ---- */

static bool
keeps(const char *version, const char *connection)
{
	char text[256];
	struct http_request req;

	(void)snprintf(text, sizeof(text), "GET / HTTP/%s\r\n" HOST "%s\r\n",
	    version, connection);
	assert_int_equal(parse(text, &req), HTTP_DONE);
	return req.keep_alive;
}

static void
version_and_connection_decide_whether_to_go_on(void **state)
{
	(void)state;
	assert_true(keeps("1.1", ""));
	assert_false(keeps("1.0", ""));
	assert_true(keeps("1.0", "Connection: keep-alive\r\n"));
	assert_true(keeps("1.0", "Connection: Keep-Alive\r\n"));
	assert_false(keeps("1.1", "Connection: close\r\n"));
	assert_false(keeps("1.1", "Connection: x, CLOSE ,y\r\n"));
	assert_false(keeps("1.1", "Connection: keep-alive, close\r\n"));
	assert_false(
	    keeps("1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
	assert_true(keeps("1.1", "Connection: closed\r\n"));
	assert_true(keeps("1.1", "Connection:\r\n"));
	assert_true(keeps("1.1", "Connection: ,,, ,\r\n"));
}

/* ---- the request line ---- */

static void
a_request_line_that_is_not_exact_is_refused(void **state)
{
	static const char *const lines[] = {
		"GET /\r\n\r\n",
		"GET / \r\n" HOST "\r\n",
		"GET  / HTTP/1.1\r\n" HOST "\r\n",
		"GET /  HTTP/1.1\r\n" HOST "\r\n",
		"GET / HTTP/1.1 \r\n" HOST "\r\n",
		" GET / HTTP/1.1\r\n" HOST "\r\n",
		"GET\t/ HTTP/1.1\r\n" HOST "\r\n",
		"GET / HTTP/1.1\n" HOST "\n",
		"GET / HTTP/1.1\rHost: a\r\n\r\n",
		"G(T / HTTP/1.1\r\n" HOST "\r\n",
		"GET / HTTP/11\r\n" HOST "\r\n\r\n",
		"GET / HTTP/1.x\r\n" HOST "\r\n",
		"GET / HTTP/x.1\r\n" HOST "\r\n",
		"GET / HTTP/1,1\r\n" HOST "\r\n",
		"GET / HTTP/1.10\r\n" HOST "\r\n",
		"GET / http/1.1\r\n" HOST "\r\n",
		"GET / HTTPS/1.1\r\n" HOST "\r\n",
		"\x16\x03\x01\x02",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(status_of(lines[i]), 400);
}

static void
another_major_version_is_refused_and_a_later_minor_one_read(void **state)
{
	struct http_request req;

	(void)state;
	assert_int_equal(status_of("GET / HTTP/2.0\r\n" HOST "\r\n"), 505);
	assert_int_equal(status_of("GET / HTTP/0.9\r\n" HOST "\r\n"), 505);
	assert_int_equal(status_of("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
	assert_int_equal(parse("GET / HTTP/1.7\r\n" HOST "\r\n", &req), 0);
	assert_int_equal(req.minor, 1);
	assert_int_equal(parse("GET / HTTP/1.0\r\n\r\n", &req), 0);
	assert_int_equal(req.minor, 0);
}

static void
a_target_holds_visible_ascii_without_a_fragment(void **state)
{
	(void)state;
	assert_int_equal(status_of_target("/a%20b;c='d'|{e}\\~"), 0);
	assert_int_equal(status_of_target("/a#b"), 400);
	assert_int_equal(status_of_target("/a\x01"), 400);
	assert_int_equal(status_of_target("/a\x7f"), 400);
	assert_int_equal(status_of_target("/\xc3\xbc"), 400);
	assert_int_equal(status_of_target("a"), 400);
	assert_int_equal(status_of_target("?a"), 400);
}

static void
the_asterisk_belongs_to_options_and_an_authority_to_connect(void **state)
{
	(void)state;
	assert_int_equal(status_of_target("*"), 400);
	assert_int_equal(status_of_target("a:80"), 400);
	assert_int_equal(status_of("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), 0);
	assert_int_equal(status_of("OPTIONS + HTTP/1.1\r\n" HOST "\r\n"), 400);
	assert_int_equal(status_of("OPTIONS ** HTTP/1.1\r\n" HOST "\r\n"), 400);
	assert_int_equal(status_of("CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n"), 0);
	assert_int_equal(status_of("CONNECT u@a:80 HTTP/1.1\r\n" HOST "\r\n"),
	    400);
}

static void
an_absolute_target_is_split_and_must_agree_with_host(void **state)
{
	struct http_request req;

	(void)state;
	assert_int_equal(parse("GET http://B.c:1/d?e HTTP/1.1\r\n"
			       "Host: b.C:1\r\n\r\n",
			     &req),
	    HTTP_DONE);
	assert_span(req.host, "B.c:1");
	assert_span(req.path, "/d");
	assert_span(req.query, "e");
	assert_int_equal(parse("GET HTTPS://a HTTP/1.1\r\n" HOST "\r\n", &req),
	    HTTP_DONE);
	assert_span(req.path, "/");
	assert_int_equal(parse("GET http://a?q HTTP/1.0\r\n\r\n", &req),
	    HTTP_DONE);
	assert_span(req.path, "/");
	assert_span(req.query, "q");
	assert_int_equal(status_of_target("http://b/"), 400);
	assert_int_equal(status_of_target("http://ab/"), 400);
	assert_int_equal(status_of_target("http://"), 400);
	assert_int_equal(status_of_target("http:///"), 400);
	assert_int_equal(status_of_target("https://"), 400);
	assert_int_equal(status_of_target("http://u@a/"), 400);
	assert_int_equal(status_of_target("ftp://a/"), 400);
	assert_int_equal(status_of_target("gopher://a/"), 400);
}

/* ---- fields ---- */

static void
a_field_line_that_is_not_exact_is_refused(void **state)
{
	(void)state;
	assert_int_equal(status_of_field("A : b"), 400);
	assert_int_equal(status_of_field(" A: b"), 400);
	assert_int_equal(status_of_field("A: b\r\n folded"), 400);
	assert_int_equal(status_of_field("A: b\r\n\tfolded"), 400);
	assert_int_equal(status_of_field(": b"), 400);
	assert_int_equal(status_of_field("A"), 400);
	assert_int_equal(status_of_field("A(b): c"), 400);
	assert_int_equal(status_of_field("\xc3\xbc: b"), 400);
	assert_int_equal(status_of_field("A: b\nC: d"), 400);
	assert_int_equal(status_of_field("A: b\rC: d"), 400);
	assert_int_equal(status_of_field("A: b\r\rC: d"), 400);
	assert_int_equal(status_of_field("A: \r\rC: d"), 400);
	assert_int_equal(status_of_field("A: b\x01"), 400);
	assert_int_equal(status_of_field("A: 0123456789\x7f"), 400);
	assert_int_equal(status_of_field("A: 0123456789\x1f 0123456789"), 400);
	assert_int_equal(status_of("GET / HTTP/1.1\r\n" HOST "\rX"), 400);
	assert_int_equal(status_of("GET / HTTP/1.1\r\n" HOST "\n"), 400);
}

static void
a_null_byte_is_refused_everywhere(void **state)
{
	static const char text[] = "GET /abc HTTP/1.1\r\nHost: abc\r\n\r\n";
	char copy[sizeof(text)];
	struct http_request req;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(text) - 1; i++) {
		memcpy(copy, text, sizeof(text));
		copy[i] = '\0';
		assert_int_equal(parse_bytes(copy, sizeof(text) - 1, &req),
		    400);
	}
}

static void
host_is_needed_once_by_http_1_1(void **state)
{
	(void)state;
	assert_int_equal(status_of("GET / HTTP/1.1\r\n\r\n"), 400);
	assert_int_equal(status_of("GET / HTTP/1.0\r\n\r\n"), 0);
	assert_int_equal(status_of_field(HOST "A: b"), 400);
	assert_int_equal(status_of("GET / HTTP/1.0\r\n" HOST HOST "\r\n"), 400);
	assert_int_equal(status_of("GET http://a/ HTTP/1.1\r\n\r\n"), 400);
}

static void
host_must_be_a_name_or_an_address_with_a_port_at_most(void **state)
{
	static const char *const good[] = { "a", "a.b-c_d~e", "127.0.0.1",
		"127.0.0.1:80", "a:", "a:65535", "[::1]", "[::]:8080",
		"[2001:db8::1.2.3.4]", "[ABCD:ef::]" };
	static const char *const bad[] = { "", "u@a", "u:p@a", "a:65536",
		"a:99999999999", "a:8x", "a:80:80", ":80", "a b", "a/b", "a?b",
		"[]", "[:]", "[::1", "[::g]", "[::1]x", "::1", "a,b\"", "a%41",
		"[::1%eth0]", "a\\b", "\xc3\xbc" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(status_of_host(good[i]), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(status_of_host(bad[i]), 400);
}

/* ---- the length of the body ---- */

static void
a_length_is_one_to_nineteen_digits(void **state)
{
	struct http_request req;

	(void)state;
	assert_int_equal(parse("POST / HTTP/1.1\r\n" HOST
			       "Content-Length: 9223372036854775807\r\n\r\n",
			     &req),
	    HTTP_DONE);
	assert_true(req.content_length == INT64_MAX);
	assert_int_equal(status_of_field("Content-Length: 0000000000000000007"),
	    0);
	assert_int_equal(status_of_field("Content-Length: 9223372036854775808"),
	    400);
	assert_int_equal(
	    status_of_field("Content-Length: 00000000000000000007"), 400);
	assert_int_equal(status_of_field("Content-Length:"), 400);
	assert_int_equal(status_of_field("Content-Length: +3"), 400);
	assert_int_equal(status_of_field("Content-Length: -3"), 400);
	assert_int_equal(status_of_field("Content-Length: 0x3"), 400);
	assert_int_equal(status_of_field("Content-Length: 3_0"), 400);
	assert_int_equal(status_of_field("Content-Length: 3 0"), 400);
	assert_int_equal(status_of_field("Content-Length: 3, 3"), 400);
}

static void
two_lengths_are_refused_even_when_they_agree(void **state)
{
	(void)state;
	assert_int_equal(
	    status_of_field("Content-Length: 3\r\nContent-Length: 3"), 400);
	assert_int_equal(
	    status_of_field("Content-Length: 0\r\nContent-Length: 3"), 400);
}

static void
chunked_is_the_only_coding_and_stands_alone(void **state)
{
	struct http_request req;

	(void)state;
	assert_int_equal(parse("POST / HTTP/1.1\r\n" HOST
			       "Transfer-Encoding: Chunked\r\n\r\n",
			     &req),
	    HTTP_DONE);
	assert_true(req.chunked);
	assert_int_equal(status_of_field("Transfer-Encoding: gzip"), 501);
	assert_int_equal(status_of_field("Transfer-Encoding: gzip, chunked"),
	    501);
	assert_int_equal(status_of_field("Transfer-Encoding: chunked, chunked"),
	    501);
	assert_int_equal(status_of_field("Transfer-Encoding: xchunked"), 501);
	assert_int_equal(status_of_field("Transfer-Encoding: chunked\xa0"),
	    501);
	assert_int_equal(status_of_field("Transfer-Encoding:"), 501);
	assert_int_equal(status_of_field("Transfer-Encoding: chunked\r\n"
					 "Transfer-Encoding: chunked"),
	    400);
}

static void
a_coding_beside_a_length_or_in_http_1_0_is_refused(void **state)
{
	(void)state;
	assert_int_equal(status_of_field("Transfer-Encoding: chunked\r\n"
					 "Content-Length: 3"),
	    400);
	assert_int_equal(status_of_field("Content-Length: 3\r\n"
					 "Transfer-Encoding: chunked"),
	    400);
	assert_int_equal(status_of("POST / HTTP/1.0\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n"),
	    400);
}

static void
only_100_continue_can_be_expected_and_only_with_a_body(void **state)
{
	struct http_request req;

	(void)state;
	assert_int_equal(parse("POST / HTTP/1.1\r\n" HOST
			       "Expect: 100-Continue\r\n"
			       "Content-Length: 1\r\n\r\n",
			     &req),
	    HTTP_DONE);
	assert_true(req.expects_continue);
	assert_int_equal(parse("GET / HTTP/1.1\r\n" HOST
			       "Expect: 100-continue\r\n\r\n",
			     &req),
	    HTTP_DONE);
	assert_false(req.expects_continue);
	assert_int_equal(parse("POST / HTTP/1.0\r\nExpect: 100-continue\r\n"
			       "Content-Length: 1\r\n\r\n",
			     &req),
	    HTTP_DONE);
	assert_false(req.expects_continue);
	assert_int_equal(status_of_field("Expect: the unexpected"), 417);
	assert_int_equal(status_of("GET / HTTP/1.0\r\nExpect: cake\r\n\r\n"),
	    0);
}

/* ---- limits ---- */

/* A head whose request line has this many bytes. */
static int
status_of_line(size_t line)
{
	static const char before[] = "GET /", after[] = " HTTP/1.1";
	static char text[HTTP_LINE_MAX + 256];
	size_t fill = line - (sizeof(before) - 1) - (sizeof(after) - 1);
	struct http_request req;
	char *p = text;

	p = mempcpy(p, before, sizeof(before) - 1);
	memset(p, 'a', fill);
	p = stpcpy(p + fill, after);
	p = stpcpy(p, "\r\n" HOST "\r\n");
	return parse_bytes(text, (size_t)(p - text), &req);
}

static void
a_request_line_may_have_8_KiB(void **state)
{
	(void)state;
	assert_int_equal(status_of_line(HTTP_LINE_MAX - 1), HTTP_DONE);
	assert_int_equal(status_of_line(HTTP_LINE_MAX), HTTP_DONE);
	assert_int_equal(status_of_line(HTTP_LINE_MAX + 1), 414);
	assert_int_equal(status_of_line(HTTP_LINE_MAX + 2), 414);
}

static void
a_request_line_without_end_is_refused_at_the_limit(void **state)
{
	static char text[HTTP_LINE_MAX + 2];
	struct http_request req;

	(void)state;
	memset(text, 'a', sizeof(text));
	(void)mempcpy(text, "GET /", 5);
	assert_int_equal(parse_bytes(text, sizeof(text) - 1, &req), HTTP_MORE);
	assert_int_equal(parse_bytes(text, sizeof(text), &req), 414);
	memset(text, 'G', sizeof(text));
	assert_int_equal(parse_bytes(text, sizeof(text), &req), 414);
}

/* A head of this many bytes, filled by one field; or a part of it. */
static int
status_of_head(size_t head, size_t given)
{
	static const char before[] = "GET / HTTP/1.1\r\n" HOST "A: ";
	static char text[HTTP_HEAD_MAX + 256];
	size_t fill = head - (sizeof(before) - 1) - 4;
	struct http_request req;

	(void)mempcpy(text, before, sizeof(before) - 1);
	memset(text + sizeof(before) - 1, 'a', fill);
	(void)mempcpy(text + sizeof(before) - 1 + fill, "\r\n\r\n", 4);
	return parse_bytes(text, given, &req);
}

static void
a_head_may_have_32_KiB(void **state)
{
	const size_t max = HTTP_HEAD_MAX;

	(void)state;
	assert_int_equal(status_of_head(max - 1, max - 1), HTTP_DONE);
	assert_int_equal(status_of_head(max, max), HTTP_DONE);
	assert_int_equal(status_of_head(max + 1, max + 1), 431);
	assert_int_equal(status_of_head(max + 100, max - 1), HTTP_MORE);
	assert_int_equal(status_of_head(max + 100, max), 431);
}

static int
status_of_fields(int n)
{
	static char text[4096];
	struct http_request req;
	char *p = stpcpy(text, "GET / HTTP/1.1\r\n" HOST);
	int i;

	for (i = 1; i < n; i++)
		p = stpcpy(p, "A: b\r\n");
	p = stpcpy(p, "\r\n");
	return parse_bytes(text, (size_t)(p - text), &req);
}

static void
a_head_may_have_100_fields(void **state)
{
	(void)state;
	assert_int_equal(status_of_fields(HTTP_FIELDS_MAX - 1), HTTP_DONE);
	assert_int_equal(status_of_fields(HTTP_FIELDS_MAX), HTTP_DONE);
	assert_int_equal(status_of_fields(HTTP_FIELDS_MAX + 1), 431);
}

static void
no_input_is_no_fault(void **state)
{
	struct http_request req;

	(void)state;
	assert_int_equal(parse_bytes("", 0, &req), HTTP_MORE);
	assert_int_equal(req.method, HTTP_UNKNOWN);
}

static int
forget(void **state)
{
	(void)state;
	free(kept);
	kept = NULL;
	return 0;
}

int
main(void)
{
	/* clang-format off */
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_teardown(name, forget)
		TEST(a_plain_request_is_read_and_its_length_reported),
		TEST(every_known_method_is_told_apart),
		TEST(methods_are_case_sensitive),
		TEST(field_names_are_read_in_any_case_and_values_without_blanks),
		TEST(an_unknown_field_of_a_known_length_is_ignored),
		TEST(values_may_hold_tabs_and_bytes_beyond_ascii),
		TEST(conditions_are_handed_on_as_they_stand),
		TEST(a_condition_given_twice_counts_as_none),
		TEST(one_empty_line_before_a_request_is_skipped),
		TEST(version_and_connection_decide_whether_to_go_on),
		TEST(a_request_line_that_is_not_exact_is_refused),
		TEST(another_major_version_is_refused_and_a_later_minor_one_read),
		TEST(a_target_holds_visible_ascii_without_a_fragment),
		TEST(the_asterisk_belongs_to_options_and_an_authority_to_connect),
		TEST(an_absolute_target_is_split_and_must_agree_with_host),
		TEST(a_field_line_that_is_not_exact_is_refused),
		TEST(a_null_byte_is_refused_everywhere),
		TEST(host_is_needed_once_by_http_1_1),
		TEST(host_must_be_a_name_or_an_address_with_a_port_at_most),
		TEST(a_length_is_one_to_nineteen_digits),
		TEST(two_lengths_are_refused_even_when_they_agree),
		TEST(chunked_is_the_only_coding_and_stands_alone),
		TEST(a_coding_beside_a_length_or_in_http_1_0_is_refused),
		TEST(only_100_continue_can_be_expected_and_only_with_a_body),
		TEST(a_request_line_may_have_8_KiB),
		TEST(a_request_line_without_end_is_refused_at_the_limit),
		TEST(a_head_may_have_32_KiB),
		TEST(a_head_may_have_100_fields),
		TEST(no_input_is_no_fault),
	};
	/* clang-format on */

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The next request of an input that comes in pieces, and what follows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "child/handlers/http_head.h"

#define GET "GET /a HTTP/1.1\r\nHost: b\r\n\r\n"

static int
next(struct http_head *h, const char *in, struct http_request *req)
{
	return http_head_next(h, in, strlen(in), req);
}

static void
a_whole_head_leaves_nothing_to_remember(void **state)
{
	struct http_head h = { 0 };
	struct http_request req;

	(void)state;
	assert_int_equal(next(&h, GET, &req), HTTP_DONE);
	assert_int_equal(req.head_len, strlen(GET));
	assert_int_equal(h.parsed, 0);
	assert_int_equal(h.searched, 0);
}

static void
a_head_that_drips_in_is_whole_with_its_last_byte(void **state)
{
	static const char *const heads[] = { GET, "\r\nGET / HTTP/1.0\r\n\r\n",
		"GET / HTTP/1.0\n\n" };
	struct http_head h = { 0 };
	struct http_request req;
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		for (len = 0; len < strlen(heads[i]); len++)
			assert_int_equal(
			    http_head_next(&h, heads[i], len, &req), HTTP_MORE);
		/* Where a lone line feed ends a line is http_parse's matter:
		 * what counts is that it is asked. */
		assert_int_equal(next(&h, heads[i], &req),
		    http_parse(heads[i], len, &req));
	}
}

static void
it_is_not_parsed_again_before_it_doubled(void **state)
{
	struct http_head h = { 0 };
	struct http_request req;

	(void)state;
	assert_int_equal(next(&h, "GET /abcdef", &req), HTTP_MORE);
	assert_int_equal(h.parsed, 11);
	assert_int_equal(next(&h, "GET /abcdefg", &req), HTTP_MORE);
	assert_int_equal(h.parsed, 11);
	assert_int_equal(h.searched, 12);
	assert_int_equal(next(&h, "GET /abcdefghijklmnopqr", &req), HTTP_MORE);
	assert_int_equal(h.parsed, 23);
}

static void
a_request_line_too_long_is_refused_as_soon_as_it_is(void **state)
{
	static char in[HTTP_LINE_MAX + 8];
	struct http_head h = { 0 };
	struct http_request req;
	size_t len;

	(void)state;
	(void)memset(in, 'a', sizeof(in));
	(void)memcpy(in, "GET /", 5);
	for (len = 1; len < HTTP_LINE_MAX; len++)
		assert_int_equal(http_head_next(&h, in, len, &req), HTTP_MORE);
	assert_int_equal(http_head_next(&h, in, sizeof(in), &req), 414);
}

static enum http_keep
keep(const char *head, unsigned requests, bool is_leaving, const char *rest)
{
	struct http_request req;

	assert_int_equal(http_parse(head, strlen(head), &req), HTTP_DONE);
	return http_head_keep(&req, requests, is_leaving, rest, strlen(rest));
}

static void
a_connection_goes_on_as_its_client_says(void **state)
{
	(void)state;
	assert_int_equal(keep(GET, 1, false, ""), HTTP_KEEP);
	assert_int_equal(keep("GET / HTTP/1.1\r\nHost: b\r\n"
			      "Connection: close\r\n\r\n",
			     1, false, ""),
	    HTTP_CLOSE);
	assert_int_equal(keep("GET / HTTP/1.0\r\n\r\n", 1, false, ""),
	    HTTP_CLOSE);
	assert_int_equal(
	    keep("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 1, false,
		""),
	    HTTP_KEEP_10);
}

static void
it_ends_with_the_thousandth_request(void **state)
{
	(void)state;
	assert_int_equal(keep(GET, HTTP_REQUESTS_MAX - 1, false, ""),
	    HTTP_KEEP);
	assert_int_equal(keep(GET, HTTP_REQUESTS_MAX, false, GET), HTTP_CLOSE);
}

static void
a_child_that_leaves_says_goodbye_with_the_last_of_a_pipeline(void **state)
{
	static const char post[] = "POST / HTTP/1.1\r\nHost: b\r\n"
				   "Content-Length: 2\r\n\r\n";

	(void)state;
	assert_int_equal(keep(GET, 1, true, GET), HTTP_KEEP);
	assert_int_equal(keep(GET, 1, true, "G"), HTTP_KEEP);
	assert_int_equal(keep(GET, 1, true, "\r\n"), HTTP_CLOSE);
	assert_int_equal(keep(GET, 1, true, ""), HTTP_CLOSE);
	assert_int_equal(keep(post, 1, true, "xy" GET), HTTP_KEEP);
	assert_int_equal(keep(post, 1, true, "xy"), HTTP_CLOSE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_head_leaves_nothing_to_remember),
		cmocka_unit_test(
		    a_head_that_drips_in_is_whole_with_its_last_byte),
		cmocka_unit_test(it_is_not_parsed_again_before_it_doubled),
		cmocka_unit_test(
		    a_request_line_too_long_is_refused_as_soon_as_it_is),
		cmocka_unit_test(a_connection_goes_on_as_its_client_says),
		cmocka_unit_test(it_ends_with_the_thousandth_request),
		cmocka_unit_test(
		    a_child_that_leaves_says_goodbye_with_the_last_of_a_pipeline),
	};

	return cmocka_run_group_tests_name("http_head", tests, NULL, NULL);
}

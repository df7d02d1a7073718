/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_http_file.c: the pure parts of serving files: from a path to a name and
 * back, entity tags and conditions, dates, content types.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child/handlers/http_cond.h"
#include "child/handlers/http_date.h"
#include "child/handlers/http_mime.h"
#include "child/handlers/http_path.h"

#define nitems(array) (sizeof(array) / sizeof((array)[0]))

/* ---- paths ---- */

static char name[64];

static int
decode(const char *path)
{
	return http_path_decode(path, strlen(path), name, sizeof(name));
}

static void
assert_name(const char *path, const char *expected)
{
	assert_int_equal(decode(path), 0);
	assert_string_equal(name, expected);
}

static void
a_path_becomes_a_name_relative_to_the_root(void **state)
{
	(void)state;
	assert_name("/", "");
	assert_name("/a", "a");
	assert_name("/a/b.html", "a/b.html");
	assert_name("/a/", "a/");
	assert_name("/a%20b", "a b");
	assert_name("/%C3%bc", "\xc3\xbc");
	assert_name("/a\\b", "a\\b");
	assert_name("/a...", "a...");
}

static void
a_path_is_decoded_exactly_once(void **state)
{
	(void)state;
	assert_name("/%2541", "%41");
	assert_name("/%252e%252e/", "%2e%2e/");
	assert_name("/a+b", "a+b");
}

static void
slashes_in_a_row_count_as_one(void **state)
{
	(void)state;
	assert_name("//", "");
	assert_name("//a///b//", "a/b/");
}

static void
a_broken_escape_and_one_for_slash_or_null_is_a_bad_request(void **state)
{
	static const char *const paths[] = { "/%", "/%4", "/%4g", "/%g4",
		"/%%41", "/a%00", "/a%2fb", "/a%2Fb", "/%u0041", "/.git/%",
		"/%-1" };
	size_t i;

	(void)state;
	for (i = 0; i < nitems(paths); i++)
		assert_int_equal(decode(paths[i]), 400);
}

static void
hidden_names_and_steps_upwards_are_not_found(void **state)
{
	static const char *const paths[] = { "/.", "/..", "/../etc/passwd",
		"/a/../b", "/a/./b", "/%2e%2e/a", "/a/%2E%2e", "/.git/config",
		"/a/.env", "/a/.htpasswd", "/.well-known/.git", "/...",
		"/.well-known2", "//..//a" };
	size_t i;

	(void)state;
	for (i = 0; i < nitems(paths); i++)
		assert_int_equal(decode(paths[i]), 404);
}

static void
well_known_is_the_one_hidden_name_that_is_served(void **state)
{
	(void)state;
	assert_name("/.well-known/security.txt", ".well-known/security.txt");
	assert_name("/.well-known/", ".well-known/");
}

static void
backups_of_editors_are_not_found(void **state)
{
	(void)state;
	assert_int_equal(decode("/index.php~"), 404);
	assert_int_equal(decode("/a/index.php.bak"), 404);
	assert_int_equal(decode("/index.php.orig"), 404);
	assert_int_equal(decode("/index.php.swp"), 404);
	assert_name("/a.bak/b", "a.bak/b");
	assert_name("/swp", "swp");
}

static void
a_name_too_long_for_its_place_is_not_found(void **state)
{
	char path[80];

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	assert_int_equal(http_path_decode(path, 64, name, 64), 0);
	assert_int_equal(strlen(name), 63);
	assert_int_equal(http_path_decode(path, 65, name, 64), 404);
	assert_int_equal(http_path_decode(path, 80, name, 64), 404);
	path[79] = '%';
	assert_int_equal(http_path_decode(path, 80, name, 64), 400);
}

static void
a_name_is_encoded_so_that_it_decodes_to_itself(void **state)
{
	char all[257] = "/", out[3 * 257], back[257];
	size_t i, n = 1, len;

	(void)state;
	for (i = 1; i < 256; i++)
		if (i != '/')
			all[n++] = (char)i;
	all[n++] = 'z';
	len = http_path_encode(all, out);
	assert_int_equal(http_path_decode(out, len, back, sizeof(back)), 0);
	assert_string_equal(back, all + 1);
}

static void
an_encoded_name_holds_nothing_that_breaks_a_line(void **state)
{
	char out[64];
	size_t len;

	(void)state;
	len = http_path_encode("a b\r\nX: y?#\\\"<\xc3\xbc/c", out);
	out[len] = '\0';
	assert_string_equal(out, "a%20b%0D%0AX:%20y%3F%23%5C%22%3C%C3%BC/c");
}

/* ---- conditions ---- */

static const struct stat some_file = {
	.st_size = 0x1f,
	.st_mtim = { .tv_sec = 1, .tv_nsec = 5 },
};
static const char some_etag[] = "\"3b9aca05-1f\"";

static void
an_entity_tag_is_made_of_nanoseconds_and_size(void **state)
{
	const struct stat extreme = {
		.st_size = INT64_MAX,
		.st_mtim = { .tv_sec = -1, .tv_nsec = 999999999 },
	};
	char etag[HTTP_ETAG_SIZE + 1];

	(void)state;
	etag[http_cond_etag(etag, &some_file)] = '\0';
	assert_string_equal(etag, some_etag);
	etag[http_cond_etag(etag, &extreme)] = '\0';
	assert_string_equal(etag, "\"ffffffffffffffff-7fffffffffffffff\"");
}

static bool
is_unchanged(const char *none_match, const char *since)
{
	struct http_request req = { 0 };

	req.if_none_match.at = none_match;
	req.if_none_match.len = none_match != NULL ? strlen(none_match) : 0;
	req.if_modified_since.at = since;
	req.if_modified_since.len = since != NULL ? strlen(since) : 0;
	return http_cond_is_unchanged(&req, some_etag, strlen(some_etag),
	    784111777);
}

static void
if_none_match_finds_the_tag_in_a_list(void **state)
{
	(void)state;
	assert_true(is_unchanged("\"3b9aca05-1f\"", NULL));
	assert_true(is_unchanged("W/\"3b9aca05-1f\"", NULL));
	assert_true(is_unchanged("\"a\", \"b,c\" ,\t\"3b9aca05-1f\"", NULL));
	assert_true(is_unchanged(",,\"\",\"3b9aca05-1f\"", NULL));
	assert_true(is_unchanged("*", NULL));
	assert_false(is_unchanged("\"3b9aca05-1\"", NULL));
	assert_false(is_unchanged("\"3b9aca05-20\"", NULL));
}

static void
a_list_that_cannot_be_read_matches_nothing(void **state)
{
	(void)state;
	assert_false(is_unchanged("", NULL));
	assert_false(is_unchanged("3b9aca05-1f", NULL));
	assert_false(is_unchanged("\"3b9aca05-1f", NULL));
	assert_false(is_unchanged("W/", NULL));
	assert_false(is_unchanged("W/3", NULL));
	assert_false(is_unchanged("w/\"3b9aca05-1f\"", NULL));
	assert_false(is_unchanged("* , \"a\"", NULL));
	assert_false(is_unchanged("x \"3b9aca05-1f\"", NULL));
}

static void
if_modified_since_compares_whole_seconds(void **state)
{
	(void)state;
	assert_true(is_unchanged(NULL, "Sun, 06 Nov 1994 08:49:37 GMT"));
	assert_true(is_unchanged(NULL, "Sun, 06 Nov 1994 08:49:38 GMT"));
	assert_false(is_unchanged(NULL, "Sun, 06 Nov 1994 08:49:36 GMT"));
	assert_false(is_unchanged(NULL, "soon"));
	assert_false(is_unchanged(NULL, NULL));
}

static void
if_none_match_decides_alone(void **state)
{
	(void)state;
	assert_false(
	    is_unchanged("\"other\"", "Sun, 06 Nov 1994 08:49:38 GMT"));
	assert_true(is_unchanged(some_etag, "Sun, 06 Nov 1994 08:49:36 GMT"));
}

/* ---- dates ---- */

static void
assert_date(time_t when, const char *expected)
{
	char text[HTTP_DATE_LEN + 1] = "";
	time_t back = -1;

	http_date_format(text, when);
	assert_string_equal(text, expected);
	assert_true(http_date_parse(text, HTTP_DATE_LEN, &back));
	assert_true(back == when);
}

static void
a_date_is_written_and_read_back(void **state)
{
	(void)state;
	assert_date(784111777, "Sun, 06 Nov 1994 08:49:37 GMT");
	assert_date(0, "Thu, 01 Jan 1970 00:00:00 GMT");
	assert_date(951782399, "Mon, 28 Feb 2000 23:59:59 GMT");
	assert_date(951782400, "Tue, 29 Feb 2000 00:00:00 GMT");
	assert_date(1798761599, "Thu, 31 Dec 2026 23:59:59 GMT");
	assert_date(4102444800, "Fri, 01 Jan 2100 00:00:00 GMT");
	assert_date(253402300799, "Fri, 31 Dec 9999 23:59:59 GMT");
}

static void
a_time_that_cannot_be_written_becomes_the_nearest_one(void **state)
{
	char text[HTTP_DATE_LEN + 1] = "";

	(void)state;
	http_date_format(text, -5);
	assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 GMT");
	http_date_format(text, INT64_MAX);
	assert_string_equal(text, "Fri, 31 Dec 9999 23:59:59 GMT");
}

static void
the_two_old_forms_of_a_date_are_read(void **state)
{
	static const char *const forms[] = {
		"Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994",
	};
	time_t when;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(forms); i++) {
		when = 0;
		assert_true(http_date_parse(forms[i], strlen(forms[i]), &when));
		assert_true(when == 784111777);
	}
}

static void
what_is_no_date_is_refused(void **state)
{
	static const char *const texts[] = { "", "0", "784111777",
		"Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET",
		"Sun, 06 Nov 1994 08:49:37 GMT+1", "Sun, 06 Nov 1994",
		"Sun, 36 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z",
		"Sun, 06 Nov 1994 08:49:37 GMT                    " };
	time_t when;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(texts); i++)
		assert_false(
		    http_date_parse(texts[i], strlen(texts[i]), &when));
	assert_false(
	    http_date_parse("Sun, 06 Nov 1994 08:49:37 GMT\0", 30, &when));
}

/* ---- content types ---- */

static struct http_mime *
mime_from(const char *text)
{
	char file[] = "/tmp/test_http_file.XXXXXX";
	int fd = mkstemp(file);
	struct http_mime *m;

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
	m = http_mime_new(file);
	assert_int_equal(unlink(file), 0);
	assert_non_null(m);
	return m;
}

static void
the_common_types_are_known_without_a_file(void **state)
{
	struct http_mime *m = http_mime_new("/nonexistent/mime.types");

	(void)state;
	assert_non_null(m);
	assert_string_equal(http_mime_type(m, "index.html"), "text/html");
	assert_string_equal(http_mime_type(m, "a/b.JPG"), "image/jpeg");
	assert_string_equal(http_mime_type(m, "a.tar.gz"), "application/gzip");
	assert_string_equal(http_mime_type(m, "x.woff2"), "font/woff2");
	http_mime_free(&m);
	assert_null(m);
	http_mime_free(&m);
}

static void
a_name_without_a_known_extension_is_only_bytes(void **state)
{
	static const char bytes[] = "application/octet-stream";
	struct http_mime *m = http_mime_new(NULL);

	(void)state;
	assert_non_null(m);
	assert_string_equal(http_mime_type(m, "copyright"), bytes);
	assert_string_equal(http_mime_type(m, "a.unheard-of"), bytes);
	assert_string_equal(http_mime_type(m, "a.html/b"), bytes);
	assert_string_equal(http_mime_type(m, "a."), bytes);
	assert_string_equal(http_mime_type(m, ""), bytes);
	http_mime_free(&m);
}

static void
a_file_of_types_adds_to_the_built_in_ones_and_wins(void **state)
{
	struct http_mime *m = mime_from("# a comment\n"
					"\n"
					"text/x-one\tone ONE1  un\r\n"
					"text/x-two two # not three\n"
					"text/x-html html\n"
					"application/x-none\n"
					"nonsense four\n"
					"text/x-last last");

	(void)state;
	assert_string_equal(http_mime_type(m, "a.one"), "text/x-one");
	assert_string_equal(http_mime_type(m, "a.one1"), "text/x-one");
	assert_string_equal(http_mime_type(m, "a.un"), "text/x-one");
	assert_string_equal(http_mime_type(m, "a.two"), "text/x-two");
	assert_string_equal(http_mime_type(m, "a.three"),
	    "application/octet-stream");
	assert_string_equal(http_mime_type(m, "a.four"),
	    "application/octet-stream");
	assert_string_equal(http_mime_type(m, "a.html"), "text/x-html");
	assert_string_equal(http_mime_type(m, "a.last"), "text/x-last");
	assert_string_equal(http_mime_type(m, "a.css"), "text/css");
	http_mime_free(&m);
}

static void
a_file_with_too_many_types_is_read_as_far_as_there_is_room(void **state)
{
	char *text = malloc(200000), *p = text;
	struct http_mime *m;
	int i;

	(void)state;
	assert_non_null(text);
	for (i = 0; i < 5000; i++)
		p += sprintf(p, "text/x-%d e%d\n", i, i);
	m = mime_from(text);
	free(text);
	assert_string_equal(http_mime_type(m, "a.e0"), "text/x-0");
	assert_string_equal(http_mime_type(m, "a.e2000"), "text/x-2000");
	assert_string_equal(http_mime_type(m, "a.e4999"),
	    "application/octet-stream");
	assert_string_equal(http_mime_type(m, "a.css"), "text/css");
	http_mime_free(&m);
}

static void
what_is_not_a_regular_file_is_not_read_for_types(void **state)
{
	struct http_mime *m = http_mime_new("/dev/zero");

	(void)state;
	assert_non_null(m);
	assert_string_equal(http_mime_type(m, "a.html"), "text/html");
	http_mime_free(&m);
}

int
main(void)
{
	/* clang-format off */
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test(name)
		TEST(a_path_becomes_a_name_relative_to_the_root),
		TEST(a_path_is_decoded_exactly_once),
		TEST(slashes_in_a_row_count_as_one),
		TEST(a_broken_escape_and_one_for_slash_or_null_is_a_bad_request),
		TEST(hidden_names_and_steps_upwards_are_not_found),
		TEST(well_known_is_the_one_hidden_name_that_is_served),
		TEST(backups_of_editors_are_not_found),
		TEST(a_name_too_long_for_its_place_is_not_found),
		TEST(a_name_is_encoded_so_that_it_decodes_to_itself),
		TEST(an_encoded_name_holds_nothing_that_breaks_a_line),
		TEST(an_entity_tag_is_made_of_nanoseconds_and_size),
		TEST(if_none_match_finds_the_tag_in_a_list),
		TEST(a_list_that_cannot_be_read_matches_nothing),
		TEST(if_modified_since_compares_whole_seconds),
		TEST(if_none_match_decides_alone),
		TEST(a_date_is_written_and_read_back),
		TEST(a_time_that_cannot_be_written_becomes_the_nearest_one),
		TEST(the_two_old_forms_of_a_date_are_read),
		TEST(what_is_no_date_is_refused),
		TEST(the_common_types_are_known_without_a_file),
		TEST(a_name_without_a_known_extension_is_only_bytes),
		TEST(a_file_of_types_adds_to_the_built_in_ones_and_wins),
		TEST(a_file_with_too_many_types_is_read_as_far_as_there_is_room),
		TEST(what_is_not_a_regular_file_is_not_read_for_types),
	};
	/* clang-format on */

	return cmocka_run_group_tests(tests, NULL, NULL);
}

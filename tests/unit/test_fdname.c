/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of stored sockets: there and back, and what is none of ours. */
#include "master/fdname.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char name[FDNAME_MAX], url_text[URL_TEXT_MAX];
static unsigned number;

static struct url
url_of(const char *text)
{
	struct url url;
	struct err err;

	assert_int_equal(url_parse(&url, text, &err), 0);
	return url;
}

static void
expect_name(const char *url, unsigned index, const char *expected)
{
	struct url u = url_of(url);

	assert_string_equal(fdname_print(&u, index, name), expected);
}

static void
expect_parsed(const char *text, const char *url, unsigned index)
{
	assert_int_equal(
	    fdname_parse(text, url_text, sizeof(url_text), &number), 0);
	assert_string_equal(url_text, url);
	assert_int_equal(number, index);
}

/* As systemd's fdname_is_valid() has it. */
static void
expect_valid(void)
{
	size_t i;

	assert_true(strlen(name) <= 255);
	for (i = 0; name[i] != '\0'; i++) {
		assert_in_range(name[i], ' ', 0x7e);
		assert_int_not_equal(name[i], ':');
	}
}

static void
a_name_is_the_url_and_the_index(void **state)
{
	(void)state;
	expect_name("tcp://127.0.0.1:80", 2, "tcp%3A//127.0.0.1%3A80#2");
	expect_name("tcp6://[::1]:80?backlog=5&rcvbuf=9k", 0,
	    "tcp6%3A//[%3A%3A1]%3A80#0");
	expect_name("unix:///run/a#b%c", 4294967295U,
	    "unix%3A///run/a#b%25c#4294967295");
}

static void
it_is_read_back(void **state)
{
	static const char *const urls[] = { "tcp://:80", "tcp://[::1]:80",
		"tcp4://0.0.0.0:1", "unix:///run/a b", "unix://@abstract",
		"unix:///run/a#1", "unix:///run/\xc3\xa9\x7f\x01%:x" };
	size_t i;

	(void)state;
	for (i = 0; i < nitems(urls); i++) {
		struct url u = url_of(urls[i]);

		(void)fdname_print(&u, (unsigned)i, name);
		expect_valid();
		expect_parsed(name, urls[i], (unsigned)i);
	}
}

static void
a_device_is_part_of_it(void **state)
{
	(void)state;
	expect_name("tcp://:80?device=eth0", 1, "tcp%3A//%3A80?device=eth0#1");
	expect_parsed("tcp%3A//%3A80?device=eth0#1", "tcp://:80?device=eth0",
	    1);
}

static void
a_path_too_long_is_cut_and_told_apart_by_a_hash(void **state)
{
	char text[128] = "unix://", other[FDNAME_MAX];
	struct url u;

	(void)state;
	(void)memset(text + 7, '\xe4', 106);
	u = url_of(text);
	(void)fdname_print(&u, UINT32_MAX, name);
	expect_valid();
	assert_int_equal(
	    fdname_parse(name, url_text, sizeof(url_text), &number), 0);
	assert_int_equal(number, UINT32_MAX);
	assert_int_equal(strncmp(url_text, text, 60), 0);
	assert_non_null(strchr(url_text, '~'));
	/* Another one that differs behind the cut only. */
	text[7 + 105] = '\xe5';
	u = url_of(text);
	assert_string_not_equal(fdname_print(&u, UINT32_MAX, other), name);
}

static void
other_names_are_not_ours(void **state)
{
	static const char *const others[] = { "", "unknown", "tine.socket",
		"connection", "stored", "#1", "tcp%3A//%3A80", "http%3A//a#1",
		"tcp%3A//%3A80#", "tcp%3A//%3A80#-1", "tcp%3A//%3A80#+1",
		"tcp%3A//%3A80# 1", "tcp%3A//%3A80#4294967296",
		"tcp%3A//%3A80#1x", "tcp%3a//%3A80#1", "tcp%3A//%3#1",
		"tcp%3A//%00#1", "tcp%3A//\x01#1", "tcp://:80#1" };
	size_t i;

	(void)state;
	number = 77;
	for (i = 0; i < nitems(others); i++) {
		assert_int_equal(fdname_parse(others[i], url_text,
				     sizeof(url_text), &number),
		    -1);
		assert_string_equal(url_text, "");
	}
	assert_int_equal(number, 77);
}

static void
a_name_longer_than_any_name_is_not_ours(void **state)
{
	char text[FDNAME_MAX + 2] = "unix%3A//";
	char small[16];

	(void)state;
	(void)memset(text + 9, 'x', FDNAME_MAX - 9);
	(void)memcpy(text + FDNAME_MAX - 2, "#1", 3);
	assert_int_equal(
	    fdname_parse(text, url_text, sizeof(url_text), &number), -1);
	/* Nor one that the caller has no room for. */
	assert_int_equal(fdname_parse("unix%3A///run/a-long-one#1", small,
			     sizeof(small), &number),
	    -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_the_url_and_the_index),
		cmocka_unit_test(it_is_read_back),
		cmocka_unit_test(a_device_is_part_of_it),
		cmocka_unit_test(
		    a_path_too_long_is_cut_and_told_apart_by_a_hash),
		cmocka_unit_test(other_names_are_not_ours),
		cmocka_unit_test(a_name_longer_than_any_name_is_not_ours),
	};

	return cmocka_run_group_tests_name("fdname", tests, NULL, NULL);
}

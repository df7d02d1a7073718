/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of keys: each row fits its field, its bounds and its text. */
#include "shared/directive.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/conf.h"
#include "tests/unit/expect.h"

static struct err err;
static struct conf conf;
static struct conf_server server;
static void *const bases[DIRECTIVE_NSCOPES] = {
	[DIRECTIVE_CONF] = &conf,
	[DIRECTIVE_SERVER] = &server,
};

static int
open_both(void **state)
{
	(void)state;
	memset(&conf, 0, sizeof(conf));
	memset(&server, 0, sizeof(server));
	assert_int_equal(directive_init(DIRECTIVE_CONF, &conf, &err), 0);
	assert_int_equal(directive_init(DIRECTIVE_SERVER, &server, &err), 0);
	return 0;
}

static int
close_both(void **state)
{
	(void)state;
	directive_fini(DIRECTIVE_CONF, &conf);
	directive_fini(DIRECTIVE_SERVER, &server);
	return 0;
}

/* What a row prints, without its newline; malloc'ed. */
static char *
printed(const struct directive *d, void *base)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	directive_print(d, base, "", f);
	assert_int_equal(fclose(f), 0);
	if (len > 0)
		text[len - 1] = '\0';
	return text;
}

static const struct directive *
row(enum directive_scope scope, const char *key)
{
	const char *near;
	const struct directive *d = directive_find(scope, key, &near);

	assert_non_null(d);
	return d;
}

static void
every_row_has_a_key_of_its_own_and_a_line_of_help(void **state)
{
	const struct directive *d;
	const char *near;
	enum directive_scope scope;
	size_t i, n;

	(void)state;
	for (scope = 0; scope < DIRECTIVE_NSCOPES; scope++) {
		d = directive_table(scope, &n);
		assert_true(n > 10);
		for (i = 0; i < n; i++) {
			assert_ptr_equal(directive_find(scope, d[i].key, &near),
			    &d[i]);
			assert_in_range(strlen(d[i].help), 5, 60);
			assert_null(strchr(d[i].help, '\n'));
		}
	}
}

static void
every_default_is_printed_and_read_as_itself(void **state)
{
	const struct directive *d;
	enum directive_scope scope;
	size_t i, n;
	char *one, *two;

	(void)state;
	for (scope = 0; scope < DIRECTIVE_NSCOPES; scope++) {
		d = directive_table(scope, &n);
		for (i = 0; i < n; i++) {
			if (d[i].value == NULL)
				continue;
			one = printed(&d[i], bases[scope]);
			assert_memory_equal(one, d[i].key, strlen(d[i].key));
			assert_int_equal(directive_set(&d[i], bases[scope],
					     strchr(one, '=') + 1, &err),
			    0);
			two = printed(&d[i], bases[scope]);
			assert_string_equal(one, two);
			free(one);
			free(two);
		}
	}
}

static void
every_value_that_no_row_takes_is_refused_and_changes_nothing(void **state)
{
	static const char bad[] = "\x7f";
	const struct directive *d;
	enum directive_scope scope;
	size_t i, n;
	char *one, *two;

	(void)state;
	for (scope = 0; scope < DIRECTIVE_NSCOPES; scope++) {
		d = directive_table(scope, &n);
		for (i = 0; i < n; i++) {
			if (d[i].kind == DIRECTIVE_TEXT ||
			    d[i].kind == DIRECTIVE_LISTEN ||
			    d[i].kind == DIRECTIVE_OPTIONS)
				continue;
			one = printed(&d[i], bases[scope]);
			assert_int_equal(
			    directive_set(&d[i], bases[scope], bad, &err), -1);
			assert_int_equal(err.code, EXIT_BAD_CONFIG);
			two = printed(&d[i], bases[scope]);
			assert_string_equal(one, two);
			free(one);
			free(two);
		}
	}
}

static void
texts_have_a_least_and_a_greatest_length(void **state)
{
	const struct directive *control = row(DIRECTIVE_CONF, "control");
	char text[109];

	(void)state;
	expect_error(directive_set(control, &conf, "", &err), &err,
	    EXIT_BAD_CONFIG, "the value is empty",
	    "path of the control socket, or none");
	memset(text, 'x', sizeof(text));
	text[108] = '\0';
	expect_error(directive_set(control, &conf, text, &err), &err,
	    EXIT_BAD_CONFIG, "a value of 108 bytes is too long",
	    "at most 107 bytes");
	text[107] = '\0';
	assert_int_equal(directive_set(control, &conf, text, &err), 0);
	assert_string_equal(conf.control, text);
}

static void
ids_are_numbers_and_not_printed_before_they_are_set(void **state)
{
	const struct directive *uid = row(DIRECTIVE_CONF, "uid");
	char *text = printed(uid, &conf);

	(void)state;
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(directive_set(uid, &conf, "65534", &err), 0);
	text = printed(uid, &conf);
	assert_string_equal(text, "uid=65534");
	free(text);
	expect_error(directive_set(uid, &conf, "4294967295", &err), &err,
	    EXIT_BAD_CONFIG, "4294967295 is out of range",
	    "a whole number from 0 to 4294967294");
}

static void
processes_are_printed_as_written(void **state)
{
	const struct directive *d = row(DIRECTIVE_CONF, "processes");
	char *text;

	(void)state;
	assert_int_equal(directive_set(d, &conf, "7", &err), 0);
	text = printed(d, &conf);
	assert_string_equal(text, "processes=7");
	free(text);
	assert_int_equal(directive_set(d, &conf, "3:3", &err), 0);
	text = printed(d, &conf);
	assert_string_equal(text, "processes=3");
	free(text);
	assert_int_equal(directive_set(d, &conf, "2:8", &err), 0);
	text = printed(d, &conf);
	assert_string_equal(text, "processes=2:8");
	free(text);
	expect_error(directive_set(d, &conf, "0", &err), &err, EXIT_BAD_CONFIG,
	    "0 is out of range",
	    "auto, a whole number from 1 to 1024, or two as MIN:MAX");
}

static void
rows_that_only_the_checker_writes_are_never_suggested(void **state)
{
	const char *near = "";

	(void)state;
	assert_null(directive_find(DIRECTIVE_CONF, "foldr", &near));
	assert_null(near);
	assert_null(directive_find(DIRECTIVE_CONF, "log.fil", &near));
	assert_string_equal(near, "log.file");
}

#define with_both(f) cmocka_unit_test_setup_teardown(f, open_both, close_both)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_both(every_row_has_a_key_of_its_own_and_a_line_of_help),
		with_both(every_default_is_printed_and_read_as_itself),
		with_both(
		    every_value_that_no_row_takes_is_refused_and_changes_nothing),
		with_both(texts_have_a_least_and_a_greatest_length),
		with_both(ids_are_numbers_and_not_printed_before_they_are_set),
		with_both(processes_are_printed_as_written),
		with_both(
		    rows_that_only_the_checker_writes_are_never_suggested),
	};

	return cmocka_run_group_tests_name("directive", tests, NULL, NULL);
}

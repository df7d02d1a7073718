/* SPDX-License-Identifier: BSD-2-Clause */
/* Options of handlers: what is declared against what is given. */
#include <sys/stat.h>

#include "expect.h"
#include "rig.h"

static const struct tine_option options[] = {
	{ .name = "root", .type = TINE_FOLDER },
	{ .name = "file", .type = TINE_PATH },
	{ .name = "text", .type = TINE_TEXT, .min = 1, .max = 8 },
	{ .name = "word", .type = TINE_STRING, .value = "plain" },
	{ .name = "count", .type = TINE_INT, .value = "5", .min = 1, .max = 9 },
	{ .name = "any", .type = TINE_INT },
	{ .name = "once", .type = TINE_BOOL, .value = "false" },
	{ .name = "size", .type = TINE_SIZE, .value = "64k" },
	{ .name = "wait", .type = TINE_DURATION, .value = "30s" },
	{ .name = "index", .type = TINE_LIST, .value = "a.html,b.html" },
	{ .name = NULL },
};

static struct tine_child server;
static struct conf_option given;
static struct conf_server conf_server;
static struct conf conf;
static struct err err;

static int
setup(void **state)
{
	static char folder[] = "/tmp";

	(void)state;
	(void)memset(&err, 0, sizeof(err));
	server = (struct tine_child){
		.handler = { .name = "rig", .options = options },
	};
	conf = (struct conf){ .folder = folder, .uid = CONF_NO_ID };
	conf_server = (struct conf_server){ .options = &given };
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	option_free(&server.options, &server.handler);
	return 0;
}

/* Parse with one option given, or none when key is NULL. */
static int
parse(const char *key, const char *value)
{
	static char k[32], v[256];

	if (key != NULL) {
		(void)snprintf(k, sizeof(k), "%s", key);
		(void)snprintf(v, sizeof(v), "%s", value);
		given = (struct conf_option){ .key = k, .value = v };
	}
	conf_server.noptions = key != NULL;
	return option_parse(&server.options, &server.handler, &conf,
	    &conf_server, &err);
}

static void
what_is_not_given_has_its_default(void **state)
{
	size_t len;

	(void)state;
	assert_int_equal(parse(NULL, NULL), 0);
	assert_string_equal(tine_option(&server, "word", &len), "plain");
	assert_int_equal(len, 5);
	assert_int_equal(tine_option_int(&server, "count"), 5);
	assert_int_equal(tine_option_int(&server, "size"), 65536);
	assert_int_equal(tine_option_int(&server, "wait"), 30000);
	assert_int_equal(tine_option_int(&server, "once"), 0);
	assert_string_equal(tine_option(&server, "index", NULL),
	    "a.html,b.html");
	assert_string_equal(tine_option(&server, "count", NULL), "5");
}

static void
without_a_default_it_is_not_set(void **state)
{
	size_t len = 7;

	(void)state;
	assert_int_equal(parse(NULL, NULL), 0);
	assert_null(tine_option(&server, "root", &len));
	assert_int_equal(len, 0);
	assert_int_equal(tine_option_int(&server, "any"), 0);
}

static void
a_name_that_is_not_declared_is_not_set(void **state)
{
	(void)state;
	assert_int_equal(parse(NULL, NULL), 0);
	assert_null(tine_option(&server, "nonsense", NULL));
	assert_int_equal(tine_option_int(&server, "nonsense"), 0);
}

static void
what_is_given_wins_over_the_default(void **state)
{
	(void)state;
	assert_int_equal(parse("once", "yes"), 0);
	assert_int_equal(tine_option_int(&server, "once"), 1);
}

static void
escapes_in_text_are_resolved_and_may_be_null_bytes(void **state)
{
	size_t len;
	const char *text;

	(void)state;
	assert_int_equal(parse("text", "a\\0\\x41\\n"), 0);
	text = tine_option(&server, "text", &len);
	assert_int_equal(len, 4);
	assert_memory_equal(text, "a\0A\n", 5);
}

static void
paths_mean_the_folder_tine_was_started_in(void **state)
{
	(void)state;
	assert_int_equal(parse("file", "sub/name"), 0);
	assert_string_equal(tine_option(&server, "file", NULL),
	    "/tmp/sub/name");
}

static void
a_folder_must_exist(void **state)
{
	(void)state;
	assert_int_equal(parse("root", "."), 0);
	option_free(&server.options, &server.handler);
	assert_int_equal(parse("root", "no/such"), -1);
	assert_int_equal(err.code, EXIT_BAD_CONFIG);
	assert_string_equal(err.text,
	    "handler rig: option root=no/such: folder /tmp/no/such: "
	    "No such file or directory");
	assert_non_null(strstr(err.hint, "give a folder that exists"));
	assert_null(server.options);
}

static void
a_file_is_no_folder(void **state)
{
	(void)state;
	assert_int_equal(parse("root", "/dev/null"), -1);
	assert_non_null(strstr(err.text, "Not a directory"));
}

static void
bounds_hold_at_their_edges(void **state)
{
	static const struct {
		const char *key, *value;
		int rc;
	} rows[] = {
		{ "count", "1", 0 },
		{ "count", "9", 0 },
		{ "count", "0", -1 },
		{ "count", "10", -1 },
		{ "text", "1", 0 },
		{ "text", "12345678", 0 },
		{ "text", "123456789", -1 },
		{ "text", "", -1 },
		{ "any", "-9223372036854775807", 0 },
		{ "any", "9223372036854775807", 0 },
		{ "once", "perhaps", -1 },
		{ "size", "64q", -1 },
		{ "wait", "5 parsecs", -1 },
		{ "text", "\\q", -1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		assert_int_equal(parse(rows[i].key, rows[i].value), rows[i].rc);
		if (rows[i].rc == -1) {
			assert_int_equal(err.code, EXIT_BAD_CONFIG);
			assert_non_null(
			    strstr(err.text, "handler rig: option "));
			assert_non_null(strstr(err.text, rows[i].key));
			assert_int_not_equal(err.hint[0], '\0');
		}
		option_free(&server.options, &server.handler);
	}
}

static void
an_unknown_option_is_refused_with_the_nearest_name(void **state)
{
	(void)state;
	expect_error(parse("rot", "x"), &err, EXIT_BAD_CONFIG,
	    "handler rig: unknown option rot",
	    "did you mean root? `tine -H` lists all");
	expect_error(parse("zzzzzzzz", "x"), &err, EXIT_BAD_CONFIG,
	    "handler rig: unknown option zzzzzzzz",
	    "its options are: root, file, text, word, count, any, once, size, "
	    "wait, index");
}

static void
a_handler_without_options_says_so(void **state)
{
	(void)state;
	server.handler.options = NULL;
	expect_error(parse("root", "x"), &err, EXIT_BAD_CONFIG,
	    "handler rig: unknown option root", "handler rig has no options");
	assert_int_equal(parse(NULL, NULL), 0);
	assert_null(server.options);
}

static void
a_type_from_the_future_is_refused(void **state)
{
	static const struct tine_option future[] = {
		{ .name = "new", .type = (enum tine_type)99 },
		{ .name = NULL },
	};

	(void)state;
	server.handler.options = future;
	assert_int_equal(parse(NULL, NULL), -1);
	assert_non_null(strstr(err.text, "option new has type 99"));
}

int
main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(what_is_not_given_has_its_default),
		test(without_a_default_it_is_not_set),
		test(a_name_that_is_not_declared_is_not_set),
		test(what_is_given_wins_over_the_default),
		test(escapes_in_text_are_resolved_and_may_be_null_bytes),
		test(paths_mean_the_folder_tine_was_started_in),
		test(a_folder_must_exist),
		test(a_file_is_no_folder),
		test(bounds_hold_at_their_edges),
		test(an_unknown_option_is_refused_with_the_nearest_name),
		test(a_handler_without_options_says_so),
		test(a_type_from_the_future_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Which handlers fit this server. A program's own stands for all that were
 * built elsewhere. */
#include <sys/stat.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

#include "shared/own.h"

/* A handler of another header, whose struct may be longer than ours. */
static union {
	struct tine_handler handler;
	char bytes[sizeof(struct tine_handler) + 64];
} other;
static struct tine_handler loaded;
static void *library;
static struct conf conf;
static struct err err;

static enum tine_action
on_data(struct tine_conn *c)
{
	(void)c;
	return TINE_OK;
}

static bool
on_quiesce(struct tine_conn *c)
{
	(void)c;
	return true;
}

static int
setup(void **state)
{
	static char folder[] = "/tmp";

	(void)state;
	(void)memset(&other, 0, sizeof(other));
	(void)memset(&loaded, 0x5a, sizeof(loaded));
	other.handler = (struct tine_handler){
		.size = sizeof(struct tine_handler),
		.abi = TINE_ABI,
		.name = "other",
		.data = on_data,
		.quiesce = on_quiesce,
	};
	conf = (struct conf){ .folder = folder, .uid = CONF_NO_ID };
	own_set(&other.handler, "./program");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	own_set(NULL, "tine");
	return 0;
}

static int
load(const char *name)
{
	return handler_load(&loaded, &library, name, &conf, &err);
}

static void
refused(const char *name, const char *text, const char *hint)
{
	assert_int_equal(load(name), -1);
	assert_int_equal(err.code, EXIT_BAD_CONFIG);
	assert_non_null(strstr(err.text, text));
	assert_non_null(strstr(err.hint, hint));
}

static void
a_programs_own_handler_is_found_by_its_name(void **state)
{
	(void)state;
	assert_int_equal(load("other"), 0);
	assert_null(library);
	assert_true(loaded.data == on_data);
	assert_true(loaded.quiesce == on_quiesce);
	assert_null(loaded.open);
}

static void
the_built_in_ones_are_there_beside_it(void **state)
{
	(void)state;
	assert_int_equal(load("http"), 0);
	assert_string_equal(loaded.name, "http");
	refused("othr", "unknown handler othr", "did you mean other?");
	refused("ecko", "unknown handler ecko", "did you mean echo?");
}

static void
it_stands_before_a_built_in_one_of_its_name_but_for_the_pages(void **state)
{
	(void)state;
	other.handler.name = "echo";
	assert_int_equal(load("echo"), 0);
	assert_true(loaded.data == on_data);
	other.handler.name = "status";
	assert_int_equal(load("status"), 0);
	assert_false(loaded.data == on_data);
}

static void
a_name_that_looks_like_a_path_is_a_name(void **state)
{
	(void)state;
	other.handler.name = "a/b.so";
	assert_int_equal(load("a/b.so"), 0);
	assert_true(loaded.data == on_data);
}

static void
another_abi_is_refused_with_what_is_spoken(void **state)
{
	(void)state;
	other.handler.abi = TINE_ABI + 2;
	refused("program",
	    "handler program: built for ABI 3, this server speaks 1; rebuild",
	    "compile it with the <tine.h> of tine " TINE_VERSION);
	other.handler.abi = 0;
	refused("program",
	    "handler program: built for ABI 0, this server speaks 1; rebuild",
	    "compile it with the <tine.h> of tine " TINE_VERSION);
}

static void
several_abis_are_told_as_a_range(void **state)
{
	char text[32];

	(void)state;
	assert_string_equal(handler_abis(1, 1, text, sizeof(text)), "1");
	assert_string_equal(handler_abis(1, 2, text, sizeof(text)), "1-2");
	assert_string_equal(handler_abis(3, 12, text, sizeof(text)), "3-12");
}

/* The fields that an older header did not have are not read: what lies behind
 * its struct is something else. */
static void
a_struct_of_an_older_header_is_taken_and_the_rest_is_null(void **state)
{
	const size_t first =
	    offsetof(struct tine_handler, run) + sizeof(other.handler.run);

	(void)state;
	(void)memset(other.bytes + first, 0xff, sizeof(other) - first);
	other.handler.size = first;
	assert_int_equal(load("other"), 0);
	assert_true(loaded.data == on_data);
	assert_int_equal(loaded.size, sizeof(loaded));
	for (size_t i = first; i < sizeof(loaded); i++)
		assert_int_equal(((const char *)&loaded)[i], 0);
	other.handler.size = first - 1;
	refused("other", "handler other: its struct has ",
	    "define it with TINE_HANDLER()");
}

static void
a_longer_struct_is_taken_when_it_asks_for_nothing_new(void **state)
{
	(void)state;
	other.handler.size = sizeof(other);
	assert_int_equal(load("other"), 0);
	assert_true(loaded.data == on_data);
	other.bytes[sizeof(other) - 1] = 1;
	refused("other", "handler other: it uses what a newer <tine.h> has",
	    "or run it with the tine that it was built for");
}

static void
a_handler_without_a_name_is_called_as_its_program_and_refused(void **state)
{
	(void)state;
	other.handler.name = NULL;
	refused("program", "handler program: it has no name",
	    "set .name in TINE_HANDLER()");
}

/* Whoever runs this test owns what only root should, or lets others write. */
static void
for_root_a_file_that_others_can_write_is_refused(void **state)
{
	char path[] = "/tmp/test_handler_XXXXXX.so";
	int fd = mkstemps(path, 3);

	(void)state;
	assert_int_not_equal(fd, -1);
	assert_int_equal(fchmod(fd, 0666), 0);
	(void)close(fd);
	conf.uid = 65534;
	assert_int_equal(load(path), -1);
	assert_int_equal(err.code, EXIT_NO_PERMISSION);
	assert_non_null(strstr(err.text, path));
	assert_non_null(
	    strstr(err.hint, getuid() == 0 ? "chmod go-w " : "chown root "));
	/* Otherwise it is only no shared object. */
	conf.uid = CONF_NO_ID;
	refused(path, "file too short", "give the path of a shared object");
	assert_int_equal(unlink(path), 0);
	conf.uid = 65534;
	refused(path, "No such file or directory",
	    "give the path of a shared object");
	assert_null(library);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		T(a_programs_own_handler_is_found_by_its_name),
		T(the_built_in_ones_are_there_beside_it),
		T(it_stands_before_a_built_in_one_of_its_name_but_for_the_pages),
		T(a_name_that_looks_like_a_path_is_a_name),
		T(another_abi_is_refused_with_what_is_spoken),
		T(several_abis_are_told_as_a_range),
		T(a_struct_of_an_older_header_is_taken_and_the_rest_is_null),
		T(a_longer_struct_is_taken_when_it_asks_for_nothing_new),
		T(a_handler_without_a_name_is_called_as_its_program_and_refused),
		T(for_root_a_file_that_others_can_write_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

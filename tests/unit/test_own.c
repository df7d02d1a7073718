/* SPDX-License-Identifier: BSD-2-Clause */
/* The handler that a program brings, and what the program is called. */
#include "shared/own.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <tine.h>

static int
forget(void **state)
{
	(void)state;
	own_set(NULL, "tine");
	return 0;
}

static void
tine_itself_has_none_and_is_called_tine(void **state)
{
	(void)state;
	own_set(NULL, "/usr/bin/another");
	assert_null(own_handler());
	assert_null(own_name());
	assert_false(own_is("http"));
	assert_string_equal(own_default(), "http");
	assert_string_equal(own_program(), "tine");
}

static void
a_handler_is_the_default_by_its_name(void **state)
{
	const struct tine_handler game = {
		.size = sizeof(game),
		.abi = TINE_ABI,
		.name = "game",
	};

	(void)state;
	own_set(&game, "./build/server");
	assert_ptr_equal(own_handler(), &game);
	assert_string_equal(own_name(), "game");
	assert_string_equal(own_default(), "game");
	assert_true(own_is("game"));
	assert_false(own_is("server"));
}

static void
the_program_is_called_as_its_file_also_when_argv_is_written_over(void **state)
{
	const struct tine_handler game = { .size = sizeof(game) };
	char argv0[] = "/opt/game/server";

	(void)state;
	own_set(&game, argv0);
	(void)memset(argv0, 'x', strlen(argv0));
	assert_string_equal(own_program(), "server");
	own_set(&game, "server");
	assert_string_equal(own_program(), "server");
}

static void
a_name_that_cannot_be_read_is_the_programs(void **state)
{
	static const char bad[] = "not to be read";
	const struct tine_handler strange[] = {
		{ .size = sizeof(strange[0]), .abi = TINE_ABI },
		{ .size = sizeof(strange[0]), .abi = TINE_ABI, .name = "" },
		{ .size = sizeof(strange[0]),
		    .abi = TINE_ABI + 1,
		    .name = bad },
		{ .size = sizeof(strange[0]),
		    .abi = TINE_ABI_MIN - 1,
		    .name = bad },
		{ .size = 16, .abi = TINE_ABI, .name = bad },
	};
	size_t i;

	(void)state;
	for (i = 0; i < nitems(strange); i++) {
		own_set(&strange[i], "./server");
		assert_string_equal(own_name(), "server");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tine_itself_has_none_and_is_called_tine),
		cmocka_unit_test(a_handler_is_the_default_by_its_name),
		cmocka_unit_test(
		    the_program_is_called_as_its_file_also_when_argv_is_written_over),
		cmocka_unit_test(a_name_that_cannot_be_read_is_the_programs),
	};

	return cmocka_run_group_tests(tests, NULL, forget);
}

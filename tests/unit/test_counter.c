/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters of handlers, as a handler asks for them. */
#include "rig.h"

static void
the_same_name_is_the_same_counter(void **state)
{
	struct tine_counter *a, *b;

	(void)state;
	a = tine_counter(rig.server, "jokes_told");
	b = tine_counter(rig.server, "jokes");
	assert_non_null(a);
	assert_non_null(b);
	assert_ptr_not_equal(a, b);
	assert_ptr_equal(tine_counter(rig.server, "jokes_told"), a);
	assert_ptr_equal(tine_counter(rig.server, "jokes"), b);
	tine_counter_add(a, 2);
	tine_counter_add(a, 3);
	tine_counter_add(b, 1);
	assert_int_equal(rig.ch.board->named[0].value, 5);
	assert_int_equal(rig.ch.board->named[1].value, 1);
	assert_string_equal((const char *)rig.ch.board->named[0].name,
	    "jokes_told");
}

static void
what_is_no_name_is_no_counter(void **state)
{
	static const char *const bad[] = { NULL, "", "Jokes", "1st", "a-b",
		"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvw" };
	size_t i;

	(void)state;
	for (i = 0; i < nitems(bad); i++) {
		errno = 0;
		assert_null(tine_counter(rig.server, bad[i]));
		assert_int_equal(errno, EINVAL);
	}
	tine_counter_add(NULL, 1);
	assert_int_equal(rig.ch.board->named[0].name[0], 0);
}

static void
a_name_may_have_48_letters(void **state)
{
	static const char a[] =
	    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv";
	static const char b[] =
	    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstux";
	struct tine_counter *counter = tine_counter(rig.server, a);

	(void)state;
	assert_int_equal(strlen(a), 48);
	assert_non_null(counter);
	assert_ptr_equal(tine_counter(rig.server, a), counter);
	assert_ptr_not_equal(tine_counter(rig.server, b), counter);
}

static void
a_child_has_32_and_no_more(void **state)
{
	struct tine_counter *first = NULL;
	char name[] = "c_a";
	int i;

	(void)state;
	for (i = 0; i < 32; i++) {
		name[2] = (char)('0' + i % 10);
		name[0] = (char)('a' + i / 10);
		if (i == 0)
			first = tine_counter(rig.server, name);
		assert_non_null(tine_counter(rig.server, name));
	}
	assert_null(tine_counter(rig.server, "more"));
	assert_int_equal(errno, ENOSPC);
	assert_ptr_equal(tine_counter(rig.server, "a_0"), first);
}

int
main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, rig_plain, rig_end)
	const struct CMUnitTest tests[] = {
		test(the_same_name_is_the_same_counter),
		test(what_is_no_name_is_no_counter),
		test(a_name_may_have_48_letters),
		test(a_child_has_32_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

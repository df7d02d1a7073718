/* SPDX-License-Identifier: BSD-2-Clause */
/* Handlers' counters of all children, added up by the master. */
#include "fixture.h"

static struct counters cs;

static int
setup(void **state)
{
	(void)state;
	(void)memset(&cs, 0, sizeof(cs));
	return 0;
}

static void
the_same_name_adds_up(void **state)
{
	(void)state;
	assert_true(counters_add(&cs, "jokes", 2));
	assert_true(counters_add(&cs, "puns", 5));
	assert_true(counters_add(&cs, "jokes", 3));
	assert_int_equal(cs.n, 2);
	assert_int_equal(cs.list[0].value, 5);
	assert_true(counters_add(&cs, "jokes", UINT64_MAX));
	assert_int_equal(cs.list[0].value, BOARD_COUNT_MAX);
}

static void
what_is_no_name_is_left_out(void **state)
{
	char long_name[BOARD_NAME_MAX + 2];

	(void)state;
	(void)memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	assert_false(counters_add(&cs, "", 1));
	assert_false(counters_add(&cs, "a b", 1));
	assert_false(counters_add(&cs, long_name, 1));
	assert_int_equal(cs.n, 0);
	assert_false(cs.is_full);
	long_name[BOARD_NAME_MAX] = '\0';
	assert_true(counters_add(&cs, long_name, 1));
}

static void
so_many_names_and_no_more(void **state)
{
	char name[16];
	int i;

	(void)state;
	for (i = 0; i < COUNTERS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "n%d", i);
		assert_true(counters_add(&cs, name, 1));
	}
	assert_false(cs.is_full);
	assert_false(counters_add(&cs, "more", 1));
	assert_true(cs.is_full);
	/* Those that are known go on. */
	assert_true(counters_add(&cs, "n63", 1));
	assert_int_equal(cs.list[63].value, 2);
}

static void
write_named(int place, size_t i, const char *name, uint64_t value)
{
	struct board_page *page = fixture_page(fx.m.places[place].incumbent);

	(void)memcpy(page->named[i].name, name, strlen(name));
	page->named[i].value = value;
	assert_int_equal(munmap(page, BOARD_PAGE_BYTES), 0);
}

static void
a_childs_death_takes_nothing_away(void **state)
{
	(void)state;
	fixture_all_ready();
	write_named(0, 0, "puns", 1);
	write_named(1, 0, "jokes", 7);
	write_named(1, 1, "puns", 2);
	write_named(2, 3, "Not a name", 2);
	counters_of_all(&fx.m, &cs);
	assert_int_equal(cs.n, 2);
	assert_string_equal(cs.list[0].name, "jokes");
	assert_int_equal(cs.list[0].value, 7);
	assert_int_equal(cs.list[1].value, 3);
	proc_on_eof(fx.m.places[1].incumbent);
	counters_of_all(&fx.m, &cs);
	assert_int_equal(cs.list[0].value, 7);
	proc_on_reaped(fx.m.places[1].incumbent, 9);
	counters_of_all(&fx.m, &cs);
	assert_int_equal(cs.n, 2);
	assert_int_equal(cs.list[0].value, 7);
	assert_int_equal(cs.list[1].value, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_same_name_adds_up, setup),
		cmocka_unit_test_setup(what_is_no_name_is_left_out, setup),
		cmocka_unit_test_setup(so_many_names_and_no_more, setup),
		cmocka_unit_test_setup_teardown(
		    a_childs_death_takes_nothing_away, fixture_open,
		    fixture_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

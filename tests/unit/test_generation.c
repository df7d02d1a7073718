/* SPDX-License-Identifier: BSD-2-Clause */
/* Generations: numbered, kept while anybody needs them, and then freed. */
#include "tests/unit/fixture.h"

static size_t
count(void)
{
	const struct generation *g;
	size_t n = 0;

	TAILQ_FOREACH(g, &fx.m.generations, entry)
		n++;
	return n;
}

static void
each_has_a_number_of_its_own_and_takes_its_configuration(void **state)
{
	struct generation *a, *b;
	struct conf conf;

	(void)state;
	a = fixture_next(0, 0);
	conf_init(&conf);
	conf.processes = 0;
	b = generation_new(&fx.m, &conf);
	assert_int_equal(a->number, 2);
	assert_int_equal(b->number, 3);
	/* auto has become a number; nothing is left to free. */
	assert_true(b->conf.processes > 0);
	assert_null(conf.servers);
	assert_int_equal(b->nlisteners, 0);
}

static void
one_that_anybody_needs_is_kept(void **state)
{
	struct generation *waits, *from, *to, *drains;

	(void)state;
	waits = fixture_next(0, 0);
	from = fixture_next(0, 0);
	to = fixture_next(0, 0);
	drains = fixture_next(0, 0);
	fx.m.reload.next = waits;
	fx.m.roll.from = from;
	fx.m.roll.to = to;
	drains->children = 1;
	generation_sweep(&fx.m);
	assert_int_equal(count(), 5);
	assert_int_equal(generation_count_old(&fx.m), 1);
	fx.m.reload.next = NULL;
	generation_sweep(&fx.m);
	assert_int_equal(count(), 4);
	fx.m.roll.from = fx.m.roll.to = NULL;
	drains->children = 0;
	generation_sweep(&fx.m);
	assert_int_equal(count(), 1);
}

static void
a_listener_is_found_where_this_generation_has_it(void **state)
{
	struct generation *g;
	struct ctl_slot where;
	struct conf conf;
	struct err err;

	(void)state;
	conf_init(&conf);
	assert_int_equal(conf_set(&conf, "servers.0.listen", "tcp://:1", &err),
	    0);
	assert_int_equal(conf_set(&conf, "servers.1.listen", "tcp://:2", &err),
	    0);
	assert_int_equal(conf_set(&conf, "servers.1.listen", "tcp://:3", &err),
	    0);
	g = generation_new(&fx.m, &conf);
	assert_int_equal(g->nlisteners, 3);
	assert_false(generation_find(g, fx.listener, &where));
	g->listeners[2] = fx.listener;
	assert_true(generation_find(g, fx.listener, &where));
	assert_int_equal(where.server, 1);
	assert_int_equal(where.listen, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_fixture(
		    each_has_a_number_of_its_own_and_takes_its_configuration),
		with_fixture(one_that_anybody_needs_is_kept),
		with_fixture(a_listener_is_found_where_this_generation_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

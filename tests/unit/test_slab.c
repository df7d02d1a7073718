/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory of connections, and names that are never used again. */
#include "rig.h"

#define MANY 200

static unsigned live;

static void
count_live(struct tine_conn *c)
{
	(void)c;
	live++;
}

static void
every_object_has_a_number_of_its_own(void **state)
{
	static struct tine_conn *taken[MANY];
	struct handle_table handles = { .pages = NULL };
	struct slab slab;
	size_t i, j;

	(void)state;
	slab_init(&slab, 24);
	for (i = 0; i < MANY; i++) {
		taken[i] = slab_take(&slab, &handles);
		assert_non_null(taken[i]);
		for (j = 0; j < i; j++)
			assert_int_not_equal(taken[i]->handle,
			    taken[j]->handle);
	}
	slab_fini(&slab);
	handle_fini(&handles);
}

/* Names of a full table are found, those that were removed are not, and who
 * comes in their place has another. */
static void
names_are_found_among_a_thousand_and_a_hundred_thousand(void **state)
{
	static const size_t sizes[] = { 1000, 10000, 100000 };
	static struct tine_conn *taken[100000];
	static uint64_t names[100000];
	struct handle_table handles = { .pages = NULL };
	struct slab slab;
	size_t i, k;

	(void)state;
	for (k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		slab_init(&slab, 0);
		for (i = 0; i < sizes[k]; i++) {
			taken[i] = slab_take(&slab, &handles);
			assert_non_null(taken[i]);
			taken[i]->state = CONN_OPEN;
			names[i] = taken[i]->handle;
		}
		for (i = 0; i < sizes[k]; i += 2) {
			taken[i]->state = CONN_FREE;
			slab_give(&slab, taken[i]);
		}
		for (i = 0; i < sizes[k]; i++)
			assert_ptr_equal(handle_find(&handles, names[i]),
			    i % 2 == 0 ? NULL : taken[i]);
		for (i = 0; i < sizes[k]; i += 2) {
			taken[i] = slab_take(&slab, &handles);
			taken[i]->state = CONN_OPEN;
			assert_null(handle_find(&handles, names[i]));
			assert_ptr_equal(
			    handle_find(&handles, taken[i]->handle), taken[i]);
		}
		slab_fini(&slab);
		handle_fini(&handles);
	}
}

static void
only_live_connections_are_visited(void **state)
{
	struct tine_conn *a, *b;
	struct handle_table handles = { .pages = NULL };
	struct slab slab;

	(void)state;
	slab_init(&slab, 0);
	a = slab_take(&slab, &handles);
	b = slab_take(&slab, &handles);
	a->state = CONN_OPEN;
	b->state = CONN_CLOSED;
	live = 0;
	slab_each(&slab, count_live);
	assert_int_equal(live, 1);
	slab_fini(&slab);
	handle_fini(&handles);
}

static void
an_object_out_of_generations_is_never_used_again(void **state)
{
	struct tine_conn *c;
	struct handle_table handles = { .pages = NULL };
	struct slab slab;
	uint64_t handle;

	(void)state;
	slab_init(&slab, 0);
	c = slab_take(&slab, &handles);
	handle = c->handle;
	slab_give(&slab, c);
	assert_ptr_equal(slab_take(&slab, &handles), c);
	assert_int_equal(c->handle, handle + (UINT64_C(1) << 32));
	c->handle |= UINT64_C(0xffffffff) << 32;
	slab_give(&slab, c);
	assert_ptr_not_equal(slab_take(&slab, &handles), c);
	slab_fini(&slab);
	handle_fini(&handles);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_object_has_a_number_of_its_own),
		cmocka_unit_test(
		    names_are_found_among_a_thousand_and_a_hundred_thousand),
		cmocka_unit_test(only_live_connections_are_visited),
		cmocka_unit_test(
		    an_object_out_of_generations_is_never_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

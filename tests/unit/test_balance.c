/* SPDX-License-Identifier: BSD-2-Clause */
/* Who gets a connection: the arithmetic, without a socket. */
#include <arpa/inet.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "child/balance.h"
#include "shared/base.h"

static uint64_t
hash_of(const char *ip, uint16_t port)
{
	struct addr a;
	uint64_t hash;

	assert_int_equal(addr_from_ip(&a, ip, port), 0);
	assert_true(balance_hash(&a, &hash));
	return hash;
}

static void
what_was_sent_counts_until_the_child_has_counted_it(void **state)
{
	struct balance_child c = { 0 };

	(void)state;
	assert_int_equal(balance_load(&c, 100, 7, 1), 7);
	balance_on_send(&c, 1);
	balance_on_send(&c, 1);
	assert_int_equal(balance_load(&c, 100, 7, 1), 9);
	assert_int_equal(balance_load(&c, 101, 8, 1), 9);
	assert_int_equal(balance_load(&c, 102, 9, 1), 9);
	/* More than was sent: it accepts from others, too. */
	assert_int_equal(balance_load(&c, 110, 17, 1), 17);
	balance_on_send(&c, 1);
	assert_int_equal(balance_load(&c, 110, 17, 1), 18);
}

static void
what_siblings_took_is_forgotten_after_a_while(void **state)
{
	struct balance_child c = { 0 };

	(void)state;
	balance_on_send(&c, 1);
	assert_int_equal(balance_load(&c, 0, 3, 1.5), 4);
	assert_int_equal(balance_load(&c, 0, 3, 1.5 + BALANCE_FORGET_SECONDS),
	    3);
}

static void
an_account_that_goes_back_is_another_childs(void **state)
{
	struct balance_child c = { 0 };

	(void)state;
	assert_int_equal(balance_load(&c, 100, 7, 1), 7);
	balance_on_send(&c, 1);
	assert_int_equal(balance_load(&c, 3, 2, 1), 2);
}

static void
whatever_a_child_wrote_does_no_harm(void **state)
{
	struct balance_child c = { 0 };

	(void)state;
	balance_on_send(&c, 1);
	assert_int_equal(balance_load(&c, 0, UINT64_MAX, 1),
	    (uint64_t)UINT32_MAX + 1);
	assert_int_equal(balance_load(&c, UINT64_MAX, UINT64_MAX, 1),
	    UINT32_MAX);
	balance_on_send(&c, 1);
	assert_int_equal(balance_load(&c, 0, 0, 1), 0);
}

static void
a_hash_is_of_the_address_and_not_of_the_port(void **state)
{
	(void)state;
	assert_true(hash_of("127.0.0.1", 1) == hash_of("127.0.0.1", 2));
	assert_true(hash_of("127.0.0.1", 1) != hash_of("127.0.0.2", 1));
	assert_true(hash_of("::1", 1) == hash_of("::1", 2));
	assert_true(hash_of("2001:db8::1", 1) != hash_of("2001:db8:0:1::1", 1));
	assert_true(hash_of("::ffff:127.0.0.1", 1) == hash_of("127.0.0.1", 1));
}

static void
a_client_of_a_unix_socket_has_no_address(void **state)
{
	struct addr a = { .len = sizeof(sa_family_t) };
	uint64_t hash;

	(void)state;
	a.u.sa.sa_family = AF_UNIX;
	assert_false(balance_hash(&a, &hash));
	a.u.sa.sa_family = AF_UNSPEC;
	assert_false(balance_hash(&a, &hash));
}

static void
neighbouring_addresses_are_spread_evenly(void **state)
{
	unsigned counts[5] = { 0 };
	char ip[INET_ADDRSTRLEN];
	size_t i;

	(void)state;
	for (i = 0; i < 5000; i++) {
		(void)snprintf(ip, sizeof(ip), "10.0.%zu.%zu", i / 250,
		    i % 250);
		counts[balance_bucket(hash_of(ip, 1), nitems(counts))]++;
	}
	for (i = 0; i < nitems(counts); i++)
		assert_in_range(counts[i], 800, 1200);
}

static void
with_one_child_more_a_client_stays_or_goes_to_the_new_one(void **state)
{
	uint64_t hash = 1;
	size_t i, n, moved = 0;

	(void)state;
	for (i = 0; i < 1000; i++) {
		(void)balance_random(&hash);
		assert_int_equal(balance_bucket(hash, 1), 0);
		for (n = 1; n < 8; n++) {
			size_t before = balance_bucket(hash, n);
			size_t after = balance_bucket(hash, n + 1);

			assert_true(after == before || after == n);
			moved += n == 7 && after == n;
		}
	}
	assert_in_range(moved, 90, 165);
}

static void
chance_is_even_and_repeats_itself_only_from_the_same_beginning(void **state)
{
	uint64_t a = 1, b = 1, c = 2;
	unsigned counts[4] = { 0 }, same = 0;
	size_t i;

	(void)state;
	for (i = 0; i < 4000; i++) {
		uint64_t x = balance_random(&a);

		assert_true(x == balance_random(&b));
		same += x == balance_random(&c);
		counts[(x >> 32) % nitems(counts)]++;
	}
	assert_int_equal(same, 0);
	for (i = 0; i < nitems(counts); i++)
		assert_in_range(counts[i], 850, 1150);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    what_was_sent_counts_until_the_child_has_counted_it),
		cmocka_unit_test(what_siblings_took_is_forgotten_after_a_while),
		cmocka_unit_test(an_account_that_goes_back_is_another_childs),
		cmocka_unit_test(whatever_a_child_wrote_does_no_harm),
		cmocka_unit_test(a_hash_is_of_the_address_and_not_of_the_port),
		cmocka_unit_test(a_client_of_a_unix_socket_has_no_address),
		cmocka_unit_test(neighbouring_addresses_are_spread_evenly),
		cmocka_unit_test(
		    with_one_child_more_a_client_stays_or_goes_to_the_new_one),
		cmocka_unit_test(
		    chance_is_even_and_repeats_itself_only_from_the_same_beginning),
	};

	return cmocka_run_group_tests_name("balance", tests, NULL, NULL);
}

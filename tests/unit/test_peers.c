/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses and how many connections each has. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "child/peers.h"

#define MANY 20000

static int failures; /* how often calloc() fails */

void *__real_calloc(size_t, size_t);
void *__wrap_calloc(size_t, size_t);

void *
__wrap_calloc(size_t n, size_t size)
{
	if (failures == 0)
		return __real_calloc(n, size);
	failures--;
	return NULL;
}

static peer_key
key4(const char *text)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = 7 };
	union {
		const struct sockaddr_in *in;
		const struct sockaddr *any;
	} sa = { .in = &sin };

	assert_int_equal(inet_pton(AF_INET, text, &sin.sin_addr), 1);
	return peers_key(sa.any);
}

static peer_key
key6(const char *text)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	union {
		const struct sockaddr_in6 *in;
		const struct sockaddr *any;
	} sa = { .in = &sin6 };

	assert_int_equal(inet_pton(AF_INET6, text, &sin6.sin6_addr), 1);
	return peers_key(sa.any);
}

static void
each_ipv4_address_has_its_own_key(void **state)
{
	(void)state;
	assert_int_equal(key4("10.0.0.1"), key4("10.0.0.1"));
	assert_int_not_equal(key4("10.0.0.1"), key4("10.0.0.2"));
	assert_int_not_equal(key4("0.0.0.0"), 0);
}

static void
an_ipv4_address_is_the_same_in_an_ipv6_one(void **state)
{
	(void)state;
	assert_int_equal(key6("::ffff:10.0.0.1"), key4("10.0.0.1"));
	assert_int_not_equal(key6("::ffff:10.0.0.1"), key6("::ffff:10.0.0.2"));
}

static void
a_subscriber_has_64_bits_of_ipv6_addresses(void **state)
{
	(void)state;
	assert_int_equal(key6("2001:db8:1:2::1"),
	    key6("2001:db8:1:2:ffff:ffff:ffff:ffff"));
	assert_int_not_equal(key6("2001:db8:1:2::1"), key6("2001:db8:1:3::1"));
	assert_int_not_equal(key6("::1"), 0);
	assert_int_not_equal(key6("::1"), key4("0.0.0.1"));
}

static void
a_unix_client_has_no_key(void **state)
{
	const struct sockaddr sa = { .sa_family = AF_UNIX };

	(void)state;
	assert_int_equal(peers_key(&sa), 0);
}

static void
so_many_enter_and_one_more_does_not(void **state)
{
	struct peers p = { .table = NULL };

	(void)state;
	assert_true(peers_enter(&p, 5, 2));
	assert_true(peers_enter(&p, 5, 2));
	assert_false(peers_enter(&p, 5, 2));
	assert_true(peers_enter(&p, 6, 2));
	peers_leave(&p, 5);
	assert_true(peers_enter(&p, 5, 2));
	assert_false(peers_enter(&p, 5, 2));
	peers_fini(&p);
}

static void
who_has_left_takes_no_room(void **state)
{
	struct peers p = { .table = NULL };
	peer_key k;

	(void)state;
	for (k = 1; k < MANY; k++) {
		assert_true(peers_enter(&p, k, 1));
		peers_leave(&p, k);
	}
	assert_int_equal(p.used, 0);
	assert_int_equal(p.size, 64);
	peers_fini(&p);
}

/* Against a plain array: entries move when others leave. */
static void
random_coming_and_going_is_counted_right(void **state)
{
	static uint64_t counts[512];
	struct peers p = { .table = NULL };
	size_t i, k, used = 0;

	(void)state;
	srand(7);
	for (i = 0; i < MANY * 10; i++) {
		k = (size_t)rand() % 512;
		if (rand() % 2 == 0) {
			used += counts[k] == 0;
			assert_int_equal(peers_enter(&p, k + 1, 3),
			    counts[k] < 3);
			counts[k] += counts[k] < 3;
		} else if (counts[k] > 0) {
			peers_leave(&p, k + 1);
			used -= --counts[k] == 0;
		}
		assert_int_equal(p.used, used);
		assert_true(p.used <= p.size / 2 + 1);
	}
	peers_fini(&p);
}

static void
without_memory_it_fills_up_and_then_refuses(void **state)
{
	struct peers p = { .table = NULL };
	peer_key k;

	(void)state;
	failures = 1;
	assert_false(peers_enter(&p, 1, 1));
	assert_true(peers_enter(&p, 1, 1));
	failures = MANY;
	for (k = 2; k < 64; k++)
		assert_true(peers_enter(&p, k, 1));
	/* A search would not end in a full table. */
	assert_false(peers_enter(&p, 64, 1));
	failures = 0;
	assert_true(peers_enter(&p, 64, 1));
	for (k = 1; k <= 64; k++)
		peers_leave(&p, k);
	assert_int_equal(p.used, 0);
	peers_fini(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_ipv4_address_has_its_own_key),
		cmocka_unit_test(an_ipv4_address_is_the_same_in_an_ipv6_one),
		cmocka_unit_test(a_subscriber_has_64_bits_of_ipv6_addresses),
		cmocka_unit_test(a_unix_client_has_no_key),
		cmocka_unit_test(so_many_enter_and_one_more_does_not),
		cmocka_unit_test(who_has_left_takes_no_room),
		cmocka_unit_test(random_coming_and_going_is_counted_right),
		cmocka_unit_test(without_memory_it_fills_up_and_then_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

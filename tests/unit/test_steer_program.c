/* SPDX-License-Identifier: BSD-2-Clause */
/* The programs that choose a member, by an interpreter. */
#include "master/steer.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RANDOM_MAX 16 /* every subset of groups up to this size is tried */
#define SOURCE_MAX 8  /* the same, for clients and orders of the group */
#define NCLIENTS 97

static struct steer s;
static struct err err;
static struct sock_filter code[STEER_PROGRAM_MAX];
static size_t len;

/* What a program can see of a packet, in the order of the host. */
struct packet {
	uint32_t random;
	unsigned version; /* of IP */
	uint32_t source[4];
};

static struct packet
client4(uint32_t address)
{
	return (struct packet){ .version = 4, .source = { address } };
}

static struct packet
client6(uint32_t network, uint32_t host)
{
	return (struct packet){
		.version = 6,
		.source = { 0x20010db8, network, 0, host },
	};
}

/* ---- a classic BPF machine, as much of it as our programs use ---- */

static uint32_t
load_word(const struct packet *p, uint32_t k)
{
	if (k == (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM))
		return p->random;
	k -= (uint32_t)SKF_NET_OFF;
	if (p->version == 4) {
		assert_int_equal(k, 12);
		return p->source[0];
	}
	assert_true(k == 8 || k == 12 || k == 16 || k == 20);
	return p->source[(k - 8) / 4];
}

static uint32_t
run(const struct packet *p)
{
	uint32_t a = 0, x = 0;
	size_t pc;

	for (pc = 0; pc < len; pc++) {
		const struct sock_filter *c = &code[pc];

		switch (c->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			a = load_word(p, c->k);
			break;
		case BPF_LD | BPF_B | BPF_ABS:
			assert_int_equal(c->k, (uint32_t)SKF_NET_OFF);
			a = p->version << 4 | 5;
			break;
		case BPF_MISC | BPF_TAX:
			x = a;
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			a >>= c->k;
			break;
		case BPF_ALU | BPF_XOR | BPF_X:
			a ^= x;
			break;
		case BPF_ALU | BPF_MUL | BPF_K:
			a *= c->k;
			break;
		case BPF_ALU | BPF_MOD | BPF_K:
			assert_int_not_equal(c->k, 0);
			a %= c->k;
			break;
		case BPF_ALU | BPF_ADD | BPF_K:
			a += c->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += c->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == c->k ? c->jt : c->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= c->k ? c->jt : c->jf;
			break;
		case BPF_RET | BPF_A:
			return a;
		case BPF_RET | BPF_K:
			return c->k;
		default:
			fail_msg("opcode 0x%x", c->code);
		}
	}
	fail_msg("no return");
	return 0;
}

/* ---- groups ---- */

static int
begin(void **state)
{
	(void)state;
	srand(1);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	steer_fini(&s);
	return 0;
}

/* Member i is of place i; bit i of excluded: leave it out. */
static void
make_group(enum steer_how how, unsigned n, uint64_t excluded)
{
	unsigned i;

	steer_fini(&s);
	s.how = how;
	for (i = 0; i < n; i++) {
		assert_int_equal(steer_on_listen(&s, 100 + i, -1, &err), 0);
		assert_true(steer_rank(&s, 100 + i, i));
		if (i < 64 && (excluded >> i & 1) != 0)
			assert_true(steer_exclude(&s, 100 + i));
	}
	len = steer_program(&s, code);
}

static void
shuffle(void)
{
	size_t i;

	for (i = s.n; i > 1; i--) {
		size_t k = (size_t)rand() % i;
		struct steer_member m = s.members[k];

		s.members[k] = s.members[i - 1];
		s.members[i - 1] = m;
	}
	len = steer_program(&s, code);
}

/* The place of the member that this packet goes to. */
static uint32_t
place_of(const struct packet *p)
{
	uint32_t index = run(p);

	assert_true(index < s.n);
	assert_false(s.members[index].is_excluded);
	return s.members[index].rank;
}

/* Every number below `left` gives another member that is not excluded. */
static void
assert_all_have_a_chance(unsigned left)
{
	static bool seen[STEER_MEMBERS_MAX];
	struct packet p = { .random = 1000 * left };
	unsigned i;

	(void)memset(seen, 0, sizeof(seen));
	for (i = 0; i < left; i++, p.random++) {
		uint32_t place = place_of(&p);

		assert_false(seen[place]);
		seen[place] = true;
	}
}

static void
each_member_left_has_the_same_chance_the_others_none(void **state)
{
	unsigned n, excluded, left;

	(void)state;
	for (n = 0; n <= RANDOM_MAX; n++)
		for (excluded = 0; excluded < BIT(n); excluded++) {
			left = n - (unsigned)__builtin_popcount(excluded);
			make_group(STEER_RANDOM, n, excluded);
			assert_int_equal(len > 0, n > 1 && left > 0);
			if (len > 0)
				assert_all_have_a_chance(left);
		}
}

static void
the_kernel_is_left_alone_while_nobody_is_excluded(void **state)
{
	unsigned n;

	(void)state;
	for (n = 0; n <= RANDOM_MAX; n++) {
		make_group(STEER_KERNEL, n, 0);
		assert_int_equal(len, 0);
		make_group(STEER_KERNEL, n, 1);
		assert_int_equal(len > 0, n > 1);
		if (len > 0)
			assert_all_have_a_chance(n - 1);
	}
}

static void
long_programs_find_every_member(void **state)
{
	size_t i, k;
	unsigned left;

	(void)state;
	make_group(STEER_RANDOM, STEER_MEMBERS_MAX, 0);
	assert_all_have_a_chance(STEER_MEMBERS_MAX);
	for (i = 0; i < 20; i++) {
		left = 0;
		for (k = 0; k < s.n; k++) {
			s.members[k].is_excluded = rand() % 2 == 1;
			left += !s.members[k].is_excluded;
		}
		len = steer_program(&s, code);
		assert_in_range(len, 300, STEER_PROGRAM_MAX);
		assert_all_have_a_chance(left);
	}
	for (k = 0; k < s.n; k++)
		s.members[k].is_excluded = k % 2 == 1;
	len = steer_program(&s, code);
	assert_all_have_a_chance(STEER_MEMBERS_MAX / 2);
}

/* ---- by the source ---- */

static uint32_t
mix(uint32_t h)
{
	h ^= h >> 16;
	h *= 0x85ebca6b;
	h ^= h >> 13;
	h *= 0xc2b2ae35;
	return h ^ h >> 16;
}

static uint32_t
hash_of(const struct packet *p)
{
	uint32_t h = p->source[0];
	size_t i;

	for (i = 1; p->version == 6 && i < 4; i++)
		h = h * 0x9e3779b1 ^ p->source[i];
	return mix(h);
}

/* The place whose number among those left is the hash's. */
static uint32_t
expected(const struct packet *p, unsigned n, unsigned excluded)
{
	unsigned left = n - (unsigned)__builtin_popcount(excluded), place = 0;
	unsigned i = hash_of(p) % left;

	for (;; place++)
		if ((excluded & BIT(place)) == 0 && i-- == 0)
			return place;
}

static void
try_clients(unsigned n, unsigned excluded)
{
	uint32_t i;

	for (i = 0; i < NCLIENTS; i++) {
		struct packet p4 = client4(0x7f000001 + i);
		struct packet p6 = client6(i % 3, i);

		assert_int_equal(place_of(&p4), expected(&p4, n, excluded));
		assert_int_equal(place_of(&p6), expected(&p6, n, excluded));
	}
}

static void
a_client_has_its_place_whatever_the_order_of_the_group(void **state)
{
	unsigned n, excluded, i;

	(void)state;
	for (n = 2; n <= SOURCE_MAX; n++)
		for (excluded = 0; excluded < BIT(n) - 1; excluded++) {
			make_group(STEER_SOURCE, n, excluded);
			try_clients(n, excluded);
			for (i = 0; i < 4; i++) {
				shuffle();
				try_clients(n, excluded);
			}
		}
}

/* One that was revived, or retired and made anew, has another id, too. */
static void
a_socket_in_the_place_of_another_gets_its_clients(void **state)
{
	(void)state;
	make_group(STEER_SOURCE, 5, 0);
	steer_on_close(&s, 101);
	assert_int_equal(steer_on_listen(&s, 999, -1, &err), 0);
	assert_true(steer_rank(&s, 999, 1));
	assert_false(steer_rank(&s, 101, 1));
	len = steer_program(&s, code);
	assert_int_equal(steer_index_of(&s, 999), 4);
	try_clients(5, 0);
}

static void
clients_are_spread_evenly(void **state)
{
	unsigned got[4][7] = { { 0 } }, i, k;

	(void)state;
	make_group(STEER_SOURCE, 7, 0);
	for (i = 0; i < 70000; i++) {
		/* Neighbours, hosts 1 of networks, and the same of IPv6. */
		const struct packet all[4] = { client4(0x0a000000 + i),
			client4(i << 8 | 1), client6(7, i), client6(i, 1) };

		for (k = 0; k < 4; k++)
			got[k][place_of(&all[k])]++;
	}
	for (k = 0; k < 4; k++)
		for (i = 0; i < 7; i++)
			assert_in_range(got[k][i], 9500, 10500);
}

/* A thousand singles would make a program that not every kernel takes. */
static void
a_group_in_great_disorder_is_taken_as_it_stands(void **state)
{
	struct packet p;
	size_t before;
	uint32_t i;

	(void)state;
	make_group(STEER_SOURCE, STEER_MEMBERS_MAX, 0);
	before = len;
	for (i = 0; i < STEER_MEMBERS_MAX; i++)
		s.members[i].rank = i * 389 % STEER_MEMBERS_MAX;
	len = steer_program(&s, code);
	assert_int_equal(len, before);
	/* 700 singles are not too many. */
	make_group(STEER_SOURCE, 700, 0);
	for (i = 0; i < 700; i++)
		s.members[i].rank = i * 389 % 700;
	len = steer_program(&s, code);
	assert_in_range(len, 1400, STEER_PROGRAM_MAX);
	for (i = 0; i < 5000; i++) {
		p = client4(i);
		assert_int_equal(place_of(&p), hash_of(&p) % 700);
	}
}

static void
there_is_none_without_a_choice(void **state)
{
	(void)state;
	make_group(STEER_SOURCE, 1, 0);
	assert_int_equal(len, 0);
	make_group(STEER_RANDOM, 1, 0);
	assert_int_equal(len, 0);
	make_group(STEER_SOURCE, 4, 0xf);
	assert_int_equal(len, 0);
	make_group(STEER_SOURCE, 4, 0);
	assert_int_not_equal(len, 0);
	s.is_blind = true;
	assert_int_equal(steer_program(&s, code), 0);
}

#define with_group(f) cmocka_unit_test_setup_teardown(f, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_group(
		    each_member_left_has_the_same_chance_the_others_none),
		with_group(the_kernel_is_left_alone_while_nobody_is_excluded),
		with_group(long_programs_find_every_member),
		with_group(
		    a_client_has_its_place_whatever_the_order_of_the_group),
		with_group(a_socket_in_the_place_of_another_gets_its_clients),
		with_group(clients_are_spread_evenly),
		with_group(a_group_in_great_disorder_is_taken_as_it_stands),
		with_group(there_is_none_without_a_choice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * steer_program.c: the program that chooses a member of a reuseport group for
 * a new connection, or a datagram. Runs in the master; pure, so that it is
 * tried by an interpreter. Attaching it is steer.c's matter.
 */
#include "master/steer.h"

#include <stdlib.h>

/* A number to choose by, modulo the members left, is the count of a choice in
 * the order of ranks or, where that does not matter, of the group. Choices that
 * stand beside each other in the group, too, are a run. */
struct run {
	uint32_t first; /* choice */
	uint32_t n;
	uint32_t index; /* of the first, in the group */
};

struct choice {
	uint32_t rank, id, index;
};

struct program {
	struct sock_filter *code;
	size_t len;
};

#define EMIT(p, ...) ((p)->code[(p)->len++] = (struct sock_filter)__VA_ARGS__)
#define NET_BYTE(at) ((uint32_t)SKF_NET_OFF + (at))
/* Where the source stands in the headers of IP. */
#define SOURCE4 12
#define SOURCE6 8
/* Odd numbers with the bits well spread: the golden ratio, and those of the
 * last step of MurmurHash3, by which each bit of the address counts. */
#define FOLD 0x9e3779b1U
#define MIX_1 0x85ebca6bU
#define MIX_2 0xc2b2ae35U
/* The left branch of a turn is within its reach of 255 for so many runs. */
#define NEAR_RUNS 64
/* Of a group in such disorder, which takes hundreds of sockets that a child
 * shut down, the program might not fit: clients are moved for once. */
#define RUNS_MAX 768

static size_t
count_excluded(const struct steer *s)
{
	size_t i, n = 0;

	for (i = 0; i < s->n; i++)
		n += s->members[i].is_excluded;
	return n;
}

static int
by_rank(const void *a, const void *b)
{
	const struct choice *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

static size_t
list_choices(const struct steer *s, bool is_ranked,
    struct choice out[STEER_MEMBERS_MAX])
{
	size_t i, n = 0;

	for (i = 0; i < s->n; i++)
		if (!s->members[i].is_excluded)
			out[n++] = (struct choice){
				.rank = s->members[i].rank,
				.id = s->members[i].id,
				.index = (uint32_t)i,
			};
	if (is_ranked)
		qsort(out, n, sizeof(*out), by_rank);
	return n;
}

static size_t
find_runs(const struct choice *choices, size_t n,
    struct run out[STEER_MEMBERS_MAX])
{
	size_t i, nruns = 0;

	for (i = 0; i < n; i++)
		if (i > 0 && choices[i].index == choices[i - 1].index + 1)
			out[nruns - 1].n++;
		else
			out[nruns++] = (struct run){
				.first = (uint32_t)i,
				.n = 1,
				.index = choices[i].index,
			};
	return nruns;
}

/* A = A xor (A >> bits) */
static void
emit_shift(struct program *p, uint32_t bits)
{
	EMIT(p, BPF_STMT(BPF_MISC | BPF_TAX, 0));
	EMIT(p, BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, bits));
	EMIT(p, BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0));
}

/*
 * A = hash of the source address. A program of a reuseport group finds the
 * packet after the header of TCP or UDP, and the header of IP where every
 * socket filter does. A socket for both families sees both.
 */
static void
emit_source(struct program *p)
{
	uint32_t at;
	size_t turn;

	EMIT(p, BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NET_BYTE(0)));
	EMIT(p, BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4));
	EMIT(p, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 2, 0));
	EMIT(p, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET_BYTE(SOURCE4)));
	turn = p->len;
	EMIT(p, BPF_STMT(BPF_JMP | BPF_JA, 0));
	EMIT(p, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET_BYTE(SOURCE6)));
	for (at = SOURCE6 + 4; at < SOURCE6 + 16; at += 4) {
		EMIT(p, BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, FOLD));
		EMIT(p, BPF_STMT(BPF_MISC | BPF_TAX, 0));
		EMIT(p, BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET_BYTE(at)));
		EMIT(p, BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0));
	}
	p->code[turn].k = (uint32_t)(p->len - turn - 1);
	emit_shift(p, 16);
	EMIT(p, BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, MIX_1));
	emit_shift(p, 13);
	EMIT(p, BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, MIX_2));
	emit_shift(p, 16);
}

/* return the index of choice A, which is of this run. */
static void
emit_run(struct program *p, const struct run *r)
{
	if (r->n == 1) {
		EMIT(p, BPF_STMT(BPF_RET | BPF_K, r->index));
		return;
	}
	/* May be less than nothing: A wraps around as it should. */
	if (r->index != r->first)
		EMIT(p,
		    BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, r->index - r->first));
	EMIT(p, BPF_STMT(BPF_RET | BPF_A, 0));
}

/* The same, of any of these n runs: a binary search. */
static void
emit_runs(struct program *p, const struct run *runs, size_t n)
{
	size_t half = n / 2, turn;

	if (n == 1) {
		emit_run(p, runs);
		return;
	}
	turn = p->len;
	EMIT(p, BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, runs[half].first, 0, 0));
	if (half > NEAR_RUNS) {
		p->code[turn++].jf = 1;
		EMIT(p, BPF_STMT(BPF_JMP | BPF_JA, 0));
	}
	emit_runs(p, runs, half);
	if (half > NEAR_RUNS)
		p->code[turn].k = (uint32_t)(p->len - turn - 1);
	else
		p->code[turn].jt = (uint8_t)(p->len - turn - 1);
	emit_runs(p, runs + half, n - half);
}

/*
 *	A = random, or hash of the source
 *	A = A mod number of members left
 *	return the index of choice A
 */
size_t
steer_program(const struct steer *s, struct sock_filter out[STEER_PROGRAM_MAX])
{
	struct program p = { .code = out };
	struct choice choices[STEER_MEMBERS_MAX];
	struct run runs[STEER_MEMBERS_MAX];
	size_t excluded = count_excluded(s), left = s->n - excluded, nruns;

	if (left == 0 || s->n == 1 || s->is_blind || s->n > STEER_MEMBERS_MAX ||
	    (s->how == STEER_KERNEL && excluded == 0))
		return 0;
	if (s->how == STEER_SOURCE)
		emit_source(&p);
	else
		EMIT(&p,
		    BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			(uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM)));
	EMIT(&p, BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, (uint32_t)left));
	(void)list_choices(s, s->how == STEER_SOURCE, choices);
	nruns = find_runs(choices, left, runs);
	if (nruns > RUNS_MAX) {
		(void)list_choices(s, false, choices);
		nruns = find_runs(choices, left, runs);
	}
	emit_runs(&p, runs, nruns);
	return p.len;
}

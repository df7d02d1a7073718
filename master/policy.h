/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policy.h: what the master decides, as pure functions: no system call, no
 * clock, no state of their own. Times are nanoseconds of mono_ns() unless the
 * name says otherwise.
 */
#ifndef TINE_MASTER_POLICY_H
#define TINE_MASTER_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/conf.h"
#include "shared/url.h"

#define POLICY_ADOPTERS 2       /* siblings that poll a dead child's slot */
#define POLICY_BURST_PER_SEC 50 /* replacements at once in one second */
#define POLICY_FIRST_TRIES 3    /* deaths in a row before any child was READY */
#define POLICY_QUICK_NS (1 * NSEC_PER_SEC) /* a death after this is no strike */
#define POLICY_CALM_NS (10 * NSEC_PER_SEC) /* READY this long clears strikes */
#define POLICY_FORK_RETRY_S 0.5            /* after fork() failed */

/* Has this listener one slot for each place, or one that all children share? */
bool policy_has_slot_per_place(const struct url *, enum conf_accept,
    int processes);

/* Does an acceptor take this listener's connections and hand them over? UDP has
 * none. */
bool policy_is_dispatched(const struct url *, enum conf_accept,
    enum conf_balance);

/*
 * Who polls the slot of `place` in its child's stead. able[p] tells whether
 * place p has a child that accepts. Fills out[] with places, nearest after
 * `place` first, and returns how many: none when place itself is able. A place
 * beyond nplaces is one that was left.
 */
size_t policy_adopters(const bool *able, size_t nplaces, size_t place,
    size_t out[POLICY_ADOPTERS]);

/* How many children more than wanted there may be while one generation replaces
 * another. */
int policy_surge(int processes);

/* Fewer READY children than this are too few to send clients to. */
int policy_quorum(int processes);

/* How a child ended, as far as its place's future depends on it. */
struct policy_death {
	bool was_ready;
	uint64_t ready_for_ns; /* 0 unless was_ready */
	int wait_status;       /* as waitpid() gives it */
	bool is_guilty;        /* we killed it for what it said or did */
};

/* Is the death the child's own fault, so that its place has to wait? */
bool policy_is_strike(const struct policy_death *);

/* Seconds to wait after this many strikes: 50 ms doubled for each, 30 s at the
 * most, varied by up to 20 % by noise in 0..1. */
double policy_backoff(unsigned strikes, double noise);

/* Tokens for forks after a strike: N+10 at first, one more each second. */
struct policy_bucket {
	double tokens, most;
	uint64_t filled_ns;
};
void policy_bucket_init(struct policy_bucket *, int processes, uint64_t now);
/* Take a token if there is one. */
bool policy_bucket_take(struct policy_bucket *, uint64_t now);

/* At most `most` events in a second. */
struct policy_rate {
	uint64_t second;
	unsigned used;
};
bool policy_rate_pass(struct policy_rate *, unsigned most, uint64_t now);

#endif

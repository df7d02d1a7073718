/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * policy.c: the master's decisions. Pure, so that every one of them has a unit
 * test without a fork or a clock; doing is in place.c, proc.c and slot.c.
 */
#include "master/policy.h"

#include <sys/wait.h>

#include <signal.h>

#define BACKOFF_FIRST_S 0.05
#define BACKOFF_CAP_S 30.0
#define BACKOFF_NOISE 0.2
#define BUCKET_SPARE 10

bool
policy_has_slot_per_place(const struct url *url, enum conf_accept accept,
    int processes)
{
	if (url->scheme == URL_UNIX)
		return false;
	/* One socket for all would wake every child for each packet. */
	if (url_is_udp(url))
		return processes > 1 || url->reuseport == URL_TRUE;
	if (url->reuseport != URL_UNSET)
		return url->reuseport == URL_TRUE;
	if (accept != CONF_ACCEPT_AUTO)
		return accept == CONF_ACCEPT_REUSEPORT;
	return processes > 1;
}

bool
policy_is_dispatched(const struct url *url, enum conf_accept accept,
    enum conf_balance balance)
{
	if (url->reuseport != URL_UNSET)
		return false;
	if (url->scheme != URL_UNIX && url->scheme != URL_TCP &&
	    url->scheme != URL_TCP4 && url->scheme != URL_TCP6)
		return false;
	return accept == CONF_ACCEPT_DISPATCH ||
	    (accept == CONF_ACCEPT_AUTO &&
		(balance == CONF_BALANCE_ROUND_ROBIN ||
		    balance == CONF_BALANCE_LEAST_CONNECTIONS));
}

size_t
policy_adopters(const bool *able, size_t nplaces, size_t place,
    size_t out[POLICY_ADOPTERS])
{
	size_t i, n = 0;

	if (place < nplaces && able[place])
		return 0;
	for (i = 1; i <= nplaces && n < POLICY_ADOPTERS; i++) {
		size_t p = (place + i) % nplaces;

		if (able[p])
			out[n++] = p;
	}
	return n;
}

int
policy_surge(int processes)
{
	return MAX_OF(1, processes / 4);
}

int
policy_quorum(int processes)
{
	return MAX_OF(1, processes / 2);
}

bool
policy_is_strike(const struct policy_death *d)
{
	int sig = WIFSIGNALED(d->wait_status) ? WTERMSIG(d->wait_status) : 0;

	if (!d->was_ready || d->is_guilty)
		return true;
	/* Somebody else's doing, however young the child was. */
	if (sig == SIGKILL || sig == SIGTERM)
		return false;
	return d->ready_for_ns < POLICY_QUICK_NS;
}

double
policy_backoff(unsigned strikes, double noise)
{
	double wait = BACKOFF_FIRST_S;

	while (strikes-- > 0 && wait < BACKOFF_CAP_S)
		wait *= 2;
	wait = MIN_OF(wait, BACKOFF_CAP_S);
	return wait * (1 + BACKOFF_NOISE * (2 * noise - 1));
}

void
policy_bucket_init(struct policy_bucket *b, int processes, uint64_t now)
{
	b->most = processes + BUCKET_SPARE;
	b->tokens = b->most;
	b->filled_ns = now;
}

bool
policy_bucket_take(struct policy_bucket *b, uint64_t now)
{
	b->tokens += (double)(now - b->filled_ns) / (double)NSEC_PER_SEC;
	b->tokens = MIN_OF(b->tokens, b->most);
	b->filled_ns = now;
	if (b->tokens < 1)
		return false;
	b->tokens -= 1;
	return true;
}

bool
policy_rate_pass(struct policy_rate *r, unsigned most, uint64_t now)
{
	uint64_t second = now / NSEC_PER_SEC;

	if (second != r->second) {
		r->second = second;
		r->used = 0;
	}
	if (r->used >= most)
		return false;
	r->used++;
	return true;
}

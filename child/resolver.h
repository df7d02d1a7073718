/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * resolver.h: from a URL to the addresses to connect to; private to child/.
 * Names are looked up by a thread of the child's, for that may take seconds.
 */
#ifndef TINE_CHILD_RESOLVER_H
#define TINE_CHILD_RESOLVER_H

#include <tine.h>

#include "shared/addr.h"
#include "shared/url.h"

/* More than this many of one name are not tried. */
#define RESOLVER_ADDRESSES_MAX 8

struct resolver_answer {
	int err; /* errno value; 0: there are addresses */
	int n;
	struct addr addrs[RESOLVER_ADDRESSES_MAX];
};

/* A question under way. */
struct lookup;

/*
 * Fill the answer if that needs no look-up: a numeric host, a path. 1 when it
 * did, with answer->err 0 or why the URL cannot be connected to; 0 when it
 * takes resolver_begin().
 */
int resolver_now(const struct url *, struct resolver_answer *);
/*
 * Ask for the URL's host. done is called once, on the loop, unless the look-up
 * is cancelled before, or the child ends. NULL: errno is ENOMEM, or EAGAIN when
 * the child's threads have enough to do already.
 */
struct lookup *resolver_begin(struct tine_child *, const struct url *,
    void (*done)(void *arg, const struct resolver_answer *), void *arg);
void resolver_cancel(struct lookup *);

#endif

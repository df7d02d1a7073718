/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * generation.h: a configuration in effect, and the children that live by it.
 * Several generations are alive while one replaces another and while children
 * of old ones drain.
 */
#ifndef TINE_MASTER_GENERATION_H
#define TINE_MASTER_GENERATION_H

#include <bsd/sys/queue.h>
#include <stdbool.h>

#include "shared/conf.h"
#include "shared/ctl.h"
#include "shared/err.h"

struct listener;
struct master;

struct generation {
	unsigned number; /* from 1, never used twice */
	int children;    /* processes of it that are not reaped */
	bool is_admin;   /* what the admin child lives by: see admin.h */
	struct conf conf;
	/* One for each listen of each server, in their order; the listeners
	 * are the master's. */
	struct listener **listeners;
	size_t nlisteners;
	char *text; /* conf, as another build wrote it, or NULL */
	TAILQ_ENTRY(generation) entry;
};
TAILQ_HEAD(generation_list, generation);

/* The next generation, of this configuration, which is taken over and leaves
 * nothing to free behind; in the master's list, with no listeners yet. NULL: no
 * memory, and conf is freed. */
struct generation *generation_new(struct master *, struct conf *);
/* The next generation, of the same configuration and listeners. NULL: no
 * memory. */
struct generation *generation_copy(struct master *, const struct generation *);
/* What the admin child is to live by while the serving generation serves, in
 * the admin's list. NULL as above. */
struct generation *generation_new_admin(struct master *, struct conf *);
/* Log what the operator may not have meant: children that run as root. Before
 * one with this configuration is made to serve. */
void generation_warn(const struct conf *);
/* Free those that nobody needs any more. */
void generation_sweep(struct master *);
void generation_free_all(struct master *);
/* The listens of all servers. */
size_t generation_count_listens(const struct conf *);
/* Has this generation the listener? *where is then what its children call it,
 * without the slot. */
bool generation_find(const struct generation *, const struct listener *,
    struct ctl_slot *where);
/* Generations other than the serving one that still have children. */
unsigned generation_count_old(const struct master *);

#endif

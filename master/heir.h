/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heir.h: a listener whose sockets come from the service manager, and what is
 * different about it. inherit.h finds the sockets; here they become slots.
 */
#ifndef TINE_MASTER_HEIR_H
#define TINE_MASTER_HEIR_H

#include <stdbool.h>
#include <stddef.h>

#include "shared/err.h"

struct listener;
struct master;
struct slot;

/*
 * Give a listener that has no socket yet what was handed over for its address,
 * as its first n slots and those beyond. All of them listen; what waits in one
 * that no place has is served by siblings. -1 with the reason in err. Slot 0
 * may still be missing.
 */
int heir_open(struct master *, struct listener *, size_t n, struct err *);
/* Has it sockets that were handed over? Then a further one joins them. */
bool heir_has_sockets(const struct listener *);
/* A further socket could not join: is it because they are another user's? Then
 * what was opened besides them is closed, and all children share slot 0. */
bool heir_share(struct listener *, const struct err *);
/* Learn how the service manager's own sockets should be: it may have set more
 * than we know of. And mend, without a word, what children of a master before
 * us or another configuration have left on ours. */
void heir_learn(struct listener *);
void heir_mend(struct listener *);
/* The listener has a slot for each place now: so have those that none had, but
 * no child that lives knows them. */
void heir_split(struct listener *);
/* Is the socket the service manager's own, or may it be taken back before the
 * listener is committed? Then it is closed and never shut down. */
bool heir_is_lent(const struct listener *, const struct slot *);
/* The listener goes: tell all children to leave its sockets that cannot be shut
 * down. */
void heir_leave(struct master *, const struct listener *);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * admin.h: the admin listener and the child that serves it. That child is none
 * of the N: it counts in no number about the service, no operation waits for
 * it, and the server goes on whatever becomes of it. It follows the serving
 * generation's account and limits; its addresses stay what they were at the
 * start.
 */
#ifndef TINE_MASTER_ADMIN_H
#define TINE_MASTER_ADMIN_H

#include <stdbool.h>

#include "master/generation.h"
#include "shared/err.h"

struct master;
struct place;
struct proc;

#define ADMIN_HANDLER "status"

struct admin {
	struct place *place; /* NULL: there is no admin listener */
	/* What its next child lives by; the last of those that are in use. */
	struct generation *generation;
	struct generation_list generations;
	unsigned followed; /* number of the generation that it was made of */
	bool is_ending;    /* the others are gone */
};

/* Open the admin listener, if one is wanted. -1 with no listener open, also
 * none of the service's; err as of listener_open_all(). */
int admin_open(struct master *, struct err *);
/* Fork for it, before all others. */
int admin_start(struct master *, struct err *);
/* Between two turns of the loop: answer what was asked, follow the generation
 * that serves. */
void admin_step(struct master *);
/* A child of it asks how the server does. */
void admin_on_ask(struct proc *);
/* All other children are gone: it is to go too. True once it has gone. */
bool admin_end(struct master *);

#endif

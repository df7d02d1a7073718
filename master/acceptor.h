/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * acceptor.h: the place of the acceptor, the child that takes connections in
 * accept mode dispatch and hands them to the others. It is none of the N: it
 * counts in no number about the service and no operation waits for it. While it
 * is not READY the children poll its sockets themselves.
 */
#ifndef TINE_MASTER_ACCEPTOR_H
#define TINE_MASTER_ACCEPTOR_H

#include <stdbool.h>

#include "shared/err.h"

struct listener;
struct master;
struct place;
struct proc;

/* Its place, if a listener wants one. -1: no memory. */
int acceptor_start(struct master *, struct err *);
/* Between two turns of the loop: follow the generation that serves, and show it
 * the pages of children it has not seen. */
void acceptor_step(struct master *);
/* A process is gone: nobody counts there, or nothing was shown to it. */
void acceptor_forget(struct master *, const struct proc *);
/* Is it one that takes connections of this listener? */
bool acceptor_is_able(const struct proc *, const struct listener *);
/* May it be told where to send connections of this listener? */
bool acceptor_is_writer(const struct proc *, const struct listener *);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inherit.h: listening sockets that the service manager hands over, as
 * sd_listen_fds(3) says: those of a socket unit, and those that a master
 * before us had it store. They are found by their address, never by their
 * order.
 */
#ifndef TINE_MASTER_INHERIT_H
#define TINE_MASTER_INHERIT_H

#include <stdbool.h>

#include "master/notify.h"
#include "shared/addr.h"
#include "shared/err.h"
#include "shared/url.h"

/*
 * First thing in main(): take LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES out of
 * the environment. Returns how many descriptors, from 3 on, are for us: they
 * must be spared, and are closed at an exec from now on. 0 when they are for
 * another process.
 */
unsigned inherit_begin(void);

/*
 * Before the first listener is opened: look at each of them. What is no
 * listening stream socket and none for UDP is closed, with a line in the log. -1 with the reason
 * in err, and all closed, when one is a connection: that is Accept=yes in the
 * socket unit.
 */
int inherit_open(struct err *);

/* The listeners are opened anew: what was taken, and closed by who took it, can
 * be taken again. */
void inherit_rewind(void);

/* Is there a socket of this listener, taken or not? Then its further ones join
 * by SO_REUSEPORT, also when it is slot 0 that is missing. addr is the URL's
 * own; with port 0 there is none. */
bool inherit_has(const struct url *, const struct addr *);

/*
 * The socket for this slot of a listener: the one that was stored with this
 * index, or the next one that has none; -1: there is none. It is non-blocking,
 * close-on-exec and the caller's. *is_ours is false when the service manager
 * has it for itself: then it must not be shut down, and in both cases a unix
 * path is not ours to remove. One that was stored listens again only after
 * listen(): a child may have shut it down.
 */
int inherit_take(const struct url *, const struct addr *, unsigned index,
    bool *is_ours);

/* Another one of that listener, beyond its nslots slots, lowest index first:
 * what waits in its queue must still be served. *index becomes one that no slot
 * and no other of them has: its own, if that is so. -1: there is none. */
int inherit_take_extra(const struct url *, const struct addr *, unsigned nslots,
    unsigned *index, bool *is_ours);

/*
 * All listeners are open. What nobody took is closed, with a line in the log,
 * and the service manager is told to forget what it stores under a name that
 * is no slot's any more: store the slots after this. Nothing can be taken
 * now.
 */
void inherit_end(struct notify *);

#endif

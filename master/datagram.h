/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * datagram.h: what only the UDP sockets of a listener have: groups, and the
 * address that a packet was sent to.
 */
#ifndef TINE_MASTER_DATAGRAM_H
#define TINE_MASTER_DATAGRAM_H

#include <stdbool.h>

#include "shared/addr.h"
#include "shared/err.h"
#include "shared/url.h"

/* A new socket, not bound yet: hear no group that only others have joined, and
 * tell with each packet where it was sent to if addr is a wildcard. */
int datagram_prepare(int fd, const struct addr *, struct err *);
/*
 * Be in the groups of the URL, and not in those of before that it has not;
 * before may be NULL. Only for one socket of a listener: the kernel gives each
 * member a copy of the packet, group of SO_REUSEPORT or not. -1 with the reason
 * in err.
 */
int datagram_join(int fd, const struct url *, const struct url *before,
    struct err *);
/* Mend what a child did to the membership: is_member says whether this socket
 * should be in the groups of the URL. 1: something was wrong. -1: so it stays,
 * for it is in as many others as one socket can be. */
int datagram_mend_groups(int fd, const struct url *, bool is_member);
/* Is this socket in a SO_REUSEPORT group? One that was bound with others and is
 * not was connected, or bound to a device. Takes the group's program away. */
bool datagram_is_grouped(int fd);

#endif

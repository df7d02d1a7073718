/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mcast.h: the value of a URL's `multicast`: GROUP[@IFACE], or several with
 * commas between. Pure; whether there is such an interface the kernel says when
 * a group is joined.
 */
#ifndef TINE_SHARED_MCAST_H
#define TINE_SHARED_MCAST_H

#include "shared/addr.h"
#include "shared/err.h"

#define MCAST_IFACE_MAX 16 /* IFNAMSIZ */

struct mcast_group {
	struct addr addr;            /* port 0 */
	char iface[MCAST_IFACE_MAX]; /* "": the kernel chooses */
};

/* Take the next group off *text: 1; 0 when there is none left; -1 with the
 * reason in err when it is no group. */
int mcast_next(const char **text, struct mcast_group *, struct err *);

#endif

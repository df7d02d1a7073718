/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mcast.c: groups of a listen URL, from text. Used by the checker on what an
 * operator wrote and by the master on the effective configuration. Pure: joins
 * nothing, opens nothing.
 */
#include "shared/mcast.h"

#include <stdio.h>
#include <string.h>

#include <bsd/string.h>

#define GROUP_LETTERS 64

static bool
is_multicast(const struct addr *a)
{
	if (a->u.sa.sa_family == AF_INET)
		return IN_MULTICAST(ntohl(a->u.sin.sin_addr.s_addr));
	return IN6_IS_ADDR_MULTICAST(&a->u.sin6.sin6_addr);
}

static int
refuse(const char *text, struct err *err)
{
	err_set(err, EXIT_BAD_CONFIG, "\"%s\" is not a multicast group", text);
	return err_hint(err,
	    "an address from 224.0.0.0 to 239.255.255.255 or "
	    "in ff00::/8, and @IFACE for one interface: "
	    "239.1.2.3@eth0");
}

int
mcast_next(const char **text, struct mcast_group *g, struct err *err)
{
	size_t length = strcspn(*text, ",");
	char one[GROUP_LETTERS], *iface;

	if (**text == '\0')
		return 0;
	if (length >= sizeof(one))
		return refuse(*text, err);
	(void)strlcpy(one, *text, length + 1);
	*text += length;
	/* Behind a comma there is a group. */
	if (**text == ',' && *++*text == '\0')
		return refuse("", err);
	g->iface[0] = '\0';
	iface = strchr(one, '@');
	if (iface != NULL) {
		*iface++ = '\0';
		if (*iface == '\0' ||
		    strlcpy(g->iface, iface, sizeof(g->iface)) >=
			sizeof(g->iface)) {
			err_set(err, EXIT_BAD_CONFIG,
			    "\"%s\" is not the name of an interface", iface);
			return err_hint(err, "ip link lists those there are");
		}
	}
	if (addr_from_ip(&g->addr, one, 0) == -1 || !is_multicast(&g->addr))
		return refuse(one, err);
	return 1;
}

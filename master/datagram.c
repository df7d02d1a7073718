/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * datagram.c: UDP sockets: multicast groups, packet information, membership of
 * a SO_REUSEPORT group. Runs in the master, on sockets that children share and
 * may have changed. It opens and closes nothing and reads no packet.
 */
#include "master/datagram.h"

#include <sys/socket.h>

#include <errno.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "shared/mcast.h"

#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif

static int
set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

int
datagram_prepare(int fd, const struct addr *a, struct err *err)
{
	bool is_v6 = a->u.sa.sa_family == AF_INET6;
	int on = addr_is_wildcard(a);

	/* A v6 socket may take v4 too. */
	if (set_int(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0) == -1 ||
	    (is_v6 && set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0) == -1))
		return err_sys(err, "IP_MULTICAST_ALL");
	if (is_v6)
		return set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, on) == -1
		    ? err_sys(err, "IPV6_RECVPKTINFO")
		    : 0;
	return set_int(fd, IPPROTO_IP, IP_PKTINFO, on) == -1
	    ? err_sys(err, "IP_PKTINFO")
	    : 0;
}

/* ---- multicast groups ---- */

/* For MCAST_JOIN_GROUP and its like. -1: there is no such interface. */
static int
fill_request(const struct mcast_group *g, struct group_req *req)
{
	(void)memset(req, 0, sizeof(*req));
	(void)memcpy(&req->gr_group, &g->addr.u, g->addr.len);
	if (g->iface[0] == '\0')
		return 0;
	req->gr_interface = if_nametoindex(g->iface);
	return req->gr_interface == 0 ? -1 : 0;
}

static int
level_of(const struct mcast_group *g)
{
	return g->addr.u.sa.sa_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
}

/* 0, or -1 with errno: EADDRINUSE it is a member already, EADDRNOTAVAIL it was
 * none. */
static int
change(int fd, const struct mcast_group *g, int option)
{
	struct group_req req;

	if (fill_request(g, &req) == -1)
		return -1;
	return setsockopt(fd, level_of(g), option, &req, sizeof(req));
}

static bool
has_group(const struct url *url, const struct mcast_group *wanted)
{
	const char *rest = url->multicast;
	struct mcast_group g;
	struct err err;

	while (mcast_next(&rest, &g, &err) == 1)
		if (addr_equal(&g.addr, &wanted->addr) &&
		    strcmp(g.iface, wanted->iface) == 0)
			return true;
	return false;
}

static int
explain(const struct mcast_group *g, struct err *err)
{
	char text[64];
	int code = errno;

	err_sys(err, "multicast=%s%s%s: join the group",
	    addr_print(&g->addr, text, sizeof(text)),
	    g->iface[0] == '\0' ? "" : "@", g->iface);
	if (code != ENODEV && code != ENXIO)
		return -1;
	err->code = EXIT_BAD_CONFIG;
	return err_hint(err,
	    "name the interface, as in 239.1.2.3@eth0; ip link lists those "
	    "there are");
}

int
datagram_join(int fd, const struct url *url, const struct url *before,
    struct err *err)
{
	const char *rest = url->multicast;
	struct mcast_group g;
	int rc;

	while ((rc = mcast_next(&rest, &g, err)) == 1)
		if (change(fd, &g, MCAST_JOIN_GROUP) == -1 &&
		    errno != EADDRINUSE)
			return explain(&g, err);
	if (rc == -1 || before == NULL)
		return rc;
	rest = before->multicast;
	while ((rc = mcast_next(&rest, &g, err)) == 1)
		if (!has_group(url, &g))
			(void)change(fd, &g, MCAST_LEAVE_GROUP);
	return rc;
}

static bool
is_whole_member_on(int fd, const struct mcast_group *g, unsigned iface)
{
	struct group_filter filter;
	socklen_t len = GROUP_FILTER_SIZE(0);

	(void)memset(&filter, 0, sizeof(filter));
	filter.gf_interface = iface;
	(void)memcpy(&filter.gf_group, &g->addr.u, g->addr.len);
	return getsockopt(fd, level_of(g), MCAST_MSFILTER, &filter, &len) ==
	    0 &&
	    filter.gf_fmode == MCAST_EXCLUDE && filter.gf_numsrc == 0;
}

/*
 * A member, and of no part of it only: a filter of sources hides clients. To
 * join, the kernel chooses an interface where none is named, but answers about
 * that one only when asked by its number.
 */
static bool
is_whole_member(int fd, const struct mcast_group *g)
{
	struct if_nameindex *all;
	struct group_req req;
	bool is = false;
	size_t i;

	if (fill_request(g, &req) == -1)
		return true; /* the interface went: nothing can be done */
	if (req.gr_interface != 0)
		return is_whole_member_on(fd, g, req.gr_interface);
	all = if_nameindex();
	if (all == NULL)
		return true; /* not to be known */
	for (i = 0; all[i].if_index != 0 && !is; i++)
		is = is_whole_member_on(fd, g, all[i].if_index);
	if_freenameindex(all);
	return is;
}

int
datagram_mend_groups(int fd, const struct url *url, bool is_member)
{
	const char *rest = url->multicast;
	struct mcast_group g;
	bool was_wrong = false, is_full = false;
	struct err err;

	while (mcast_next(&rest, &g, &err) == 1) {
		if (is_member && is_whole_member(fd, &g))
			continue;
		was_wrong |= change(fd, &g, MCAST_LEAVE_GROUP) == 0;
		if (!is_member)
			continue;
		if (change(fd, &g, MCAST_JOIN_GROUP) == 0)
			was_wrong = true;
		else
			is_full |= errno == ENOBUFS || errno == ENOMEM;
	}
	return is_full ? -1 : was_wrong;
}

/* ---- the group of SO_REUSEPORT ---- */

bool
datagram_is_grouped(int fd)
{
	/* An index that no member has: the kernel chooses by its hash, as
	 * without a program. */
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, UINT32_MAX) };
	struct sock_fprog prog = { .len = 1, .filter = code };
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog,
		sizeof(prog)) == -1)
		return errno != EINVAL;
	(void)setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &on,
	    sizeof(on));
	return true;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * endpoint.c: what a handler may know and set of a connection's socket: its
 * two addresses and the options that a protocol has reason to change. Runs in
 * children. Asks the kernel each time: an idle connection keeps none of it.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>

#include "shared/addr.h"

#include "child/child.h"

typedef int name_fn(int, struct sockaddr *, socklen_t *);

/* A v4 client of a socket for both families is a v4 client. */
static void
unmap(struct addr *a)
{
	const struct in6_addr in6 = a->u.sin6.sin6_addr;
	in_port_t port = a->u.sin6.sin6_port;

	if (a->u.sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&in6))
		return;
	(void)memset(&a->u, 0, sizeof(a->u));
	a->u.sin.sin_family = AF_INET;
	a->u.sin.sin_port = port;
	(void)memcpy(&a->u.sin.sin_addr, in6.s6_addr + 12,
	    sizeof(a->u.sin.sin_addr));
	a->len = sizeof(a->u.sin);
}

static int
ask(const struct tine_conn *c, name_fn *name, struct addr *a)
{
	(void)memset(a, 0, sizeof(*a));
	a->len = sizeof(a->u.storage);
	if (name(c->io.fd, &a->u.sa, &a->len) == -1)
		return -1;
	unmap(a);
	return 0;
}

static int
show(const struct tine_conn *c, name_fn *name, struct sockaddr_storage *dst)
{
	struct addr a;

	if (ask(c, name, &a) == -1)
		return -1;
	*dst = a.u.storage;
	return 0;
}

static int
set(const struct tine_conn *c, int level, int option, int value)
{
	return setsockopt(c->io.fd, level, option, &value, sizeof(value));
}

/* Where an option means nothing it is no error to ask for it. */
static bool
is_tcp(const struct tine_conn *c)
{
	socklen_t len = sizeof(int);
	int domain = AF_UNSPEC;

	(void)getsockopt(c->io.fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	return domain == AF_INET || domain == AF_INET6;
}

/* ---- tine.h ---- */

int
tine_peer(const struct tine_conn *c, struct sockaddr_storage *dst)
{
	if (call_is_foreign(conn_server(c), "tine_peer"))
		return -1;
	return show(c, getpeername, dst);
}

int
tine_local(const struct tine_conn *c, struct sockaddr_storage *dst)
{
	if (call_is_foreign(conn_server(c), "tine_local"))
		return -1;
	return show(c, getsockname, dst);
}

const char *
tine_peer_name(const struct tine_conn *c, char *dst, size_t size)
{
	struct addr a;

	if (call_is_foreign(conn_server(c), "tine_peer_name") ||
	    ask(c, getpeername, &a) == -1)
		(void)strlcpy(dst, "gone", size);
	else if (a.u.sa.sa_family == AF_UNIX &&
	    a.len <= offsetof(struct sockaddr_un, sun_path))
		(void)strlcpy(dst, "unix", size);
	else
		(void)addr_print(&a, dst, size);
	return dst;
}

int
tine_set_nodelay(struct tine_conn *c, bool on)
{
	if (call_is_foreign(conn_server(c), "tine_set_nodelay"))
		return -1;
	return is_tcp(c) ? set(c, IPPROTO_TCP, TCP_NODELAY, on) : 0;
}

int
tine_set_keepalive(struct tine_conn *c, int idle, int interval, int count)
{
	if (call_is_foreign(conn_server(c), "tine_set_keepalive"))
		return -1;
	if (!is_tcp(c))
		return 0;
	if (idle == 0)
		return set(c, SOL_SOCKET, SO_KEEPALIVE, 0);
	if (set(c, IPPROTO_TCP, TCP_KEEPIDLE, idle) == -1 ||
	    set(c, IPPROTO_TCP, TCP_KEEPINTVL, interval) == -1 ||
	    set(c, IPPROTO_TCP, TCP_KEEPCNT, count) == -1)
		return -1;
	return set(c, SOL_SOCKET, SO_KEEPALIVE, 1);
}

int
tine_set_buffers(struct tine_conn *c, int receive, int send)
{
	if (call_is_foreign(conn_server(c), "tine_set_buffers"))
		return -1;
	if (receive < 0 || send < 0) {
		errno = EINVAL;
		return -1;
	}
	if (receive > 0 && set(c, SOL_SOCKET, SO_RCVBUF, receive) == -1)
		return -1;
	return send > 0 ? set(c, SOL_SOCKET, SO_SNDBUF, send) : 0;
}

int
tine_set_linger(struct tine_conn *c, int seconds)
{
	const struct linger l = {
		.l_onoff = seconds >= 0,
		.l_linger = seconds,
	};

	if (call_is_foreign(conn_server(c), "tine_set_linger"))
		return -1;
	return setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

int
tine_fd(const struct tine_conn *c)
{
	return call_is_foreign(conn_server(c), "tine_fd") ? -1 : c->io.fd;
}

int
tine_dup(const struct tine_conn *c)
{
	if (call_is_foreign(conn_server(c), "tine_dup"))
		return -1;
	return fcntl(c->io.fd, F_DUPFD_CLOEXEC, 3);
}

bool
tine_is_open(const struct tine_conn *c)
{
	return !call_is_foreign(conn_server(c), "tine_is_open") &&
	    c->state == CONN_OPEN;
}

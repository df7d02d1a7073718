/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * audit.c: what a child did to a listening socket that it shares with us is
 * found and undone. Runs in the master, each second for each slot. It opens
 * and closes nothing; a socket that cannot be mended is left to the caller.
 */
#include "master/audit.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "master/datagram.h"

#ifndef IP_MINTTL
#define IP_MINTTL 21
#endif
#ifndef IPV6_MINHOPCOUNT
#define IPV6_MINHOPCOUNT 73
#endif
#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif
#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif

enum shape {
	AS_IS,    /* what is read can be written */
	DOUBLED,  /* the kernel doubles what is written: a buffer */
	AT_LEAST, /* more is as good */
};

/*
 * The options by which a child without privileges can stop a service or slow
 * it to a crawl, most of them because what is accepted inherits them. `other`
 * is a second value that is as good: where what is read as "not set" cannot be
 * written (MAXSEG, WINDOW_CLAMP: the kernel's way to say "no bound"), and for
 * REUSEPORT, because a listener gets the flag late. Buffers come before their
 * lock, for writing one locks it.
 */
#define NONE INT_MIN
/* clang-format off */
static const struct option {
	const char *name;
	int level, number, other;
	enum shape shape;
} options[] = {
	/* A new socket could not join the group. */
	{ "SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT, 1, AS_IS },
	/* Connections go to the members for this CPU only. */
	{ "SO_INCOMING_CPU", SOL_SOCKET, SO_INCOMING_CPU, NONE, AS_IS },
	/* Connections through other devices are refused. */
	{ "SO_BINDTODEVICE", SOL_SOCKET, SO_BINDTOIFINDEX, NONE, AS_IS },
	/* Clients beyond the next router get no answer. */
	{ "SO_DONTROUTE", SOL_SOCKET, SO_DONTROUTE, NONE, AS_IS },
	{ "IP_TTL", IPPROTO_IP, IP_TTL, NONE, AS_IS },
	{ "IPV6_UNICAST_HOPS", IPPROTO_IPV6, IPV6_UNICAST_HOPS, NONE, AS_IS },
	/* Clients farther than this many routers are not heard. */
	{ "IP_MINTTL", IPPROTO_IP, IP_MINTTL, NONE, AS_IS },
	{ "IPV6_MINHOPCOUNT", IPPROTO_IPV6, IPV6_MINHOPCOUNT, NONE, AS_IS },
	/* Answers take a detour. */
	{ "IPV6_RTHDR", IPPROTO_IPV6, IPV6_RTHDR, NONE, AS_IS },
	/* Connections are not seen before data, or never. */
	{ "TCP_DEFER_ACCEPT", IPPROTO_TCP, TCP_DEFER_ACCEPT, NONE, AS_IS },
	{ "SO_RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT, NONE, AS_IS },
	/* They end in a reset: at close, or while a peer is slow. */
	{ "SO_LINGER", SOL_SOCKET, SO_LINGER, NONE, AS_IS },
	{ "TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, NONE, AS_IS },
	{ "TCP_SYNCNT", IPPROTO_TCP, TCP_SYNCNT, NONE, AS_IS },
	/* They crawl. */
	{ "SO_MAX_PACING_RATE", SOL_SOCKET, SO_MAX_PACING_RATE, NONE, AS_IS },
	{ "SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, NONE, DOUBLED },
	{ "SO_SNDBUF", SOL_SOCKET, SO_SNDBUF, NONE, DOUBLED },
	{ "SO_BUF_LOCK", SOL_SOCKET, SO_BUF_LOCK, NONE, AS_IS },
	{ "TCP_MAXSEG", IPPROTO_TCP, TCP_MAXSEG, 0, AT_LEAST },
	{ "TCP_WINDOW_CLAMP", IPPROTO_TCP, TCP_WINDOW_CLAMP, 65535 << 14,
	    AS_IS },
	{ "TCP_CORK", IPPROTO_TCP, TCP_CORK, NONE, AS_IS },
	/* UDP: packets are eaten, held back, cut up, or glued together. */
	{ "UDP_ENCAP", IPPROTO_UDP, UDP_ENCAP, NONE, AS_IS },
	{ "UDP_CORK", IPPROTO_UDP, UDP_CORK, NONE, AS_IS },
	{ "UDP_SEGMENT", IPPROTO_UDP, UDP_SEGMENT, NONE, AS_IS },
	{ "UDP_GRO", IPPROTO_UDP, UDP_GRO, NONE, AS_IS },
	/* A stranger could bind the port too, and take its packets. */
	{ "SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, NONE, AS_IS },
	/* Answers leave from another address than the question came to. */
	{ "IP_PKTINFO", IPPROTO_IP, IP_PKTINFO, NONE, AS_IS },
	{ "IPV6_RECVPKTINFO", IPPROTO_IPV6, IPV6_RECVPKTINFO, NONE, AS_IS },
	/* Packets of groups that others have joined come too. */
	{ "IP_MULTICAST_ALL", IPPROTO_IP, IP_MULTICAST_ALL, NONE, AS_IS },
	{ "IPV6_MULTICAST_ALL", IPPROTO_IPV6, IPV6_MULTICAST_ALL, NONE,
	    AS_IS },
	/* Large ones are refused. */
	{ "IP_MTU_DISCOVER", IPPROTO_IP, IP_MTU_DISCOVER, NONE, AS_IS },
	{ "IPV6_MTU_DISCOVER", IPPROTO_IPV6, IPV6_MTU_DISCOVER, NONE, AS_IS },
	{ "IPV6_DONTFRAG", IPPROTO_IPV6, IPV6_DONTFRAG, NONE, AS_IS },
};
/* clang-format on */
_Static_assert(nitems(options) == AUDIT_NOPTIONS, "AUDIT_NOPTIONS");

static const struct {
	uint64_t bit;
	const char *words;
} finds[] = {
	{ AUDIT_LOST, "cannot be mended" },
	{ AUDIT_DOWN, "was shut down" },
	{ AUDIT_BACKLOG, "backlog was lowered" },
	{ AUDIT_BLOCKING, "O_NONBLOCK was cleared" },
	{ AUDIT_FILTER, "a packet filter was attached" },
	{ AUDIT_LOCKED, "its filters were locked" },
	{ AUDIT_CONNECTED, "was connected to one peer" },
	{ AUDIT_ASTRAY, "was taken out of its group" },
	{ AUDIT_GROUPS, "its multicast groups were changed" },
};

static bool
read_value(int fd, const struct option *o, struct audit_value *v)
{
	socklen_t len = sizeof(v->bytes);

	*v = (struct audit_value){ .is_known = false };
	if (getsockopt(fd, o->level, o->number, v->bytes, &len) == -1)
		return false;
	v->is_known = true;
	v->len = len;
	return true;
}

static int
as_int(const struct audit_value *v)
{
	int n;

	(void)memcpy(&n, v->bytes, sizeof(n));
	return n;
}

static bool
is_good(const struct option *o, const struct audit_value *want,
    const struct audit_value *is)
{
	if (o->other != NONE && as_int(is) == o->other)
		return true;
	if (o->shape == AT_LEAST)
		return as_int(is) >= as_int(want);
	return is->len == want->len &&
	    memcmp(is->bytes, want->bytes, want->len) == 0;
}

static void
write_value(int fd, const struct option *o, const struct audit_value *want)
{
	int n = o->shape == DOUBLED ? as_int(want) / 2 : o->other;

	if (n == NONE)
		(void)setsockopt(fd, o->level, o->number, want->bytes,
		    want->len);
	else
		(void)setsockopt(fd, o->level, o->number, &n, sizeof(n));
}

static uint64_t
mend_options(const struct audit *a, int fd)
{
	struct audit_value is;
	uint64_t found = 0;
	size_t i;

	for (i = 0; i < nitems(options); i++) {
		const struct option *o = &options[i];

		if (!a->values[i].is_known || !read_value(fd, o, &is) ||
		    is_good(o, &a->values[i], &is))
			continue;
		found |= (uint64_t)AUDIT_OPTION << i;
		write_value(fd, o, &a->values[i]);
		if (!read_value(fd, o, &is) || !is_good(o, &a->values[i], &is))
			found |= AUDIT_LOST;
	}
	return found;
}

static int
read_int(int fd, int option)
{
	socklen_t len = sizeof(int);
	int n;

	return getsockopt(fd, SOL_SOCKET, option, &n, &len) == -1 ? -1 : n;
}

/* A filter that is locked stays; without one a lock only keeps us from
 * steering by this socket. */
static unsigned
mend_filter(int fd)
{
	socklen_t len = 0;
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &on, sizeof(on)) == 0)
		return AUDIT_FILTER;
	if (errno != EPERM)
		return 0;
	/* The length of a classic filter; one of the other kind is an error. */
	if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &len) == -1 ||
	    len > 0)
		return AUDIT_FILTER | AUDIT_LOCKED | AUDIT_LOST;
	return AUDIT_LOCKED;
}

static bool
is_same_address(const struct addr *a, const struct addr *b)
{
	if (a->u.sa.sa_family != b->u.sa.sa_family ||
	    addr_port(a) != addr_port(b))
		return false;
	if (a->u.sa.sa_family == AF_INET6)
		return memcmp(&a->u.sin6.sin6_addr, &b->u.sin6.sin6_addr,
			   sizeof(a->u.sin6.sin6_addr)) == 0;
	return a->u.sin.sin_addr.s_addr == b->u.sin.sin_addr.s_addr;
}

static bool
is_listening(const struct audit *a, int fd)
{
	struct addr is = { .len = sizeof(is.u) };

	return read_int(fd, SO_ACCEPTCONN) == 1 &&
	    getsockname(fd, &is.u.sa, &is.len) == 0 &&
	    is_same_address(&a->addr, &is);
}

/*
 * After shutdown() a socket listens again when asked. One that was connected
 * to a peer, or listens elsewhere, is let go first, for an option of a
 * connection reads otherwise; and the options come before listen(), which
 * fails without SO_REUSEPORT. A port that the kernel chose was given back
 * meanwhile and must be asked for by number, or listen() takes any; where the
 * port is still held, bind() fails and is not needed.
 */
static uint64_t
revive(const struct audit *a, int fd)
{
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	uint64_t found = AUDIT_DOWN;

	(void)connect(fd, &nobody, sizeof(nobody));
	found |= mend_options(a, fd);
	(void)bind(fd, &a->addr.u.sa, a->addr.len);
	if (listen(fd, a->backlog) == -1 || !is_listening(a, fd))
		found |= AUDIT_LOST;
	return found;
}

static uint32_t
read_backlog(int fd)
{
	struct tcp_info info = { .tcpi_sacked = 0 };
	socklen_t len = sizeof(info);

	/* Of a listener: the bound of its queue. */
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1)
		return 0;
	return info.tcpi_sacked;
}

static unsigned
lengthen(const struct audit *a, int fd)
{
	uint32_t was = read_backlog(fd);

	if (listen(fd, a->backlog) == -1)
		return AUDIT_LOST;
	/* The kernel may allow less than we ask for. */
	if (was >= (uint32_t)a->backlog || read_backlog(fd) <= was)
		return 0;
	return AUDIT_BACKLOG;
}

static uint64_t
mend_tcp(const struct audit *a, int fd)
{
	uint64_t found = mend_filter(fd);

	if (!is_listening(a, fd))
		return found | revive(a, fd);
	return found | mend_options(a, fd) | lengthen(a, fd);
}

static bool
is_shut_down(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP)) != 0;
}

static bool
is_connected(int fd)
{
	struct addr peer = { .len = sizeof(peer.u) };

	return getpeername(fd, &peer.u.sa, &peer.len) == 0;
}

/*
 * Being connected makes a wildcard an address of its own for the kernel, which
 * takes the socket out of its group for good, as a device does; a port that the
 * kernel chose is given back when the connection is undone. Such a socket is
 * replaced.
 */
static uint64_t
mend_udp(const struct audit *a, int fd)
{
	struct addr is = { .len = sizeof(is.u) };
	uint64_t found = mend_filter(fd) | mend_options(a, fd);

	if (is_shut_down(fd))
		found |= AUDIT_DOWN | AUDIT_LOST;
	if (is_connected(fd))
		found |= AUDIT_CONNECTED | AUDIT_LOST;
	if (getsockname(fd, &is.u.sa, &is.len) == -1 ||
	    !is_same_address(&a->addr, &is) ||
	    (a->is_grouped && !datagram_is_grouped(fd)))
		found |= AUDIT_ASTRAY | AUDIT_LOST;
	return found;
}

/* A unix socket that was shut down says that it listens, and so does listen(),
 * yet all clients are refused from then on. */
static uint64_t
mend_unix(const struct audit *a, int fd)
{
	if (is_shut_down(fd))
		return AUDIT_DOWN | AUDIT_LOST;
	return listen(fd, a->backlog) == -1 ? AUDIT_LOST : 0;
}

static unsigned
mend_flags(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1)
		return AUDIT_LOST;
	if ((flags & O_NONBLOCK) != 0)
		return 0;
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
		return AUDIT_BLOCKING | AUDIT_LOST;
	return AUDIT_BLOCKING;
}

void
audit_learn(struct audit *a, int fd, const struct addr *addr, int backlog)
{
	bool is_udp = read_int(fd, SO_TYPE) == SOCK_DGRAM;
	size_t i;

	*a = (struct audit){
		.kind = addr->u.sa.sa_family == AF_UNIX ? AUDIT_UNIX
		    : is_udp                            ? AUDIT_UDP
							: AUDIT_TCP,
		.addr = *addr,
		.backlog = backlog,
	};
	for (i = 0; a->kind != AUDIT_UNIX && i < nitems(options); i++)
		(void)read_value(fd, &options[i], &a->values[i]);
}

uint64_t
audit_slot(const struct audit *a, int fd)
{
	/* First of all: connect() of a socket that blocks might wait. */
	static uint64_t (*const mend[])(const struct audit *, int) = {
		[AUDIT_TCP] = mend_tcp,
		[AUDIT_UDP] = mend_udp,
		[AUDIT_UNIX] = mend_unix,
	};
	uint64_t found = mend_flags(fd);

	return found | mend[a->kind](a, fd);
}

static void
add_words(char *dst, size_t size, const char *words, const char *more)
{
	size_t used = strlen(dst);

	(void)snprintf(dst + used, size - used, "%s%s%s", used > 0 ? ", " : "",
	    words, more);
}

char *
audit_words(uint64_t found, char *dst, size_t size)
{
	size_t i;

	dst[0] = '\0';
	for (i = 0; i < nitems(finds); i++)
		if ((found & finds[i].bit) != 0)
			add_words(dst, size, finds[i].words, "");
	for (i = 0; i < nitems(options); i++)
		if ((found & (uint64_t)AUDIT_OPTION << i) != 0)
			add_words(dst, size, options[i].name, " was changed");
	return dst;
}

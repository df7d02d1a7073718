/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dgram.c: UDP packets, in and out, many with one system call. Runs in
 * children. Owns one scratch of the child, into which a batch is received and
 * from which its answers are sent, and for each socket a bounded queue of what
 * the kernel would not take. It never waits, and no error of the network is
 * fatal: packets may be lost, and those lost here are counted.
 */
#include "child/dgram.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "child/child.h"

/* No UDP packet is longer than one of these, so a batch needs an address space
 * of 1 MiB; memory is used for as much as really comes. */
#define BATCH 16
#define PACKET_BYTES 65536
/* What the kernel sends, less IP's and UDP's heads. */
#define PAYLOAD_MAX_V4 65507
#define PAYLOAD_MAX_V6 65527
#define OUT_MAX 64
#define OUT_BYTES 65536

/* Where a packet was sent to, as the kernel tells it and wants to be told. */
union whereabouts {
	size_t align; /* as of a struct cmsghdr */
	char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

union name {
	struct sockaddr sa;
	struct sockaddr_storage storage;
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;
};

struct dgram_scratch {
	struct mmsghdr in[BATCH];
	struct iovec in_iov[BATCH];
	union name from[BATCH];
	union whereabouts to[BATCH];

	struct dgram_port *port; /* whose the packets to be sent are */
	unsigned nout;
	struct mmsghdr out[OUT_MAX];
	struct iovec out_iov[OUT_MAX];
	union name dest[OUT_MAX];
	union whereabouts source[OUT_MAX];
	size_t staged;
	char stage[OUT_BYTES];

	char packets[BATCH][PACKET_BYTES];
};

/* The packets of a batch, from `at` on. */
struct tine_dgram {
	struct dgram_port *port;
	struct dgram_scratch *scratch;
	unsigned at, n;
};

struct parcel {
	STAILQ_ENTRY(parcel) entry;
	size_t room; /* of the pool */
	union name dest;
	union whereabouts source;
	struct iovec iov;
	struct msghdr msg;
	char bytes[];
};

static void
drop(const struct dgram_port *p, unsigned n)
{
	board_add(p->server->child->board, BOARD_DROPPED, n);
}

/* ---- what the kernel does not take ---- */

bool
dgram_is_pending(const struct dgram_port *p)
{
	return !STAILQ_EMPTY(&p->queue);
}

static void
take_off(struct dgram_port *p)
{
	struct parcel *one = STAILQ_FIRST(&p->queue);

	STAILQ_REMOVE_HEAD(&p->queue, entry);
	p->queued -= one->room;
	pool_put(&p->server->child->pool, one, one->room);
}

/* A copy of the message waits behind the others, if there is room. */
static void
enqueue(struct dgram_port *p, const struct msghdr *msg)
{
	struct child *ch = p->server->child;
	size_t len = msg->msg_iov->iov_len, room;
	struct parcel *one = NULL;

	if (p->queued < p->server->limits.output)
		one = pool_get(&ch->pool, sizeof(*one) + len, &room);
	if (one == NULL) {
		drop(p, 1);
		return;
	}
	one->room = room;
	(void)memcpy(&one->dest, msg->msg_name, msg->msg_namelen);
	(void)memcpy(one->bytes, msg->msg_iov->iov_base, len);
	one->iov = (struct iovec){ .iov_base = one->bytes, .iov_len = len };
	one->msg = (struct msghdr){
		.msg_name = &one->dest,
		.msg_namelen = msg->msg_namelen,
		.msg_iov = &one->iov,
		.msg_iovlen = 1,
	};
	if (msg->msg_controllen > 0) {
		(void)memcpy(&one->source, msg->msg_control,
		    msg->msg_controllen);
		one->msg.msg_control = &one->source;
		one->msg.msg_controllen = msg->msg_controllen;
	}
	STAILQ_INSERT_TAIL(&p->queue, one, entry);
	p->queued += room;
	ev_io_start(ch->loop, &p->writable);
}

/* ---- sending ---- */

/*
 * sendmmsg() could not send the first one. An error may be an older packet's,
 * so each is tried twice; and a source that came with a broadcast is none that
 * one can send from. True: try again.
 */
static bool
has_another_try(struct msghdr *msg, bool *is_second)
{
	if (*is_second)
		return false;
	*is_second = true;
	msg->msg_control = NULL;
	msg->msg_controllen = 0;
	return true;
}

/* Send them, or drop what cannot be sent; returns how many are done with. The
 * rest has to wait for room. */
static unsigned
send_some(const struct dgram_port *p, struct mmsghdr *out, unsigned n)
{
	struct child *ch = p->server->child;
	bool is_second = false;
	unsigned i, done = 0;
	uint64_t bytes = 0;
	int rc;

	while (done < n) {
		rc = sendmmsg(p->fd, out + done, n - done,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (rc > 0) {
			for (i = done; i < done + (unsigned)rc; i++)
				bytes += out[i].msg_len;
			done += (unsigned)rc;
			is_second = false;
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR &&
		    !has_another_try(&out[done].msg_hdr, &is_second)) {
			drop(p, 1);
			done++;
			is_second = false;
		}
	}
	board_add(ch->board, BOARD_BYTES_OUT, bytes);
	return done;
}

void
dgram_flush(struct child *ch)
{
	struct dgram_scratch *g = ch->dgram;
	unsigned done = 0;

	if (g == NULL || g->nout == 0)
		return;
	/* What waits goes first. */
	if (!dgram_is_pending(g->port))
		done = send_some(g->port, g->out, g->nout);
	for (; done < g->nout; done++)
		enqueue(g->port, &g->out[done].msg_hdr);
	g->nout = 0;
	g->staged = 0;
}

static void
on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct dgram_port *p = w->data;
	struct child *ch = p->server->child;
	struct mmsghdr out[OUT_MAX];
	struct parcel *one;
	unsigned n = 0, done;

	(void)revents;
	STAILQ_FOREACH(one, &p->queue, entry) {
		if (n == OUT_MAX)
			break;
		out[n++] = (struct mmsghdr){ .msg_hdr = one->msg };
	}
	for (done = send_some(p, out, n); done > 0; done--)
		take_off(p);
	if (dgram_is_pending(p))
		return;
	ev_io_stop(loop, w);
	/* A draining child may have stayed for this only. */
	drain_check(ch);
}

/* ---- gathering ---- */

/* The bytes of the batch itself stay where they are until it is sent. */
static bool
is_received(const struct dgram_scratch *g, const char *bytes)
{
	return bytes >= g->packets[0] &&
	    bytes < g->packets[0] + sizeof(g->packets);
}

static bool
is_too_long(const union name *to, size_t len)
{
	bool is_v4 = to->sa.sa_family == AF_INET ||
	    IN6_IS_ADDR_V4MAPPED(&to->sin6.sin6_addr);

	return len > (is_v4 ? PAYLOAD_MAX_V4 : PAYLOAD_MAX_V6);
}

/* An iovec serves reading and writing: it has no const. */
static struct iovec
as_iovec(const void *bytes, size_t len)
{
	const union {
		const void *ro;
		void *rw;
	} base = { .ro = bytes };

	return (struct iovec){ .iov_base = base.rw, .iov_len = len };
}

/* The next message to be sent from this port. */
static struct msghdr *
next_message(struct dgram_port *p, const void *bytes, size_t len)
{
	struct child *ch = p->server->child;
	struct dgram_scratch *g = ch->dgram;
	bool stays = is_received(g, bytes);
	struct msghdr *msg;

	if (g->nout == OUT_MAX || g->port != p ||
	    (!stays && g->staged + len > sizeof(g->stage)))
		dgram_flush(ch);
	g->port = p;
	if (!stays) {
		(void)memcpy(g->stage + g->staged, bytes, len);
		bytes = g->stage + g->staged;
		g->staged += len;
	}
	g->out_iov[g->nout] = as_iovec(bytes, len);
	msg = &g->out[g->nout].msg_hdr;
	*msg = (struct msghdr){
		.msg_name = &g->dest[g->nout],
		.msg_iov = &g->out_iov[g->nout],
		.msg_iovlen = 1,
	};
	g->nout++;
	return msg;
}

static int
gather(struct dgram_port *p, const union name *to, socklen_t to_len,
    const union whereabouts *source, size_t source_len, const void *bytes,
    size_t len)
{
	struct dgram_scratch *g = p->server->child->dgram;
	struct msghdr *msg;

	if (is_too_long(to, len)) {
		errno = EMSGSIZE;
		return -1;
	}
	if (p->queued >= p->server->limits.output) {
		drop(p, 1);
		errno = ENOBUFS;
		return -1;
	}
	msg = next_message(p, bytes, len);
	(void)memcpy(msg->msg_name, to, to_len);
	msg->msg_namelen = to_len;
	if (source_len > 0) {
		msg->msg_control = &g->source[g->nout - 1];
		msg->msg_controllen = source_len;
		(void)memcpy(msg->msg_control, source, source_len);
	}
	return 0;
}

/* ---- receiving ---- */

static void
prepare(struct dgram_scratch *g, unsigned n, size_t bytes)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		g->in_iov[i] = (struct iovec){
			.iov_base = g->packets[i],
			.iov_len = MIN_OF(bytes, (size_t)PACKET_BYTES),
		};
		g->in[i].msg_hdr = (struct msghdr){
			.msg_name = &g->from[i],
			.msg_namelen = sizeof(g->from[i]),
			.msg_iov = &g->in_iov[i],
			.msg_iovlen = 1,
			.msg_control = &g->to[i],
			.msg_controllen = sizeof(g->to[i]),
		};
	}
}

/* Does an error of the socket itself say that it cannot be read? The others are
 * what became of packets that were sent: the next call may well succeed. */
static bool
is_broken(int code)
{
	switch (code) {
	case EBADF:
	case ENOTSOCK:
	case EINVAL:
	case EFAULT:
	case ENOMEM:
		return true;
	default:
		return false;
	}
}

/* How many came, at most n; or -1 with errno. */
static int
receive(struct dgram_port *p, unsigned n)
{
	struct dgram_scratch *g = p->server->child->dgram;
	unsigned tries = BATCH;
	int rc;

	prepare(g, n, p->server->read_bytes);
	do
		rc = recvmmsg(p->fd, g->in, n, MSG_DONTWAIT, NULL);
	while (rc == -1 && errno != EAGAIN && !is_broken(errno) && --tries > 0);
	return rc;
}

static void
obey(struct tine_child *s, enum tine_action action)
{
	if (action == TINE_STOP)
		child_shutdown(s);
	else if (action != TINE_OK)
		server_blame(s, "an action that means nothing after datagram");
}

/* Returns the bytes of the batch. */
static size_t
deliver(struct dgram_port *p, unsigned n)
{
	struct tine_child *s = p->server;
	struct child *ch = s->child;
	struct tine_dgram d = { .port = p, .scratch = ch->dgram, .n = n };
	enum tine_action action;
	size_t bytes = 0;
	unsigned i;

	for (i = 0; i < n; i++)
		bytes += ch->dgram->in[i].msg_len;
	board_add(ch->board, BOARD_REQUESTS, n);
	board_add(ch->board, BOARD_BYTES_IN, bytes);
	for (; d.at < n; d.at++) {
		call_enter(s, NULL, BOARD_IN_DATAGRAM);
		action = s->handler.datagram(&d);
		call_leave(s);
		obey(s, action);
	}
	dgram_flush(ch);
	return bytes;
}

int
dgram_read(struct dgram_port *p)
{
	unsigned want, left = p->server->budget_messages;
	size_t bytes = 0;
	bool has_any = false;
	int n;

	/* What other callbacks sent has its place in the scratch, too. */
	dgram_flush(p->server->child);
	do {
		want = MIN_OF(left, (unsigned)BATCH);
		n = receive(p, want);
		if (n == -1)
			return has_any && errno == EAGAIN ? 0 : errno;
		has_any = true;
		bytes += deliver(p, (unsigned)n);
		left -= (unsigned)n;
	} while (
	    (unsigned)n == want && left > 0 && bytes < p->server->budget_bytes);
	return 0;
}

/* ---- life ---- */

struct dgram_port *
dgram_open(struct tine_child *s, uint32_t listen, int fd)
{
	struct child *ch = s->child;
	const struct url *url = &s->conf->listens[listen];
	socklen_t len = sizeof(int);
	struct dgram_port *p;
	int family = AF_INET6;

	if (ch->dgram == NULL) {
		ch->dgram = malloc(sizeof(*ch->dgram));
		if (ch->dgram == NULL)
			return NULL;
		/* Not all of it: what is not used is no memory. */
		ch->dgram->nout = 0;
		ch->dgram->staged = 0;
		ch->dgram->port = NULL;
	}
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	(void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len);
	p->server = s;
	p->listen = listen;
	p->fd = fd;
	p->family = (sa_family_t)family;
	p->takes_both = family == AF_INET6 && url_is_dual(url);
	STAILQ_INIT(&p->queue);
	ev_io_init(&p->writable, on_writable, fd, EV_WRITE);
	p->writable.data = p;
	return p;
}

void
dgram_close(struct dgram_port *p)
{
	struct child *ch = p->server->child;

	if (ch->dgram->port == p)
		dgram_flush(ch);
	ev_io_stop(ch->loop, &p->writable);
	while (dgram_is_pending(p)) {
		drop(p, 1);
		take_off(p);
	}
	free(p);
}

void
dgram_fini(struct child *ch)
{
	free(ch->dgram);
	ch->dgram = NULL;
}

/* ---- tine.h ---- */

const void *
tine_dgram_bytes(const struct tine_dgram *d, size_t *len)
{
	*len = MIN_OF(d->scratch->in[d->at].msg_len,
	    d->scratch->in_iov[d->at].iov_len);
	return d->scratch->packets[d->at];
}

bool
tine_dgram_is_truncated(const struct tine_dgram *d)
{
	return (d->scratch->in[d->at].msg_hdr.msg_flags & MSG_TRUNC) != 0;
}

bool
tine_dgram_next(struct tine_dgram *d)
{
	if (d->at + 1 >= d->n)
		return false;
	d->at++;
	return true;
}

const struct sockaddr *
tine_dgram_peer(const struct tine_dgram *d, socklen_t *len)
{
	*len = d->scratch->in[d->at].msg_hdr.msg_namelen;
	return &d->scratch->from[d->at].sa;
}

struct tine_child *
tine_dgram_child(const struct tine_dgram *d)
{
	return d->port->server;
}

size_t
tine_dgram_listener(const struct tine_dgram *d)
{
	return d->port->listen;
}

/*
 * The control message that came with the packet, made into one that says where
 * its answer is to come from: 0 when the kernel is to choose. Nobody answers
 * from the address of a multicast group.
 */
static size_t
turn_round(struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	struct in6_pktinfo six;
	struct in_pktinfo four;

	if (c == NULL)
		return 0;
	if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
		(void)memcpy(&four, CMSG_DATA(c), sizeof(four));
		/* ipi_spec_dst is an address of ours already. */
		four.ipi_ifindex = 0;
		(void)memcpy(CMSG_DATA(c), &four, sizeof(four));
		return CMSG_SPACE(sizeof(four));
	}
	if (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_PKTINFO)
		return 0;
	(void)memcpy(&six, CMSG_DATA(c), sizeof(six));
	if (IN6_IS_ADDR_MULTICAST(&six.ipi6_addr) ||
	    (IN6_IS_ADDR_V4MAPPED(&six.ipi6_addr) &&
		IN_MULTICAST(ntohl(six.ipi6_addr.s6_addr32[3]))))
		return 0;
	if (!IN6_IS_ADDR_LINKLOCAL(&six.ipi6_addr))
		six.ipi6_ifindex = 0;
	(void)memcpy(CMSG_DATA(c), &six, sizeof(six));
	return CMSG_SPACE(sizeof(six));
}

int
tine_dgram_reply(struct tine_dgram *d, const void *bytes, size_t len)
{
	struct dgram_scratch *g;
	struct msghdr *in;

	if (call_is_foreign(NULL, "tine_dgram_reply"))
		return -1;
	g = d->scratch;
	in = &g->in[d->at].msg_hdr;
	return gather(d->port, &g->from[d->at], in->msg_namelen, &g->to[d->at],
	    turn_round(in), bytes, len);
}

/* The child's own socket of this listener; NULL with errno. */
static struct dgram_port *
port_of(struct tine_child *s, size_t listen)
{
	struct listener *l;

	TAILQ_FOREACH(l, &s->child->listeners, entry)
		if (l->port != NULL && l->server == s &&
		    l->port->listen == listen)
			return l->port;
	errno = ENOENT;
	return NULL;
}

/* The address as the port's family has it; -1 with errno. */
static int
adapt(const struct dgram_port *p, const struct sockaddr *to, socklen_t *len,
    union name *out)
{
	const union name *in = (const void *)to;

	if (to->sa_family == p->family && *len <= sizeof(*out)) {
		(void)memcpy(out, to, *len);
		return 0;
	}
	if (to->sa_family != AF_INET || !p->takes_both) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	*out = (union name){ .sin6 = { .sin6_family = AF_INET6 } };
	out->sin6.sin6_port = in->sin.sin_port;
	out->sin6.sin6_addr.s6_addr[10] = 0xff;
	out->sin6.sin6_addr.s6_addr[11] = 0xff;
	(void)memcpy(&out->sin6.sin6_addr.s6_addr[12], &in->sin.sin_addr, 4);
	*len = sizeof(out->sin6);
	return 0;
}

int
tine_dgram_send(struct tine_child *s, size_t listener,
    const struct sockaddr *to, socklen_t to_len, const void *bytes, size_t len)
{
	struct dgram_port *p;
	union name name;

	if (call_is_foreign(s, "tine_dgram_send"))
		return -1;
	p = port_of(s, listener);
	if (p == NULL || adapt(p, to, &to_len, &name) == -1)
		return -1;
	return gather(p, &name, to_len, NULL, 0, bytes, len);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ctl.c: records of the control channel. Runs in the master and in children.
 * The table below holds each type's exact length, so that no receiver checks it
 * again; everything that arrives is hostile until it passed ctl_is_valid().
 * Between builds the master adapts, on both ways: a child speaks as it was
 * built.
 */
#include "shared/ctl.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <assert.h>
#include <errno.h>
#include <string.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* since Linux 6.16 */
#endif

const char *const ctl_reason_names[CTL_NREASONS] = {
	[CTL_RELOAD] = "reload",
	[CTL_UPGRADE] = "upgrade",
	[CTL_SCALE] = "scale",
	[CTL_RECYCLED] = "recycle",
	[CTL_STOPPING] = "stop",
	[CTL_OPERATOR] = "operator",
};

const char *const ctl_type_names[CTL_NTYPES] = {
	[CTL_NONE] = "NONE",
	[CTL_START] = "START",
	[CTL_ADOPT] = "ADOPT",
	[CTL_RELEASE] = "RELEASE",
	[CTL_DRAIN] = "DRAIN",
	[CTL_RESUME] = "RESUME",
	[CTL_STOP] = "STOP",
	[CTL_LOGS] = "LOGS",
	[CTL_LEVEL] = "LEVEL",
	[CTL_STATUS] = "STATUS",
	[CTL_PREPARED] = "PREPARED",
	[CTL_READY] = "READY",
	[CTL_DRAINED] = "DRAINED",
	[CTL_LOGS_OK] = "LOGS_OK",
	[CTL_SICK] = "SICK",
	[CTL_WELL] = "WELL",
	[CTL_RECYCLE] = "RECYCLE",
	[CTL_SHUTDOWN] = "SHUTDOWN",
	[CTL_FATAL] = "FATAL",
	[CTL_ASK] = "ASK",
	[CTL_PAGE] = "PAGE",
#ifdef TINE_SKEW
	[CTL_SKEWED] = "SKEWED",
#endif
};

/* The only payloads of no fixed size. */
#define TEXTS (BIT(CTL_SHUTDOWN) | BIT(CTL_FATAL))
_Static_assert(CTL_NTYPES <= 32, "types fit the bits of an unsigned");
_Static_assert(CTL_NTYPES <= CTL_DIALECT_TYPES, "types fit a dialect");

static const struct ctl_dialect own = {
	.version = CTL_VERSION,
	.ntypes = CTL_NTYPES,
	.sizes = {
		[CTL_ADOPT] = sizeof(struct ctl_slot),
		[CTL_RELEASE] = sizeof(struct ctl_slot),
		[CTL_DRAIN] = sizeof(struct ctl_drain),
		[CTL_LOGS] = sizeof(struct ctl_logs),
		[CTL_LEVEL] = sizeof(struct ctl_logs),
		[CTL_STATUS] = sizeof(struct ctl_status),
		[CTL_LOGS_OK] = sizeof(struct ctl_logs_ok),
		[CTL_DRAINED] = sizeof(struct ctl_drained),
		[CTL_SICK] = sizeof(struct ctl_errno),
		[CTL_RECYCLE] = sizeof(struct ctl_why),
		[CTL_SHUTDOWN] = CTL_TEXT_MAX,
		[CTL_FATAL] = CTL_TEXT_MAX,
		[CTL_PAGE] = sizeof(struct ctl_page),
	},
};

const struct ctl_dialect *
ctl_own_dialect(void)
{
	return &own;
}

bool
ctl_dialect_is_valid(const struct ctl_dialect *d)
{
	size_t i;

	for (i = 0; i < nitems(d->sizes); i++)
		if (d->sizes[i] > CTL_PAYLOAD_MAX)
			return false;
	return d->ntypes > CTL_NONE + 1 && d->ntypes <= nitems(d->sizes);
}

int
ctl_pair(int fds[2])
{
	const int no = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, fds) == -1)
		return -1;
	/* A socket that lingers, closed here, would block its receiver. */
	(void)setsockopt(fds[0], SOL_SOCKET, SO_PASSRIGHTS, &no, sizeof(no));
	return 0;
}

static bool
is_text(unsigned type)
{
	return type < CTL_NTYPES && (TEXTS & BIT(type)) != 0;
}

bool
ctl_is_valid(const struct ctl_dialect *d, const struct ctl_msg *m, size_t got)
{
	const struct ctl_header *h = &m->head;

	if (got < sizeof(*h) || h->version != d->version ||
	    h->type == CTL_NONE || h->type >= d->ntypes ||
	    h->length != got - sizeof(*h))
		return false;
	/* Whether a type that only the peer knows is a text is unknown too. */
	if (is_text(h->type) || h->type >= CTL_NTYPES)
		return h->length <= d->sizes[h->type];
	return h->length == d->sizes[h->type];
}

static ssize_t
send_parts(int sock, struct iovec *iov, size_t niov, int fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = niov };
	struct cmsghdr *cmsg;
	ssize_t n;

	if (fd != -1) {
		(void)memset(&control, 0, sizeof(control));
		msg.msg_control = control.room;
		msg.msg_controllen = sizeof(control.room);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		(void)memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	return n;
}

int
ctl_send_in(int sock, const struct ctl_dialect *d, struct ctl_header head,
    const void *payload, int fd)
{
	static char zeros[CTL_PAYLOAD_MAX];
	struct iovec iov[3] = {
		{ .iov_base = &head, .iov_len = sizeof(head) },
		{ .iov_len = 0 },
		{ .iov_base = zeros, .iov_len = 0 },
	};
	size_t size, len = head.length;

	assert(head.type < CTL_NTYPES);
	assert(is_text(head.type) || len == own.sizes[head.type]);
	if (head.type >= d->ntypes) {
		errno = EOPNOTSUPP;
		return -1;
	}
	size = d->sizes[head.type];
	if (is_text(head.type))
		size = MIN_OF(size, len);
	head.version = d->version;
	head.length = (uint32_t)size;
	/* sendmsg() reads the payload only; iovec has no const. */
	(void)memcpy(&iov[1].iov_base, &payload, sizeof(payload));
	iov[1].iov_len = MIN_OF(size, len);
	iov[2].iov_len = size - iov[1].iov_len;
	return send_parts(sock, iov, nitems(iov), fd) == -1 ? -1 : 0;
}

int
ctl_send(int sock, enum ctl_type type, uint32_t seq, uint32_t generation,
    const void *payload, size_t len, int fd)
{
	const struct ctl_header head = {
		.type = (uint16_t)type,
		.seq = seq,
		.generation = generation,
		.length = (uint32_t)len,
	};

	return ctl_send_in(sock, &own, head, payload, fd);
}

static ssize_t
receive(int sock, struct ctl_msg *m, bool take_fd)
{
	struct iovec iov[2] = {
		{ .iov_base = &m->head, .iov_len = sizeof(m->head) },
		{ .iov_base = &m->body, .iov_len = sizeof(m->body) },
	};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	struct cmsghdr *cmsg;
	ssize_t n;

	if (take_fd) {
		msg.msg_control = control.room;
		msg.msg_controllen = sizeof(control.room);
	}
	m->fd = -1;
	do
		n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	if (n == -1 || !take_fd)
		return n;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg != NULL && cmsg->cmsg_level == SOL_SOCKET &&
	    cmsg->cmsg_type == SCM_RIGHTS &&
	    cmsg->cmsg_len == CMSG_LEN(sizeof(int)))
		(void)memcpy(&m->fd, CMSG_DATA(cmsg), sizeof(m->fd));
	return n;
}

/* From the peer's payload to ours. */
static void
adapt(struct ctl_msg *m)
{
	uint32_t size = own.sizes[m->head.type], len = m->head.length;

	if (len > size)
		len = size;
	if (!is_text(m->head.type)) {
		(void)memset(m->body.text + len, 0, size - len);
		len = size;
	}
	m->head.length = len;
	m->body.text[MIN_OF(len, sizeof(m->body.text) - 1)] = '\0';
}

enum ctl_got
ctl_recv_in(int sock, const struct ctl_dialect *d, struct ctl_msg *m,
    bool take_fd)
{
	ssize_t n;

	n = receive(sock, m, take_fd);
	if (n == 0) {
		char byte;

		/* A record of zero bytes reads as 0 too, but is no death: only
		 * end-of-file says 0 again. */
		n = recv(sock, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
		return n == 0 ? CTL_GOT_EOF : CTL_GOT_BAD;
	}
	if (n == -1)
		return errno == EAGAIN ? CTL_GOT_NOTHING : CTL_GOT_EOF;
	if (!ctl_is_valid(d, m, (size_t)n)) {
		closefd(&m->fd);
		return CTL_GOT_BAD;
	}
	if (m->head.type >= CTL_NTYPES) {
		closefd(&m->fd);
		return CTL_GOT_UNKNOWN;
	}
	adapt(m);
	return CTL_GOT_MSG;
}

enum ctl_got
ctl_recv(int sock, struct ctl_msg *m, bool take_fd)
{
	return ctl_recv_in(sock, &own, m, take_fd);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ctl.c: records of the control channel. Runs in the master and in children.
 * The table below holds each type's exact length, so that no receiver checks it
 * again; everything that arrives is hostile until it passed ctl_is_valid().
 */
#include "shared/ctl.h"

#include <sys/socket.h>
#include <sys/uio.h>

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
};

static const struct {
	size_t least, most;
} lengths[CTL_NTYPES] = {
	[CTL_NONE] = { 1, 0 }, /* never valid */
	[CTL_ADOPT] = { sizeof(struct ctl_slot), sizeof(struct ctl_slot) },
	[CTL_RELEASE] = { sizeof(struct ctl_slot), sizeof(struct ctl_slot) },
	[CTL_DRAIN] = { sizeof(struct ctl_drain), sizeof(struct ctl_drain) },
	[CTL_LOGS] = { sizeof(struct ctl_logs), sizeof(struct ctl_logs) },
	[CTL_LEVEL] = { sizeof(struct ctl_logs), sizeof(struct ctl_logs) },
	[CTL_STATUS] = { sizeof(struct ctl_status), sizeof(struct ctl_status) },
	[CTL_LOGS_OK] = { sizeof(struct ctl_logs_ok),
	    sizeof(struct ctl_logs_ok) },
	[CTL_DRAINED] = { sizeof(struct ctl_drained),
	    sizeof(struct ctl_drained) },
	[CTL_SICK] = { sizeof(struct ctl_errno), sizeof(struct ctl_errno) },
	[CTL_RECYCLE] = { sizeof(struct ctl_why), sizeof(struct ctl_why) },
	[CTL_SHUTDOWN] = { 0, CTL_TEXT_MAX },
	[CTL_FATAL] = { 0, CTL_TEXT_MAX },
};

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

bool
ctl_is_valid(const struct ctl_msg *m, size_t got)
{
	const struct ctl_header *h = &m->head;

	return got >= sizeof(*h) && h->version == CTL_VERSION &&
	    h->type < CTL_NTYPES && h->length == got - sizeof(*h) &&
	    h->length >= lengths[h->type].least &&
	    h->length <= lengths[h->type].most;
}

int
ctl_send(int sock, enum ctl_type type, uint32_t seq, uint32_t generation,
    const void *payload, size_t len, int fd)
{
	struct ctl_header head = {
		.version = CTL_VERSION,
		.type = (uint16_t)type,
		.seq = seq,
		.generation = generation,
		.length = (uint32_t)len,
	};
	struct iovec iov[2] = {
		{ .iov_base = &head, .iov_len = sizeof(head) },
		{ .iov_len = len },
	};
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	struct cmsghdr *cmsg;
	ssize_t n;

	/* sendmsg() reads the payload only; iovec has no const. */
	(void)memcpy(&iov[1].iov_base, &payload, sizeof(payload));
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
	return n == -1 ? -1 : 0;
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

enum ctl_got
ctl_recv(int sock, struct ctl_msg *m, bool take_fd)
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
	if (!ctl_is_valid(m, (size_t)n)) {
		closefd(&m->fd);
		return CTL_GOT_BAD;
	}
	m->body.text[MIN_OF(m->head.length, sizeof(m->body.text) - 1)] = '\0';
	return CTL_GOT_MSG;
}

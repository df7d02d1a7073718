/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handoff.c: the pairs between the acceptor and the children. The master makes
 * them and keeps both ends, the acceptor writes, a child reads. Nobody blocks
 * here, and a child believes nothing that arrives.
 */
#include "shared/handoff.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "shared/base.h"

/*
 * The kernel doubles it. A record costs less than 1.5 KiB, and a pair is
 * writable for poll() while no more than a quarter is used: three quarters of
 * 32 KiB are room for HANDOFF_CREDIT. A deeper queue would make clients wait
 * for a busy child while its siblings have nothing to do.
 */
#define BUFFER_BYTES 16384

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* since Linux 6.16 */
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 4 /* since Linux 6.5 */
#endif

/* A record's descriptor. */
union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int))];
};

/* A child can ask the kernel for more with each record, which comes before the
 * descriptor: whose it is, a pidfd, a security label. */
#define EXTRA_BYTES 512
union received {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int)) + EXTRA_BYTES];
};

int
handoff_pair(int fds[2])
{
	const int bytes = BUFFER_BYTES, on = 1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, fds) == -1)
		return -1;
	/*
	 * A child could fill the way back, and have descriptors kept there; and
	 * with a filter on its end records would vanish that the acceptor takes
	 * for sent, long after the child is dead. A lock is for good.
	 */
	if (setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) ==
		0 &&
	    setsockopt(fds[0], SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)) ==
		0 &&
	    shutdown(fds[1], SHUT_RD) == 0)
		return 0;
	closefd(&fds[0]);
	closefd(&fds[1]);
	return -1;
}

int
handoff_send(int fd, int connection)
{
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	union control control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};
	struct cmsghdr *cmsg;
	ssize_t n;

	(void)memset(&control, 0, sizeof(control));
	cmsg = CMSG_FIRSTHDR(&msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	(void)memcpy(CMSG_DATA(cmsg), &connection, sizeof(connection));
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	return n == -1 ? -1 : 0;
}

static bool
has_descriptors(const struct cmsghdr *cmsg)
{
	return cmsg->cmsg_level == SOL_SOCKET &&
	    (cmsg->cmsg_type == SCM_RIGHTS || cmsg->cmsg_type == SCM_PIDFD);
}

/* The descriptor that came alone, or -1: all others are closed. */
static int
take_fd(struct msghdr *msg)
{
	struct cmsghdr *cmsg;
	int fd, taken = -1;
	size_t i;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL;
	     cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (!has_descriptors(cmsg))
			continue;
		for (i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= cmsg->cmsg_len;
		     i++) {
			(void)memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int),
			    sizeof(fd));
			if (taken == -1 && cmsg->cmsg_type == SCM_RIGHTS)
				taken = fd;
			else
				closefd(&fd);
		}
	}
	return taken;
}

/* An empty record looks the same, and whoever sends one may go on. */
static bool
has_ended(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLRDHUP };

	return poll(&pfd, 1, 0) == 1 && handoff_queue(fd) == 0;
}

int
handoff_receive(int fd, int *connections, int most)
{
	struct mmsghdr msgs[HANDOFF_BATCH];
	union received controls[HANDOFF_BATCH];
	char bytes[HANDOFF_BATCH];
	struct iovec iov[HANDOFF_BATCH];
	int i, n, records = 0;

	most = MIN_OF(most, HANDOFF_BATCH);
	for (i = 0; i < most; i++) {
		iov[i] = (struct iovec){ .iov_base = &bytes[i], .iov_len = 1 };
		msgs[i].msg_hdr = (struct msghdr){
			.msg_iov = &iov[i],
			.msg_iovlen = 1,
			.msg_control = controls[i].room,
			.msg_controllen = sizeof(controls[i].room),
		};
		msgs[i].msg_len = 0;
	}
	do
		n = recvmmsg(fd, msgs, (unsigned)most,
		    MSG_DONTWAIT | MSG_CMSG_CLOEXEC, NULL);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return -1;
	for (i = 0; i < n; i++) {
		connections[i] = take_fd(&msgs[i].msg_hdr);
		/* An end-of-file has neither; after the first all are so. */
		if (msgs[i].msg_len > 0 || connections[i] != -1)
			records = i + 1;
	}
	return records == n || has_ended(fd) ? records : n;
}

bool
handoff_accept(int connection)
{
	socklen_t len = sizeof(int);
	int type, on = 1;

	/* One that listens is harmless: reading from it fails at once. */
	return connection != -1 &&
	    getsockopt(connection, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    type == SOCK_STREAM && ioctl(connection, FIONBIO, &on) == 0;
}

size_t
handoff_queue(int fd)
{
	int bytes = 0;

	/* One of each record. */
	return ioctl(fd, FIONREAD, &bytes) == 0 && bytes > 0 ? (size_t)bytes
							     : 0;
}

static short
look(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };

	return poll(&pfd, 1, 0) == 1 ? pfd.revents : 0;
}

bool
handoff_has_room(int fd)
{
	return (look(fd) & POLLOUT) != 0;
}

void
handoff_shut(int fd)
{
	(void)shutdown(fd, SHUT_WR);
}

void
handoff_mend(int fd)
{
	const int on = 1;

	/* The kernels that do not know it carry descriptors always. */
	(void)setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof(on));
}

bool
handoff_is_shut(int fd)
{
	return (look(fd) & (POLLHUP | POLLERR)) != 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * adopt.c: connections that a handler brings: a descriptor that it got from
 * somewhere, with what was read from it already. Runs in children. The other
 * way, TINE_DETACH, is conn.c's, for it is an end.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>

#include "child/child.h"

static int
option(int fd, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) == -1 ? -1
								    : value;
}

/* Only a connected stream socket can be waited for as a connection is: a file
 * is always ready, and epoll(7) refuses it. */
static int
check(int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	int type = option(fd, SO_TYPE);

	if (type == -1)
		return -1;
	if (type != SOCK_STREAM || option(fd, SO_ACCEPTCONN) != 0) {
		errno = EINVAL;
		return -1;
	}
	return getpeername(fd, (struct sockaddr *)&peer, &len);
}

static int
set_flags(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
		return -1;
	return fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* ---- tine.h ---- */

struct tine_conn *
tine_adopt(struct tine_child *s, const struct tine_handler *events, int fd,
    const void *unread, size_t len, void *context)
{
	struct tine_conn *c;

	if (call_is_foreign(s, "tine_adopt"))
		return NULL;
	if (check(fd) == -1 || set_flags(fd) == -1)
		return NULL;
	c = conn_make(s, events, fd, context);
	if (c == NULL)
		return NULL;
	if (len > 0 && input_keep(c, unread, len) == -1) {
		c->io.fd = -1;
		conn_unmake(c);
		errno = ENOMEM;
		return NULL;
	}
	/* Not from within the caller. */
	conn_mark_later(c);
	return c;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log_sink.c: give a line to a file, a pipe, a terminal, a socket or the syslog
 * daemon, in one call that does not wait. Runs in every process, also in a
 * signal handler. It opens nothing and changes no flag: descriptors 0, 1 and 2
 * are shared with the shell that started the server.
 */
#include "shared/log_sink.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

static enum log_way
way_of(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (flags == -1 || fstat(fd, &st) == -1)
		return LOG_WAY_ASK;
	if (S_ISSOCK(st.st_mode))
		return LOG_WAY_SEND;
	return S_ISREG(st.st_mode) || (flags & O_NONBLOCK) != 0 ? LOG_WAY_WRITE
								: LOG_WAY_ASK;
}

void
log_sink_init(struct log_out *o, int fd, enum log_sink sink)
{
	o->fd = fd;
	o->sink = sink;
	o->way = way_of(fd);
	o->is_torn = false;
	o->is_tty = isatty(fd) == 1;
}

/* The daemon was restarted: its new socket has the old one's path. All
 * processes share the socket, so the first that comes mends it for all. */
static int
reconnect(const struct log_out *o)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	(void)strncpy(sun.sun_path, o->syslog, sizeof(sun.sun_path) - 1);
	return connect(o->fd, (const struct sockaddr *)&sun, sizeof(sun));
}

static ssize_t
give_socket(const struct log_out *o, const char *text, size_t len)
{
	const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
	ssize_t n = send(o->fd, text, len, flags);

	if (n != -1 || o->sink != LOG_SYSLOG)
		return n;
	if (errno != ECONNREFUSED && errno != ENOTCONN && errno != ECONNRESET)
		return n;
	return reconnect(o) == -1 ? -1 : send(o->fd, text, len, flags);
}

/*
 * The descriptor blocks and may not be changed. A pipe that has room takes as
 * much as PIPE_BUF, but a sibling may fill it between the two calls: where the
 * kernel can, it is told not to wait.
 */
static ssize_t
give_blocking(const struct log_out *o, const char *text, size_t len)
{
	struct pollfd pfd = { .fd = o->fd, .events = POLLOUT };
	struct iovec iov = { .iov_len = len };
	ssize_t n;

	if (poll(&pfd, 1, 0) != 1) {
		errno = EAGAIN;
		return -1;
	}
	/* pwritev2() reads only; iovec has no const. */
	(void)memcpy(&iov.iov_base, &text, sizeof(text));
	n = pwritev2(o->fd, &iov, 1, -1, RWF_NOWAIT);
	if (n == -1 &&
	    (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL))
		n = write(o->fd, text, len);
	return n;
}

/*
 * In the background of a terminal that has "tostop" each write would raise
 * SIGTTOU, whose handler restarts the write, for ever. While the signal is
 * blocked the terminal takes the line.
 */
static ssize_t
give_tty(const struct log_out *o, const char *text, size_t len)
{
	sigset_t stop, old;
	ssize_t n;
	int saved;

	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGTTOU);
	(void)sigprocmask(SIG_BLOCK, &stop, &old);
	n = o->way == LOG_WAY_ASK ? give_blocking(o, text, len)
				  : write(o->fd, text, len);
	saved = errno;
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	errno = saved;
	return n;
}

static ssize_t
give(const struct log_out *o, const char *text, size_t len)
{
	if (o->is_tty)
		return give_tty(o, text, len);
	switch (o->way) {
	case LOG_WAY_SEND:
		return give_socket(o, text, len);
	case LOG_WAY_ASK:
		return give_blocking(o, text, len);
	case LOG_WAY_WRITE:
		break;
	}
	return write(o->fd, text, len);
}

/* What makes a line of somebody else, or a part of ours, stay without its end:
 * several processes write to one file. */
static bool
may_tear(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

int
log_sink_put(struct log_out *o, const struct log_line *l)
{
	size_t skip = o->is_torn && o->sink != LOG_SYSLOG ? 0 : 1;
	size_t len = l->len - skip;
	ssize_t n;

	do
		n = give(o, l->text + skip, len);
	while (n == -1 && errno == EINTR);
	if (n == (ssize_t)len) {
		o->is_torn = false;
		return 0;
	}
	if (n == -1) {
		o->is_torn = o->is_torn || may_tear(errno);
		return errno;
	}
	/* A short write: the reason shows itself at the next one. */
	o->is_torn = true;
	return o->sink == LOG_FILE ? ENOSPC : EAGAIN;
}

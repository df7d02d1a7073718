/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * closer.c: a faulty handler that closes descriptors which belong to the loop:
 * those that its client names in a line, see kinds[]. Everything else it
 * echoes.
 */
#include <tine.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST 1024

/* A socket that no loop watches. */
static int stranger = -1;

static bool
is_any(int fd)
{
	return fd > STDERR_FILENO;
}

static bool
is_epoll(int fd)
{
	/* It does not know the stranger; others know nobody: EINVAL. */
	return epoll_ctl(fd, EPOLL_CTL_DEL, stranger, NULL) == -1 &&
	    errno == ENOENT;
}

static bool
has_option(int fd, int option, int wanted)
{
	int value;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 &&
	    value == wanted;
}

static bool
is_listener(int fd)
{
	return has_option(fd, SO_ACCEPTCONN, 1);
}

static bool
is_channel(int fd)
{
	return has_option(fd, SO_TYPE, SOCK_SEQPACKET);
}

/* A socket that is none of these: a client's. */
static bool
is_connection(int fd)
{
	return has_option(fd, SO_TYPE, SOCK_STREAM) && !is_listener(fd);
}

/* The wake-up of the loop is neither file nor socket nor epoll. */
static bool
is_wakeup(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == 0 &&
	    !is_epoll(fd);
}

static const struct {
	const char *name;
	bool (*matches)(int fd);
} kinds[] = {
	{ "all", is_any },
	{ "epoll", is_epoll },
	{ "listener", is_listener },
	{ "channel", is_channel },
	{ "connection", is_connection },
	{ "wakeup", is_wakeup },
};

static void
close_all(bool (*matches)(int fd))
{
	int fd;

	stranger = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (fd = STDERR_FILENO + 1; fd < MOST; fd++)
		if (matches(fd))
			(void)close(fd);
}

static enum tine_action
closer_data(struct tine_conn *c)
{
	const char *bytes;
	size_t len, i;

	bytes = tine_peek(c, &len);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (len == strlen(kinds[i].name) + 1 &&
		    memcmp(kinds[i].name, bytes, len - 1) == 0)
			close_all(kinds[i].matches);
	if (tine_write(c, bytes, len) == -1)
		return TINE_ABORT;
	tine_consume(c, len);
	return TINE_OK;
}

TINE_HANDLER(.name = "closer", .data = closer_data);

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.c: the path of the control socket, to which master and tinectl must
 * come alike, and the side that asks. The calls block: they are for tinectl
 * and for tests, never for the master.
 */
#include "shared/wire.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/addr.h"

#define REPLY_FIRST 16384

/* The variable survives su and sudo: a folder of somebody else is no place for
 * our socket. */
static const char *
own_runtime_folder(uid_t uid)
{
	const char *folder = getenv("XDG_RUNTIME_DIR");
	struct stat st;

	if (folder == NULL || folder[0] != '/' || stat(folder, &st) == -1)
		return NULL;
	return S_ISDIR(st.st_mode) && st.st_uid == uid ? folder : NULL;
}

char *
wire_default_path(char *dst, size_t size)
{
	uid_t uid = geteuid();
	const char *folder = own_runtime_folder(uid);

	if (uid == 0)
		(void)snprintf(dst, size, "/run/tine/control.sock");
	else if (folder != NULL)
		(void)snprintf(dst, size, "%s/tine/control.sock", folder);
	else
		(void)snprintf(dst, size, "/tmp/tine-%lu/control.sock",
		    (unsigned long)uid);
	return dst;
}

/* Let the next call on the socket last until the deadline at most. */
static int
set_deadline(const struct wire *w, int option)
{
	uint64_t now = mono_ns(), left;
	struct timeval tv;

	if (now >= w->deadline_ns) {
		errno = EAGAIN;
		return -1;
	}
	/* At least one microsecond: zero would mean for ever. */
	left = (w->deadline_ns - now) / 1000 + 1;
	tv.tv_sec = (time_t)(left / 1000000);
	tv.tv_usec = (suseconds_t)(left % 1000000);
	return setsockopt(w->fd, SOL_SOCKET, option, &tv, sizeof(tv));
}

/*
 * A service manager gives the default folder to the service's own user: whom it
 * belongs to was root's decision, for /run is root's alone.
 */
static bool
is_given_by_root(const char *path, uid_t peer)
{
	char standard[64];
	struct stat st;

	if (geteuid() != 0 ||
	    strcmp(path, wire_default_path(standard, sizeof(standard))) != 0)
		return false;
	*strrchr(standard, '/') = '\0';
	return lstat(standard, &st) == 0 && S_ISDIR(st.st_mode) &&
	    st.st_uid == peer && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* Who took the path could answer anything. */
static enum wire_result
check_server(struct wire *w, const char *path, struct err *err)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(w->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1) {
		err_sys(err, "who listens on %s", path);
		return WIRE_FAILED;
	}
	if (peer.uid != 0 && peer.uid != geteuid() &&
	    !is_given_by_root(path, peer.uid)) {
		err_set(err, EXIT_RUNTIME,
		    "%s belongs to another user's process (uid %lu, pid %ld)",
		    path, (unsigned long)peer.uid, (long)peer.pid);
		err_hint(err,
		    "nothing was sent; if the path is right, ask as that user");
		return WIRE_FAILED;
	}
	w->server = peer.pid;
	return WIRE_OK;
}

enum wire_result
wire_open(struct wire *w, const char *path, uint64_t deadline_ns,
    struct err *err)
{
	struct addr a;

	*w = (struct wire){ .fd = -1, .deadline_ns = deadline_ns, .body = "" };
	if (addr_from_path(&a, path, err) == -1)
		return WIRE_FAILED;
	w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (w->fd == -1) {
		err_sys(err, "socket");
		return WIRE_FAILED;
	}
	if (set_deadline(w, SO_SNDTIMEO) == 0 &&
	    connect(w->fd, &a.u.sa, a.len) == 0)
		return check_server(w, path, err);
	if (errno == ENOENT || errno == ECONNREFUSED || errno == EAGAIN) {
		err_sys(err, "no server answers at %s", path);
		return WIRE_NO_SERVER;
	}
	err_sys(err, "connect to %s", path);
	return WIRE_FAILED;
}

/* A call on the socket failed: too late, or nobody is there any more. */
static enum wire_result
lost(struct err *err)
{
	if (errno == EAGAIN) {
		err_sys(err, "no answer from the server");
		return WIRE_TIMEOUT;
	}
	err_sys(err, "the server hung up");
	err_hint(err, "it answers its own user and root only");
	return WIRE_NO_SERVER;
}

/* Room for more of the answer; -1 when it is too long. */
static int
grow(struct wire *w, size_t *size)
{
	size_t bigger = *size == 0 ? REPLY_FIRST : *size * 2;
	char *reply = NULL;

	if (bigger <= WIRE_REPLY_MAX)
		reply = realloc(w->reply, bigger);
	if (reply == NULL)
		return -1;
	w->reply = reply;
	*size = bigger;
	return 0;
}

static enum wire_result
read_reply(struct wire *w, struct err *err)
{
	size_t used = 0, size = 0;
	ssize_t n;

	do {
		if (size - used < 2 && grow(w, &size) == -1) {
			err_set(err, EXIT_RUNTIME, "the answer is too long");
			return WIRE_FAILED;
		}
		if (set_deadline(w, SO_RCVTIMEO) == -1)
			return lost(err);
		n = recv(w->fd, w->reply + used, size - used - 1, 0);
		if (n == -1 && errno != EINTR)
			return lost(err);
		used += n > 0 ? (size_t)n : 0;
	} while (n != 0);
	w->reply[used] = '\0';
	return WIRE_OK;
}

enum wire_result
wire_ask(struct wire *w, const char *line, struct err *err)
{
	enum wire_result result;
	size_t len = strlen(line);
	char *end;

	/* Shorter than any socket's buffer: it goes out whole or not at all. */
	if (set_deadline(w, SO_SNDTIMEO) == -1 ||
	    send(w->fd, line, len, MSG_NOSIGNAL) != (ssize_t)len)
		return lost(err);
	result = read_reply(w, err);
	if (result != WIRE_OK)
		return result;
	end = strchr(w->reply, '\n');
	if (end == NULL) {
		err_set(err, EXIT_RUNTIME, "the server hung up");
		return WIRE_NO_SERVER;
	}
	*end = '\0';
	w->body = end + 1;
	if (strcmp(w->reply, "ok") == 0)
		return WIRE_OK;
	if (strncmp(w->reply, "fail ", 5) == 0)
		err_set(err, EXIT_RUNTIME, "%s", w->reply + 5);
	else
		err_set(err, EXIT_RUNTIME, "this is no tine's control socket");
	return WIRE_FAILED;
}

void
wire_close(struct wire *w)
{
	closefd(&w->fd);
	free(w->reply);
	w->reply = NULL;
	w->body = "";
}

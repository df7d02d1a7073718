/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unixpath.c: paths of unix sockets in the file system: is one alive, stale or
 * no socket at all, and whose is it to remove. Master only.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "master/master.h"

/* Does a server answer there? Its full queue (EAGAIN) means yes. */
static bool
is_alive(const struct addr *a, int *saved)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc = -1;

	*saved = errno;
	if (fd == -1)
		return false;
	rc = connect(fd, &a->u.sa, a->len);
	*saved = rc == 0 ? 0 : errno;
	closefd(&fd);
	return rc == 0 || *saved == EAGAIN;
}

int
unixpath_clear(const struct addr *a, const char *text, struct err *err)
{
	const char *path = a->u.sun.sun_path;
	struct stat st;
	int code;

	if (path[0] == '\0')
		return 0; /* abstract: bind() tells */
	if (lstat(path, &st) == -1) {
		if (errno == ENOENT)
			return 0;
		return err_sys(err, "%s", text);
	}
	if (!S_ISSOCK(st.st_mode)) {
		err_set(err, EXIT_CANT_CREATE, "%s exists and is not a socket",
		    text);
		return err_hint(err, "remove it, or choose another path");
	}
	if (is_alive(a, &code)) {
		err_set(err, EXIT_UNAVAILABLE, "%s is held by a live server",
		    text);
		err->sys = EADDRINUSE;
		return err_hint(err,
		    "stop that server, or choose another path");
	}
	if (code != ECONNREFUSED) {
		errno = code;
		err_sys(err, "cannot tell whether a server lives at %s", text);
		if (err->code == EXIT_SYSTEM)
			err->code = EXIT_CANT_CREATE;
		return err_hint(err, "remove it, or choose another path");
	}
	/* Refused: nobody listens, so what is left is a dead server's. */
	if (unlink(path) == -1 && errno != ENOENT)
		return err_sys(err, "remove the stale socket %s", text);
	return 0;
}

void
unixpath_remove(const char *path, dev_t dev, ino_t ino)
{
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_dev == dev &&
	    st.st_ino == ino)
		(void)unlink(path);
}

int
unixpath_claim(struct listener *l, struct err *err)
{
	const char *path = l->url.path;
	unsigned uid, gid;
	struct stat st;
	int fd, rc = 0;

	if (path[0] == '@')
		return 0;
	fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1) {
		closefd(&fd);
		return err_sys(err, "unix path %s", path);
	}
	/* In a folder that others can write, something else may stand there
	 * by now: it must not get our owner. */
	if (!S_ISSOCK(st.st_mode)) {
		closefd(&fd);
		return err_set(err, EXIT_CANT_CREATE,
		    "%s was replaced by something else", path);
	}
	l->owns_path = true;
	l->path_dev = st.st_dev;
	l->path_ino = st.st_ino;
	if (l->url.owner[0] != '\0' &&
	    sscanf(l->url.owner, "%u:%u", &uid, &gid) == 2)
		rc = fchownat(fd, "", uid, gid, AT_EMPTY_PATH);
	if (rc == -1)
		err_sys(err, "owner=%s of %s", l->url.owner, path);
	closefd(&fd);
	return rc;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unixpath.c: paths of unix sockets in the file system: is one alive, stale or
 * no socket at all, and whose is it to remove. Master only.
 */
#include <sys/stat.h>

#include <errno.h>

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

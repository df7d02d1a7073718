/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * binary.c: find, check and execute programs. Runs in the master, which may be
 * root, and in the process that tries a new binary. It reads no more of a
 * program than its first bytes: whether it is a tine is found out by trying it.
 */
#include "master/binary.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <bsd/string.h>

#include "shared/pathwalk.h"

#define SELF "/proc/self/exe"
#define GONE " (deleted)"

/* ---- what runs ---- */

static bool
is_file(const char *path, const struct stat *file)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_dev == file->st_dev &&
	    st.st_ino == file->st_ino;
}

/* argv[0] as a path from the top: "" when it is none, or too long. */
static void
from_the_top(const char *argv0, char dst[PATH_MAX])
{
	dst[0] = '\0';
	if (argv0[0] == '/') {
		if (strlcpy(dst, argv0, PATH_MAX) >= PATH_MAX)
			dst[0] = '\0';
		return;
	}
	while (strncmp(argv0, "./", 2) == 0)
		argv0 += 2 + strspn(argv0 + 2, "/");
	if (getcwd(dst, PATH_MAX) == NULL || dst[0] != '/' ||
	    (dst[1] != '\0' && strlcat(dst, "/", PATH_MAX) >= PATH_MAX) ||
	    strlcat(dst, argv0, PATH_MAX) >= PATH_MAX)
		dst[0] = '\0';
}

/* What the kernel calls it: freed of links, and of what it says of a file that
 * was removed or replaced since. */
static int
by_kernel(const struct stat *self, char dst[PATH_MAX])
{
	ssize_t n = readlink(SELF, dst, PATH_MAX - 1);
	size_t len, gone = strlen(GONE);

	if (n == -1)
		return -1;
	len = (size_t)n;
	dst[len] = '\0';
	if (len > gone && strcmp(dst + len - gone, GONE) == 0 &&
	    !is_file(dst, self))
		dst[len - gone] = '\0';
	return 0;
}

int
binary_init(struct binary *b, const char *argv0, struct err *err)
{
	struct stat self;

	b->path[0] = '\0';
	b->fd = open(SELF, O_RDONLY | O_CLOEXEC);
	if (b->fd == -1 || fstat(b->fd, &self) == -1) {
		err_sys(err, "open the running binary, %s", SELF);
		binary_fini(b);
		return err_hint(err, "an upgrade needs /proc");
	}
	if (argv0 != NULL && strchr(argv0, '/') != NULL)
		from_the_top(argv0, b->path);
	/* argv[0] is what the caller says, and may be a fancy. */
	if (b->path[0] != '\0' && is_file(b->path, &self))
		return 0;
	if (by_kernel(&self, b->path) == -1) {
		err_sys(err, "read %s", SELF);
		binary_fini(b);
		return -1;
	}
	return 0;
}

void
binary_fini(struct binary *b)
{
	closefd(&b->fd);
	b->path[0] = '\0';
}

/* ---- what an upgrade would run ---- */

/* What the kernel would say of it only after a fork, and not as well. */
static int
check_beginning(const char *path, int fd, struct err *err)
{
	char first[4];
	ssize_t n = pread(fd, first, sizeof(first), 0);

	if (n == -1)
		return err_sys(err, "read %s", path);
	if (n >= 2 && memcmp(first, "#!", 2) == 0) {
		err_set(err, EXIT_RUNTIME, "%s is a script", path);
		return err_hint(err,
		    "put the binary itself there: only a program can take the "
		    "place of a running one");
	}
	if (n < (ssize_t)sizeof(first) || memcmp(first, "\177ELF", 4) != 0) {
		err_set(err, EXIT_RUNTIME, "%s is not a program", path);
		return err_hint(err,
		    "was it copied whole? put the new binary there and try "
		    "again");
	}
	return 0;
}

static int
check_file(const char *path, int fd, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return err_sys(err, "%s", path);
	if (!S_ISREG(st.st_mode)) {
		err_set(err, EXIT_RUNTIME, "%s is not a file", path);
		return err_hint(err, "put the new binary there and try again");
	}
	if (faccessat(fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS) == -1) {
		err_sys(err, "%s cannot be executed", path);
		return err_hint(err,
		    "chmod +x %s, or mount its file system without noexec",
		    path);
	}
	return check_beginning(path, fd, err);
}

int
binary_open(const struct binary *b, struct err *err)
{
	int fd;

	if (b->fd == -1)
		return err_set(err, EXIT_RUNTIME,
		    "the running binary could not be opened at the start: "
		    "there would be no way back");
	fd = pathwalk_open(b->path, geteuid() == 0, err);
	if (fd == -1) {
		if (err->sys == ENOENT)
			err_hint(err,
			    "tine was started from there: put the new binary "
			    "there and try again");
		return -1;
	}
	if (check_file(b->path, fd, err) == -1)
		closefd(&fd);
	return fd;
}

/* ---- to become it ---- */

static const struct {
	int code;
	const char *why, *hint;
} reasons[] = {
	{ ENOEXEC, "is no program that this machine can run",
	    "was it copied whole, and built for this machine?" },
	{ EACCES, "cannot be executed",
	    "chmod +x, or mount its file system without noexec" },
	{ ENOENT, "needs a loader that is not here",
	    "was it built for this system? ldd shows what it needs" },
	{ ELIBBAD, "needs a loader that is no program",
	    "ldd shows what it needs" },
	{ ETXTBSY, "is being written", "try again when that is done" },
	{ E2BIG, "cannot be given its arguments", "" },
};

static int
explain(const char *name, struct err *err)
{
	int saved = errno;
	size_t i;

	for (i = 0; i < nitems(reasons); i++)
		if (reasons[i].code == saved) {
			err_set(err, EXIT_RUNTIME, "%s %s", name,
			    reasons[i].why);
			err->sys = saved;
			return err_hint(err, "%s", reasons[i].hint);
		}
	return err_sys(err, "execute %s", name);
}

/* Let them survive. Those that were not meant to are put first and counted, so
 * that exactly they can be changed back; -1: one of them is none. */
static int
clear(int *fds, size_t n, size_t *cleared)
{
	size_t i;
	int flags, fd;

	*cleared = 0;
	for (i = 0; i < n; i++) {
		fd = fds[i];
		flags = fcntl(fd, F_GETFD);
		if (flags == -1)
			return -1;
		if ((flags & FD_CLOEXEC) == 0)
			continue;
		if (fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC) == -1)
			return -1;
		fds[i] = fds[*cleared];
		fds[(*cleared)++] = fd;
	}
	return 0;
}

int
binary_exec(const struct binary_image *image, struct err *err)
{
	size_t cleared;

	if (clear(image->keep, image->nkeep, &cleared) == -1) {
		err_sys(err, "descriptors for %s", image->name);
	} else {
		(void)execveat(image->fd, "", image->argv, image->envp,
		    AT_EMPTY_PATH);
		(void)explain(image->name, err);
	}
	while (cleared > 0)
		(void)fcntl(image->keep[--cleared], F_SETFD, FD_CLOEXEC);
	return -1;
}

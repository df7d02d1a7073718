/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pidfile.c: make, lock, write and remove the pidfile. Master only, before it
 * serves and after. Root may be asked to write where others can write too, so
 * nothing is followed, and nothing is written into a file that is not plainly
 * an old pidfile of the same user.
 */
#include "master/pidfile.h"

#include <sys/stat.h>

#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "master/folder.h"
#include "master/master.h"

/* Each of them means that the file's holder has removed it just now. */
#define TRIES_MAX 10
#define PID_LETTERS 32

static int
open_file(const char *path, struct err *err)
{
	int fd = open(path,
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
	    0644);

	if (fd != -1)
		return fd;
	err_sys(err, "open %s", path);
	if (err->code != EXIT_NO_PERMISSION)
		err->code = EXIT_CANT_CREATE;
	if (err->sys == ELOOP)
		return err_hint(err,
		    "it is a symbolic link, which is never followed: name the "
		    "file itself");
	return err_hint(err,
	    "name a file in a folder that the user who starts tine can write");
}

/* A number and the end of the line, or nothing yet. */
static bool
is_pid(const char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length && isdigit((unsigned char)text[i]); i++)
		continue;
	if (i < length && text[i] == '\n')
		i++;
	return i == length;
}

static int
check_content(int fd, const char *path, struct err *err)
{
	char text[PID_LETTERS];
	ssize_t n = pread(fd, text, sizeof(text), 0);

	if (n == -1)
		return err_sys(err, "read %s", path);
	if ((size_t)n < sizeof(text) && is_pid(text, (size_t)n))
		return 0;
	err_set(err, EXIT_CANT_CREATE, "%s exists and is not a pidfile", path);
	return err_hint(err, "remove it, or name another file");
}

/* Whoever else can write the file chooses whom its readers will signal. */
static int
check_file(int fd, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return err_sys(err, "look at %s", path);
	if (!S_ISREG(st.st_mode)) {
		err_set(err, EXIT_CANT_CREATE,
		    "%s exists and is not a regular file", path);
		return err_hint(err, "remove it, or name another file");
	}
	if (st.st_uid != geteuid()) {
		err_set(err, EXIT_CANT_CREATE,
		    "%s belongs to another user (uid %lu)", path,
		    (unsigned long)st.st_uid);
		return err_hint(err, "remove it, or name another file");
	}
	if (st.st_nlink > 1 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		err_set(err, EXIT_CANT_CREATE, "%s %s", path,
		    st.st_nlink > 1 ? "has another name as well"
				    : "can be written by others");
		return err_hint(err, "remove it, or name another file");
	}
	return check_content(fd, path, err);
}

/* 0, or -1; err.sys is EAGAIN when its holder has let go meanwhile. */
static int
lock_file(int fd, const char *path, struct err *err)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char who[HOLDER_WHO_MAX];

	if (fcntl(fd, F_SETLK, &whole) == 0)
		return 0;
	if (errno != EAGAIN && errno != EACCES) {
		err_sys(err, "lock %s", path);
		return err_hint(err, "name a file on a local file system");
	}
	if (fcntl(fd, F_GETLK, &whole) == -1)
		return err_sys(err, "holder of %s", path);
	err_set(err, EXIT_UNAVAILABLE, "%s is held by %s", path,
	    holder_who(whole.l_pid, who, sizeof(who)));
	if (whole.l_type == F_UNLCK)
		err->sys = EAGAIN;
	return err_hint(err, "stop that server, or name another file");
}

static bool
is_at(int fd, const char *path)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 && lstat(path, &there) == 0 &&
	    ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

/* In place: a rename would give the file another inode, and the lock is on
 * this one. */
static int
write_pid(int fd, const char *path, struct err *err)
{
	char text[PID_LETTERS];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	ssize_t done = pwrite(fd, text, (size_t)n, 0);

	if (done == n && ftruncate(fd, n) == 0)
		return 0;
	/* A short write is what a full disk leaves of it. */
	if (done >= 0 && done < n)
		errno = ENOSPC;
	err_sys(err, "write %s", path);
	if (err->code == EXIT_SYSTEM)
		err->code = EXIT_CANT_CREATE;
	return -1;
}

/* A locked descriptor; -1 with EAGAIN in err.sys: try again. */
static int
try_open(const char *path, struct err *err)
{
	int fd = open_file(path, err);

	if (fd == -1)
		return -1;
	if (check_file(fd, path, err) == -1 || lock_file(fd, path, err) == -1) {
		closefd(&fd);
		return -1;
	}
	if (!is_at(fd, path)) {
		err_set(err, EXIT_UNAVAILABLE, "%s is removed again and again",
		    path);
		err_hint(err, "name another file");
		err->sys = EAGAIN;
		closefd(&fd);
		return -1;
	}
	if (write_pid(fd, path, err) == -1)
		pidfile_close(&fd, path);
	return fd;
}

int
pidfile_open(const char *path, struct err *err)
{
	int fd = -1, tries = 0;

	if (folder_check_for_root(path, err) == -1)
		return err_prefix(err, "pidfile");
	do {
		err->sys = 0;
		fd = try_open(path, err);
	} while (fd == -1 && err->sys == EAGAIN && ++tries < TRIES_MAX);
	return fd != -1 ? fd : err_prefix(err, "pidfile");
}

void
pidfile_close(int *fd, const char *path)
{
	if (*fd == -1)
		return;
	if (!is_at(*fd, path))
		log_warn("pidfile %s is no longer the one we made: left alone",
		    path);
	else if (unlink(path) == -1 && ftruncate(*fd, 0) == -1)
		log_sys(LOG_WARN, "remove pidfile %s", path);
	closefd(fd);
}

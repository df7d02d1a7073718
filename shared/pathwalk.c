/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pathwalk.c: from the top folder to a file, one name after another. Runs in
 * the master, which may be root, and in the processes that load a handler for a
 * server of root's. No name is looked up twice, so what was checked is what is
 * opened. Links are followed here and not by the kernel: the folder that holds
 * one decides as much as the folder it leads to.
 */
#include "shared/pathwalk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <bsd/string.h>

#define LINKS_MAX 40 /* as the kernel's */
#define NAME_ROOM (NAME_MAX + 2)

struct walk {
	const char *path;     /* as it was asked for */
	int at;               /* the folder that was reached */
	char names[PATH_MAX]; /* what is left of these begins at next */
	size_t next;
	int nlinks;
	bool is_strict;
};

/* For people: the folder that was reached, or one of its entries. */
static const char *
name_of(const struct walk *w, const char *entry, char dst[PATH_MAX])
{
	char link[64];
	ssize_t n;
	size_t len;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", w->at);
	n = readlink(link, dst, PATH_MAX - 1);
	if (n <= 0)
		return w->path;
	len = (size_t)n;
	if (entry != NULL && len > 1)
		dst[len++] = '/';
	dst[MIN_OF(len, PATH_MAX - 1)] = '\0';
	if (entry != NULL)
		(void)strlcat(dst, entry, PATH_MAX);
	return dst;
}

int
pathwalk_check(const char *what, const char *name, const struct stat *st,
    struct err *err)
{
	if (st->st_uid != 0) {
		err_set(err, EXIT_NO_PERMISSION,
		    "%s %s belongs to another user (uid %lu)", what, name,
		    (unsigned long)st->st_uid);
		return err_hint(err,
		    "what root runs must be root's: chown root %s", name);
	}
	/* A link's mode means nothing; in a sticky folder nobody can put
	 * something else in the place of what is root's. */
	if (S_ISLNK(st->st_mode) ||
	    (S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) != 0))
		return 0;
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		err_set(err, EXIT_NO_PERMISSION,
		    "%s %s can be written by others (mode %04o)", what, name,
		    (unsigned)st->st_mode & 07777U);
		return err_hint(err,
		    "what root runs must be root's alone: chmod go-w %s", name);
	}
	return 0;
}

static int
check(const struct walk *w, const char *what, const char *entry,
    const struct stat *st, struct err *err)
{
	char name[PATH_MAX];

	if (!w->is_strict)
		return 0;
	return pathwalk_check(what, name_of(w, entry, name), st, err);
}

/* Stand in this folder from here on; -1 closes nothing but it. */
static int
enter(struct walk *w, int folder, struct err *err)
{
	struct stat st;

	if (folder == -1)
		return err_sys(err, "%s", w->path);
	closefd(&w->at);
	w->at = folder;
	if (fstat(folder, &st) == -1)
		return err_sys(err, "%s", w->path);
	return check(w, "folder", NULL, &st, err);
}

static int
enter_top(struct walk *w, struct err *err)
{
	return enter(w, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), err);
}

/* Put what a link says in front of what is left. */
static int
follow(struct walk *w, const char *entry, struct err *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(w->at, entry, target, sizeof(target) - 1);

	if (n == -1)
		return err_sys(err, "%s", w->path);
	target[n] = '\0';
	errno = 0;
	if (++w->nlinks > LINKS_MAX)
		errno = ELOOP;
	else if (strlcat(target, "/", sizeof(target)) >= sizeof(target) ||
	    strlcat(target, w->names + w->next, sizeof(target)) >=
		sizeof(target))
		errno = ENAMETOOLONG;
	if (errno != 0)
		return err_sys(err, "%s", w->path);
	(void)strlcpy(w->names, target, sizeof(w->names));
	w->next = 0;
	return target[0] == '/' ? enter_top(w, err) : 0;
}

/* The next name, "" when there is none. */
static void
take_name(struct walk *w, char name[NAME_ROOM])
{
	const char *from = w->names + w->next;
	size_t blank = strspn(from, "/"), len = strcspn(from + blank, "/");

	/* One that is too long stays so, for the kernel to refuse. */
	(void)snprintf(name, NAME_ROOM, "%.*s", (int)MIN_OF(len, NAME_ROOM - 1),
	    from + blank);
	w->next += blank + len + strspn(from + blank + len, "/");
}

static int
open_last(const struct walk *w, const char *name, struct err *err)
{
	struct stat st;
	int fd = openat(w->at, name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd == -1 || fstat(fd, &st) == -1)
		err_sys(err, "%s", w->path);
	else if (check(w, "file", name, &st, err) == 0)
		return fd;
	closefd(&fd);
	return -1;
}

/* -1: it ends here, with the reason. 0: go on. 1: *fd is the file. */
static int
step(struct walk *w, int *fd, struct err *err)
{
	char name[NAME_ROOM];
	struct stat st;

	take_name(w, name);
	if (name[0] == '\0')
		return err_set(err, EXIT_NO_PERMISSION, "%s is a folder",
		    w->path);
	if (fstatat(w->at, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return err_sys(err, "%s", w->path);
	if (S_ISLNK(st.st_mode)) {
		if (check(w, "link", name, &st, err) == -1)
			return -1;
		return follow(w, name, err);
	}
	if (w->names[w->next] != '\0')
		return enter(w,
		    openat(w->at, name,
			O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
		    err);
	*fd = open_last(w, name, err);
	return *fd == -1 ? -1 : 1;
}

int
pathwalk_open(const char *path, bool must_be_roots, struct err *err)
{
	struct walk w = { .path = path, .at = -1, .is_strict = must_be_roots };
	int fd = -1, rc;

	if (strlcpy(w.names, path, sizeof(w.names)) >= sizeof(w.names)) {
		errno = ENAMETOOLONG;
		return err_sys(err, "%.64s...", path);
	}
	rc = enter_top(&w, err);
	while (rc == 0)
		rc = step(&w, &fd, err);
	closefd(&w.at);
	return fd;
}

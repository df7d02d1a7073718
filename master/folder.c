/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * folder.c: the folder of the control socket: made, and checked before
 * anything is made in it. Runs in the master before it serves.
 */
#include "master/folder.h"

#include <sys/stat.h>

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

/* The folder that holds path, "." for a bare name. */
static int
parent_of(const char *path, char dst[PATH_MAX], struct err *err)
{
	char *slash;

	if (strlcpy(dst, path, PATH_MAX) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return err_sys(err, "%.64s...", path);
	}
	slash = strrchr(dst, '/');
	if (slash == NULL) {
		(void)strlcpy(dst, ".", PATH_MAX);
		return 0;
	}
	/* lstat() of "link/" would see what the link leads to. */
	while (slash > dst && slash[-1] == '/')
		slash--;
	slash[slash == dst] = '\0';
	return 0;
}

/* A system error whose exit code is 73 unless permission is what lacks. */
static int
cannot(struct err *err, const char *what, const char *folder)
{
	err_sys(err, "%s %s", what, folder);
	if (err->code == EXIT_SYSTEM)
		err->code = EXIT_CANT_CREATE;
	return -1;
}

int
folder_make(const char *path, mode_t mode, struct err *err)
{
	char folder[PATH_MAX];

	if (parent_of(path, folder, err) == -1)
		return -1;
	if (mkdir(folder, mode) == 0 || errno == EEXIST)
		return 0;
	cannot(err, "make folder", folder);
	return err_hint(err, "name another path with --control, or none");
}

static int
refuse_link(const char *folder, struct err *err)
{
	char real[PATH_MAX];

	err_set(err, EXIT_CANT_CREATE, "folder %s is a symbolic link", folder);
	if (realpath(folder, real) == NULL)
		return err_hint(err, "name a path without links");
	return err_hint(err, "name the path through %s", real);
}

static int
check_stat(const char *folder, const struct stat *st, struct err *err)
{
	bool is_open = (st->st_mode & (S_IWGRP | S_IWOTH)) != 0;

	if (S_ISLNK(st->st_mode))
		return refuse_link(folder, err);
	if (!S_ISDIR(st->st_mode)) {
		err_set(err, EXIT_CANT_CREATE, "%s is not a folder", folder);
		return err_hint(err, "remove it, or name another path");
	}
	if (st->st_uid != 0 && st->st_uid != geteuid()) {
		err_set(err, EXIT_CANT_CREATE,
		    "folder %s belongs to another user (uid %lu)", folder,
		    (unsigned long)st->st_uid);
		return err_hint(err, "name a path in a folder of your own");
	}
	if (is_open && !(st->st_uid == 0 && (st->st_mode & S_ISVTX) != 0)) {
		err_set(err, EXIT_CANT_CREATE,
		    "folder %s can be written by others (mode %04o)", folder,
		    (unsigned)st->st_mode & 07777U);
		return err_hint(err,
		    "chmod go-w %s, or name a path in a folder of your own",
		    folder);
	}
	return 0;
}

int
folder_check(const char *path, struct err *err)
{
	char folder[PATH_MAX];
	struct stat st;

	if (parent_of(path, folder, err) == -1)
		return -1;
	if (lstat(folder, &st) == 0)
		return check_stat(folder, &st, err);
	cannot(err, "folder", folder);
	return err_hint(err, "make it first, or name another path");
}

int
folder_check_for_root(const char *path, struct err *err)
{
	char folder[PATH_MAX];
	struct stat st;

	if (parent_of(path, folder, err) == -1)
		return -1;
	if (stat(folder, &st) == -1) {
		cannot(err, "folder", folder);
		return err_hint(err, "make it first, or name another path");
	}
	if (geteuid() != 0)
		return 0;
	/* Root's own links, such as /var/run, are as good as folders. */
	return check_stat(folder, &st, err);
}

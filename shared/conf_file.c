/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conf_file.c: open the files of a configuration: by name, all of a folder, by
 * pattern. Runs in the checker, still with the rights of who started tine, and
 * in the process of -X. Reads no byte of a file.
 */
#include "shared/conf_file.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct search {
	const struct conf *said;
	bool is_include;
	conf_give *give;
	void *arg;
};

/* What an error of the system means to the operator. */
static void
fail(const struct search *s, const char *name, const char *what)
{
	struct err err;

	err_sys(&err, "%s %s", what, name);
	if (err.sys == ENOENT || err.sys == ENOTDIR) {
		err.code = EXIT_BAD_CONFIG;
		err_hint(&err, "%s",
		    name[0] == '/'      ? "is the name right?"
			: s->is_include ? "a relative path means the folder of "
					  "the file that includes it"
					: "a relative path means the folder "
					  "that tine was started in");
	} else if (err.code == EXIT_NO_PERMISSION)
		err_hint(&err,
		    "the user who starts tine must be able to read "
		    "it");
	s->give(s->arg, name, -1, &err);
}

static int
check_kind(const struct stat *st, const char *name, struct err *err)
{
	if (S_ISREG(st->st_mode) && st->st_size <= CONF_FILE_BYTES_MAX)
		return 0;
	err_set(err, EXIT_BAD_CONFIG, "configuration file %s: %s", name,
	    S_ISREG(st->st_mode) ? "too large" : "not a regular file");
	return S_ISREG(st->st_mode)
	    ? err_hint(err, "at most %d bytes; include others",
		  CONF_FILE_BYTES_MAX)
	    : err_hint(err, "a text file, or a folder with *.yaml in it");
}

/* Who can write root's configuration is root. */
static int
check_owner(const struct stat *st, const char *name, struct err *err)
{
	if (geteuid() != 0)
		return 0;
	if (st->st_uid != 0) {
		err_set(err, EXIT_BAD_CONFIG,
		    "configuration file %s: it belongs to user %u", name,
		    st->st_uid);
		return err_hint(err, "root's is root's own: chown root %s",
		    name);
	}
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		err_set(err, EXIT_BAD_CONFIG,
		    "configuration file %s: others may write it (mode %04o)",
		    name, st->st_mode & 07777);
		return err_hint(err, "root's is root's own: chmod go-w %s",
		    name);
	}
	return 0;
}

/* path is where it is, name how it is called. */
static void
open_file(const struct search *s, const char *path, const char *name)
{
	struct err err;
	struct stat st;
	int fd;

	/* Not to wait for the other end of a FIFO. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd == -1 || fstat(fd, &st) == -1) {
		fail(s, name, "configuration file");
		closefd(&fd);
	} else if (check_kind(&st, name, &err) == -1 ||
	    check_owner(&st, name, &err) == -1) {
		closefd(&fd);
		s->give(s->arg, name, -1, &err);
	} else
		s->give(s->arg, name, fd, NULL);
}

static bool
is_yaml(const char *name)
{
	size_t letters = strlen(name);

	return (letters > 5 && strcmp(name + letters - 5, ".yaml") == 0) ||
	    (letters > 4 && strcmp(name + letters - 4, ".yml") == 0);
}

static int
is_wanted(const struct dirent *e)
{
	size_t letters = strlen(e->d_name);

	return e->d_name[0] != '.' && letters > 5 &&
	    strcmp(e->d_name + letters - 5, ".yaml") == 0;
}

static void
open_folder(const struct search *s, const char *path, const char *name)
{
	char file[PATH_MAX], called[PATH_MAX];
	const char *slash = name[strlen(name) - 1] == '/' ? "" : "/";
	struct dirent **list;
	int i, n = scandir(path, &list, is_wanted, alphasort);

	if (n == -1) {
		fail(s, name, "configuration folder");
		return;
	}
	for (i = 0; i < n; i++) {
		if (snprintf(file, sizeof(file), "%s/%s", path,
			list[i]->d_name) < (int)sizeof(file) &&
		    snprintf(called, sizeof(called), "%s%s%s", name, slash,
			list[i]->d_name) < (int)sizeof(called))
			open_file(s, file, called);
		else {
			errno = ENAMETOOLONG;
			fail(s, list[i]->d_name, "configuration file");
		}
		free(list[i]);
	}
	free(list);
}

static bool
is_said(const struct conf *said, const char *path)
{
	size_t i;

	for (i = 0; i < said->nfiles; i++)
		if (strcmp(said->files[i], path) == 0)
			return true;
	return false;
}

/* The name without the folder that relative paths mean. */
static const char *
shorten(const struct search *s, const char *path, const char *asked)
{
	size_t letters = s->said->folder == NULL ? 0 : strlen(s->said->folder);

	if (asked[0] == '/' || letters == 0 ||
	    strncmp(path, s->said->folder, letters) != 0)
		return path;
	return path + letters + strspn(path + letters, "/");
}

/* A folder that is not there matches nothing. */
static int
on_glob_error(const char *path, int error)
{
	(void)path;
	errno = error;
	return error != ENOENT;
}

static void
open_pattern(const struct search *s, const char *pattern, const char *asked)
{
	glob_t found;
	size_t i;
	int rc = glob(pattern, 0, on_glob_error, &found);

	/* A pattern may match nothing, a name must be there. */
	if (rc == 0)
		for (i = 0; i < found.gl_pathc; i++)
			open_file(s, found.gl_pathv[i],
			    shorten(s, found.gl_pathv[i], asked));
	else if (rc == GLOB_NOMATCH && strpbrk(asked, "*?[") == NULL)
		open_file(s, pattern, asked);
	else if (rc != GLOB_NOMATCH)
		fail(s, asked, "include");
	globfree(&found);
}

void
conf_file_open(const struct conf *said, const struct conf_ask *ask,
    conf_give *give, void *arg)
{
	const struct search s = { said, ask->is_include, give, arg };
	struct stat st;
	struct err err;
	char *path = conf_path(said, ask->path);

	if (path == NULL) {
		fail(&s, ask->path, "memory for");
	} else if (ask->is_include && !is_yaml(ask->path)) {
		err_set(&err, EXIT_BAD_CONFIG,
		    "include %s: not the name of a configuration file",
		    ask->path);
		err_hint(&err, "a name that ends in .yaml or .yml");
		give(arg, ask->path, -1, &err);
	} else if (ask->is_include) {
		open_pattern(&s, path, ask->path);
	} else if (!is_said(said, ask->path)) {
		errno = EPERM;
		fail(&s, ask->path, "configuration file");
	} else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		open_folder(&s, path, ask->path);
	} else
		open_file(&s, path, ask->path);
	free(path);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conf_load.c: in which order files, includes and command line are read, and
 * who wins: a later file over an earlier one, an included file over the one
 * that names it, the command line over all files, -o over all. Servers are
 * never replaced, they add up. Runs without privileges: files are opened by
 * somebody else.
 */
#include "shared/conf_load.h"

#include <sys/stat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "shared/conf_shape.h"

#define FILES_MAX 256

/* A file that was given to us. */
struct file {
	char *name;
	dev_t dev;
	ino_t ino;
	char *include; /* where it is included, or NULL */
};

struct load {
	struct conf *conf;
	const struct conf *said;
	conf_opener *open;
	void *open_arg;
	struct origin_list *origins;
	struct report *report;
	struct file files[FILES_MAX];
	size_t nfiles;
	const struct file *current;
	const struct origin *include_at; /* what is being included, or NULL */
	/* Patterns that were met and are still to be read, in this order. */
	struct {
		char *pattern;
		struct origin at;
	} includes[FILES_MAX];
	size_t nincludes;
};

static void
fail(struct load *l, const struct origin *at, const struct err *err)
{
	struct err plain = *err;

	/* On the command line "not built yet" is a matter of usage. */
	if (plain.code == EXIT_BAD_USAGE)
		plain.code = EXIT_BAD_CONFIG;
	report_error(l->report, at, &plain);
}

/* ---- what stands in a file ---- */

static void
note(struct load *l, const char *key, const struct origin *at)
{
	struct err err;

	if (origin_add(l->origins, key, at, &err) == -1)
		fail(l, at, &err);
}

/* The server whose list of URLs this key is, or NULL. */
static struct conf_server *
listener_of(const struct load *l, const char *key)
{
	char *end;
	size_t index;

	if (strncmp(key, "servers.", strlen("servers.")) != 0)
		return NULL;
	index = strtoul(key + strlen("servers."), &end, 10);
	return strcmp(end, ".listen") == 0 && index < l->conf->nservers
	    ? &l->conf->servers[index]
	    : NULL;
}

/* "servers.0.listen" becomes "servers.0.listen.2", its place in the list. */
static void
note_listen(struct load *l, const char *key, const struct origin *at)
{
	const struct conf_server *s = listener_of(l, key);
	char longer[128];

	if (s == NULL)
		return;
	(void)snprintf(longer, sizeof(longer), "%s.%zu", key, s->nlistens);
	note(l, longer, at);
}

static bool
set(void *arg, const char *key, const char *value, const struct origin *at)
{
	struct load *l = arg;
	struct err err;

	note(l, key, at);
	note_listen(l, key, at);
	if (conf_set(l->conf, key, value, &err) == -1)
		fail(l, at, &err);
	return !report_is_full(l->report);
}

static bool
begin_server(void *arg, const char *key, const struct origin *at)
{
	struct load *l = arg;
	struct err err;

	note(l, key, at);
	if (conf_add_server(l->conf, &err) == -1)
		fail(l, at, &err);
	return !report_is_full(l->report);
}

static bool
on_fail(void *arg, const struct origin *at, const struct err *err)
{
	struct load *l = arg;

	fail(l, at, err);
	return !report_is_full(l->report);
}

/* Relative to the folder of the file that says it. */
static char *
beside(const char *file, const char *pattern)
{
	const char *slash = strrchr(file, '/');
	int letters = slash == NULL ? 0 : (int)(slash - file) + 1;
	char *path = NULL;

	if (pattern[0] == '/')
		return strdup(pattern);
	return asprintf(&path, "%.*s%s", letters, file, pattern) == -1 ? NULL
								       : path;
}

static bool
add_include(void *arg, const char *pattern, const struct origin *at)
{
	struct load *l = arg;
	struct err err;
	char *path = NULL;

	if (l->nincludes == FILES_MAX)
		err_set(&err, EXIT_BAD_CONFIG, "include %s: too many", pattern);
	else if ((path = beside(l->current->name, pattern)) == NULL)
		err_sys(&err, "include %s", pattern);
	if (path == NULL) {
		fail(l, at, &err);
		return !report_is_full(l->report);
	}
	l->includes[l->nincludes].pattern = path;
	l->includes[l->nincludes].at = *at;
	l->nincludes++;
	return true;
}

/* ---- files ---- */

/* The file's text, malloc'ed, with a null byte behind it. */
static char *
read_text(int fd, const char *name, size_t *len, struct err *err)
{
	char *text = malloc(CONF_FILE_BYTES_MAX + 2);
	ssize_t n = 1;

	*len = 0;
	while (text != NULL && n > 0 && *len <= CONF_FILE_BYTES_MAX) {
		n = pread(fd, text + *len, CONF_FILE_BYTES_MAX + 1 - *len,
		    (off_t)*len);
		if (n > 0)
			*len += (size_t)n;
	}
	if (text != NULL && n == 0) {
		text[*len] = '\0';
		return text;
	}
	if (text != NULL && n > 0)
		err_set(err, EXIT_BAD_CONFIG,
		    "configuration file %s: too large", name);
	else
		err_sys(err, "configuration file %s", name);
	free(text);
	return NULL;
}

/* A file read twice would have each of its servers twice; one that includes
 * itself would have no end. */
static struct file *
remember(struct load *l, const char *name, const struct stat *st,
    struct err *err)
{
	struct file *f;
	char where[512] = "";

	if (l->nfiles == FILES_MAX) {
		err_set(err, EXIT_BAD_CONFIG,
		    "configuration file %s: too many files", name);
		err_hint(err, "at most %d", FILES_MAX);
		return NULL;
	}
	for (f = l->files; f < l->files + l->nfiles; f++)
		if (f->dev == st->st_dev && f->ino == st->st_ino) {
			err_set(err, EXIT_BAD_CONFIG,
			    "configuration file %s is read already", name);
			err_hint(err, "a file is read once; %s was named by %s",
			    f->name, f->include == NULL ? "-c" : f->include);
			return NULL;
		}
	if (l->include_at != NULL)
		(void)snprintf(where, sizeof(where), "%s:%u",
		    l->include_at->where, l->include_at->line);
	f->name = strdup(name);
	f->include = where[0] == '\0' ? NULL : strdup(where);
	if (f->name == NULL || (where[0] != '\0' && f->include == NULL)) {
		err_sys(err, "configuration file %s", name);
		free(f->name);
		free(f->include);
		return NULL;
	}
	f->dev = st->st_dev;
	f->ino = st->st_ino;
	l->nfiles++;
	return f;
}

static void
read_file(struct load *l, struct file *f, const char *text, size_t len)
{
	const struct conf_shape_sink sink = { .arg = l,
		.set = set,
		.server = begin_server,
		.include = add_include,
		.fail = on_fail };
	struct origin top = { .where = f->name, .line = 1, .column = 1 };
	size_t before = l->conf->nservers;
	char key[64];
	struct err err;
	int rc;

	/* What the file should have and has not is missed at its top. */
	origin_show(&top, text, 0, strcspn(text, "\r\n"));
	note(l, "servers", &top);
	l->current = f;
	rc = conf_shape_read(f->name, text, len, before, &sink, &err);
	if (rc == -1)
		fail(l, NULL, &err);
	if (rc != 1 || l->conf->nservers == before)
		return;
	/* Nobody knows what the rest says of the last server. */
	(void)snprintf(key, sizeof(key), "servers.%zu.listen",
	    l->conf->nservers - 1);
	note(l, key, &top);
}

/* One file was opened for us. */
static void
take_file(void *arg, const char *name, int fd, const struct err *why)
{
	struct load *l = arg;
	struct file *f = NULL;
	struct stat st;
	struct err err;
	char *text = NULL;
	size_t len;

	if (fd == -1) {
		fail(l, l->include_at, why);
		return;
	}
	if (fstat(fd, &st) == -1)
		err_sys(&err, "configuration file %s", name);
	else if ((f = remember(l, name, &st, &err)) != NULL)
		text = read_text(fd, name, &len, &err);
	closefd(&fd);
	if (text == NULL)
		fail(l, l->include_at, &err);
	else
		read_file(l, f, text, len);
	free(text);
}

static void
ask(struct load *l, bool is_include, const char *path)
{
	struct conf_ask a = { .is_include = is_include };
	struct err err;

	if (strlcpy(a.path, path, sizeof(a.path)) >= sizeof(a.path)) {
		err_set(&err, EXIT_BAD_CONFIG,
		    "configuration file %.60s...: too long", path);
		fail(l, l->include_at, &err);
	} else if (l->open != NULL)
		l->open(l->open_arg, &a, take_file, l);
	else
		conf_file_open(l->said, &a, take_file, l);
}

/* What a file includes is read before the next -c, what that includes behind
 * it, and so on. */
static void
read_named(struct load *l, const char *path)
{
	size_t i;

	ask(l, false, path);
	for (i = 0; i < l->nincludes; i++) {
		l->include_at = &l->includes[i].at;
		ask(l, true, l->includes[i].pattern);
	}
	l->include_at = NULL;
	while (l->nincludes > 0)
		free(l->includes[--l->nincludes].pattern);
}

/* ---- the command line ---- */

static bool
is_said_before(const struct conf *said, const struct conf_setting *setting)
{
	const struct conf_setting *s;

	for (s = said->settings; s < setting; s++)
		if (strcmp(s->key, setting->key) == 0)
			return true;
	return false;
}

static void
apply_setting(struct load *l, const struct conf_setting *setting)
{
	struct origin at = { .where = setting->name };
	struct conf_server *s = listener_of(l, setting->key);

	/* It wins over what the files say, so it does not add to it. */
	if (s != NULL && !is_said_before(l->said, setting))
		s->nlistens = 0;
	(void)set(l, setting->key, setting->value, &at);
}

static void
apply_command_line(struct load *l)
{
	const struct conf *said = l->said;
	struct err err;
	size_t i;

	l->conf->is_daemon = said->is_daemon;
	if (conf_append(l->conf, said, &err) == -1)
		fail(l, NULL, &err);
	for (i = 0; i < said->nsettings; i++)
		apply_setting(l, &said->settings[i]);
}

/* Who dispatches has to say how, and the kernel has no part in it. */
static void
choose_balance(struct load *l)
{
	if (l->conf->accept == CONF_ACCEPT_DISPATCH &&
	    !origin_has(l->origins, "balance"))
		l->conf->balance = CONF_BALANCE_ROUND_ROBIN;
}

void
conf_load(struct conf *conf, const struct conf *said, conf_opener *open,
    void *open_arg, struct origin_list *origins, struct report *report)
{
	struct load *l = calloc(1, sizeof(*l));
	struct err err;
	size_t i;

	conf_init(conf);
	if (l == NULL) {
		err_sys(&err, "memory for the configuration");
		report_error(report, NULL, &err);
		return;
	}
	l->conf = conf;
	l->said = said;
	l->open = open;
	l->open_arg = open_arg;
	l->origins = origins;
	l->report = report;
	for (i = 0; i < said->nfiles; i++)
		read_named(l, said->files[i]);
	apply_command_line(l);
	choose_balance(l);
	for (i = 0; i < l->nfiles; i++) {
		free(l->files[i].name);
		free(l->files[i].include);
	}
	free(l);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conf.c: the configuration: its life, its keys and its text form. The
 * checker prints what an operator wrote as text; the master and the children
 * parse that text and nothing else. Opens no file and looks no name up: see
 * resolve.c.
 */
#include "shared/conf.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "shared/directive.h"
#include "shared/own.h"
#include "shared/value.h"

#define SERVERS_MAX 1024

static void
server_fini(struct conf_server *s)
{
	size_t i;

	for (i = 0; i < s->noptions; i++) {
		free(s->options[i].key);
		free(s->options[i].value);
	}
	free(s->options);
	free(s->listens);
	directive_fini(DIRECTIVE_SERVER, s);
}

void
conf_init(struct conf *conf)
{
	struct err err;
	int rc;

	memset(conf, 0, sizeof(*conf));
	/* Only a default that its own row refuses can fail here, and a process
	 * with no memory left for the first word of its configuration. */
	rc = directive_init(DIRECTIVE_CONF, conf, &err);
	assert(rc == 0);
	(void)rc;
}

static void
free_setting(struct conf_setting *s)
{
	free(s->name);
	free(s->key);
	free(s->value);
}

static void
free_said(struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->nfiles; i++)
		free(conf->files[i]);
	for (i = 0; i < conf->nsettings; i++)
		free_setting(&conf->settings[i]);
	free(conf->files);
	free(conf->settings);
	conf->files = NULL;
	conf->settings = NULL;
	conf->nfiles = 0;
	conf->nsettings = 0;
}

void
conf_free(struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->nservers; i++)
		server_fini(&conf->servers[i]);
	free(conf->servers);
	free(conf->admin_listens);
	directive_fini(DIRECTIVE_CONF, conf);
	conf->admin_listens = NULL;
	conf->nadmin_listens = 0;
	conf->servers = NULL;
	conf->nservers = 0;
	free_said(conf);
}

/* ---- what only the command line says ---- */

int
conf_add_file(struct conf *conf, const char *path, struct err *err)
{
	char **grown =
	    reallocarray(conf->files, conf->nfiles + 1, sizeof(*grown));

	if (grown == NULL)
		return err_sys(err, "configuration file %s", path);
	conf->files = grown;
	grown[conf->nfiles] = strdup(path);
	if (grown[conf->nfiles] == NULL)
		return err_sys(err, "configuration file %s", path);
	conf->nfiles++;
	return 0;
}

int
conf_add_setting(struct conf *conf, const char *name, const char *key,
    const char *value, struct err *err)
{
	struct conf_setting *grown =
	    reallocarray(conf->settings, conf->nsettings + 1, sizeof(*grown));
	struct conf_setting *s;

	if (grown == NULL)
		return err_sys(err, "%s %s", name, key);
	conf->settings = grown;
	s = &grown[conf->nsettings];
	s->name = strdup(name);
	s->key = strdup(key);
	s->value = strdup(value);
	if (s->name != NULL && s->key != NULL && s->value != NULL) {
		conf->nsettings++;
		return 0;
	}
	err_sys(err, "%s %s", name, key);
	free_setting(s);
	return -1;
}

/* ---- keys ---- */

static bool
is_listed(const struct conf *conf, const struct url *u)
{
	char one[URL_TEXT_MAX], two[URL_TEXT_MAX];
	size_t i, k;

	/* Port 0 is a new port each time. */
	if (u->scheme != URL_UNIX && u->port == 0)
		return false;
	(void)url_print_short(u, one, sizeof(one));
	for (i = 0; i < conf->nservers; i++)
		for (k = 0; k < conf->servers[i].nlistens; k++) {
			(void)url_print_short(&conf->servers[i].listens[k], two,
			    sizeof(two));
			if (strcmp(one, two) == 0)
				return true;
		}
	return false;
}

static int
append_url(struct url **urls, size_t *n, const struct url *u, struct err *err)
{
	struct url *grown = reallocarray(*urls, *n + 1, sizeof(*grown));

	if (grown == NULL)
		return err_sys(err, "list of listen URLs");
	*urls = grown;
	grown[(*n)++] = *u;
	return 0;
}

static int
add_listen(struct conf *conf, struct conf_server *s, const char *text,
    struct err *err)
{
	struct url u;

	if (url_parse(&u, text, err) == -1)
		return -1;
	if (is_listed(conf, &u)) {
		err_set(err, EXIT_BAD_CONFIG, "listen URL %s is given twice",
		    text);
		return err_hint(err, "one server listens on an address");
	}
	return append_url(&s->listens, &s->nlistens, &u, err);
}

/* Derived: what conf_resolve() made of the one URL that was said. */
static int
add_admin(struct conf *conf, const char *text, struct err *err)
{
	struct url u;

	return url_parse(&u, text, err) == -1
	    ? -1
	    : append_url(&conf->admin_listens, &conf->nadmin_listens, &u, err);
}

static bool
is_option_key(const char *key)
{
	size_t i;

	for (i = 0; isalnum((unsigned char)key[i]) ||
	     (key[i] != '\0' && strchr("-_.", key[i]) != NULL);
	     i++)
		continue;
	return i > 0 && key[i] == '\0';
}

static struct conf_option *
find_option(struct conf_server *s, const char *key)
{
	size_t i;

	for (i = 0; i < s->noptions; i++)
		if (strcmp(s->options[i].key, key) == 0)
			return &s->options[i];
	return NULL;
}

static int
set_option(struct conf_server *s, const char *key, const char *value,
    struct err *err)
{
	struct conf_option *o = find_option(s, key), *grown, fresh;

	fresh.value = strdup(value);
	if (fresh.value == NULL)
		return err_sys(err, "option %s", key);
	if (o != NULL) {
		free(o->value);
		o->value = fresh.value;
		return 0;
	}
	fresh.key = strdup(key);
	grown = reallocarray(s->options, s->noptions + 1, sizeof(*grown));
	if (grown != NULL)
		s->options = grown;
	if (fresh.key == NULL || grown == NULL) {
		err_sys(err, "option %s", key);
		free(fresh.key);
		free(fresh.value);
		return -1;
	}
	s->options[s->noptions++] = fresh;
	return 0;
}

/* Where a program brings a handler, that is the default. */
static int
set_own_handler(struct conf_server *s, struct err *err)
{
	const char *near;

	return own_name() == NULL
	    ? 0
	    : directive_set(directive_find(DIRECTIVE_SERVER, "handler", &near),
		  s, own_name(), err);
}

/* The server of an index that exists, or the next one, which comes to be. */
static struct conf_server *
get_server(struct conf *conf, size_t index, struct err *err)
{
	struct conf_server *grown, *s;

	if (index < conf->nservers)
		return &conf->servers[index];
	if (index > conf->nservers || index >= SERVERS_MAX) {
		err_set(err, EXIT_BAD_CONFIG, "there is no servers.%zu", index);
		err_hint(err, "servers are numbered from 0 without a gap");
		return NULL;
	}
	grown = reallocarray(conf->servers, index + 1, sizeof(*grown));
	if (grown == NULL) {
		err_sys(err, "servers.%zu", index);
		return NULL;
	}
	conf->servers = grown;
	s = &grown[index];
	memset(s, 0, sizeof(*s));
	if (directive_init(DIRECTIVE_SERVER, s, err) == -1 ||
	    set_own_handler(s, err) == -1) {
		server_fini(s);
		return NULL;
	}
	conf->nservers++;
	return s;
}

int
conf_add_server(struct conf *conf, struct err *err)
{
	return get_server(conf, conf->nservers, err) == NULL ? -1 : 0;
}

static int
unknown_key(const char *key, const char *prefix, size_t prefix_length,
    const char *near, struct err *err)
{
	err_set(err, EXIT_BAD_CONFIG, "unknown key \"%s\"", key);
	if (near != NULL)
		err_hint(err, "did you mean \"%.*s%s\"?", (int)prefix_length,
		    prefix, near);
	return -1;
}

static int
set_server_key(struct conf *conf, const char *key, const char *value,
    bool with_derived, struct err *err)
{
	static const char options[] = "options.";
	const char *number = key + strlen("servers."), *rest, *near = NULL;
	const struct directive *d = NULL;
	struct conf_server *s;
	char *end;
	size_t index;

	index = strtoul(number, &end, 10);
	if (!isdigit((unsigned char)*number) || *end != '.') {
		err_set(err, EXIT_BAD_CONFIG, "unknown key \"%s\"", key);
		return err_hint(err,
		    "a server has a number: servers.0.handler");
	}
	rest = end + 1;
	if (strncmp(rest, options, strlen(options)) == 0) {
		rest += strlen(options);
		if (!is_option_key(rest)) {
			err_set(err, EXIT_BAD_CONFIG,
			    "\"%s\" is not the name of an option", rest);
			return err_hint(err, "letters, digits, - _ and .");
		}
	} else {
		d = directive_find(DIRECTIVE_SERVER, rest, &near);
		if (d == NULL || d->kind == DIRECTIVE_OPTIONS ||
		    (d->is_derived && !with_derived))
			return unknown_key(key, key, (size_t)(rest - key), near,
			    err);
	}
	s = get_server(conf, index, err);
	if (s == NULL)
		return -1;
	if (d == NULL)
		return set_option(s, rest, value, err);
	if (d->kind == DIRECTIVE_LISTEN)
		return add_listen(conf, s, value, err);
	return directive_set(d, s, value, err) == 0
	    ? 0
	    : err_prefix(err, "%s", key);
}

static int
set_key(struct conf *conf, const char *key, const char *value,
    bool with_derived, struct err *err)
{
	const struct directive *d;
	const char *near = NULL;

	if (strncmp(key, "servers.", strlen("servers.")) == 0)
		return set_server_key(conf, key, value, with_derived, err);
	d = directive_find(DIRECTIVE_CONF, key, &near);
	if (d == NULL || (d->is_derived && !with_derived))
		return unknown_key(key, "", 0, near, err);
	if (d->kind == DIRECTIVE_LISTEN)
		return add_admin(conf, value, err);
	return directive_set(d, conf, value, err) == 0
	    ? 0
	    : err_prefix(err, "%s", key);
}

int
conf_set(struct conf *conf, const char *key, const char *value, struct err *err)
{
	return set_key(conf, key, value, false, err);
}

/* ---- text ---- */

static void
print_urls(const char *prefix, const char *key, const struct url *urls,
    size_t n, FILE *f)
{
	char text[URL_TEXT_MAX];
	size_t i;

	for (i = 0; i < n; i++) {
		(void)fprintf(f, "%s%s=", prefix, key);
		directive_print_text(url_print(&urls[i], text, sizeof(text)),
		    f);
		(void)fputc('\n', f);
	}
}

static void
print_server(const struct conf_server *s, size_t index, FILE *f)
{
	char prefix[40];
	const struct directive *d;
	size_t i, n;

	(void)snprintf(prefix, sizeof(prefix), "servers.%zu.", index);
	d = directive_table(DIRECTIVE_SERVER, &n);
	for (i = 0; i < n; i++)
		if (d[i].kind != DIRECTIVE_LISTEN &&
		    d[i].kind != DIRECTIVE_OPTIONS)
			directive_print(&d[i], s, prefix, f);
	print_urls(prefix, "listen", s->listens, s->nlistens, f);
	for (i = 0; i < s->noptions; i++) {
		(void)fprintf(f, "%soptions.%s=", prefix, s->options[i].key);
		directive_print_text(s->options[i].value, f);
		(void)fputc('\n', f);
	}
}

int
conf_print(const struct conf *conf, FILE *f)
{
	const struct directive *d;
	size_t i, n;

	d = directive_table(DIRECTIVE_CONF, &n);
	for (i = 0; i < n; i++)
		if (d[i].kind == DIRECTIVE_LISTEN)
			print_urls("", d[i].key, conf->admin_listens,
			    conf->nadmin_listens, f);
		else
			directive_print(&d[i], conf, "", f);
	for (i = 0; i < conf->nservers; i++)
		print_server(&conf->servers[i], i, f);
	return ferror(f) || fflush(f) == EOF ? -1 : 0;
}

/* line is ended by a null byte and has no other. */
static int
parse_line(struct conf *conf, char *line, struct err *err)
{
	char *value = strchr(line, '=');
	ssize_t length;

	if (value == NULL)
		return err_set(err, EXIT_BAD_CONFIG, "no = in \"%s\"", line);
	*value++ = '\0';
	/* Resolving an escape only makes a text shorter. */
	length = value_unescape(value, value, err);
	if (length == -1)
		return err_prefix(err, "%s", line);
	if (strlen(value) != (size_t)length)
		return err_set(err, EXIT_BAD_CONFIG, "%s: null byte", line);
	return set_key(conf, line, value, true, err);
}

int
conf_parse(struct conf *conf, const char *text, size_t len, struct err *err)
{
	char *copy = malloc(len + 1), *line, *end;
	size_t number = 1;
	int rc = 0;

	if (copy == NULL)
		return err_sys(err, "configuration of %zu bytes", len);
	memcpy(copy, text, len);
	copy[len] = '\0';
	for (line = copy; line < copy + len && rc == 0; line = end + 1) {
		end = memchr(line, '\n', (size_t)(copy + len - line));
		if (end == NULL || strlen(line) < (size_t)(end - line)) {
			rc = err_set(err, EXIT_BAD_CONFIG,
			    end == NULL ? "the line is not ended"
					: "null byte in the line");
			break;
		}
		*end = '\0';
		rc = parse_line(conf, line, err);
		number += rc == 0;
	}
	free(copy);
	return rc == 0 ? 0 : err_prefix(err, "configuration line %zu", number);
}

/* The servers of `from` behind those of conf, line by line, for a line that is
 * refused is no reason to leave the others out. */
static int
append_lines(struct conf *conf, char *text, struct err *err)
{
	struct err other;
	char *line;
	int rc = 0;

	while ((line = strsep(&text, "\n")) != NULL && *line != '\0')
		if (parse_line(conf, line, rc == 0 ? err : &other) == -1)
			rc = -1;
	return rc;
}

int
conf_append(struct conf *conf, const struct conf *from, struct err *err)
{
	char *text = NULL;
	size_t len, i;
	FILE *f = open_memstream(&text, &len);
	int rc;

	if (f == NULL)
		return err_sys(err, "copy of the servers");
	if (from->folder != NULL) {
		(void)fputs("folder=", f);
		directive_print_text(from->folder, f);
		(void)fputc('\n', f);
	}
	for (i = 0; i < from->nservers; i++)
		print_server(&from->servers[i], conf->nservers + i, f);
	if (fclose(f) == EOF)
		rc = err_sys(err, "copy of the servers");
	else
		rc = append_lines(conf, text, err);
	free(text);
	return rc;
}

char *
conf_path(const struct conf *conf, const char *path)
{
	const char *folder = conf->folder;
	size_t size;
	char *joined;

	if (path[0] == '/' || folder == NULL)
		return strdup(path);
	size = strlen(folder) + strlen(path) + 2;
	joined = malloc(size);
	if (joined != NULL)
		(void)snprintf(joined, size, "%s%s%s", folder,
		    folder[strlen(folder) - 1] == '/' ? "" : "/", path);
	return joined;
}

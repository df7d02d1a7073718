/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * option.c: the options of a handler: what it declares in its table against
 * what the configuration gives. Runs in children and in the checker, which is
 * a child too. Errors name the handler, the option and the value.
 */
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/own.h"
#include "shared/value.h"

#include "child/child.h"

const char *const option_type_names[] = {
	[TINE_STRING] = "STRING",
	[TINE_TEXT] = "TEXT",
	[TINE_INT] = "INT",
	[TINE_BOOL] = "BOOL",
	[TINE_SIZE] = "SIZE",
	[TINE_DURATION] = "DURATION",
	[TINE_LIST] = "LIST",
	[TINE_PATH] = "PATH",
	[TINE_FOLDER] = "FOLDER",
};

/* One parse: the option, the text given, and what is made of it. */
struct parse {
	const struct conf *conf;
	const struct tine_option *option;
	const char *text;
	struct option_value *value;
};

static bool
has_bounds(const struct tine_option *o)
{
	return o->min != 0 || o->max != 0;
}

static int
check_length(const struct parse *p, struct err *err)
{
	const struct tine_option *o = p->option;
	int64_t len = (int64_t)p->value->len;

	if (!has_bounds(o) || (len >= o->min && len <= o->max))
		return 0;
	(void)err_set(err, EXIT_BAD_CONFIG, "has %lld bytes", (long long)len);
	return err_hint(err, "give %lld to %lld bytes", (long long)o->min,
	    (long long)o->max);
}

static int
take_text(struct parse *p, struct err *err)
{
	p->value->text = strdup(p->text);
	if (p->value->text == NULL)
		return err_sys(err, "memory for an option");
	p->value->len = strlen(p->text);
	return check_length(p, err);
}

static int
take_escaped(struct parse *p, struct err *err)
{
	ssize_t len;

	p->value->text = malloc(strlen(p->text) + 1);
	if (p->value->text == NULL)
		return err_sys(err, "memory for an option");
	len = value_unescape(p->text, p->value->text, err);
	if (len == -1)
		return -1;
	p->value->text[len] = '\0';
	p->value->len = (size_t)len;
	return check_length(p, err);
}

static int
take_int(struct parse *p, struct err *err)
{
	const struct tine_option *o = p->option;
	bool bounded = has_bounds(o);

	return value_int(p->text, bounded ? o->min : -INT64_MAX,
	    bounded ? o->max : INT64_MAX, &p->value->number, err);
}

static int
take_bool(struct parse *p, struct err *err)
{
	bool yes;

	if (value_bool(p->text, &yes, err) == -1)
		return -1;
	p->value->number = yes;
	return 0;
}

static int
take_size(struct parse *p, struct err *err)
{
	const struct tine_option *o = p->option;
	bool bounded = has_bounds(o);
	uint64_t bytes;

	if (value_size(p->text, bounded ? (uint64_t)o->min : 0,
		bounded ? (uint64_t)o->max : INT64_MAX, &bytes, err) == -1)
		return -1;
	p->value->number = (int64_t)bytes;
	return 0;
}

static int
take_duration(struct parse *p, struct err *err)
{
	const struct tine_option *o = p->option;
	bool bounded = has_bounds(o);

	return value_duration(p->text, bounded ? o->min : 0,
	    bounded ? o->max : INT64_MAX, &p->value->number, err);
}

static int
take_path(struct parse *p, struct err *err)
{
	/* An unset variable of a shell must not mean the current folder. */
	if (p->text[0] == '\0') {
		err_set(err, EXIT_BAD_CONFIG, "the path is empty");
		return err_hint(err, "a dot means the current folder");
	}
	p->value->text = conf_path(p->conf, p->text);
	if (p->value->text == NULL)
		return err_sys(err, "memory for an option");
	p->value->len = strlen(p->value->text);
	return 0;
}

static int
take_folder(struct parse *p, struct err *err)
{
	int fd, rc = 0;

	if (take_path(p, err) == -1)
		return -1;
	fd = open(p->value->text,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1 || faccessat(fd, ".", X_OK, AT_EACCESS) == -1) {
		rc = err_sys(err, "folder %s", p->value->text);
		err->code = EXIT_BAD_CONFIG;
		(void)err_hint(err,
		    "give a folder that exists and that the account of the "
		    "children (user id %ld) can read",
		    (long)geteuid());
	}
	closefd(&fd);
	return rc;
}

/* Types that are no text keep the text as given beside the number. */
static const struct {
	int (*take)(struct parse *, struct err *);
	bool is_text;
} types[] = {
	[TINE_STRING] = { take_text, true },
	[TINE_TEXT] = { take_escaped, true },
	[TINE_INT] = { take_int, false },
	[TINE_BOOL] = { take_bool, false },
	[TINE_SIZE] = { take_size, false },
	[TINE_DURATION] = { take_duration, false },
	[TINE_LIST] = { take_text, true },
	[TINE_PATH] = { take_path, true },
	[TINE_FOLDER] = { take_folder, true },
};

/* Take the value and, when it is refused, say whose it is. */
static int
take(struct parse *p, const char *handler, struct err *err)
{
	struct err why;
	char shown[128];
	int rc;

	if (types[p->option->type].is_text) {
		rc = types[p->option->type].take(p, &why);
	} else {
		rc = types[p->option->type].take(p, &why);
		if (rc == 0 && (p->value->text = strdup(p->text)) == NULL)
			rc = err_sys(&why, "memory for an option");
		p->value->len = strlen(p->text);
	}
	if (rc == 0)
		return 0;
	(void)err_set(err, why.code, "handler %s: option %s=%s: %s", handler,
	    p->option->name,
	    log_escape(shown, sizeof(shown), p->text, strlen(p->text)),
	    why.text);
	return err_hint(err, "%s", why.hint);
}

static size_t
count(const struct tine_option *options)
{
	size_t n = 0;

	while (options != NULL && options[n].name != NULL)
		n++;
	return n;
}

static const struct tine_option *
find(const struct tine_handler *h, const char *name)
{
	const struct tine_option *o;

	for (o = h->options; o != NULL && o->name != NULL; o++)
		if (strcmp(o->name, name) == 0)
			return o;
	return NULL;
}

/* "the options are a, b and c", or that there are none. */
static int
hint_names(const struct tine_handler *h, const char *given, struct err *err)
{
	size_t n = count(h->options), i, used = 0;
	const char *names[64], *near;
	char list[400] = "";

	if (n == 0)
		return err_hint(err, "handler %s has no options", h->name);
	n = MIN_OF(n, nitems(names));
	for (i = 0; i < n; i++) {
		names[i] = h->options[i].name;
		if (used < sizeof(list))
			used +=
			    (size_t)snprintf(list + used, sizeof(list) - used,
				"%s%s", i == 0 ? "" : ", ", names[i]);
	}
	near = value_nearest(given, names, n);
	if (near != NULL)
		return err_hint(err, "did you mean %s? `%s -H` lists all", near,
		    own_program());
	return err_hint(err, "its options are: %s", list);
}

/* Everything that is given must be declared. */
static void
check_known(const struct tine_handler *h, const struct conf_server *server,
    option_complain *complain, void *arg)
{
	char shown[128];
	struct err err;
	size_t i;

	for (i = 0; i < server->noptions; i++) {
		const char *key = server->options[i].key;

		if (find(h, key) != NULL)
			continue;
		(void)err_set(&err, EXIT_BAD_CONFIG,
		    "handler %s: unknown option %s", h->name,
		    log_escape(shown, sizeof(shown), key, strlen(key)));
		(void)hint_names(h, key, &err);
		complain(arg, key, &err);
	}
}

static const char *
given(const struct conf_server *server, const struct tine_option *o)
{
	size_t i;

	for (i = 0; i < server->noptions; i++)
		if (strcmp(server->options[i].key, o->name) == 0)
			return server->options[i].value;
	return o->value;
}

static int
parse_one(struct parse *p, const char *handler, struct err *err)
{
	const struct tine_option *o = p->option;

	if ((size_t)o->type < nitems(types))
		return p->text == NULL ? 0 : take(p, handler, err);
	(void)err_set(err, EXIT_BAD_CONFIG,
	    "handler %s: option %s has type %d, which this server does not "
	    "know",
	    handler, o->name, (int)o->type);
	return err_hint(err, "rebuild the handler");
}

void
option_check(struct option_value **values, const struct tine_handler *h,
    const struct conf *conf, const struct conf_server *server,
    option_complain *complain, void *arg)
{
	size_t n = count(h->options), i;
	struct err err;

	*values = NULL;
	check_known(h, server, complain, arg);
	if (n == 0)
		return;
	*values = calloc(n, sizeof(**values));
	if (*values == NULL) {
		(void)err_sys(&err, "memory for options");
		complain(arg, "", &err);
		return;
	}
	for (i = 0; i < n; i++) {
		const struct tine_option *o = &h->options[i];
		struct parse p = { conf, o, given(server, o), &(*values)[i] };

		if (parse_one(&p, h->name, &err) == -1)
			complain(arg, o->name, &err);
	}
}

/* The first of the complaints. */
struct first {
	bool is_set;
	struct err *err;
};

static void
keep_first(void *arg, const char *option, const struct err *err)
{
	struct first *first = arg;

	(void)option;
	if (!first->is_set)
		*first->err = *err;
	first->is_set = true;
}

int
option_parse(struct option_value **values, const struct tine_handler *h,
    const struct conf *conf, const struct conf_server *server, struct err *err)
{
	struct first first = { false, err };

	option_check(values, h, conf, server, keep_first, &first);
	if (!first.is_set)
		return 0;
	option_free(values, h);
	return -1;
}

void
option_free(struct option_value **values, const struct tine_handler *h)
{
	size_t n = count(h->options), i;

	for (i = 0; *values != NULL && i < n; i++)
		free((*values)[i].text);
	free(*values);
	*values = NULL;
}

/* ---- tine.h ---- */

static const struct option_value *
lookup(const struct tine_child *s, const char *name)
{
	const struct tine_option *o = find(&s->handler, name);

	return o == NULL ? NULL : &s->options[o - s->handler.options];
}

const char *
tine_option(const struct tine_child *s, const char *name, size_t *len)
{
	const struct option_value *v = lookup(s, name);

	if (len != NULL)
		*len = v == NULL ? 0 : v->len;
	return v == NULL ? NULL : v->text;
}

int64_t
tine_option_int(const struct tine_child *s, const char *name)
{
	const struct option_value *v = lookup(s, name);

	return v == NULL ? 0 : v->number;
}

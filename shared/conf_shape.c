/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conf_shape.c: what is a map, a list or a value in a configuration file, by
 * the table of keys; which keys are unknown or given twice. Runs in a process
 * without privileges. Knows where a key may stand, not what its value means:
 * depth is bounded by the table, what has no place in it is skipped.
 */
#include "shared/conf_shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "shared/conf_yaml.h"
#include "shared/directive.h"
#include "shared/value.h"

#define KEYS_MAX 256 /* of one map */
#define KEY_LETTERS 128
#define JOINED_LETTERS 2048

struct reader {
	struct conf_yaml yaml;
	const struct conf_shape_sink *sink;
	size_t server; /* number of the next one */
};

/* A map that is being read. */
struct map {
	enum directive_scope scope;
	bool is_options;
	char prefix[KEY_LETTERS]; /* of its keys in the table: "", "log." */
	char full[KEY_LETTERS];   /* and for the sink: "servers.0.limits." */
	struct {
		char *key;
		unsigned line;
	} seen[KEYS_MAX];
	size_t nseen;
};

/* ---- names ---- */

static bool
is_group(enum directive_scope scope, const char *word)
{
	size_t i, n, letters = strlen(word);
	const struct directive *d = directive_table(scope, &n);

	for (i = 0; i < n; i++)
		if (strncmp(d[i].key, word, letters) == 0 &&
		    d[i].key[letters] == '.')
			return true;
	return false;
}

static bool
is_of_server(const char *key)
{
	const struct directive *d;
	const char *near;

	d = directive_find(DIRECTIVE_SERVER, key, &near);
	return (d != NULL && !d->is_derived) || is_group(DIRECTIVE_SERVER, key);
}

/* Is it a key as -o has it, with its map before a dot? */
static bool
is_dotted(enum directive_scope scope, const char *key)
{
	const char *near;
	const struct directive *d = directive_find(scope, key, &near);

	return d != NULL && !d->is_derived;
}

/* The words that may stand as a key of this map, each once. */
static size_t
names_of(const struct map *m, char (*words)[KEY_LETTERS], const char **names)
{
	size_t i, n, k, count = 0, skip = strlen(m->prefix);
	const struct directive *d = directive_table(m->scope, &n);

	for (i = 0; i < n; i++) {
		if (d[i].is_derived || strncmp(d[i].key, m->prefix, skip) != 0)
			continue;
		(void)strlcpy(words[count], d[i].key + skip, KEY_LETTERS);
		words[count][strcspn(words[count], ".")] = '\0';
		for (k = 0; strcmp(words[k], words[count]) != 0; k++)
			continue;
		if (k == count)
			names[count++] = words[k];
	}
	if (m->scope == DIRECTIVE_CONF && skip == 0) {
		names[count++] = "servers";
		names[count++] = "include";
	}
	return count;
}

/* The nearest key to this one, or what the keys are. */
static void
hint_names(const struct map *m, const char *key, struct err *err)
{
	char words[DIRECTIVE_ROWS_MAX][KEY_LETTERS], list[256];
	const char *names[DIRECTIVE_ROWS_MAX + 2];
	size_t n = names_of(m, words, names);
	const char *near = value_nearest(key, names, n);

	if (near != NULL)
		err_hint(err, "did you mean \"%s\"?", near);
	else if (strchr(key, '.') != NULL && is_dotted(m->scope, key))
		err_hint(err, "%.*s: { %s: ... }", (int)strcspn(key, "."), key,
		    strchr(key, '.') + 1);
	else if (m->full[0] == '\0' && is_of_server(key))
		err_hint(err,
		    "it belongs to a server: servers: [ { %s: ... } ]", key);
	else if (m->full[0] == '\0')
		err_hint(err, "tine.yaml(5) lists the keys");
	else
		err_hint(err, "the keys of %.*s are %s",
		    (int)strlen(m->full) - 1, m->full,
		    value_list(names, n, list, sizeof(list)));
}

/* ---- errors ---- */

static void
fail_at(struct reader *rd, const struct origin *at, const char *key,
    const char *what, const char *hint)
{
	struct err err;

	err_set(&err, EXIT_BAD_CONFIG, "%s: %s", key, what);
	err_hint(&err, "%s", hint);
	conf_yaml_fail(&rd->yaml, at, &err);
}

/* The node is of another kind than the key's: say so and leave it. */
static void
fail_kind(struct reader *rd, const char *key, const char *wanted,
    const char *hint)
{
	const char *found = conf_yaml_is(&rd->yaml, YAML_MAPPING_START_EVENT)
	    ? "a map"
	    : conf_yaml_is(&rd->yaml, YAML_SEQUENCE_START_EVENT) ? "a list"
								 : "a value";
	struct origin at;
	char what[64];

	/* An alias was refused when it was seen. */
	if (conf_yaml_is(&rd->yaml, YAML_ALIAS_EVENT))
		return;
	conf_yaml_place(&rd->yaml, &at);
	(void)snprintf(what, sizeof(what), "%s stands where %s belongs", found,
	    wanted);
	fail_at(rd, &at, key, what, hint);
	conf_yaml_skip(&rd->yaml);
}

/* ---- values and lists ---- */

/* The event is a value that can be used, or that is said. */
static bool
check_scalar(struct reader *rd, const char *key, const char *help)
{
	struct conf_yaml *y = &rd->yaml;
	struct origin at;

	if (!conf_yaml_is(y, YAML_SCALAR_EVENT)) {
		fail_kind(rd, key, "a value", help);
		return false;
	}
	conf_yaml_place(y, &at);
	if (conf_yaml_is_null(y))
		fail_at(rd, &at, key, "the value is missing", help);
	else if (strlen(conf_yaml_scalar(y)) != y->event.data.scalar.length)
		fail_at(rd, &at, key, "null byte in the value", help);
	else
		return true;
	return false;
}

static void
read_value(struct reader *rd, const char *key, const char *help)
{
	struct origin at;

	if (!check_scalar(rd, key, help))
		return;
	conf_yaml_place(&rd->yaml, &at);
	rd->yaml.is_over |= !rd->sink->set(rd->sink->arg, key,
	    conf_yaml_scalar(&rd->yaml), &at);
}

static void
read_include(struct reader *rd, const char *key, const char *help)
{
	struct origin at;

	if (!check_scalar(rd, key, help))
		return;
	conf_yaml_place(&rd->yaml, &at);
	rd->yaml.is_over |=
	    !rd->sink->include(rd->sink->arg, conf_yaml_scalar(&rd->yaml), &at);
}

/* One value, or a list of them. */
static void
read_list(struct reader *rd, const char *key, const char *help,
    void (*read)(struct reader *, const char *key, const char *help))
{
	struct conf_yaml *y = &rd->yaml;

	if (!conf_yaml_is(y, YAML_SEQUENCE_START_EVENT)) {
		read(rd, key, help);
		return;
	}
	while (conf_yaml_next(y) && !conf_yaml_is(y, YAML_SEQUENCE_END_EVENT))
		read(rd, key, help);
}

/* One value, or a list that becomes the value "a,b,c". */
static void
read_joined(struct reader *rd, const char *key, const char *help)
{
	struct conf_yaml *y = &rd->yaml;
	char joined[JOINED_LETTERS] = "";
	struct origin at;
	size_t length = 0;
	bool is_good = true;

	if (!conf_yaml_is(y, YAML_SEQUENCE_START_EVENT)) {
		read_value(rd, key, help);
		return;
	}
	conf_yaml_place(y, &at);
	while (conf_yaml_next(y) && !conf_yaml_is(y, YAML_SEQUENCE_END_EVENT)) {
		if (!check_scalar(rd, key, help) ||
		    strchr(conf_yaml_scalar(y), ',') != NULL) {
			is_good = false;
			continue;
		}
		if (length > 0)
			(void)strlcat(joined, ",", sizeof(joined));
		length = strlcat(joined, conf_yaml_scalar(y), sizeof(joined));
	}
	if (!y->has_event)
		return;
	if (length >= sizeof(joined) || !is_good)
		fail_at(rd, &at, key, "this list cannot be used",
		    "short elements without a comma");
	else
		rd->yaml.is_over |=
		    !rd->sink->set(rd->sink->arg, key, joined, &at);
}

/* ---- maps ---- */

static void read_map(struct reader *, struct map *);

static void
read_inner_map(struct reader *rd, const struct map *outer, const char *word,
    const char *full, bool is_options)
{
	struct map *m;
	struct err err;
	struct origin at;

	if (!conf_yaml_is(&rd->yaml, YAML_MAPPING_START_EVENT)) {
		fail_kind(rd, full, "a map", "{ KEY: VALUE }");
		return;
	}
	m = calloc(1, sizeof(*m));
	if (m == NULL) {
		conf_yaml_place(&rd->yaml, &at);
		err_sys(&err, "memory for %s", full);
		conf_yaml_fail(&rd->yaml, &at, &err);
		conf_yaml_skip(&rd->yaml);
		return;
	}
	m->scope = outer->scope;
	m->is_options = is_options;
	(void)strlcpy(m->prefix, outer->prefix, sizeof(m->prefix));
	(void)strlcat(m->prefix, word, sizeof(m->prefix));
	if (word[0] != '\0')
		(void)strlcat(m->prefix, ".", sizeof(m->prefix));
	(void)snprintf(m->full, sizeof(m->full), "%s.", full);
	read_map(rd, m);
	free(m);
}

static void
read_server(struct reader *rd)
{
	static const struct map outer = { .scope = DIRECTIVE_SERVER };
	char full[KEY_LETTERS];
	struct origin at;

	(void)snprintf(full, sizeof(full), "servers.%zu", rd->server);
	if (conf_yaml_is(&rd->yaml, YAML_MAPPING_START_EVENT)) {
		conf_yaml_place(&rd->yaml, &at);
		rd->yaml.is_over |= !rd->sink->server(rd->sink->arg, full, &at);
		rd->server++;
		read_inner_map(rd, &outer, "", full, false);
	} else
		fail_kind(rd, full, "a map", "- listen: [ URL ]");
}

static void
read_servers(struct reader *rd)
{
	struct conf_yaml *y = &rd->yaml;

	if (!conf_yaml_is(y, YAML_SEQUENCE_START_EVENT)) {
		fail_kind(rd, "servers", "a list",
		    "begin each server with \"- \"");
		return;
	}
	while (conf_yaml_next(y) && !conf_yaml_is(y, YAML_SEQUENCE_END_EVENT))
		read_server(rd);
}

static void
read_unknown(struct reader *rd, const struct map *m, const char *key,
    const struct origin *at)
{
	struct err err;

	err_set(&err, EXIT_BAD_CONFIG, "unknown key \"%s%.100s\"", m->full,
	    key);
	hint_names(m, key, &err);
	conf_yaml_fail(&rd->yaml, at, &err);
	conf_yaml_skip(&rd->yaml);
}

/* The event is the beginning of the key's node. */
static void
read_node(struct reader *rd, const struct map *m, const char *key,
    const struct origin *at)
{
	char word[2 * KEY_LETTERS], full[2 * KEY_LETTERS];
	const struct directive *d;
	const char *near;
	bool is_top = m->full[0] == '\0';

	(void)snprintf(word, sizeof(word), "%s%s", m->prefix, key);
	(void)snprintf(full, sizeof(full), "%s%s", m->full, key);
	d = directive_find(m->scope, word, &near);
	if (m->is_options)
		read_joined(rd, full, "the value of a handler's option");
	else if (is_top && strcmp(key, "servers") == 0)
		read_servers(rd);
	else if (is_top && strcmp(key, "include") == 0)
		read_list(rd, key, "files to read too: [ conf.d/*.yaml ]",
		    read_include);
	else if (strchr(key, '.') == NULL && is_group(m->scope, word))
		read_inner_map(rd, m, key, full, false);
	else if (strchr(key, '.') != NULL || d == NULL || d->is_derived)
		read_unknown(rd, m, key, at);
	else if (d->kind == DIRECTIVE_OPTIONS)
		read_inner_map(rd, m, key, full, true);
	else if (d->kind == DIRECTIVE_LISTEN)
		read_list(rd, full, d->help, read_value);
	else if (d->kind == DIRECTIVE_CPUS)
		read_joined(rd, full, d->help);
	else
		read_value(rd, full, d->help);
}

/* Is the key new in its map? If not, that is said. */
static bool
note_key(struct reader *rd, struct map *m, const char *key,
    const struct origin *at)
{
	char full[2 * KEY_LETTERS], hint[64] = "";
	const char *what = NULL;
	size_t i;

	(void)snprintf(full, sizeof(full), "%s%.100s", m->full, key);
	for (i = 0; i < m->nseen && what == NULL; i++)
		if (strcmp(m->seen[i].key, key) == 0) {
			what = "given twice";
			(void)snprintf(hint, sizeof(hint),
			    "first on line %u; give it once", m->seen[i].line);
		}
	if (strlen(key) >= KEY_LETTERS - 64)
		what = "the name is too long";
	else if (what == NULL && m->nseen == KEYS_MAX)
		what = "too many keys in one map";
	if (what == NULL && (m->seen[m->nseen].key = strdup(key)) == NULL)
		what = "no memory for the key";
	if (what != NULL) {
		fail_at(rd, at, full, what, hint);
		return false;
	}
	m->seen[m->nseen++].line = at->line;
	return true;
}

static void
read_pair(struct reader *rd, struct map *m)
{
	struct conf_yaml *y = &rd->yaml;
	struct origin at;
	char *key;
	bool is_good;

	if (!conf_yaml_is(y, YAML_SCALAR_EVENT)) {
		fail_kind(rd, m->full[0] == '\0' ? "file" : m->full, "a key",
		    "KEY: VALUE");
		if (conf_yaml_next(y))
			conf_yaml_skip(y);
		return;
	}
	conf_yaml_place(y, &at);
	is_good = note_key(rd, m, conf_yaml_scalar(y), &at);
	/* The event is gone with the next one; the map has a copy. */
	key = is_good ? m->seen[m->nseen - 1].key : NULL;
	if (!conf_yaml_next(y))
		return;
	if (is_good)
		read_node(rd, m, key, &at);
	else
		conf_yaml_skip(y);
}

/* The event is the map's beginning; afterwards it is its end. */
static void
read_map(struct reader *rd, struct map *m)
{
	struct conf_yaml *y = &rd->yaml;

	while (conf_yaml_next(y) && !conf_yaml_is(y, YAML_MAPPING_END_EVENT))
		read_pair(rd, m);
	while (m->nseen > 0)
		free(m->seen[--m->nseen].key);
}

/* ---- the file ---- */

static void
read_document(struct reader *rd, struct map *top)
{
	struct conf_yaml *y = &rd->yaml;

	if (!conf_yaml_next(y))
		return;
	if (conf_yaml_is(y, YAML_MAPPING_START_EVENT))
		read_map(rd, top);
	/* A file with comments only has an empty document, or none. */
	else if (!conf_yaml_is(y, YAML_SCALAR_EVENT) || !conf_yaml_is_null(y))
		fail_kind(rd, "file", "a map", "KEY: VALUE");
	(void)conf_yaml_next(y);
}

static void
read_stream(struct reader *rd, struct map *top)
{
	struct conf_yaml *y = &rd->yaml;
	struct origin at;
	unsigned n = 0;

	while (conf_yaml_next(y) && !conf_yaml_is(y, YAML_STREAM_END_EVENT)) {
		if (!conf_yaml_is(y, YAML_DOCUMENT_START_EVENT))
			continue;
		if (n++ == 0) {
			read_document(rd, top);
			continue;
		}
		conf_yaml_place(y, &at);
		fail_at(rd, &at, "file", "a second document begins",
		    "one document in a file: leave the line \"---\" out");
		return;
	}
}

int
conf_shape_read(char *name, const char *text, size_t len, size_t first_server,
    const struct conf_shape_sink *sink, struct err *err)
{
	struct reader rd = { .sink = sink, .server = first_server };
	struct map *top = calloc(1, sizeof(*top));

	if (top == NULL)
		return err_sys(err, "memory to read %s", name);
	top->scope = DIRECTIVE_CONF;
	if (conf_yaml_open(&rd.yaml, name, text, len, err) == -1) {
		free(top);
		return -1;
	}
	rd.yaml.fail = sink->fail;
	rd.yaml.arg = sink->arg;
	read_stream(&rd, top);
	conf_yaml_close(&rd.yaml);
	free(top);
	return rd.yaml.is_broken ? 1 : 0;
}

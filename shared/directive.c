/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * directive.c: every key of the configuration as a row of a table, and what
 * the types of value do. Used by the checker on what an operator wrote and by
 * every process on the effective configuration. Knows nothing of files.
 */
#include "shared/directive.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/conf.h"
#include "shared/value.h"

const char *const conf_accept_names[CONF_ACCEPT_NMODES] = {
	[CONF_ACCEPT_AUTO] = "auto",
	[CONF_ACCEPT_REUSEPORT] = "reuseport",
	[CONF_ACCEPT_SHARED] = "shared",
	[CONF_ACCEPT_DISPATCH] = "dispatch",
};

#define SECOND 1000LL
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define KIB 1024LL
#define GIB (KIB * KIB * KIB)
#define PATH_LETTERS 4095
#define SOCKET_LETTERS (URL_PATH_MAX - 1)

/* clang-format off */
#define F(field) offsetof(struct conf, field)
static const struct directive conf_table[] = {
	{ "processes", DIRECTIVE_PROCESSES, F(processes),
	    1, CONF_PROCESSES_MAX, "auto",
	    .help = "children, or auto for one per CPU" },
	{ "accept", DIRECTIVE_ENUM, F(accept), 0, CONF_ACCEPT_NMODES, "auto",
	    .help = "how children share a listener", .names = conf_accept_names },
	{ "control", DIRECTIVE_TEXT, F(control), 1, SOCKET_LETTERS, NULL,
	    .help = "path of the control socket, or none" },
	{ "log.file", DIRECTIVE_TEXT, F(log_file), 1, PATH_LETTERS, "stderr",
	    .help = "error log: a file, stderr or syslog" },
	{ "log.level", DIRECTIVE_ENUM, F(log_level), 0, LOG_NLEVELS, "info",
	    .help = "least important lines to log", .names = log_level_names },
	{ "start-timeout", DIRECTIVE_SECONDS, F(start_timeout),
	    SECOND, HOUR, "30s",
	    .help = "time a child has to become ready" },
	{ "drain-timeout", DIRECTIVE_SECONDS, F(drain_timeout),
	    0, DAY, "30s",
	    .help = "time connections have to end when a child leaves" },
	{ "hang-timeout", DIRECTIVE_SECONDS, F(hang_timeout),
	    SECOND, HOUR, "10s",
	    .help = "silence after which a child is killed" },
	{ "timing.suspect", DIRECTIVE_SECONDS, F(suspect), SECOND, HOUR, "2s",
	    .help = "silence after which siblings serve a child's listeners" },
	{ "timing.prove", DIRECTIVE_SECONDS, F(prove), 0, HOUR, "1s",
	    .help = "time the first child of a new generation is watched" },
	{ "timing.commit", DIRECTIVE_SECONDS, F(commit), 0, HOUR, "10s",
	    .help = "time a new generation can still be rolled back" },
	{ "timing.orphan", DIRECTIVE_SECONDS, F(orphan), 0, HOUR, "10s",
	    .help = "time children serve on after the master's death" },
	{ "timing.drain-delay", DIRECTIVE_SECONDS, F(drain_delay), 0, HOUR, "0",
	    .help = "time to go on accepting after a stop was asked for" },
	{ "timing.keepalive-grace", DIRECTIVE_SECONDS, F(keepalive_grace),
	    0, HOUR, "5s",
	    .help = "time a leaving child waits for idle clients" },
	{ "max-connections", DIRECTIVE_NUMBER, F(max_connections),
	    1, 100000000, "100000",
	    .help = "connections one child holds" },
	{ "core-dumps", DIRECTIVE_BOOL, F(core_dumps), 0, 0, "false",
	    .help = "let a crashing child leave a core file" },
	{ "uid", DIRECTIVE_ID, F(uid), 0, UINT32_MAX - 1, NULL,
	    .help = "user that children run as", .is_derived = true },
	{ "gid", DIRECTIVE_ID, F(gid), 0, UINT32_MAX - 1, NULL,
	    .help = "group that children run as", .is_derived = true },
	{ "folder", DIRECTIVE_TEXT, F(folder), 1, PATH_LETTERS, NULL,
	    .help = "folder that relative paths mean", .is_derived = true },
};
#undef F

#define F(field) offsetof(struct conf_server, field)
static const struct directive server_table[] = {
	{ "handler", DIRECTIVE_TEXT, F(handler), 1, PATH_LETTERS, "http",
	    .help = "name of a built-in handler or path of a shared object" },
	{ "may-stop", DIRECTIVE_BOOL, F(may_stop), 0, 0, "false",
	    .help = "the handler may stop the server", .is_derived = true },
	{ "listen", DIRECTIVE_LISTEN, F(listens), 0, 0, NULL,
	    .help = "URLs to listen on" },
	{ "options", DIRECTIVE_OPTIONS, F(options), 0, 0, NULL,
	    .help = "the handler's own options" },
	{ "timeouts.first-byte", DIRECTIVE_SECONDS, F(timeouts.first_byte),
	    0, 30 * DAY, "10s",
	    .help = "time a client has to send its first byte" },
	{ "timeouts.read", DIRECTIVE_SECONDS, F(timeouts.read),
	    0, 30 * DAY, "60s",
	    .help = "time a message begun has to be complete" },
	{ "timeouts.write", DIRECTIVE_SECONDS, F(timeouts.write),
	    0, 30 * DAY, "60s",
	    .help = "time a client may take no byte of output" },
	{ "timeouts.idle", DIRECTIVE_SECONDS, F(timeouts.idle),
	    0, 30 * DAY, "75s",
	    .help = "time a connection may be silent" },
	{ "timeouts.lifetime", DIRECTIVE_SECONDS, F(timeouts.lifetime),
	    0, 30 * DAY, "0",
	    .help = "age at which a connection is closed" },
	{ "limits.connections", DIRECTIVE_NUMBER, F(limits.connections),
	    0, 100000000, "0",
	    .help = "connections of this server in one child" },
	{ "limits.read-cap", DIRECTIVE_SIZE, F(limits.read_cap),
	    1, GIB, "64k",
	    .help = "input read at once" },
	{ "limits.input", DIRECTIVE_SIZE, F(limits.input),
	    1, GIB, "1m",
	    .help = "input kept for the handler before reading pauses" },
	{ "limits.output-low", DIRECTIVE_SIZE, F(limits.output_low),
	    0, GIB, "64k",
	    .help = "unsent output under which a handler goes on" },
	{ "limits.output-high", DIRECTIVE_SIZE, F(limits.output_high),
	    1, GIB, "256k",
	    .help = "unsent output past which a handler is told" },
	{ "limits.output", DIRECTIVE_SIZE, F(limits.output),
	    1, 1024 * GIB, "8m",
	    .help = "unsent output at which reading stops" },
	{ "budget.accepts", DIRECTIVE_NUMBER, F(budget.accepts),
	    1, 1000000, "64",
	    .help = "connections accepted in one turn" },
	{ "budget.bytes", DIRECTIVE_SIZE, F(budget.bytes),
	    1, GIB, "256k",
	    .help = "bytes a connection moves in one turn" },
	{ "budget.messages", DIRECTIVE_NUMBER, F(budget.messages),
	    1, 1000000, "256",
	    .help = "messages a connection is served in one turn" },
};
#undef F

static const struct {
	const struct directive *rows;
	size_t n;
} tables[DIRECTIVE_NSCOPES] = {
	[DIRECTIVE_CONF] = { conf_table, nitems(conf_table) },
	[DIRECTIVE_SERVER] = { server_table, nitems(server_table) },
};
/* clang-format on */

/* ---- types of value ---- */

static int
set_number(const struct directive *d, void *field, const char *text,
    struct err *err)
{
	uint64_t *out = field;
	int64_t value;

	if (value_int(text, d->min, d->max, &value, err) == -1)
		return -1;
	*out = (uint64_t)value;
	return 0;
}

static void
print_number(const struct directive *d, const void *field, FILE *f)
{
	const uint64_t *value = field;

	(void)d;
	(void)fprintf(f, "%" PRIu64, *value);
}

static int
set_size(const struct directive *d, void *field, const char *text,
    struct err *err)
{
	return value_size(text, (uint64_t)d->min, (uint64_t)d->max, field, err);
}

static void
print_size(const struct directive *d, const void *field, FILE *f)
{
	const uint64_t *value = field;
	char text[VALUE_PRINT_MAX];

	(void)d;
	(void)fputs(value_print_size(*value, text, sizeof(text)), f);
}

static int
set_seconds(const struct directive *d, void *field, const char *text,
    struct err *err)
{
	double *out = field;
	int64_t ms;

	if (value_duration(text, d->min, d->max, &ms, err) == -1)
		return -1;
	*out = (double)ms / 1000;
	return 0;
}

static void
print_seconds(const struct directive *d, const void *field, FILE *f)
{
	const double *value = field;
	char text[VALUE_PRINT_MAX];

	(void)d;
	(void)fputs(
	    value_print_duration(llround(*value * 1000), text, sizeof(text)),
	    f);
}

static int
set_bool(const struct directive *d, void *field, const char *text,
    struct err *err)
{
	(void)d;
	return value_bool(text, field, err);
}

static void
print_bool(const struct directive *d, const void *field, FILE *f)
{
	const bool *value = field;

	(void)d;
	(void)fputs(*value ? "true" : "false", f);
}

static int
set_enum(const struct directive *d, void *field, const char *text,
    struct err *err)
{
	return value_enum(text, d->names, (size_t)d->max, field, err);
}

static void
print_enum(const struct directive *d, const void *field, FILE *f)
{
	const int *value = field;

	(void)fputs(d->names[*value], f);
}

static int
set_text(const struct directive *d, void *field, const char *text,
    struct err *err)
{
	char **out = field, *copy;
	size_t length = strlen(text);

	if (length < (size_t)d->min) {
		err_set(err, EXIT_BAD_CONFIG, "the value is empty");
		return err_hint(err, "%s", d->help);
	}
	if (length > (size_t)d->max) {
		err_set(err, EXIT_BAD_CONFIG,
		    "a value of %zu bytes is too long", length);
		return err_hint(err, "at most %" PRId64 " bytes", d->max);
	}
	copy = strdup(text);
	if (copy == NULL)
		return err_sys(err, "copy of %zu bytes", length);
	free(*out);
	*out = copy;
	return 0;
}

static void
print_text(const struct directive *d, const void *field, FILE *f)
{
	char *const *value = field;

	(void)d;
	directive_print_text(*value, f);
}

static bool
has_text(const void *field)
{
	char *const *value = field;

	return *value != NULL;
}

static int
set_id(const struct directive *d, void *field, const char *text,
    struct err *err)
{
	uid_t *out = field;
	int64_t value;

	if (value_int(text, d->min, d->max, &value, err) == -1)
		return -1;
	*out = (uid_t)value;
	return 0;
}

static void
print_id(const struct directive *d, const void *field, FILE *f)
{
	const uid_t *value = field;

	(void)d;
	(void)fprintf(f, "%u", *value);
}

static bool
has_id(const void *field)
{
	const uid_t *value = field;

	return *value != CONF_NO_ID;
}

static int
set_processes(const struct directive *d, void *field, const char *text,
    struct err *err)
{
	int *out = field;
	int64_t value = 0;

	if (strcmp(text, "auto") != 0 &&
	    value_int(text, d->min, d->max, &value, err) == -1)
		return err_hint(err,
		    "auto, or a whole number from %" PRId64 " to %" PRId64,
		    d->min, d->max);
	*out = (int)value;
	return 0;
}

static void
print_processes(const struct directive *d, const void *field, FILE *f)
{
	const int *value = field;

	(void)d;
	if (*value == 0)
		(void)fputs("auto", f);
	else
		(void)fprintf(f, "%d", *value);
}

/* clang-format off */
static const struct {
	int (*set)(const struct directive *, void *field, const char *text,
	    struct err *);
	void (*print)(const struct directive *, const void *field, FILE *);
	bool (*has)(const void *field); /* NULL: the field is always set */
} kinds[DIRECTIVE_NKINDS] = {
	[DIRECTIVE_NUMBER] =    { set_number,    print_number,    NULL },
	[DIRECTIVE_SIZE] =      { set_size,      print_size,      NULL },
	[DIRECTIVE_SECONDS] =   { set_seconds,   print_seconds,   NULL },
	[DIRECTIVE_BOOL] =      { set_bool,      print_bool,      NULL },
	[DIRECTIVE_ENUM] =      { set_enum,      print_enum,      NULL },
	[DIRECTIVE_TEXT] =      { set_text,      print_text,      has_text },
	[DIRECTIVE_ID] =        { set_id,        print_id,        has_id },
	[DIRECTIVE_PROCESSES] = { set_processes, print_processes, NULL },
};
/* clang-format on */

/* ---- rows ---- */

const struct directive *
directive_table(enum directive_scope scope, size_t *n)
{
	*n = tables[scope].n;
	return tables[scope].rows;
}

const struct directive *
directive_find(enum directive_scope scope, const char *key, const char **near)
{
	const char *names[MAX_OF(nitems(conf_table), nitems(server_table))];
	const struct directive *rows = tables[scope].rows;
	size_t i, n = tables[scope].n;

	for (i = 0; i < n; i++) {
		if (strcmp(rows[i].key, key) == 0)
			return &rows[i];
		names[i] = rows[i].is_derived ? NULL : rows[i].key;
	}
	*near = value_nearest(key, names, n);
	return NULL;
}

static void *
field_of(const struct directive *d, void *base)
{
	return (char *)base + d->offset;
}

static const void *
const_field_of(const struct directive *d, const void *base)
{
	return (const char *)base + d->offset;
}

/* What a field is before it has a value. */
static void
clear_field(const struct directive *d, void *base)
{
	char **text = field_of(d, base);
	uid_t *id = field_of(d, base);

	if (d->kind == DIRECTIVE_TEXT)
		*text = NULL;
	else if (d->kind == DIRECTIVE_ID)
		*id = CONF_NO_ID;
}

int
directive_init(enum directive_scope scope, void *base, struct err *err)
{
	const struct directive *rows = tables[scope].rows;
	size_t i, n = tables[scope].n;

	for (i = 0; i < n; i++)
		clear_field(&rows[i], base);
	for (i = 0; i < n; i++)
		if (rows[i].value != NULL &&
		    directive_set(&rows[i], base, rows[i].value, err) == -1)
			return err_prefix(err, "default of %s", rows[i].key);
	return 0;
}

void
directive_fini(enum directive_scope scope, void *base)
{
	const struct directive *d = tables[scope].rows;
	const struct directive *end = d + tables[scope].n;
	char **text;

	for (; d < end; d++) {
		if (d->kind != DIRECTIVE_TEXT)
			continue;
		text = field_of(d, base);
		free(*text);
		*text = NULL;
	}
}

int
directive_set(const struct directive *d, void *base, const char *text,
    struct err *err)
{
	assert(kinds[d->kind].set != NULL);
	return kinds[d->kind].set(d, field_of(d, base), text, err);
}

void
directive_print(const struct directive *d, const void *base, const char *prefix,
    FILE *f)
{
	const void *field = const_field_of(d, base);

	assert(kinds[d->kind].print != NULL);
	if (kinds[d->kind].has != NULL && !kinds[d->kind].has(field))
		return;
	(void)fprintf(f, "%s%s=", prefix, d->key);
	kinds[d->kind].print(d, field, f);
	(void)fputc('\n', f);
}

void
directive_print_text(const char *text, FILE *f)
{
	for (; *text != '\0'; text++)
		if (*text == '\\')
			(void)fputs("\\\\", f);
		else if (iscntrl((unsigned char)*text))
			(void)fprintf(f, "\\x%02x", (unsigned char)*text);
		else
			(void)fputc(*text, f);
}

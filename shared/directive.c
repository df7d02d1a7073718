/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * directive.c: what the types of value do, and one field of the configuration
 * by its row. Used by the checker on what an operator wrote and by every
 * process on the effective configuration. Knows nothing of files; the rows are
 * in directive_table.c.
 */
#include "shared/directive.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/affinity.h"
#include "shared/conf.h"
#include "shared/value.h"

/* More than a number in bounds has; one cut short is out of them too. */
#define NUMBER_LETTERS 32

/* ---- types of value ---- */

static int
set_number(const struct directive *d, void *field, const char *text,
    struct err *err)
{
	uint64_t *out = field;
	int64_t value = 0;

	if (d->zero != NULL && strcmp(text, d->zero) == 0) {
		*out = 0;
		return 0;
	}
	if (value_int(text, d->min, d->max, &value, err) == -1)
		return d->zero == NULL
		    ? -1
		    : err_hint(err,
			  "%s, or a whole number from %" PRId64 " to %" PRId64,
			  d->zero, d->min, d->max);
	*out = (uint64_t)value;
	return 0;
}

static void
print_number(const struct directive *d, const void *field, FILE *f)
{
	const uint64_t *value = field;

	if (*value == 0 && d->zero != NULL)
		(void)fputs(d->zero, f);
	else
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
set_url(const struct directive *d, void *field, const char *text,
    struct err *err)
{
	struct url u;

	return url_parse(&u, text, err) == -1 ? -1
					      : set_text(d, field, text, err);
}

static int
set_cpus(const struct directive *d, void *field, const char *text,
    struct err *err)
{
	if (strcmp(text, "none") == 0 || strcmp(text, "auto") == 0 ||
	    affinity_is_list(text))
		return set_text(d, field, text, err);
	err_set(err, EXIT_BAD_CONFIG, "\"%s\" is not a list of CPUs", text);
	return err_hint(err, "none, auto, or numbers under %d: [0, 2-3]",
	    AFFINITY_CPUS_MAX);
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

/* print_processes() and set_processes() reach MAX from MIN. */
static_assert(offsetof(struct conf, processes_max) ==
	offsetof(struct conf, processes) + sizeof(int),
    "MAX stands behind MIN");

/* "4", or "2:8", which is 2 and 8. */
static int
read_range(const struct directive *d, const char *text, int64_t *min,
    int64_t *max, struct err *err)
{
	const char *colon = strchr(text, ':');
	char first[NUMBER_LETTERS];

	if (colon == NULL) {
		if (value_int(text, d->min, d->max, min, err) == -1)
			return -1;
		*max = *min;
		return 0;
	}
	(void)snprintf(first, sizeof(first), "%.*s", (int)(colon - text), text);
	if (value_int(first, d->min, d->max, min, err) == -1)
		return err_prefix(err, "MIN of MIN:MAX");
	if (value_int(colon + 1, d->min, d->max, max, err) == -1)
		return err_prefix(err, "MAX of MIN:MAX");
	return 0;
}

static int
set_processes(const struct directive *d, void *field, const char *text,
    struct err *err)
{
	int *out = field;
	int64_t min = 0, max = 0;

	if (strcmp(text, "auto") != 0 &&
	    read_range(d, text, &min, &max, err) == -1)
		return err_hint(err,
		    "auto, a whole number from %" PRId64 " to %" PRId64
		    ", or two as MIN:MAX",
		    d->min, d->max);
	if (min > max) {
		err_set(err, EXIT_BAD_CONFIG,
		    "%" PRId64 ":%" PRId64 " is not MIN:MAX", min, max);
		return err_hint(err,
		    "did you mean \"%" PRId64 ":%" PRId64 "\"?", max, min);
	}
	out[0] = (int)min;
	out[1] = (int)max;
	return 0;
}

static void
print_processes(const struct directive *d, const void *field, FILE *f)
{
	const int *value = field;

	(void)d;
	if (value[0] == 0)
		(void)fputs("auto", f);
	else if (value[0] == value[1])
		(void)fprintf(f, "%d", value[0]);
	else
		(void)fprintf(f, "%d:%d", value[0], value[1]);
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
	[DIRECTIVE_URL] =       { set_url,       print_text,      has_text },
	[DIRECTIVE_CPUS] =      { set_cpus,      print_text,      has_text },
	[DIRECTIVE_ID] =        { set_id,        print_id,        has_id },
	[DIRECTIVE_PROCESSES] = { set_processes, print_processes, NULL },
};
/* clang-format on */

/* ---- rows ---- */

const struct directive *
directive_find(enum directive_scope scope, const char *key, const char **near)
{
	const char *names[DIRECTIVE_ROWS_MAX];
	size_t i, n;
	const struct directive *rows = directive_table(scope, &n);

	assert(n <= nitems(names));
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

	if (kinds[d->kind].has == has_text)
		*text = NULL;
	else if (d->kind == DIRECTIVE_ID)
		*id = CONF_NO_ID;
}

int
directive_init(enum directive_scope scope, void *base, struct err *err)
{
	size_t i, n;
	const struct directive *rows = directive_table(scope, &n);

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
	size_t n;
	const struct directive *d = directive_table(scope, &n);
	const struct directive *end = d + n;
	char **text;

	for (; d < end; d++) {
		if (kinds[d->kind].has != has_text)
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

bool
directive_is_set(const struct directive *d, const void *base)
{
	return kinds[d->kind].has == NULL ||
	    kinds[d->kind].has(const_field_of(d, base));
}

void
directive_print(const struct directive *d, const void *base, const char *prefix,
    FILE *f)
{
	assert(kinds[d->kind].print != NULL);
	if (!directive_is_set(d, base))
		return;
	(void)fprintf(f, "%s%s=", prefix, d->key);
	kinds[d->kind].print(d, const_field_of(d, base), f);
	(void)fputc('\n', f);
}

char *
directive_text(const struct directive *d, const void *base)
{
	const void *field = const_field_of(d, base);
	char *const *own = field;
	char *text = NULL;
	size_t len;
	FILE *f;

	if (kinds[d->kind].print == NULL || !directive_is_set(d, base))
		return NULL;
	/* Printing a text escapes it. */
	if (kinds[d->kind].has == has_text)
		return strdup(*own);
	f = open_memstream(&text, &len);
	if (f == NULL)
		return NULL;
	kinds[d->kind].print(d, field, f);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

bool
directive_is_default(const struct directive *d, const void *base)
{
	char *text;
	bool is;

	if (d->value == NULL || !directive_is_set(d, base))
		return !directive_is_set(d, base);
	text = directive_text(d, base);
	is = text != NULL && strcmp(text, d->value) == 0;
	free(text);
	return is;
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

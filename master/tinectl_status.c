/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tinectl_status.c: the state of a server on the screen of tinectl. Reads the
 * JSON that the master sent and believes nothing about it: what is absent is
 * left blank, and every text is made safe for a terminal.
 */
#include "master/tinectl_status.h"

#include <sys/ioctl.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/human.h"
#include "shared/log.h"
#include "shared/table.h"

#include "master/tinectl_rates.h"

#define REAL_DIGITS 12

/* How a value is shown. Text stands left, numbers right. */
enum kind {
	TEXT,
	NUMBER,
	COUNT,
	BYTES,
	AGE,
	LAG,
	SHARE,
	RATIO
};

struct field {
	const char *title, *key;
	enum kind kind;
	int rank; /* see struct table_column */
};

/* clang-format off */
static const struct field listener_fields[] = {
	{ "LISTENER",  "url",              TEXT,   0 },
	{ "HANDLER",   "handler",          TEXT,   1 },
	{ "SLOTS",     "slots",            NUMBER, 2 },
	{ "QUEUE",     "queue",            COUNT,  0 },
	{ "OVERFLOWS", "overflows",        COUNT,  0 },
};

static const struct field child_fields[] = {
	{ "PLACE",     "place",            TEXT,   0 },
	{ "PID",       "pid",              NUMBER, 0 },
	{ "GEN",       "generation",       NUMBER, 6 },
	{ "STATE",     "state",            TEXT,   0 },
	{ "UP",        "uptime_seconds",   AGE,    0 },
	{ "CONNS",     "connections",      COUNT,  0 },
	{ "ACCEPTED",  "accepted",         COUNT,  5 },
	{ "REQS",      "requests",         COUNT,  0 },
	{ "IN",        "bytes_in",         BYTES,  4 },
	{ "OUT",       "bytes_out",        BYTES,  3 },
	{ "LAG",       "loop_lag_seconds", LAG,    1 },
	{ "BUSY",      "utilisation",      SHARE,  0 },
	{ "RSS",       "rss_bytes",        BYTES,  2 },
	{ "RESTARTS",  "restarts",         COUNT,  7 },
};

static const struct field counter_fields[] = {
	{ "COUNTER",   "name",             TEXT,   0 },
	{ "TOTAL",     "value",            COUNT,  0 },
};

static const struct field top_fields[] = {
	{ "PLACE",     "place",            TEXT,   0 },
	{ "PID",       "pid",              NUMBER, 0 },
	{ "GEN",       "generation",       NUMBER, 6 },
	{ "STATE",     "state",            TEXT,   0 },
	{ "CONNS",     "connections",      COUNT,  0 },
	{ "REQ/S",     TINECTL_RATES_REQUESTS,  COUNT, 0 },
	{ "ACC/S",     TINECTL_RATES_ACCEPTED,  COUNT, 3 },
	{ "IN/S",      TINECTL_RATES_BYTES_IN,  BYTES, 5 },
	{ "OUT/S",     TINECTL_RATES_BYTES_OUT, BYTES, 4 },
	{ "LAG",       "loop_lag_seconds", LAG,    1 },
	{ "BUSY",      "utilisation",      SHARE,  0 },
	{ "RSS",       "rss_bytes",        BYTES,  2 },
};

/* Values of an object with words around them: "pid 12, up 3s". */
struct fact {
	const char *before, *key, *after;
	enum kind kind;
};

static const struct fact master_facts[] = {
	{ "",                  "state",          "",        TEXT },
	{ "pid ",              "pid",            "",        NUMBER },
	{ "up ",               "uptime_seconds", "",        AGE },
	{ "generation ",       "generation",     "",        NUMBER },
	{ "",                  "processes",      " places", NUMBER },
	{ "accept ",           "accept",         "",        TEXT },
};

static const struct fact event_facts[] = {
	{ "crashes ",          "crashes",        "",        COUNT },
	{ "hangs ",            "hangs",          "",        COUNT },
	{ "reloads ",          "reloads",        "",        COUNT },
	{ "rollbacks ",        "rollbacks",      "",        COUNT },
	{ "upgrades ",         "upgrades",       "",        COUNT },
	{ "fewest accepting ", "min_accepting",  "",        NUMBER },
};

static const struct fact total_facts[] = {
	{ ", dropped ",        "dropped",        "",        COUNT },
	{ "busiest/mean ",     "fairness",       "",        RATIO },
	{ "open ",             "fairness_open",  "",        RATIO },
};

static const struct fact admin_facts[] = {
	{ "admin ",            "url",            "",        TEXT },
	{ "pid ",              "pid",            "",        NUMBER },
	{ "",                  "state",          "",        TEXT },
};

static const struct fact acceptor_facts[] = {
	{ "acceptor pid ",     "pid",            "",        NUMBER },
	{ "",                  "state",          "",        TEXT },
	{ "accepted ",         "accepted",       "",        COUNT },
	{ "restarts ",         "restarts",       "",        COUNT },
};

static const struct fact error_facts[] = {
	{ "last error: ",      "last_error",     "",        TEXT },
};
/* clang-format on */

/* A value as people read it; an absent one is empty. */
static void
print_value(char *dst, size_t size, const json_t *value, enum kind kind)
{
	double n = json_number_value(value);
	const char *text = json_string_value(value);

	dst[0] = '\0';
	if (text != NULL)
		(void)log_escape(dst, size, text, strlen(text));
	if (!json_is_number(value))
		return;
	switch (kind) {
	case TEXT:
	case NUMBER:
		(void)snprintf(dst, size, "%.0f", n);
		break;
	case COUNT:
		(void)human_count(n, dst, size);
		break;
	case BYTES:
		(void)human_bytes(n, dst, size);
		break;
	case AGE:
		(void)human_age(n, dst, size);
		break;
	case LAG:
		(void)snprintf(dst, size, "%.1fms", n * 1000);
		break;
	case SHARE:
		(void)snprintf(dst, size, "%.0f%%", n * 100);
		break;
	case RATIO:
		(void)snprintf(dst, size, "%.2f", n);
		break;
	}
}

static void
print_facts(const json_t *object, const struct fact *facts, size_t n, FILE *out)
{
	char value[1024];
	size_t i, len;

	for (i = 0; i < n; i++) {
		print_value(value, sizeof(value),
		    json_object_get(object, facts[i].key), facts[i].kind);
		/* Words that follow a number are plurals. */
		len = strlen(facts[i].after);
		if (len > 0 && strcmp(value, "1") == 0)
			len--;
		(void)fprintf(out, "%s%s%s%.*s", i > 0 ? ", " : "",
		    facts[i].before, value, (int)len, facts[i].after);
	}
}

/* A child that is not ready needs a look. */
static enum table_colour
colour_of(const struct field *field, const char *text)
{
	if (strcmp(field->key, "state") != 0 || text[0] == '\0')
		return TABLE_PLAIN;
	return strcmp(text, "ready") == 0 ? TABLE_GOOD : TABLE_BUSY;
}

static int
add_row(struct table *t, const struct field *fields, const json_t *object)
{
	struct table_cell *row = table_row(t);
	size_t i;

	if (row == NULL)
		return -1;
	for (i = 0; i < t->ncolumns; i++) {
		print_value(row[i].text, sizeof(row[i].text),
		    json_object_get(object, fields[i].key), fields[i].kind);
		row[i].colour = colour_of(&fields[i], row[i].text);
	}
	return 0;
}

bool
tinectl_status_has_colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && (no == NULL || no[0] == '\0') &&
	    term != NULL && strcmp(term, "dumb") != 0;
}

/* Columns of the terminal; 0: it is none, or does not say. */
static size_t
screen_width(void)
{
	struct winsize size = { 0 };

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* The array's objects as a table, and under them one more unless NULL. */
static int
print_list(const json_t *array, const struct field *fields, size_t n,
    const json_t *last, const struct tinectl_sheet *sheet)
{
	struct table_column columns[TABLE_COLUMNS_MAX];
	struct table t;
	size_t i;
	int rc = 0;

	for (i = 0; i < n; i++) {
		columns[i].title = fields[i].title;
		columns[i].is_left = fields[i].kind == TEXT;
		columns[i].rank = fields[i].rank;
	}
	table_init(&t, columns, n);
	t.width = sheet->width;
	for (i = 0; rc == 0 && i < json_array_size(array); i++)
		rc = add_row(&t, fields, json_array_get(array, i));
	if (rc == 0 && last != NULL)
		rc = add_row(&t, fields, last);
	if (rc == 0) {
		(void)fputc('\n', sheet->out);
		table_print(&t, sheet->out, sheet->has_colour);
	}
	table_fini(&t);
	return rc;
}

static void
print_head(const json_t *status, FILE *out)
{
	const json_t *master = json_object_get(status, "master");
	const json_t *admin = json_object_get(status, "admin");
	const json_t *acceptor = json_object_get(status, "acceptor");
	char version[TABLE_CELL_MAX];

	print_value(version, sizeof(version),
	    json_object_get(status, "version"), TEXT);
	(void)fprintf(out, "tine %s: ", version);
	print_facts(master, master_facts, nitems(master_facts), out);
	(void)fputc('\n', out);
	print_facts(master, event_facts, nitems(event_facts), out);
	print_facts(json_object_get(status, "totals"), total_facts,
	    nitems(total_facts), out);
	(void)fputc('\n', out);
	if (json_is_object(admin)) {
		print_facts(admin, admin_facts, nitems(admin_facts), out);
		(void)fputc('\n', out);
	}
	if (json_is_object(acceptor)) {
		print_facts(acceptor, acceptor_facts, nitems(acceptor_facts),
		    out);
		(void)fputc('\n', out);
	}
	if (json_is_string(json_object_get(master, "last_error"))) {
		print_facts(master, error_facts, nitems(error_facts), out);
		(void)fputc('\n', out);
	}
}

/* The children, and their sums under the columns that they are of. */
static int
print_children(json_t *status, const struct field *fields, size_t n,
    const struct tinectl_sheet *sheet)
{
	json_t *totals = json_object_get(status, "totals");

	(void)json_object_set_new(totals, "place", json_string("total"));
	return print_list(json_object_get(status, "children"), fields, n,
	    totals, sheet);
}

/* What handlers count, if they do. */
static int
print_counters(json_t *status, const struct tinectl_sheet *sheet)
{
	json_t *counters = json_object_get(status, "counters"), *value;
	json_t *rows = json_array();
	const char *name;
	int rc = 0;

	if (rows == NULL)
		return -1;
	json_object_foreach(counters, name,
	    value) if (json_array_append_new(rows,
			   json_pack("{s:s, s:O}", "name", name, "value",
			       value)) == -1) rc = -1;
	if (rc == 0 && json_array_size(rows) > 0)
		rc = print_list(rows, counter_fields, nitems(counter_fields),
		    NULL, sheet);
	json_decref(rows);
	return rc;
}

int
tinectl_status_text(json_t *status, FILE *out)
{
	const struct tinectl_sheet sheet = { out, screen_width(),
		tinectl_status_has_colour() };

	print_head(status, out);
	if (print_list(json_object_get(status, "listeners"), listener_fields,
		nitems(listener_fields), NULL, &sheet) == -1 ||
	    print_children(status, child_fields, nitems(child_fields),
		&sheet) == -1)
		return -1;
	return print_counters(status, &sheet);
}

int
tinectl_status_top(json_t *status, const struct tinectl_sheet *sheet)
{
	print_head(status, sheet->out);
	return print_children(status, top_fields, nitems(top_fields), sheet);
}

int
tinectl_status_json(const json_t *status, FILE *out)
{
	char *text = json_dumps(status,
	    JSON_COMPACT | JSON_ENSURE_ASCII |
		JSON_REAL_PRECISION(REAL_DIGITS));
	const char *p;

	if (text == NULL)
		return -1;
	/* JSON has escapes for every control character but DEL. */
	for (p = text; *p != '\0'; p++)
		if (*p == '\177')
			(void)fputs("\\u007f", out);
		else
			(void)fputc(*p, out);
	(void)fputc('\n', out);
	free(text);
	return 0;
}

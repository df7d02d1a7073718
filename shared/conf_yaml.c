/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conf_yaml.c: libyaml, and where in the file we are. Runs in a process without
 * privileges, on bytes that may be anything. Knows no key of ours.
 *
 * Events and not libyaml's tree of nodes: aliases can make a tree endless, or
 * larger than memory.
 */
#include "shared/conf_yaml.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 32
/* More than is shown of a line behind the column. */
#define SHOWN_BYTES (4 * ORIGIN_SHOWN_MAX)

/* ---- lines ---- */

/* Bytes of the line break at text, or 0: those that libyaml counts as one. */
static size_t
break_at(const char *text, size_t left)
{
	static const char *const breaks[] = { "\r\n", "\n", "\r", "\xc2\x85",
		"\xe2\x80\xa8", "\xe2\x80\xa9" };
	size_t i, n;

	for (i = 0; i < nitems(breaks); i++) {
		n = strlen(breaks[i]);
		if (n <= left && memcmp(text, breaks[i], n) == 0)
			return n;
	}
	return 0;
}

/* Call with lines NULL to count. */
static size_t
find_lines(const char *text, size_t len, size_t *lines)
{
	size_t i = 0, n = 1, letters;

	if (lines != NULL)
		lines[0] = 0;
	while (i < len) {
		letters = break_at(text + i, len - i);
		i += MAX_OF(letters, 1);
		if (letters > 0 && lines != NULL)
			lines[n] = i;
		n += letters > 0;
	}
	return n;
}

static bool
is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* libyaml's decoder counts bytes, its scanner lines and columns. */
static yaml_mark_t
mark_of(const struct conf_yaml *y, size_t offset)
{
	yaml_mark_t mark = { 0 };
	size_t i;

	while (mark.line + 1 < y->nlines && y->lines[mark.line + 1] <= offset)
		mark.line++;
	for (i = y->lines[mark.line]; i < offset && i < y->len; i++)
		mark.column += !is_continuation(y->text[i]);
	return mark;
}

/* The byte of a column. From the last one that was asked for, or a long line
 * would be walked along for each of its values. */
static size_t
byte_of(struct conf_yaml *y, size_t line, size_t column)
{
	if (line != y->last.line || column < y->last.column) {
		y->last.line = line;
		y->last.column = 0;
		y->last.byte = y->lines[line];
	}
	for (; y->last.column < column && y->last.byte < y->len;
	     y->last.column++)
		do
			y->last.byte++;
		while (y->last.byte < y->len &&
		    is_continuation(y->text[y->last.byte]));
	return y->last.byte;
}

static void
place(struct conf_yaml *y, struct origin *at, yaml_mark_t mark)
{
	size_t begin, byte, end;

	/* The end of a file that ends its last line is behind that line. */
	if (mark.line >= y->nlines)
		mark.line = y->nlines - 1;
	begin = y->lines[mark.line];
	byte = byte_of(y, mark.line, mark.column);
	for (end = byte; end < y->len && end < byte + SHOWN_BYTES; end++)
		if (break_at(y->text + end, y->len - end) > 0)
			break;
	memset(at, 0, sizeof(*at));
	at->where = y->name;
	at->line = (unsigned)mark.line + 1;
	at->column = (unsigned)mark.column + 1;
	origin_show(at, y->text + begin, byte - begin, end - begin);
}

/* ---- errors ---- */

void
conf_yaml_fail(struct conf_yaml *y, const struct origin *at,
    const struct err *err)
{
	if (!y->fail(y->arg, at, err))
		y->is_over = true;
}

/* What libyaml says, for somebody who wrote a configuration. */
static const struct {
	const char *problem;
	bool is_at_begin; /* of what is broken, not where that shows */
	const char *text, *hint;
} problems[] = {
	{ "found character that cannot start any token", false,
	    "no value begins with this character", "put the value in quotes" },
	{ "mapping values are not allowed in this context", false,
	    "a \": \" where no key can stand",
	    "align keys of a map, and put a value that has \": \" in quotes" },
	{ "could not find expected ':'", true, "a key without \":\"",
	    "KEY: VALUE" },
	{ "did not find expected key", false, "this is no key of the map above",
	    "indent the keys of a map alike, and put a value that begins with "
	    "a quote wholly in quotes" },
	{ "did not find expected '-' indicator", false,
	    "this is no element of the list above",
	    "begin each element with \"- \", all indented alike" },
	{ "did not find expected ',' or '}'", true, "a \"{\" is not closed",
	    "{ KEY: VALUE, KEY: VALUE }" },
	{ "did not find expected ',' or ']'", true, "a \"[\" is not closed",
	    "[ VALUE, VALUE ]" },
	{ "found unexpected end of stream", true, "a quote is not closed",
	    "close it with the same kind of quote" },
	{ "found unknown escape character", false, "an unknown escape",
	    "\\\\ for a backslash, or single quotes around the value" },
	{ "control characters are not allowed", false,
	    "a control character stands in the file",
	    "write it as \"\\xHH\" in double quotes" },
};

/* The row of what libyaml said, or -1. */
static int
find_problem(const char *problem)
{
	size_t i;

	for (i = 0; problem != NULL && i < nitems(problems); i++)
		if (strcmp(problem, problems[i].problem) == 0)
			return (int)i;
	return -1;
}

static void
explain(const yaml_parser_t *p, int row, bool is_tab, struct err *err)
{
	if (p->error == YAML_MEMORY_ERROR) {
		err_set(err, EXIT_SYSTEM, "no memory to read the file");
	} else if (is_tab) {
		/* libyaml has several words for it. */
		err_set(err, EXIT_BAD_CONFIG, "a tab in the indentation");
		err_hint(err, "indent with spaces");
	} else if (row >= 0) {
		err_set(err, EXIT_BAD_CONFIG, "%s", problems[row].text);
		err_hint(err, "%s", problems[row].hint);
	} else {
		err_set(err, EXIT_BAD_CONFIG, "bad YAML: %s",
		    p->problem == NULL ? "not understood" : p->problem);
		err_hint(err, "%s",
		    p->error == YAML_READER_ERROR
			? "a configuration is UTF-8 text"
			: "tine.yaml(5) shows the form");
	}
}

static void
fail_syntax(struct conf_yaml *y)
{
	const yaml_parser_t *p = &y->parser;
	int row = find_problem(p->problem);
	yaml_mark_t mark = p->problem_mark;
	bool is_tab = false;
	struct origin at;
	struct err err;

	if (p->error == YAML_READER_ERROR)
		mark = mark_of(y, p->problem_offset);
	else if (row >= 0 && problems[row].is_at_begin)
		mark = p->context_mark;
	place(y, &at, mark);
	if (p->error == YAML_SCANNER_ERROR && y->last.byte < y->len)
		is_tab = y->text[y->last.byte] == '\t';
	explain(p, row, is_tab, &err);
	conf_yaml_fail(y, &at, &err);
	y->is_over = true;
	y->is_broken = true;
}

/* What YAML has and we do not: nobody should have to expand a configuration in
 * his head. */
static void
refuse_extras(struct conf_yaml *y)
{
	const yaml_event_t *e = &y->event;
	const yaml_char_t *tag = NULL, *anchor = NULL;
	struct origin at;
	struct err err;

	if (e->type == YAML_SCALAR_EVENT) {
		tag = e->data.scalar.tag;
		anchor = e->data.scalar.anchor;
	} else if (e->type == YAML_MAPPING_START_EVENT) {
		tag = e->data.mapping_start.tag;
		anchor = e->data.mapping_start.anchor;
	} else if (e->type == YAML_SEQUENCE_START_EVENT) {
		tag = e->data.sequence_start.tag;
		anchor = e->data.sequence_start.anchor;
	}
	if (tag == NULL && anchor == NULL && e->type != YAML_ALIAS_EVENT)
		return;
	conf_yaml_place(y, &at);
	err_set(&err, EXIT_BAD_CONFIG, "%s are not taken here",
	    tag != NULL ? "tags (!...)"
			: "anchors and aliases (&... and *...)");
	err_hint(&err,
	    tag != NULL ? "leave it out: each key has its type"
			: "write the value out");
	conf_yaml_fail(y, &at, &err);
}

/* libyaml's work on a list grows with the square of its depth. */
static void
watch_depth(struct conf_yaml *y)
{
	struct origin at;
	struct err err;

	y->depth += y->event.type == YAML_MAPPING_START_EVENT ||
	    y->event.type == YAML_SEQUENCE_START_EVENT;
	y->depth -= y->event.type == YAML_MAPPING_END_EVENT ||
	    y->event.type == YAML_SEQUENCE_END_EVENT;
	if (y->depth <= DEPTH_MAX)
		return;
	conf_yaml_place(y, &at);
	err_set(&err, EXIT_BAD_CONFIG, "maps and lists are nested too deeply");
	err_hint(&err, "no key of a configuration is that deep");
	conf_yaml_fail(y, &at, &err);
	y->is_over = true;
	y->is_broken = true;
}

/* ---- events ---- */

int
conf_yaml_open(struct conf_yaml *y, char *name, const char *text, size_t len,
    struct err *err)
{
	/* What a file looks like must not depend on its first bytes: 16 bits a
	 * letter would be another file to every other tool. */
	memset(y, 0, sizeof(*y));
	y->name = name;
	y->text = text;
	y->len = len;
	y->nlines = find_lines(text, len, NULL);
	y->lines = calloc(y->nlines, sizeof(*y->lines));
	if (y->lines == NULL || yaml_parser_initialize(&y->parser) == 0) {
		free(y->lines);
		y->lines = NULL;
		return err_sys(err, "memory to read %s", name);
	}
	(void)find_lines(text, len, y->lines);
	yaml_parser_set_encoding(&y->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&y->parser, (const unsigned char *)text,
	    len);
	return 0;
}

void
conf_yaml_close(struct conf_yaml *y)
{
	if (y->lines == NULL)
		return;
	if (y->has_event)
		yaml_event_delete(&y->event);
	y->has_event = false;
	yaml_parser_delete(&y->parser);
	free(y->lines);
	y->lines = NULL;
}

bool
conf_yaml_next(struct conf_yaml *y)
{
	if (y->has_event)
		yaml_event_delete(&y->event);
	y->has_event = false;
	if (y->is_over)
		return false;
	if (yaml_parser_parse(&y->parser, &y->event) == 0) {
		fail_syntax(y);
		return false;
	}
	y->has_event = true;
	refuse_extras(y);
	watch_depth(y);
	return true;
}

void
conf_yaml_skip(struct conf_yaml *y)
{
	size_t depth = 0;

	if (!y->has_event)
		return;
	do {
		depth += y->event.type == YAML_MAPPING_START_EVENT ||
		    y->event.type == YAML_SEQUENCE_START_EVENT;
		depth -= y->event.type == YAML_MAPPING_END_EVENT ||
		    y->event.type == YAML_SEQUENCE_END_EVENT;
	} while (depth > 0 && conf_yaml_next(y));
}

bool
conf_yaml_is(const struct conf_yaml *y, yaml_event_type_t type)
{
	return y->has_event && y->event.type == type;
}

const char *
conf_yaml_scalar(const struct conf_yaml *y)
{
	return (const char *)y->event.data.scalar.value;
}

bool
conf_yaml_is_null(const struct conf_yaml *y)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
	size_t i;

	if (y->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	for (i = 0; i < nitems(nulls); i++)
		if (strcmp(conf_yaml_scalar(y), nulls[i]) == 0)
			return true;
	return false;
}

void
conf_yaml_place(struct conf_yaml *y, struct origin *at)
{
	place(y, at, y->event.start_mark);
}

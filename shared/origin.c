/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * origin.c: where each key of a configuration was said. Used by the process
 * that reads the files, which writes the list as text, and by the checker,
 * which reads it. A list is short-lived and looked at for errors only, so it
 * is searched from its end to its beginning by nothing faster than a walk.
 */
#include "shared/origin.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "shared/directive.h"
#include "shared/value.h"

/* Letters of a line that are shown before a column that is far. */
#define BEFORE_COLUMN 40
#define FAR_COLUMN 60

void
origin_init(struct origin_list *list)
{
	STAILQ_INIT(list);
}

static void
free_one(struct origin *o)
{
	free(o->key);
	free(o->where);
	free(o);
}

void
origin_fini(struct origin_list *list)
{
	struct origin *o;

	while ((o = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, entry);
		free_one(o);
	}
}

int
origin_add(struct origin_list *list, const char *key, const struct origin *at,
    struct err *err)
{
	struct origin *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return err_sys(err, "place of %s", key);
	*o = *at;
	o->key = strdup(key);
	o->where = strdup(at->where);
	if (o->key == NULL || o->where == NULL) {
		err_sys(err, "place of %s", key);
		free_one(o);
		return -1;
	}
	/* The last place is the one that counts, so it is found first. */
	STAILQ_INSERT_HEAD(list, o, entry);
	return 0;
}

static const struct origin *
find(const struct origin_list *list, const char *key, size_t letters)
{
	const struct origin *o;

	STAILQ_FOREACH(o, list, entry)
		if (strncmp(o->key, key, letters) == 0 &&
		    o->key[letters] == '\0')
			return o;
	return NULL;
}

bool
origin_has(const struct origin_list *list, const char *key)
{
	return find(list, key, strlen(key)) != NULL;
}

const struct origin *
origin_find(const struct origin_list *list, const char *key)
{
	const struct origin *o = NULL;
	size_t letters;

	for (letters = strlen(key); letters > 0 && o == NULL; letters--)
		if (key[letters] == '\0' || key[letters] == '.')
			o = find(list, key, letters);
	return o;
}

/* ---- the line ---- */

static bool
is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

void
origin_show(struct origin *o, const char *text, size_t at, size_t len)
{
	size_t from = 0, i, n = 0;
	unsigned back;

	/* Far into a long line only what is near is shown. */
	if (o->column > FAR_COLUMN)
		for (from = at, back = BEFORE_COLUMN; back > 0 && from > 0;)
			back -= !is_continuation(text[--from]);
	o->caret = 0;
	for (i = from; i < len && n + 1 < sizeof(o->shown); i++) {
		if (is_continuation(text[i]))
			continue;
		/* One letter for a character, or the caret goes astray. */
		o->caret += i < at;
		o->shown[n++] = text[i] == '\t'      ? ' '
		    : text[i] < ' ' || text[i] > '~' ? '?'
						     : text[i];
	}
	o->shown[n] = '\0';
}

/* ---- text ---- */

void
origin_print(const struct origin_list *list, FILE *f)
{
	const struct origin *o;

	STAILQ_FOREACH(o, list, entry) {
		(void)fprintf(f, "%u %u %u %s=", o->line, o->column, o->caret,
		    o->key);
		directive_print_text(o->where, f);
		(void)fprintf(f, "\n");
		directive_print_text(o->shown, f);
		(void)fprintf(f, "\n");
	}
}

/* "LINE COLUMN CARET KEY=WHERE", and the piece of the line. */
static int
parse_one(struct origin_list *list, char *head, char *shown, struct err *err)
{
	struct origin at = { 0 };
	char *key = NULL, *where;
	int used = 0;

	if (sscanf(head, "%u %u %u %n", &at.line, &at.column, &at.caret,
		&used) != 3 ||
	    (where = strchr(head + used, '=')) == NULL)
		return err_set(err, EXIT_SYSTEM, "place of a key: \"%s\"",
		    head);
	key = head + used;
	*where++ = '\0';
	if (value_unescape(where, where, err) == -1 ||
	    value_unescape(shown, shown, err) == -1)
		return -1;
	at.where = where;
	(void)strlcpy(at.shown, shown, sizeof(at.shown));
	at.caret = (unsigned)MIN_OF(at.caret, strlen(at.shown));
	return origin_add(list, key, &at, err);
}

int
origin_parse(struct origin_list *list, char *text, struct err *err)
{
	char *head, *shown;
	struct origin_list reversed = STAILQ_HEAD_INITIALIZER(reversed);
	struct origin *o;
	int rc = 0;

	while (rc == 0 && *text != '\0') {
		head = strsep(&text, "\n");
		shown = text == NULL ? NULL : strsep(&text, "\n");
		if (shown == NULL || text == NULL)
			rc = err_set(err, EXIT_SYSTEM,
			    "places of keys end too early");
		else
			rc = parse_one(&reversed, head, shown, err);
	}
	/* Each was put before the others; keep the order of the text. */
	while ((o = STAILQ_FIRST(&reversed)) != NULL) {
		STAILQ_REMOVE_HEAD(&reversed, entry);
		STAILQ_INSERT_HEAD(list, o, entry);
	}
	return rc;
}

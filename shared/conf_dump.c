/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conf_dump.c: a configuration as the YAML that tine.yaml(5) describes, every
 * key in it: what -T prints and -c reads back as the same. Used by the master
 * on the effective configuration.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/conf.h"
#include "shared/directive.h"

/* A text that YAML takes as it stands, and for nothing but a text. */
static bool
is_plain(const char *text)
{
	size_t i;

	if (text[0] == '\0' || strcasecmp(text, "null") == 0)
		return false;
	for (i = 0; text[i] != '\0'; i++)
		if (!isalnum((unsigned char)text[i]) &&
		    (i == 0 ? text[i] != '/' && text[i] != '.'
			    : strchr("/._-@+", text[i]) == NULL))
			return false;
	return true;
}

static void
dump_text(const char *text, FILE *f)
{
	if (is_plain(text)) {
		(void)fputs(text, f);
		return;
	}
	(void)fputc('"', f);
	for (; *text != '\0'; text++)
		if (*text == '"' || *text == '\\')
			(void)fprintf(f, "\\%c", *text);
		else if (iscntrl((unsigned char)*text))
			(void)fprintf(f, "\\x%02x", (unsigned char)*text);
		else
			(void)fputc(*text, f);
	(void)fputc('"', f);
}

static void
dump_listens(const struct conf_server *s, FILE *f)
{
	char text[URL_TEXT_MAX];
	size_t i;

	if (s->nlistens == 0)
		(void)fputs(" []", f);
	for (i = 0; i < s->nlistens; i++) {
		(void)fputs("\n      - ", f);
		dump_text(url_print(&s->listens[i], text, sizeof(text)), f);
	}
	(void)fputc('\n', f);
}

static void
dump_options(const struct conf_server *s, FILE *f)
{
	size_t i;

	if (s->noptions == 0)
		(void)fputs(" {}", f);
	for (i = 0; i < s->noptions; i++) {
		(void)fputs("\n      ", f);
		dump_text(s->options[i].key, f);
		(void)fputs(": ", f);
		dump_text(s->options[i].value, f);
	}
	(void)fputc('\n', f);
}

/* Texts are quoted; what other types print is plain anyhow. */
static void
dump_value(const struct directive *d, const void *base, FILE *f)
{
	char *text = directive_text(d, base);

	if (d->kind == DIRECTIVE_LISTEN) {
		dump_listens(base, f);
	} else if (d->kind == DIRECTIVE_OPTIONS) {
		dump_options(base, f);
	} else {
		(void)fputc(' ', f);
		dump_text(text == NULL ? "" : text, f);
		(void)fputc('\n', f);
	}
	free(text);
}

/* "log.file" below "log:", which is printed before its first key. */
static void
dump_row(const struct directive *d, const char *group, const void *base,
    const char *indent, FILE *f)
{
	size_t letters = strcspn(d->key, ".");
	const char *word = d->key, *deeper = "";

	if (d->key[letters] == '.') {
		if (strncmp(group, d->key, letters + 1) != 0)
			(void)fprintf(f, "%s%.*s:\n", indent, (int)letters,
			    d->key);
		word = d->key + letters + 1;
		deeper = "  ";
	}
	if (directive_is_set(d, base)) {
		(void)fprintf(f, "%s%s%s:", indent, deeper, word);
		dump_value(d, base, f);
	} else
		(void)fprintf(f, "%s%s# %s: not set\n", indent, deeper, word);
}

static void
dump_rows(enum directive_scope scope, const void *base, const char *indent,
    const char *first, FILE *f)
{
	size_t i, n;
	const struct directive *d = directive_table(scope, &n);
	const char *group = "";

	for (i = 0; i < n; i++) {
		if (d[i].is_derived)
			continue;
		dump_row(&d[i], group, base, first, f);
		group = d[i].key;
		first = indent;
	}
}

int
conf_dump(const struct conf *conf, FILE *f)
{
	size_t i;

	dump_rows(DIRECTIVE_CONF, conf, "", "", f);
	(void)fprintf(f, "servers:%s\n", conf->nservers == 0 ? " []" : "");
	for (i = 0; i < conf->nservers; i++)
		dump_rows(DIRECTIVE_SERVER, &conf->servers[i], "    ", "  - ",
		    f);
	return ferror(f) || fflush(f) == EOF ? -1 : 0;
}

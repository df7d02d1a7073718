/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * words.c: the handler, its options and the listen URLs of a command line, and
 * the servers that they make. Runs in the master before anything else; only
 * fills in the configuration.
 */
#include "master/words.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "shared/own.h"

/* Longer than the name of any handler's option. */
#define KEY_LETTERS 64

/* ---- words that are no options ---- */

/* KEY=VALUE; a path may hold the sign too. */
static bool
is_option(const char *word)
{
	return word[strcspn(word, "=/")] == '=';
}

int
words_take(struct words *w, const char *word, struct err *err)
{
	const char *equals = strchr(word, '=');

	/* A program's own handler need not be named. */
	if (w->handler == NULL && is_option(word))
		w->handler = own_name();
	if (w->handler == NULL) {
		if (word[0] != '\0' && !is_option(word)) {
			w->handler = word;
			return 0;
		}
		err_set(err, EXIT_BAD_USAGE,
		    "\"%s\" stands where the handler's name belongs", word);
		return err_hint(err, "%s %s %s", own_program(), own_default(),
		    word);
	}
	if (equals == NULL || equals == word) {
		err_set(err, EXIT_BAD_USAGE, "\"%s\" is not KEY=VALUE", word);
		return err_hint(err,
		    "options of handler %s follow it as KEY=VALUE; "
		    "%s -H lists them",
		    w->handler, own_program());
	}
	w->options[w->noptions++] = word;
	return 0;
}

/* Two words set the same option: one of them would be lost. */
static int
check_is_new(const struct words *w, size_t index, size_t key_letters,
    struct err *err)
{
	size_t i;

	for (i = 0; i < index; i++)
		if (strncmp(w->options[i], w->options[index],
			key_letters + 1) == 0) {
			err_set(err, EXIT_BAD_CONFIG,
			    "option \"%.*s\" of handler %s is given twice",
			    (int)key_letters, w->options[index], w->handler);
			return err_hint(err, "give it once");
		}
	return 0;
}

/* ---- servers ---- */

static int
set_key(struct conf *conf, size_t server, const char *rest, const char *value,
    struct err *err)
{
	char key[KEY_LETTERS + 64];

	(void)snprintf(key, sizeof(key), "servers.%zu.%s", server, rest);
	return conf_set(conf, key, value, err);
}

static int
set_options(struct conf *conf, const struct words *w, struct err *err)
{
	char rest[KEY_LETTERS + 16];
	size_t i, letters;

	for (i = 0; i < w->noptions; i++) {
		letters = strcspn(w->options[i], "=");
		if (letters > KEY_LETTERS) {
			err_set(err, EXIT_BAD_CONFIG,
			    "an option's name of %zu letters is too long",
			    letters);
			return err_hint(err, "at most %d letters", KEY_LETTERS);
		}
		if (check_is_new(w, i, letters, err) == -1)
			return -1;
		(void)snprintf(rest, sizeof(rest), "options.%.*s", (int)letters,
		    w->options[i]);
		if (set_key(conf, 0, rest, w->options[i] + letters + 1, err) ==
		    -1)
			return -1;
	}
	return 0;
}

/* The server that HANDLER and its options describe: number 0. */
static int
add_main_server(struct conf *conf, const struct words *w, struct err *err)
{
	if (set_key(conf, 0, "handler",
		w->handler != NULL ? w->handler : own_default(), err) == -1)
		return -1;
	if (w->nlistens == 0 &&
	    set_key(conf, 0, "listen", WORDS_DEFAULT_URL, err) == -1)
		return -1;
	return set_options(conf, w, err);
}

/* A URL with handler=NAME is a server of its own, without options. */
static int
add_listen(struct conf *conf, const char *text, struct err *err)
{
	size_t server = 0;
	struct url u;

	if (url_parse(&u, text, err) == -1)
		return -1;
	if (u.handler[0] != '\0') {
		server = conf->nservers;
		if (set_key(conf, server, "handler", u.handler, err) == -1)
			return -1;
	}
	return set_key(conf, server, "listen", text, err);
}

int
words_add_servers(const struct words *w, struct conf *conf, struct err *err)
{
	size_t i, nplain = 0;
	struct url u;

	/* Only the files' servers. */
	if (conf->nfiles > 0 && w->nlistens == 0 && w->handler == NULL)
		return 0;
	for (i = 0; i < w->nlistens; i++) {
		if (url_parse(&u, w->listens[i], err) == -1)
			return -1;
		nplain += u.handler[0] == '\0';
	}
	if (w->nlistens == 0 || nplain > 0) {
		if (add_main_server(conf, w, err) == -1)
			return -1;
	} else if (w->handler != NULL) {
		err_set(err, EXIT_BAD_CONFIG, "handler %s has no listen URL",
		    w->handler);
		return err_hint(err,
		    "every -l names its own by handler=; add one without");
	}
	for (i = 0; i < w->nlistens; i++)
		if (add_listen(conf, w->listens[i], err) == -1)
			return -1;
	return 0;
}

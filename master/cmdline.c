/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmdline.c: the command line as a table of options, from which it is parsed
 * and --help is made. Runs in the master before anything else; only fills in
 * the configuration: opens nothing, looks nothing up, prints no error.
 */
#include "master/cmdline.h"

#include <assert.h>
#include <ctype.h>
#include <getopt.h>
#include <gnu/libc-version.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ev.h>
#include <jansson.h>

#include "shared/directive.h"
#include "shared/value.h"

/* The Makefile tells these to this file alone. */
#ifndef CMDLINE_FLAGS
#define CMDLINE_FLAGS "unknown"
#endif
#ifndef CMDLINE_LIBBSD
#define CMDLINE_LIBBSD "of unknown version"
#endif
#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

#define DEFAULT_URL "tcp://127.0.0.1:8080"
#define DEFAULT_HANDLER "http"
/* Longer than the name of any handler's option. */
#define KEY_LETTERS 64

struct option_row {
	char letter;      /* 0: none */
	const char *name; /* NULL: none */
	const char *argument;
	const char *help;
	const char *key; /* of the directive that the argument is for */
	enum cmdline_action action;
	bool is_repeatable;
	bool is_built;
};

/* clang-format off */
static const struct option_row rows[] = {
	{ 'l', "listen", "URL", .is_built = true, .is_repeatable = true,
	    .help = "listen here; repeatable" },
	{ 'n', "processes", "N", .is_built = true, .key = "processes",
	    .help = "children: 1 to 1024, or auto for one per CPU" },
	{ 'a', "accept", "MODE", .is_built = true, .key = "accept",
	    .help = "auto, reuseport or shared" },
	{ 'b', "balance", "HOW",
	    .help = "how connections are spread" },
	{ 'c', "config", "FILE", .is_repeatable = true,
	    .help = "configuration file or folder" },
	{ 'o', "option", "K=V", .is_repeatable = true,
	    .help = "set one configuration key" },
	{ 'd', "daemon",
	    .help = "run in the background" },
	{ 'p', "pid-file", "FILE",
	    .help = "write the master's pid there" },
	{ 'u', "user", "USER[:GROUP]",
	    .help = "account that children run as" },
	{ 'C', "control", "PATH", .is_built = true, .key = "control",
	    .help = "control socket, or none" },
	{ 'A', "admin", "URL",
	    .help = "status page, metrics and health" },
	{ 'L', "log", "FILE", .is_built = true, .key = "log.file",
	    .help = "error log: a file, stderr or syslog" },
	{ 0, "log-level", "LEVEL", .is_built = true, .key = "log.level",
	    .help = "error, warn, info or debug" },
	{ 't', "test", .is_built = true, .action = CMDLINE_TEST,
	    .help = "check the configuration, handlers too, and exit" },
	{ 'T', "dump",
	    .help = "print the effective configuration" },
	{ 'H', "handlers", .is_built = true, .action = CMDLINE_LIST,
	    .help = "list the handlers and their options" },
	{ 'X', "single", .is_built = true, .action = CMDLINE_SINGLE,
	    .help = "one process, no fork: for a debugger" },
	{ 'v', "version", .is_built = true, .action = CMDLINE_VERSION,
	    .help = "print the version" },
	{ 'V', .is_built = true, .action = CMDLINE_BUILD,
	    .help = "print the version, build options and libraries" },
	{ 'h', "help", .is_built = true, .action = CMDLINE_HELP,
	    .help = "print this" },
};
/* clang-format on */

/* What getopt_long() returns for a row without a letter. */
#define FIRST_VALUE 256

/* What argv says; all point into it. */
struct words {
	unsigned seen; /* rows that were given, as bits */
	const char **listens;
	size_t nlistens;
	const char *handler;
	const char **options; /* KEY=VALUE */
	size_t noptions;
};

/* ---- names of options ---- */

static int
value_of(const struct option_row *r)
{
	return r->letter != 0 ? r->letter : FIRST_VALUE + (int)(r - rows);
}

static const struct option_row *
find_row(int value)
{
	const struct option_row *r;

	for (r = rows; r < rows + nitems(rows); r++)
		if (value_of(r) == value)
			return r;
	return NULL;
}

/* "-n, --processes", "--log-level" or "-V". */
static const char *
name_of(const struct option_row *r, char *dst, size_t size)
{
	if (r->name == NULL)
		(void)snprintf(dst, size, "-%c", r->letter);
	else if (r->letter == 0)
		(void)snprintf(dst, size, "--%s", r->name);
	else
		(void)snprintf(dst, size, "-%c, --%s", r->letter, r->name);
	return dst;
}
#define NAME_LETTERS 64

static int
refuse_unknown(const char *word, struct err *err)
{
	const char *names[nitems(rows)], *near;
	size_t i, length = strlen(word);

	err_set(err, EXIT_BAD_USAGE, "unknown option \"%s\"", word);
	for (i = 0; i < nitems(rows); i++)
		names[i] = rows[i].name;
	near = strncmp(word, "--", 2) == 0
	    ? value_nearest(word + 2, names, nitems(names))
	    : NULL;
	/* An option cut short is one that getopt_long() would have taken. */
	for (i = 0; i < nitems(rows) && near == NULL && length > 2; i++)
		if (names[i] != NULL &&
		    strncmp(word + 2, names[i], length - 2) == 0)
			near = names[i];
	if (near != NULL)
		return err_hint(err, "did you mean \"--%s\"?", near);
	return err_hint(err, "tine --help lists the options");
}

/* ---- one option ---- */

/* Values that have a meaning later. */
static int
check_built(const struct option_row *r, const char *value, struct err *err)
{
	char name[NAME_LETTERS];
	bool is_range = r->letter == 'n' && strchr(value, ':') != NULL;
	bool is_dispatch = r->letter == 'a' && strcmp(value, "dispatch") == 0;

	if (!is_range && !is_dispatch)
		return 0;
	err_set(err, EXIT_BAD_USAGE, "%s %s is not built yet",
	    name_of(r, name, sizeof(name)), is_range ? "MIN:MAX" : value);
	return err_hint(err, "%s",
	    is_range ? "a number of children, or auto"
		     : "auto, reuseport or shared");
}

static int
set_value(const struct option_row *r, const char *value, struct conf *conf,
    struct err *err)
{
	const struct directive *d;
	const char *near;
	char name[NAME_LETTERS];

	if (check_built(r, value, err) == -1)
		return -1;
	d = directive_find(DIRECTIVE_CONF, r->key, &near);
	assert(d != NULL);
	if (directive_set(d, conf, value, err) == -1)
		return err_prefix(err, "%s", name_of(r, name, sizeof(name)));
	return 0;
}

/* The option that is answered at once, whatever else argv says. */
static bool
is_answer(enum cmdline_action action)
{
	return action == CMDLINE_HELP || action == CMDLINE_VERSION ||
	    action == CMDLINE_BUILD;
}

static int
set_action(const struct option_row *r, enum cmdline_action *action,
    struct err *err)
{
	char name[NAME_LETTERS], other[NAME_LETTERS];
	const struct option_row *o;

	if (*action == CMDLINE_RUN || is_answer(r->action)) {
		*action = r->action;
		return 0;
	}
	for (o = rows; o->action != *action; o++)
		continue;
	err_set(err, EXIT_BAD_USAGE, "%s and %s exclude each other",
	    name_of(o, other, sizeof(other)), name_of(r, name, sizeof(name)));
	return err_hint(err, "give one of them");
}

static int
check_given(const struct option_row *r, unsigned seen, struct err *err)
{
	char name[NAME_LETTERS];

	(void)name_of(r, name, sizeof(name));
	if (!r->is_built) {
		err_set(err, EXIT_BAD_USAGE, "%s is not built yet", name);
		return err_hint(err, "tine --help marks what is not");
	}
	if (!r->is_repeatable && (seen & BIT(r - rows)) != 0) {
		err_set(err, EXIT_BAD_USAGE, "%s is given twice", name);
		return err_hint(err, "give it once");
	}
	return 0;
}

static int
take_option(const struct option_row *r, const char *value, struct words *w,
    struct conf *conf, enum cmdline_action *action, struct err *err)
{
	if (check_given(r, w->seen, err) == -1)
		return -1;
	w->seen |= BIT(r - rows);
	if (r->key != NULL)
		return set_value(r, value, conf, err);
	if (r->argument == NULL)
		return set_action(r, action, err);
	w->listens[w->nlistens++] = value;
	return 0;
}

/* ---- words that are no options ---- */

static int
take_word(struct words *w, const char *word, struct err *err)
{
	const char *equals = strchr(word, '=');

	if (w->handler == NULL) {
		if (word[0] != '\0' &&
		    (equals == NULL || strchr(word, '/') != NULL)) {
			w->handler = word;
			return 0;
		}
		err_set(err, EXIT_BAD_USAGE,
		    "\"%s\" stands where the handler's name belongs", word);
		return err_hint(err, "tine %s %s", DEFAULT_HANDLER, word);
	}
	if (equals == NULL || equals == word) {
		err_set(err, EXIT_BAD_USAGE, "\"%s\" is not KEY=VALUE", word);
		return err_hint(err,
		    "options of handler %s follow it as KEY=VALUE; "
		    "tine -H lists them",
		    w->handler);
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
		w->handler != NULL ? w->handler : DEFAULT_HANDLER, err) == -1)
		return -1;
	if (w->nlistens == 0 &&
	    set_key(conf, 0, "listen", DEFAULT_URL, err) == -1)
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

static int
add_servers(struct conf *conf, const struct words *w, struct err *err)
{
	size_t i, nplain = 0;
	struct url u;

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

/* ---- argv ---- */

/* For getopt_long(): "-" keeps the order of argv, ":" reports a missing
 * argument apart from an unknown option. */
static void
fill_options(char *letters, struct option *names)
{
	const struct option_row *r;

	*letters++ = '-';
	*letters++ = ':';
	for (r = rows; r < rows + nitems(rows); r++) {
		if (r->letter != 0) {
			*letters++ = r->letter;
			if (r->argument != NULL)
				*letters++ = ':';
		}
		if (r->name != NULL)
			*names++ = (struct option){ .name = r->name,
				.has_arg = r->argument != NULL,
				.val = value_of(r) };
	}
	*letters = '\0';
	*names = (struct option){ 0 };
}

/* getopt_long() takes --proc for --processes; we don't, as an option to come
 * could change what it means. */
static bool
is_cut_short(const char *word, const struct option_row *r)
{
	return strncmp(word, "--", 2) == 0 && strcmp(word + 2, r->name) != 0;
}

/* What getopt_long() did not take; optopt is its letter or value. */
static int
refuse(bool needs_value, const char *word, struct err *err)
{
	const struct option_row *r = find_row(optopt);
	char name[NAME_LETTERS] = { '-', (char)optopt };

	/* Half of a letter outside ASCII would not be one. */
	if (r == NULL)
		return refuse_unknown(
		    optopt > 0 && isgraph(optopt) ? name : word, err);
	if (is_cut_short(word, r))
		return refuse_unknown(word, err);
	err_set(err, EXIT_BAD_USAGE, "%s %s", name_of(r, name, sizeof(name)),
	    needs_value ? "needs a value" : "takes no value");
	return needs_value ? err_hint(err, "%s %s", word, r->argument)
			   : err_hint(err, "%s alone", word);
}

static int
parse_argv(int argc, char **argv, struct words *w, struct conf *conf,
    enum cmdline_action *action, struct err *err)
{
	struct option names[nitems(rows) + 1];
	char letters[2 * nitems(rows) + 3], word[NAME_LETTERS];
	const struct option_row *r;
	int got, rc = 0;

	fill_options(letters, names);
	/* 0, not 1: getopt() forgets what it read before. */
	optind = 0;
	opterr = 0;
	while (rc == 0 && !is_answer(*action)) {
		const char *given = argv[MAX_OF(optind, 1)];

		got = getopt_long(argc, argv, letters, names, NULL);
		if (got == -1)
			break;
		(void)snprintf(word, sizeof(word), "%.*s",
		    (int)strcspn(given, "="), given);
		if (got == 1)
			rc = take_word(w, optarg, err);
		else if (got == '?' || got == ':')
			rc = refuse(got == ':', word, err);
		else if ((r = find_row(got)) != NULL && is_cut_short(word, r))
			rc = refuse_unknown(word, err);
		else
			rc = take_option(r, optarg, w, conf, action, err);
	}
	/* What follows "--". */
	for (; rc == 0 && !is_answer(*action) && optind < argc; optind++)
		rc = take_word(w, argv[optind], err);
	return rc;
}

int
cmdline_parse(int argc, char **argv, struct conf *conf,
    enum cmdline_action *action, struct err *err)
{
	struct words w = {
		.listens = calloc((size_t)argc + 1, sizeof(*w.listens)),
		.options = calloc((size_t)argc + 1, sizeof(*w.options)),
	};
	int rc = -1;

	*action = CMDLINE_RUN;
	conf->folder = getcwd(NULL, 0);
	if (w.listens == NULL || w.options == NULL)
		err_sys(err, "list of arguments");
	else if (conf->folder == NULL) {
		err_sys(err, "name of the current folder");
		err_hint(err, "start tine in a folder that exists");
	} else
		rc = parse_argv(argc, argv, &w, conf, action, err);
	if (rc == 0 && !is_answer(*action))
		rc = add_servers(conf, &w, err);
	free(w.listens);
	free(w.options);
	return rc;
}

/* ---- answers ---- */

static void
print_row(const struct option_row *r, FILE *f)
{
	char text[NAME_LETTERS], letter[] = "-x,";

	letter[1] = r->letter;
	if (r->name == NULL)
		letter[2] = '\0';
	(void)snprintf(text, sizeof(text), "%-3s %s%s%s%s",
	    r->letter != 0 ? letter : "", r->name != NULL ? "--" : "",
	    r->name != NULL ? r->name : "", r->argument != NULL ? " " : "",
	    r->argument != NULL ? r->argument : "");
	(void)fprintf(f, "  %-25s %s%s\n", text, r->help,
	    r->is_built ? "" : " (not built yet)");
}

void
cmdline_help(FILE *f)
{
	const struct option_row *r;

	(void)fputs(
	    "Usage: tine [OPTION]... [HANDLER [KEY=VALUE]...]\n"
	    "Serve connections with N processes that can be replaced at any "
	    "time.\n"
	    "\n"
	    "HANDLER is the name of a built-in one (tine -H lists them) or the "
	    "path of a\n"
	    "shared object, ./game.so; without it " DEFAULT_HANDLER
	    ". KEY=VALUE sets an option of it.\n"
	    "\n",
	    f);
	for (r = rows; r < rows + nitems(rows); r++)
		print_row(r, f);
	(void)fputs("\n"
		    "URL is [tcp://|tcp4://|tcp6://][HOST]:PORT or "
		    "unix://PATH, with ?key=value&...\n"
		    "behind it; a bare port means every address. Without "
		    "-l: " DEFAULT_URL ".\n"
		    "\n"
		    "  tine                              the welcome page\n"
		    "  tine http root=.                  this folder\n"
		    "  tine -l 8080 -n 4 http root=/srv  four children, every "
		    "address\n"
		    "  tine -l unix://echo.sock echo     echo on a unix "
		    "socket\n",
	    f);
}

void
cmdline_version(FILE *f)
{
	(void)fprintf(f, "tine %s\n", TINE_VERSION);
}

void
cmdline_build(FILE *f)
{
	cmdline_version(f);
	(void)fprintf(f, "compiler: %s\n", COMPILER);
	(void)fprintf(f, "flags: %s\n", CMDLINE_FLAGS);
	(void)fprintf(f,
	    "libraries: libev %d.%d, libbsd %s, jansson %s, glibc %s\n",
	    ev_version_major(), ev_version_minor(), CMDLINE_LIBBSD,
	    jansson_version_str(), gnu_get_libc_version());
}

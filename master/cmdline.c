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
#include <yaml.h>

#include "master/words.h"
#include "shared/directive.h"
#include "shared/own.h"
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

#define COLUMNS 78

struct option_row {
	char letter;      /* 0: none */
	const char *name; /* NULL: none */
	const char *argument;
	const char *help;
	const char *key; /* of the directive that the argument is for */
	enum cmdline_action action;
	int (*take)(const struct option_row *, const char *value,
	    struct words *, struct conf *, struct err *); /* or NULL */
	bool is_repeatable;
};

static int take_listen(const struct option_row *, const char *, struct words *,
    struct conf *, struct err *);
static int take_file(const struct option_row *, const char *, struct words *,
    struct conf *, struct err *);
static int take_setting(const struct option_row *, const char *, struct words *,
    struct conf *, struct err *);
static int take_daemon(const struct option_row *, const char *, struct words *,
    struct conf *, struct err *);
static int take_account(const struct option_row *, const char *, struct words *,
    struct conf *, struct err *);

/* clang-format off */
static const struct option_row rows[] = {
	{ 'l', "listen", "URL", .is_repeatable = true,
	    .take = take_listen,
	    .help = "listen here; repeatable" },
	{ 'n', "processes", "N", .key = "processes",
	    .help = "children: 1 to 1024, auto, or MIN:MAX" },
	{ 'a', "accept", "MODE", .key = "accept",
	    .help = "auto, reuseport, shared or dispatch" },
	{ 'b', "balance", "HOW", .key = "balance",
	    .help = "how connections are spread: tine.yaml(5)" },
	{ 'c', "config", "FILE", .is_repeatable = true,
	    .take = take_file,
	    .help = "configuration file or folder: tine.yaml(5)" },
	{ 'o', "option", "K=V", .is_repeatable = true,
	    .take = take_setting,
	    .help = "set one key of tine.yaml(5); wins over files" },
	{ 'd', "daemon", .take = take_daemon,
	    .help = "run in the background" },
	{ 'p', "pid-file", "FILE", .key = "pid-file",
	    .help = "write the master's pid there" },
	{ 'u', "user", "USER[:GROUP]", .take = take_account,
	    .help = "account that children run as" },
	{ 'C', "control", "PATH", .key = "control",
	    .help = "control socket, or none" },
	{ 'A', "admin", "URL", .key = "admin",
	    .help = "status page, metrics and health" },
	{ 'L', "log", "FILE", .key = "log.file",
	    .help = "error log: a file, stderr or syslog" },
	{ 0, "log-level", "LEVEL", .key = "log.level",
	    .help = "error, warn, info or debug" },
	{ 't', "test", .action = CMDLINE_TEST,
	    .help = "check the configuration, handlers too, and exit" },
	{ 'T', "dump", .action = CMDLINE_DUMP,
	    .help = "print the effective configuration" },
	{ 'H', "handlers", .action = CMDLINE_LIST,
	    .help = "list the handlers and their options" },
	{ 'X', "single", .action = CMDLINE_SINGLE,
	    .help = "one process, no fork: for a debugger" },
	{ 'v', "version", .action = CMDLINE_VERSION,
	    .help = "print the version" },
	{ 'V', .action = CMDLINE_BUILD,
	    .help = "print the version, build options and libraries" },
	{ 'h', "help", .action = CMDLINE_HELP,
	    .help = "print this" },
};
/* clang-format on */

/* What getopt_long() returns for a row without a letter. */
#define FIRST_VALUE 256

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
	return err_hint(err, "%s --help lists the options", own_program());
}

/* ---- one option ---- */

static int
set_value(const struct option_row *r, const char *key, const char *value,
    struct conf *conf, struct err *err)
{
	const struct directive *d;
	const char *near;
	char name[NAME_LETTERS];

	(void)name_of(r, name, sizeof(name));
	d = directive_find(DIRECTIVE_CONF, key, &near);
	assert(d != NULL);
	if (directive_set(d, conf, value, err) == -1)
		return err_prefix(err, "%s", name);
	return conf_add_setting(conf, name, key, value, err);
}

static int
take_listen(const struct option_row *r, const char *value, struct words *w,
    struct conf *conf, struct err *err)
{
	(void)r;
	(void)conf;
	(void)err;
	w->listens[w->nlistens++] = value;
	return 0;
}

static int
take_file(const struct option_row *r, const char *value, struct words *w,
    struct conf *conf, struct err *err)
{
	char name[NAME_LETTERS];

	(void)w;
	if (value[0] != '\0')
		return conf_add_file(conf, value, err);
	err_set(err, EXIT_BAD_CONFIG, "%s: the value is empty",
	    name_of(r, name, sizeof(name)));
	return err_hint(err, "a file, or a folder with *.yaml in it");
}

/* The checker looks at key and value, together with what the files say. */
static int
take_setting(const struct option_row *r, const char *value, struct words *w,
    struct conf *conf, struct err *err)
{
	size_t letters = strcspn(value, "=");
	char name[NAME_LETTERS], *said = NULL, *key;
	int rc = -1;

	(void)w;
	if (value[letters] == '\0' || letters == 0) {
		err_set(err, EXIT_BAD_USAGE, "%s: \"%s\" is not KEY=VALUE",
		    name_of(r, name, sizeof(name)), value);
		return err_hint(err, "-o processes=4");
	}
	key = strdup(value);
	if (key == NULL || asprintf(&said, "-o %s", value) == -1) {
		err_sys(err, "-o %s", value);
	} else {
		key[letters] = '\0';
		rc = conf_add_setting(conf, said, key, key + letters + 1, err);
	}
	free(said);
	free(key);
	return rc;
}

static int
take_daemon(const struct option_row *r, const char *value, struct words *w,
    struct conf *conf, struct err *err)
{
	(void)r;
	(void)value;
	(void)w;
	(void)err;
	conf->is_daemon = true;
	return 0;
}

static int
take_account(const struct option_row *r, const char *value, struct words *w,
    struct conf *conf, struct err *err)
{
	size_t letters = strcspn(value, ":");
	char *user = strndup(value, letters);
	int rc;

	(void)w;
	if (user == NULL)
		return err_sys(err, "user %s", value);
	rc = set_value(r, "user", user, conf, err);
	free(user);
	return rc == 0 && value[letters] == ':'
	    ? set_value(r, "group", value + letters + 1, conf, err)
	    : rc;
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
	if (r->take != NULL)
		return r->take(r, value, w, conf, err);
	if (r->key != NULL)
		return set_value(r, r->key, value, conf, err);
	return set_action(r, action, err);
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
			rc = words_take(w, optarg, err);
		else if (got == '?' || got == ':')
			rc = refuse(got == ':', word, err);
		else if ((r = find_row(got)) != NULL && is_cut_short(word, r))
			rc = refuse_unknown(word, err);
		else
			rc = take_option(r, optarg, w, conf, action, err);
	}
	/* What follows "--". */
	for (; rc == 0 && !is_answer(*action) && optind < argc; optind++)
		rc = words_take(w, argv[optind], err);
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
	/* After an upgrade it is the one of the first start. */
	if (conf->folder == NULL)
		conf->folder = getcwd(NULL, 0);
	if (w.listens == NULL || w.options == NULL)
		err_sys(err, "list of arguments");
	else if (conf->folder == NULL) {
		err_sys(err, "name of the current folder");
		err_hint(err, "start tine in a folder that exists");
	} else
		rc = parse_argv(argc, argv, &w, conf, action, err);
	if (rc == 0 && !is_answer(*action))
		rc = words_add_servers(&w, conf, err);
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
	(void)fprintf(f, "  %-25s %s\n", text, r->help);
}

/* The keys of a scope, in lines of our width. */
static void
print_keys(enum directive_scope scope, const char *intro, FILE *f)
{
	size_t i, n, column = strlen(intro);
	const struct directive *d = directive_table(scope, &n);

	(void)fputs(intro, f);
	for (i = 0; i < n; i++) {
		if (d[i].is_derived)
			continue;
		if (column + 2 + strlen(d[i].key) > COLUMNS) {
			(void)fputs("\n ", f);
			column = 1;
		}
		(void)fprintf(f, " %s", d[i].key);
		column += 1 + strlen(d[i].key);
	}
	(void)fputc('\n', f);
}

static void
print_usage(FILE *f)
{
	(void)fprintf(f,
	    "Usage: %s [OPTION]... %s\n"
	    "Serve connections with N processes that can be replaced at any "
	    "time.\n"
	    "\n"
	    "HANDLER is the name of a built-in one (-H lists them) or the path "
	    "of a shared\n"
	    "object, ./game.so; without it %s. KEY=VALUE sets an option of "
	    "it.\n"
	    "\n",
	    own_program(),
	    own_name() == NULL ? "[HANDLER [KEY=VALUE]...]"
			       : "[HANDLER] [KEY=VALUE]...",
	    own_default());
}

static void
print_examples(FILE *f)
{
	const char *program = own_program();

	(void)fputs("\n"
		    "URL is [SCHEME://][HOST]:PORT (SCHEME: tcp, tcp4, tcp6, "
		    "udp, udp4 or udp6) or\nunix://PATH, with ?key=value&... "
		    "behind it; a bare port means every TCP\naddress. Without "
		    "-l: " WORDS_DEFAULT_URL ".\n"
		    "\n",
	    f);
	if (own_name() == NULL)
		(void)fputs("  tine                              the welcome "
			    "page\n"
			    "  tine http root=.                  this folder\n"
			    "  tine -l 8080 -n 4 http root=/srv  four "
			    "children, every address\n"
			    "  tine -l unix://echo.sock echo     echo on a "
			    "unix socket\n"
			    "\n",
		    f);
	else
		(void)fprintf(f,
		    "  %s -l 8080 -n 4\n"
		    "  %s -l unix://echo.sock echo\n"
		    "\n",
		    program, program);
}

void
cmdline_help(FILE *f)
{
	const struct option_row *r;

	print_usage(f);
	for (r = rows; r < rows + nitems(rows); r++)
		print_row(r, f);
	print_examples(f);
	print_keys(DIRECTIVE_CONF, "Keys for -c and -o, see tine.yaml(5):", f);
	print_keys(DIRECTIVE_SERVER, "Keys of servers.N:", f);
}

void
cmdline_version(FILE *f)
{
	if (own_name() == NULL)
		(void)fprintf(f, "tine %s\n", TINE_VERSION);
	else
		(void)fprintf(f, "%s (tine %s)\n", own_program(), TINE_VERSION);
}

void
cmdline_build(FILE *f)
{
	cmdline_version(f);
	(void)fprintf(f, "compiler: %s\n", COMPILER);
	(void)fprintf(f, "flags: %s\n", CMDLINE_FLAGS);
	(void)fprintf(f,
	    "libraries: libev %d.%d, libbsd %s, libyaml %s, jansson %s, "
	    "glibc %s\n",
	    ev_version_major(), ev_version_minor(), CMDLINE_LIBBSD,
	    yaml_get_version_string(), jansson_version_str(),
	    gnu_get_libc_version());
}

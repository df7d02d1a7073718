/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tinectl.c: the operator's tool: its command line. A process of its own, which
 * talks to a master over its control socket and uses shared/ only.
 */
#include "master/tinectl.h"

#include <assert.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bsd/string.h>

#include "shared/log.h"
#include "shared/value.h"

#define SHORT TINECTL_TIMEOUT_S
#define ENDLESS TINECTL_TIMEOUT_MAX_S

/* clang-format off */
static const struct verb verbs[] = {
	{ "status", "[--json]", "json", 0, false, SHORT, tinectl_ask_status,
	    "master, listeners, children, totals" },
	{ "top", "", NULL, 0, false, ENDLESS, tinectl_top,
	    "the children, live; q ends it" },
	{ "check", "", NULL, 0, true, SHORT, tinectl_ask_check,
	    "the configuration, as a reload would read it" },
	{ "reload", "", NULL, 0, true, ENDLESS, tinectl_ask_plain,
	    "replace all children, with a new configuration" },
	{ "upgrade", "", NULL, 0, true, ENDLESS, tinectl_ask_plain,
	    "replace the program by the one on disk" },
	{ "scale", "N|+1|-1|auto", "1", 1, true, ENDLESS, tinectl_ask_scale,
	    "change the number of children" },
	{ "drain", "PLACE", NULL, 1, true, ENDLESS, tinectl_ask_place,
	    "replace the child of a place, gently" },
	{ "kill", "PLACE", NULL, 1, true, ENDLESS, tinectl_ask_place,
	    "replace the child of a place by SIGKILL" },
	{ "reopen", "", NULL, 0, true, SHORT, tinectl_ask_plain,
	    "open the log anew, after its rotation" },
	{ "stop", "[--now]", "now", 0, false, SHORT, tinectl_ask_stop,
	    "end the server, gracefully or at once" },
	{ "metrics", "", NULL, 0, false, SHORT, tinectl_ask_metrics,
	    "the numbers, for Prometheus" },
	{ "log-level", "LEVEL", NULL, 1, true, SHORT, tinectl_ask_log_level,
	    "error, warn, info or debug, everywhere at once" },
};
/* clang-format on */

int
tinectl_complain(int code, const char *fmt, ...)
{
	char text[4096], clean[4096];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "tinectl: %s\n",
	    log_escape(clean, sizeof(clean), text, strlen(text)));
	return code;
}

/* ---- the command line ---- */

static int
usage(FILE *out)
{
	size_t i;

	(void)fprintf(out, "usage: tinectl [OPTION]... COMMAND\n\n");
	for (i = 0; i < nitems(verbs); i++)
		(void)fprintf(out, "  %-9s %-12s %s\n", verbs[i].name,
		    verbs[i].args, verbs[i].help);
	(void)fprintf(out,
	    "\n  -C, --control PATH   the server's control socket\n"
	    "      --timeout S      seconds for the whole command; else %d, "
	    "or\n"
	    "                       as long as the server takes\n"
	    "  -h, --help\n"
	    "  -v, --version\n\n"
	    "A command returns when what it asked for is done.\n"
	    "Exit code: 0 done, 1 failed, 2 no server answers, 64 for a\n"
	    "command line that cannot be parsed.\n",
	    TINECTL_TIMEOUT_S);
	return out == stdout ? EXIT_OK : EXIT_BAD_USAGE;
}

int
tinectl_unknown(const char *what, const char *dashes, const char *text,
    const char *const *names, size_t n)
{
	const char *near = value_nearest(text, names, n);

	if (near == NULL)
		return tinectl_complain(EXIT_BAD_USAGE,
		    "unknown %s %s%s; see tinectl --help", what, dashes, text);
	return tinectl_complain(EXIT_BAD_USAGE,
	    "unknown %s %s%s: did you mean %s%s?", what, dashes, text, dashes,
	    near);
}

enum {
	OPT_TIMEOUT = 256,
	OPT_JSON,
	OPT_NOW
};

static const struct option options[] = {
	{ "control", required_argument, NULL, 'C' },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'v' },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "now", no_argument, NULL, OPT_NOW },
	{ NULL, 0, NULL, 0 },
};

static int
bad_option(char **argv, bool lacks_value)
{
	const char *names[nitems(options)];
	char letter[] = { '-', (char)optopt, '\0' };
	const char *text = argv[optind - 1];
	size_t i;

	if (lacks_value)
		return tinectl_complain(EXIT_BAD_USAGE, "%s needs a value",
		    text);
	if (strncmp(text, "--", 2) != 0)
		return tinectl_complain(EXIT_BAD_USAGE,
		    "unknown option %s; see tinectl --help", letter);
	for (i = 0; i < nitems(options); i++)
		names[i] = options[i].name;
	return tinectl_unknown("option", "--", text + 2, names, nitems(names));
}

static int
set_timeout(struct run *r, const char *text)
{
	struct err err;

	if (value_int(text, 1, TINECTL_TIMEOUT_MAX_S, &r->timeout_s, &err) == 0)
		return EXIT_OK;
	return tinectl_complain(EXIT_BAD_USAGE, "--timeout: %s: %s", err.text,
	    err.hint);
}

/* Take the options of argv[1] and on; -1, or a code to end with. */
static int
parse_options(struct run *r, int argc, char **argv, const char *letters)
{
	int c, code;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, letters, options, NULL)) != -1)
		switch (c) {
		case 'C':
			r->control = optarg;
			break;
		case OPT_TIMEOUT:
			code = set_timeout(r, optarg);
			if (code != EXIT_OK)
				return code;
			break;
		case OPT_JSON:
			r->wants_json = true;
			break;
		case OPT_NOW:
			r->wants_now = true;
			break;
		case '1':
			r->wants_one_fewer = true;
			break;
		case 'h':
			return usage(stdout);
		case 'v':
			(void)printf("tinectl %s\n", TINE_VERSION);
			return EXIT_OK;
		default:
			return bad_option(argv, c == ':');
		}
	return -1;
}

static int
find_verb(struct run *r, const char *name)
{
	const char *names[nitems(verbs)];
	size_t i;

	for (i = 0; i < nitems(verbs); i++) {
		names[i] = verbs[i].name;
		if (strcmp(name, verbs[i].name) == 0)
			r->verb = &verbs[i];
	}
	if (r->verb == NULL)
		return tinectl_unknown("command", "", name, names,
		    nitems(names));
	return -1;
}

static int
check_verb(const struct run *r, int nargs)
{
	const struct verb *v = r->verb;
	const char *flag = v->flag != NULL ? v->flag : "";

	/* The one flag that stands for an argument. */
	nargs += r->wants_one_fewer;
	if ((r->wants_json && strcmp(flag, "json") != 0) ||
	    (r->wants_now && strcmp(flag, "now") != 0) ||
	    (r->wants_one_fewer && strcmp(flag, "1") != 0) || nargs != v->nargs)
		return tinectl_complain(EXIT_BAD_USAGE, "usage: tinectl %s%s%s",
		    v->name, v->args[0] != '\0' ? " " : "", v->args);
	return -1;
}

/* Options may stand before and behind the command. */
static int
parse(struct run *r, int argc, char **argv)
{
	int first, code = parse_options(r, argc, argv, "+:C:hv");

	if (code != -1)
		return code;
	if (optind == argc)
		return usage(stderr);
	first = optind;
	code = find_verb(r, argv[first]);
	if (code == -1)
		code = parse_options(r, argc - first, argv + first, ":C:hv1");
	if (code != -1)
		return code;
	r->args = argv + first + optind;
	if (r->control != NULL)
		(void)strlcpy(r->path, r->control, sizeof(r->path));
	else
		(void)wire_default_path(r->path, sizeof(r->path));
	return check_verb(r, argc - first - optind);
}

int
main(int argc, char **argv)
{
	struct run r = { .wire = { .fd = -1, .body = "" } };
	int code = parse(&r, argc, argv);

	if (code == -1) {
		assert(r.verb != NULL);
		code = r.verb->run(&r);
	}
	wire_close(&r.wire);
	if (fclose(stdout) == EOF && code == EXIT_OK)
		code = tinectl_complain(EXIT_RUNTIME, "write: %s",
		    strerror(errno));
	return code;
}

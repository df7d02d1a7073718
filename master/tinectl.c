/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tinectl.c: the operator's tool. Says one line to a master's control socket,
 * waits for the result, prints it. A process of its own, which may block, but
 * never past its deadline. What it prints came from elsewhere: no control
 * character of it reaches the terminal.
 */
#include <sys/syscall.h>

#include <assert.h>
#include <getopt.h>
#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "shared/conf.h"
#include "shared/err.h"
#include "shared/log.h"
#include "shared/value.h"
#include "shared/wire.h"

#include "master/tinectl_status.h"

#define EXIT_NO_SERVER 2 /* beside those of err.h */
#define TIMEOUT_S 60
#define TIMEOUT_MAX_S (366LL * 24 * 3600)

/* One run of this program. */
struct run {
	const struct verb *verb;
	const char *control; /* path; NULL: the default one */
	char path[512];      /* the path used */
	int64_t timeout_s;
	bool wants_json, wants_now;
	char **args; /* of the command, ended by NULL */
	struct wire wire;
};

static int complain(int code, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int run_status(struct run *);
static int run_stop(struct run *);
static int run_on_place(struct run *);
static int run_metrics(struct run *);
static int run_check(struct run *);
static int run_reopen(struct run *);
static int run_log_level(struct run *);
static int unknown(const char *what, const char *dashes, const char *text,
    const char *const *names, size_t n);

/* clang-format off */
static const struct verb {
	const char *name;
	const char *args;
	const char *flag; /* the one long option of its own */
	int nargs;
	bool takes_long; /* silence means that it is not done yet */
	int (*run)(struct run *); /* NULL: not built yet */
	const char *help;
} verbs[] = {
	{ "status", "[--json]", "json", 0, false, run_status,
	    "master, listeners, children, totals" },
	{ "stop", "[--now]", "now", 0, false, run_stop,
	    "end the server, gracefully or at once" },
	{ "drain", "PLACE", NULL, 1, true, run_on_place,
	    "replace the child of a place, gently" },
	{ "kill", "PLACE", NULL, 1, true, run_on_place,
	    "replace the child of a place by SIGKILL" },
	{ "metrics", "", NULL, 0, false, run_metrics,
	    "the numbers, for Prometheus" },
	{ "check", "", NULL, 0, true, run_check,
	    "the configuration, as a reload would read it" },
	{ "reopen", "", NULL, 0, true, run_reopen,
	    "open the log anew, after its rotation" },
	{ "log-level", "LEVEL", NULL, 1, true, run_log_level,
	    "error, warn, info or debug, everywhere at once" },
	{ .name = "top" }, { .name = "reload" },
	{ .name = "upgrade" }, { .name = "scale" },
};
/* clang-format on */

/* "tinectl: text" on stderr, safe for a terminal; returns code. */
static int
complain(int code, const char *fmt, ...)
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

/* ---- talking to the server ---- */

/* What a failed call left in err; returns code. */
static int
complain_err(int code, const struct err *err)
{
	(void)complain(code, "%s", err->text);
	if (err->hint[0] != '\0')
		(void)complain(code, "hint: %s", err->hint);
	return code;
}

/* The exit code that a result means; says why it is not 0. */
static int
judge(const struct run *r, enum wire_result result, struct err *err)
{
	switch (result) {
	case WIRE_OK:
		return EXIT_OK;
	case WIRE_NO_SERVER:
		/* Not when somebody was there and hung up. */
		if (r->wire.server == 0)
			(void)err_hint(err, "start one with: tine%s%s",
			    r->control != NULL ? " --control " : "",
			    r->control != NULL ? r->path : "");
		return complain_err(EXIT_NO_SERVER, err);
	case WIRE_TIMEOUT:
		if (r->verb->takes_long)
			return complain(EXIT_RUNTIME,
			    "%s: not done within %lld s", r->verb->name,
			    (long long)r->timeout_s);
		return complain(EXIT_NO_SERVER,
		    "no answer from %s (pid %ld) within %lld s", r->path,
		    (long)r->wire.server, (long long)r->timeout_s);
	case WIRE_FAILED:
		break;
	}
	return complain_err(EXIT_RUNTIME, err);
}

static int
dial(struct run *r)
{
	uint64_t patience_ns = (uint64_t)r->timeout_s * NSEC_PER_SEC;
	struct err err;

	return judge(r,
	    wire_open(&r->wire, r->path, mono_ns() + patience_ns, &err), &err);
}

static int
ask(struct run *r, const char *line)
{
	struct err err;

	return judge(r, wire_ask(&r->wire, line, &err), &err);
}

static int
dial_and_ask(struct run *r, const char *line)
{
	int code = dial(r);

	return code == EXIT_OK ? ask(r, line) : code;
}

/* ---- stop, kill, drain ---- */

static int
await_end(const struct run *r, int pidfd)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };
	uint64_t now;
	int n;

	do {
		now = mono_ns();
		if (now >= r->wire.deadline_ns)
			break;
		n = poll(&pfd, 1,
		    (int)MIN_OF((r->wire.deadline_ns - now) / 1000000 + 1,
			60000));
		if (n == 1)
			return EXIT_OK;
	} while (n == 0 || errno == EINTR);
	return complain(EXIT_RUNTIME,
	    "the server (pid %ld) is stopping, but not gone after %lld s%s",
	    (long)r->wire.server, (long long)r->timeout_s,
	    r->wants_now ? "" : "; tinectl stop --now ends it at once");
}

static int
run_stop(struct run *r)
{
	int pidfd, code = dial(r);

	if (code != EXIT_OK)
		return code;
	/* Before it is asked to go: its pid may have a new owner later. */
	pidfd = (int)syscall(SYS_pidfd_open, r->wire.server, 0);
	if (pidfd == -1)
		return complain(errno == ESRCH ? EXIT_NO_SERVER : EXIT_RUNTIME,
		    "nothing was asked: cannot watch pid %ld: %s",
		    (long)r->wire.server, strerror(errno));
	code = ask(r, r->wants_now ? "stop now\n" : "stop\n");
	if (code == EXIT_OK)
		code = await_end(r, pidfd);
	closefd(&pidfd);
	return code;
}

/* kill and drain */
static int
run_on_place(struct run *r)
{
	const char *name = r->verb->name;
	char line[WIRE_LINE_MAX];
	struct err err;
	int64_t place;

	if (value_int(r->args[0], 0, CONF_PROCESSES_MAX - 1, &place, &err) ==
	    -1)
		return complain(EXIT_BAD_USAGE, "%s: place %s: %s", name,
		    err.text, err.hint);
	(void)snprintf(line, sizeof(line), "%s %lld\n", name, (long long)place);
	return dial_and_ask(r, line);
}

/* ---- reopen, log-level ---- */

static int
run_reopen(struct run *r)
{
	return dial_and_ask(r, "reopen\n");
}

static int
run_log_level(struct run *r)
{
	char line[WIRE_LINE_MAX];
	size_t i;

	for (i = 0; i < LOG_NLEVELS; i++)
		if (strcmp(r->args[0], log_level_names[i]) == 0)
			break;
	if (i == LOG_NLEVELS)
		return unknown("level", "", r->args[0], log_level_names,
		    LOG_NLEVELS);
	(void)snprintf(line, sizeof(line), "log-level %s\n",
	    log_level_names[i]);
	return dial_and_ask(r, line);
}

/* ---- status, metrics, check ---- */

/* Lines of the answer, safe for a terminal. */
static void
print_body(const struct run *r, FILE *out)
{
	const char *c;

	for (c = r->wire.body; *c != '\0'; c++)
		if (*c == '\n' || (*c >= ' ' && *c <= '~'))
			(void)fputc(*c, out);
}

static int
run_metrics(struct run *r)
{
	int code = dial_and_ask(r, "metrics\n");

	if (code == EXIT_OK)
		print_body(r, stdout);
	return code;
}

static int
run_check(struct run *r)
{
	enum wire_result result;
	int code = dial(r);
	struct err err;

	if (code != EXIT_OK)
		return code;
	result = wire_ask(&r->wire, "check\n", &err);
	print_body(r, stderr);
	/* The lines have the reason too. */
	if (result == WIRE_FAILED && r->wire.body[0] != '\0')
		return EXIT_RUNTIME;
	code = judge(r, result, &err);
	if (code == EXIT_OK)
		(void)puts("the configuration is good");
	return code;
}

static int
run_status(struct run *r)
{
	int rc, code = dial_and_ask(r, "status\n");
	json_error_t error;
	json_t *status;

	if (code != EXIT_OK)
		return code;
	status = json_loads(r->wire.body, 0, &error);
	if (!json_is_object(status)) {
		json_decref(status);
		return complain(EXIT_RUNTIME, "cannot read the answer: %s",
		    error.text);
	}
	rc = r->wants_json ? tinectl_status_json(status)
			   : tinectl_status_text(status);
	json_decref(status);
	return rc == 0 ? EXIT_OK : complain(EXIT_RUNTIME, "out of memory");
}

/* ---- the command line ---- */

static int
usage(FILE *out)
{
	size_t i;

	(void)fprintf(out, "usage: tinectl [OPTION]... COMMAND\n\n");
	for (i = 0; i < nitems(verbs) && verbs[i].run != NULL; i++)
		(void)fprintf(out, "  %-9s %-11s %s\n", verbs[i].name,
		    verbs[i].args, verbs[i].help);
	(void)fprintf(out,
	    "\n  -C, --control PATH   the server's control socket\n"
	    "      --timeout S      seconds for the whole command; %d\n"
	    "  -h, --help\n"
	    "  -v, --version\n\n"
	    "A command returns when what it asked for is done.\n"
	    "Exit code: 0 done, 1 failed, 2 no server answers, 64 for a\n"
	    "command line that cannot be parsed.\n",
	    TIMEOUT_S);
	return out == stdout ? EXIT_OK : EXIT_BAD_USAGE;
}

/* A word that is not known, with dashes before it or not. */
static int
unknown(const char *what, const char *dashes, const char *text,
    const char *const *names, size_t n)
{
	const char *near = value_nearest(text, names, n);

	if (near == NULL)
		return complain(EXIT_BAD_USAGE,
		    "unknown %s %s%s; see tinectl --help", what, dashes, text);
	return complain(EXIT_BAD_USAGE, "unknown %s %s%s: did you mean %s%s?",
	    what, dashes, text, dashes, near);
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
		return complain(EXIT_BAD_USAGE, "%s needs a value", text);
	if (strncmp(text, "--", 2) != 0)
		return complain(EXIT_BAD_USAGE,
		    "unknown option %s; see tinectl --help", letter);
	for (i = 0; i < nitems(options); i++)
		names[i] = options[i].name;
	return unknown("option", "--", text + 2, names, nitems(names));
}

static int
set_timeout(struct run *r, const char *text)
{
	struct err err;

	if (value_int(text, 1, TIMEOUT_MAX_S, &r->timeout_s, &err) == 0)
		return EXIT_OK;
	return complain(EXIT_BAD_USAGE, "--timeout: %s: %s", err.text,
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
		return unknown("command", "", name, names, nitems(names));
	if (r->verb->run == NULL)
		return complain(EXIT_BAD_USAGE, "%s is not built yet", name);
	return -1;
}

static int
check_verb(const struct run *r, int nargs)
{
	const struct verb *v = r->verb;
	bool takes_json = v->flag != NULL && strcmp(v->flag, "json") == 0;
	bool takes_now = v->flag != NULL && strcmp(v->flag, "now") == 0;

	if ((r->wants_json && !takes_json) || (r->wants_now && !takes_now) ||
	    nargs != v->nargs)
		return complain(EXIT_BAD_USAGE, "usage: tinectl %s %s", v->name,
		    v->args);
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
		code = parse_options(r, argc - first, argv + first, ":C:hv");
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
	struct run r = { .timeout_s = TIMEOUT_S, .wire = { .fd = -1 } };
	int code = parse(&r, argc, argv);

	if (code == -1) {
		assert(r.verb != NULL);
		code = r.verb->run(&r);
	}
	wire_close(&r.wire);
	if (fclose(stdout) == EOF && code == EXIT_OK)
		code = complain(EXIT_RUNTIME, "write: %s", strerror(errno));
	return code;
}

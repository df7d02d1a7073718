/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tinectl_ask.c: the commands of tinectl: each says one line to the master and
 * waits for the result. May block, but never past its deadline. What is printed
 * came from elsewhere: no control character of it reaches the terminal.
 */
#include <sys/syscall.h>

#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/conf.h"
#include "shared/log.h"
#include "shared/value.h"

#include "master/tinectl.h"
#include "master/tinectl_status.h"

/* ---- talking to the server ---- */

/* The seconds that there are for the answer. */
static int64_t
patience(const struct run *r)
{
	if (r->timeout_s != 0)
		return r->timeout_s;
	return r->is_probing ? TINECTL_TIMEOUT_S : r->verb->timeout_s;
}

/* What a failed call left in err; returns code. */
static int
say(int code, const struct err *err)
{
	(void)tinectl_complain(code, "%s", err->text);
	if (err->hint[0] != '\0')
		(void)tinectl_complain(code, "hint: %s", err->hint);
	return code;
}

/* What the server does to its end, also when nobody waits for it. */
static bool
goes_on(const struct verb *v)
{
	return v->timeout_s == TINECTL_TIMEOUT_MAX_S;
}

int
tinectl_judge(const struct run *r, enum wire_result result, struct err *err)
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
		return say(EXIT_NO_SERVER, err);
	case WIRE_TIMEOUT:
		if (r->verb->takes_long && !r->is_probing)
			return tinectl_complain(EXIT_RUNTIME,
			    "%s: not done within %lld s%s", r->verb->name,
			    (long long)patience(r),
			    goes_on(r->verb) ? "; it goes on" : "");
		return tinectl_complain(EXIT_NO_SERVER,
		    "no answer from %s (pid %ld) within %lld s", r->path,
		    (long)r->wire.server, (long long)patience(r));
	case WIRE_FAILED:
		break;
	}
	return say(EXIT_RUNTIME, err);
}

static int
dial(struct run *r)
{
	uint64_t limit_ns = (uint64_t)patience(r) * NSEC_PER_SEC;
	struct err err;

	return tinectl_judge(r,
	    wire_open(&r->wire, r->path, mono_ns() + limit_ns, &err), &err);
}

static int
ask(struct run *r, const char *line)
{
	struct err err;

	return tinectl_judge(r, wire_ask(&r->wire, line, &err), &err);
}

static int
dial_and_ask(struct run *r, const char *line)
{
	int code = dial(r);

	return code == EXIT_OK ? ask(r, line) : code;
}

/* Is a server there that answers? Found out before a command for whose result
 * one may have to wait as long as the server's configuration says. */
static int
probe(struct run *r)
{
	int code;

	r->is_probing = true;
	code = dial_and_ask(r, "status\n");
	wire_close(&r->wire);
	r->is_probing = false;
	return code;
}

/* Lines of the answer, safe for a terminal. */
static void
print_body(const struct run *r, FILE *out)
{
	const char *c;

	for (c = r->wire.body; *c != '\0'; c++)
		if (*c == '\n' || (*c >= ' ' && *c <= '~'))
			(void)fputc(*c, out);
}

/* Ask, and print what the server says beside the result. */
static int
ask_and_print(struct run *r, const char *line)
{
	bool is_endless = patience(r) == TINECTL_TIMEOUT_MAX_S;
	int code = is_endless ? probe(r) : EXIT_OK;

	if (code == EXIT_OK)
		code = dial_and_ask(r, line);
	print_body(r, code == EXIT_OK ? stdout : stderr);
	return code;
}

/* ---- reload, upgrade, reopen, scale ---- */

int
tinectl_ask_plain(struct run *r)
{
	char line[WIRE_LINE_MAX];

	(void)snprintf(line, sizeof(line), "%s\n", r->verb->name);
	return ask_and_print(r, line);
}

int
tinectl_ask_scale(struct run *r)
{
	const char *to = r->wants_one_fewer ? "-1" : r->args[0];
	char line[WIRE_LINE_MAX];
	struct err err;
	int64_t n;

	if (strcmp(to, "+1") != 0 && strcmp(to, "-1") != 0 &&
	    strcmp(to, "auto") != 0 &&
	    value_int(to, 1, CONF_PROCESSES_MAX, &n, &err) == -1)
		return tinectl_complain(EXIT_BAD_USAGE,
		    "scale: %s: 1 to %d children, +1, -1 or auto", err.text,
		    CONF_PROCESSES_MAX);
	(void)snprintf(line, sizeof(line), "scale %s\n", to);
	return ask_and_print(r, line);
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
	return tinectl_complain(EXIT_RUNTIME,
	    "the server (pid %ld) is stopping, but not gone after %lld s%s",
	    (long)r->wire.server, (long long)patience(r),
	    r->wants_now ? "" : "; tinectl stop --now ends it at once");
}

int
tinectl_ask_stop(struct run *r)
{
	int pidfd, code = dial(r);

	if (code != EXIT_OK)
		return code;
	/* Before it is asked to go: its pid may have a new owner later. */
	pidfd = (int)syscall(SYS_pidfd_open, r->wire.server, 0);
	if (pidfd == -1)
		return tinectl_complain(errno == ESRCH ? EXIT_NO_SERVER
						       : EXIT_RUNTIME,
		    "nothing was asked: cannot watch pid %ld: %s",
		    (long)r->wire.server, strerror(errno));
	code = ask(r, r->wants_now ? "stop now\n" : "stop\n");
	if (code == EXIT_OK)
		code = await_end(r, pidfd);
	closefd(&pidfd);
	return code;
}

/* kill and drain */
int
tinectl_ask_place(struct run *r)
{
	const char *name = r->verb->name;
	char line[WIRE_LINE_MAX];
	struct err err;
	int64_t place;

	if (value_int(r->args[0], 0, CONF_PROCESSES_MAX - 1, &place, &err) ==
	    -1)
		return tinectl_complain(EXIT_BAD_USAGE, "%s: place %s: %s",
		    name, err.text, err.hint);
	(void)snprintf(line, sizeof(line), "%s %lld\n", name, (long long)place);
	return ask_and_print(r, line);
}

/* ---- log-level ---- */

int
tinectl_ask_log_level(struct run *r)
{
	char line[WIRE_LINE_MAX];
	size_t i;

	for (i = 0; i < LOG_NLEVELS; i++)
		if (strcmp(r->args[0], log_level_names[i]) == 0)
			break;
	if (i == LOG_NLEVELS)
		return tinectl_unknown("level", "", r->args[0], log_level_names,
		    LOG_NLEVELS);
	(void)snprintf(line, sizeof(line), "log-level %s\n",
	    log_level_names[i]);
	return dial_and_ask(r, line);
}

/* ---- status, metrics, check ---- */

int
tinectl_ask_metrics(struct run *r)
{
	return ask_and_print(r, "metrics\n");
}

int
tinectl_ask_check(struct run *r)
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
	code = tinectl_judge(r, result, &err);
	if (code == EXIT_OK)
		(void)puts("the configuration is good");
	return code;
}

int
tinectl_ask_status(struct run *r)
{
	int rc, code = dial_and_ask(r, "status\n");
	json_error_t error;
	json_t *status;

	if (code != EXIT_OK)
		return code;
	status = json_loads(r->wire.body, 0, &error);
	if (!json_is_object(status)) {
		json_decref(status);
		return tinectl_complain(EXIT_RUNTIME,
		    "cannot read the answer: %s", error.text);
	}
	rc = r->wants_json ? tinectl_status_json(status, stdout)
			   : tinectl_status_text(status, stdout);
	json_decref(status);
	return rc == 0 ? EXIT_OK
		       : tinectl_complain(EXIT_RUNTIME, "out of memory");
}

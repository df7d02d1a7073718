/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * command.c: the commands of the control socket. Runs in the master, on lines
 * of clients whose user was checked; sends and receives nothing itself. No
 * command names a path or a program, and none blocks.
 */
#include "master/command.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/value.h"

#include "master/checkrun.h"
#include "master/logs.h"
#include "master/master.h"
#include "master/metrics.h"
#include "master/status.h"

#define WORDS_MAX 4        /* a command, its arguments, and one too many */
#define DRAIN_MARGIN_S 3.0 /* a child that does not leave is killed */
#define CHECK_PATIENCE_S 30.0
#define OPERATION_PATIENCE_S 86400.0
#define DRAIN_STRIKES 3 /* that many successors die before one gives up */

static enum command_result run_status(struct command *, char *const *);
static enum command_result run_stop(struct command *, char *const *);
static enum command_result run_kill(struct command *, char *const *);
static enum command_result check_kill(struct command *);
static void give_up_kill(struct command *);
static enum command_result run_drain(struct command *, char *const *);
static enum command_result check_drain(struct command *);
static void give_up_drain(struct command *);
static enum command_result run_metrics(struct command *, char *const *);
static enum command_result run_check(struct command *, char *const *);
static enum command_result check_checkrun(struct command *);
static void give_up_checkrun(struct command *);
static enum command_result run_reopen(struct command *, char *const *);
static enum command_result run_log_level(struct command *, char *const *);
static enum command_result run_reload(struct command *, char *const *);
static enum command_result run_upgrade(struct command *, char *const *);
static enum command_result run_scale(struct command *, char *const *);
static enum command_result check_operation(struct command *);
static void give_up_operation(struct command *);
static enum command_result check_log(struct command *);
static void give_up_log(struct command *);

/* clang-format off */
static const struct command_verb {
	const char *name;
	int min, max; /* arguments */
	const char *usage;
	enum command_result (*run)(struct command *, char *const *args);
	/* Of those that wait: is it done? And what to do when it is not. */
	enum command_result (*check)(struct command *);
	void (*give_up)(struct command *);
} commands[] = {
	{ "status", 0, 0, "status",     run_status, NULL, NULL },
	{ "stop",   0, 1, "stop [now]", run_stop,   NULL, NULL },
	{ "kill",   1, 1, "kill PLACE", run_kill,   check_kill, give_up_kill },
	{ "drain",  1, 1, "drain PLACE", run_drain, check_drain,
	    give_up_drain },
	{ "metrics", 0, 0, "metrics",   run_metrics, NULL, NULL },
	{ "check",  0, 0, "check",      run_check, check_checkrun,
	    give_up_checkrun },
	{ "reopen", 0, 0, "reopen",     run_reopen, check_log, give_up_log },
	{ "log-level", 1, 1, "log-level error|warn|info|debug", run_log_level,
	    check_log, give_up_log },
	{ "reload", 0, 0, "reload",     run_reload, check_operation,
	    give_up_operation },
	{ "upgrade", 0, 0, "upgrade",   run_upgrade, check_operation,
	    give_up_operation },
	{ "scale",  1, 1, "scale N|+N|-N|auto", run_scale, check_operation,
	    give_up_operation },
};
/* clang-format on */

enum command_result
command_fail(struct command *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(c->reason, sizeof(c->reason), fmt, ap);
	va_end(ap);
	return COMMAND_FAILED;
}

/* Who did what: the log's only record of an operator's hand. */
static void
log_deed(const struct command *c, const char *deed)
{
	log_info("control: %s asked for by uid %lu pid %ld", deed,
	    (unsigned long)c->uid, (long)c->pid);
}

static enum command_result
run_status(struct command *c, char *const *args)
{
	(void)args;
	c->body = status_print(c->master);
	if (c->body == NULL)
		return command_fail(c, "status: out of memory");
	return COMMAND_DONE;
}

static enum command_result
run_stop(struct command *c, char *const *args)
{
	bool now = args[0] != NULL;

	if (now && strcmp(args[0], "now") != 0)
		return command_fail(c, "usage: stop [now]");
	log_deed(c, now ? "stop now" : "stop");
	/* To ask again is not to lose patience: that must be said. */
	if (now)
		c->after = COMMAND_STOP_NOW;
	else if (c->master->state != MASTER_STOPPING)
		c->after = COMMAND_STOP;
	return COMMAND_DONE;
}

/* The child of the place that the argument names; NULL with the reason. */
static struct proc *
find_victim(struct command *c, const char *what, const char *place)
{
	struct master *m = c->master;
	struct err err;
	struct proc *p;
	int64_t number;
	char deed[64];

	if (value_int(place, 0, m->nplaces - 1, &number, &err) == -1) {
		(void)command_fail(c, "no place %s: there are 0 to %d", place,
		    m->nplaces - 1);
		return NULL;
	}
	if (!master_is_serving(m)) {
		(void)command_fail(c, "the server is stopping");
		return NULL;
	}
	c->place = (int)number;
	p = m->places[number].incumbent;
	if (p == NULL || p->state == PROC_DEAD) {
		(void)command_fail(c, "place %d has no child now", c->place);
		return NULL;
	}
	c->victim = p->pid;
	c->victim_born_ns = p->born_ns;
	(void)snprintf(deed, sizeof(deed), "%s of child %d (pid %ld)", what,
	    c->place, (long)p->pid);
	log_deed(c, deed);
	return p;
}

/* A pid may come again, but not with the same time of birth. */
static bool
is_victim(const struct command *c, const struct proc *p)
{
	return p->pid == c->victim && p->born_ns == c->victim_born_ns;
}

static enum command_result
run_kill(struct command *c, char *const *args)
{
	struct proc *p = find_victim(c, "kill", args[0]);

	if (p == NULL)
		return COMMAND_FAILED;
	proc_signal(p, SIGKILL);
	return COMMAND_WAITS;
}

static enum command_result
check_kill(struct command *c)
{
	const struct proc *p;

	if (!master_is_serving(c->master))
		return command_fail(c, "the server is stopping");
	p = c->master->places[c->place].incumbent;
	if (p == NULL || p->state != PROC_READY)
		return COMMAND_WAITS;
	return is_victim(c, p) ? COMMAND_WAITS : COMMAND_DONE;
}

static void
give_up_kill(struct command *c)
{
	(void)command_fail(c,
	    "child %d was killed, but no new one was ready within %g s",
	    c->place, c->patience);
}

static enum command_result
run_drain(struct command *c, char *const *args)
{
	struct master *m = c->master;
	struct proc *p = find_victim(c, "drain", args[0]);
	struct place *pl = &m->places[c->place];

	if (p == NULL)
		return COMMAND_FAILED;
	if (p->state != PROC_READY)
		return command_fail(c, "the child of place %d is %s", c->place,
		    proc_state_names[p->state]);
	c->patience =
	    m->conf->start_timeout + m->conf->drain_timeout + DRAIN_MARGIN_S;
	c->strikes = pl->strikes;
	/* When it is under way already, its end is waited for. */
	(void)place_recycle(pl, CTL_OPERATOR);
	return COMMAND_WAITS;
}

/* The child that is to leave, as long as it lives. */
static const struct proc *
living_victim(const struct command *c)
{
	const struct proc *p;

	TAILQ_FOREACH(p, &c->master->procs, entry)
		if (is_victim(c, p) && p->state != PROC_DEAD)
			return p;
	return NULL;
}

static enum command_result
check_drain(struct command *c)
{
	const struct place *pl = &c->master->places[c->place];
	const struct proc *victim = living_victim(c);

	if (!master_is_serving(c->master))
		return command_fail(c, "the server is stopping");
	if (victim != NULL && victim == pl->incumbent &&
	    pl->strikes >= c->strikes + DRAIN_STRIKES) {
		give_up_drain(c);
		return COMMAND_FAILED;
	}
	if (victim != NULL || pl->incumbent == NULL ||
	    pl->incumbent->state != PROC_READY)
		return COMMAND_WAITS;
	return COMMAND_DONE;
}

static void
give_up_drain(struct command *c)
{
	struct place *pl = &c->master->places[c->place];
	const struct proc *victim = living_victim(c);
	bool has_failed = pl->strikes > c->strikes;

	if (victim == NULL) {
		(void)command_fail(c,
		    "child %d has left, but no new one was ready in time",
		    c->place);
	} else if (victim != pl->incumbent) {
		(void)command_fail(c,
		    "the new child %d is ready, but the old one (pid %ld) has "
		    "not left yet",
		    c->place, (long)c->victim);
	} else {
		place_keep(pl);
		(void)command_fail(c,
		    "no new child %d became ready%s%.256s; the old one "
		    "(pid %ld) goes on",
		    c->place, has_failed ? ": " : "",
		    has_failed ? pl->last_strike : "", (long)c->victim);
	}
}

static enum command_result
run_metrics(struct command *c, char *const *args)
{
	(void)args;
	c->body = metrics_print(c->master);
	if (c->body == NULL)
		return command_fail(c, "metrics: out of memory");
	return COMMAND_DONE;
}

/* Done when no live child is left that has not confirmed it. */
static enum command_result
await_log(struct command *c)
{
	c->log_change = logs_change(c->master);
	c->patience = LOGS_PATIENCE_S;
	return check_log(c);
}

static enum command_result
run_reopen(struct command *c, char *const *args)
{
	struct err err;

	(void)args;
	log_deed(c, "reopening of the log");
	if (logs_reopen(c->master, &err) == -1)
		return command_fail(c, "%.*s", COMMAND_REASON_MAX - 1,
		    err.text);
	return await_log(c);
}

static enum command_result
run_log_level(struct command *c, char *const *args)
{
	int level = LOG_NLEVELS;
	char deed[64];

	while (--level >= 0)
		if (strcmp(args[0], log_level_names[level]) == 0)
			break;
	if (level < 0)
		return command_fail(c, "usage: %s", c->verb->usage);
	(void)snprintf(deed, sizeof(deed), "log level %s", args[0]);
	log_deed(c, deed);
	logs_set_level(c->master, (enum log_level)level);
	return await_log(c);
}

static enum command_result
check_log(struct command *c)
{
	return logs_awaited(c->master, c->log_change) == NULL ? COMMAND_DONE
							      : COMMAND_WAITS;
}

static void
give_up_log(struct command *c)
{
	const struct proc *p = logs_awaited(c->master, c->log_change);

	if (p == NULL)
		(void)command_fail(c, "done, but only after %g s", c->patience);
	else
		(void)command_fail(c,
		    "child %d (pid %ld, %s) has not answered within %g s: it "
		    "still uses the log as it was",
		    p->place->number, (long)p->pid, proc_state_names[p->state],
		    c->patience);
}

static enum command_result
run_check(struct command *c, char *const *args)
{
	(void)args;
	if (!master_is_serving(c->master))
		return command_fail(c, "the server is stopping");
	c->checkrun = checkrun_new(c->master);
	if (c->checkrun == NULL)
		return command_fail(c, "check: out of memory");
	c->patience = CHECK_PATIENCE_S;
	return COMMAND_WAITS;
}

/* The lines for people, without the last newline. */
static enum command_result
check_checkrun(struct command *c)
{
	const struct checkrun_result *r = &c->checkrun->result;
	struct err err = r->err;
	size_t len;

	if (!c->checkrun->is_done)
		return COMMAND_WAITS;
	len = r->report != NULL ? strlen(r->report) : 0;
	if (len > 0)
		c->body = strndup(r->report, len - 1);
	if (r->text != NULL && reload_check(c->master, r, &err) == 0)
		return COMMAND_DONE;
	if (r->text != NULL) {
		/* These are warnings, and would stand for the reason. */
		free(c->body);
		c->body = NULL;
	}
	return command_fail(c, "%s%s%s", err.text,
	    err.hint[0] != '\0' ? "; " : "", err.hint);
}

/* A checker that is too slow was killed long before. */
static void
give_up_checkrun(struct command *c)
{
	(void)command_fail(c, "the check has not ended in time");
}

/* ---- operations ---- */

/* However long it takes: the operation has limits of its own. */
static enum command_result
await_operation(struct command *c, uint32_t ticket)
{
	c->ticket = ticket;
	c->patience = OPERATION_PATIENCE_S;
	return check_operation(c);
}

static enum command_result
run_reload(struct command *c, char *const *args)
{
	(void)args;
	log_deed(c, "reload");
	return await_operation(c, op_ask(c->master, OP_RELOAD, 0));
}

static enum command_result
run_upgrade(struct command *c, char *const *args)
{
	(void)args;
	log_deed(c, "upgrade");
	return await_operation(c, op_ask(c->master, OP_UPGRADE, 0));
}

static enum command_result
run_scale(struct command *c, char *const *args)
{
	struct master *m = c->master;
	bool is_relative = args[0][0] == '+' || args[0][0] == '-';
	char deed[64];
	struct err err;
	int64_t n;

	(void)snprintf(deed, sizeof(deed), "scale %.16s", args[0]);
	if (strcmp(args[0], "auto") == 0) {
		log_deed(c, deed);
		return await_operation(c, scale_ask_auto(m));
	}
	if (value_int(args[0] + is_relative, is_relative ? 0 : 1,
		CONF_PROCESSES_MAX, &n, &err) == -1)
		return command_fail(c, "scale %.64s: %s", args[0], err.text);
	if (is_relative)
		n = op_wanted_children(m) + (args[0][0] == '-' ? -n : n);
	if (n < 1 || n > CONF_PROCESSES_MAX)
		return command_fail(c,
		    "%s: that makes %lld children, and 1 to %d are possible",
		    deed, (long long)n, CONF_PROCESSES_MAX);
	log_deed(c, deed);
	return await_operation(c, scale_ask(m, (int)n));
}

static enum command_result
check_operation(struct command *c)
{
	const struct op_result *r;
	struct master *m = c->master;

	switch (op_verdict(m, c->ticket, &r)) {
	case OP_FAILED:
		if (r->report != NULL && r->report[0] != '\0')
			c->body = strndup(r->report, strlen(r->report) - 1);
		return command_fail(c, "%s failed: %s%s%s", c->verb->name,
		    r->err.text, r->err.hint[0] != '\0' ? "; " : "",
		    r->err.hint);
	case OP_DONE:
		if (asprintf(&c->body, "generation %u, %d %s",
			m->generation->number, m->nplaces,
			m->nplaces == 1 ? "child" : "children") == -1)
			c->body = NULL;
		return COMMAND_DONE;
	case OP_UNDECIDED:
	case OP_NVERDICTS:
		break;
	}
	return COMMAND_WAITS;
}

static void
give_up_operation(struct command *c)
{
	(void)command_fail(c, "not over after %g s; it goes on", c->patience);
}

const char *
command_verb_name(const struct command *c)
{
	return c->verb != NULL ? c->verb->name : "";
}

int
command_resume(struct command *c, const char *verb, struct err *err)
{
	size_t i;

	for (i = 0; i < nitems(commands); i++)
		if (strcmp(verb, commands[i].name) == 0 &&
		    commands[i].check != NULL)
			c->verb = &commands[i];
	if (c->verb == NULL || c->place >= CONF_PROCESSES_MAX)
		return err_set(err, EXIT_SYSTEM, "unknown command %.32s", verb);
	/* A check that was under way ended with its master: again. */
	if (c->verb->run == run_check && run_check(c, NULL) == COMMAND_FAILED)
		return err_set(err, EXIT_SYSTEM, "%s", c->reason);
	return 0;
}

void
command_fini(struct command *c)
{
	checkrun_free(&c->checkrun);
	free(c->body);
	c->body = NULL;
}

enum command_result
command_check(struct command *c)
{
	return c->verb->check(c);
}

void
command_give_up(struct command *c)
{
	c->verb->give_up(c);
}

/* Cut the line at its spaces; returns the number of words. What is beyond
 * WORDS_MAX is too much for every command. */
static int
split(char *line, char *words[WORDS_MAX])
{
	char *save = NULL, *word = strtok_r(line, " ", &save);
	int n = 0;

	while (word != NULL && n < WORDS_MAX) {
		words[n++] = word;
		word = strtok_r(NULL, " ", &save);
	}
	return n;
}

enum command_result
command_run(struct command *c, const char *line)
{
	char *words[WORDS_MAX + 1] = { NULL };
	char clean[COMMAND_REASON_MAX];
	int n;
	size_t i;

	/* What is echoed to the client, or logged, is safe from here on. */
	log_escape(clean, sizeof(clean), line, strlen(line));
	n = split(clean, words);
	if (n == 0)
		return command_fail(c, "no command");
	for (i = 0; i < nitems(commands); i++) {
		if (strcmp(words[0], commands[i].name) != 0)
			continue;
		if (n - 1 < commands[i].min || n - 1 > commands[i].max)
			return command_fail(c, "usage: %s", commands[i].usage);
		c->verb = &commands[i];
		c->patience = c->master->conf->start_timeout;
		return c->verb->run(c, words + 1);
	}
	return command_fail(c, "unknown command %.64s", words[0]);
}

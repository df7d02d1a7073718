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
#include <string.h>

#include "shared/value.h"

#include "master/master.h"
#include "master/status.h"

#define WORDS_MAX 4 /* a command, its arguments, and one too many */

static enum command_result run_status(struct command *, char *const *);
static enum command_result run_stop(struct command *, char *const *);
static enum command_result run_kill(struct command *, char *const *);

/* clang-format off */
static const struct {
	const char *name;
	int min, max; /* arguments */
	const char *usage;
	enum command_result (*run)(struct command *, char *const *args);
} commands[] = {
	{ "status", 0, 0, "status",     run_status },
	{ "stop",   0, 1, "stop [now]", run_stop },
	{ "kill",   1, 1, "kill PLACE", run_kill },
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

static bool
is_serving(const struct master *m)
{
	return m->state == MASTER_STARTING || m->state == MASTER_RUNNING;
}

static enum command_result
run_kill(struct command *c, char *const *args)
{
	struct master *m = c->master;
	struct err err;
	struct proc *p;
	int64_t number;
	char deed[64];

	if (value_int(args[0], 0, m->nplaces - 1, &number, &err) == -1)
		return command_fail(c, "no place %s: there are 0 to %d",
		    args[0], m->nplaces - 1);
	if (!is_serving(m))
		return command_fail(c, "the server is stopping");
	c->place = (int)number;
	p = m->places[number].incumbent;
	if (p == NULL || p->state == PROC_DEAD)
		return command_fail(c, "place %d has no child now", c->place);
	c->victim = p->pid;
	c->victim_born_ns = p->born_ns;
	(void)snprintf(deed, sizeof(deed), "kill of child %d (pid %ld)",
	    c->place, (long)p->pid);
	log_deed(c, deed);
	proc_signal(p, SIGKILL);
	return COMMAND_WAITS;
}

enum command_result
command_check(struct command *c)
{
	const struct proc *p;

	if (!is_serving(c->master))
		return command_fail(c, "the server is stopping");
	p = c->master->places[c->place].incumbent;
	if (p == NULL || p->state != PROC_READY)
		return COMMAND_WAITS;
	/* A pid may come again, but not with the same time of birth. */
	if (p->pid == c->victim && p->born_ns == c->victim_born_ns)
		return COMMAND_WAITS;
	return COMMAND_DONE;
}

void
command_give_up(struct command *c)
{
	(void)command_fail(c,
	    "child %d was killed, but no new one was ready within %g s",
	    c->place, c->master->conf->start_timeout);
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
		return commands[i].run(c, words + 1);
	}
	return command_fail(c, "unknown command %.64s", words[0]);
}

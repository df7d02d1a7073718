/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check.c: the roles that look at handlers and end: the checker, which returns
 * the effective configuration or all that is wrong with it, and the list of
 * handlers. They own their copy of the configuration; they bind nothing and
 * serve nobody.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/conf_load.h"
#include "shared/own.h"
#include "shared/rlimit.h"

#include "child/child.h"

#define OVERFLOW_ID 65534 /* nobody, nogroup: no file belongs to it */

/* The heritage's configuration is not ours to change; its text form makes a
 * copy that is. */
static int
copy_conf(struct conf *copy, const struct conf *from, struct err *err)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int rc;

	if (f == NULL)
		return err_sys(err, "memory for the configuration");
	rc = conf_print(from, f);
	if (fclose(f) == EOF || rc == -1) {
		rc = err_sys(err, "copy of the configuration");
	} else {
		conf_init(copy);
		rc = conf_parse(copy, text, len, err);
		copy->is_daemon = from->is_daemon;
		if (rc == -1)
			conf_free(copy);
	}
	free(text);
	return rc;
}

/* ---- the check ---- */

struct check {
	struct conf conf; /* ours: what the result is made of */
	struct origin_list origins;
	struct report report;
	char prefix[64]; /* of the keys that are complained about */
};

/* "servers.0" */
static bool
is_server(const char *key)
{
	static const char before[] = "servers.";

	return strncmp(key, before, strlen(before)) == 0 &&
	    strchr(key + strlen(before), '.') == NULL;
}

/*
 * What is missing because it could not be read was complained about already. A
 * server that no file has is the command line's, which listens unless that was
 * refused.
 */
static bool
is_consequence(const struct check *c, const char *key)
{
	char listen[256];

	if (c->report.nerrors == 0)
		return false;
	if (strcmp(key, "servers") == 0)
		return true;
	(void)snprintf(listen, sizeof(listen), "%s.listen", key);
	return origin_has(&c->origins, listen) ||
	    (is_server(key) && !origin_has(&c->origins, key));
}

static void
complain(void *arg, const char *key, const struct err *err)
{
	struct check *c = arg;

	if (is_consequence(c, key))
		return;
	report_error(&c->report, origin_find(&c->origins, key), err);
}

/* Of one option, or of the handler as a whole. */
static void
complain_of_handler(void *arg, const char *option, const struct err *err)
{
	struct check *c = arg;
	char key[256];

	(void)snprintf(key, sizeof(key), "%s%s%s", c->prefix,
	    option[0] != '\0' ? "options." : "handler", option);
	complain(c, key, err);
}

static void
check_server(struct check *c, size_t number)
{
	struct conf_server *server = &c->conf.servers[number];
	unsigned nerrors = c->report.nerrors;
	char key[80], whole[64];
	struct err err;

	(void)snprintf(c->prefix, sizeof(c->prefix), "servers.%zu.", number);
	(void)snprintf(whole, sizeof(whole), "servers.%zu", number);
	(void)snprintf(key, sizeof(key), "%shandler", c->prefix);
	/* When a handler was named and could not be understood, this one is
	 * the default, and its options are not what the operator meant. */
	if (nerrors > 0 && origin_has(&c->origins, whole) &&
	    !origin_has(&c->origins, key))
		return;
	if (probe_run(&c->conf, server, complain_of_handler, c, &err) == -1)
		complain(c, key, &err);
}

/* What needs the rights of who started tine, and what must be done without. */
static void
check_conf(struct check *c, pid_t parent)
{
	sigset_t none;
	struct conf *conf = &c->conf;
	struct err err;
	size_t i;

	conf_check(conf, complain, c);
	/* An account that is not known must not hide all other mistakes; what
	 * is looked at below is then looked at as nobody. */
	if (conf_resolve_account(conf, complain, c) == -1) {
		conf->uid = geteuid() == 0 ? OVERFLOW_ID : CONF_NO_ID;
		conf->gid = geteuid() == 0 ? OVERFLOW_ID : CONF_NO_ID;
	}
	if (rlimit_raise_files(conf, &err) == -1) {
		complain(c, "rlimit-nofile", &err);
		return;
	}
	if (privs_drop(conf, &err) == -1 ||
	    privs_watch_parent(parent, SIGKILL, &err) == -1) {
		complain(c, "", &err);
		return;
	}
	privs_hide_memory(conf);
	conf_resolve_names(conf, complain, c);
	/* A constructor that raises a signal must die of it here, not in
	 * every child. */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	rlimit_set_files(conf);
	conf->max_connections = rlimit_connections(conf);
	for (i = 0; i < conf->nservers; i++)
		check_server(c, i);
}

static void
load(struct check *c, const struct conf *said)
{
	if (said->nfiles > 0)
		reader_run(&c->conf, said, &c->origins, &c->report);
	else
		conf_load(&c->conf, said, NULL, NULL, &c->origins, &c->report);
}

/*
 * The result is for the master: one whole write of a small text. The effective
 * configuration, or the first error and its hint; behind a null byte the lines
 * for people.
 */
static int
write_result(int fd, struct check *c)
{
	const struct err *err = &c->report.first;
	bool is_good = c->report.nerrors == 0;
	FILE *f = fdopen(fd, "w");
	int rc = 0;

	if (f == NULL)
		return EXIT_SYSTEM;
	if (is_good)
		rc = conf_print(&c->conf, f);
	else
		(void)fprintf(f, "%s\n%s\n", err->text, err->hint);
	(void)fputc('\0', f);
	(void)fputs(report_text(&c->report), f);
	if (ferror(f) || fclose(f) == EOF || rc == -1)
		return EXIT_SYSTEM;
	return is_good ? EXIT_OK : (int)err->code;
}

int
check_run(const struct heritage *h)
{
	struct check c = { 0 };
	struct err err;
	int code;

	origin_init(&c.origins);
	if (report_open(&c.report, &err) == -1)
		return EXIT_SYSTEM;
	if (privs_leave_terminal(&err) == -1) {
		conf_init(&c.conf);
		report_error(&c.report, NULL, &err);
	} else {
		load(&c, h->conf);
		check_conf(&c, h->parent);
	}
	code = write_result(h->ctl, &c);
	report_close(&c.report);
	origin_fini(&c.origins);
	conf_free(&c.conf);
	return code;
}

/* ---- the list ---- */

static void
print_handler(const struct tine_handler *h)
{
	const struct tine_option *o;
	char name[64];

	(void)printf("%s\n", h->name);
	for (o = h->options; o != NULL && o->name != NULL; o++) {
		(void)snprintf(name, sizeof(name), "%s=%s", o->name,
		    o->type <= TINE_FOLDER ? option_type_names[o->type] : "?");
		(void)printf("  %-22s %s", name,
		    o->help == NULL ? "" : o->help);
		if (o->value != NULL && o->value[0] != '\0')
			(void)printf(" (default: %s)", o->value);
		(void)printf("\n");
	}
}

/* One that must be loaded, or that the program brings. */
static int
list_handler(const char *name, const struct conf *conf, struct err *err)
{
	struct tine_handler handler;
	void *library;

	if (handler_load(&handler, &library, name, conf, err) == -1)
		return -1;
	print_handler(&handler);
	handler_unload(&library);
	return 0;
}

static void
keep_first(void *arg, const char *option, const struct err *err)
{
	struct err *first = arg;

	(void)option;
	if (first->code == EXIT_OK)
		*first = *err;
}

/* Loading it may end the process, so another one does that first. */
static int
try_handler(struct conf *conf, struct err *err)
{
	struct err complaint = { .code = EXIT_OK };

	if (probe_run(conf, &conf->servers[0], keep_first, &complaint, err) ==
	    -1)
		return -1;
	if (complaint.code == EXIT_OK)
		return 0;
	*err = complaint;
	return -1;
}

/* What can be said by name; our own stands before a built-in one. */
static int
list_names(const struct conf *conf, struct err *err)
{
	size_t i;

	if (own_name() != NULL && list_handler(own_name(), conf, err) == -1)
		return -1;
	for (i = 0; handler_builtins[i] != NULL; i++)
		if (!own_is(handler_builtins[i]->name))
			print_handler(handler_builtins[i]);
	return 0;
}

/* A path is asked for by name; otherwise all that have names. */
static int
list_handlers(const struct conf *said, struct err *err)
{
	struct conf conf;
	int rc;

	if (said->nservers == 0 || own_is(said->servers[0].handler) ||
	    strpbrk(said->servers[0].handler, "./") == NULL)
		return list_names(said, err);
	if (copy_conf(&conf, said, err) == -1)
		return -1;
	rc = conf_resolve(&conf, err);
	if (rc == 0)
		rc = privs_drop(&conf, err);
	if (rc == 0)
		rc = try_handler(&conf, err);
	if (rc == 0)
		rc = list_handler(conf.servers[0].handler, &conf, err);
	conf_free(&conf);
	return rc;
}

int
check_list(const struct heritage *h)
{
	struct err err;

	if (list_handlers(h->conf, &err) == -1) {
		err_print(&err);
		return (int)err.code;
	}
	return fflush(stdout) == EOF ? EXIT_RUNTIME : EXIT_OK;
}

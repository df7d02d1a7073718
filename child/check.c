/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check.c: the roles that look at handlers and end: the checker, which returns
 * the effective configuration or what is wrong with it, and the list of
 * handlers. They own their copy of the configuration; they bind nothing and
 * serve nobody.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child/child.h"

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
		if (rc == -1)
			conf_free(copy);
	}
	free(text);
	return rc;
}

static int
check_server(struct conf_server *server, const struct conf *conf,
    struct err *err)
{
	struct option_value *values;
	struct tine_handler handler;
	void *library;
	int rc;

	if (handler_load(&handler, &library, server->handler, conf, err) == -1)
		return -1;
	rc = option_parse(&values, &handler, conf, server, err);
	if (rc == 0) {
		server->may_stop = (handler.flags & TINE_MAY_STOP) != 0;
		option_free(&values, &handler);
	}
	handler_unload(&library);
	return rc;
}

static int
check_conf(const struct heritage *h, struct conf *conf, struct err *err)
{
	sigset_t none;
	size_t i;

	/* A constructor that does not return must not outlive the master. */
	if (conf_resolve(conf, err) == -1 || privs_drop(conf, err) == -1 ||
	    privs_watch_parent(h->parent, SIGKILL, err) == -1)
		return -1;
	privs_hide_memory(conf);
	/* A constructor that raises a signal must die of it here, not in
	 * every child. */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	for (i = 0; i < conf->nservers; i++)
		if (check_server(&conf->servers[i], conf, err) == -1)
			return -1;
	return 0;
}

/* The result is for the master: one whole write of a small text. */
static int
report(int fd, const struct conf *conf, const struct err *err)
{
	FILE *f = fdopen(fd, "w");
	int rc;

	if (f == NULL)
		return EXIT_SYSTEM;
	if (conf == NULL)
		rc = fprintf(f, "%s\n%s\n", err->text, err->hint) < 0 ? -1 : 0;
	else
		rc = conf_print(conf, f);
	if (fclose(f) == EOF || rc == -1)
		return EXIT_SYSTEM;
	return conf == NULL ? (int)err->code : EXIT_OK;
}

int
check_run(const struct heritage *h)
{
	struct conf conf;
	struct err err;
	int code;

	privs_limit_files();
	if (privs_leave_terminal(&err) == -1 ||
	    copy_conf(&conf, h->conf, &err) == -1)
		return report(h->ctl, NULL, &err);
	if (check_conf(h, &conf, &err) == -1)
		code = report(h->ctl, NULL, &err);
	else
		code = report(h->ctl, &conf, &err);
	conf_free(&conf);
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

static int
list_library(const struct conf *conf, struct err *err)
{
	struct tine_handler handler;
	void *library;

	if (handler_load(&handler, &library, conf->servers[0].handler, conf,
		err) == -1)
		return -1;
	print_handler(&handler);
	handler_unload(&library);
	return 0;
}

/* A path is asked for by name; otherwise all that are built in. */
static int
list_handlers(const struct conf *said, struct err *err)
{
	struct conf conf;
	size_t i;
	int rc;

	if (said->nservers == 0 ||
	    strpbrk(said->servers[0].handler, "./") == NULL) {
		for (i = 0; handler_builtins[i] != NULL; i++)
			print_handler(handler_builtins[i]);
		return 0;
	}
	if (copy_conf(&conf, said, err) == -1)
		return -1;
	rc = conf_resolve(&conf, err);
	if (rc == 0)
		rc = privs_drop(&conf, err);
	if (rc == 0)
		rc = list_library(&conf, err);
	conf_free(&conf);
	return rc;
}

int
check_list(const struct heritage *h)
{
	struct err err;

	if (list_handlers(h->conf, &err) == -1) {
		(void)fprintf(stderr, "tine: %s\n", err.text);
		if (err.hint[0] != '\0')
			(void)fprintf(stderr, "tine: hint: %s\n", err.hint);
		return (int)err.code;
	}
	return fflush(stdout) == EOF ? EXIT_RUNTIME : EXIT_OK;
}

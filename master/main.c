/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c: from the command line to a running master and back to an exit code.
 * What the operator wrote is used only when the checker, an unprivileged
 * process, has read it and returned the effective configuration; --single,
 * which does not fork, is its own checker.
 */
#include <sys/resource.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "master/cmdline.h"
#include "master/cpus.h"
#include "master/master.h"
#include "shared/title.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

static enum exit_code
complain(const struct err *err)
{
	(void)fprintf(stderr, "tine: %s\n", err->text);
	if (err->hint[0] != '\0')
		(void)fprintf(stderr, "tine: hint: %s\n", err->hint);
	return err->code;
}

/* 0, 1 and 2 must be open, or a socket would become somebody's stderr; all
 * else that the caller left open is not ours. */
static void
tidy_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd != -1 && fd <= STDERR_FILENO);
	(void)close_range(STDERR_FILENO + 1, ~0U, 0);
}

/* As many as we may have: children inherit the limit, and the master holds
 * three for each child beside the sockets. */
static void
raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* What the operator said, read and resolved by the checker. */
static int
check(struct conf *said, struct conf *effective, struct err *err)
{
	size_t len;
	char *text;
	int rc;

	if (spawn_checker(said, &text, &len, err) == -1)
		return -1;
	conf_init(effective);
	rc = conf_parse(effective, text, len, err);
	free(text);
	return rc;
}

static enum exit_code
serve(const struct conf *conf)
{
	enum log_sink sink;
	enum exit_code code;
	struct err err;
	int fd;

	fd = log_open(conf->log_file, &sink, &err);
	if (fd == -1)
		return complain(&err);
	log_start(fd, sink, conf->log_level);
	log_set_who("master");
	code = master_run(conf, fd);
	if (fd != STDERR_FILENO)
		closefd(&fd);
	return code;
}

/* Only a child may look at handlers. */
NORETURN static void
list(const struct conf *conf)
{
	struct heritage h = {
		.role = HERITAGE_LIST,
		.conf = conf,
		.generation = 1,
		.parent = getppid(),
		.ctl = -1,
		.page = -1,
	};

	child_main(&h);
}

static enum exit_code
run_conf(struct conf *said, enum cmdline_action action)
{
	struct conf effective;
	enum exit_code code = EXIT_OK;
	struct err err;

	if (action == CMDLINE_SINGLE) {
		(void)single_run(said, &err);
		return complain(&err);
	}
	if (check(said, &effective, &err) == -1)
		return complain(&err);
	if (action == CMDLINE_TEST)
		(void)puts("tine: the configuration is good");
	else
		code = serve(&effective);
	conf_free(&effective);
	return code;
}

static enum exit_code
run(struct conf *conf, enum cmdline_action action)
{
	switch (action) {
	case CMDLINE_VERSION:
		cmdline_version(stdout);
		return EXIT_OK;
	case CMDLINE_BUILD:
		cmdline_build(stdout);
		return EXIT_OK;
	case CMDLINE_HELP:
		cmdline_help(stdout);
		return EXIT_OK;
	case CMDLINE_LIST:
		list(conf);
	case CMDLINE_SINGLE:
	case CMDLINE_RUN:
	case CMDLINE_TEST:
		return run_conf(conf, action);
	}
	return EXIT_BAD_USAGE;
}

int
main(int argc, char **argv, char **envp)
{
	enum cmdline_action action;
	enum exit_code code;
	struct conf conf;
	struct err err;

	title_init(argc, argv, envp);
	signals_prepare();
	tidy_descriptors();
	raise_limit();
	srand48((long)(mono_ns() ^ (uint64_t)getpid()));
	conf_init(&conf);
	if (cmdline_parse(argc, argv, &conf, &action, &err) == -1) {
		code = complain(&err);
	} else {
		if (conf.processes == 0)
			conf.processes = cpus_count(CGROUP_ROOT);
		code = run(&conf, action);
	}
	conf_free(&conf);
	return (int)code;
}

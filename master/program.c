/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * program.c: from the command line to a running master and back to an exit
 * code. What the operator wrote is used only when the checker, an unprivileged
 * process, has read it and returned the effective configuration; --single,
 * which does not fork, is its own checker.
 */
#include "master/program.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/cmdline.h"
#include "master/cpus.h"
#include "master/daemon.h"
#include "master/inherit.h"
#include "master/logs.h"
#include "master/master.h"
#include "master/notify.h"
#include "master/pidfile.h"
#include "master/state.h"
#include "master/trial_answer.h"
#include "shared/rlimit.h"
#include "shared/title.h"

extern char **environ;

static enum exit_code
complain(const struct err *err)
{
	err_print(err);
	return err->code;
}

/* 0, 1 and 2 must be open, or a socket would become somebody's stderr; all
 * else that the caller left open is not ours, but for the sockets that the
 * service manager hands over, which follow. */
static void
tidy_descriptors(unsigned inherited)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd != -1 && fd <= STDERR_FILENO);
	(void)close_range(STDERR_FILENO + 1 + inherited, ~0U, 0);
}

/* What the operator said, read and resolved by the checker. What is wrong is
 * printed here, all of it. */
static enum exit_code
check(const struct conf *said, struct conf *effective)
{
	struct checkrun_result result;
	int rc = checkrun_wait(said, &result);
	enum exit_code code = EXIT_OK;

	conf_init(effective);
	if (result.report != NULL)
		(void)fputs(result.report, stderr);
	if (rc == 0)
		rc =
		    conf_parse(effective, result.text, result.len, &result.err);
	else if (result.report != NULL && result.report[0] != '\0')
		code = result.err.code;
	if (rc == -1 && code == EXIT_OK)
		code = complain(&result.err);
	if (rc == -1)
		conf_free(effective);
	effective->is_daemon = said->is_daemon;
	if (effective->processes == 0) {
		effective->processes = cpus_count(CPUS_CGROUP_ROOT);
		effective->processes_max = effective->processes;
	}
	checkrun_result_fini(&result);
	return code;
}

/* All that needs root's rights or the folder we were started in. */
static int
prepare(struct conf *conf, int *log_fd, int *pid_fd, struct err *err)
{
	*log_fd = -1;
	*pid_fd = -1;
	if (rlimit_raise_files(conf, err) == -1)
		return -1;
	if (conf->is_daemon && daemon_leave_folder(conf, err) == -1)
		return -1;
	*log_fd = logs_start(conf, err);
	if (*log_fd == -1)
		return -1;
	log_set_who("master");
	if (inherit_open(err) == -1)
		return -1;
	if (conf->pid_file != NULL) {
		*pid_fd = pidfile_open(conf->pid_file, err);
		if (*pid_fd == -1)
			return -1;
	}
	return 0;
}

/* What an upgrade calls the next image with: setproctitle() writes over the
 * memory of the original. */
static char **
copy_argv(int argc, char *const *argv)
{
	char **copy = calloc((size_t)argc + 1, sizeof(char *));
	int i;

	for (i = 0; copy != NULL && i < argc; i++) {
		copy[i] = strdup(argv[i]);
		if (copy[i] == NULL)
			return NULL;
	}
	return copy;
}

static enum exit_code
serve(struct conf *conf, const struct conf *said, char *const *argv)
{
	enum exit_code code;
	struct err err;
	int log_fd, pid_fd;

	if (prepare(conf, &log_fd, &pid_fd, &err) == -1) {
		code = complain(&err);
		if (log_fd > STDERR_FILENO)
			closefd(&log_fd);
	} else {
		generation_warn(conf);
		code = master_run(conf, said, argv, log_fd, pid_fd);
	}
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

static void
print_good(const struct conf *said)
{
	size_t i;

	(void)fputs("tine: ", stdout);
	for (i = 0; i < said->nfiles; i++)
		(void)printf("%s%s", said->files[i],
		    i + 1 < said->nfiles ? ", " : ": ");
	(void)puts("the configuration is good");
}

static enum exit_code
run_checked(const struct conf *said, enum cmdline_action action,
    char *const *argv)
{
	struct conf effective;
	enum exit_code code = check(said, &effective);

	if (code != EXIT_OK)
		return code;
	if (action == CMDLINE_TEST)
		print_good(said);
	else if (action == CMDLINE_DUMP)
		code =
		    conf_dump(&effective, stdout) == 0 ? EXIT_OK : EXIT_RUNTIME;
	else
		code = serve(&effective, said, argv);
	conf_free(&effective);
	return code;
}

static enum exit_code
run_in_background(const struct conf *said, char *const *argv)
{
	enum exit_code code;
	struct err err;

	switch (daemon_fork(&code, &err)) {
	case DAEMON_FAILED:
		return complain(&err);
	case DAEMON_CALLER:
		return code;
	case DAEMON_BACKGROUND:
		break;
	}
	return run_checked(said, CMDLINE_RUN, argv);
}

static enum exit_code
run_single(struct conf *said)
{
	struct err err;

	if (said->is_daemon) {
		err_set(&err, EXIT_BAD_USAGE,
		    "-X, --single and -d, --daemon exclude each other");
		err_hint(&err, "give one of them");
	} else {
		(void)single_run(said, &err);
	}
	return complain(&err);
}

static enum exit_code
run(struct conf *conf, enum cmdline_action action, char *const *argv)
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
		return run_single(conf);
	case CMDLINE_RUN:
		return conf->is_daemon ? run_in_background(conf, argv)
				       : run_checked(conf, action, argv);
	case CMDLINE_TEST:
	case CMDLINE_DUMP:
		return run_checked(conf, action, argv);
	}
	return EXIT_BAD_USAGE;
}

/* A binary on trial, see trial_answer.h. Its command line is the server's. */
static enum exit_code
be_tried(int argc, char **argv, int state)
{
	struct tlv_record record;
	enum cmdline_action action;
	struct conf said;
	struct err err;
	const char *folder;
	int rc = -1;

	conf_init(&said);
	if (tlv_open(&record, state, &err) == -1) {
		(void)trial_answer_write(state + 1, 0, &err);
		return err.code;
	}
	folder = state_folder(&record);
	said.folder = folder != NULL ? strdup(folder) : NULL;
	rc = cmdline_parse(argc, argv, &said, &action, &err);
	if (rc == 0)
		rc = master_try(&said, argv, &record, &err);
	(void)trial_answer_write(state + 1, record.checksum,
	    rc == 0 ? NULL : &err);
	tlv_close(&record);
	conf_free(&said);
	return rc == 0 ? EXIT_OK : err.code;
}

/* A process that was another image, see upgrade.h. That its command line can be
 * parsed was tried; what cannot be read of the state is found below. */
static enum exit_code
be_next(int argc, char **argv, int state, int way_back)
{
	struct tlv_record record;
	enum cmdline_action action;
	enum exit_code code;
	const char *folder;
	struct conf said;
	struct err err;

	conf_init(&said);
	if (tlv_open(&record, state, &err) == 0) {
		folder = state_folder(&record);
		said.folder = folder != NULL ? strdup(folder) : NULL;
		tlv_close(&record);
	}
	if (cmdline_parse(argc, argv, &said, &action, &err) == -1)
		log_warn("the command line: %s", err.text);
	code = master_resume(&said, argv, state, way_back);
	conf_free(&said);
	return code;
}

static enum exit_code
be_first(int argc, char **argv)
{
	enum cmdline_action action;
	enum exit_code code;
	struct conf conf;
	struct err err;

	conf_init(&conf);
	if (cmdline_parse(argc, argv, &conf, &action, &err) == -1)
		code = complain(&err);
	else
		code = run(&conf, action, argv);
	conf_free(&conf);
	return code;
}

int
program_run(int argc, char **argv)
{
	/* Static: also a forked child is to see it as reachable. */
	static char **own;
	int state, way_back;

	own = copy_argv(argc, argv);
	title_init(argc, argv, environ);
	srand48((long)(mono_ns() ^ (uint64_t)getpid()));
	if (own == NULL) {
		(void)fputs("tine: no memory for the arguments\n", stderr);
		return EXIT_SYSTEM;
	}
	if (upgrade_is_resuming(&argc, own, &state, &way_back)) {
		signals_resume();
		return (int)be_next(argc, own, state, way_back);
	}
	signals_prepare();
	state = trial_answer_state(argc, own);
	if (state != -1) {
		upgrade_drop_option(&argc, own);
		return (int)be_tried(argc, own, state);
	}
	notify_take_environment();
	tidy_descriptors(inherit_begin());
	return (int)be_first(argc, own);
}

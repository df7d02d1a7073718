/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reader.c: the process that reads configuration files. The checker, which may
 * be root, forks it: it drops its privileges, asks the checker to open each
 * file, and parses. What it makes of the files goes back as text of our own,
 * which is all that the checker looks at. A file that breaks the parser breaks
 * a process that can do nothing.
 *
 *     reader                      checker
 *        --- ask: path, pattern --->     opens, looks who owns it
 *        <-- file: name, descriptor ---  one for each, then one that ends
 *        ... parses ...
 *        --- result, in a memfd --->
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "child/child.h"
#include "shared/conf_load.h"

#define RESULT_BYTES_MAX (16 << 20)

/* From the checker: a file, or the end of the answer. */
struct reply {
	bool is_end;
	bool is_error;
	char name[PATH_MAX];
	struct err err;
};

/* ---- the reader ---- */

/* Receive one reply and its descriptor, or -1 in its place. */
static int
receive(int channel, struct reply *r, int *fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { r, sizeof(*r) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	const struct cmsghdr *c;
	ssize_t n;

	*fd = -1;
	do
		n = recvmsg(channel, &msg, MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	c = CMSG_FIRSTHDR(&msg);
	if (n > 0 && c != NULL && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	if (n == (ssize_t)sizeof(*r))
		return 0;
	closefd(fd);
	return -1;
}

static void
ask(void *arg, const struct conf_ask *a, conf_give *give, void *give_arg)
{
	const int *channel = arg;
	struct reply *r = calloc(1, sizeof(*r));
	struct err err;
	int fd, rc = -1;

	if (r != NULL &&
	    send(*channel, a, sizeof(*a), MSG_NOSIGNAL) == (ssize_t)sizeof(*a))
		while ((rc = receive(*channel, r, &fd)) == 0 && !r->is_end)
			give(give_arg, r->name, fd,
			    r->is_error ? &r->err : NULL);
	if (rc == -1) {
		err_set(&err, EXIT_SYSTEM,
		    "configuration file %s: the checker does not answer",
		    a->path);
		give(give_arg, a->path, -1, &err);
	}
	free(r);
}

/* Whoever that is, it is not root; the account of the children is not known
 * before the files are read. */
static int
become_nobody(pid_t parent, struct err *err)
{
	struct conf nobody;
	int rc;

	conf_init(&nobody);
	rc = conf_resolve(&nobody, err);
	if (rc == 0)
		rc = privs_drop(&nobody, err);
	if (rc == 0)
		rc = privs_watch_parent(parent, SIGKILL, err);
	if (rc == 0)
		privs_hide_memory(&nobody);
	conf_free(&nobody);
	return rc;
}

/* Four texts, each ended by a null byte. */
static int
write_result(int fd, const struct conf *conf, const struct origin_list *origins,
    struct report *report)
{
	FILE *f = fdopen(fd, "w");

	if (f == NULL)
		return -1;
	(void)fprintf(f, "%u %d\n%s\n%s%c", report->nerrors,
	    (int)report->first.code, report->first.text, report->first.hint,
	    '\0');
	if (conf_print(conf, f) == -1)
		return -1;
	(void)fputc('\0', f);
	origin_print(origins, f);
	(void)fputc('\0', f);
	(void)fputs(report_text(report), f);
	(void)fputc('\0', f);
	return ferror(f) || fclose(f) == EOF ? -1 : 0;
}

NORETURN static void
be_reader(const struct conf *said, int channel, int result, pid_t parent)
{
	struct origin_list origins;
	struct report report = { 0 };
	struct conf conf;
	struct err err;

	origin_init(&origins);
	if (report_open(&report, &err) == -1)
		_exit(EXIT_SYSTEM);
	if (become_nobody(parent, &err) == -1) {
		report_error(&report, NULL, &err);
		conf_init(&conf);
	} else
		conf_load(&conf, said, ask, &channel, &origins, &report);
	if (write_result(result, &conf, &origins, &report) == -1)
		_exit(EXIT_SYSTEM);
	report_close(&report);
	origin_fini(&origins);
	conf_free(&conf);
	_exit(EXIT_OK);
}

/* ---- the checker ---- */

static int
reply(int channel, const struct reply *r, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	union {
		const struct reply *ro;
		void *rw;
	} bytes = { .ro = r };
	struct iovec iov = { bytes.rw, sizeof(*r) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (fd != -1) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return sendmsg(channel, &msg, MSG_NOSIGNAL) == -1 ? -1 : 0;
}

static void
give(void *arg, const char *name, int fd, const struct err *err)
{
	const int *channel = arg;
	struct reply *r = calloc(1, sizeof(*r));

	if (r != NULL) {
		(void)strlcpy(r->name, name, sizeof(r->name));
		r->is_error = err != NULL;
		if (err != NULL)
			r->err = *err;
		/* A reader that is gone is found out by its exit. */
		(void)reply(*channel, r, fd);
	}
	closefd(&fd);
	free(r);
}

/* Open what the reader asks for, until it is done. */
static void
serve(int channel, const struct conf *said)
{
	static const struct reply end = { .is_end = true };
	struct conf_ask a;
	ssize_t n;

	for (;;) {
		n = recv(channel, &a, sizeof(a), 0);
		if (n == -1 && errno == EINTR)
			continue;
		if (n != (ssize_t)sizeof(a))
			return;
		a.path[sizeof(a.path) - 1] = '\0';
		conf_file_open(said, &a, give, &channel);
		if (reply(channel, &end, -1) == -1)
			return;
	}
}

/* The next of the texts; "" when there is none. */
static char *
cut(char **rest, const char *end)
{
	char *text = *rest;
	size_t left = (size_t)(end - text);
	char *null = memchr(text, '\0', left + 1);

	*rest = null < end ? null + 1 : null;
	return text;
}

/* The reader's report becomes the beginning of ours. */
static int
take_report(struct report *report, char *head, const char *lines)
{
	unsigned nerrors;
	int code, used = 0;
	char *text;

	if (sscanf(head, "%u %d\n%n", &nerrors, &code, &used) != 2 || used == 0)
		return -1;
	text = head + used;
	report->nerrors = nerrors;
	report->first.code = (enum exit_code)code;
	report->first.sys = 0;
	(void)snprintf(report->first.text, sizeof(report->first.text), "%s",
	    strsep(&text, "\n"));
	(void)snprintf(report->first.hint, sizeof(report->first.hint), "%s",
	    text == NULL ? "" : text);
	(void)fputs(lines, report->f);
	return 0;
}

static int
take_result(int fd, struct conf *conf, struct origin_list *origins,
    struct report *report, struct err *err)
{
	struct stat st;
	char *text, *rest, *head, *settings, *places, *end;
	ssize_t n;
	int rc;

	if (fstat(fd, &st) == -1 || st.st_size > RESULT_BYTES_MAX)
		return err_set(err, EXIT_SYSTEM,
		    "the configuration is larger than %d bytes",
		    RESULT_BYTES_MAX);
	text = calloc(1, (size_t)st.st_size + 1);
	n = text == NULL ? -1 : pread(fd, text, (size_t)st.st_size, 0);
	if (n == -1) {
		free(text);
		return err_sys(err, "read the configuration");
	}
	rest = text;
	end = text + n;
	head = cut(&rest, end);
	settings = cut(&rest, end);
	places = cut(&rest, end);
	rc = conf_parse(conf, settings, strlen(settings), err);
	if (rc == 0)
		rc = origin_parse(origins, places, err);
	if (rc == 0 && take_report(report, head, cut(&rest, end)) == -1)
		rc = err_set(err, EXIT_SYSTEM,
		    "the reader of the configuration said nothing");
	free(text);
	return rc;
}

static int
await(pid_t pid, struct err *err)
{
	int status;

	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return err_sys(err, "wait for the reader");
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_OK)
		return 0;
	if (WIFSIGNALED(status))
		return err_set(err, EXIT_BAD_CONFIG,
		    "the reader of the configuration died of signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	return err_set(err, EXIT_SYSTEM,
	    "the reader of the configuration ended with exit code %d",
	    WEXITSTATUS(status));
}

/* In the forked process: its own ends and 0, 1, 2 are all that it keeps. */
NORETURN static void
begin_reader(const struct conf *said, int channel, int result, pid_t parent)
{
	int low = MIN_OF(channel, result), high = MAX_OF(channel, result);

	(void)close_range(STDERR_FILENO + 1, (unsigned)low - 1, 0);
	(void)close_range((unsigned)low + 1, (unsigned)high - 1, 0);
	(void)close_range((unsigned)high + 1, ~0U, 0);
	be_reader(said, channel, result, parent);
}

static int
run(int *channel, int result, const struct conf *said, struct err *err)
{
	pid_t self = getpid(), pid = fork();

	if (pid == -1)
		return err_sys(err, "fork to read the configuration");
	if (pid == 0)
		begin_reader(said, channel[1], result, self);
	closefd(&channel[1]);
	serve(channel[0], said);
	return await(pid, err);
}

void
reader_run(struct conf *conf, const struct conf *said,
    struct origin_list *origins, struct report *report)
{
	int channel[2] = { -1, -1 };
	int result = memfd_create("tine-reader", MFD_CLOEXEC);
	struct err err;
	int rc = -1;

	conf_init(conf);
	if (result == -1 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) ==
		-1)
		err_sys(&err, "resources to read the configuration");
	else
		rc = run(channel, result, said, &err);
	if (rc == 0)
		rc = take_result(result, conf, origins, report, &err);
	if (rc == -1)
		report_error(report, NULL, &err);
	conf->is_daemon = said->is_daemon;
	closefd(&channel[0]);
	closefd(&channel[1]);
	closefd(&result);
}

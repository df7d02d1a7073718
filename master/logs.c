/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * logs.c: open the log, open it anew, hand it to the children. Runs in the
 * master, which alone opens logs by name and may do so as root. Never waits for
 * a child: who wants to know asks logs_awaited() after each change.
 */
#include "master/logs.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "master/master.h"

/* ---- stderr ---- */

/* Does systemd's journal read our stderr? It says so by the socket's numbers,
 * since a process may have been given another stderr. */
static bool
is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream != NULL && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	    fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev &&
	    st.st_ino == ino;
}

/*
 * A pipe or a terminal is opened a second time, because O_NONBLOCK on the
 * inherited descriptor would also be its other owners': a shell's. Where that
 * fails, as for a pipe of another user's, the log asks before it writes. In the
 * background stderr becomes /dev/null in the end, which a second descriptor
 * would not see.
 */
static int
open_stderr(const struct conf *conf)
{
	struct stat st;
	int fd = -1;

	if (!conf->is_daemon && fstat(STDERR_FILENO, &st) == 0 &&
	    (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
		fd = open("/proc/self/fd/2",
		    O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd == -1 ? STDERR_FILENO : fd;
}

/* ---- syslog ---- */

static int
open_syslog(struct err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	(void)strlcpy(sun.sun_path, LOG_SYSLOG_PATH, sizeof(sun.sun_path));
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return err_sys(err, "socket for syslog");
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == -1) {
		err_sys(err, "syslog at %s", LOG_SYSLOG_PATH);
		err_hint(err,
		    "start a syslog daemon, or give --log FILE or stderr");
		err->code = EXIT_CANT_CREATE;
		closefd(&fd);
	}
	return fd;
}

/* ---- a file ---- */

/* The folder that holds the file: opened once, so that what is checked is what
 * is used. */
static int
open_folder(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - path);
	char folder[PATH_MAX] = ".";
	struct stat st;
	int fd;

	if (slash != NULL)
		(void)strlcpy(folder, path,
		    MIN_OF(MAX_OF(len, 1) + 1, sizeof(folder)));
	fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1) {
		err_sys(err, "log file %s: folder %s", path, folder);
		err_hint(err, "make the folder first, or name another file");
		closefd(&fd);
		return -1;
	}
	if (geteuid() != 0 || (st.st_mode & S_IWOTH) == 0 ||
	    (st.st_mode & S_ISVTX) != 0)
		return fd;
	closefd(&fd);
	err_set(err, EXIT_CANT_CREATE,
	    "log file %s: everybody can write the folder %s", path, folder);
	return err_hint(err,
	    "whoever writes it could lead root's writing elsewhere: "
	    "chmod o-w %s, or name another file",
	    folder);
}

static const char *
hint_for(int error)
{
	switch (error) {
	case ELOOP:
		return "it is a symbolic link, which is never followed";
	case ENXIO:
		return "it is a FIFO or a socket that nobody reads";
	case EISDIR:
		return "it is a folder: name a file in it";
	default:
		return "give --log a file in a folder that exists and that "
		       "the user who starts tine can write";
	}
}

static int
open_file(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	int fd, folder = open_folder(path, err);

	if (folder == -1)
		goto bad;
	/* It may be a FIFO, which nobody may read just now. */
	fd = openat(folder, slash == NULL ? path : slash + 1,
	    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC |
		O_NONBLOCK | O_NOCTTY,
	    0640);
	if (fd == -1) {
		err_sys(err, "log file %s", path);
		err_hint(err, "%s", hint_for(err->sys));
	}
	closefd(&folder);
	if (fd != -1)
		return fd;
bad:
	if (err->code != EXIT_NO_PERMISSION)
		err->code = EXIT_CANT_CREATE;
	return -1;
}

static int
open_log(const struct conf *conf, enum log_sink *sink, struct err *err)
{
	char *path;
	int fd;

	if (strcmp(conf->log_file, "stderr") == 0) {
		*sink = is_journal() ? LOG_JOURNAL : LOG_STDERR;
		return open_stderr(conf);
	}
	if (strcmp(conf->log_file, "syslog") == 0) {
		*sink = LOG_SYSLOG;
		return open_syslog(err);
	}
	*sink = LOG_FILE;
	path = conf_path(conf, conf->log_file);
	if (path == NULL)
		return err_sys(err, "log file %s", conf->log_file);
	fd = open_file(path, err);
	free(path);
	return fd;
}

int
logs_start(const struct conf *conf, struct err *err)
{
	enum log_sink sink;
	int fd = open_log(conf, &sink, err);

	if (fd != -1) {
		log_start(fd, sink, conf->log_level);
		log_set_format(conf->log_format);
	}
	return fd;
}

int
logs_check(const struct conf *old, const struct conf *new, struct err *err)
{
	enum log_sink sink;
	int fd;

	if (strcmp(old->log_file, new->log_file) == 0)
		return 0;
	fd = open_log(new, &sink, err);
	if (fd == -1)
		return -1;
	if (fd > STDERR_FILENO)
		closefd(&fd);
	return 0;
}

void
logs_follow(struct master *m, const struct conf *old, const struct conf *new)
{
	struct err err;

	/* Why it failed is in the log. */
	if (strcmp(old->log_file, new->log_file) != 0)
		(void)logs_reopen(m, &err);
	if (old->log_level != new->log_level)
		logs_set_level(m, new->log_level);
}

/* ---- changes ---- */

uint32_t
logs_change(const struct master *m)
{
	return m->log_change;
}

const struct proc *
logs_awaited(const struct master *m, uint32_t change)
{
	const struct proc *p;

	/* Numbers go round: what counts is the distance. */
	TAILQ_FOREACH(p, &m->procs, entry)
		if (p->ctl != -1 && (int32_t)(change - p->log_change) > 0)
			return p;
	return NULL;
}

/* Who asked by a signal has no other way to know. */
static void
on_patience(struct ev_loop *loop, ev_timer *w, int revents)
{
	const struct master *m = w->data;
	const struct proc *p;

	(void)loop;
	(void)revents;
	TAILQ_FOREACH(p, &m->procs, entry)
		if (p->ctl != -1 && p->log_change != m->log_change)
			log_warn("%s (pid %ld): has not taken the "
				 "change of the log within %.0f s, is %s",
			    p->place->name, (long)p->pid, LOGS_PATIENCE_S,
			    proc_state_names[p->state]);
}

/* One that is told a change may die of it; it stays in the list until it is
 * reaped. */
static void
tell_all(struct master *m, enum ctl_type type, uint32_t value, int fd)
{
	struct ctl_logs logs = { .change = ++m->log_change, .value = value };
	struct proc *p;

	TAILQ_FOREACH(p, &m->procs, entry)
		mctl_send(p, type, &logs, sizeof(logs), fd);
	ev_timer_stop(m->loop, &m->logs_w);
	ev_timer_set(&m->logs_w, LOGS_PATIENCE_S, 0);
	if (logs_awaited(m, m->log_change) != NULL)
		ev_timer_start(m->loop, &m->logs_w);
}

bool
logs_is_answer(const struct proc *p, uint32_t change)
{
	/* What was never asked for cannot have been done. */
	return (int32_t)(p->master->log_change - change) >= 0 &&
	    (int32_t)(change - p->log_change) > 0;
}

void
logs_on_ok(struct proc *p, uint32_t change)
{
	struct master *m = p->master;

	if (logs_is_answer(p, change))
		p->log_change = change;
	if (logs_awaited(m, m->log_change) == NULL)
		ev_timer_stop(m->loop, &m->logs_w);
	master_on_change(m);
}

int
logs_reopen(struct master *m, struct err *err)
{
	enum log_sink sink;
	int old, fd = open_log(m->conf, &sink, err);

	if (fd == -1) {
		err_prefix(err, "the old log stays in use");
		log_error("%s", err->text);
		m->last_error = *err;
		return -1;
	}
	old = log_use(fd, sink);
	m->log_fd = fd;
	tell_all(m, CTL_LOGS, (uint32_t)sink, fd);
	if (old > STDERR_FILENO)
		closefd(&old);
	log_info("the log was opened anew");
	return 0;
}

void
logs_set_level(struct master *m, enum log_level level)
{
	enum log_level old = log_get_level();

	/* Who reads either of them reads of the change. */
	log_set_level(MAX_OF(old, level));
	log_info("log level: %s, was %s", log_level_names[level],
	    log_level_names[old]);
	log_set_level(level);
	tell_all(m, CTL_LEVEL, (uint32_t)level, -1);
}

void
logs_init(struct master *m)
{
	ev_timer_init(&m->logs_w, on_patience, LOGS_PATIENCE_S, 0);
	m->logs_w.data = m;
}

void
logs_fini(struct master *m)
{
	ev_timer_stop(m->loop, &m->logs_w);
	(void)log_use(STDERR_FILENO, LOG_STDERR);
	if (m->log_fd > STDERR_FILENO)
		closefd(&m->log_fd);
	m->log_fd = STDERR_FILENO;
}

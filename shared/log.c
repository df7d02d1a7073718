/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.c: write log lines. Runs in every process; the master opens the sink and
 * the children inherit its descriptor. A line that cannot be written is lost:
 * serving never waits for a log.
 */
#include "shared/log.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* RFC 5424 6.2.1: facility daemon, severities. <syslog.h> would define level
 * names that are ours. */
#define SYSLOG_DAEMON (3 << 3)
#define LINE_MAX_BYTES 2048
#define SYSLOG_PATH "/dev/log"

const char *const log_level_names[LOG_NLEVELS] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

static const int syslog_severity[LOG_NLEVELS] = {
	[LOG_ERROR] = 3,
	[LOG_WARN] = 4,
	[LOG_INFO] = 6,
	[LOG_DEBUG] = 7,
};

static struct {
	int fd;
	enum log_sink sink;
	enum log_level level;
	char who[32];
} out = { .fd = 2, .sink = LOG_STDERR, .level = LOG_INFO, .who = "" };

static int
open_syslog(struct err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	(void)memcpy(sun.sun_path, SYSLOG_PATH, sizeof(SYSLOG_PATH));
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return err_sys(err, "socket for syslog");
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == -1) {
		err_sys(err, "syslog at %s", SYSLOG_PATH);
		err_hint(err,
		    "start a syslog daemon, or give --log FILE or stderr");
		err->code = EXIT_CANT_CREATE;
		closefd(&fd);
	}
	return fd;
}

int
log_open(const char *where, enum log_sink *sink, struct err *err)
{
	int fd;

	if (strcmp(where, "stderr") == 0) {
		*sink = LOG_STDERR;
		return 2;
	}
	if (strcmp(where, "syslog") == 0) {
		*sink = LOG_SYSLOG;
		return open_syslog(err);
	}
	*sink = LOG_FILE;
	fd = open(where,
	    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC |
		O_NONBLOCK | O_NOCTTY,
	    0640);
	if (fd == -1) {
		err_sys(err, "log file %s", where);
		err_hint(err, "%s",
		    err->sys == ELOOP
			? "it is a symbolic link, which is never followed"
			: "give --log a file in a folder that exists and that "
			  "the user who starts tine can write");
		if (err->code != EXIT_NO_PERMISSION)
			err->code = EXIT_CANT_CREATE;
	}
	return fd;
}

void
log_start(int fd, enum log_sink sink, enum log_level level)
{
	out.fd = fd;
	out.sink = sink;
	out.level = level;
}

void
log_set_level(enum log_level level)
{
	out.level = level;
}

enum log_level
log_get_level(void)
{
	return out.level;
}

void
log_set_who(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(out.who, sizeof(out.who), fmt, ap);
	va_end(ap);
}

int
log_swap_fd(int fd)
{
	int old = out.fd;

	out.fd = fd;
	return old;
}

int
log_wants(enum log_level level)
{
	return level <= out.level;
}

/* What stands before the text: depends on who reads it. */
static size_t
line_prefix(char *line, size_t size, enum log_level level)
{
	const char *name = log_level_names[level];
	struct timespec now;
	struct tm tm;
	char when[32];
	int n = 0;

	switch (out.sink) {
	case LOG_SYSLOG:
		n = snprintf(line, size, "<%d>tine[%ld]: %s %s: ",
		    SYSLOG_DAEMON | syslog_severity[level], (long)getpid(),
		    name, out.who);
		break;
	case LOG_FILE:
		(void)clock_gettime(CLOCK_REALTIME, &now);
		(void)gmtime_r(&now.tv_sec, &tm);
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
		n = snprintf(line, size, "%s.%03ldZ %s %s: ", when,
		    now.tv_nsec / 1000000, name, out.who);
		break;
	case LOG_STDERR:
		n = snprintf(line, size, "tine: %s %s: ", name, out.who);
		break;
	}
	return n < 0 ? 0 : (size_t)n;
}

static void
line_send(const char *line, size_t len)
{
	ssize_t n;

	do {
		if (out.sink == LOG_SYSLOG)
			n = send(out.fd, line, len,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			n = write(out.fd, line, len);
	} while (n == -1 && errno == EINTR);
}

PRINTF_LIKE(3, 0)
static void
line_write(enum log_level level, int sys, const char *fmt, va_list ap)
{
	int saved = errno;
	char line[LINE_MAX_BYTES];
	size_t used, room = sizeof(line) - 1;
	int n;

	used = line_prefix(line, room, level);
	n = vsnprintf(line + used, room - used, fmt, ap);
	if (n > 0)
		used = MIN_OF(used + (size_t)n, room - 1);
	if (sys != 0) {
		n = snprintf(line + used, room - used, ": %s", strerror(sys));
		if (n > 0)
			used = MIN_OF(used + (size_t)n, room - 1);
	}
	if (out.sink != LOG_SYSLOG)
		line[used++] = '\n';
	line_send(line, used);
	errno = saved;
}

void
log_vwrite(enum log_level level, const char *fmt, va_list ap)
{
	if (log_wants(level))
		line_write(level, 0, fmt, ap);
}

void
log_write(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vwrite(level, fmt, ap);
	va_end(ap);
}

void
log_sys(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (!log_wants(level))
		return;
	va_start(ap, fmt);
	line_write(level, errno, fmt, ap);
	va_end(ap);
}

/* ---- from a signal handler ---- */

/* A line that is put together without stdio. */
struct raw {
	char text[LINE_MAX_BYTES];
	size_t len;
};

static void
raw_add(struct raw *r, const char *text, size_t len)
{
	len = MIN_OF(len, sizeof(r->text) - r->len);
	(void)memcpy(r->text + r->len, text, len);
	r->len += len;
}

static void
raw_number(struct raw *r, unsigned width, int64_t n, const char *after)
{
	char digits[20];
	size_t i = sizeof(digits);

	while (i > 0 && (n > 0 || width > 0)) {
		digits[--i] = (char)('0' + n % 10);
		n /= 10;
		width -= width > 0;
	}
	raw_add(r, digits + i, sizeof(digits) - i);
	raw_add(r, after, strlen(after));
}

/* gmtime_r() takes a lock, so the date is computed here: years begin in March,
 * so that a leap day comes last. */
static void
raw_time(struct raw *r)
{
	struct timespec now;
	int64_t days, era, doe, yoe, doy, shifted, month;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	days = now.tv_sec / 86400 + 719468;
	era = days / 146097;
	doe = days % 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	shifted = (5 * doy + 2) / 153;
	month = shifted < 10 ? shifted + 3 : shifted - 9;
	raw_number(r, 4, yoe + era * 400 + (month <= 2), "-");
	raw_number(r, 2, month, "-");
	raw_number(r, 2, doy - (153 * shifted + 2) / 5 + 1, "T");
	raw_number(r, 2, now.tv_sec / 3600 % 24, ":");
	raw_number(r, 2, now.tv_sec / 60 % 60, ":");
	raw_number(r, 2, now.tv_sec % 60, ".");
	raw_number(r, 3, now.tv_nsec / 1000000, "Z error ");
}

void
log_from_signal(const char *text, size_t len)
{
	static const char plain[] = "tine: error ", syslog[] = "<27>tine[";
	struct raw r = { .len = 0 };

	switch (out.sink) {
	case LOG_SYSLOG:
		raw_add(&r, syslog, sizeof(syslog) - 1);
		raw_number(&r, 1, getpid(), "]: error ");
		break;
	case LOG_FILE:
		raw_time(&r);
		break;
	case LOG_STDERR:
		raw_add(&r, plain, sizeof(plain) - 1);
		break;
	}
	raw_add(&r, out.who, strlen(out.who));
	raw_add(&r, ": ", 2);
	raw_add(&r, text, MIN_OF(len, sizeof(r.text) - r.len - 1));
	if (out.sink != LOG_SYSLOG)
		raw_add(&r, "\n", 1);
	line_send(r.text, r.len);
}

int
log_limit_pass(struct log_limit *l, unsigned *missed)
{
	uint64_t second = mono_ns() / NSEC_PER_SEC;

	*missed = 0;
	if (second != l->second) {
		l->second = second;
		l->used = 0;
	}
	if (l->used >= l->burst) {
		l->missed++;
		return 0;
	}
	l->used++;
	*missed = l->missed;
	l->missed = 0;
	return 1;
}

char *
log_escape(char *dst, size_t size, const void *src, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *s = src;
	size_t i, o = 0;

	for (i = 0; i < len && o + 5 <= size; i++) {
		if (s[i] >= 0x20 && s[i] < 0x7f && s[i] != '\\') {
			dst[o++] = (char)s[i];
			continue;
		}
		dst[o++] = '\\';
		dst[o++] = 'x';
		dst[o++] = hex[s[i] >> 4];
		dst[o++] = hex[s[i] & 15];
	}
	if (size > 0)
		dst[o] = '\0';
	return dst;
}

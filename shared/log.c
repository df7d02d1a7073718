/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.c: write log lines. Runs in every process; the master opens the sink and
 * the children inherit its descriptor. A line that cannot be written is lost
 * and counted: serving never waits for a log.
 */
#include "shared/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shared/log_line.h"
#include "shared/log_sink.h"

#define TEXT_MAX 2048

const char *const log_level_names[LOG_NLEVELS] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

const char *const log_format_names[LOG_NFORMATS] = {
	[LOG_FORMAT_TEXT] = "text",
	[LOG_FORMAT_JSON] = "json",
};

static struct {
	struct log_out out;
	enum log_level level;
	enum log_format format;
	char who[32];
	unsigned long lost; /* lines, since writing stopped to work */
	int cause;          /* errno of the last loss */
} logger = {
	.out = { .fd = STDERR_FILENO,
	    .way = LOG_WAY_ASK,
	    .syslog = LOG_SYSLOG_PATH },
	.level = LOG_INFO,
};

void
log_start(int fd, enum log_sink sink, enum log_level level)
{
	(void)log_use(fd, sink);
	logger.level = level;
}

int
log_use(int fd, enum log_sink sink)
{
	int old = logger.out.fd;

	log_sink_init(&logger.out, fd, sink);
	return old;
}

enum log_sink
log_get_sink(void)
{
	return logger.out.sink;
}

void
log_set_level(enum log_level level)
{
	logger.level = level;
}

enum log_level
log_get_level(void)
{
	return logger.level;
}

void
log_set_format(enum log_format format)
{
	logger.format = format;
}

void
log_set_syslog(const char *path)
{
	logger.out.syslog = path;
}

void
log_set_who(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(logger.who, sizeof(logger.who), fmt, ap);
	va_end(ap);
	/* A forked process does not speak for what its parent lost. */
	logger.lost = 0;
}

int
log_wants(enum log_level level)
{
	return level <= logger.level;
}

int
log_is_stderr(void)
{
	return logger.out.sink == LOG_STDERR || logger.out.sink == LOG_JOURNAL;
}

/* ---- lines ---- */

static void
begin(struct log_line *l, enum log_level level)
{
	log_line_begin(l, logger.out.sink, logger.format, level, logger.who);
}

static int
put(const struct log_line *l)
{
	int error = log_sink_put(&logger.out, l);

	if (error != 0)
		logger.cause = error;
	return error;
}

void
log_retry(void)
{
	int saved = errno;
	struct log_line l;
	char text[128];
	int n;

	if (logger.lost == 0)
		return;
	n = snprintf(text, sizeof(text), "log: %lu line%s lost: %s",
	    logger.lost, logger.lost == 1 ? "" : "s",
	    logger.cause == EAGAIN ? "the reader was too slow"
				   : strerror(logger.cause));
	begin(&l, LOG_WARN);
	log_line_add(&l, text, MIN_OF((size_t)MAX_OF(n, 0), sizeof(text) - 1));
	log_line_end(&l);
	if (put(&l) == 0)
		logger.lost = 0;
	errno = saved;
}

/* What was lost is said before the line, in its place. */
static void
finish(struct log_line *l)
{
	log_line_end(l);
	log_retry();
	if (logger.lost > 0 || put(l) != 0)
		logger.lost++;
}

PRINTF_LIKE(3, 0)
static void
line_write(enum log_level level, int sys, const char *fmt, va_list ap)
{
	int saved = errno;
	char text[TEXT_MAX];
	struct log_line l;
	const char *cause;

	begin(&l, level);
	if (vsnprintf(text, sizeof(text), fmt, ap) > 0)
		log_line_add(&l, text, strlen(text));
	if (sys != 0) {
		cause = strerror(sys);
		log_line_add(&l, ": ", 2);
		log_line_add(&l, cause, strlen(cause));
	}
	finish(&l);
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

void
log_tell(enum log_level level, const char *fmt, ...)
{
	int saved = errno;
	char text[LOG_LINE_MAX];
	struct log_out out = { .fd = -1 };
	struct log_line l;
	va_list ap;

	text[0] = '\0';
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (log_is_stderr()) {
		log_line_begin_plain(&l, logger.out.sink, level);
		log_line_add(&l, text, strlen(text));
		finish(&l);
	} else {
		log_sink_init(&out, STDERR_FILENO, LOG_STDERR);
		log_line_begin_plain(&l, LOG_STDERR, level);
		log_line_add(&l, text, strlen(text));
		log_line_end(&l);
		/* The log has it too, and nobody else can be told. */
		(void)log_sink_put(&out, &l);
	}
	errno = saved;
}

void
log_from_signal(const char *text, size_t len)
{
	struct log_line l;

	begin(&l, LOG_ERROR);
	log_line_add(&l, text, len);
	log_line_end(&l);
	(void)put(&l);
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
log_print_missed(unsigned missed, char *dst, size_t size)
{
	if (missed > 0)
		(void)snprintf(dst, size, " (%u line%s like it left out)",
		    missed, missed == 1 ? "" : "s");
	else
		dst[0] = '\0';
	return dst;
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

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.h: lines for the operator, "level who: operation on object: cause".
 * One write per line; the descriptor was opened by the master. No call waits
 * for the reader: a line that cannot be written is lost, counted, and spoken of
 * when writing works again. Not for threads.
 */
#ifndef TINE_SHARED_LOG_H
#define TINE_SHARED_LOG_H

#include <stdarg.h>

#include "shared/base.h"
#include "shared/err.h"

enum log_level {
	LOG_ERROR,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG,
	LOG_NLEVELS
};

extern const char *const log_level_names[LOG_NLEVELS];

/* What a line looks like. */
enum log_format {
	LOG_FORMAT_TEXT,
	LOG_FORMAT_JSON,
	LOG_NFORMATS
};

extern const char *const log_format_names[LOG_NFORMATS];

/* How a line reaches its reader. */
enum log_sink {
	LOG_STDERR,  /* plain lines for who started the server */
	LOG_JOURNAL, /* stderr too, but systemd's journal reads it */
	LOG_FILE,    /* lines that begin with the time */
	LOG_SYSLOG,  /* datagrams to the syslog daemon */
	LOG_NSINKS
};

/* Where the syslog daemon listens. */
#define LOG_SYSLOG_PATH "/dev/log"

/* Use fd from here on. The log owns no descriptor: close_range must spare it. */
void log_start(int fd, enum log_sink, enum log_level);
/* The same with the level as it is; returns the descriptor used before, which
 * the caller may close. */
int log_use(int fd, enum log_sink);
enum log_sink log_get_sink(void);
void log_set_level(enum log_level);
enum log_level log_get_level(void);
void log_set_format(enum log_format);
/* Another path than LOG_SYSLOG_PATH, for tests; it must stay where it is. */
void log_set_syslog(const char *path);
/* "master", "child 3": stands in every later line of this process, whose lost
 * lines are counted from here on. */
void log_set_who(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* One line of level error, from a signal handler: no allocation, no locale, no
 * time zone. */
void log_from_signal(const char *text, size_t len);

/* Would a line of this level be written? For texts that cost something. */
int log_wants(enum log_level);
/* errno is kept by all of these. */
void log_write(enum log_level, const char *fmt, ...) PRINTF_LIKE(2, 3);
void log_vwrite(enum log_level, const char *fmt, va_list) PRINTF_LIKE(2, 0);
/* As log_write, with ": " and the text of errno behind it. */
void log_sys(enum log_level, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* If lines were lost and writing works again, say how many. Called now and
 * then, so that it is said although nothing else happens. */
void log_retry(void);
/*
 * "tine: TEXT" on stderr for who started the server, wherever the log goes and
 * whatever its level and format.
 */
void log_tell(enum log_level, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Does the log go to stderr, so that log_tell() writes where it does? */
int log_is_stderr(void);

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                                         \
	do {                                                                   \
		if (log_wants(LOG_DEBUG))                                      \
			log_write(LOG_DEBUG, __VA_ARGS__);                     \
	} while (0)

/*
 * A limit on lines that somebody outside can cause: at most `burst` in a
 * second. log_limit_pass() is true when the line may be written; *missed is
 * then the number of lines left out since the last one.
 */
struct log_limit {
	unsigned burst;
	uint64_t second;
	unsigned used, missed;
};
int log_limit_pass(struct log_limit *, unsigned *missed);
/* " (7 lines like it left out)", or "" for none. Returns dst. */
char *log_print_missed(unsigned missed, char *dst, size_t size);

/* Copy text with control characters, quotes' backslashes and bytes over 0x7e
 * as \xHH, cut to size. Returns dst. For bytes that a peer chose. */
char *log_escape(char *dst, size_t size, const void *src, size_t len);

#endif

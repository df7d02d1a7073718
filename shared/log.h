/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.h: lines for the operator, "level who: operation on object: cause".
 * One write per line; the descriptor was opened by the master. Not for threads.
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

/* How a line reaches its reader. */
enum log_sink {
	LOG_STDERR, /* plain lines on a descriptor we did not open */
	LOG_FILE,   /* lines that begin with the time */
	LOG_SYSLOG, /* datagrams to /dev/log */
};

/*
 * Open where a configuration's log goes: "stderr", "syslog", or a file, which
 * is made with mode 0640 and never followed through a symbolic link. Returns a
 * descriptor for log_start(), or -1 with the reason. For "stderr": 2.
 */
int log_open(const char *where, enum log_sink *, struct err *);
/* Use fd from here on. The log owns no descriptor: close_range must spare it. */
void log_start(int fd, enum log_sink, enum log_level);
void log_set_level(enum log_level);
enum log_level log_get_level(void);
/* "master", "child 3": stands in every later line. */
void log_set_who(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Use fd instead; returns the one used before, which the caller may close. */
int log_swap_fd(int fd);
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

/* Copy text with control characters, quotes' backslashes and bytes over 0x7e
 * as \xHH, cut to size. Returns dst. For bytes that a peer chose. */
char *log_escape(char *dst, size_t size, const void *src, size_t len);

#endif

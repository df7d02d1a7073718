/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log_sink.h: where lines go, without ever waiting for who reads them. Private
 * to log.c and its tests; safe in signal handlers.
 */
#ifndef TINE_SHARED_LOG_SINK_H
#define TINE_SHARED_LOG_SINK_H

#include <stdbool.h>

#include "shared/log.h"
#include "shared/log_line.h"

/* How bytes are given to a descriptor so that the call returns at once. */
enum log_way {
	LOG_WAY_WRITE, /* it does not block: a regular file, or O_NONBLOCK */
	LOG_WAY_SEND,  /* a socket */
	LOG_WAY_ASK    /* it might: ask before each write */
};

struct log_out {
	int fd;
	enum log_sink sink;
	enum log_way way;
	const char *syslog; /* the path, to find a daemon that was restarted */
	bool is_torn;       /* the last line may have no end */
	bool is_tty;
};

/* Be a way to fd, whose flags are left alone: somebody else may have it too. */
void log_sink_init(struct log_out *, int fd, enum log_sink);
/* Give it one line. 0, or errno of the line's loss. */
int log_sink_put(struct log_out *, const struct log_line *);

#endif

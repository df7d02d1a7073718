/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.h: where a master and tinectl meet and what they say there. tinectl
 * sends one line, `COMMAND [ARGUMENT]...\n`, at most WIRE_LINE_MAX bytes; the
 * master answers with one line, "ok" or "fail REASON", then for some commands
 * a body, either way, then end-of-file. The calls are the side that asks: they
 * block, until a deadline; the side that answers is the master's control.c.
 */
#ifndef TINE_SHARED_WIRE_H
#define TINE_SHARED_WIRE_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#include "shared/base.h"
#include "shared/err.h"

#define WIRE_LINE_MAX 512
#define WIRE_REPLY_MAX (1U << 26) /* bytes of one answer */

enum wire_result {
	WIRE_OK,
	WIRE_FAILED,    /* the reason is in err */
	WIRE_NO_SERVER, /* nobody answers there: why is in err */
	WIRE_TIMEOUT,   /* the deadline came before the answer */
};

/* One connection, for one command. */
struct wire {
	int fd;
	uint64_t deadline_ns; /* of mono_ns() */
	pid_t server;         /* who listens there */
	char *reply;          /* malloc'ed */
	const char *body;     /* what came behind that line, "" if nothing */
};

/*
 * The control socket's default path for the user who runs this process, see
 * spec 6: in /run/tine for root, else in $XDG_RUNTIME_DIR/tine if that folder
 * is this user's, else in /tmp/tine-UID. Makes nothing. Returns dst.
 */
char *wire_default_path(char *dst, size_t size);
/*
 * Connect to the master that listens on path; refused unless it is run by this
 * user or by root, for anybody may take a path in /tmp. For root's default path
 * also by the user to whom its folder in /run was given. Close with
 * wire_close() in any case.
 */
enum wire_result wire_open(struct wire *, const char *path,
    uint64_t deadline_ns, struct err *);
/* Say a line, which ends with its newline, and take the answer; once. */
enum wire_result wire_ask(struct wire *, const char *line, struct err *);
void wire_close(struct wire *);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heritage.h: everything that a process below the master is born with. The one
 * crossing from master to child is child_main().
 */
#ifndef TINE_SHARED_HERITAGE_H
#define TINE_SHARED_HERITAGE_H

#include <stdint.h>

#include "shared/base.h"
#include "shared/board.h"
#include "shared/conf.h"

enum heritage_role {
	HERITAGE_SERVE,  /* a child: waits for START on its channel */
	HERITAGE_SINGLE, /* -X: the only process; no channel, serves at once */
	HERITAGE_CHECK,  /* load handlers, check options, resolve names, write
	                    the effective configuration (or the error) to fd
	                    `ctl`, exit with a code of spec 2 */
	HERITAGE_LIST,   /* -H: print the handlers and their options */
};

/* A listening socket, or the read end of a hand-off pair, the child was born
 * with. */
struct heritage_slot {
	uint32_t id;     /* as in struct ctl_slot */
	uint32_t server; /* index into conf->servers */
	uint32_t listen; /* index into that server's listens */
	uint32_t flags;  /* CTL_SLOT_READ or 0 */
	int fd;
	uint16_t port;         /* the real one; of a unix socket 0 */
	enum conf_accept mode; /* how children share its listener: not AUTO */
};

/* Places whose children are not counted among the others: of the admin child,
 * and of the acceptor, which takes connections and hands them over. */
#define HERITAGE_ADMIN (-1)
#define HERITAGE_ACCEPTOR (-3)

struct heritage {
	enum heritage_role role;
	const struct conf *conf;
	int place; /* or HERITAGE_ADMIN, HERITAGE_ACCEPTOR */
	unsigned generation;
	pid_t parent;        /* the master */
	int ctl;             /* channel (SERVE), result (CHECK), or -1 */
	struct board *board; /* the pool; NULL unless SERVE */
	int page;            /* number of its own page */
	const struct heritage_slot *slots;
	size_t nslots;
	const char
	    *ready; /* SINGLE: the line to print on stderr once it serves */
};

/*
 * Be the process that the heritage describes. Called with all signals blocked
 * and with no descriptor open but 0, 1, 2, the log's and the heritage's; never
 * returns.
 */
NORETURN void child_main(const struct heritage *);

#endif

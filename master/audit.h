/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * audit.h: a listening socket is one object, whoever holds a descriptor of it.
 * What a child has done to it outlives the child; here the master looks each
 * second and mends it.
 */
#ifndef TINE_MASTER_AUDIT_H
#define TINE_MASTER_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/addr.h"

/* What was found, and mended unless AUDIT_LOST is set too. */
enum audit_find {
	AUDIT_LOST = 1 << 0, /* it cannot be mended: open another socket in its
	                        stead, then shut this one down */
	AUDIT_DOWN = 1 << 1, /* it listened no more, or elsewhere; it listens
	                        again and is the last of its group */
	AUDIT_BACKLOG = 1 << 2,   /* its queue had been made shorter */
	AUDIT_BLOCKING = 1 << 3,  /* O_NONBLOCK was off: accept() would wait */
	AUDIT_FILTER = 1 << 4,    /* a packet filter was attached */
	AUDIT_LOCKED = 1 << 5,    /* nothing can be attached or detached here:
	                            no steering through this socket */
	AUDIT_CONNECTED = 1 << 6, /* UDP: only one peer was heard */
	AUDIT_ASTRAY = 1 << 7,    /* UDP: the kernel took it out of its group */
	AUDIT_GROUPS = 1 << 8,    /* multicast groups were joined or left */
	AUDIT_OPTION = 1 << 9 /* options 0.. of the table in audit.c use this
	                            bit and those above */
};
#define AUDIT_NOPTIONS 33
#define AUDIT_VALUE_MAX 32
#define AUDIT_WORDS_MAX 2048

/* How the sockets of one address should be. Plain data: may be copied. */
struct audit {
	enum audit_kind {
		AUDIT_TCP,
		AUDIT_UDP,
		AUDIT_UNIX
	} kind;
	bool is_grouped; /* UDP: a group of SO_REUSEPORT can be asked for */
	struct addr addr;
	int backlog; /* as for listen() */
	struct audit_value {
		bool is_known; /* this kernel and family have the option */
		unsigned len;
		unsigned char bytes[AUDIT_VALUE_MAX];
	} values[AUDIT_NOPTIONS];
};

/*
 * Learn how a socket should be from fd: one that no child has yet, with all
 * options set, SO_REUSEPORT too if it shares its port; it need not be bound.
 * addr is what getsockname() says of a slot. Learn again when options are
 * changed in place.
 */
void audit_learn(struct audit *, int fd, const struct addr *, int backlog);
/*
 * Look at a slot that should listen, and mend it; returns BITs of audit_find, 0
 * when nothing was wrong. Never blocks, needs no privilege, though without it
 * a device that a child bound the socket to is AUDIT_LOST. Not for a slot that
 * does not listen yet. One for UDP that was connected or shut down is
 * AUDIT_LOST: what the kernel did with it cannot be undone.
 */
uint64_t audit_slot(const struct audit *, int fd);
/* "was shut down, SO_LINGER changed"; returns dst. */
char *audit_words(uint64_t found, char *dst, size_t size);

#endif

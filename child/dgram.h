/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dgram.h: the UDP sockets of a child; private to child/. Included through
 * child.h.
 */
#ifndef TINE_CHILD_DGRAM_H
#define TINE_CHILD_DGRAM_H

#include <sys/socket.h>

#include <bsd/sys/queue.h>
#include <ev.h>
#include <tine.h>

struct child;
struct dgram_scratch; /* of the child: what one batch needs */
struct parcel;        /* one packet that waits to be sent */

/* One UDP socket of this child, part of its struct listener. */
struct dgram_port {
	struct tine_child *server;
	uint32_t listen; /* index into the server's listens */
	int fd;          /* the listener's */
	sa_family_t family;
	bool takes_both; /* a v6 socket that v4 peers reach, too */
	ev_io writable;  /* active while parcels wait */
	STAILQ_HEAD(, parcel) queue;
	size_t queued; /* bytes in it */
};

/* NULL: no memory. fd stays the caller's. */
struct dgram_port *dgram_open(struct tine_child *, uint32_t listen, int fd);
/* What waits to be sent is dropped. */
void dgram_close(struct dgram_port *);
void dgram_fini(struct child *);
/*
 * Receive and deliver, at most budget.messages or budget.bytes, and send what
 * the handler answered. 0; or an errno value: EAGAIN when nothing was there at
 * all, another one when the socket is not to be watched for a while.
 */
int dgram_read(struct dgram_port *);
/* Send what was gathered outside of a batch. Before the loop waits. */
void dgram_flush(struct child *);
/* Waits something to be sent? */
bool dgram_is_pending(const struct dgram_port *);

#endif

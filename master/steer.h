/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * steer.h: which sockets of a reuseport group get new connections. A mirror of
 * the kernel's order of the group, the program that spreads connections over
 * the members and leaves some out, and how long a member that was left out may
 * still hold half-open handshakes.
 *
 * The order cannot be read back from the kernel, so whoever makes a socket of
 * the group listen, or takes one out, must say so here. A mirror that is wrong
 * spreads connections wrongly; it loses none.
 */
#ifndef TINE_MASTER_STEER_H
#define TINE_MASTER_STEER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/err.h"
#include "shared/url.h"

/* A group with more members is not steered: the kernel takes programs of 4096
 * instructions, and of optmem_max bytes, 20 KiB where that is small. */
#define STEER_MEMBERS_MAX 1024
#define STEER_PROGRAM_MAX (2 * STEER_MEMBERS_MAX + 96)

/* How new connections, or datagrams, are spread over a group. */
enum steer_how {
	STEER_KERNEL, /* by the kernel's own hash of addresses and ports; at
	                 random while a member is excluded */
	STEER_RANDOM,
	STEER_SOURCE /* by the client's address, not its port: the same place
	                for the same client while the same places are left */
};

/* A listening socket of the group. */
struct steer_member {
	uint32_t id;   /* of the slot; an id may be a member once */
	int fd;        /* the owner's: used, never closed */
	uint32_t rank; /* STEER_SOURCE counts the members by it, then by id */
	bool is_excluded;
	bool is_astray; /* found by steer_apply(): it is of no group */
};

/* A group: the sockets of one address. All zero: empty. */
struct steer {
	enum steer_how how;
	struct steer_member *members; /* in the kernel's order */
	size_t n, room;
	bool has_program; /* ours is attached */
	bool is_datagram; /* the program is attached by every member */
	bool is_blind;    /* memory failed: the order is not known any more */
};

/* Forget the members; the kernel keeps its program. */
void steer_fini(struct steer *);

/* The socket fd has begun to listen: the kernel put it last. -1, with the
 * reason in err, when there is no memory; the group is not steered then until
 * it is empty again. Also for the new image of an upgrade: in order. */
int steer_on_listen(struct steer *, uint32_t id, int fd, struct err *);
/* The socket listens no more, was shut down or closed: the kernel moved the
 * last member into its place. Harmless when id is no member. One that was shut
 * down and listens again has gone to the end: call this, then
 * steer_on_listen(). */
void steer_on_close(struct steer *, uint32_t id);
/* Of a group of datagram sockets that has a program: did a child take this one
 * out of it? To be asked after steer_apply(). */
bool steer_is_astray(const struct steer *, uint32_t id);
/* Its index in the group, or -1. */
int steer_index_of(const struct steer *, uint32_t id);

/* Give this member no new connections, or give it some again. False: id is no
 * member. Takes effect with steer_apply(). */
bool steer_exclude(struct steer *, uint32_t id);
bool steer_include(struct steer *, uint32_t id);
/* Its rank: the place that it is of. The kernel's order changes when a member
 * leaves or is revived; the ranks do not, so that clients stay where they are.
 * False and effect as above. */
bool steer_rank(struct steer *, uint32_t id, uint32_t rank);

/*
 * Write the program for the group as it is; returns its length, 0 for none:
 * when there is nothing to choose, because one member is all, or all are
 * excluded; when the kernel spreads and nobody is; when the order is not known.
 * It chooses among the members that are left with the same chance for each.
 */
size_t steer_program(const struct steer *,
    struct sock_filter out[STEER_PROGRAM_MAX]);

/*
 * Give the kernel the program, or take away the one it has. Idempotent, and
 * called each second by the audit, for a child can attach and detach programs
 * too. Call it after steer_on_listen() and steer_on_close(), too, while
 * there is a program: one for another number of members is wrong.
 * Needs no privilege. 1: there was a program where none should be, and it is
 * gone; 0: well; -1: the kernel refused at every member, with the reason in
 * err (EPERM: all are locked, see AUDIT_LOCKED).
 */
int steer_apply(struct steer *, struct err *);

/*
 * Seconds for which a socket that gets no new connections must be polled on,
 * because handshakes that it began may yet be completed by their clients. 0:
 * closing it loses none, for there are no handshakes (unix), or the kernel
 * moves them to another member (tcp_migrate_req; only while there is one).
 * proc_root: "/proc".
 */
double steer_park_seconds(const struct url *, const char *proc_root);

#endif

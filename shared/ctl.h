/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ctl.h: the control channel between the master and one child: what may be
 * said, how long each message is, and how a record is read and written. A
 * SOCK_SEQPACKET pair, non-blocking on both ends; end-of-file on either side
 * means that the peer is dead. Deciding what a message means is mctl.c's and
 * cctl.c's business.
 *
 * After an upgrade the master has children of another build, so numbers stay
 * as they are and types, and fields of a payload, are only ever appended.
 */
#ifndef TINE_SHARED_CTL_H
#define TINE_SHARED_CTL_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base.h"

#define CTL_VERSION (1 + SKEW)
#define CTL_PAYLOAD_MAX 4096
#define CTL_TEXT_MAX 1024 /* bytes of text in FATAL, SHUTDOWN */

enum ctl_type {
	CTL_NONE = 0,
	/* master to child */
	CTL_START = 1,   /* serve: poll the slots the child was born with */
	CTL_ADOPT = 2,   /* struct ctl_slot + descriptor: poll it too */
	CTL_RELEASE = 3, /* struct ctl_slot: stop polling it, keep the fd */
	CTL_DRAIN = 4,   /* struct ctl_drain: stop accepting, finish, leave */
	CTL_RESUME = 5,  /* not draining any more: says READY when it drained */
	CTL_STOP = 6,    /* close everything and leave now */
	CTL_LOGS = 7,    /* struct ctl_logs + descriptor: log there from now */
	CTL_LEVEL = 8,   /* struct ctl_logs: the log's new level */
	CTL_STATUS = 9,  /* struct ctl_status + descriptor: the answer to ASK */
	/* child to master */
	CTL_PREPARED = 10, /* initialised: may be started */
	CTL_READY = 11,    /* accepting, or accepting again after RESUME */
	CTL_DRAINED = 12,  /* struct ctl_drained: leaving */
	CTL_LOGS_OK = 13,  /* struct ctl_logs_ok: this change is in effect */
	CTL_SICK = 14,     /* struct ctl_errno: cannot accept for now */
	CTL_WELL = 15,     /* accepts again */
	CTL_RECYCLE = 16,  /* struct ctl_reason: please replace me */
	CTL_SHUTDOWN = 17, /* text: a handler asked for the end of the server */
	CTL_FATAL = 18,    /* text: cannot start, for this reason */
	CTL_ASK = 19, /* how does the server do? Only the admin child asks */
	/* master to child again */
	CTL_PAGE = 20, /* struct ctl_page + descriptor, for the acceptor: the
	                  page of a place's child, to be read */
#ifdef TINE_SKEW
	CTL_SKEWED, /* what only the other build knows */
#endif
	CTL_NTYPES
};

/* Why a child drains or asks to be replaced. */
enum ctl_reason {
	CTL_RELOAD,
	CTL_UPGRADE,
	CTL_SCALE,
	CTL_RECYCLED,
	CTL_STOPPING,
	CTL_OPERATOR,
	CTL_NREASONS
};

/* "reload", "upgrade", "scale", "recycle", "stop", "operator" */
extern const char *const ctl_reason_names[CTL_NREASONS];
/* "START", "ADOPT", ... for the log */
extern const char *const ctl_type_names[CTL_NTYPES];

struct ctl_header {
	uint16_t version;
	uint16_t type;
	uint32_t seq;
	uint32_t generation;
	uint32_t length; /* of the payload */
};

/* Go on polling it also while draining: the listener is being removed, and
 * nobody else can empty its queue. An ADOPT without it takes that back. */
#define CTL_SLOT_KEEP 1U
/* It is no listening socket, but one end of a hand-off pair: a child reads
 * connections of the listener there, or the acceptor writes them. */
#define CTL_SLOT_READ 2U
#define CTL_SLOT_WRITE 4U

struct ctl_slot {
	uint32_t id;     /* of the slot; stable for the life of the master */
	uint32_t server; /* index into the configuration's servers */
	uint32_t listen; /* index into that server's listeners */
	uint32_t flags;  /* of ADOPT: CTL_SLOT_KEEP; READ or WRITE always */
	uint32_t place;  /* WRITE: to whose child the pair leads */
	uint32_t skew[SKEW];
};

struct ctl_drain {
	uint32_t deadline_ms; /* from now; 0: the configured drain-timeout */
	uint32_t reason;      /* enum ctl_reason */
	uint32_t skew[SKEW];
};

struct ctl_drained {
	uint32_t cut; /* connections that the deadline ended */
	uint32_t skew[SKEW];
};

struct ctl_errno {
	int32_t code;
	uint32_t skew[SKEW];
};

struct ctl_why {
	uint32_t reason; /* enum ctl_reason */
	uint32_t skew[SKEW];
};

/* A change of the log. Changes are numbered, so that a child's answer to an
 * earlier one is not taken for the answer to this one. */
struct ctl_logs {
	uint32_t change;
	uint32_t value; /* enum log_sink, or enum log_level */
	uint32_t skew[SKEW];
};

struct ctl_logs_ok {
	uint32_t change; /* the last one made; what came before is too */
	uint32_t skew[SKEW];
};

/* May new clients come to this server? */
enum ctl_readiness {
	CTL_CAN_SERVE,
	CTL_NOT_YET, /* it starts */
	CTL_TOO_FEW, /* READY children, for a quorum */
	CTL_NO_MORE, /* it stops, or is about to */
	CTL_NREADINESS
};

/* What the admin child shows: a file with the status as JSON and, behind it,
 * the metrics. Without the file: there was no memory for it. */
struct ctl_status {
	uint32_t json_bytes;
	uint32_t metrics_bytes;
	uint32_t readiness; /* enum ctl_readiness */
	uint32_t skew[SKEW];
};

/* Where a child of this place counts, in bytes from the page's beginning. */
struct ctl_page {
	uint32_t place;
	uint32_t accepted_at;    /* what it accepted in its life */
	uint32_t connections_at; /* what it has open now */
	uint32_t skew[SKEW];
};

#define CTL_DIALECT_TYPES 64

/* What a build speaks. Sizes of the payloads; of a text, the most. */
struct ctl_dialect {
	uint16_t version;
	uint16_t ntypes;
	uint16_t sizes[CTL_DIALECT_TYPES];
};

struct ctl_msg {
	struct ctl_header head;
	union {
		struct ctl_slot slot;
		struct ctl_drain drain;
		struct ctl_drained drained;
		struct ctl_errno sick;
		struct ctl_why why;
		struct ctl_logs logs;
		struct ctl_logs_ok logs_ok;
		struct ctl_status status;
		struct ctl_page page;
		char
		    text[CTL_PAYLOAD_MAX]; /* ended by a null byte on receipt */
	} body;
	int fd; /* descriptor that came with it, or -1 */
};

enum ctl_got {
	CTL_GOT_MSG,
	CTL_GOT_NOTHING, /* EAGAIN */
	CTL_GOT_EOF,     /* the peer is dead */
	CTL_GOT_BAD,     /* not a message of this protocol */
	CTL_GOT_UNKNOWN, /* of a type that only the peer knows: ignore */
};

/*
 * Two connected descriptors, close-on-exec and non-blocking; -1 and errno. The
 * first is the master's: where the kernel can (Linux 6.16), it refuses to carry
 * descriptors to that end. Elsewhere ctl_recv() lets it drop them, which runs
 * their last close in the receiver.
 */
int ctl_pair(int fds[2]);
/* What this build speaks. */
const struct ctl_dialect *ctl_own_dialect(void);
/* May a dialect that came from elsewhere be used below? */
bool ctl_dialect_is_valid(const struct ctl_dialect *);

/*
 * Send one record. fd -1: none. Returns 0, or -1 with errno: EAGAIN the peer
 * does not read, EPIPE or ECONNRESET it is dead.
 */
int ctl_send(int sock, enum ctl_type, uint32_t seq, uint32_t generation,
    const void *payload, size_t len, int fd);
/*
 * The same to a peer of another build: what it does not know of the payload is
 * cut off, what we do not know is zero. head.length is that of our payload;
 * head.version is not looked at. EOPNOTSUPP: the peer has no such type, and
 * nothing was sent.
 */
int ctl_send_in(int sock, const struct ctl_dialect *, struct ctl_header head,
    const void *payload, int fd);
/*
 * Receive one record. take_fd false: a descriptor that the peer attached is
 * dropped by the kernel. A record of zero bytes is CTL_GOT_BAD, not
 * end-of-file. Version, type and length were checked.
 */
enum ctl_got ctl_recv(int sock, struct ctl_msg *, bool take_fd);
/* The same from a peer of another build. The payload, and its length in the
 * header, are made ours: cut, or filled up with zeros. */
enum ctl_got ctl_recv_in(int sock, const struct ctl_dialect *, struct ctl_msg *,
    bool take_fd);
/* The check that ctl_recv_in makes of a record of `got` bytes, which a fuzzer
 * and a test may call too. */
bool ctl_is_valid(const struct ctl_dialect *, const struct ctl_msg *,
    size_t got);

#endif

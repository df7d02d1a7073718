/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ctl.h: the control channel between the master and one child: what may be
 * said, how long each message is, and how a record is read and written. A
 * SOCK_SEQPACKET pair, non-blocking on both ends; end-of-file on either side
 * means that the peer is dead. Deciding what a message means is mctl.c's and
 * cctl.c's business.
 */
#ifndef TINE_SHARED_CTL_H
#define TINE_SHARED_CTL_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base.h"

#define CTL_VERSION 1
#define CTL_PAYLOAD_MAX 4096
#define CTL_TEXT_MAX 1024 /* bytes of text in FATAL, SHUTDOWN */

enum ctl_type {
	CTL_NONE,
	/* master to child */
	CTL_START,   /* serve: poll the slots the child was born with */
	CTL_ADOPT,   /* struct ctl_slot + descriptor: poll this slot too */
	CTL_RELEASE, /* struct ctl_slot: stop polling it, keep the descriptor */
	CTL_DRAIN,   /* struct ctl_drain: stop accepting, finish, leave */
	CTL_RESUME,  /* not draining any more: says READY when it drained */
	CTL_STOP,    /* close everything and leave now */
	CTL_LOGS,    /* struct ctl_logs + descriptor: log there from here on */
	CTL_LEVEL,   /* struct ctl_logs: the log's new level */
	CTL_STATUS,  /* struct ctl_status + descriptor: the answer to ASK */
	/* child to master */
	CTL_PREPARED, /* initialised: may be started */
	CTL_READY,    /* accepting, or accepting again after RESUME */
	CTL_DRAINED,  /* struct ctl_drained: leaving */
	CTL_LOGS_OK,  /* struct ctl_logs_ok: this change is in effect */
	CTL_SICK,     /* struct ctl_errno: cannot accept for now */
	CTL_WELL,     /* accepts again */
	CTL_RECYCLE,  /* struct ctl_reason: please replace me */
	CTL_SHUTDOWN, /* text: a handler asked for the end of the server */
	CTL_FATAL,    /* text: cannot start, for this reason */
	CTL_ASK,      /* how does the server do? Only the admin child asks */
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
 * nobody else can empty its queue. */
#define CTL_SLOT_KEEP 1U

struct ctl_slot {
	uint32_t id;     /* of the slot; stable for the life of the master */
	uint32_t server; /* index into the configuration's servers */
	uint32_t listen; /* index into that server's listeners */
	uint32_t flags;  /* of ADOPT: CTL_SLOT_KEEP */
};

struct ctl_drain {
	uint32_t deadline_ms; /* from now; 0: the configured drain-timeout */
	uint32_t reason;      /* enum ctl_reason */
};

struct ctl_drained {
	uint32_t cut; /* connections that the deadline ended */
};

struct ctl_errno {
	int32_t code;
};

struct ctl_why {
	uint32_t reason; /* enum ctl_reason */
};

/* A change of the log. Changes are numbered, so that a child's answer to an
 * earlier one is not taken for the answer to this one. */
struct ctl_logs {
	uint32_t change;
	uint32_t value; /* enum log_sink, or enum log_level */
};

struct ctl_logs_ok {
	uint32_t change; /* the last one made; what came before is too */
};

/* What the admin child shows: a file with the status as JSON and, behind it,
 * the metrics. */
struct ctl_status {
	uint32_t json_bytes;
	uint32_t metrics_bytes;
	uint32_t is_ready; /* READY children, a quorum, and not stopping */
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
};

/*
 * Two connected descriptors, close-on-exec and non-blocking; -1 and errno. The
 * first is the master's: where the kernel can (Linux 6.16), it refuses to carry
 * descriptors to that end. Elsewhere ctl_recv() lets it drop them, which runs
 * their last close in the receiver.
 */
int ctl_pair(int fds[2]);
/*
 * Send one record. fd -1: none. Returns 0, or -1 with errno: EAGAIN the peer
 * does not read, EPIPE or ECONNRESET it is dead.
 */
int ctl_send(int sock, enum ctl_type, uint32_t seq, uint32_t generation,
    const void *payload, size_t len, int fd);
/*
 * Receive one record. take_fd false: a descriptor that the peer attached is
 * dropped by the kernel. A record of zero bytes is CTL_GOT_BAD, not
 * end-of-file. Version, type and length were checked.
 */
enum ctl_got ctl_recv(int sock, struct ctl_msg *, bool take_fd);
/* The check that ctl_recv makes of a record of `got` bytes; for the fuzzer. */
bool ctl_is_valid(const struct ctl_msg *, size_t got);

#endif

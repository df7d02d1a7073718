/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.h: one client of the control socket. It lives in the list of its
 * struct control, which it leaves by control_on_leave() when it is closed.
 */
#ifndef TINE_MASTER_CLIENT_H
#define TINE_MASTER_CLIENT_H

#include <sys/socket.h>

#include <bsd/sys/queue.h>
#include <ev.h>

#include "shared/wire.h"

#include "master/command.h"
#include "master/field.h"

struct control;
struct master;

/*
 *     READING > ANSWERING
 *     READING > WAITING > ANSWERING; it may be closed in any state
 */
enum client_state {
	CLIENT_READING,   /* its line is not complete */
	CLIENT_WAITING,   /* its command is under way */
	CLIENT_ANSWERING, /* it has not taken the whole answer */
	CLIENT_NSTATES
};

struct client {
	struct control *control;
	enum client_state state;
	int fd;
	struct command command;
	char line[WIRE_LINE_MAX];
	size_t line_len;
	char *answer; /* malloc'ed */
	size_t answer_len, answer_sent;
	ev_io io_w;
	ev_timer patience_w; /* belongs to the state */
	TAILQ_ENTRY(client) entry;
};
TAILQ_HEAD(client_list, client);

/* Take over a connection and read its line. NULL and errno, fd still open,
 * when memory is short. */
struct client *client_new(struct control *, struct master *, int fd,
    const struct ucred *peer);
/* The only end of a client: it is freed. An answer not yet taken is lost. */
void client_close(struct client *);
/* Some child's state changed: is its command done? It may be freed. */
void client_on_change(struct client *);
/* The server ends: tell a client that waits, and close. */
void client_end(struct client *);
/* Others wait for its seat: close it if its line is overdue. */
void client_hurry(struct client *);
/* Write it for the next image of an upgrade, and take it up there. NULL with the
 * reason. */
void client_save(const struct client *, struct tlv_writer *,
    struct field_fds *);
struct client *client_load(struct control *, struct master *,
    const struct tlv *nest, struct err *);
/* In a forked child: only stop the watchers. */
void client_abandon(struct client *);

#endif

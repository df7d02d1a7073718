/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control.h: the master's end of the control socket. wire.h has the form of
 * what is said there, command.h what it means.
 */
#ifndef TINE_MASTER_CONTROL_H
#define TINE_MASTER_CONTROL_H

#include "master/field.h"
#include "shared/err.h"

#define CONTROL_CLIENTS_MAX 16 /* at once; further ones wait in the queue */
#define CONTROL_PATIENCE_S 10  /* for the line, and for taking the answer */
#define CONTROL_CROWDED_S 1    /* for the line while others wait for a seat */

struct client;
struct control;
struct master;

/*
 * Open the control socket at `path` (NULL: wire_default_path(), whose folder
 * is made) with mode 0600, in a folder that only its owner can write, and
 * answer on the master's loop. The path stands in master->control_path until
 * control_close(). Returns NULL with the reason in err; err.sys EADDRINUSE: a
 * live server holds it.
 */
struct control *control_open(struct master *, const char *path, struct err *);
/* Answer who still waits, close, unlink the path if it is still ours. */
void control_close(struct control **);
/* Write what the next image of an upgrade needs into the open nest, and take
 * it up there again; NULL with the reason. */
void control_save(const struct control *, struct tlv_writer *,
    struct field_fds *);
struct control *control_load(struct master *, const struct tlv *nest,
    struct err *);
/* In a forked child: only stop the watchers, see master_abandon(). */
void control_abandon(struct control *);
/* Some child became READY, died or was replaced: commands may be done. */
void control_on_change(struct control *);
/* A client is closed and gives its seat back; called by client.c only. */
void control_on_leave(struct control *, struct client *);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tunnel.h: two connections of which each gets what the other one says.
 */
#ifndef TINE_CHILD_TUNNEL_H
#define TINE_CHILD_TUNNEL_H

#include "child/conn.h"

/* Give what came to the other end; instead of `data`. */
void tunnel_move(struct tine_conn *);
/* Say end-of-file to the other end; instead of `eof`. */
void tunnel_on_eof(struct tine_conn *);
/* The output of a piped one is low: the other end may be read again. */
void tunnel_on_drained(struct tine_conn *);
/* It is closed, and so is the other end when it has sent what it has. */
void tunnel_on_close(struct tine_conn *, enum tine_cause);

#endif

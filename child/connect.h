/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * connect.h: connections that the child makes or is given, instead of accepting
 * them; private to child/. Such a connection is CONNECTING until the loop has
 * called its handler's open.
 */
#ifndef TINE_CHILD_CONNECT_H
#define TINE_CHILD_CONNECT_H

#include <tine.h>

struct connect;

/* A CONNECTING connection has an event, or its time has come. */
void connect_on_event(struct tine_conn *);
/* It is closing: nothing will come of it. Harmless for any connection. */
void connect_end(struct tine_conn *);

#endif

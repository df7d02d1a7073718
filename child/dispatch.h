/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dispatch.h: the acceptor, a child that serves nobody: it takes connections
 * from listening sockets and hands each over to a child before it takes the
 * next. Private to child/. Other children have no struct dispatch.
 */
#ifndef TINE_CHILD_DISPATCH_H
#define TINE_CHILD_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/ctl.h"
#include "shared/err.h"

struct child;
struct dispatch;
struct route;

/* This child is the acceptor. -1 with the reason in err. */
int dispatch_init(struct child *, struct err *);
void dispatch_fini(struct child *);
/* Where connections of this listener go, known from now on; NULL: no memory. */
struct route *dispatch_route(struct child *, uint32_t server, uint32_t listen);
/* Hand over to the child of slot->place too, through this write end, which is
 * owned from here on. -1: it cannot be used. */
int dispatch_add(struct child *, const struct ctl_slot *, int fd);
/* No more through the pair with this id: a place is being left. False: there is
 * none. */
bool dispatch_remove(struct child *, uint32_t id);
/* A place has another child, which counts there; fd stays the caller's. */
void dispatch_set_page(struct child *, const struct ctl_page *, int fd);
/* Could a connection go anywhere, as far as is known? */
bool dispatch_is_open(const struct route *);
/* Accept up to `most` connections that wait there and hand each over before the
 * next is accepted. 0, or the errno value of the accept that failed. */
int dispatch_accept(struct route *, int listener, unsigned most);
/* Is a connection accepted and not handed over? It waits for room, or for what
 * the kernel was out of. */
bool dispatch_is_holding(const struct child *);
/* Try that one again. */
void dispatch_retry(struct child *);

#endif

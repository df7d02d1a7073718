/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handoff.h: a pair of sockets through which connections go from one process to
 * another, one record of one byte and one descriptor each. It leads one way
 * only. What waits in it lives as long as anybody holds its read end, so that
 * nobody who dies takes it along: the master holds both ends of every pair.
 */
#ifndef TINE_SHARED_HANDOFF_H
#define TINE_SHARED_HANDOFF_H

#include <stdbool.h>
#include <stddef.h>

/* Connections that are received in one call. */
#define HANDOFF_BATCH 16
/* A pair that poll() calls writable takes at least so many more. */
#define HANDOFF_CREDIT 16

/* Two descriptors, close-on-exec and non-blocking: the first is read from, the
 * second is written to. -1 and errno. */
int handoff_pair(int fds[2]);
/*
 * Send a connection, which stays the caller's to close. 0; or -1 with errno:
 * EAGAIN the pair is full, EPIPE or ECONNRESET nothing will go through it any
 * more, EPERM whoever reads it has forbidden descriptors, another (ENOBUFS,
 * ENOMEM, ETOOMANYREFS) the kernel is out of something.
 */
int handoff_send(int fd, int connection);
/*
 * Receive at most `most` connections, HANDOFF_BATCH at the most: how many
 * records there were, and for each its descriptor, close-on-exec, or -1 if it
 * had none. 0: the pair was shut, or all write ends are closed, and nothing
 * waits any more. -1 and errno: EAGAIN nothing waits now.
 */
int handoff_receive(int fd, int *connections, int most);
/* Make what was received fit for an event loop: false if it is no stream
 * socket. Whoever sent it is not believed. */
bool handoff_accept(int connection);
/* Connections that wait in the pair with this read end. */
size_t handoff_queue(int fd);
/* Is there room for HANDOFF_CREDIT more? */
bool handoff_has_room(int fd);
/* Nothing goes through it any more, whoever holds copies of its write end; what
 * waits in it can still be received. */
void handoff_shut(int fd);
/* Undo what a child can do to the read end so that nothing is sent there. */
void handoff_mend(int fd);
/* Was this end shut, by us or by whoever else holds the pair? */
bool handoff_is_shut(int fd);

#endif

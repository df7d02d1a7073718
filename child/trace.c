/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace.c: what the level debug says of a connection: one line when it begins
 * and one when it has ended. Runs in children. At other levels it costs no
 * call into the system.
 */
#include <sys/socket.h>

#include <stdio.h>
#include <string.h>

#include "shared/addr.h"

#include "child/child.h"

#define ADDR_TEXT_MAX 160

/* Printable text of an address: a unix path may hold anything. */
static char *
print(struct addr *a, char *dst, size_t size)
{
	char text[ADDR_TEXT_MAX];

	(void)addr_print(a, text, sizeof(text));
	return log_escape(dst, size, text, strlen(text));
}

/* Clients of a unix socket have no address, but are somebody's process. */
static void
print_peer(int fd, char *dst, size_t size)
{
	struct addr a = { .len = sizeof(a.u) };
	socklen_t len = sizeof(struct ucred);
	struct ucred peer;

	if (getpeername(fd, &a.u.sa, &a.len) == -1)
		(void)snprintf(dst, size, "(gone)");
	else if (a.u.sa.sa_family != AF_UNIX ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1)
		(void)print(&a, dst, size);
	else
		(void)snprintf(dst, size, "pid %ld uid %lu", (long)peer.pid,
		    (unsigned long)peer.uid);
}

static void
print_here(int fd, char *dst, size_t size)
{
	struct addr a = { .len = sizeof(a.u) };
	char text[ADDR_TEXT_MAX * 4];

	if (getsockname(fd, &a.u.sa, &a.len) == -1)
		(void)snprintf(dst, size, "(gone)");
	else
		(void)snprintf(dst, size, "%s://%s",
		    a.u.sa.sa_family == AF_UNIX ? "unix" : "tcp",
		    print(&a, text, sizeof(text)));
}

void
trace_open(struct tine_conn *c)
{
	char peer[ADDR_TEXT_MAX * 4], here[ADDR_TEXT_MAX * 4 + 8];

	if (!log_wants(LOG_DEBUG))
		return;
	if (conn_extra(c) != NULL) {
		c->extra->is_traced = true;
		c->extra->opened = child_now(conn_server(c)->child);
	}
	print_peer(c->io.fd, peer, sizeof(peer));
	print_here(c->io.fd, here, sizeof(here));
	log_debug("conn %u.%u: opened from %s on %s", (unsigned)c->handle,
	    (unsigned)(c->handle >> 32), peer, here);
}

/* Nobody asked for debug when it was opened: what it took and gave was not
 * counted. */
static char *
print_sums(const struct tine_conn *c, char *dst, size_t size)
{
	const struct conn_extra *x = c->extra;

	dst[0] = '\0';
	if (x != NULL && x->is_traced)
		(void)snprintf(dst, size, " after %.3f s, in %llu, out %llu",
		    child_now(conn_server(c)->child) - x->opened,
		    (unsigned long long)x->bytes_in,
		    (unsigned long long)x->bytes_out);
	return dst;
}

void
trace_close(const struct tine_conn *c, enum tine_cause cause, int err)
{
	char sums[96];

	if (!log_wants(LOG_DEBUG))
		return;
	log_debug("conn %u.%u: closed: %s%s%s%s", (unsigned)c->handle,
	    (unsigned)(c->handle >> 32), board_cause_names[cause],
	    print_sums(c, sums, sizeof(sums)), err == 0 ? "" : ": ",
	    err == 0 ? "" : strerror(err));
}

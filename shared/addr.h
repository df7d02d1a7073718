/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * addr.h: one socket address: from text, to text, compared. Pure: no look-up
 * of names, no descriptors. Used by every process.
 */
#ifndef TINE_SHARED_ADDR_H
#define TINE_SHARED_ADDR_H

#include <sys/socket.h>
#include <sys/un.h>

#include <netinet/in.h>

#include <stdbool.h>

#include "shared/base.h"
#include "shared/err.h"

struct addr {
	union {
		struct sockaddr sa;
		struct sockaddr_storage storage;
		struct sockaddr_in sin;
		struct sockaddr_in6 sin6;
		struct sockaddr_un sun;
	} u;
	socklen_t len; /* abstract unix names need it exact */
};

/* A numeric host ("127.0.0.1", "::1", no brackets) and port; -1 when host is
 * not numeric. */
int addr_from_ip(struct addr *, const char *host, uint16_t port);
/* A path, or an abstract name when it begins with '@'; -1 when too long or
 * empty, with the reason in err. */
int addr_from_path(struct addr *, const char *path, struct err *);
/* "127.0.0.1:80", "[::1]:80", a path or "@name". Returns dst. */
char *addr_print(const struct addr *, char *dst, size_t size);
uint16_t addr_port(const struct addr *);
void addr_set_port(struct addr *, uint16_t port);
bool addr_is_wildcard(const struct addr *);
/* The same address, port or path: not a name for it in another family. */
bool addr_equal(const struct addr *, const struct addr *);
/* Would binding both need SO_REUSEPORT? Same port, and the same host or one a
 * wildcard that covers the other (v6 covers v4 unless v6only). */
bool addr_overlaps(const struct addr *, const struct addr *, bool v6only);

#endif

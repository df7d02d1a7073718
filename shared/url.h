/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * url.h: a listen URL of spec 3: [SCHEME://][HOST]:PORT[?key=value&...] or
 * unix://PATH. Parsing is pure; url_resolve() looks names up and is called by
 * the checker only.
 */
#ifndef TINE_SHARED_URL_H
#define TINE_SHARED_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/addr.h"
#include "shared/base.h"
#include "shared/err.h"

enum url_scheme {
	URL_TCP,
	URL_TCP4,
	URL_TCP6,
	URL_UDP,
	URL_UDP4,
	URL_UDP6,
	URL_UNIX,
	URL_NSCHEMES
};

extern const char *const url_scheme_names[URL_NSCHEMES];

enum url_tristate {
	URL_UNSET,
	URL_FALSE,
	URL_TRUE
};

#define URL_HOST_MAX 256
#define URL_PATH_MAX 108 /* sun_path */
#define URL_NAME_MAX 64
#define URL_TEXT_MAX 1024

/* A parsed URL. Plain data: may be copied. */
struct url {
	enum url_scheme scheme;
	char host[URL_HOST_MAX]; /* "": every address; no brackets */
	uint16_t port;           /* 0: the kernel chooses */
	char path[URL_PATH_MAX]; /* unix; "@name": abstract */

	/* parameters; the comment gives the default */
	enum url_tristate reuseport;  /* as --accept says */
	int backlog;                  /* 0: somaxconn */
	bool nodelay;                 /* true */
	int keepalive;                /* seconds; 0: off */
	int rcvbuf, sndbuf;           /* bytes; 0: the kernel's */
	int defer_accept;             /* seconds; 0: off */
	int fastopen;                 /* queue length; 0: off */
	int tos;                      /* of what is sent; 0: the kernel's */
	char device[16];              /* "": any */
	bool freebind;                /* false */
	char multicast[URL_PATH_MAX]; /* GROUP[@IFACE],...; "": none */
	int mode;                     /* of a unix path; -1: by umask */
	char owner[URL_NAME_MAX];     /* user[:group], "" : who starts tine;
	                                numeric after url_resolve() */
	char handler[URL_PATH_MAX];   /* "": the server's */
};

static inline bool
url_is_udp(const struct url *u)
{
	return u->scheme == URL_UDP || u->scheme == URL_UDP4 ||
	    u->scheme == URL_UDP6;
}

/* tcp:// and udp:// with no host are one v6 socket that takes v4 too. */
static inline bool
url_is_dual(const struct url *u)
{
	return (u->scheme == URL_TCP || u->scheme == URL_UDP) &&
	    u->host[0] == '\0';
}

/* Parse text; a bare port means tcp://:PORT. -1 with the reason and a hint
 * (nearest scheme or parameter name) in err; code 78, or 64 for what is not
 * built yet (proxy, tls, ...). */
int url_parse(struct url *, const char *text, struct err *);
/* Write the URL back, parameters that differ from their default included, so
 * that url_parse() of it gives the same. Returns dst. */
char *url_print(const struct url *, char *dst, size_t size);
/* As url_print but without parameters: how status and the ready line show it. */
char *url_print_short(const struct url *, char *dst, size_t size);
/*
 * Make every name numeric: the host becomes one URL for each address it
 * resolves to, owner becomes uid:gid. Fills out[0..n-1] and returns n, at most
 * max; or -1. May block: only the checker and -X call it.
 */
int url_resolve(const struct url *, struct url *out, int max, struct err *);
/* The socket address of a resolved URL. For tcp and udp with no host: the v6 wildcard
 * (the caller falls back to v4 where there is no IPv6). */
int url_addr(const struct url *, struct addr *, struct err *);

#endif

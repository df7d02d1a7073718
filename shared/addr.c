/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * addr.c: socket addresses from text, to text, compared. Used by every
 * process; opens nothing and looks no name up except that of an interface,
 * which the kernel answers at once.
 */
#include "shared/addr.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>

/* The interface that stands behind the % of a link-local address. */
static unsigned
scope_from_text(const char *text)
{
	const char *wrong;
	unsigned scope = if_nametoindex(text);

	if (scope == 0)
		scope = (unsigned)strtonum(text, 1, UINT32_MAX, &wrong);
	return scope;
}

int
addr_from_ip(struct addr *a, const char *host, uint16_t port)
{
	char ip[INET6_ADDRSTRLEN];
	size_t length = strcspn(host, "%");

	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, host, &a->u.sin.sin_addr) == 1) {
		a->u.sin.sin_family = AF_INET;
		a->u.sin.sin_port = htons(port);
		a->len = sizeof(a->u.sin);
		return 0;
	}
	if (length >= sizeof(ip))
		return -1;
	(void)strlcpy(ip, host, length + 1);
	if (inet_pton(AF_INET6, ip, &a->u.sin6.sin6_addr) != 1)
		return -1;
	a->u.sin6.sin6_family = AF_INET6;
	a->u.sin6.sin6_port = htons(port);
	a->len = sizeof(a->u.sin6);
	if (host[length] == '%') {
		a->u.sin6.sin6_scope_id = scope_from_text(host + length + 1);
		return a->u.sin6.sin6_scope_id == 0 ? -1 : 0;
	}
	return 0;
}

int
addr_from_path(struct addr *a, const char *path, struct err *err)
{
	size_t length = strlen(path);
	bool is_abstract = path[0] == '@';

	memset(a, 0, sizeof(*a));
	if (length == 0 || (is_abstract && length == 1)) {
		err_set(err, EXIT_BAD_CONFIG, "a unix socket needs a path");
		return err_hint(err, "unix:///run/name.sock or unix://@name");
	}
	if (length >= sizeof(a->u.sun.sun_path)) {
		err_set(err, EXIT_BAD_CONFIG,
		    "unix socket path of %zu bytes is too long", length);
		return err_hint(err,
		    "at most %zu bytes; a path may be relative",
		    sizeof(a->u.sun.sun_path) - 1);
	}
	a->u.sun.sun_family = AF_UNIX;
	memcpy(a->u.sun.sun_path, path, length);
	a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	/* A path is ended by a null byte, an abstract name begins with one. */
	if (is_abstract)
		a->u.sun.sun_path[0] = '\0';
	else
		a->len++;
	return 0;
}

static char *
print_in6(const struct sockaddr_in6 *sin6, char *dst, size_t size)
{
	char ip[INET6_ADDRSTRLEN], scope[IF_NAMESIZE + 1] = "";
	unsigned index = sin6->sin6_scope_id;

	(void)inet_ntop(AF_INET6, &sin6->sin6_addr, ip, sizeof(ip));
	if (index != 0) {
		scope[0] = '%';
		if (if_indextoname(index, scope + 1) == NULL)
			(void)snprintf(scope, sizeof(scope), "%%%u", index);
	}
	(void)snprintf(dst, size, "[%s%s]:%u", ip, scope,
	    ntohs(sin6->sin6_port));
	return dst;
}

static char *
print_un(const struct addr *a, char *dst, size_t size)
{
	size_t length = a->len - offsetof(struct sockaddr_un, sun_path);
	const char *path = a->u.sun.sun_path;

	if (length == 0)
		(void)strlcpy(dst, "(unnamed)", size);
	else if (path[0] == '\0')
		(void)snprintf(dst, size, "@%.*s", (int)length - 1, path + 1);
	else
		(void)snprintf(dst, size, "%.*s", (int)length, path);
	return dst;
}

char *
addr_print(const struct addr *a, char *dst, size_t size)
{
	char ip[INET_ADDRSTRLEN];

	switch (a->u.sa.sa_family) {
	case AF_INET:
		(void)inet_ntop(AF_INET, &a->u.sin.sin_addr, ip, sizeof(ip));
		(void)snprintf(dst, size, "%s:%u", ip, addr_port(a));
		break;
	case AF_INET6:
		return print_in6(&a->u.sin6, dst, size);
	case AF_UNIX:
		return print_un(a, dst, size);
	default:
		(void)snprintf(dst, size, "(address family %d)",
		    a->u.sa.sa_family);
	}
	return dst;
}

uint16_t
addr_port(const struct addr *a)
{
	switch (a->u.sa.sa_family) {
	case AF_INET:
		return ntohs(a->u.sin.sin_port);
	case AF_INET6:
		return ntohs(a->u.sin6.sin6_port);
	default:
		return 0;
	}
}

void
addr_set_port(struct addr *a, uint16_t port)
{
	if (a->u.sa.sa_family == AF_INET) {
		a->u.sin.sin_port = htons(port);
		return;
	}
	assert(a->u.sa.sa_family == AF_INET6);
	a->u.sin6.sin6_port = htons(port);
}

bool
addr_is_wildcard(const struct addr *a)
{
	switch (a->u.sa.sa_family) {
	case AF_INET:
		return a->u.sin.sin_addr.s_addr == htonl(INADDR_ANY);
	case AF_INET6:
		return IN6_IS_ADDR_UNSPECIFIED(&a->u.sin6.sin6_addr);
	default:
		return false;
	}
}

/* ::ffff:1.2.3.4 is the v4 address in another coat. */
static struct addr
unmapped(const struct addr *a)
{
	struct addr v4 = *a;

	if (a->u.sa.sa_family == AF_INET6 &&
	    IN6_IS_ADDR_V4MAPPED(&a->u.sin6.sin6_addr)) {
		memset(&v4, 0, sizeof(v4));
		v4.u.sin.sin_family = AF_INET;
		v4.u.sin.sin_port = a->u.sin6.sin6_port;
		memcpy(&v4.u.sin.sin_addr, &a->u.sin6.sin6_addr.s6_addr[12], 4);
		v4.len = sizeof(v4.u.sin);
	}
	return v4;
}

static bool
has_same_host(const struct addr *a, const struct addr *b)
{
	if (a->u.sa.sa_family == AF_INET)
		return a->u.sin.sin_addr.s_addr == b->u.sin.sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&a->u.sin6.sin6_addr, &b->u.sin6.sin6_addr) &&
	    a->u.sin6.sin6_scope_id == b->u.sin6.sin6_scope_id;
}

bool
addr_equal(const struct addr *a, const struct addr *b)
{
	if (a->u.sa.sa_family != b->u.sa.sa_family)
		return false;
	if (a->u.sa.sa_family == AF_UNIX)
		return a->len == b->len &&
		    memcmp(&a->u.sun, &b->u.sun, a->len) == 0;
	return addr_port(a) == addr_port(b) && has_same_host(a, b);
}

bool
addr_overlaps(const struct addr *one, const struct addr *two, bool v6only)
{
	struct addr a = unmapped(one), b = unmapped(two);

	/* Port 0 becomes a free one, and unix sockets have none. */
	if (addr_port(&a) == 0 || addr_port(&a) != addr_port(&b))
		return false;
	if (a.u.sa.sa_family == b.u.sa.sa_family)
		return addr_is_wildcard(&a) || addr_is_wildcard(&b) ||
		    has_same_host(&a, &b);
	return !v6only &&
	    addr_is_wildcard(a.u.sa.sa_family == AF_INET6 ? &a : &b);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * url.c: listen URLs from text and back. Used by the checker on what an
 * operator wrote and by every process on the effective configuration. Pure:
 * names are looked up in resolve.c only.
 */
#include "shared/url.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <bsd/string.h>

#include "shared/mcast.h"
#include "shared/url_param.h"
#include "shared/value.h"

const char *const url_scheme_names[URL_NSCHEMES] = {
	[URL_TCP] = "tcp",
	[URL_TCP4] = "tcp4",
	[URL_TCP6] = "tcp6",
	[URL_UDP] = "udp",
	[URL_UDP4] = "udp4",
	[URL_UDP6] = "udp6",
	[URL_UNIX] = "unix",
};

static int
parse_port(struct url *u, const char *text, struct err *err)
{
	size_t digits = strspn(text, "0123456789");
	int64_t port;

	if (digits == 0 || text[digits] != '\0') {
		err_set(err, EXIT_BAD_CONFIG, "\"%s\" is not a port", text);
		return digits > 0 && text[digits] == '/'
		    ? err_hint(err, "a listen URL ends with the port: :%.*s",
			  (int)digits, text)
		    : err_hint(err, "a number from 0 to 65535");
	}
	if (value_int(text, 0, UINT16_MAX, &port, err) == -1) {
		err_set(err, EXIT_BAD_CONFIG, "port %s is out of range", text);
		return err_hint(err,
		    "a number from 0 to 65535; 0 lets the kernel choose");
	}
	u->port = (uint16_t)port;
	return 0;
}

/* A host that is an address must be of the family that the scheme names. */
static int
check_address(const struct url *u, const struct addr *a, struct err *err)
{
	bool is_v6 = a->u.sa.sa_family == AF_INET6;
	const char *kind = url_is_udp(u) ? "udp" : "tcp";

	if (u->scheme != (is_v6 ? URL_TCP4 : URL_TCP6) &&
	    u->scheme != (is_v6 ? URL_UDP4 : URL_UDP6))
		return 0;
	err_set(err, EXIT_BAD_CONFIG, "%s is an IPv%d address", u->host,
	    is_v6 ? 6 : 4);
	return err_hint(err, "%s%d:// or %s:// for it", kind, is_v6 ? 6 : 4,
	    kind);
}

static int
parse_host(struct url *u, const char *text, bool in_brackets, struct err *err)
{
	struct addr a;
	size_t i;

	if (strlcpy(u->host, text, sizeof(u->host)) >= sizeof(u->host)) {
		err_set(err, EXIT_BAD_CONFIG,
		    "a host of %zu letters is too long", strlen(text));
		return err_hint(err, "at most %zu letters",
		    sizeof(u->host) - 1);
	}
	if (addr_from_ip(&a, text, 0) == 0 &&
	    in_brackets == (a.u.sa.sa_family == AF_INET6))
		return check_address(u, &a, err);
	if (in_brackets) {
		err_set(err, EXIT_BAD_CONFIG, "\"%s\" is not an IPv6 address",
		    text);
		return err_hint(err, "only those stand in brackets: [::1]");
	}
	for (i = 0; isalnum((unsigned char)text[i]) ||
	     (text[i] != '\0' && strchr("-._", text[i]) != NULL);
	     i++)
		continue;
	/* getaddrinfo() would read 10.1 as 10.0.0.1. */
	if (text[i] == '\0' && text[strspn(text, "0123456789.")] != '\0')
		return 0;
	err_set(err, EXIT_BAD_CONFIG, "\"%s\" is neither a host nor an address",
	    text);
	return err_hint(err,
	    strcmp(text, "*") == 0
		? "leave the host out for every address: :80"
		: "a name, 127.0.0.1, [::1], or nothing for every address");
}

static int
refuse_portless(const char *text, size_t host_length, struct err *err)
{
	err_set(err, EXIT_BAD_CONFIG, "the port is missing");
	if (host_length > 0 && strspn(text, "0123456789") == host_length)
		return err_hint(err, "did you mean :%s?", text);
	return err_hint(err, "%.*s:8080", (int)host_length, text);
}

/* "[HOST]:PORT"; cuts text into pieces. */
static int
parse_authority(struct url *u, char *text, struct err *err)
{
	bool in_brackets = text[0] == '[';
	char *host = text + in_brackets;
	char *end = in_brackets ? strchr(text, ']') : strrchr(text, ':');
	const char *port;

	if (end == NULL && !in_brackets)
		return refuse_portless(text, strlen(text), err);
	if (end == NULL) {
		err_set(err, EXIT_BAD_CONFIG, "\"]\" is missing");
		return err_hint(err, "[::1]:8080");
	}
	if (end[in_brackets] != ':')
		return refuse_portless(text, (size_t)(end - text) + 1, err);
	port = end + in_brackets + 1;
	*end = '\0';
	if (!in_brackets && strchr(host, ':') != NULL) {
		err_set(err, EXIT_BAD_CONFIG,
		    "an IPv6 address stands in brackets");
		return err_hint(err, "[::1]:8080");
	}
	if (parse_port(u, port, err) == -1)
		return -1;
	return *host == '\0' && !in_brackets
	    ? 0
	    : parse_host(u, host, in_brackets, err);
}

static int
refuse_scheme(const char *name, struct err *err)
{
	const char *near = value_nearest(name, url_scheme_names, URL_NSCHEMES);

	err_set(err, EXIT_BAD_CONFIG, "unknown scheme \"%s\"", name);
	if (near != NULL)
		return err_hint(err, "did you mean \"%s\"?", near);
	return err_hint(err,
	    "tcp, tcp4, tcp6, udp, udp4, udp6 or unix; what is spoken there "
	    "is the handler's affair");
}

/* Take the scheme off *text; none means tcp. */
static int
parse_scheme(struct url *u, char **text, struct err *err)
{
	char *end = strstr(*text, "://");
	size_t i, length = strcspn(*text, ":");
	int found;

	if (end != NULL) {
		*end = '\0';
		if (value_enum(*text, url_scheme_names, URL_NSCHEMES, &found,
			err) == -1)
			return refuse_scheme(*text, err);
		u->scheme = (enum url_scheme)found;
		*text = end + 3;
		return 0;
	}
	for (i = 0; i < URL_NSCHEMES; i++)
		if (strlen(url_scheme_names[i]) == length &&
		    (*text)[length] == ':' &&
		    strncmp(*text, url_scheme_names[i], length) == 0) {
			err_set(err, EXIT_BAD_CONFIG,
			    "two slashes are missing after \"%s:\"",
			    url_scheme_names[i]);
			return err_hint(err, "tcp://:8080, unix://PATH");
		}
	if (strchr("/.@", **text) != NULL && **text != '\0') {
		err_set(err, EXIT_BAD_CONFIG, "a path needs its scheme");
		return err_hint(err, "unix://%s", *text);
	}
	return 0;
}

static int
parse_unix(struct url *u, const char *path, struct err *err)
{
	struct addr a;

	if (addr_from_path(&a, path, err) == -1)
		return -1;
	(void)strlcpy(u->path, path, sizeof(u->path));
	return 0;
}

/* A socket of one family cannot join a group of the other. */
static int
check_groups(const struct url *u, struct err *err)
{
	const char *rest = u->multicast;
	struct mcast_group g;
	struct addr host;
	bool takes_v4 = u->scheme != URL_UDP6, takes_v6 = u->scheme != URL_UDP4;

	if (addr_from_ip(&host, u->host, 0) == 0) {
		takes_v4 &= host.u.sa.sa_family == AF_INET;
		takes_v6 &= host.u.sa.sa_family == AF_INET6;
	}
	while (mcast_next(&rest, &g, err) == 1) {
		bool is_v6 = g.addr.u.sa.sa_family == AF_INET6;

		if (is_v6 ? takes_v6 : takes_v4)
			continue;
		err_set(err, EXIT_BAD_CONFIG,
		    "multicast: an IPv%d group, but no IPv%d address to hear "
		    "it on",
		    is_v6 ? 6 : 4, is_v6 ? 6 : 4);
		return err_hint(err, "udp%d://:%u", is_v6 ? 6 : 4, u->port);
	}
	return 0;
}

static int
parse_all(struct url *u, char *text, struct err *err)
{
	char *query = strchr(text, '?');
	int rc;

	if (query != NULL)
		*query++ = '\0';
	if (text[0] != '\0' && text[strspn(text, "0123456789")] == '\0')
		rc = parse_port(u, text, err);
	else if (parse_scheme(u, &text, err) == -1)
		return -1;
	else if (u->scheme == URL_UNIX)
		rc = parse_unix(u, text, err);
	else
		rc = parse_authority(u, text, err);
	if (rc == -1 || query == NULL)
		return rc;
	if (url_param_parse(u, query, err) == -1)
		return -1;
	return check_groups(u, err);
}

int
url_parse(struct url *u, const char *text, struct err *err)
{
	char copy[URL_TEXT_MAX];

	*u = url_defaults;
	if (strlcpy(copy, text, sizeof(copy)) >= sizeof(copy)) {
		err_set(err, EXIT_BAD_CONFIG, "listen URL %.40s...: too long",
		    text);
		return err_hint(err, "at most %zu bytes", sizeof(copy) - 1);
	}
	if (parse_all(u, copy, err) == -1)
		return err_prefix(err, "listen URL %s", text);
	return 0;
}

/* ---- to text and to an address ---- */

char *
url_print_short(const struct url *u, char *dst, size_t size)
{
	bool is_v6 = strchr(u->host, ':') != NULL;

	if (u->scheme == URL_UNIX)
		(void)snprintf(dst, size, "unix://%s", u->path);
	else
		(void)snprintf(dst, size, "%s://%s%s%s:%u",
		    url_scheme_names[u->scheme], is_v6 ? "[" : "", u->host,
		    is_v6 ? "]" : "", u->port);
	return dst;
}

char *
url_print(const struct url *u, char *dst, size_t size)
{
	size_t used;

	(void)url_print_short(u, dst, size);
	used = strlen(dst);
	url_param_print(u, dst + used, size - used);
	return dst;
}

int
url_addr(const struct url *u, struct addr *a, struct err *err)
{
	const char *host = u->host;

	if (u->scheme == URL_UNIX)
		return addr_from_path(a, u->path, err);
	if (host[0] == '\0')
		host = u->scheme == URL_TCP4 || u->scheme == URL_UDP4
		    ? "0.0.0.0"
		    : "::";
	if (addr_from_ip(a, host, u->port) == 0)
		return 0;
	return err_set(err, EXIT_BAD_CONFIG, "\"%s\" is not an address", host);
}

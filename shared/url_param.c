/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * url_param.c: what follows the ? of a listen URL, by one table that reads and
 * prints. Part of url.c: pure, used by every process.
 */
#include "shared/url_param.h"

#include <ctype.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "shared/mcast.h"
#include "shared/value.h"

/* Parameters of spec 3 that are known and do nothing yet. */
static const char *const params_not_built[] = { "proxy", "tls",
	"user-timeout" };

const struct url url_defaults = { .nodelay = true, .mode = -1 };

/* How a parameter is written and what its field is. */
enum kind {
	KIND_TRISTATE, /* enum url_tristate */
	KIND_BOOL,     /* bool */
	KIND_INT,      /* int */
	KIND_BYTES,    /* int, written as a size */
	KIND_SECONDS,  /* int, written as a duration */
	KIND_MODE,     /* int, written in octal */
	KIND_OWNER,    /* char[], user or user:group */
	KIND_TEXT,     /* char[] */
	KIND_GROUPS,   /* char[], see mcast.h */
	NKINDS
};

/* What a parameter has a meaning for. */
enum {
	FOR_TCP = BIT(0),
	FOR_PATH = BIT(1),
	FOR_ABSTRACT = BIT(2),
	FOR_UDP = BIT(3),
	FOR_IP = FOR_TCP | FOR_UDP,
	FOR_STREAM = FOR_TCP | FOR_PATH | FOR_ABSTRACT,
	FOR_ALL = FOR_STREAM | FOR_UDP,
};

struct param {
	const char *name;
	enum kind kind;
	size_t offset;
	int max; /* numbers: the largest; texts: size of the field */
	unsigned meant_for;
};

#define F(field) offsetof(struct url, field)
/* clang-format off */
static const struct param params[] = {
	{ "reuseport",    KIND_TRISTATE, F(reuseport),    0,         FOR_IP },
	{ "backlog",      KIND_INT,      F(backlog),      INT_MAX,   FOR_STREAM },
	{ "nodelay",      KIND_BOOL,     F(nodelay),      0,         FOR_TCP },
	/* The kernel's own bound, in include/net/tcp.h. */
	{ "keepalive",    KIND_SECONDS,  F(keepalive),    32767,     FOR_TCP },
	/* It doubles what it is given. */
	{ "rcvbuf",       KIND_BYTES,    F(rcvbuf),       1 << 30,   FOR_ALL },
	{ "sndbuf",       KIND_BYTES,    F(sndbuf),       1 << 30,   FOR_ALL },
	{ "defer-accept", KIND_SECONDS,  F(defer_accept), 3600,      FOR_TCP },
	{ "fastopen",     KIND_INT,      F(fastopen),     INT_MAX,   FOR_TCP },
	{ "device",       KIND_TEXT,     F(device),
	    sizeof(url_defaults.device),                             FOR_IP },
	{ "freebind",     KIND_BOOL,     F(freebind),     0,         FOR_IP },
	{ "tos",          KIND_INT,      F(tos),          255,       FOR_IP },
	{ "multicast",    KIND_GROUPS,   F(multicast),
	    sizeof(url_defaults.multicast),                          FOR_UDP },
	{ "mode",         KIND_MODE,     F(mode),         0777,      FOR_PATH },
	{ "owner",        KIND_OWNER,    F(owner),
	    sizeof(url_defaults.owner),                              FOR_PATH },
	{ "handler",      KIND_TEXT,     F(handler),
	    sizeof(url_defaults.handler),                            FOR_ALL },
};
/* clang-format on */
#undef F

/* ---- parameters from text ---- */

static int
set_tristate(const struct param *p, void *field, const char *text,
    struct err *err)
{
	enum url_tristate *out = field;
	bool is_true;

	(void)p;
	if (value_bool(text, &is_true, err) == -1)
		return -1;
	*out = is_true ? URL_TRUE : URL_FALSE;
	return 0;
}

static int
set_bool(const struct param *p, void *field, const char *text, struct err *err)
{
	(void)p;
	return value_bool(text, field, err);
}

static int
set_int(const struct param *p, void *field, const char *text, struct err *err)
{
	int *out = field;
	int64_t value;

	if (value_int(text, 0, p->max, &value, err) == -1)
		return -1;
	*out = (int)value;
	return 0;
}

static int
set_bytes(const struct param *p, void *field, const char *text, struct err *err)
{
	int *out = field;
	uint64_t value;

	if (value_size(text, 0, (uint64_t)p->max, &value, err) == -1)
		return -1;
	*out = (int)value;
	return 0;
}

static int
set_seconds(const struct param *p, void *field, const char *text,
    struct err *err)
{
	int *out = field;
	int64_t ms;

	if (value_duration(text, 0, (int64_t)p->max * 1000, &ms, err) == -1)
		return -1;
	if (ms % 1000 != 0) {
		err_set(err, EXIT_BAD_CONFIG, "%s is not whole seconds", text);
		return err_hint(err, "the kernel counts in seconds here");
	}
	*out = (int)(ms / 1000);
	return 0;
}

static int
set_mode(const struct param *p, void *field, const char *text, struct err *err)
{
	int *out = field;

	if (text[0] == '\0' || text[strspn(text, "01234567")] != '\0' ||
	    strtoul(text, NULL, 8) > (unsigned)p->max) {
		err_set(err, EXIT_BAD_CONFIG, "\"%s\" is not a mode", text);
		return err_hint(err, "octal digits up to 0777: 0660");
	}
	*out = (int)strtoul(text, NULL, 8);
	return 0;
}

static int
set_text(const struct param *p, void *field, const char *text, struct err *err)
{
	size_t i, size = (size_t)p->max;

	for (i = 0; isgraph((unsigned char)text[i]); i++)
		continue;
	if (i == 0 || text[i] != '\0') {
		err_set(err, EXIT_BAD_CONFIG, "\"%s\" is not a name", text);
		return err_hint(err, "no spaces, at least one letter");
	}
	if (strlcpy(field, text, size) >= size) {
		err_set(err, EXIT_BAD_CONFIG, "\"%s\" is too long", text);
		return err_hint(err, "at most %zu bytes", size - 1);
	}
	return 0;
}

static int
set_owner(const struct param *p, void *field, const char *text, struct err *err)
{
	const char *group = strchr(text, ':');

	if (group != NULL &&
	    (group == text || group[1] == '\0' ||
		strchr(group + 1, ':') != NULL)) {
		err_set(err, EXIT_BAD_CONFIG, "\"%s\" is not an owner", text);
		return err_hint(err, "user or user:group");
	}
	return set_text(p, field, text, err);
}

static int
set_groups(const struct param *p, void *field, const char *text,
    struct err *err)
{
	const char *rest = text;
	struct mcast_group g;
	int rc;

	while ((rc = mcast_next(&rest, &g, err)) == 1)
		continue;
	return rc == -1 ? -1 : set_text(p, field, text, err);
}

/* ---- parameters to text ---- */

static void
print_tristate(const void *field, char *dst, size_t size)
{
	const enum url_tristate *value = field;

	(void)strlcpy(dst, *value == URL_TRUE ? "true" : "false", size);
}

static void
print_bool(const void *field, char *dst, size_t size)
{
	const bool *value = field;

	(void)strlcpy(dst, *value ? "true" : "false", size);
}

static void
print_int(const void *field, char *dst, size_t size)
{
	const int *value = field;

	(void)snprintf(dst, size, "%d", *value);
}

static void
print_bytes(const void *field, char *dst, size_t size)
{
	const int *value = field;

	(void)value_print_size((uint64_t)*value, dst, size);
}

static void
print_seconds(const void *field, char *dst, size_t size)
{
	const int *value = field;

	(void)value_print_duration((int64_t)*value * 1000, dst, size);
}

static void
print_mode(const void *field, char *dst, size_t size)
{
	const int *value = field;

	(void)snprintf(dst, size, "%04o", (unsigned)*value);
}

static void
print_text(const void *field, char *dst, size_t size)
{
	(void)strlcpy(dst, field, size);
}

static const struct {
	size_t size; /* of the field; 0: a text, see struct param */
	int (*set)(const struct param *, void *field, const char *text,
	    struct err *);
	void (*print)(const void *field, char *dst, size_t size);
} kinds[NKINDS] = {
	[KIND_TRISTATE] = { sizeof(enum url_tristate), set_tristate,
	    print_tristate },
	[KIND_BOOL] = { sizeof(bool), set_bool, print_bool },
	[KIND_INT] = { sizeof(int), set_int, print_int },
	[KIND_BYTES] = { sizeof(int), set_bytes, print_bytes },
	[KIND_SECONDS] = { sizeof(int), set_seconds, print_seconds },
	[KIND_MODE] = { sizeof(int), set_mode, print_mode },
	[KIND_OWNER] = { 0, set_owner, print_text },
	[KIND_TEXT] = { 0, set_text, print_text },
	[KIND_GROUPS] = { 0, set_groups, print_text },
};

static bool
is_default(const struct url *u, const struct param *p)
{
	const char *field = (const char *)u + p->offset;
	const char *standard = (const char *)&url_defaults + p->offset;

	if (kinds[p->kind].size == 0)
		return strcmp(field, standard) == 0;
	return memcmp(field, standard, kinds[p->kind].size) == 0;
}

void
url_param_print(const struct url *u, char *dst, size_t size)
{
	char value[URL_PATH_MAX];
	char sign = '?';
	size_t i, used = 0;

	dst[0] = '\0';
	for (i = 0; i < nitems(params) && used < size; i++) {
		if (is_default(u, &params[i]))
			continue;
		kinds[params[i].kind].print((const char *)u + params[i].offset,
		    value, sizeof(value));
		used += (size_t)snprintf(dst + used, size - used, "%c%s=%s",
		    sign, params[i].name, value);
		sign = '&';
	}
}

/* ---- all parameters of a URL ---- */

static int
refuse_param(const char *name, struct err *err)
{
	const char *names[nitems(params)], *near;
	char list[sizeof(err->hint)];
	size_t i;

	for (i = 0; i < nitems(params_not_built); i++)
		if (strcmp(name, params_not_built[i]) == 0) {
			err_set(err, EXIT_BAD_USAGE,
			    "parameter \"%s\" is not built yet", name);
			return err_hint(err, "leave it out");
		}
	for (i = 0; i < nitems(params); i++)
		names[i] = params[i].name;
	err_set(err, EXIT_BAD_CONFIG, "unknown parameter \"%s\"", name);
	near = value_nearest(name, names, nitems(names));
	if (near != NULL)
		return err_hint(err, "did you mean \"%s\"?", near);
	return err_hint(err, "%s",
	    value_list(names, nitems(names), list, sizeof(list)));
}

static unsigned
meaning(const struct url *u)
{
	if (u->scheme != URL_UNIX)
		return url_is_udp(u) ? FOR_UDP : FOR_TCP;
	return u->path[0] == '@' ? FOR_ABSTRACT : FOR_PATH;
}

/* It has no meaning for what the URL leads to: say why, and where it has. */
static int
refuse_meaning(const struct url *u, const struct param *p, struct err *err)
{
	static const struct {
		unsigned meant_for;
		const char *words;
	} uses[] = {
		{ FOR_TCP, "tcp, tcp4 and tcp6" },
		{ FOR_UDP, "udp, udp4 and udp6" },
		{ FOR_IP, "tcp and udp" },
		{ FOR_STREAM, "tcp, tcp4, tcp6 and unix" },
		{ FOR_PATH, "the path of a unix socket" },
	};
	size_t i = 0;

	while (i + 1 < nitems(uses) && uses[i].meant_for != p->meant_for)
		i++;
	err_set(err, EXIT_BAD_CONFIG, "parameter \"%s\" has no meaning %s",
	    p->name,
	    url_is_udp(u) && (p->meant_for & FOR_TCP)
		? "for UDP, which has no connections"
		: "here");
	return err_hint(err, "it is for %s", uses[i].words);
}

static int
set_param(struct url *u, const char *name, const char *value, unsigned *seen,
    struct err *err)
{
	size_t i;

	for (i = 0; i < nitems(params); i++)
		if (strcmp(name, params[i].name) == 0)
			break;
	if (i == nitems(params))
		return refuse_param(name, err);
	if ((params[i].meant_for & meaning(u)) == 0)
		return refuse_meaning(u, &params[i], err);
	if (*seen & BIT(i)) {
		err_set(err, EXIT_BAD_CONFIG, "parameter \"%s\" is given twice",
		    name);
		return err_hint(err, "give it once");
	}
	*seen |= BIT(i);
	if (kinds[params[i].kind].set(&params[i], (char *)u + params[i].offset,
		value, err) == -1)
		return err_prefix(err, "%s", name);
	return 0;
}

int
url_param_parse(struct url *u, char *text, struct err *err)
{
	unsigned seen = 0;
	char *pair, *value;

	while ((pair = strsep(&text, "&")) != NULL) {
		value = strchr(pair, '=');
		if (value == NULL) {
			err_set(err, EXIT_BAD_CONFIG,
			    "parameter \"%s\" has no value", pair);
			return err_hint(err, "?key=value&key=value");
		}
		*value++ = '\0';
		if (set_param(u, pair, value, &seen, err) == -1)
			return -1;
	}
	return 0;
}

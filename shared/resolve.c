/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * resolve.c: names of hosts, users and groups become numbers. Run by the
 * checker and by -X only, for a look-up may block: the master and the children
 * read what came of it. Implements url_resolve() of url.h and conf_resolve() of
 * conf.h.
 */
#include <sys/socket.h>

#include <netdb.h>
#include <netinet/in.h>

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "shared/conf.h"
#include "shared/url.h"
#include "shared/value.h"

/* Addresses of one host name; more is a mistake of the name's owner. */
#define ADDRESSES_MAX 64

/* Who children are when root starts tine. */
#define CHILD_USER "nobody"
#define CHILD_GROUP "nogroup"

/* ---- users and groups ---- */

/* A number or a user's name. *has_gid: the user's own group is in *gid. */
static int
find_user(const char *name, uid_t *uid, gid_t *gid, bool *has_gid,
    struct err *err)
{
	const struct passwd *pw = getpwnam(name);
	struct err ignored;
	int64_t id;

	if (pw == NULL &&
	    value_int(name, 0, UINT32_MAX - 1, &id, &ignored) == 0) {
		*uid = (uid_t)id;
		pw = getpwuid(*uid);
	} else if (pw != NULL) {
		*uid = pw->pw_uid;
	} else {
		err_set(err, EXIT_BAD_CONFIG, "there is no user \"%s\"", name);
		return err_hint(err,
		    "a user of this machine, or the user's number");
	}
	*has_gid = pw != NULL;
	if (pw != NULL)
		*gid = pw->pw_gid;
	return 0;
}

static int
find_group(const char *name, gid_t *gid, struct err *err)
{
	const struct group *gr = getgrnam(name);
	struct err ignored;
	int64_t id;

	if (gr != NULL) {
		*gid = gr->gr_gid;
		return 0;
	}
	if (value_int(name, 0, UINT32_MAX - 1, &id, &ignored) == 0) {
		*gid = (gid_t)id;
		return 0;
	}
	err_set(err, EXIT_BAD_CONFIG, "there is no group \"%s\"", name);
	return err_hint(err, "a group of this machine, or the group's number");
}

/* "user" or "user:group" becomes "uid:gid" in place. */
static int
resolve_owner(char *owner, size_t size, struct err *err)
{
	char name[URL_NAME_MAX];
	char *group;
	bool has_gid;
	uid_t uid;
	gid_t gid;

	(void)strlcpy(name, owner, sizeof(name));
	group = strchr(name, ':');
	if (group != NULL)
		*group++ = '\0';
	if (find_user(name, &uid, &gid, &has_gid, err) == -1)
		return -1;
	if (group != NULL) {
		if (find_group(group, &gid, err) == -1)
			return -1;
	} else if (!has_gid) {
		err_set(err, EXIT_BAD_CONFIG,
		    "the group of user %s is not known", name);
		return err_hint(err, "owner=%s:GROUP", name);
	}
	(void)snprintf(owner, size, "%u:%u", uid, gid);
	return 0;
}

/* ---- hosts ---- */

/* A machine without IPv6 may still name ::1 in its list of hosts. */
static bool
has_ipv6(void)
{
	struct sockaddr_in6 sin6 = {
		.sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool has = fd != -1 &&
	    bind(fd, (const struct sockaddr *)&sin6, sizeof(sin6)) == 0;

	closefd(&fd);
	return has;
}

static int
family_of(enum url_scheme scheme)
{
	switch (scheme) {
	case URL_TCP4:
	case URL_UDP4:
		return AF_INET;
	case URL_TCP6:
	case URL_UDP6:
		return AF_INET6;
	default:
		return AF_UNSPEC;
	}
}

static bool
is_in(const struct url *list, int n, const char *host)
{
	int i;

	for (i = 0; i < n; i++)
		if (strcmp(list[i].host, host) == 0)
			return true;
	return false;
}

/* The addresses of one family behind those that out[0..n-1] has already. */
static int
take_family(const struct url *u, const struct addrinfo *found, int family,
    struct url *out, int n, int max)
{
	char host[URL_HOST_MAX];

	for (; found != NULL && n < max; found = found->ai_next) {
		if (found->ai_family != family ||
		    getnameinfo(found->ai_addr, found->ai_addrlen, host,
			sizeof(host), NULL, 0, NI_NUMERICHOST) != 0 ||
		    is_in(out, n, host))
			continue;
		out[n] = *u;
		(void)strlcpy(out[n].host, host, sizeof(out[n].host));
		n++;
	}
	return n;
}

static int
resolve_host(const struct url *u, struct url *out, int max, struct err *err)
{
	struct addrinfo hints = {
		.ai_family = family_of(u->scheme),
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE,
	};
	struct addrinfo *found;
	int n, rc;

	rc = getaddrinfo(u->host, NULL, &hints, &found);
	if (rc != 0) {
		err_set(err, EXIT_BAD_CONFIG, "look-up of host \"%s\": %s",
		    u->host, gai_strerror(rc));
		return err_hint(err,
		    "a name that /etc/hosts or DNS knows, an "
		    "address, or nothing for every address");
	}
	n = take_family(u, found, AF_INET, out, 0, max);
	if (n == 0 || has_ipv6())
		n = take_family(u, found, AF_INET6, out, n, max);
	freeaddrinfo(found);
	if (n == 0) {
		err_set(err, EXIT_BAD_CONFIG, "host \"%s\" has no address",
		    u->host);
		return err_hint(err, "an address instead of the name");
	}
	return n;
}

int
url_resolve(const struct url *u, struct url *out, int max, struct err *err)
{
	char text[URL_TEXT_MAX];
	int n = 1;

	out[0] = *u;
	if (u->host[0] != '\0')
		n = resolve_host(u, out, max, err);
	else if (u->owner[0] != '\0' &&
	    resolve_owner(out[0].owner, sizeof(out[0].owner), err) == -1)
		n = -1;
	if (n == -1)
		err_prefix(err, "listen URL %s",
		    url_print(u, text, sizeof(text)));
	return n;
}

/* ---- the configuration ---- */

/* Is the address among the URLs, once more than u itself? */
static bool
is_among(const struct url *urls, size_t n, const struct url *u,
    const struct addr *addr)
{
	struct err ignored;
	struct addr other;
	size_t i;

	for (i = 0; i < n; i++)
		if (&urls[i] != u && url_is_udp(&urls[i]) == url_is_udp(u) &&
		    url_addr(&urls[i], &other, &ignored) == 0 &&
		    addr->len == other.len &&
		    memcmp(&addr->u, &other.u, addr->len) == 0)
			return true;
	return false;
}

/* Two names of one address are one address twice. */
static int
check_is_new(const struct conf *conf, const struct url *u, struct err *err)
{
	char text[URL_TEXT_MAX];
	struct addr addr;
	size_t i;

	if (url_addr(u, &addr, err) == -1)
		return -1;
	if (u->scheme != URL_UNIX && u->port == 0)
		return 0;
	for (i = 0; i < conf->nservers; i++)
		if (is_among(conf->servers[i].listens,
			conf->servers[i].nlistens, u, &addr)) {
			err_set(err, EXIT_BAD_CONFIG,
			    "listen URL %s is given twice",
			    url_print_short(u, text, sizeof(text)));
			return err_hint(err,
			    "one server listens on an address; a host name "
			    "stands for all of its addresses");
		}
	return 0;
}

/* The addresses of one URL behind the others. */
static int
append_addresses(struct url **all, size_t *n, const struct url *u,
    struct err *err)
{
	struct url some[ADDRESSES_MAX], *grown;
	int found = url_resolve(u, some, nitems(some), err);

	if (found == -1)
		return -1;
	grown = reallocarray(*all, *n + (size_t)found, sizeof(*grown));
	if (grown == NULL)
		return err_sys(err, "list of addresses");
	memcpy(grown + *n, some, (size_t)found * sizeof(*grown));
	*all = grown;
	*n += (size_t)found;
	return 0;
}

/* With one that cannot be resolved the URLs stay as they are. */
static int
resolve_server(struct conf_server *s, size_t number, conf_complain *complain,
    void *arg)
{
	struct url *all = NULL;
	char key[64];
	struct err err;
	size_t i, n = 0;
	int rc = 0;

	for (i = 0; i < s->nlistens; i++) {
		if (append_addresses(&all, &n, &s->listens[i], &err) == 0)
			continue;
		(void)snprintf(key, sizeof(key), "servers.%zu.listen.%zu",
		    number, i);
		complain(arg, key, &err);
		rc = -1;
	}
	if (rc == -1) {
		free(all);
		return -1;
	}
	free(s->listens);
	s->listens = all;
	s->nlistens = n;
	return 0;
}

/* The admin listener's URL, whose addresses are derived from it anew. */
static int
resolve_admin(struct conf *conf, struct err *err)
{
	struct url u;

	free(conf->admin_listens);
	conf->admin_listens = NULL;
	conf->nadmin_listens = 0;
	if (conf->admin == NULL)
		return 0;
	return url_parse(&u, conf->admin, err) == -1
	    ? -1
	    : append_addresses(&conf->admin_listens, &conf->nadmin_listens, &u,
		  err);
}

/* Nobody has named an account, and root is not run by mistake. */
static int
take_nobody(struct conf *conf, struct err *err)
{
	gid_t own;
	bool has_gid;

	if (find_user(CHILD_USER, &conf->uid, &own, &has_gid, err) == 0 &&
	    (conf->group != NULL ||
		find_group(CHILD_GROUP, &conf->gid, err) == 0))
		return 0;
	err_prefix(err, "account for children, which root does not run");
	return err_hint(err, "create user %s and group %s", CHILD_USER,
	    CHILD_GROUP);
}

/* conf->group, where it is set, has the last word. */
static int
take_user(struct conf *conf, struct err *err)
{
	bool has_gid;

	if (find_user(conf->user, &conf->uid, &conf->gid, &has_gid, err) == -1)
		return err_prefix(err, "user");
	if (has_gid || conf->group != NULL)
		return 0;
	err_set(err, EXIT_BAD_CONFIG, "user: the group of user %s is not known",
	    conf->user);
	return err_hint(err, "--user %s:GROUP", conf->user);
}

static int
take_account(struct conf *conf, struct err *err)
{
	if (conf->user != NULL ? take_user(conf, err) == -1
			       : take_nobody(conf, err) == -1)
		return -1;
	if (conf->group != NULL &&
	    find_group(conf->group, &conf->gid, err) == -1)
		return err_prefix(err, "group");
	return 0;
}

/* Who is not root stays who he is; to be asked for that does no harm. */
static int
keep_account(struct conf *conf, struct err *err)
{
	if (conf->user == NULL && conf->group == NULL)
		return 0;
	conf->uid = geteuid();
	conf->gid = getegid();
	if (conf->user != NULL && take_user(conf, err) == -1)
		return -1;
	if (conf->group == NULL)
		conf->gid = getegid();
	else if (find_group(conf->group, &conf->gid, err) == -1)
		return err_prefix(err, "group");
	if (conf->uid == geteuid() && conf->gid == getegid()) {
		conf->uid = CONF_NO_ID;
		conf->gid = CONF_NO_ID;
		return 0;
	}
	err_set(err, EXIT_NO_PERMISSION, "%s: only root can run children as %s",
	    conf->uid != geteuid() ? "user" : "group",
	    conf->uid != geteuid() ? conf->user : conf->group);
	return err_hint(err, "start tine as root, or leave it out");
}

static int
resolve_account(struct conf *conf, struct err *err)
{
	conf->uid = CONF_NO_ID;
	conf->gid = CONF_NO_ID;
	return geteuid() == 0 ? take_account(conf, err)
			      : keep_account(conf, err);
}

static int
resolve_log(struct conf *conf, struct err *err)
{
	if (conf->log_file == NULL) {
		conf->log_file = strdup(conf->is_daemon ? "syslog" : "stderr");
		if (conf->log_file == NULL)
			return err_sys(err, "name of the log");
	}
	if (!conf->is_daemon || strcmp(conf->log_file, "stderr") != 0)
		return 0;
	err_set(err, EXIT_BAD_CONFIG,
	    "log stderr leads nowhere in the background");
	return err_hint(err, "--log FILE or --log syslog");
}

/* Two servers, or two names, that mean one address. */
static void
check_addresses(const struct conf *conf, conf_complain *complain, void *arg)
{
	const struct conf_server *s;
	char key[64];
	struct err err;
	size_t n, i;

	for (n = 0; n < conf->nservers; n++)
		for (s = &conf->servers[n], i = 0; i < s->nlistens; i++) {
			if (check_is_new(conf, &s->listens[i], &err) == 0)
				continue;
			(void)snprintf(key, sizeof(key), "servers.%zu.listen",
			    n);
			complain(arg, key, &err);
			return;
		}
	for (i = 0; i < conf->nadmin_listens; i++) {
		if (check_is_new(conf, &conf->admin_listens[i], &err) == 0)
			continue;
		complain(arg, "admin", &err);
		return;
	}
}

void
conf_resolve_names(struct conf *conf, conf_complain *complain, void *arg)
{
	struct err err;
	size_t i;
	int rc = 0;

	if (resolve_log(conf, &err) == -1)
		complain(arg, "log.file", &err);
	for (i = 0; i < conf->nservers; i++)
		if (resolve_server(&conf->servers[i], i, complain, arg) == -1)
			rc = -1;
	if (resolve_admin(conf, &err) == -1) {
		complain(arg, "admin", &err);
		rc = -1;
	}
	if (rc == 0)
		check_addresses(conf, complain, arg);
}

int
conf_resolve_account(struct conf *conf, conf_complain *complain, void *arg)
{
	struct err err;

	if (resolve_account(conf, &err) == 0)
		return 0;
	complain(arg, strncmp(err.text, "group", 5) == 0 ? "group" : "user",
	    &err);
	return -1;
}

int
conf_resolve_all(struct conf *conf, conf_complain *complain, void *arg)
{
	conf_resolve_names(conf, complain, arg);
	return conf_resolve_account(conf, complain, arg);
}

/* The first of the complaints. */
struct first {
	bool is_set;
	struct err *err;
};

static void
keep_first(void *arg, const char *key, const struct err *err)
{
	struct first *first = arg;

	(void)key;
	if (!first->is_set)
		*first->err = *err;
	first->is_set = true;
}

int
conf_resolve(struct conf *conf, struct err *err)
{
	struct first first = { false, err };

	(void)conf_resolve_all(conf, keep_first, &first);
	return first.is_set ? -1 : 0;
}

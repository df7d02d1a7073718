/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inherit.c: sockets from the service manager. Runs in the master, at its
 * start only; owns the descriptors that were handed over until inherit_end().
 * It binds nothing, and believes of a socket what the kernel says, not what its
 * name says: the name gives the index of a slot and no more.
 */
#include "master/inherit.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>

#include "master/fdname.h"
#include "shared/conf.h"
#include "shared/log.h"

#define FIRST 3 /* SD_LISTEN_FDS_START */
#define MOST 65536

/* The fault that is the operator's to mend. */
static const char connection_fault[] = "is a connection";

struct inherited {
	int fd;
	ino_t ino; /* one for each socket, however many descriptors it has */
	struct addr addr;
	bool is_v6only;
	bool is_udp;
	char device[IFNAMSIZ];
	char name[FDNAME_MAX]; /* of ours, if it has one of ours */
	bool is_stored;        /* by a master before us */
	bool is_foreign;       /* a socket unit has it */
	bool has_index;
	unsigned index;
	unsigned stored_index; /* what its name says */
	bool is_taken;
	bool is_renamed; /* taken by a slot that has another name */
};

static struct {
	unsigned count; /* of descriptors, from FIRST on */
	char *names;    /* of LISTEN_FDNAMES, or NULL */
	char doubt[64]; /* why there are none although somebody said so */
	struct inherited *all;
	size_t n;
} in;

/* ---- the environment ---- */

static unsigned
parse_environment(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES"), *wrong;
	long long n;

	if (pid == NULL || count == NULL)
		return 0;
	if (strtonum(pid, 1, INT32_MAX, &wrong) != getpid()) {
		(void)snprintf(in.doubt, sizeof(in.doubt),
		    "they are for pid %.20s", pid);
		return 0;
	}
	n = strtonum(count, 0, MOST, &wrong);
	if (wrong != NULL)
		(void)snprintf(in.doubt, sizeof(in.doubt),
		    "LISTEN_FDS=%.20s is %s", count, wrong);
	if (n > 0 && names != NULL)
		in.names = strdup(names);
	return (unsigned)n;
}

unsigned
inherit_begin(void)
{
	unsigned i;

	in.count = parse_environment();
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	for (i = 0; i < in.count; i++)
		(void)fcntl(FIRST + (int)i, F_SETFD, FD_CLOEXEC);
	return in.count;
}

/* ---- one socket ---- */

static int
get_int(int fd, int level, int option)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return getsockopt(fd, level, option, &value, &len) == 0 ? value : -1;
}

static bool
is_served(int fd)
{
	return get_int(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM ||
	    get_int(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_UDP;
}

/* Why this can be no slot, or NULL. */
static const char *
find_fault(const struct inherited *e)
{
	int domain = get_int(e->fd, SOL_SOCKET, SO_DOMAIN);

	if (domain == -1)
		return "is no socket";
	if (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX)
		return "is of an address family that is not served";
	if (!is_served(e->fd))
		return "is neither a stream socket nor one for UDP";
	if (get_int(e->fd, SOL_SOCKET, SO_ACCEPTCONN) == 1)
		return NULL;
	if (getpeername(e->fd, &(struct sockaddr){ 0 }, &(socklen_t){ 0 }) == 0)
		return connection_fault;
	if (get_int(e->fd, SOL_SOCKET, SO_TYPE) == SOCK_DGRAM)
		return NULL;
	/* A child can shut a socket down for all who have it: what a master
	 * stored did listen. */
	return e->is_stored ? NULL : "does not listen";
}

/* What there is to know of it. */
static int
learn(struct inherited *e)
{
	socklen_t len = sizeof(e->device);
	int flags = fcntl(e->fd, F_GETFL);
	struct stat st;

	e->addr.len = sizeof(e->addr.u);
	if (fstat(e->fd, &st) == -1 ||
	    getsockname(e->fd, &e->addr.u.sa, &e->addr.len) == -1 ||
	    flags == -1 || fcntl(e->fd, F_SETFL, flags | O_NONBLOCK) == -1)
		return -1;
	e->ino = st.st_ino;
	e->is_udp = get_int(e->fd, SOL_SOCKET, SO_TYPE) == SOCK_DGRAM;
	e->is_v6only = get_int(e->fd, IPPROTO_IPV6, IPV6_V6ONLY) == 1;
	if (getsockopt(e->fd, SOL_SOCKET, SO_BINDTODEVICE, e->device, &len) ==
	    -1)
		e->device[0] = '\0';
	return 0;
}

/* No place ever had a greater one, and a slot needs room for all below it. */
static bool
has_own_index(const struct inherited *e)
{
	return e->is_stored && e->stored_index < CONF_PROCESSES_MAX;
}

static void
set_name(struct inherited *e, const char *name)
{
	char url[URL_TEXT_MAX];

	(void)strlcpy(e->name, name, sizeof(e->name));
	e->is_stored =
	    fdname_parse(name, url, sizeof(url), &e->stored_index) == 0;
	e->index = e->stored_index;
	e->is_foreign = !e->is_stored;
	e->has_index = has_own_index(e);
}

/* A socket unit's that a master stored too: one socket, two descriptors. */
static bool
merge(const struct inherited *e)
{
	size_t i;

	for (i = 0; i < in.n; i++) {
		struct inherited *other = &in.all[i];
		bool is_foreign = e->is_foreign || other->is_foreign;
		int fd = other->fd;

		if (other->ino != e->ino)
			continue;
		if (e->is_stored)
			*other = *e;
		other->fd = fd;
		other->is_foreign = is_foreign;
		return true;
	}
	return false;
}

/* A name is what the service manager says, and goes to the log. */
static const char *
print(const struct inherited *e, char *dst, size_t size)
{
	char address[128] = "", name[2 * FDNAME_MAX];

	if (e->addr.len > 0)
		(void)addr_print(&e->addr, address, sizeof(address));
	(void)log_escape(name, sizeof(name), e->name, strlen(e->name));
	(void)snprintf(dst, size, "inherited descriptor %d%s%s%s%s%s", e->fd,
	    address[0] == '\0' ? "" : ", ", address,
	    name[0] == '\0' ? "" : " (", name, name[0] == '\0' ? "" : ")");
	return dst;
}

/* Into the list, or closed; -1: it is a connection. */
static int
examine(int fd, const char *name, struct err *err)
{
	struct inherited e = { .fd = fd };
	char text[1024];
	const char *fault;

	set_name(&e, name);
	fault = find_fault(&e);
	if (fault == connection_fault) {
		err_set(err, EXIT_BAD_CONFIG, "%s %s",
		    print(&e, text, sizeof(text)), fault);
		return err_hint(err, "Accept=no in the socket unit");
	}
	if (fault == NULL && learn(&e) == -1)
		fault = strerror(errno);
	if (fault != NULL)
		log_warn("%s %s", print(&e, text, sizeof(text)), fault);
	else if (!merge(&e)) {
		in.all[in.n++] = e;
		return 0;
	}
	closefd(&fd);
	return 0;
}

static void
forget_all(void)
{
	size_t i;

	for (i = 0; i < in.n; i++)
		closefd(&in.all[i].fd);
	free(in.all);
	free(in.names);
	in.all = NULL;
	in.names = NULL;
	in.n = in.count = 0;
}

static int
examine_all(struct err *err)
{
	char *names = in.names;
	unsigned i;

	for (i = 0; i < in.count; i++) {
		const char *name = strsep(&names, ":");

		if (examine(FIRST + (int)i, name == NULL ? "" : name, err) ==
		    -1) {
			/* This one and those not looked at yet. */
			(void)close_range(FIRST + i, FIRST + in.count - 1, 0);
			return -1;
		}
	}
	return 0;
}

int
inherit_open(struct err *err)
{
	int rc;

	if (in.doubt[0] != '\0')
		log_info("sockets of the service manager are ignored: %s",
		    in.doubt);
	if (in.count == 0)
		return 0;
	in.all = calloc(in.count, sizeof(*in.all));
	rc = in.all == NULL ? err_sys(err, "memory for inherited sockets")
			    : examine_all(err);
	if (rc == -1)
		forget_all();
	return rc;
}

/* ---- by address ---- */

/* Two ways to one socket, such as /run/x and /var/run/x. */
static bool
is_same_file(const struct addr *a, const struct addr *b)
{
	struct stat x, y;

	return a->u.sa.sa_family == AF_UNIX && b->u.sa.sa_family == AF_UNIX &&
	    a->u.sun.sun_path[0] != '\0' && b->u.sun.sun_path[0] != '\0' &&
	    stat(a->u.sun.sun_path, &x) == 0 &&
	    stat(b->u.sun.sun_path, &y) == 0 && x.st_dev == y.st_dev &&
	    x.st_ino == y.st_ino;
}

static bool
is_of(const struct inherited *e, const struct url *url, const struct addr *addr)
{
	bool wants_v6only = !url_is_dual(url);

	if (e->is_udp != url_is_udp(url) || strcmp(e->device, url->device) != 0)
		return false;
	if (!addr_equal(&e->addr, addr))
		return is_same_file(&e->addr, addr);
	return addr->u.sa.sa_family != AF_INET6 || !addr_is_wildcard(addr) ||
	    e->is_v6only == wants_v6only;
}

void
inherit_rewind(void)
{
	size_t i;

	for (i = 0; i < in.n; i++) {
		in.all[i].is_taken = false;
		in.all[i].is_renamed = false;
		in.all[i].has_index = has_own_index(&in.all[i]);
		in.all[i].index = in.all[i].stored_index;
	}
}

bool
inherit_has(const struct url *url, const struct addr *addr)
{
	size_t i;

	for (i = 0; i < in.n; i++)
		if (is_of(&in.all[i], url, addr))
			return true;
	return false;
}

/* A copy for the caller: the original stays for another try. */
static int
take(struct inherited *e, const struct url *url, bool *is_ours)
{
	int fd = fcntl(e->fd, F_DUPFD_CLOEXEC, FIRST);
	char name[FDNAME_MAX];

	if (fd == -1) {
		log_sys(LOG_ERROR, "copy of an inherited socket");
		return -1;
	}
	e->is_taken = true;
	e->is_renamed = e->is_stored &&
	    strcmp(fdname_print(url, e->index, name), e->name) != 0;
	*is_ours = e->is_stored && !e->is_foreign;
	return fd;
}

int
inherit_take(const struct url *url, const struct addr *addr, unsigned index,
    bool *is_ours)
{
	struct inherited *best = NULL;
	size_t i;

	for (i = 0; i < in.n; i++) {
		struct inherited *e = &in.all[i];

		if (e->is_taken || !is_of(e, url, addr))
			continue;
		if (e->has_index && e->index == index)
			return take(e, url, is_ours);
		if (!e->has_index && best == NULL)
			best = e;
	}
	return best == NULL ? -1 : take(best, url, is_ours);
}

/* Those that have an index come first, in its order. */
static uint64_t
sort_key(const struct inherited *e)
{
	return e->has_index ? e->index : UINT64_MAX;
}

/* Has a slot this index, or another socket that was taken? It can have been
 * stored twice, when an older one was not forgotten. */
static bool
is_used(const struct inherited *e, const struct url *url,
    const struct addr *addr, unsigned nslots)
{
	size_t i;

	for (i = 0; i < in.n; i++) {
		const struct inherited *other = &in.all[i];

		if (other->is_taken && other->has_index &&
		    other->index == e->index && is_of(other, url, addr))
			return true;
	}
	return e->index < nslots;
}

/* The first index that neither a slot nor a socket of this listener has. */
static unsigned
next_index(const struct url *url, const struct addr *addr, unsigned nslots)
{
	unsigned next = nslots;
	size_t i;

	for (i = 0; i < in.n; i++)
		if (in.all[i].has_index && in.all[i].index >= next &&
		    is_of(&in.all[i], url, addr))
			next = in.all[i].index + 1;
	return next;
}

int
inherit_take_extra(const struct url *url, const struct addr *addr,
    unsigned nslots, unsigned *index, bool *is_ours)
{
	struct inherited *best = NULL;
	size_t i;

	for (i = 0; i < in.n; i++) {
		struct inherited *e = &in.all[i];

		if (!e->is_taken && is_of(e, url, addr) &&
		    (best == NULL || sort_key(e) < sort_key(best)))
			best = e;
	}
	if (best == NULL)
		return -1;
	if (!best->has_index || is_used(best, url, addr, nslots)) {
		best->index = next_index(url, addr, nslots);
		best->has_index = true;
	}
	*index = best->index;
	return take(best, url, is_ours);
}

/* ---- the end ---- */

void
inherit_end(struct notify *n)
{
	char text[1024];
	size_t i;

	for (i = 0; i < in.n; i++) {
		struct inherited *e = &in.all[i];

		if (!e->is_taken)
			log_warn("%s has no listener's address; closed",
			    print(e, text, sizeof(text)));
		if (e->is_stored && (!e->is_taken || e->is_renamed))
			notify_unstore_name(n, e->name);
	}
	forget_all();
}

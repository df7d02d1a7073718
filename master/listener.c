/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * listener.c: the addresses of the configuration and their listening sockets.
 * Only the master opens and closes them; children are born with copies.
 */
#include <sys/stat.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/master.h"

#define SOMAXCONN_FILE "/proc/sys/net/core/somaxconn"

/* An integer socket option of a listener; when it is wanted, its value. */
static const struct {
	const char *name;
	int level, option;
	size_t offset; /* of an int in struct url; 0 there: not set */
} int_options[] = {
	{ "rcvbuf", SOL_SOCKET, SO_RCVBUF, offsetof(struct url, rcvbuf) },
	{ "sndbuf", SOL_SOCKET, SO_SNDBUF, offsetof(struct url, sndbuf) },
	{ "defer-accept", IPPROTO_TCP, TCP_DEFER_ACCEPT,
	    offsetof(struct url, defer_accept) },
	{ "fastopen", IPPROTO_TCP, TCP_FASTOPEN,
	    offsetof(struct url, fastopen) },
};

static int
set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

static int
set_int_options(int fd, const struct url *url, struct err *err)
{
	size_t i;

	for (i = 0; i < nitems(int_options); i++) {
		int value;

		(void)memcpy(&value, (const char *)url + int_options[i].offset,
		    sizeof(value));
		if (value == 0)
			continue;
		if (set_int(fd, int_options[i].level, int_options[i].option,
			value) == -1)
			return err_sys(err, "%s=%d", int_options[i].name,
			    value);
	}
	return 0;
}

/* tcp:// with no host is one v6 socket that takes v4 too. */
static bool
is_dual(const struct url *url)
{
	return url->scheme == URL_TCP && url->host[0] == '\0';
}

static int
explain_device(const struct url *url, struct err *err)
{
	err_sys(err, "device=%s", url->device);
	if (err->sys == ENODEV) {
		err->code = EXIT_BAD_CONFIG;
		return err_hint(err, "ip link lists the devices there are");
	}
	return -1;
}

static int
set_options(int fd, const struct listener *l, bool share, struct err *err)
{
	const struct url *url = &l->url;

	if (l->addr.u.sa.sa_family == AF_UNIX)
		return set_int_options(fd, url, err);
	if (set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) == -1)
		return err_sys(err, "SO_REUSEADDR");
	if (share && set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1) == -1)
		return err_sys(err, "reuseport=true");
	if (l->addr.u.sa.sa_family == AF_INET6 &&
	    set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, !is_dual(url)) == -1)
		return err_sys(err, "IPV6_V6ONLY");
	if (url->freebind && set_int(fd, SOL_IP, IP_FREEBIND, 1) == -1)
		return err_sys(err, "freebind=true");
	if (url->device[0] != '\0' &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, url->device,
		(socklen_t)strlen(url->device) + 1) == -1)
		return explain_device(url, err);
	return set_int_options(fd, url, err);
}

/* bind() failed: say what would mend it. */
static int
explain_bind(const struct listener *l, struct err *err)
{
	char text[URL_TEXT_MAX];
	int sys = errno;

	(void)url_print_short(&l->url, text, sizeof(text));
	err_sys(err, "listen on %s", text);
	switch (sys) {
	case EADDRINUSE:
		err->code = EXIT_UNAVAILABLE;
		break;
	case EACCES:
		if (l->addr.u.sa.sa_family == AF_UNIX)
			return err_hint(err,
			    "the folder must be writable for the user who "
			    "starts tine");
		return err_hint(err,
		    "ports below 1024 need root or CAP_NET_BIND_SERVICE: use "
		    "a port such as 8080, or setcap cap_net_bind_service+ep "
		    "on the binary");
	case EADDRNOTAVAIL:
		err->code = EXIT_BAD_CONFIG;
		return err_hint(err,
		    "no interface has this address; freebind=true listens "
		    "before it is there");
	case ENOENT:
	case ENOTDIR:
		err->code = EXIT_CANT_CREATE;
		return err_hint(err, "make the folder first");
	default:
		break;
	}
	return -1;
}

/* Does an address we hold already cover this one? */
static bool
overlaps_ours(struct master *m, const struct listener *l)
{
	struct listener *other;

	for (other = m->listeners; other < l; other++)
		if (addr_overlaps(&other->addr, &l->addr,
			!is_dual(&other->url) && !is_dual(&l->url))) {
			size_t i;

			for (i = 0; i < other->nslots; i++)
				(void)set_int(other->slots[i].fd, SOL_SOCKET,
				    SO_REUSEPORT, 1);
			return true;
		}
	return false;
}

/* A path's mode is the socket's at the moment of bind, less the umask. */
static int
bind_socket(int fd, const struct listener *l)
{
	bool has_mode = l->url.scheme == URL_UNIX && l->url.mode != -1;
	mode_t mask = has_mode ? umask(0) : 0;
	int rc;

	if (has_mode)
		(void)fchmod(fd, (mode_t)l->url.mode);
	rc = bind(fd, &l->addr.u.sa, l->addr.len);
	if (has_mode)
		(void)umask(mask);
	return rc;
}

/* A socket bound to the listener's address; -1 with the reason in err. */
static int
open_socket(struct listener *l, bool share, struct err *err)
{
	char text[URL_TEXT_MAX];
	int fd;

	fd = socket(l->addr.u.sa.sa_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1 && errno == EAFNOSUPPORT && is_dual(&l->url)) {
		/* A kernel without IPv6. */
		(void)addr_from_ip(&l->addr, "0.0.0.0", l->url.port);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    0);
	}
	if (fd == -1)
		return err_sys(err, "socket");
	if (set_options(fd, l, share, err) == -1) {
		closefd(&fd);
		return err_prefix(err, "listen on %s",
		    url_print_short(&l->url, text, sizeof(text)));
	}
	if (bind_socket(fd, l) == -1) {
		explain_bind(l, err);
		closefd(&fd);
	}
	return fd;
}

static int
somaxconn(void)
{
	static int n;
	FILE *f;

	if (n > 0)
		return n;
	n = SOMAXCONN;
	f = fopen(SOMAXCONN_FILE, "re");
	if (f == NULL)
		return n;
	if (fscanf(f, "%d", &n) != 1)
		n = SOMAXCONN;
	(void)fclose(f);
	return n;
}

static int
slot_listen(const struct listener *l, struct slot *s)
{
	int most = somaxconn();

	if (listen(s->fd, l->url.backlog > 0 ? l->url.backlog : most) == -1)
		return -1;
	s->is_listening = true;
	return 0;
}

/* The path exists now: its owner, and the inode by which we know it again. */
static int
claim_path(struct listener *l, struct err *err)
{
	const char *path = l->url.path;
	unsigned uid, gid;
	struct stat st;
	int fd, rc = 0;

	if (path[0] == '@')
		return 0;
	fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1) {
		closefd(&fd);
		return err_sys(err, "unix path %s", path);
	}
	/* In a folder that others can write, something else may stand there
	 * by now: it must not get our owner. */
	if (!S_ISSOCK(st.st_mode)) {
		closefd(&fd);
		return err_set(err, EXIT_CANT_CREATE,
		    "%s was replaced by something else", path);
	}
	l->owns_path = true;
	l->path_dev = st.st_dev;
	l->path_ino = st.st_ino;
	if (l->url.owner[0] != '\0' &&
	    sscanf(l->url.owner, "%u:%u", &uid, &gid) == 2)
		rc = fchownat(fd, "", uid, gid, AT_EMPTY_PATH);
	if (rc == -1)
		err_sys(err, "owner=%s of %s", l->url.owner, path);
	closefd(&fd);
	return rc;
}

/* The kernel chose the port: every later slot must have the same. */
static int
learn_port(struct listener *l, struct err *err)
{
	struct addr a = { .len = sizeof(a.u) };

	if (getsockname(l->slots[0].fd, &a.u.sa, &a.len) == -1)
		return err_sys(err, "getsockname");
	l->url.port = addr_port(&a);
	addr_set_port(&l->addr, l->url.port);
	return 0;
}

/*
 * Slot 0 is bound without SO_REUSEPORT, so that a busy port is an error, and
 * listens before it gets the flag that lets our other slots join.
 */
static int
open_first(struct master *m, struct listener *l, struct err *err)
{
	bool share = l->url.reuseport == URL_TRUE || overlaps_ours(m, l);
	char text[URL_TEXT_MAX];
	struct slot *s = &l->slots[0];

	if (l->url.scheme == URL_UNIX &&
	    unixpath_clear(&l->addr,
		url_print_short(&l->url, text, sizeof(text)), err) == -1)
		return -1;
	s->fd = open_socket(l, share, err);
	if (s->fd == -1)
		return -1;
	/* At once: a path that nobody listens on looks stale to others. */
	if (slot_listen(l, s) == -1)
		return explain_bind(l, err);
	if (l->url.scheme == URL_UNIX ? claim_path(l, err) == -1
				      : learn_port(l, err) == -1)
		return -1;
	if (l->has_slot_per_place &&
	    set_int(s->fd, SOL_SOCKET, SO_REUSEPORT, 1) == -1)
		return err_sys(err, "SO_REUSEPORT");
	return 0;
}

static int
listener_open(struct master *m, struct listener *l, struct err *err)
{
	static uint32_t next_id;
	size_t i;

	l->slots = calloc(l->nslots, sizeof(*l->slots));
	if (l->slots == NULL)
		return err_sys(err, "memory for %zu sockets", l->nslots);
	for (i = 0; i < l->nslots; i++)
		l->slots[i] = (struct slot){
			.id = next_id++,
			.fd = -1,
			.place = l->has_slot_per_place ? (int)i : -1,
		};
	if (url_addr(&l->url, &l->addr, err) == -1 ||
	    open_first(m, l, err) == -1)
		return -1;
	/* These get no connection before they listen: see
	 * listener_listen(). */
	for (i = 1; i < l->nslots; i++) {
		l->slots[i].fd = open_socket(l, true, err);
		if (l->slots[i].fd == -1)
			return -1;
	}
	return 0;
}

static void
listener_close(struct listener *l)
{
	size_t i;

	for (i = 0; i < l->nslots && l->slots != NULL; i++) {
		/* A copy leaked to any process would go on swallowing
		 * connections: close() alone is not enough. */
		if (l->slots[i].fd != -1 && l->slots[i].is_listening)
			(void)shutdown(l->slots[i].fd, SHUT_RDWR);
		closefd(&l->slots[i].fd);
	}
	free(l->slots);
	l->slots = NULL;
	if (l->owns_path)
		unixpath_remove(l->url.path, l->path_dev, l->path_ino);
	l->owns_path = false;
}

static size_t
count_listens(const struct conf *conf)
{
	size_t i, n = 0;

	for (i = 0; i < conf->nservers; i++)
		n += conf->servers[i].nlistens;
	return n;
}

static void
describe(struct master *m, struct listener *l, size_t server, size_t listen)
{
	const struct url *url = &m->conf->servers[server].listens[listen];

	*l = (struct listener){
		.url = *url,
		.server = (uint32_t)server,
		.listen = (uint32_t)listen,
		.has_slot_per_place =
		    policy_has_slot_per_place(url, m->conf->accept, m->nplaces),
	};
	l->nslots = l->has_slot_per_place ? (size_t)m->nplaces : 1;
}

static void
warn_of_backlogs(const struct master *m)
{
	size_t i;

	for (i = 0; i < m->nlisteners; i++)
		if (m->listeners[i].url.backlog > somaxconn())
			log_warn("backlog=%d: the kernel allows %d; raise "
				 "net.core.somaxconn",
			    m->listeners[i].url.backlog, somaxconn());
}

int
listener_open_all(struct master *m, struct err *err)
{
	size_t i, k;

	m->listeners = calloc(count_listens(m->conf), sizeof(*m->listeners));
	if (m->listeners == NULL)
		return err_sys(err, "memory for listeners");
	for (i = 0; i < m->conf->nservers; i++)
		for (k = 0; k < m->conf->servers[i].nlistens; k++) {
			struct listener *l = &m->listeners[m->nlisteners++];

			describe(m, l, i, k);
			if (listener_open(m, l, err) == -1) {
				if (err->sys == EADDRINUSE)
					m->busy = l->addr;
				listener_close_all(m);
				return -1;
			}
		}
	warn_of_backlogs(m);
	return 0;
}

void
listener_close_all(struct master *m)
{
	while (m->nlisteners > 0)
		listener_close(&m->listeners[--m->nlisteners]);
	free(m->listeners);
	m->listeners = NULL;
}

size_t
listener_heritage(const struct master *m, int place, struct heritage_slot *out,
    size_t max)
{
	size_t i;

	assert(m->nlisteners <= max);
	for (i = 0; i < m->nlisteners; i++) {
		const struct listener *l = &m->listeners[i];
		const struct slot *s =
		    &l->slots[l->has_slot_per_place ? place : 0];

		out[i] = (struct heritage_slot){
			.id = s->id,
			.server = l->server,
			.listen = l->listen,
			.fd = s->fd,
		};
	}
	return m->nlisteners;
}

void
listener_listen(struct master *m, int place)
{
	size_t i;

	for (i = 0; i < m->nlisteners; i++) {
		struct listener *l = &m->listeners[i];
		struct slot *s = &l->slots[l->has_slot_per_place ? place : 0];

		if (!s->is_listening && slot_listen(l, s) == -1)
			log_sys(LOG_ERROR, "listen for child %d", place);
	}
}

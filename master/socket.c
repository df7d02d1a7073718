/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * socket.c: one listening socket: made, bound, tuned, retired. Runs in the
 * master; who polls it is slot.c's business, and which there are listener.c's.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/datagram.h"
#include "master/heir.h"
#include "master/master.h"

#define SOMAXCONN_FILE "/proc/sys/net/core/somaxconn"

/* An integer socket option of a listener; when it is wanted, its value. */
static const struct {
	const char *name;
	int level, option;
	size_t offset; /* of an int in struct url */
} int_options[] = {
	{ "rcvbuf", SOL_SOCKET, SO_RCVBUF, offsetof(struct url, rcvbuf) },
	{ "sndbuf", SOL_SOCKET, SO_SNDBUF, offsetof(struct url, sndbuf) },
	{ "defer-accept", IPPROTO_TCP, TCP_DEFER_ACCEPT,
	    offsetof(struct url, defer_accept) },
	{ "fastopen", IPPROTO_TCP, TCP_FASTOPEN,
	    offsetof(struct url, fastopen) },
	{ "tos", IPPROTO_IP, IP_TOS, offsetof(struct url, tos) },
	{ "tos", IPPROTO_IPV6, IPV6_TCLASS, offsetof(struct url, tos) },
};

static int
set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

static int
get_int(const struct url *url, size_t option)
{
	int value;

	(void)memcpy(&value, (const char *)url + int_options[option].offset,
	    sizeof(value));
	return value;
}

int
socket_tune(int fd, const struct url *url, const struct url *before,
    struct err *err)
{
	size_t i;

	for (i = 0; i < nitems(int_options); i++) {
		int value = get_int(url, i);

		if (value == 0 && (before == NULL || get_int(before, i) == 0))
			continue;
		if (set_int(fd, int_options[i].level, int_options[i].option,
			value) == -1 &&
		    !(errno == ENOPROTOOPT &&
			int_options[i].level == IPPROTO_IPV6))
			return err_sys(err, "%s=%d", int_options[i].name,
			    value);
	}
	return 0;
}

int
socket_check_fixed(const struct listener *l, const struct url *url, bool joins,
    struct err *err)
{
	const struct url *old = &l->url;
	const struct {
		const char *name;
		bool has_changed;
	} fixed[] = {
		{ "device", strcmp(old->device, url->device) != 0 },
		{ "freebind", old->freebind != url->freebind },
		{ "mode", old->mode != url->mode },
		{ "owner", strcmp(old->owner, url->owner) != 0 },
		/* The kernel does not tell what it would have been. */
		{ "rcvbuf", old->rcvbuf != 0 && url->rcvbuf == 0 },
		{ "sndbuf", old->sndbuf != 0 && url->sndbuf == 0 },
		{ "reuseport", joins && url->reuseport == URL_FALSE },
		{ "accept mode", joins && url->reuseport == URL_UNSET },
	};
	char text[URL_TEXT_MAX];
	size_t i;

	for (i = 0; i < nitems(fixed); i++) {
		if (!fixed[i].has_changed)
			continue;
		err_set(err, EXIT_BAD_CONFIG,
		    "%s of %s cannot change at a reload", fixed[i].name,
		    url_print_short(old, text, sizeof(text)));
		return err_hint(err,
		    "listen on another address, or stop the server and start "
		    "it again");
	}
	return 0;
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

/* For UDP SO_REUSEADDR lets a stranger take the port's packets, so it is set
 * only for multicast, which several programs may want to hear. */
static int
set_options(int fd, const struct listener *l, bool share, struct err *err)
{
	const struct url *url = &l->url;

	if (l->addr.u.sa.sa_family == AF_UNIX)
		return socket_tune(fd, url, NULL, err);
	if ((!url_is_udp(url) || url->multicast[0] != '\0') &&
	    set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) == -1)
		return err_sys(err, "SO_REUSEADDR");
	if (url_is_udp(url) && datagram_prepare(fd, &l->addr, err) == -1)
		return -1;
	if (share && set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1) == -1)
		return err_sys(err, "reuseport=true");
	if (l->addr.u.sa.sa_family == AF_INET6 &&
	    set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, !url_is_dual(url)) == -1)
		return err_sys(err, "IPV6_V6ONLY");
	if (url->freebind && set_int(fd, SOL_IP, IP_FREEBIND, 1) == -1)
		return err_sys(err, "freebind=true");
	if (url->device[0] != '\0' &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, url->device,
		(socklen_t)strlen(url->device) + 1) == -1)
		return explain_device(url, err);
	return socket_tune(fd, url, NULL, err);
}

int
socket_explain(const struct listener *l, struct err *err)
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

/* With all its options, and not bound yet. */
static int
make_socket(struct listener *l, bool share, struct err *err)
{
	int type = (url_is_udp(&l->url) ? SOCK_DGRAM : SOCK_STREAM) |
	    SOCK_NONBLOCK | SOCK_CLOEXEC;
	char text[URL_TEXT_MAX];
	int fd;

	fd = socket(l->addr.u.sa.sa_family, type, 0);
	if (fd == -1 && errno == EAFNOSUPPORT && url_is_dual(&l->url)) {
		/* A kernel without IPv6. */
		(void)addr_from_ip(&l->addr, "0.0.0.0", l->url.port);
		fd = socket(AF_INET, type, 0);
	}
	if (fd == -1)
		return err_sys(err, "socket");
	if (set_options(fd, l, share, err) == -1) {
		closefd(&fd);
		return err_prefix(err, "listen on %s",
		    url_print_short(&l->url, text, sizeof(text)));
	}
	return fd;
}

int
socket_learn(struct listener *l, struct err *err)
{
	bool share = l->has_slot_per_place || l->url.reuseport == URL_TRUE ||
	    l->steer.is_blind;
	int fd = make_socket(l, share, err);

	if (fd == -1)
		return -1;
	audit_learn(&l->audit, fd, &l->addr, socket_backlog(l));
	heir_learn(l);
	closefd(&fd);
	return 0;
}

int
socket_open(struct listener *l, bool share, struct err *err)
{
	int fd = make_socket(l, share, err);

	if (fd == -1 || url_is_udp(&l->url))
		return fd;
	if (bind_socket(fd, l) == -1) {
		socket_explain(l, err);
		closefd(&fd);
	}
	return fd;
}

int
socket_backlog_max(void)
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

int
socket_backlog(const struct listener *l)
{
	int most = socket_backlog_max();

	return l->url.backlog > 0 ? l->url.backlog : most;
}

int
socket_share(int fd)
{
	return set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
}

/* One that was handed over is bound already. */
static bool
is_bound(int fd)
{
	struct addr a = { .len = sizeof(a.u) };

	return getsockname(fd, &a.u.sa, &a.len) == 0 && addr_port(&a) != 0;
}

bool
socket_can_be_joined(const struct listener *l, struct err *err)
{
	struct stat st;

	if (!url_is_udp(&l->url) || l->nslots == 0 ||
	    !l->slots[0].is_inherited ||
	    (fstat(l->slots[0].fd, &st) == 0 && st.st_uid == geteuid()))
		return true;
	errno = EADDRINUSE;
	(void)err_sys(err, "join the socket that was handed over");
	return false;
}

int
socket_listen(struct listener *l, struct slot *s)
{
	struct err err;
	int rc;

	if (url_is_udp(&l->url))
		rc = is_bound(s->fd) ? 0 : bind_socket(s->fd, l);
	else
		rc = listen(s->fd, socket_backlog(l));
	if (rc == -1)
		return -1;
	/* One that listens already only takes a new backlog. */
	if (!s->is_listening && l->url.scheme != URL_UNIX &&
	    steer_on_listen(&l->steer, s->id, s->fd, &err) == -1)
		log_warn("slot %u: cannot be steered: %s", (unsigned)s->id,
		    err.text);
	s->is_listening = true;
	return 0;
}

/*
 * A copy leaked to any process would go on swallowing connections: close()
 * alone is not enough. A UDP socket that is shut down goes on receiving, but
 * not when it is bound to a device that there never will be; that takes it out
 * of its group, too, and what it has received stays. Its children see from the
 * rest that it is over.
 */
bool
socket_shut(const struct listener *l, const struct slot *s)
{
	bool is_deaf = !url_is_udp(&l->url) ||
	    set_int(s->fd, SOL_SOCKET, SO_BINDTOIFINDEX, INT_MAX) == 0;

	/* Answers to what it has received must go out. */
	if (is_deaf)
		(void)shutdown(s->fd,
		    url_is_udp(&l->url) ? SHUT_RD : SHUT_RDWR);
	return is_deaf;
}

void
socket_retire(struct listener *l, struct slot *s)
{
	if (s->fd != -1 && s->is_listening && !heir_is_lent(l, s))
		(void)socket_shut(l, s);
	steer_on_close(&l->steer, s->id);
	s->is_listening = false;
	closefd(&s->fd);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control.c: the control socket: made, bound, accepting. Runs in the master;
 * owns the socket, its path and the list of its clients. A client that is
 * slow, idle or gone costs one of CONTROL_CLIENTS_MAX seats for a bounded time
 * and blocks nobody.
 */
#include "master/control.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <poll.h>
#include <stdlib.h>

#include <bsd/string.h>

#include "shared/wire.h"

#include "master/client.h"
#include "master/folder.h"
#include "master/master.h"

#define RETRY_S 1.0       /* when nobody can be accepted */
#define REFUSALS_LOGGED 5 /* in a second */
#define QUEUE_MAX 128     /* a full queue turns clients away at once */

struct control {
	struct master *master;
	struct ev_loop *loop;
	int fd;
	dev_t dev; /* of the path that we made */
	ino_t ino;
	bool is_paused; /* nothing was left to accept with */
	struct client_list clients;
	int nclients;
	struct log_limit refusals;
	ev_io accept_w;
	ev_timer retry_w;
};

/* Accept while there is a seat: further clients wait in the queue. */
static void
update_accept(struct control *c)
{
	if (!c->is_paused && c->nclients < CONTROL_CLIENTS_MAX) {
		ev_io_start(c->loop, &c->accept_w);
		ev_timer_stop(c->loop, &c->retry_w);
		return;
	}
	ev_io_stop(c->loop, &c->accept_w);
	if (!ev_is_active(&c->retry_w))
		ev_timer_again(c->loop, &c->retry_w);
}

/* Only our own user and root may speak to us, whatever the path's mode. */
static bool
is_welcome(struct control *c, const struct ucred *peer)
{
	unsigned missed;

	if (peer->uid == 0 || peer->uid == geteuid())
		return true;
	if (log_limit_pass(&c->refusals, &missed))
		log_warn("control: refused uid %lu pid %ld",
		    (unsigned long)peer->uid, (long)peer->pid);
	return false;
}

static void
take_client(struct control *c, int fd)
{
	socklen_t len = sizeof(struct ucred);
	struct client *cl;
	struct ucred peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1 ||
	    !is_welcome(c, &peer)) {
		closefd(&fd);
		return;
	}
	cl = client_new(c, c->master, fd, &peer);
	if (cl == NULL) {
		log_sys(LOG_ERROR, "control: client pid %ld", (long)peer.pid);
		closefd(&fd);
		return;
	}
	TAILQ_INSERT_TAIL(&c->clients, cl, entry);
	c->nclients++;
}

void
control_on_leave(struct control *c, struct client *cl)
{
	TAILQ_REMOVE(&c->clients, cl, entry);
	c->nclients--;
	update_accept(c);
}

static void
on_accept(struct ev_loop *loop, ev_io *w, int revents)
{
	struct control *c = w->data;
	int fd, tries;

	(void)loop;
	(void)revents;
	for (tries = c->nclients; tries < CONTROL_CLIENTS_MAX; tries++) {
		fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd != -1) {
			take_client(c, fd);
			continue;
		}
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			break;
		/* The client stays queued and the socket readable: to go on
		 * would spin. */
		log_sys(LOG_WARN, "control: accept");
		c->is_paused = true;
		break;
	}
	update_accept(c);
}

/* Somebody stands in the queue and no seat is free: those who took one and
 * say nothing give it up before their patience is over. */
static void
make_room(struct control *c)
{
	struct pollfd queue = { .fd = c->fd, .events = POLLIN };
	struct client *cl, *next;

	if (poll(&queue, 1, 0) != 1)
		return;
	TAILQ_FOREACH_SAFE(cl, &c->clients, entry, next)
		client_hurry(cl);
}

static void
on_retry(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct control *c = w->data;

	(void)loop;
	(void)revents;
	c->is_paused = false;
	if (c->nclients >= CONTROL_CLIENTS_MAX)
		make_room(c);
	update_accept(c);
}

/* Make the path; the socket has its mode before anybody can see it. */
static int
bind_path(struct control *c, const struct addr *a, const char *path,
    struct err *err)
{
	struct stat st;

	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd == -1)
		return err_sys(err, "socket for %s", path);
	if (fchmod(c->fd, S_IRUSR | S_IWUSR) == -1)
		return err_sys(err, "mode of %s", path);
	if (bind(c->fd, &a->u.sa, a->len) == -1) {
		err_sys(err, "bind %s", path);
		if (err->code == EXIT_SYSTEM)
			err->code = EXIT_CANT_CREATE;
		return -1;
	}
	if (lstat(path, &st) == -1)
		return err_sys(err, "look at %s", path);
	c->dev = st.st_dev;
	c->ino = st.st_ino;
	if (listen(c->fd, QUEUE_MAX) == -1) {
		err_sys(err, "listen on %s", path);
		unixpath_remove(path, c->dev, c->ino);
		return -1;
	}
	return 0;
}

static int
open_path(struct control *c, const char *path, struct err *err)
{
	struct addr a;

	if (path[0] == '@') {
		err_set(err, EXIT_BAD_CONFIG,
		    "%s is an abstract name, which has no mode", path);
		return err_hint(err, "name a path, such as ./%s", path + 1);
	}
	if (addr_from_path(&a, path, err) == -1 ||
	    folder_check(path, err) == -1 ||
	    unixpath_clear(&a, path, err) == -1)
		return -1;
	return bind_path(c, &a, path, err);
}

static void
control_watch(struct control *c)
{
	ev_io_init(&c->accept_w, on_accept, c->fd, EV_READ);
	ev_timer_init(&c->retry_w, on_retry, 0, RETRY_S);
	c->accept_w.data = c;
	c->retry_w.data = c;
	update_accept(c);
}

struct control *
control_open(struct master *m, const char *path, struct err *err)
{
	char standard[sizeof(m->control_path) * 2];
	struct control *c;

	if (path == NULL) {
		path = wire_default_path(standard, sizeof(standard));
		/* The folder above is this user's own, or root's. */
		if (folder_make(path, geteuid() == 0 ? 0755 : 0700, err) == -1)
			return NULL;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL) {
		err_sys(err, "memory for the control socket");
		return NULL;
	}
	c->fd = -1;
	c->master = m;
	c->loop = m->loop;
	c->refusals.burst = REFUSALS_LOGGED;
	TAILQ_INIT(&c->clients);
	if (open_path(c, path, err) == -1) {
		err_prefix(err, "control socket");
		closefd(&c->fd);
		free(c);
		return NULL;
	}
	(void)strlcpy(m->control_path, path, sizeof(m->control_path));
	control_watch(c);
	return c;
}

/* ---- from image to image ---- */

/* clang-format off */
#define T struct control
static const struct field control_fields[] = {
	FIELD_OF(1, FIELD_FD, T, fd, 0, 0),
	FIELD_OF(2, FIELD_INT, T, dev, 0, INT64_MAX),
	FIELD_OF(3, FIELD_INT, T, ino, 0, INT64_MAX),
};
#undef T
/* clang-format on */
enum {
	TAG_CLIENT = 100, /* nest: client.c's */
	TAG_PATH = 101,
};

void
control_save(const struct control *c, struct tlv_writer *w,
    struct field_fds *fds)
{
	const struct client *cl;

	field_write(w, control_fields, nitems(control_fields), c, fds);
	tlv_put_text(w, TAG_PATH, c->master->control_path);
	TAILQ_FOREACH(cl, &c->clients, entry) {
		tlv_nest(w, TAG_CLIENT);
		client_save(cl, w, fds);
		tlv_unnest(w);
	}
}

/* A client that cannot be taken up is only one client. */
static void
load_client(struct control *c, const struct tlv *nest)
{
	struct client *cl;
	struct err err;

	cl = client_load(c, c->master, nest, &err);
	if (cl == NULL) {
		log_warn("control: a client was lost: %s", err.text);
		return;
	}
	TAILQ_INSERT_TAIL(&c->clients, cl, entry);
	c->nclients++;
}

struct control *
control_load(struct master *m, const struct tlv *nest, struct err *err)
{
	struct control *c = calloc(1, sizeof(*c));
	const char *path = tlv_text(nest, TAG_PATH);
	struct tlv entry = { .bytes = NULL };

	if (c == NULL) {
		err_sys(err, "memory for the control socket");
		return NULL;
	}
	c->fd = -1;
	if (path == NULL ||
	    field_read(nest, control_fields, nitems(control_fields), c, false,
		err) == -1 ||
	    c->fd == -1) {
		err_set(err, EXIT_SYSTEM, "the control socket is missing");
		free(c);
		return NULL;
	}
	c->master = m;
	c->loop = m->loop;
	c->refusals.burst = REFUSALS_LOGGED;
	TAILQ_INIT(&c->clients);
	(void)strlcpy(m->control_path, path, sizeof(m->control_path));
	while (tlv_next(nest, &entry))
		if (entry.tag == TAG_CLIENT)
			load_client(c, &entry);
	control_watch(c);
	return c;
}

void
control_close(struct control **cp)
{
	struct control *c = *cp;
	struct client *cl, *next;

	if (c == NULL)
		return;
	TAILQ_FOREACH_SAFE(cl, &c->clients, entry, next)
		client_end(cl);
	ev_io_stop(c->loop, &c->accept_w);
	ev_timer_stop(c->loop, &c->retry_w);
	closefd(&c->fd);
	unixpath_remove(c->master->control_path, c->dev, c->ino);
	c->master->control_path[0] = '\0';
	free(c);
	*cp = NULL;
}

void
control_abandon(struct control *c)
{
	struct client *cl;

	ev_io_stop(c->loop, &c->accept_w);
	ev_timer_stop(c->loop, &c->retry_w);
	TAILQ_FOREACH(cl, &c->clients, entry)
		client_abandon(cl);
}

void
control_on_change(struct control *c)
{
	struct client *cl, *next;

	TAILQ_FOREACH_SAFE(cl, &c->clients, entry, next)
		client_on_change(cl);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * notify.c: datagrams to the service manager. Runs in the master; owns one
 * socket, the messages that had to wait, and the timer of the watchdog. It
 * never waits for the service manager and takes nothing from it.
 */
#include "master/notify.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>

#include "master/fdname.h"
#include "shared/log.h"

#define TEXT_MAX 512
#define RETRY_S 0.1
/* Each slot's name can wait twice; a service manager that reads nothing must
 * not cost memory without end. */
#define QUEUE_MAX 8192

struct notify_message {
	char text[TEXT_MAX];
	size_t kind; /* bytes of the text that say what it is about */
	int fd;      /* our copy of what goes with it, or -1 */
	TAILQ_ENTRY(notify_message) entry;
};

/* Filled before main() does anything else, while the process that was started
 * is this one. */
static struct notify_manager manager;

/* ---- the environment ---- */

static void
take_watchdog(void)
{
	const char *period = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID"), *wrong;
	long long us;

	if (period == NULL ||
	    (pid != NULL && strtonum(pid, 1, INT32_MAX, &wrong) != getpid()))
		return;
	us = strtonum(period, 1, INT64_MAX / 1000, &wrong);
	if (wrong == NULL)
		manager.watchdog_us = (uint64_t)us;
}

void
notify_take_environment(void)
{
	static const char *const names[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC",
		"WATCHDOG_PID", "FDSTORE" };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t i;

	manager = (struct notify_manager){ .started = getpid() };
	take_watchdog();
	if (path != NULL)
		(void)strlcpy(manager.socket, path, sizeof(manager.socket));
	for (i = 0; i < nitems(names); i++)
		(void)unsetenv(names[i]);
}

const struct notify_manager *
notify_manager(void)
{
	return &manager;
}

void
notify_set_manager(const struct notify_manager *m)
{
	manager = *m;
}

/* ---- one message ---- */

static ssize_t
send_now(struct notify *n, struct notify_message *m)
{
	struct iovec iov = { .iov_base = m->text, .iov_len = strlen(m->text) };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = {
		.msg_name = &n->addr.u.sa,
		.msg_namelen = n->addr.len,
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};
	struct cmsghdr *cmsg;
	ssize_t sent;

	if (m->fd != -1) {
		(void)memset(&control, 0, sizeof(control));
		msg.msg_control = control.room;
		msg.msg_controllen = sizeof(control.room);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		(void)memcpy(CMSG_DATA(cmsg), &m->fd, sizeof(m->fd));
	}
	do
		sent = sendmsg(n->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent == -1 && errno == EINTR);
	return sent;
}

/* The service goes on without: once is enough. */
static void
complain(struct notify *n, const struct notify_message *m)
{
	if (!n->has_failed)
		log_sys(LOG_WARN, "tell the service manager %.*s",
		    (int)strcspn(m->text, "\n"), m->text);
	n->has_failed = true;
}

/* Is there no room for now? The last one is a limit on descriptors that are
 * under way. */
static bool
is_full(int sys)
{
	return sys == EAGAIN || sys == ENOBUFS || sys == ETOOMANYREFS;
}

/* False: it must be sent again. */
static bool
is_done(struct notify *n, struct notify_message *m)
{
	if (send_now(n, m) != -1)
		n->has_failed = false;
	else if (is_full(errno))
		return false;
	else
		complain(n, m);
	return true;
}

/* ---- those that wait ---- */

static void
drop(struct notify *n, struct notify_message *m)
{
	TAILQ_REMOVE(&n->queue, m, entry);
	n->queued--;
	closefd(&m->fd);
	free(m);
}

static void
flush(struct notify *n)
{
	struct notify_message *m;

	while ((m = TAILQ_FIRST(&n->queue)) != NULL && is_done(n, m))
		drop(n, m);
	if (m == NULL)
		ev_timer_stop(n->loop, &n->retry_w);
}

static void
on_retry(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	flush(w->data);
}

/* What is older and about the same is news no more. */
static void
drop_older(struct notify *n, const struct notify_message *m)
{
	struct notify_message *other, *next;

	TAILQ_FOREACH_SAFE(other, &n->queue, entry, next)
		if (other->kind == m->kind &&
		    memcmp(other->text, m->text, m->kind) == 0)
			drop(n, other);
}

static void
keep(struct notify *n, const struct notify_message *m)
{
	struct notify_message *copy = NULL;

	drop_older(n, m);
	errno = ENOBUFS;
	if (n->queued < QUEUE_MAX)
		copy = malloc(sizeof(*copy));
	if (copy == NULL) {
		complain(n, m);
		return;
	}
	*copy = *m;
	if (m->fd != -1) {
		copy->fd = fcntl(m->fd, F_DUPFD_CLOEXEC, 0);
		if (copy->fd == -1) {
			complain(n, m);
			free(copy);
			return;
		}
	}
	TAILQ_INSERT_TAIL(&n->queue, copy, entry);
	n->queued++;
	if (!ev_is_active(&n->retry_w))
		ev_timer_again(n->loop, &n->retry_w);
}

/* ---- what is said ---- */

bool
notify_has_manager(const struct notify *n)
{
	return n->loop != NULL && n->fd != -1;
}

/* The kind is the text up to its last '=' but one: of "FDNAME=a\nFDSTORE=1"
 * all but the "1", of "STATUS=..." the word. */
static size_t
kind_of(const char *text)
{
	size_t first = strcspn(text, "=") + 1;

	if (strncmp(text, "FDNAME=", first) == 0)
		first += strcspn(text + first, "=") + 1;
	return first;
}

static void __attribute__((format(printf, 3, 4)))
tell(struct notify *n, int fd, const char *fmt, ...)
{
	struct notify_message m = { .fd = fd };
	va_list ap;

	if (!notify_has_manager(n))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(m.text, sizeof(m.text), fmt, ap);
	va_end(ap);
	m.kind = kind_of(m.text);
	if (n->queued > 0 || !is_done(n, &m))
		keep(n, &m);
}

void
notify_ready(struct notify *n)
{
	pid_t self = getpid();

	if (self == manager.started)
		tell(n, -1, "READY=1");
	else
		tell(n, -1, "READY=1\nMAINPID=%ld", (long)self);
}

void
notify_reloading(struct notify *n)
{
	tell(n, -1, "RELOADING=1\nMONOTONIC_USEC=%llu",
	    (unsigned long long)(mono_ns() / 1000));
}

void
notify_stopping(struct notify *n)
{
	tell(n, -1, "STOPPING=1");
}

void
notify_status(struct notify *n, const char *fmt, ...)
{
	char text[sizeof(n->status)];
	va_list ap;
	size_t i;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* A newline would begin the next assignment. */
	for (i = 0; text[i] != '\0'; i++)
		if (text[i] < ' ' || text[i] > '~')
			text[i] = '?';
	if (strcmp(text, n->status) == 0)
		return;
	(void)strlcpy(n->status, text, sizeof(n->status));
	tell(n, -1, "STATUS=%s", text);
}

void
notify_extend(struct notify *n, double seconds)
{
	tell(n, -1, "EXTEND_TIMEOUT_USEC=%.0f", seconds * 1e6);
}

void
notify_store(struct notify *n, int fd, const struct url *url, unsigned index)
{
	char name[FDNAME_MAX];

	/* Without FDPOLL=0 a socket that somebody shut down would leave the
	 * store by itself, and with it the address. */
	tell(n, fd, "FDNAME=%s\nFDSTORE=1\nFDPOLL=0",
	    fdname_print(url, index, name));
}

void
notify_unstore(struct notify *n, const struct url *url, unsigned index)
{
	char name[FDNAME_MAX];

	notify_unstore_name(n, fdname_print(url, index, name));
}

void
notify_unstore_name(struct notify *n, const char *name)
{
	tell(n, -1, "FDNAME=%s\nFDSTOREREMOVE=1", name);
}

/* ---- the watchdog ---- */

/*
 * Four ticks in its time. A tick that comes after more than two of them is
 * late, and so are we: the next one may tell. What is told late for want of
 * room is worth nothing, and is not kept.
 */
void
notify_tick(struct notify *n, uint64_t now, bool is_healthy)
{
	struct notify_message m = { .text = "WATCHDOG=1", .fd = -1 };
	bool is_late = now - n->tick_ns > n->watchdog_ns / 2;

	n->tick_ns = now;
	if (!notify_has_manager(n) || is_late || !is_healthy ||
	    now - n->ping_ns < n->watchdog_ns / 2 - n->watchdog_ns / 8)
		return;
	if (is_done(n, &m))
		n->ping_ns = now;
}

static void
on_watchdog(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct notify *n = w->data;

	(void)loop;
	(void)revents;
	notify_tick(n, mono_ns(), n->is_healthy(n->arg));
}

static void
start_watchdog(struct notify *n)
{
	double period = (double)manager.watchdog_us / 4e6;

	if (manager.watchdog_us == 0)
		return;
	n->watchdog_ns = manager.watchdog_us * 1000;
	n->tick_ns = mono_ns();
	ev_timer_init(&n->watchdog_w, on_watchdog, period, period);
	n->watchdog_w.data = n;
	ev_timer_start(n->loop, &n->watchdog_w);
}

/* ---- the way ---- */

static int
open_way(struct notify *n, struct err *err)
{
	const char *path = manager.socket;

	/* Others are for virtual machines: "vsock:2:1234". */
	if (path[0] != '/' && path[0] != '@')
		return err_set(err, EXIT_SYSTEM, "is no unix socket");
	if (addr_from_path(&n->addr, path, err) == -1)
		return -1;
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return n->fd == -1 ? err_sys(err, "socket") : 0;
}

void
notify_init(struct notify *n, struct ev_loop *loop, bool (*is_healthy)(void *),
    void *arg)
{
	struct err err;

	*n = (struct notify){
		.loop = loop,
		.fd = -1,
		.is_healthy = is_healthy,
		.arg = arg,
	};
	TAILQ_INIT(&n->queue);
	ev_timer_init(&n->retry_w, on_retry, RETRY_S, RETRY_S);
	n->retry_w.data = n;
	if (manager.socket[0] == '\0')
		return;
	if (open_way(n, &err) == -1)
		log_warn("service manager's socket %s: %s", manager.socket,
		    err.text);
	else
		start_watchdog(n);
}

void
notify_fini(struct notify *n)
{
	struct notify_message *m;

	if (!notify_has_manager(n))
		return;
	flush(n);
	while ((m = TAILQ_FIRST(&n->queue)) != NULL)
		drop(n, m);
	ev_timer_stop(n->loop, &n->retry_w);
	ev_timer_stop(n->loop, &n->watchdog_w);
	closefd(&n->fd);
}

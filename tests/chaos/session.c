/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session.c: a connection of the chaos client: its socket, its beginning, its
 * end, and the name of its failure. What is asked and whether the answer is
 * right is the business of the kinds (asker.c, echoer.c, packeter.c).
 */
#include "client.h"

#include <sys/epoll.h>
#include <sys/stat.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <err.h>

static void
on_due(void *owner, uint64_t now)
{
	struct session *s = owner;

	s->load->kind->due(s, now);
}

struct session *
session_new(struct load *l, uint64_t serial)
{
	struct session *s = STAILQ_FIRST(&l->unused);

	if (s == NULL)
		errx(1, "more than %d connections at once", SESSIONS);
	STAILQ_REMOVE_HEAD(&l->unused, entry);
	*s = (struct session){ .load = l, .fd = -1, .serial = serial };
	s->rng = l->seed + serial;
	s->item.owner = s;
	s->item.fn = on_due;
	l->active++;
	return s;
}

uint64_t
session_random(struct session *s, uint64_t low, uint64_t high)
{
	uint64_t n = client_random(&s->rng);

	return low >= high ? low : low + n % (high - low);
}

/* What names this connection to who looks at the server from outside. */
static uint64_t
name_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct stat st;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) == -1)
		err(1, "getsockname");
	if (ss.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&ss)->sin_port);
	if (fstat(fd, &st) == -1)
		err(1, "fstat");
	return st.st_ino;
}

void
session_connect(struct session *s)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT };
	struct load *l = s->load;
	int on = 1, error = 0;

	s->fd = socket(l->addr.ss_family,
	    (l->kind->is_packets ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK |
		SOCK_CLOEXEC,
	    0);
	if (s->fd == -1)
		err(1, "socket");
	if (l->addr.ss_family == AF_INET && !l->kind->is_packets &&
	    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == -1)
		err(1, "TCP_NODELAY");
	s->phase = PHASE_CONNECTING;
	s->begun_ns = mono_ns();
	s->sent = 0;
	s->received = 0;
	s->asked = 0;
	s->waiting = 0;
	s->have = 0;
	s->is_closing = false;
	l->tally.begun++;
	if (connect(s->fd, (struct sockaddr *)&l->addr, l->addrlen) == -1 &&
	    errno != EINPROGRESS)
		error = errno;
	s->id = name_of(s->fd);
	ev.data.ptr = s;
	if (error == 0 && epoll_ctl(l->epoll, EPOLL_CTL_ADD, s->fd, &ev) == -1)
		err(1, "epoll_ctl");
	if (error != 0)
		session_fail_errno(s, error);
	else
		agenda_set(&l->agenda, &s->item, s->begun_ns + l->timeout_ns);
}

void
session_end(struct session *s)
{
	struct load *l = s->load;

	agenda_remove(&l->agenda, &s->item);
	closefd(&s->fd);
	s->phase = PHASE_NONE;
	if (l->kind->stays && !l->is_ending) {
		agenda_set(&l->agenda, &s->item, MAX_OF(s->due_ns, mono_ns()));
		return;
	}
	l->active--;
	/* At the tail: an event of this turn that still names it finds it
	 * without a connection. */
	STAILQ_INSERT_TAIL(&l->unused, s, entry);
}

void
session_fail(struct session *s, enum failure kind, int error)
{
	uint64_t now = mono_ns();

	tally_failure(s, kind, error);
	if (s->load->kind->stays)
		s->due_ns = MAX_OF(s->due_ns +
			session_random(s, s->load->gap_min_ns,
			    s->load->gap_max_ns),
		    now);
	session_end(s);
}

void
session_fail_errno(struct session *s, int error)
{
	switch (error) {
	case ECONNREFUSED:
	case ENOENT: /* the path of a server that has stopped */
		session_fail(s, FAILURE_REFUSED, error);
		break;
	case ECONNRESET:
	case EPIPE:
		session_fail(s,
		    s->phase == PHASE_ANSWERING ? FAILURE_RESET_IN_MIDDLE
						: FAILURE_RESET_BEFORE,
		    error);
		break;
	default:
		session_fail(s, FAILURE_OTHER, error);
	}
}

/* The server has closed. */
static void
at_eof(struct session *s)
{
	struct tally *t = &s->load->tally;

	if (s->phase == PHASE_IDLE && s->load->kind->stays) {
		t->idle_closes++;
		session_end(s);
	} else if (s->load->kind->is_stream && s->sent > 0 &&
	    s->received == s->sent)
		session_fail(s, FAILURE_EARLY, 0);
	else
		session_fail(s, FAILURE_EOF, 0);
}

size_t
session_read(struct session *s, void *to, size_t room, bool *is_over)
{
	ssize_t n = recv(s->fd, to, room, 0);

	*is_over = false;
	if (n > 0) {
		s->received += (uint64_t)n;
		s->load->tally.bytes_down += (uint64_t)n;
		return (size_t)n;
	}
	if (n == -1 && errno == EAGAIN)
		return 0;
	*is_over = true;
	if (n == 0)
		at_eof(s);
	else
		session_fail_errno(s, errno);
	return 0;
}

void
session_on_event(struct session *s, uint32_t events)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = s };
	socklen_t len = sizeof(int);
	uint64_t now = mono_ns();
	int error = 0;

	if (s->phase == PHASE_NONE)
		return;
	if (s->phase != PHASE_CONNECTING) {
		s->load->kind->input(s, now);
		return;
	}
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		err(1, "SO_ERROR");
	if (error != 0) {
		session_fail_errno(s, error);
		return;
	}
	if (!(events & EPOLLOUT))
		return;
	s->load->tally.connected++;
	if (epoll_ctl(s->load->epoll, EPOLL_CTL_MOD, s->fd, &ev) == -1)
		err(1, "epoll_ctl");
	s->phase = PHASE_IDLE;
	s->load->kind->connected(s, now);
}

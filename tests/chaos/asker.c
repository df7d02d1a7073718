/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * asker.c: the HTTP clients of the chaos runs. They ask for one file whose
 * bytes they know and look at every byte of every answer:
 *
 *   fresh      a new connection for each question, or for a few
 *   keepalive  connections that stay, with idle gaps between questions
 *   pipelined  the same, several questions in one write
 *   half-open  connects, and asks only some seconds later
 *   long       a large file, read at a given pace
 *
 * A server may close a connection that stays: by `Connection: close` with an
 * answer, or by FIN while nothing is asked. Once the bytes of a question are in
 * the socket, anything but the answer is a failure, whoever was first: a client
 * cannot know whether its question was obeyed.
 */
#include "client.h"

#include <sys/epoll.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCRATCH (64 * 1024)
#define QUESTION_MAX 256
#define PACE_NS (10 * NSEC_PER_MSEC)

static unsigned char scratch[SCRATCH];

/* One client in two asks the server to close; both ways must work. */
static bool
wants_close(const struct session *s)
{
	return !s->load->kind->stays && s->load->asks == 1 &&
	    s->serial % 2 == 1;
}

static void
watch(struct session *s, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	if (epoll_ctl(s->load->epoll, EPOLL_CTL_MOD, s->fd, &ev) == -1)
		err(1, "epoll_ctl");
}

static void
send_questions(struct session *s, uint64_t now)
{
	struct load *l = s->load;
	uint64_t i;
	size_t one, len;
	ssize_t n;

	one = (size_t)snprintf((char *)scratch, QUESTION_MAX,
	    "GET %s HTTP/1.1\r\nHost: chaos\r\n%s\r\n", l->path,
	    wants_close(s) ? "Connection: close\r\n" : "");
	for (i = 1; i < l->batch; i++)
		memcpy(scratch + i * one, scratch, one);
	len = one * l->batch;
	s->phase = PHASE_SENT;
	s->waiting = (unsigned)l->batch;
	s->have = 0;
	n = send(s->fd, scratch, len, MSG_NOSIGNAL);
	if (n == -1) {
		session_fail_errno(s, errno);
		return;
	}
	if ((size_t)n != len)
		errx(1, "questions of %zu bytes did not go out whole", len);
	s->sent += len;
	s->moved_ns = now;
	l->tally.bytes_up += len;
	agenda_set(&l->agenda, &s->item, s->due_ns + l->timeout_ns);
	if (l->pace > 0) {
		watch(s, 0);
		agenda_set(&l->agenda, &s->item, now + PACE_NS);
	}
}

/* Ask now, on this connection or, if the server has closed it, a new one. */
static void
ask(struct session *s, uint64_t now)
{
	char byte;

	if (s->load->kind->stays &&
	    recv(s->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) {
		/* The FIN was here before the question. */
		s->load->tally.idle_closes++;
		closefd(&s->fd);
		session_connect(s);
		return;
	}
	send_questions(s, now);
}

/* All questions of this turn are answered. */
static void
on_answered(struct session *s, uint64_t now)
{
	struct load *l = s->load;

	if (l->is_ending || (!l->kind->stays && ++s->asked == l->asks)) {
		l->tally.done++;
		session_end(s);
		return;
	}
	s->due_ns += session_random(s, l->gap_min_ns, l->gap_max_ns);
	s->phase = PHASE_IDLE;
	if (s->is_closing)
		session_end(s);
	else
		agenda_set(&l->agenda, &s->item, MAX_OF(s->due_ns, now));
}

/* A field's value in a head, in any case; NULL: not there. */
static const char *
field(const char *head, const char *name)
{
	const char *p = strcasestr(head, name);

	return p == NULL ? NULL : p + strlen(name);
}

/* The head is whole: what it says. -1: it is wrong. */
static int
read_head(struct session *s)
{
	const char *length, *connection;
	struct load *l = s->load;

	s->head[s->have] = '\0';
	length = field(s->head, "\r\ncontent-length: ");
	connection = field(s->head, "\r\nconnection: ");
	if (strncmp(s->head, "HTTP/1.1 200 ", 13) != 0 || length == NULL ||
	    strtoull(length, NULL, 10) != l->bytes)
		return -1;
	if (connection != NULL && strncasecmp(connection, "close", 5) == 0)
		s->is_closing = true;
	s->told_to = l->bytes;
	s->heard = 0;
	return 0;
}

static bool
is_right(const struct session *s, const unsigned char *p, size_t n)
{
	if (s->load->text != NULL)
		return memcmp(p, s->load->text + s->heard, n) == 0;
	return pattern_matches(p, n, 0, s->heard);
}

/* Take what belongs to the head of the answer; returns how much that was, or
 * -1 when it cannot be an answer. */
static ssize_t
feed_head(struct session *s, const unsigned char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (s->have + 1 == sizeof(s->head))
			return -1;
		s->head[s->have++] = (char)p[i];
		if (s->have >= 4 &&
		    memcmp(s->head + s->have - 4, "\r\n\r\n", 4) == 0)
			return read_head(s) == -1 ? -1 : (ssize_t)i + 1;
	}
	return (ssize_t)n;
}

static bool
is_head_whole(const struct session *s)
{
	return s->have >= 4 &&
	    memcmp(s->head + s->have - 4, "\r\n\r\n", 4) == 0;
}

/* Take bytes of answers. -1: they are wrong. */
static int
feed(struct session *s, const unsigned char *p, size_t n, uint64_t now)
{
	ssize_t taken;

	while (n > 0) {
		if (s->waiting == 0)
			return -1;
		if (!is_head_whole(s)) {
			taken = feed_head(s, p, n);
			if (taken == -1)
				return -1;
		} else {
			taken = (ssize_t)MIN_OF(n, s->told_to - s->heard);
			if (!is_right(s, p, (size_t)taken))
				return -1;
			s->heard += (uint64_t)taken;
		}
		p += taken;
		n -= (size_t)taken;
		if (is_head_whole(s) && s->heard == s->told_to) {
			s->load->tally.answers++;
			tally_sample(&s->load->tally, s, now);
			s->waiting--;
			s->have = 0;
		}
	}
	return 0;
}

static void
take(struct session *s, size_t room, uint64_t now)
{
	bool is_over;
	size_t n;

	n = session_read(s, scratch, room, &is_over);
	if (n == 0)
		return;
	if (s->phase == PHASE_SENT)
		s->phase = PHASE_ANSWERING;
	s->moved_ns = now;
	if (feed(s, scratch, n, now) == -1)
		session_fail(s, FAILURE_WRONG_BYTES, 0);
	else if (s->waiting == 0)
		on_answered(s, now);
}

static void
asker_input(struct session *s, uint64_t now)
{
	/* A paced transfer is only told that the connection is over: what is
	 * left of it may be read at once. */
	if (s->load->pace > 0 && s->phase >= PHASE_SENT)
		watch(s, EPOLLIN);
	take(s, sizeof(scratch), now);
}

/* Read what the pace allows by now. */
static void
read_paced(struct session *s, uint64_t now)
{
	struct load *l = s->load;
	uint64_t may = (now - s->due_ns) / NSEC_PER_MSEC * l->pace / 1000;

	agenda_set(&l->agenda, &s->item, now + PACE_NS);
	if (may > s->received)
		take(s, MIN_OF(may - s->received, sizeof(scratch)), now);
}

static void
asker_due(struct session *s, uint64_t now)
{
	switch (s->phase) {
	case PHASE_NONE:
		session_connect(s);
		break;
	case PHASE_IDLE:
		ask(s, now);
		break;
	case PHASE_SENT:
	case PHASE_ANSWERING:
		if (s->load->pace > 0 &&
		    now < s->moved_ns + s->load->timeout_ns) {
			read_paced(s, now);
			break;
		}
		session_fail(s, FAILURE_TIMEOUT, 0);
		break;
	case PHASE_CONNECTING:
	case PHASE_NPHASES:
		session_fail(s, FAILURE_TIMEOUT, 0);
	}
}

static void
asker_connected(struct session *s, uint64_t now)
{
	if (s->due_ns > now)
		agenda_set(&s->load->agenda, &s->item, s->due_ns);
	else
		send_questions(s, now);
}

static void
asker_begin(struct session *s, uint64_t due_ns)
{
	struct load *l = s->load;

	/* Who stays makes the pauses between its questions: the first may come
	 * anywhere in one. */
	s->due_ns = due_ns;
	if (l->kind->stays || l->kind->is_late)
		s->due_ns += session_random(s, l->gap_min_ns, l->gap_max_ns);
	if (l->kind->stays)
		agenda_set(&l->agenda, &s->item, s->due_ns);
	else
		session_connect(s);
}

#define ASKER                                                                  \
	.begin = asker_begin, .connected = asker_connected,                    \
	.input = asker_input, .due = asker_due

const struct kind asker_fresh = { .name = "fresh", ASKER };
const struct kind asker_keepalive = { .name = "keepalive",
	.stays = true,
	ASKER };
const struct kind asker_pipelined = { .name = "pipelined",
	.stays = true,
	ASKER };
const struct kind asker_half_open = { .name = "half-open",
	.is_late = true,
	ASKER };
const struct kind asker_long = { .name = "long", ASKER };

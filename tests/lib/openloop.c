/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * openloop.c: an open-loop client for the system tests. It begins connections
 * on a fixed schedule, whether earlier ones were answered or not, asks `asks`
 * times on each, `gap` ms apart, and compares every byte. Latency counts from
 * the moment that the schedule names, so a server that makes clients wait
 * cannot hide it. Prints one JSON object; every failure is named.
 *
 * usage: openloop http|echo HOST PORT RATE ASKS GAP_MS BODY
 * Runs until its standard input ends, then lets open connections finish.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base.h"

#define NCONNS 4096
#define ANSWER_MAX 4096
#define TIMEOUT_NS (5 * NSEC_PER_SEC)
#define NSEC_PER_MSEC 1000000ULL
#define EVENTS 256
#define SAMPLES (1U << 20)

enum conn_state {
	CONN_FREE,
	CONN_CONNECTING,
	CONN_IDLE,
	CONN_WAITING
};

enum failure {
	FAIL_REFUSED,
	FAIL_RESET,
	FAIL_EOF,
	FAIL_TIMEOUT,
	FAIL_WRONG,
	FAIL_OTHER,
	FAIL_NKINDS
};

static const char *const failure_names[FAIL_NKINDS] = {
	[FAIL_REFUSED] = "refused",
	[FAIL_RESET] = "reset",
	[FAIL_EOF] = "eof",
	[FAIL_TIMEOUT] = "timeout",
	[FAIL_WRONG] = "wrong",
	[FAIL_OTHER] = "other",
};

struct conn {
	enum conn_state state;
	int fd;
	unsigned asked;  /* questions answered so far */
	uint64_t due_ns; /* of the question that is asked or comes next */
	size_t have;
	char answer[ANSWER_MAX];
};

static struct {
	struct sockaddr_in addr;
	bool http, ending;
	unsigned asks;
	uint64_t interval_ns, gap_ns; /* between connections, between asks */
	char question[1024];
	const char *body;
	int epoll;
	uint64_t next_ns; /* when the next connection begins */
	unsigned active;
	struct conn conns[NCONNS];
} run;

static struct {
	unsigned connects, connected, answers, failures[FAIL_NKINDS];
	uint64_t
	    late_ns; /* how far behind its schedule the client itself was */
	unsigned nsamples;
	float ms[SAMPLES];
} seen;

static void
conn_end(struct conn *c)
{
	closefd(&c->fd);
	c->state = CONN_FREE;
	run.active--;
}

static void
conn_fail(struct conn *c, enum failure kind)
{
	seen.failures[kind]++;
	conn_end(c);
}

static void
conn_fail_errno(struct conn *c, int error)
{
	switch (error) {
	case ECONNREFUSED:
		conn_fail(c, FAIL_REFUSED);
		break;
	case ECONNRESET:
	case EPIPE:
		conn_fail(c, FAIL_RESET);
		break;
	default:
		warnx("connection: %s", strerror(error));
		conn_fail(c, FAIL_OTHER);
	}
}

static void
conn_ask(struct conn *c)
{
	size_t len = strlen(run.question);
	ssize_t n;

	c->have = 0;
	c->state = CONN_WAITING;
	n = send(c->fd, run.question, len, MSG_NOSIGNAL);
	if (n == -1)
		conn_fail_errno(c, errno);
	else if ((size_t)n != len)
		errx(1, "a question of %zu bytes did not go out whole", len);
}

static void
conn_answered(struct conn *c, uint64_t now)
{
	seen.answers++;
	if (seen.nsamples < SAMPLES)
		seen.ms[seen.nsamples++] =
		    (float)(now - c->due_ns) / (float)NSEC_PER_MSEC;
	if (++c->asked == run.asks) {
		conn_end(c);
		return;
	}
	c->due_ns += run.gap_ns;
	c->state = CONN_IDLE;
	if (c->due_ns <= now)
		conn_ask(c);
}

/* 1: whole and right, 0: more must come, -1: wrong. */
static int
answer_check(const struct conn *c)
{
	size_t len = strlen(run.body);
	const char *body = c->answer;

	if (run.http) {
		body = memmem(c->answer, c->have, "\r\n\r\n", 4);
		if (body == NULL)
			return 0;
		body += 4;
		if (memcmp(c->answer, "HTTP/1.1 200 ", 13) != 0)
			return -1;
	}
	if ((size_t)(c->answer + c->have - body) < len)
		return 0;
	if ((size_t)(c->answer + c->have - body) > len)
		return -1;
	return memcmp(body, run.body, len) == 0 ? 1 : -1;
}

static void
conn_read(struct conn *c, uint64_t now)
{
	ssize_t n;

	n = recv(c->fd, c->answer + c->have, sizeof(c->answer) - c->have, 0);
	if (n == -1 && errno == EAGAIN)
		return;
	if (n == -1) {
		conn_fail_errno(c, errno);
		return;
	}
	if (n == 0) {
		conn_fail(c, FAIL_EOF);
		return;
	}
	c->have += (size_t)n;
	if (c->state != CONN_WAITING || c->have == sizeof(c->answer)) {
		conn_fail(c, FAIL_WRONG);
		return;
	}
	switch (answer_check(c)) {
	case 1:
		conn_answered(c, now);
		break;
	case -1:
		conn_fail(c, FAIL_WRONG);
		break;
	default:
		break;
	}
}

static void
conn_on_event(struct conn *c, uint32_t events, uint64_t now)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };
	socklen_t len = sizeof(int);
	int error = 0;

	if (c->state == CONN_FREE)
		return;
	if (c->state != CONN_CONNECTING) {
		conn_read(c, now);
		return;
	}
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		err(1, "SO_ERROR");
	if (error != 0) {
		conn_fail_errno(c, error);
		return;
	}
	if (!(events & EPOLLOUT))
		return;
	seen.connected++;
	if (epoll_ctl(run.epoll, EPOLL_CTL_MOD, c->fd, &ev) == -1)
		err(1, "epoll_ctl");
	conn_ask(c);
}

static void
conn_begin(uint64_t due_ns)
{
	struct epoll_event ev = { .events = EPOLLOUT };
	struct conn *c = run.conns;
	int on = 1;

	while (c->state != CONN_FREE)
		if (++c == run.conns + NCONNS)
			errx(1, "more than %d connections at once", NCONNS);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd == -1)
		err(1, "socket");
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->state = CONN_CONNECTING;
	c->asked = 0;
	c->have = 0;
	c->due_ns = due_ns;
	run.active++;
	seen.connects++;
	if (connect(c->fd, (const struct sockaddr *)&run.addr,
		sizeof(run.addr)) == -1 &&
	    errno != EINPROGRESS) {
		conn_fail_errno(c, errno);
		return;
	}
	ev.data.ptr = c;
	if (epoll_ctl(run.epoll, EPOLL_CTL_ADD, c->fd, &ev) == -1)
		err(1, "epoll_ctl");
}

/* Do all that the schedule asks for by now; returns when the next is due. */
static uint64_t
schedule(uint64_t now)
{
	uint64_t next = now + NSEC_PER_SEC;
	struct conn *c;

	while (!run.ending && run.next_ns <= now) {
		seen.late_ns = MAX_OF(seen.late_ns, now - run.next_ns);
		conn_begin(run.next_ns);
		run.next_ns += run.interval_ns;
	}
	if (!run.ending)
		next = MIN_OF(next, run.next_ns);
	for (c = run.conns; c < run.conns + NCONNS; c++) {
		if (c->state == CONN_IDLE && c->due_ns <= now)
			conn_ask(c);
		else if (c->state == CONN_IDLE)
			next = MIN_OF(next, c->due_ns);
		else if (c->state != CONN_FREE && c->due_ns + TIMEOUT_NS <= now)
			conn_fail(c, FAIL_TIMEOUT);
	}
	return next;
}

static void
serve_events(uint64_t until)
{
	struct epoll_event events[EVENTS];
	uint64_t now = mono_ns(), wait = until > now ? until - now : 0;
	struct timespec ts;
	char ignored[64];
	int i, n;

	ts.tv_sec = (time_t)(wait / NSEC_PER_SEC);
	ts.tv_nsec = (long)(wait % NSEC_PER_SEC);
	n = epoll_pwait2(run.epoll, events, EVENTS, &ts, NULL);
	if (n == -1 && errno != EINTR)
		err(1, "epoll_pwait2");
	now = mono_ns();
	for (i = 0; i < n; i++) {
		if (events[i].data.ptr != NULL)
			conn_on_event(events[i].data.ptr, events[i].events,
			    now);
		else if (read(0, ignored, sizeof(ignored)) <= 0) {
			run.ending = true;
			(void)epoll_ctl(run.epoll, EPOLL_CTL_DEL, 0, NULL);
		}
	}
}

static int
sample_order(const void *a, const void *b)
{
	const float *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double
sample_at(double share)
{
	if (seen.nsamples == 0)
		return 0;
	return (double)seen.ms[(unsigned)(share * (seen.nsamples - 1))];
}

static void
report(void)
{
	unsigned i;

	qsort(seen.ms, seen.nsamples, sizeof(seen.ms[0]), sample_order);
	(void)printf("{\"connects\":%u,\"connected\":%u,\"answers\":%u,"
		     "\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,"
		     "\"client_late_ms\":%.3f,\"failures\":{",
	    seen.connects, seen.connected, seen.answers, sample_at(0.5),
	    sample_at(0.99), sample_at(1),
	    (double)seen.late_ns / (double)NSEC_PER_MSEC);
	for (i = 0; i < FAIL_NKINDS; i++)
		(void)printf("%s\"%s\":%u", i == 0 ? "" : ",", failure_names[i],
		    seen.failures[i]);
	(void)printf("}}\n");
}

static void
set_up(char **argv)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };

	run.http = strcmp(argv[1], "http") == 0;
	run.addr.sin_family = AF_INET;
	run.addr.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
	if (inet_pton(AF_INET, argv[2], &run.addr.sin_addr) != 1)
		errx(1, "%s is not an IPv4 address", argv[2]);
	run.asks = (unsigned)strtoul(argv[5], NULL, 10);
	run.gap_ns = strtoull(argv[6], NULL, 10) * NSEC_PER_MSEC;
	run.interval_ns = run.asks * NSEC_PER_SEC / strtoull(argv[4], NULL, 10);
	run.body = argv[7];
	(void)snprintf(run.question, sizeof(run.question), "%s",
	    run.http ? "GET / HTTP/1.1\r\nHost: test\r\n\r\n" : run.body);
	run.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (run.epoll == -1 ||
	    epoll_ctl(run.epoll, EPOLL_CTL_ADD, 0, &ev) == -1)
		err(1, "epoll");
	run.next_ns = mono_ns();
}

int
main(int argc, char **argv)
{
	if (argc != 8)
		errx(2,
		    "usage: openloop http|echo HOST PORT RATE ASKS GAP_MS "
		    "BODY");
	set_up(argv);
	while (!run.ending || run.active > 0)
		serve_events(schedule(mono_ns()));
	report();
	return 0;
}

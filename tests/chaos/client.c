/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.c: the chaos client's options, its loop and its arrivals.
 *
 * usage: client KIND tcp:HOST:PORT|udp:HOST:PORT|unix:PATH [KEY=VALUE]...
 *
 * KIND: fresh keepalive pipelined half-open long echo packets. Runs until its standard
 * input ends, or until there were count= arrivals, then lets what is under way
 * finish. Prints {"started":NS}, a line for each failure, and a line with the
 * sums; all times are CLOCK_MONOTONIC in nanoseconds. Exit code 0 whatever the
 * server did.
 */
#include "client.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <err.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS 256

static const struct kind *const kinds[] = { &asker_fresh, &asker_keepalive,
	&asker_pipelined, &asker_half_open, &asker_long, &echoer_echo,
	&packeter_packets };

/* What may be said on the command line; a number, or a text as it stands. */
static const struct {
	const char *key;
	size_t number, text; /* offset in struct load; 0: not this */
	uint64_t unit;
} keys[] = {
	{ "rate", offsetof(struct load, rate), 0, 1 },
	{ "poisson", offsetof(struct load, poisson), 0, 1 },
	{ "seed", offsetof(struct load, seed), 0, 1 },
	{ "timeout_ms", offsetof(struct load, timeout_ns), 0, NSEC_PER_MSEC },
	{ "gap_min_ms", offsetof(struct load, gap_min_ns), 0, NSEC_PER_MSEC },
	{ "gap_max_ms", offsetof(struct load, gap_max_ns), 0, NSEC_PER_MSEC },
	{ "batch", offsetof(struct load, batch), 0, 1 },
	{ "asks", offsetof(struct load, asks), 0, 1 },
	{ "count", offsetof(struct load, count), 0, 1 },
	{ "bytes", offsetof(struct load, bytes), 0, 1 },
	{ "pace", offsetof(struct load, pace), 0, 1 },
	{ "path", 0, offsetof(struct load, path), 0 },
	{ "text", 0, offsetof(struct load, text), 0 },
	{ "samples", 0, offsetof(struct load, samples), 0 },
};

uint64_t
client_random(uint64_t *rng)
{
	uint64_t z = (*rng += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* The time to the next arrival. */
static uint64_t
distance(struct load *l)
{
	double share;

	if (!l->poisson)
		return NSEC_PER_SEC / l->rate;
	share = (double)(client_random(&l->rng) >> 11) / (double)(1ULL << 53);
	return (
	    uint64_t)(-log1p(-share) * (double)NSEC_PER_SEC / (double)l->rate);
}

static void
on_arrival(void *owner, uint64_t now)
{
	struct load *l = owner;
	uint64_t due = l->arrival.at_ns;
	struct session *s;

	(void)now;
	s = session_new(l, l->serial++);
	if (l->serial != l->count)
		agenda_set(&l->agenda, &l->arrival, due + distance(l));
	l->kind->begin(s, due);
}

/* As many sessions that stay as make the wanted rate together. */
static void
begin_staying(struct load *l, uint64_t now)
{
	uint64_t gap = (l->gap_min_ns + l->gap_max_ns) / 2;
	uint64_t n = MAX_OF(l->rate * gap / l->batch / NSEC_PER_SEC, 1);

	while (l->serial < n)
		l->kind->begin(session_new(l, l->serial++), now);
}

/* No new questions; who has nothing under way leaves. */
static void
end(struct load *l)
{
	struct session *s;

	l->is_ending = true;
	agenda_remove(&l->agenda, &l->arrival);
	(void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, 0, NULL);
	if (!l->kind->stays)
		return;
	for (s = l->sessions; s < l->sessions + SESSIONS; s++)
		if (s->load != NULL && s->phase <= PHASE_IDLE)
			session_end(s);
}

static void
run_turn(struct load *l)
{
	struct epoll_event events[EVENTS];
	uint64_t now = mono_ns(), next = agenda_next(&l->agenda), wait;
	struct timespec ts;
	char ignored[64];
	int i, n;

	wait = next > now ? MIN_OF(next - now, NSEC_PER_SEC) : 0;
	ts.tv_sec = (time_t)(wait / NSEC_PER_SEC);
	ts.tv_nsec = (long)(wait % NSEC_PER_SEC);
	n = epoll_pwait2(l->epoll, events, EVENTS, &ts, NULL);
	if (n == -1 && errno != EINTR)
		err(1, "epoll_pwait2");
	for (i = 0; i < n; i++) {
		if (events[i].data.ptr != NULL)
			session_on_event(events[i].data.ptr, events[i].events);
		else if (read(0, ignored, sizeof(ignored)) <= 0)
			end(l);
	}
	agenda_run(&l->agenda, mono_ns());
}

static void
set_target(struct load *l, char *target)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&l->addr;
	struct sockaddr_in *in = (struct sockaddr_in *)&l->addr;
	char *colon;

	if (strncmp(target, "unix:", 5) == 0) {
		target += 5;
		if (strlen(target) >= sizeof(un->sun_path))
			errx(2, "%s: too long", target);
		un->sun_family = AF_UNIX;
		memcpy(un->sun_path, target, strlen(target));
		l->addrlen = sizeof(*un);
		return;
	}
	colon = strrchr(target, ':');
	if (strncmp(target, l->kind->is_packets ? "udp:" : "tcp:", 4) != 0 ||
	    colon == NULL)
		errx(2, "%s is no target", target);
	*colon = '\0';
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	if (inet_pton(AF_INET, target + 4, &in->sin_addr) != 1)
		errx(2, "%s is not an IPv4 address", target + 4);
	l->addrlen = sizeof(*in);
}

static void
set_key(struct load *l, char *word)
{
	char *value = strchr(word, '='), *rest;
	uint64_t number;
	size_t i;

	if (value == NULL)
		errx(2, "%s: not KEY=VALUE", word);
	*value++ = '\0';
	for (i = 0; i < nitems(keys); i++)
		if (strcmp(keys[i].key, word) == 0)
			break;
	if (i == nitems(keys))
		errx(2, "%s: no such key", word);
	if (keys[i].text != 0) {
		*(const char **)((char *)l + keys[i].text) = value;
		return;
	}
	number = strtoull(value, &rest, 10);
	if (rest == value || *rest != '\0')
		errx(2, "%s: not a number", value);
	*(uint64_t *)((char *)l + keys[i].number) = number * keys[i].unit;
}

static void
set_up(struct load *l)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };
	struct rlimit limit;
	size_t i;

	if (l->rate == 0 || l->batch == 0 || l->asks == 0 || l->batch > 100 ||
	    strlen(l->path) > 128 || (l->kind->is_stream && l->pace == 0) ||
	    (l->kind->is_packets && l->asks > 64) ||
	    (l->kind->stays && l->gap_max_ns == 0))
		errx(2, "the numbers make no sense");
	if (l->text != NULL)
		l->bytes = strlen(l->text);
	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		err(1, "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
		err(1, "setrlimit");
	l->sessions = calloc(SESSIONS, sizeof(struct session));
	if (l->sessions == NULL)
		err(1, "sessions");
	STAILQ_INIT(&l->unused);
	for (i = 0; i < SESSIONS; i++)
		STAILQ_INSERT_TAIL(&l->unused, &l->sessions[i], entry);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll == -1 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, 0, &ev) == -1)
		err(1, "epoll");
	l->rng = l->seed;
	l->arrival.owner = l;
	l->arrival.fn = on_arrival;
}

static bool
is_over(const struct load *l)
{
	return l->active == 0 &&
	    (l->is_ending || (l->count > 0 && l->serial == l->count));
}

int
main(int argc, char **argv)
{
	static struct load load = { .rate = 100,
		.seed = 1,
		.timeout_ns = 2 * NSEC_PER_SEC,
		.batch = 1,
		.asks = 1,
		.path = "/" };
	uint64_t now;
	size_t i;

	if (argc < 3)
		errx(2, "usage: client KIND TARGET [KEY=VALUE]...");
	for (i = 0; i < nitems(kinds); i++)
		if (strcmp(kinds[i]->name, argv[1]) == 0)
			load.kind = kinds[i];
	if (load.kind == NULL)
		errx(2, "%s: no such kind", argv[1]);
	set_target(&load, argv[2]);
	for (argv += 3; *argv != NULL; argv++)
		set_key(&load, *argv);
	set_up(&load);
	now = mono_ns();
	(void)printf("{\"started\":%" PRIu64 "}\n", now);
	(void)fflush(stdout);
	if (load.kind->stays)
		begin_staying(&load, now);
	else
		agenda_set(&load.agenda, &load.arrival, now);
	while (!is_over(&load))
		run_turn(&load);
	tally_report(&load);
	return 0;
}

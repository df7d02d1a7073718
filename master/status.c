/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * status.c: what the master knows about itself, its listeners and its
 * children, as JSON. Runs in the master when somebody asks; changes nothing.
 * Numbers that a child wrote are clamped and displayed, no more.
 */
#include "master/status.h"

#include <sys/socket.h>

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/master.h"

#define COUNT_MAX (1ULL << 53) /* what every JSON reader takes exactly */
#define TEXT_MAX 4096
#define REAL_DIGITS 12 /* 10 years in milliseconds */

static json_int_t
count(uint64_t n)
{
	return (json_int_t)MIN_OF(n, COUNT_MAX);
}

/* Seconds, rounded to what is worth reading. */
static double
seconds(uint64_t ns, double per_second)
{
	return round((double)ns / (double)NSEC_PER_SEC * per_second) /
	    per_second;
}

/* A path or a reason may be any bytes, a JSON string may not. */
static json_t *
text_json(const char *text)
{
	char escaped[TEXT_MAX];
	json_t *json = json_string(text);

	if (json != NULL)
		return json;
	return json_string(
	    log_escape(escaped, sizeof(escaped), text, strlen(text)));
}

/* ---- listeners ---- */

static uint64_t
slot_queue(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1)
		return 0;
	return info.tcpi_unacked;
}

static uint64_t
slot_overflows(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) == -1)
		return 0;
	return info[SK_MEMINFO_DROPS];
}

static json_t *
listener_json(const struct master *m, const struct listener *l)
{
	const char *handler = l->url.handler[0] != '\0'
	    ? l->url.handler
	    : m->conf->servers[l->server].handler;
	uint64_t queue = 0, overflows = 0;
	char url[URL_TEXT_MAX];
	size_t i;

	for (i = 0; l->url.scheme != URL_UNIX && i < l->nslots; i++) {
		queue += slot_queue(l->slots[i].fd);
		overflows += slot_overflows(l->slots[i].fd);
	}
	return json_pack("{s:o, s:o, s:I, s:I, s:I}", "url",
	    text_json(url_print_short(&l->url, url, sizeof(url))), "handler",
	    text_json(handler), "slots", count(l->nslots), "queue",
	    count(queue), "overflows", count(overflows));
}

static json_t *
listeners_json(const struct master *m)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; array != NULL && i < m->nlisteners; i++)
		if (json_array_append_new(array,
			listener_json(m, &m->listeners[i])) == -1) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static enum conf_accept
effective_accept(const struct master *m)
{
	size_t i;

	for (i = 0; i < m->nlisteners; i++)
		if (m->listeners[i].has_slot_per_place)
			return CONF_ACCEPT_REUSEPORT;
	return CONF_ACCEPT_SHARED;
}

/* ---- children ---- */

/* Its pid cannot have a new owner: it is not reaped yet. */
static uint64_t
rss_bytes(int proc_fd, pid_t pid)
{
	char path[32], text[128];
	char *resident;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%ld/statm", (long)pid);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	closefd(&fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	/* In pages: size resident shared ... */
	resident = strchr(text, ' ');
	return resident == NULL
	    ? 0
	    : strtoull(resident, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t
open_connections(const struct master *m, const struct board_copy *copy)
{
	uint64_t most = m->conf->max_connections;

	if (most == 0 || most > COUNT_MAX)
		most = COUNT_MAX;
	return MIN_OF(copy->gauges[BOARD_CONNECTIONS], most);
}

static json_t *
child_json(const struct proc *p, uint64_t now, int proc_fd)
{
	uint64_t age = now - p->born_ns, lag, busy;
	struct board_copy copy;

	board_read(&p->master->board, p->page, &copy);
	lag = MIN_OF(copy.gauges[BOARD_LOOP_LAG_NS], age);
	busy = MIN_OF(copy.gauges[BOARD_BUSY_PPM], 1000000);
	return json_pack("{s:i, s:I, s:I, s:s, s:f, s:I, s:I, s:I, s:I, s:I,"
			 " s:f, s:f, s:I, s:I}",
	    "place", p->place->number, "pid", (json_int_t)p->pid, "generation",
	    (json_int_t)p->generation, "state", proc_state_names[p->state],
	    "uptime_seconds", seconds(age, 1e3), "connections",
	    count(open_connections(p->master, &copy)), "accepted",
	    count(copy.counters[BOARD_ACCEPTED]), "requests",
	    count(copy.counters[BOARD_REQUESTS]), "bytes_in",
	    count(copy.counters[BOARD_BYTES_IN]), "bytes_out",
	    count(copy.counters[BOARD_BYTES_OUT]), "loop_lag_seconds",
	    seconds(lag, 1e6), "utilisation", round((double)busy / 1e3) / 1e3,
	    "rss_bytes", count(rss_bytes(proc_fd, p->pid)), "restarts",
	    count(p->place->restarts));
}

static int
by_place_and_age(const void *a, const void *b)
{
	const struct proc *p = *(const struct proc *const *)a;
	const struct proc *q = *(const struct proc *const *)b;

	if (p->place->number != q->place->number)
		return p->place->number < q->place->number ? -1 : 1;
	return (p->born_ns > q->born_ns) - (p->born_ns < q->born_ns);
}

/* The children that live, by place, the oldest of a place first; *n of them.
 * NULL when memory is short. */
static const struct proc **
living_procs(const struct master *m, size_t *n)
{
	const struct proc **procs, *p;
	size_t all = 1;

	TAILQ_FOREACH(p, &m->procs, entry)
		all++;
	procs = calloc(all, sizeof(const struct proc *));
	if (procs == NULL)
		return NULL;
	*n = 0;
	TAILQ_FOREACH(p, &m->procs, entry)
		if (p->state != PROC_DEAD)
			procs[(*n)++] = p;
	qsort(procs, *n, sizeof(const struct proc *), by_place_and_age);
	return procs;
}

static json_t *
children_json(const struct master *m)
{
	const struct proc **procs;
	uint64_t now = mono_ns();
	size_t i, n = 0;
	json_t *array;
	int proc_fd;

	procs = living_procs(m, &n);
	if (procs == NULL)
		return NULL;
	proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	array = json_array();
	for (i = 0; array != NULL && i < n; i++)
		if (json_array_append_new(array,
			child_json(procs[i], now, proc_fd)) == -1) {
			json_decref(array);
			array = NULL;
		}
	closefd(&proc_fd);
	free(procs);
	return array;
}

/* ---- the whole ---- */

/* A child that is dead but not reaped is not listed any more, and not folded
 * into the master's totals yet: it counts here, so that nothing goes back. */
static json_t *
totals_json(const struct master *m)
{
	uint64_t connections = 0, sums[BOARD_NCOUNTERS];
	struct board_copy copy;
	const struct proc *p;
	size_t i;

	for (i = 0; i < BOARD_NCOUNTERS; i++)
		sums[i] = MIN_OF(m->totals[i], COUNT_MAX);
	TAILQ_FOREACH(p, &m->procs, entry) {
		board_read(&m->board, p->page, &copy);
		for (i = 0; i < BOARD_NCOUNTERS; i++)
			sums[i] = MIN_OF(sums[i] + copy.counters[i], COUNT_MAX);
		if (p->state != PROC_DEAD)
			connections += open_connections(m, &copy);
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "connections",
	    count(connections), "accepted", count(sums[BOARD_ACCEPTED]),
	    "requests", count(sums[BOARD_REQUESTS]), "bytes_in",
	    count(sums[BOARD_BYTES_IN]), "bytes_out",
	    count(sums[BOARD_BYTES_OUT]), "dropped",
	    count(sums[BOARD_DROPPED]));
}

static json_t *
master_json(const struct master *m)
{
	json_t *last_error = m->last_error.text[0] != '\0'
	    ? text_json(m->last_error.text)
	    : json_null();

	/* Reloads, upgrades and the hunt for hangs are not built yet. */
	return json_pack("{s:I, s:s, s:f, s:I, s:i, s:s, s:i, s:i, s:i, s:I,"
			 " s:i, s:i, s:o}",
	    "pid", (json_int_t)getpid(), "state", master_state_names[m->state],
	    "uptime_seconds", seconds(mono_ns() - m->started_ns, 1e3),
	    "generation", (json_int_t)m->generation, "processes", m->nplaces,
	    "accept", conf_accept_names[effective_accept(m)], "reloads", 0,
	    "rollbacks", 0, "upgrades", 0, "crashes", count(m->crashes),
	    "hangs", 0, "min_accepting", m->min_accepting, "last_error",
	    last_error);
}

json_t *
status_json(const struct master *m)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o}", "version", TINE_VERSION,
	    "master", master_json(m), "listeners", listeners_json(m),
	    "children", children_json(m), "totals", totals_json(m));
}

char *
status_print(const struct master *m)
{
	json_t *status = status_json(m);
	char *text;

	if (status == NULL)
		return NULL;
	text = json_dumps(status,
	    JSON_COMPACT | JSON_ENSURE_ASCII |
		JSON_REAL_PRECISION(REAL_DIGITS));
	json_decref(status);
	return text;
}

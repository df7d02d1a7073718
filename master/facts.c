/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * facts.c: reads counters, sockets and /proc for those who show numbers. Runs
 * in the master when somebody asks; changes nothing.
 */
#include "master/facts.h"

#include <sys/socket.h>

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/affinity.h"

static uint64_t
clamp(uint64_t n)
{
	return MIN_OF(n, FACTS_MAX);
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

void
facts_of_listener(const struct listener *l, struct facts_listener *f)
{
	size_t i;

	*f = (struct facts_listener){ .queue = relay_queue(l) };
	for (i = 0; i < l->nslots; i++) {
		if (l->slots[i].fd == -1)
			continue;
		f->slots++;
		if (l->url.scheme == URL_UNIX)
			continue;
		f->queue += listener_queue(&l->slots[i]);
		f->overflows += slot_overflows(l->slots[i].fd);
	}
}

int
facts_open_proc(void)
{
	return open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

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

uint64_t
facts_connections(const struct proc *p, const struct board_copy *copy)
{
	uint64_t most = p->generation->conf.max_connections;

	if (most == 0 || most > FACTS_MAX)
		most = FACTS_MAX;
	return MIN_OF(copy->gauges[BOARD_CONNECTIONS], most);
}

void
facts_of_child(const struct proc *p, int proc_fd, struct facts_child *f)
{
	struct board_copy copy;
	size_t i;

	board_read(&p->master->board, p->page, &copy);
	f->age_ns = mono_ns() - p->born_ns;
	f->connections = facts_connections(p, &copy);
	f->lag_ns = MIN_OF(copy.gauges[BOARD_LOOP_LAG_NS], f->age_ns);
	f->busy_ppm = MIN_OF(copy.gauges[BOARD_BUSY_PPM], 1000000);
	f->overloaded = copy.gauges[BOARD_OVERLOADED] != 0;
	f->rss_bytes = clamp(rss_bytes(proc_fd, p->pid));
	f->cpu = strcmp(p->generation->conf.cpu_affinity, "none") == 0
	    ? -1
	    : affinity_of_process(p->pid);
	for (i = 0; i < BOARD_NCOUNTERS; i++)
		f->counters[i] = clamp(copy.counters[i]);
}

/* A child that is dead but not reaped is not shown any more, and not folded
 * into the master's totals yet: it counts here, so that nothing goes back. */
void
facts_of_all(const struct master *m, struct facts_totals *f)
{
	struct board_copy copy;
	const struct proc *p;
	size_t i;

	f->connections = 0;
	for (i = 0; i < BOARD_NCOUNTERS; i++)
		f->counters[i] = clamp(m->totals[i]);
	TAILQ_FOREACH(p, &m->procs, entry) {
		if (proc_is_extra(p))
			continue;
		board_read(&m->board, p->page, &copy);
		for (i = 0; i < BOARD_NCOUNTERS; i++)
			f->counters[i] =
			    clamp(f->counters[i] + copy.counters[i]);
		if (p->state != PROC_DEAD)
			f->connections += facts_connections(p, &copy);
	}
	f->connections = clamp(f->connections);
}

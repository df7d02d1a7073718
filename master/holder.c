/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * holder.c: who holds a busy address? Looks a TCP or UDP socket up in /proc/net and
 * its owner in /proc/PID/fd; asks the kernel for a unix one. Slow; runs
 * in the master only when it is about to give up.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/master.h"

#define STATE_LISTEN 0x0a
#define STATE_UNCONNECTED 0x07
#define HOLDERS_MAX 64

/* "0100007F:1F90" of /proc/net/tcp, or 32 digits of tcp6, into an address.
 * Each group of eight digits is a word in host order. */
static int
parse_local(const char *text, struct addr *a)
{
	size_t digits = strcspn(text, ":"), i;
	struct sockaddr_in6 *sin6 = (void *)&a->u.storage;
	struct sockaddr_in *sin = (void *)&a->u.storage;
	char word[9] = "";
	uint32_t words[4];
	unsigned port;

	if ((digits != 8 && digits != 32) ||
	    sscanf(text + digits, ":%4X", &port) != 1)
		return -1;
	for (i = 0; i < digits / 8; i++) {
		(void)memcpy(word, text + 8 * i, 8);
		words[i] = (uint32_t)strtoul(word, NULL, 16);
	}
	*a = (struct addr){ .len = sizeof(*sin) };
	if (digits == 8) {
		sin->sin_family = AF_INET;
		sin->sin_addr.s_addr = words[0];
	} else {
		a->len = sizeof(*sin6);
		sin6->sin6_family = AF_INET6;
		(void)memcpy(&sin6->sin6_addr, words, sizeof(words));
	}
	addr_set_port(a, (uint16_t)port);
	return 0;
}

/* The inode of the socket in this state in one table of /proc/net; 0: none. */
static unsigned long
find_in_table(const char *table, unsigned wanted_state, const struct addr *want)
{
	unsigned long inode = 0, candidate;
	char line[512], local[64];
	struct addr a;
	unsigned state;
	FILE *f = fopen(table, "re");

	if (f == NULL)
		return 0;
	while (inode == 0 && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, " %*d: %63s %*s %X %*s %*s %*s %*u %*d %lu",
			local, &state, &candidate) == 3 &&
		    state == wanted_state && parse_local(local, &a) == 0 &&
		    addr_overlaps(&a, want, false))
			inode = candidate;
	(void)fclose(f);
	return inode;
}

static unsigned long
find_inode(const struct addr *a, bool is_udp)
{
	static const struct {
		const char *name;
		unsigned state;
	} tables[2][2] = {
		{ { "/proc/net/tcp", STATE_LISTEN },
		    { "/proc/net/tcp6", STATE_LISTEN } },
		{ { "/proc/net/udp", STATE_UNCONNECTED },
		    { "/proc/net/udp6", STATE_UNCONNECTED } },
	};
	unsigned long inode = 0;
	size_t i;

	for (i = 0; i < 2 && inode == 0; i++)
		inode = find_in_table(tables[is_udp][i].name,
		    tables[is_udp][i].state, a);
	return inode;
}

/* Has process `pid` a descriptor that links to `target`? */
static bool
has_descriptor(const char *pid, const char *target)
{
	char path[64], link[64];
	struct dirent *e;
	bool found = false;
	ssize_t n;
	DIR *d;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	d = opendir(path);
	if (d == NULL)
		return false;
	while (!found && (e = readdir(d)) != NULL) {
		n = readlinkat(dirfd(d), e->d_name, link, sizeof(link) - 1);
		if (n <= 0)
			continue;
		link[n] = '\0';
		found = strcmp(link, target) == 0;
	}
	(void)closedir(d);
	return found;
}

static size_t
find_holders(unsigned long inode, long *pids, size_t max)
{
	char target[64];
	struct dirent *e;
	size_t n = 0;
	DIR *proc = opendir("/proc");

	if (proc == NULL)
		return 0;
	(void)snprintf(target, sizeof(target), "socket:[%lu]", inode);
	while (n < max && (e = readdir(proc)) != NULL)
		if (isdigit((unsigned char)e->d_name[0]) &&
		    has_descriptor(e->d_name, target))
			pids[n++] = strtol(e->d_name, NULL, 10);
	(void)closedir(proc);
	return n;
}

/* Name and parent of a process; -1 when it is gone. */
static int
read_stat(long pid, char *name, size_t size, long *parent)
{
	char path[64], line[512], *open_p, *close_p;
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return -1;
	n = fread(line, 1, sizeof(line) - 1, f);
	line[n] = '\0';
	(void)fclose(f);
	open_p = strchr(line, '(');
	close_p = strrchr(line, ')');
	if (open_p == NULL || close_p == NULL ||
	    sscanf(close_p + 1, " %*c %ld", parent) != 1)
		return -1;
	*close_p = '\0';
	(void)log_escape(name, size, open_p + 1, strlen(open_p + 1));
	return 0;
}

char *
holder_who(long pid, char *dst, size_t size)
{
	char name[64];
	long parent;

	/* 0: it lives in another pid namespace. */
	if (pid <= 0)
		(void)snprintf(dst, size, "another process");
	else if (read_stat(pid, name, sizeof(name), &parent) == -1)
		(void)snprintf(dst, size, "pid %ld", pid);
	else
		(void)snprintf(dst, size, "%s (pid %ld)", name, pid);
	return dst;
}

/* Of processes that share a socket, the one whose parent is not among them:
 * the master of a prefork server. */
static long
eldest(const long *pids, size_t n)
{
	char name[64];
	long parent;
	size_t i, k;

	for (i = 0; i < n; i++) {
		if (read_stat(pids[i], name, sizeof(name), &parent) == -1)
			continue;
		for (k = 0; k < n && pids[k] != parent; k++)
			continue;
		if (k == n)
			return pids[i];
	}
	return 0;
}

/* The kernel tells a client who called listen(); 0: it does not. */
static long
find_unix_holder(const struct addr *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct ucred peer = { .pid = 0 };
	socklen_t len = sizeof(peer);

	if (fd == -1 || connect(fd, &a->u.sa, a->len) == -1 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1)
		peer.pid = 0;
	closefd(&fd);
	return peer.pid;
}

static long
find_inet_holder(const struct addr *a, bool is_udp)
{
	unsigned long inode = find_inode(a, is_udp);
	long pids[HOLDERS_MAX];

	if (inode == 0)
		return 0;
	return eldest(pids, find_holders(inode, pids, nitems(pids)));
}

void
holder_name(const struct addr *a, bool is_udp, struct err *err)
{
	bool is_unix = a->u.sa.sa_family == AF_UNIX;
	long pid = is_unix ? find_unix_holder(a) : find_inet_holder(a, is_udp);
	long parent;
	char where[128], name[64];

	(void)addr_print(a, where, sizeof(where));
	if (pid != 0 && read_stat(pid, name, sizeof(name), &parent) == 0)
		err_set(err, EXIT_UNAVAILABLE, "%s is in use by %s (pid %ld)",
		    where, name, pid);
	else
		err_set(err, EXIT_UNAVAILABLE, "%s is in use by %s", where,
		    is_unix ? "a server that does not tell its name"
			    : "another user's process");
	err_hint(err,
	    is_unix ? "stop it, or choose another path"
		    : "stop it, or listen elsewhere with --listen (port 0 "
		      "takes any free one)");
}

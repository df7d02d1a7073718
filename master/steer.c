/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * steer.c: new connections of a reuseport group are spread over its members,
 * and kept from those that leave. Runs in the master. It owns the mirror of the
 * group's order; it opens and closes no socket, and attaches nothing to one
 * that does not listen: the kernel would give that socket a group of its own,
 * and listen() would fail with EADDRINUSE for ever.
 */
#include "master/steer.h"

#include <sys/socket.h>

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define ROOM_AT_FIRST 16

/* A handshake's first wait; each is twice the one before, up to the longest:
 * TCP_TIMEOUT_INIT and TCP_RTO_MAX of the kernel, in seconds. */
#define WAIT_FIRST 1
#define WAIT_LONGEST 120
#define RETRIES_DEFAULT 5
#define RETRIES_MAX 255

void
steer_fini(struct steer *s)
{
	free(s->members);
	*s = (struct steer){ .members = NULL };
}

int
steer_index_of(const struct steer *s, uint32_t id)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->members[i].id == id)
			return (int)i;
	return -1;
}

static int
grow(struct steer *s)
{
	size_t room = MAX_OF(2 * s->room, ROOM_AT_FIRST);
	struct steer_member *members;

	members = reallocarray(s->members, room, sizeof(*members));
	if (members == NULL)
		return -1;
	s->members = members;
	s->room = room;
	return 0;
}

int
steer_on_listen(struct steer *s, uint32_t id, int fd, struct err *err)
{
	assert(steer_index_of(s, id) == -1);
	if (s->n == s->room && grow(s) == -1) {
		s->is_blind = true;
		return err_sys(err, "memory for the order of %zu sockets",
		    s->n + 1);
	}
	s->members[s->n++] = (struct steer_member){ .id = id, .fd = fd };
	return 0;
}

void
steer_on_close(struct steer *s, uint32_t id)
{
	int i = steer_index_of(s, id);

	if (i == -1)
		return;
	s->members[i] = s->members[--s->n];
	/* The last one takes the kernel's group, and its program, with it. */
	if (s->n == 0)
		s->has_program = s->is_blind = false;
}

static bool
set_excluded(struct steer *s, uint32_t id, bool is_excluded)
{
	int i = steer_index_of(s, id);

	if (i == -1)
		return false;
	s->members[i].is_excluded = is_excluded;
	return true;
}

bool
steer_exclude(struct steer *s, uint32_t id)
{
	return set_excluded(s, id, true);
}

bool
steer_include(struct steer *s, uint32_t id)
{
	return set_excluded(s, id, false);
}

bool
steer_rank(struct steer *s, uint32_t id, uint32_t rank)
{
	int i = steer_index_of(s, id);

	if (i == -1)
		return false;
	s->members[i].rank = rank;
	return true;
}

bool
steer_is_astray(const struct steer *s, uint32_t id)
{
	int i = steer_index_of(s, id);

	return i != -1 && s->has_program && s->members[i].is_astray;
}

/* The program is the group's: any member will do that is not locked. A datagram
 * socket that is of no group any more can be told by nothing else than that it
 * refuses one. */
static int
attach(struct steer *s, struct sock_filter *code, size_t len, struct err *err)
{
	struct sock_fprog prog = {
		.len = (unsigned short)len,
		.filter = code,
	};
	bool is_attached = false;
	size_t i;

	for (i = 0; i < s->n && (!is_attached || s->is_datagram); i++) {
		struct steer_member *m = &s->members[i];

		m->is_astray = false;
		if (setsockopt(m->fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF,
			&prog, sizeof(prog)) == 0)
			is_attached = true;
		else
			m->is_astray = s->is_datagram && errno == EINVAL;
	}
	s->has_program |= is_attached;
	return is_attached ? 0 : err_sys(err, "steering of new connections");
}

static int
detach(struct steer *s, struct err *err)
{
	bool was_ours = s->has_program;
	size_t i;
	int on = 1;

	for (i = 0; i < s->n; i++) {
		if (setsockopt(s->members[i].fd, SOL_SOCKET,
			SO_DETACH_REUSEPORT_BPF, &on, sizeof(on)) == 0) {
			s->has_program = false;
			return was_ours ? 0 : 1;
		}
		/* ENOENT: no program, or no group, if a child shut this one
		 * down. EINVAL: no flag, perhaps because a child took it
		 * away. The next member may know better. */
		if (errno != ENOENT && errno != EINVAL)
			return err_sys(err, "end of steering");
	}
	s->has_program = false;
	return 0;
}

int
steer_apply(struct steer *s, struct err *err)
{
	struct sock_filter code[STEER_PROGRAM_MAX];
	size_t len = steer_program(s, code);

	return len > 0 ? attach(s, code, len, err) : detach(s, err);
}

/* The number in a file below proc_root/sys/net/ipv4, or what it is without. */
static long
read_setting(const char *proc_root, const char *name, long otherwise)
{
	char path[PATH_MAX];
	long value;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/sys/net/ipv4/%s", proc_root,
	    name);
	f = fopen(path, "re");
	if (f == NULL)
		return otherwise;
	if (fscanf(f, "%ld", &value) != 1)
		value = otherwise;
	(void)fclose(f);
	return value;
}

/* How long the kernel waits before it has sent this many SYN-ACKs again. */
static int
wait_seconds(long retries)
{
	int wait = WAIT_FIRST, sum = 0;
	long i;

	for (i = 0; i < retries; i++) {
		sum += wait;
		wait = MIN_OF(2 * wait, WAIT_LONGEST);
	}
	return sum;
}

double
steer_park_seconds(const struct url *url, const char *proc_root)
{
	long retries;

	if (url->scheme != URL_TCP && url->scheme != URL_TCP4 &&
	    url->scheme != URL_TCP6)
		return 0;
	if (read_setting(proc_root, "tcp_migrate_req", 0) == 1)
		return 0;
	retries =
	    read_setting(proc_root, "tcp_synack_retries", RETRIES_DEFAULT);
	if (retries < 0 || retries > RETRIES_MAX)
		retries = RETRIES_DEFAULT;
	/* With defer-accept a client that has answered but said nothing is
	 * kept for as many waits as cover the time, if these are more than the
	 * retries; then one more time for it to be told again. */
	while (wait_seconds(retries) < url->defer_accept)
		retries++;
	return wait_seconds(retries + 1) + url->defer_accept;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Steering, by real connections: the mirror, and what the programs do. */
#include "master/steer.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "shared/addr.h"

#define GROUP_MAX 8
#define NOBODY 65534
#define DEADLINE_MS 5000

static struct steer s;
static struct err err;
static int refuse; /* errno of the next calls that steer; 0: none fails */
static bool no_memory;

int __real_setsockopt(int, int, int, const void *, socklen_t);
int __wrap_setsockopt(int, int, int, const void *, socklen_t);
void *__real_reallocarray(void *, size_t, size_t);
void *__wrap_reallocarray(void *, size_t, size_t);

int
__wrap_setsockopt(int fd, int level, int option, const void *value,
    socklen_t len)
{
	if (refuse != 0 &&
	    (option == SO_ATTACH_REUSEPORT_CBPF ||
		option == SO_DETACH_REUSEPORT_BPF)) {
		errno = refuse;
		return -1;
	}
	return __real_setsockopt(fd, level, option, value, len);
}

void *
__wrap_reallocarray(void *old, size_t n, size_t size)
{
	if (no_memory) {
		errno = ENOMEM;
		return NULL;
	}
	return __real_reallocarray(old, n, size);
}

/* ---- a group of real sockets; slot i has id 100 + i ---- */

static struct {
	const char *bind, *client; /* hosts */
	const char *source;        /* of the client; NULL: any */
	int type;                  /* of the sockets */
	uint16_t port;
	int fds[GROUP_MAX]; /* by slot */
} group;

static int
begin(void **state)
{
	size_t i;

	(void)state;
	refuse = 0;
	no_memory = false;
	group.bind = group.client = "127.0.0.1";
	group.source = NULL;
	group.type = SOCK_STREAM;
	group.port = 0;
	for (i = 0; i < GROUP_MAX; i++)
		group.fds[i] = -1;
	return 0;
}

static int
end(void **state)
{
	size_t i;

	(void)state;
	steer_fini(&s);
	for (i = 0; i < GROUP_MAX; i++)
		closefd(&group.fds[i]);
	return 0;
}

/* A member that is bound only. False: this host has no such address. */
static bool
bind_member(int slot)
{
	struct addr a = { .len = sizeof(a.u) };
	int fd, on = 1, off = 0;

	assert_int_equal(addr_from_ip(&a, group.bind, group.port), 0);
	fd = socket(a.u.sa.sa_family, group.type | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (fd == -1)
		return false;
	group.fds[slot] = fd;
	assert_int_equal(
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	if (a.u.sa.sa_family == AF_INET6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off,
				     sizeof(off)),
		    0);
	if (bind(fd, &a.u.sa, a.len) == -1)
		return false;
	assert_int_equal(getsockname(fd, &a.u.sa, &a.len), 0);
	group.port = addr_port(&a);
	return true;
}

static void
listen_member(int slot)
{
	if (group.type == SOCK_STREAM)
		assert_int_equal(listen(group.fds[slot], 512), 0);
	assert_int_equal(
	    steer_on_listen(&s, 100 + (uint32_t)slot, group.fds[slot], &err),
	    0);
}

static bool
add_member(int slot)
{
	if (!bind_member(slot))
		return false;
	listen_member(slot);
	return true;
}

static void
remove_member(int slot)
{
	closefd(&group.fds[slot]);
	steer_on_close(&s, 100 + (uint32_t)slot);
}

/* A client: a connection, or one datagram. */
static int
make_client(void)
{
	struct addr a, from;
	int fd;

	assert_int_equal(addr_from_ip(&a, group.client, group.port), 0);
	fd = socket(a.u.sa.sa_family, group.type | SOCK_CLOEXEC, 0);
	assert_int_not_equal(fd, -1);
	if (group.source != NULL) {
		assert_int_equal(addr_from_ip(&from, group.source, 0), 0);
		assert_int_equal(bind(fd, &from.u.sa, from.len), 0);
	}
	assert_int_equal(connect(fd, &a.u.sa, a.len), 0);
	if (group.type == SOCK_DGRAM)
		assert_int_equal(send(fd, "x", 1, 0), 1);
	return fd;
}

/* Which slot gets a client? */
static int
who_gets_one(void)
{
	struct pollfd p[GROUP_MAX];
	int fd = make_client(), got, i;
	char byte;

	/* What does not listen is ready at once, with POLLHUP. */
	for (i = 0; i < GROUP_MAX; i++)
		p[i] = (struct pollfd){
			.fd = steer_index_of(&s, 100 + (uint32_t)i) == -1
			    ? -1
			    : group.fds[i],
			.events = POLLIN,
		};
	assert_int_equal(poll(p, GROUP_MAX, DEADLINE_MS), 1);
	for (i = 0; (p[i].revents & POLLIN) == 0; i++)
		continue;
	if (group.type == SOCK_STREAM) {
		got = accept4(group.fds[i], NULL, NULL, SOCK_CLOEXEC);
		assert_int_not_equal(got, -1);
		closefd(&got);
	} else {
		assert_int_equal(recv(group.fds[i], &byte, 1, 0), 1);
	}
	closefd(&fd);
	return i;
}

static void
exclude(int slot)
{
	assert_true(steer_exclude(&s, 100 + (uint32_t)slot));
}

static void
include(int slot)
{
	assert_true(steer_include(&s, 100 + (uint32_t)slot));
}

/* Leave each member alone in turn: it must get every connection, so its index
 * is what the mirror says. */
static void
assert_mirror_is_right(void)
{
	size_t i, k;

	for (i = 0; i < s.n; i++) {
		for (k = 0; k < s.n; k++)
			s.members[k].is_excluded = k != i;
		assert_int_equal(steer_apply(&s, &err), 0);
		for (k = 0; k < 4; k++)
			assert_int_equal(group.fds[who_gets_one()],
			    s.members[i].fd);
	}
	for (k = 0; k < s.n; k++)
		s.members[k].is_excluded = false;
	assert_int_equal(steer_apply(&s, &err), 0);
	assert_false(s.has_program);
}

/* ---- the program ---- */

static void
make_group(unsigned n)
{
	unsigned i;

	steer_fini(&s);
	for (i = 0; i < n; i++)
		assert_int_equal(steer_on_listen(&s, i, -1, &err), 0);
}

/* A group of 1024, of which two are real: the others never listened here. */
static void
make_crowd(void)
{
	uint32_t i;

	assert_true(add_member(0) && add_member(1));
	for (i = 2; i < STEER_MEMBERS_MAX; i++)
		assert_int_equal(steer_on_listen(&s, i + 1000, -1, &err), 0);
}

static void
the_longest_programs_are_taken_by_the_kernel(void **state)
{
	static struct sock_filter code[STEER_PROGRAM_MAX];
	uint32_t i;

	(void)state;
	make_crowd();
	/* As many runs as there can be. */
	for (i = 0; i < STEER_MEMBERS_MAX; i++)
		s.members[i].is_excluded = i % 2 == 1;
	assert_in_range(steer_program(&s, code), 1000, STEER_PROGRAM_MAX);
	assert_int_equal(steer_apply(&s, &err), 0);
	/* No two neighbours in the order of ranks are such in the group. */
	s.how = STEER_SOURCE;
	for (i = 0; i < STEER_MEMBERS_MAX; i++) {
		s.members[i].is_excluded = i >= 768;
		s.members[i].rank = i * 389 % 768;
	}
	assert_in_range(steer_program(&s, code), 1500, STEER_PROGRAM_MAX);
	assert_int_equal(steer_apply(&s, &err), 0);
	for (i = 0; i < STEER_MEMBERS_MAX; i++)
		s.members[i].is_excluded = i != 1;
	assert_int_equal(steer_apply(&s, &err), 0);
	assert_int_equal(who_gets_one(), 1);
}

static void
a_group_too_large_for_a_program_is_left_to_the_kernel(void **state)
{
	static struct sock_filter code[STEER_PROGRAM_MAX];
	unsigned i;

	(void)state;
	for (i = 0; i < STEER_MEMBERS_MAX + 1; i++)
		assert_int_equal(steer_on_listen(&s, i, -1, &err), 0);
	assert_true(steer_exclude(&s, 3));
	assert_int_equal(steer_program(&s, code), 0);
}

/* ---- the mirror ---- */

static void
the_last_member_moves_into_the_hole(void **state)
{
	(void)state;
	make_group(4);
	steer_on_close(&s, 1);
	assert_int_equal(steer_index_of(&s, 0), 0);
	assert_int_equal(steer_index_of(&s, 3), 1);
	assert_int_equal(steer_index_of(&s, 2), 2);
	assert_int_equal(steer_index_of(&s, 1), -1);
	steer_on_close(&s, 1);
	assert_int_equal(s.n, 3);
	assert_false(steer_exclude(&s, 1));
	assert_false(steer_include(&s, 1));
}

static void
an_excluded_member_gets_none_of_400_connections(void **state)
{
	int i, got[GROUP_MAX] = { 0 };

	(void)state;
	for (i = 0; i < 4; i++)
		assert_true(add_member(i));
	exclude(2);
	assert_int_equal(steer_apply(&s, &err), 0);
	for (i = 0; i < 400; i++)
		got[who_gets_one()]++;
	assert_int_equal(got[2], 0);
	/* 133 each, by chance: ten standard deviations are allowed. */
	for (i = 0; i < 4; i++)
		if (i != 2)
			assert_in_range(got[i], 40, 230);
	include(2);
	assert_int_equal(steer_apply(&s, &err), 0);
	for (i = 0; i < 400 && who_gets_one() != 2; i++)
		continue;
	assert_in_range(i, 0, 399);
}

static void
come_and_go(const char *bound, const char *client)
{
	static const int steps[] = { 0, 1, 2, 3, -2, 4, -1, 1, -5, 5, -3, 2,
		-4 };
	size_t i;

	group.bind = bound;
	group.client = client;
	for (i = 0; i < nitems(steps); i++) {
		if (i > 0 && steps[i] < 0)
			remove_member(-steps[i] - 1);
		else if (!add_member(steps[i])) {
			steer_fini(&s);
			skip();
		}
		assert_mirror_is_right();
	}
}

static void
the_mirror_is_right_after_each_change_with_tcp4(void **state)
{
	(void)state;
	come_and_go("127.0.0.1", "127.0.0.1");
}

static void
the_mirror_is_right_after_each_change_with_tcp6(void **state)
{
	(void)state;
	come_and_go("::1", "::1");
}

static void
the_mirror_is_right_after_each_change_with_dual_stack(void **state)
{
	(void)state;
	come_and_go("::", "127.0.0.1");
}

static void
a_member_shut_down_and_revived_is_the_last_one(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_true(add_member(i));
	assert_int_equal(shutdown(group.fds[0], SHUT_RDWR), 0);
	steer_on_close(&s, 100);
	/* The port was the kernel's choice: it was given back. */
	closefd(&group.fds[0]);
	assert_true(add_member(0));
	assert_int_equal(steer_index_of(&s, 100), 2);
	assert_mirror_is_right();
	assert_int_equal(shutdown(group.fds[1], SHUT_RDWR), 0);
	steer_on_close(&s, 101);
	listen_member(1);
	assert_mirror_is_right();
}

static void
a_socket_that_is_only_bound_is_no_member(void **state)
{
	int i;

	(void)state;
	assert_true(add_member(0) && bind_member(1) && add_member(2));
	assert_mirror_is_right();
	for (i = 0; i < 100; i++)
		assert_int_not_equal(who_gets_one(), 1);
	listen_member(1);
	assert_int_equal(steer_index_of(&s, 101), 2);
	assert_mirror_is_right();
}

/* ---- balance ---- */

#define NSOURCES 40

/* The slots that the clients 127.0.0.1 to 127.0.0.40, or ::1, come to. */
static void
note_slots(int out[NSOURCES])
{
	char source[32];
	int i;

	for (i = 0; i < NSOURCES; i++) {
		(void)snprintf(source, sizeof(source), "127.0.0.%d", i + 1);
		group.source =
		    strchr(group.client, ':') == NULL ? source : group.client;
		out[i] = who_gets_one();
	}
	group.source = NULL;
}

/* Slot 1 leaves and comes back last in the group, slot 3 is excluded and comes
 * back: in the end every client is where it was. */
static void
stay_where_they_are(int type, const char *bound, const char *client)
{
	int before[NSOURCES], now[NSOURCES], i, ports;

	group.type = type;
	group.bind = bound;
	group.client = client;
	s.how = STEER_SOURCE;
	for (i = 0; i < 5; i++) {
		if (!add_member(i)) {
			steer_fini(&s);
			skip();
		}
		assert_true(steer_rank(&s, 100 + (uint32_t)i, (uint32_t)i));
	}
	assert_int_equal(steer_apply(&s, &err), 0);
	note_slots(before);
	for (ports = 0; ports < 3; ports++) {
		note_slots(now);
		assert_memory_equal(now, before, sizeof(now));
	}
	remove_member(1);
	exclude(3);
	assert_int_equal(steer_apply(&s, &err), 0);
	note_slots(now);
	for (i = 0; i < NSOURCES; i++)
		assert_true(now[i] == 0 || now[i] == 2 || now[i] == 4);
	assert_true(add_member(1));
	assert_true(steer_rank(&s, 101, 1));
	assert_int_equal(steer_index_of(&s, 101), 4);
	include(3);
	assert_int_equal(steer_apply(&s, &err), 0);
	note_slots(now);
	assert_memory_equal(now, before, sizeof(now));
}

static void
a_source_stays_at_its_slot_with_tcp4(void **state)
{
	(void)state;
	stay_where_they_are(SOCK_STREAM, "127.0.0.1", "127.0.0.1");
}

static void
a_source_stays_at_its_slot_with_tcp6(void **state)
{
	(void)state;
	stay_where_they_are(SOCK_STREAM, "::1", "::1");
}

static void
a_source_stays_at_its_slot_with_tcp4_of_dual_stack(void **state)
{
	(void)state;
	stay_where_they_are(SOCK_STREAM, "::", "127.0.0.1");
}

static void
a_source_stays_at_its_slot_with_tcp6_of_dual_stack(void **state)
{
	(void)state;
	stay_where_they_are(SOCK_STREAM, "::", "::1");
}

static void
a_source_stays_at_its_slot_with_udp4(void **state)
{
	(void)state;
	stay_where_they_are(SOCK_DGRAM, "127.0.0.1", "127.0.0.1");
}

static void
a_source_stays_at_its_slot_with_udp6(void **state)
{
	(void)state;
	stay_where_they_are(SOCK_DGRAM, "::1", "::1");
}

static void
a_source_stays_at_its_slot_with_udp4_of_dual_stack(void **state)
{
	(void)state;
	stay_where_they_are(SOCK_DGRAM, "::", "127.0.0.1");
}

static void
many_sources_come_to_all_slots_and_with_all_families_to_the_same(void **state)
{
	int tcp4[NSOURCES], dual[NSOURCES], got[4] = { 0 }, i, k;

	(void)state;
	for (k = 0; k < 2; k++) {
		s.how = STEER_SOURCE;
		group.bind = k == 0 ? "127.0.0.1" : "::";
		group.port = 0;
		for (i = 0; i < 4; i++) {
			if (!add_member(i)) {
				steer_fini(&s);
				skip();
			}
			assert_true(
			    steer_rank(&s, 100 + (uint32_t)i, (uint32_t)i));
		}
		assert_int_equal(steer_apply(&s, &err), 0);
		note_slots(k == 0 ? tcp4 : dual);
		for (i = 0; i < 4; i++)
			remove_member(i);
	}
	assert_memory_equal(tcp4, dual, sizeof(tcp4));
	for (i = 0; i < NSOURCES; i++)
		got[tcp4[i]]++;
	for (i = 0; i < 4; i++)
		assert_in_range(got[i], 4, 20);
}

static void
dice_bring_one_source_to_all_slots(void **state)
{
	int i, got[4] = { 0 };

	(void)state;
	s.how = STEER_RANDOM;
	for (i = 0; i < 4; i++)
		assert_true(add_member(i));
	assert_int_equal(steer_apply(&s, &err), 0);
	assert_true(s.has_program);
	for (i = 0; i < 400; i++)
		got[who_gets_one()]++;
	/* 100 each, by chance: seven standard deviations are allowed. */
	for (i = 0; i < 4; i++)
		assert_in_range(got[i], 40, 160);
	s.how = STEER_KERNEL;
	assert_int_equal(steer_apply(&s, &err), 0);
	assert_false(s.has_program);
}

/* ---- more of the mirror ---- */

/* As the master's first slot: bound alone, so that a busy port is an error. */
static void
a_first_member_may_get_the_flag_after_it_listens(void **state)
{
	int off = 0, on = 1;

	(void)state;
	assert_true(bind_member(0));
	assert_int_equal(setsockopt(group.fds[0], SOL_SOCKET, SO_REUSEPORT,
			     &off, sizeof(off)),
	    0);
	listen_member(0);
	assert_int_equal(steer_apply(&s, &err), 0);
	assert_int_equal(
	    setsockopt(group.fds[0], SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)),
	    0);
	assert_int_equal(steer_apply(&s, &err), 0);
	assert_true(add_member(1));
	assert_true(add_member(2));
	assert_mirror_is_right();
}

static void
a_wrong_index_falls_back_to_the_hash_and_loses_nothing(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_true(add_member(i));
	exclude(0);
	exclude(1);
	assert_int_equal(steer_apply(&s, &err), 0);
	/* The mirror is not told: the program still says 2. */
	closefd(&group.fds[2]);
	for (i = 0; i < 100; i++)
		assert_in_range(who_gets_one(), 0, 1);
}

static void
steering_needs_no_privilege(void **state)
{
	int i, status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		bool works =
		    geteuid() != 0 || setresuid(NOBODY, NOBODY, NOBODY) == 0;

		for (i = 0; i < 3; i++)
			works = works && add_member(i);
		exclude(1);
		works = works && steer_apply(&s, &err) == 0;
		for (i = 0; i < 50 && works; i++)
			works = who_gets_one() != 1;
		include(1);
		works = works && steer_apply(&s, &err) == 0;
		(void)end(NULL);
		_exit(works ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- other people's programs, and failures ---- */

static void
a_program_of_somebody_else_is_found_and_taken_away(void **state)
{
	struct sock_filter code = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = { .len = 1, .filter = &code };
	int i;

	(void)state;
	assert_true(add_member(0) && add_member(1));
	assert_int_equal(setsockopt(group.fds[1], SOL_SOCKET,
			     SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)),
	    0);
	assert_int_equal(steer_apply(&s, &err), 1);
	assert_int_equal(steer_apply(&s, &err), 0);
	/* Nor is ours replaced for longer than until the next time. */
	exclude(0);
	assert_int_equal(steer_apply(&s, &err), 0);
	assert_int_equal(setsockopt(group.fds[1], SOL_SOCKET,
			     SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)),
	    0);
	assert_int_equal(steer_apply(&s, &err), 0);
	for (i = 0; i < 50; i++)
		assert_int_equal(who_gets_one(), 1);
	include(0);
	assert_int_equal(steer_apply(&s, &err), 0);
}

/* Connecting it makes the wildcard an address of its own. */
static void
a_datagram_socket_that_left_its_group_is_found(void **state)
{
	struct addr peer;
	int i;

	(void)state;
	group.type = SOCK_DGRAM;
	group.bind = "0.0.0.0";
	s.how = STEER_RANDOM;
	s.is_datagram = true;
	for (i = 0; i < 4; i++)
		assert_true(add_member(i));
	assert_int_equal(steer_apply(&s, &err), 0);
	for (i = 0; i < 4; i++)
		assert_false(steer_is_astray(&s, 100 + (uint32_t)i));
	assert_int_equal(addr_from_ip(&peer, "127.0.0.1", 9), 0);
	assert_int_equal(connect(group.fds[0], &peer.u.sa, peer.len), 0);
	assert_int_equal(steer_apply(&s, &err), 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(steer_is_astray(&s, 100 + (uint32_t)i),
		    i == 0);
	assert_false(steer_is_astray(&s, 999));
	remove_member(0);
	assert_int_equal(steer_apply(&s, &err), 0);
	assert_in_range(who_gets_one(), 1, 3);
}

static void
a_locked_member_is_passed_over(void **state)
{
	int i, on = 1;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_true(add_member(i));
	for (i = 0; i < 2; i++)
		assert_int_equal(setsockopt(group.fds[i], SOL_SOCKET,
				     SO_LOCK_FILTER, &on, sizeof(on)),
		    0);
	assert_mirror_is_right();
	assert_int_equal(setsockopt(group.fds[2], SOL_SOCKET, SO_LOCK_FILTER,
			     &on, sizeof(on)),
	    0);
	exclude(1);
	assert_int_equal(steer_apply(&s, &err), -1);
	assert_int_equal(err.sys, EPERM);
	assert_false(s.has_program);
}

static void
a_refusal_of_the_kernel_is_told(void **state)
{
	(void)state;
	assert_true(add_member(0) && add_member(1));
	exclude(0);
	refuse = ENOMEM;
	assert_int_equal(steer_apply(&s, &err), -1);
	assert_non_null(strstr(err.text, "steering of new connections: "));
	refuse = 0;
	assert_int_equal(steer_apply(&s, &err), 0);
	include(0);
	refuse = ENOPROTOOPT;
	assert_int_equal(steer_apply(&s, &err), -1);
	assert_non_null(strstr(err.text, "end of steering: "));
	/* It is still there, and still known to be ours. */
	assert_true(s.has_program);
	refuse = 0;
	assert_int_equal(steer_apply(&s, &err), 0);
	assert_false(s.has_program);
}

static void
without_memory_it_is_not_steered_until_it_is_empty(void **state)
{
	static struct sock_filter code[STEER_PROGRAM_MAX];

	(void)state;
	make_group(16);
	assert_true(steer_exclude(&s, 0));
	assert_int_not_equal(steer_program(&s, code), 0);
	no_memory = true;
	assert_int_equal(steer_on_listen(&s, 16, -1, &err), -1);
	assert_non_null(strstr(err.text, "the order of 17 sockets"));
	no_memory = false;
	assert_int_equal(steer_program(&s, code), 0);
	while (s.n > 0)
		steer_on_close(&s, s.members[0].id);
	assert_false(s.is_blind);
}

/* ---- parking ---- */

static char root[PATH_MAX / 2];

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int
open_tree(void **state)
{
	static const char *const folders[] = { "sys", "sys/net",
		"sys/net/ipv4" };
	const char *tmp = getenv("TMPDIR");
	char path[PATH_MAX];
	size_t i;

	(void)state;
	(void)snprintf(root, sizeof(root), "%s/test_steer.XXXXXX",
	    tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(root) == NULL)
		return -1;
	for (i = 0; i < nitems(folders); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", root, folders[i]);
		if (mkdir(path, 0700) == -1)
			return -1;
	}
	return 0;
}

static int
close_tree(void **state)
{
	(void)state;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void
setting(const char *name, const char *value)
{
	char path[PATH_MAX];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/sys/net/ipv4/%s", root, name);
	f = fopen(path, "we");
	assert_non_null(f);
	(void)fputs(value, f);
	assert_int_equal(fclose(f), 0);
}

static int
park(enum url_scheme scheme, int defer_accept)
{
	struct url url = { .scheme = scheme, .defer_accept = defer_accept };

	return (int)steer_park_seconds(&url, root);
}

static void
a_slot_is_parked_while_the_kernel_asks_a_client_again(void **state)
{
	(void)state;
	assert_int_equal(park(URL_TCP, 0), 63);
	setting("tcp_synack_retries", "5\n");
	assert_int_equal(park(URL_TCP4, 0), 63);
	setting("tcp_synack_retries", "0\n");
	assert_int_equal(park(URL_TCP6, 0), 1);
	setting("tcp_synack_retries", "6\n");
	assert_int_equal(park(URL_TCP, 0), 127);
	/* From then on each wait is of two minutes. */
	setting("tcp_synack_retries", "8\n");
	assert_int_equal(park(URL_TCP, 0), 127 + 2 * 120);
}

static void
a_strange_setting_is_taken_for_the_kernels_default(void **state)
{
	(void)state;
	setting("tcp_synack_retries", "many\n");
	assert_int_equal(park(URL_TCP, 0), 63);
	setting("tcp_synack_retries", "-1\n");
	assert_int_equal(park(URL_TCP, 0), 63);
	setting("tcp_synack_retries", "99999\n");
	assert_int_equal(park(URL_TCP, 0), 63);
}

static void
deferred_accepts_lengthen_it(void **state)
{
	(void)state;
	setting("tcp_synack_retries", "5\n");
	assert_int_equal(park(URL_TCP, 10), 73);
	/* 100 s are covered by 7 waits, 1 to 64: then one more, of 120. */
	assert_int_equal(park(URL_TCP, 100), 127 + 120 + 100);
	setting("tcp_synack_retries", "1\n");
	assert_int_equal(park(URL_TCP, 10), 31 + 10);
}

static void
without_handshakes_or_where_they_move_it_is_not_parked(void **state)
{
	(void)state;
	assert_int_equal(park(URL_UNIX, 0), 0);
	setting("tcp_migrate_req", "0\n");
	assert_int_equal(park(URL_TCP, 0), 63);
	setting("tcp_migrate_req", "1\n");
	assert_int_equal(park(URL_TCP, 10), 0);
}

#define with_group(f) cmocka_unit_test_setup_teardown(f, begin, end)
#define with_tree(f) cmocka_unit_test_setup_teardown(f, open_tree, close_tree)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_group(the_longest_programs_are_taken_by_the_kernel),
		with_group(
		    a_group_too_large_for_a_program_is_left_to_the_kernel),
		with_group(the_last_member_moves_into_the_hole),
		with_group(an_excluded_member_gets_none_of_400_connections),
		with_group(the_mirror_is_right_after_each_change_with_tcp4),
		with_group(the_mirror_is_right_after_each_change_with_tcp6),
		with_group(
		    the_mirror_is_right_after_each_change_with_dual_stack),
		with_group(a_member_shut_down_and_revived_is_the_last_one),
		with_group(a_socket_that_is_only_bound_is_no_member),
		with_group(a_source_stays_at_its_slot_with_tcp4),
		with_group(a_source_stays_at_its_slot_with_tcp6),
		with_group(a_source_stays_at_its_slot_with_tcp4_of_dual_stack),
		with_group(a_source_stays_at_its_slot_with_tcp6_of_dual_stack),
		with_group(a_source_stays_at_its_slot_with_udp4),
		with_group(a_source_stays_at_its_slot_with_udp6),
		with_group(a_source_stays_at_its_slot_with_udp4_of_dual_stack),
		with_group(
		    many_sources_come_to_all_slots_and_with_all_families_to_the_same),
		with_group(dice_bring_one_source_to_all_slots),
		with_group(a_first_member_may_get_the_flag_after_it_listens),
		with_group(
		    a_wrong_index_falls_back_to_the_hash_and_loses_nothing),
		with_group(steering_needs_no_privilege),
		with_group(a_program_of_somebody_else_is_found_and_taken_away),
		with_group(a_datagram_socket_that_left_its_group_is_found),
		with_group(a_locked_member_is_passed_over),
		with_group(a_refusal_of_the_kernel_is_told),
		with_group(without_memory_it_is_not_steered_until_it_is_empty),
		with_tree(
		    a_slot_is_parked_while_the_kernel_asks_a_client_again),
		with_tree(a_strange_setting_is_taken_for_the_kernels_default),
		with_tree(deferred_accepts_lengthen_it),
		with_tree(
		    without_handshakes_or_where_they_move_it_is_not_parked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hostile.c: a handler that was taken over. It echoes until it gets the line
 * "go" (or, with when=tick, until its first tick), then attacks the server in
 * the way that do= names: its shared memory, its control channel, or the
 * listening sockets that it shares with the master.
 */
#include <tine.h>

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FD_LIMIT 4096
#define RECORDS 20000
#define RECORD_MAX 65536
#define NTYPES 64

static bool letters;

static const struct tine_option options[] = {
	{ "do", TINE_STRING, "board", 1, 32,
	    "board | names | random | types | zero | huge | fds | drained | "
	    "listen | "
	    "nonblock | shutdown | elsewhere | steer | filter | lock | device "
	    "| linger | connect | astray, "
	    "or an option of sockets: see settings[]" },
	{ "when", TINE_STRING, "data", 1, 8, "data | tick" },
	{ "place", TINE_INT, "-1", -1, 1023, "attack from there only" },
	{ .name = NULL },
};

/* The head of a record on the control channel. */
struct head {
	uint16_t version, type;
	uint32_t seq, generation, length;
};

/* Fill each byte of shared memory that we can write: the worst a child can do
 * to the counters that the master reads. */
static void
scribble(void)
{
	unsigned long from, to;
	char line[512], perms[8];
	FILE *maps;
	unsigned char *p;

	maps = fopen("/proc/self/maps", "re");
	if (maps == NULL)
		return;
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, perms) != 3)
			continue;
		if (perms[1] != 'w' || perms[3] != 's')
			continue;
		/* Addresses come as text; there is no other way to name them. */
		for (p = (unsigned char *)(uintptr_t)from;
		     p < (unsigned char *)(uintptr_t)to; p++)
			*p = (unsigned char)(letters ? 'a' + rand() % 26
						     : rand() | 0x80);
	}
	(void)fclose(maps);
}

/* Letters in each byte of it: names of counters, if nobody looks closer. */
static void
scribble_letters(void)
{
	letters = true;
	scribble();
}

static int
socket_type(int fd)
{
	socklen_t len = sizeof(int);
	int type;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == -1)
		return -1;
	return type;
}

/* A slot: it listens, or is a UDP socket that is bound. */
static bool
is_listening(int fd)
{
	struct sockaddr_in6 name;
	socklen_t len = sizeof(int), size = sizeof(name);
	int on;

	if (socket_type(fd) == SOCK_DGRAM &&
	    getsockname(fd, (struct sockaddr *)&name, &size) == 0 &&
	    (name.sin6_family == AF_INET || name.sin6_family == AF_INET6))
		return true;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 &&
	    on != 0;
}

static int
channel(void)
{
	int fd;

	for (fd = 3; fd < FD_LIMIT; fd++)
		if (socket_type(fd) == SOCK_SEQPACKET)
			return fd;
	return -1;
}

/* Send a record, and wait for room when there is none. */
static void
send_record(int fd, const void *buf, size_t len)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags != -1)
		(void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	(void)send(fd, buf, len, MSG_NOSIGNAL);
}

static void
flood_random(void)
{
	static unsigned char record[4096];
	int fd = channel();
	size_t i, n;

	for (n = 0; n < RECORDS; n++) {
		for (i = 0; i < sizeof(record); i++)
			record[i] = (unsigned char)rand();
		send_record(fd, record, 1 + (size_t)rand() % sizeof(record));
	}
}

/* Well-formed heads of every type, those that only the master sends too, with
 * an empty, a short, and a lying payload. */
static void
flood_types(void)
{
	unsigned char record[sizeof(struct head) + 64] = { 0 };
	struct head head = { .version = 1, .generation = 1 };
	int fd = channel();
	unsigned n;

	for (n = 0; n < RECORDS; n++) {
		head.type = (uint16_t)(n % NTYPES);
		head.seq = n;
		head.length = n / NTYPES % 65;
		if (n % 7 == 0)
			head.length = UINT32_MAX;
		(void)memcpy(record, &head, sizeof(head));
		send_record(fd, record,
		    sizeof(head) + (n % 7 == 0 ? 0 : head.length));
	}
}

static void
flood_zero(void)
{
	int n, fd = channel();

	for (n = 0; n < RECORDS; n++)
		send_record(fd, "", 0);
}

static void
flood_huge(void)
{
	static unsigned char record[RECORD_MAX];
	int n, fd = channel();

	(void)memset(record, 0xff, sizeof(record));
	for (n = 0; n < RECORDS / 10; n++)
		send_record(fd, record, sizeof(record));
}

/* A descriptor with each record: a master that took them would run out. */
static void
flood_fds(void)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { .buf = { 0 } };
	struct head head = { .version = 1, .generation = 1, .type = 9 };
	struct iovec iov = { .iov_base = &head, .iov_len = sizeof(head) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int n, fd = channel();

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	(void)memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	/* A kernel that does not carry descriptors upwards leaves it the
	 * records. */
	if (sendmsg(fd, &msg, MSG_NOSIGNAL) == -1 && errno == EPERM)
		msg.msg_controllen = 0;
	for (n = 0; n < RECORDS; n++)
		if (sendmsg(fd, &msg, MSG_NOSIGNAL) == -1)
			return;
}

/* Say that it leaves, again and again, and stay. */
static void
say_drained(void)
{
	struct {
		struct head head;
		uint32_t cut;
	} record = { .head = { .version = 1, .type = 12, .generation = 1 } };
	int n, fd = channel();

	record.head.length = sizeof(record.cut);
	for (n = 0; n < 100; n++) {
		send_record(fd, &record, sizeof(record));
		(void)usleep(300000);
	}
}

static void
slot_listen(int fd)
{
	(void)listen(fd, 0);
}

static void
slot_block(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags != -1)
		(void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

static void
slot_shutdown(int fd)
{
	(void)shutdown(fd, SHUT_RDWR);
}

/* It listens again, on whatever port the kernel likes. */
static void
slot_move(int fd)
{
	(void)shutdown(fd, SHUT_RDWR);
	(void)listen(fd, 1);
}

static void
slot_filter(int fd)
{
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_fprog prog = { .len = 1, .filter = code };

	(void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
}

static void
slot_lock(int fd)
{
	int on = 1;

	slot_filter(fd);
	(void)setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on));
}

static void
slot_bind(int fd)
{
	(void)setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof("lo"));
}

/* Only a peer that is nobody is heard. */
static void
slot_connect(int fd)
{
	struct sockaddr_in peer = { .sin_family = AF_INET,
		.sin_port = htons(9) };

	peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(void)connect(fd, (const struct sockaddr *)&peer, sizeof(peer));
}

/* The same, and undone: the kernel has forgotten the group. */
static void
slot_astray(int fd)
{
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	slot_connect(fd);
	(void)connect(fd, &nobody, sizeof(nobody));
}

static void
slot_linger(int fd)
{
	struct linger l = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

/* Every new connection of the group goes to its first socket. */
static void
slot_steer(int fd)
{
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_fprog prog = { .len = 1, .filter = code };

	(void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog,
	    sizeof(prog));
}

static void
each_slot(void (*attack)(int))
{
	int fd;

	for (fd = 3; fd < FD_LIMIT; fd++)
		if (is_listening(fd))
			attack(fd);
}

static void
on_listen(void)
{
	each_slot(slot_listen);
}

static void
on_block(void)
{
	each_slot(slot_block);
}

static void
on_shutdown(void)
{
	each_slot(slot_shutdown);
}

static void
on_move(void)
{
	each_slot(slot_move);
}

static void
on_steer(void)
{
	each_slot(slot_steer);
}

static void
on_filter(void)
{
	each_slot(slot_filter);
}

static void
on_lock(void)
{
	each_slot(slot_lock);
}

static void
on_bind(void)
{
	each_slot(slot_bind);
}

static void
on_connect(void)
{
	each_slot(slot_connect);
}

static void
on_astray(void)
{
	each_slot(slot_astray);
}

static void
on_linger(void)
{
	each_slot(slot_linger);
}

/* Options of a listening socket that stop its service or slow it down. */
static const struct setting {
	const char *name;
	int level, option, value;
} settings[] = {
	{ "SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT, 0 },
	{ "SO_INCOMING_CPU", SOL_SOCKET, SO_INCOMING_CPU, 0 },
	{ "SO_DONTROUTE", SOL_SOCKET, SO_DONTROUTE, 1 },
	{ "SO_RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT, 1 << 30 },
	{ "SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, 1 },
	{ "SO_SNDBUF", SOL_SOCKET, SO_SNDBUF, 1 },
	{ "SO_MAX_PACING_RATE", SOL_SOCKET, SO_MAX_PACING_RATE, 1 },
	{ "IP_TTL", IPPROTO_IP, IP_TTL, 1 },
	{ "IP_MINTTL", IPPROTO_IP, 21, 255 },
	{ "TCP_DEFER_ACCEPT", IPPROTO_TCP, TCP_DEFER_ACCEPT, 9999 },
	{ "TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, 1 },
	{ "TCP_SYNCNT", IPPROTO_TCP, TCP_SYNCNT, 127 },
	{ "TCP_MAXSEG", IPPROTO_TCP, TCP_MAXSEG, 88 },
	{ "TCP_WINDOW_CLAMP", IPPROTO_TCP, TCP_WINDOW_CLAMP, 1 },
	{ "TCP_CORK", IPPROTO_TCP, TCP_CORK, 1 },
	{ "UDP_CORK", IPPROTO_UDP, UDP_CORK, 1 },
	{ "UDP_SEGMENT", IPPROTO_UDP, UDP_SEGMENT, 1 },
	{ "SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, 1 },
};

static void
set_on_slots(const struct setting *s)
{
	int fd;

	for (fd = 3; fd < FD_LIMIT; fd++)
		if (is_listening(fd))
			(void)setsockopt(fd, s->level, s->option, &s->value,
			    sizeof(s->value));
}

static const struct {
	const char *name;
	void (*run)(void);
} attacks[] = {
	{ "board", scribble },
	{ "names", scribble_letters },
	{ "random", flood_random },
	{ "types", flood_types },
	{ "zero", flood_zero },
	{ "huge", flood_huge },
	{ "fds", flood_fds },
	{ "drained", say_drained },
	{ "listen", on_listen },
	{ "nonblock", on_block },
	{ "shutdown", on_shutdown },
	{ "elsewhere", on_move },
	{ "steer", on_steer },
	{ "filter", on_filter },
	{ "lock", on_lock },
	{ "device", on_bind },
	{ "linger", on_linger },
	{ "connect", on_connect },
	{ "astray", on_astray },
};

static void
attack(struct tine_child *child)
{
	const char *name = tine_option(child, "do", NULL);
	int64_t place = tine_option_int(child, "place");
	size_t i;

	if (place != -1 && place != tine_place(child))
		return;
	for (i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++)
		if (strcmp(attacks[i].name, name) == 0)
			attacks[i].run();
	for (i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (strcmp(settings[i].name, name) == 0)
			set_on_slots(&settings[i]);
}

static enum tine_action
hostile_data(struct tine_conn *c)
{
	size_t n;
	const void *p = tine_peek(c, &n);
	bool go = memmem(p, n, "go\n", 3) != NULL;

	if (go)
		attack(tine_child(c));
	if (tine_write(c, p, n) == -1)
		return TINE_ABORT;
	tine_consume(c, n);
	return TINE_OK;
}

static enum tine_action
hostile_datagram(struct tine_dgram *d)
{
	size_t n;
	const void *p = tine_dgram_bytes(d, &n);

	if (memmem(p, n, "go\n", 3) != NULL)
		attack(tine_dgram_child(d));
	(void)tine_dgram_reply(d, p, n);
	return TINE_OK;
}

static enum tine_action
hostile_tick(struct tine_child *child, double *next)
{
	if (strcmp(tine_option(child, "when", NULL), "tick") == 0)
		attack(child);
	*next = -1;
	return TINE_OK;
}

TINE_HANDLER(.name = "hostile", .options = options, .data = hostile_data,
    .datagram = hostile_datagram, .tick = hostile_tick);

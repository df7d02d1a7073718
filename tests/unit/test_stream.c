/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocking style: each test has a function that is the life of a connection,
 * and plays its peer. */
#include "tests/unit/rig.h"

#include <sys/mman.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "child/stream.h"

#define BIG_BYTES (2 << 20)

void *__real_mmap(void *, size_t, int, int, int, off_t);
void *__wrap_mmap(void *, size_t, int, int, int, off_t);
void __real_log_write(enum log_level, const char *, ...);
void __wrap_log_write(enum log_level, const char *, ...) PRINTF_LIKE(2, 3);

static bool no_mmap;
static char said[512];

void *
__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off)
{
	if (no_mmap) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return __real_mmap(at, len, prot, flags, fd, off);
}

void
__wrap_log_write(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	(void)level;
	va_start(ap, fmt);
	(void)vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
}

/* What the coroutines of a test leave. */
static struct {
	void (*run)(struct tine_stream *);
	struct tine_stream *stream;
	char url[64];
	char text[256];
	ssize_t n, again;
	size_t taken;
	int err;
	unsigned steps, over;
} seen;

static char big[BIG_BYTES];

static void
run(struct tine_stream *s)
{
	seen.stream = s;
	seen.run(s);
	seen.over++;
}

static const struct tine_handler blocking = {
	.size = sizeof(struct tine_handler),
	.abi = TINE_ABI,
	.name = "blocking",
	.conn_size = 16,
	.run = run,
};

static void
start(void (*fn)(struct tine_stream *))
{
	rig_start(&blocking);
	stream_take(&rig.server->handler);
	rig.server->is_stream = stream_serves(&rig.server->handler);
	seen.run = fn;
}

static int
setup(void **state)
{
	size_t i;

	(void)state;
	(void)rig_conf();
	(void)memset(&seen, 0, sizeof(seen));
	said[0] = '\0';
	for (i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 2654435761U >> 13);
	return 0;
}

/* Turn the loop until `is_true`. Coroutines go on before the loop waits, so it
 * must not wait before that was looked at. */
#define until(is_true)                                                         \
	do {                                                                   \
		ev_timer until_w;                                              \
		ev_timer_init(&until_w, rig_timed_out, RIG_PATIENCE_SECONDS,   \
		    0.);                                                       \
		ev_now_update(rig.ch.loop);                                    \
		ev_timer_start(rig.ch.loop, &until_w);                         \
		do                                                             \
			ev_run(rig.ch.loop, EVRUN_NOWAIT);                     \
		while (!(is_true));                                            \
		ev_timer_stop(rig.ch.loop, &until_w);                          \
	} while (0)

/* ---- reading ---- */

static void
echo(struct tine_stream *s)
{
	char buf[100];

	while ((seen.n = tine_stream_read(s, buf, sizeof(buf))) > 0)
		assert_int_equal(
		    tine_stream_write(s, buf, (size_t)seen.n, NULL), 0);
}

static void
it_reads_writes_and_closes_when_it_returns(void **state)
{
	char text[64];
	int peer;

	(void)state;
	start(echo);
	peer = rig_connect();
	assert_int_equal(seen.over, 0);
	rig_say(peer, "hello");
	until(rig_hear(peer, text, sizeof(text)) == 5);
	assert_string_equal(text, "hello");
	rig_say(peer, "again");
	until(rig_hear(peer, text, sizeof(text)) == 5);
	assert_int_equal(shutdown(peer, SHUT_WR), 0);
	until(seen.over == 1);
	assert_int_equal(seen.n, 0);
	until(rig_hear(peer, text, sizeof(text)) == 0);
	until(rig.ch.nconns == 0);
	assert_int_equal(rig_closed(TINE_LOCAL), 1);
	closefd(&peer);
}

static void
read_big(struct tine_stream *s)
{
	static char buf[32768];

	while ((seen.n = tine_stream_read(s, buf, sizeof(buf))) > 0) {
		assert_memory_equal(buf, big + seen.taken, (size_t)seen.n);
		seen.taken += (size_t)seen.n;
		seen.steps++;
	}
}

static void
who_has_much_room_gets_it_there(void **state)
{
	const char untouched[64] = { 0 };
	size_t sent = 0;
	ssize_t n;
	int peer;

	(void)state;
	start(read_big);
	(void)memset(rig.ch.scratch->bytes, 0, sizeof(untouched));
	peer = rig_connect();
	while (sent < sizeof(big)) {
		n = send(peer, big + sent, sizeof(big) - sent, MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
		rig_turn();
	}
	until(seen.taken == sizeof(big));
	assert_int_equal(rig_count(BOARD_BYTES_IN), sizeof(big));
	/* None of it went through the scratch. */
	assert_memory_equal(rig.ch.scratch->bytes, untouched, 64);
	closefd(&peer);
	until(seen.over == 1);
}

static void
full(struct tine_stream *s)
{
	seen.n = tine_stream_read_full(s, seen.text, 8);
	seen.again = tine_stream_read_full(s, seen.text + 8, 8);
	seen.err = errno;
	seen.taken = (size_t)tine_stream_read(s, seen.text + 16, 16);
	assert_int_equal(tine_stream_read_full(s, seen.text + 32, 8), 0);
}

static void
an_end_in_the_middle_is_unexpected_and_loses_nothing(void **state)
{
	int peer;

	(void)state;
	start(full);
	peer = rig_connect();
	rig_say(peer, "abc");
	rig_turn();
	rig_say(peer, "defghij");
	rig_turn();
	assert_int_equal(seen.n, 8);
	closefd(&peer);
	until(seen.over == 1);
	assert_int_equal(seen.again, -1);
	assert_int_equal(seen.err, TINE_E_UNEXPECTED_EOF);
	assert_int_equal(seen.taken, 2);
	assert_memory_equal(seen.text + 16, "ij", 2);
}

static void
lines(struct tine_stream *s)
{
	ssize_t n;
	size_t at = 0;

	while ((n = tine_stream_read_until(s, '\n', seen.text + at, 12)) > 0) {
		at += (size_t)n;
		seen.steps++;
	}
	seen.n = n;
	seen.err = errno;
}

static void
a_line_is_found_over_the_borders_of_chunks(void **state)
{
	const char *const pieces[] = { "one", "\ntw", "o\nthree\nfo", "ur\n" };
	size_t i;
	int peer;

	(void)state;
	start(lines);
	peer = rig_connect();
	for (i = 0; i < nitems(pieces); i++) {
		rig_say(peer, pieces[i]);
		rig_turn();
	}
	assert_int_equal(seen.steps, 4);
	assert_string_equal(seen.text, "one\ntwo\nthree\nfour\n");
	closefd(&peer);
	until(seen.over == 1);
	assert_int_equal(seen.n, 0);
}

static void
a_line_that_is_too_long_is_left_as_it_is(void **state)
{
	int peer;

	(void)state;
	start(lines);
	peer = rig_connect();
	rig_say(peer, "short\n123456789012\n");
	until(seen.over == 1);
	assert_int_equal(seen.steps, 1);
	assert_int_equal(seen.n, -1);
	assert_int_equal(seen.err, EMSGSIZE);
	closefd(&peer);
}

static void
half_a_line(struct tine_stream *s)
{
	seen.n = tine_stream_read_until(s, '\n', seen.text, 20);
	seen.err = errno;
	seen.again = tine_stream_read(s, seen.text, 20);
}

static void
half_a_line_at_the_end_is_unexpected(void **state)
{
	int peer;

	(void)state;
	start(half_a_line);
	peer = rig_connect();
	rig_say(peer, "half");
	rig_turn();
	closefd(&peer);
	until(seen.over == 1);
	assert_int_equal(seen.n, -1);
	assert_int_equal(seen.err, TINE_E_UNEXPECTED_EOF);
	assert_int_equal(seen.again, 4);
}

/* ---- deadlines ---- */

static void
deadlines(struct tine_stream *s)
{
	char buf[16];

	assert_int_equal(tine_stream_set_read_deadline(s, 0.02), 0);
	assert_int_equal(tine_stream_read_full(s, buf, 8), -1);
	assert_int_equal(errno, ETIMEDOUT);
	/* Also with bytes there, until it is set anew. */
	assert_int_equal(tine_stream_read(s, buf, 8), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(tine_stream_set_read_deadline(s, -1), 0);
	assert_int_equal(tine_stream_read_until(s, 'x', buf, 8), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(tine_stream_write(s, "still", 5, NULL), 0);
	assert_int_equal(tine_stream_set_read_deadline(s, 60), 0);
	seen.steps = 1;
	assert_int_equal(tine_stream_read_full(s, buf, 8), 8);
	assert_memory_equal(buf, "abcdefgh", 8);
	assert_int_equal(tine_stream_set_read_deadline(s, 0), 0);
	seen.steps = 2;
	assert_int_equal(tine_stream_read(s, buf, 8), 1);
}

static void
a_deadline_fails_all_calls_until_it_is_set_anew_and_loses_no_byte(void **state)
{
	char text[16];
	int peer;

	(void)state;
	start(deadlines);
	peer = rig_connect();
	rig_say(peer, "abcd");
	until(seen.steps == 1);
	until(rig_hear(peer, text, sizeof(text)) == 5);
	rig_say(peer, "efgh");
	until(seen.steps == 2);
	rig_say(peer, "i");
	until(seen.over == 1);
	closefd(&peer);
}

static void
wait_for_ever(struct tine_stream *s)
{
	char c;

	seen.n = tine_stream_read(s, &c, 1);
	seen.err = errno;
}

static void
set_past(void *arg)
{
	assert_int_equal(tine_stream_set_read_deadline(arg, -1), 0);
}

static void
be_interrupted(struct tine_stream *s)
{
	assert_int_equal(tine_spawn(set_past, s), 0);
	wait_for_ever(s);
}

static void
a_deadline_that_another_one_sets_ends_the_wait(void **state)
{
	int peer;

	(void)state;
	start(be_interrupted);
	peer = rig_connect();
	until(seen.over == 1);
	assert_int_equal(seen.n, -1);
	assert_int_equal(seen.err, ETIMEDOUT);
	closefd(&peer);
}

static void
the_timeouts_of_the_server_end_the_wait(void **state)
{
	char c;
	int peer;

	(void)state;
	rig.conf.servers[0].timeouts.first_byte = 0.02;
	start(wait_for_ever);
	peer = rig_connect();
	until(seen.over == 1);
	assert_int_equal(seen.n, -1);
	assert_int_equal(seen.err, ETIMEDOUT);
	assert_int_equal(rig_closed(TINE_FIRST_BYTE), 1);
	assert_int_equal(rig_hear(peer, &c, 1), 0);
	closefd(&peer);
}

/* ---- writing ---- */

static void
write_in_parts(struct tine_stream *s)
{
	size_t done = 0, taken;

	while (done < sizeof(big)) {
		(void)tine_stream_set_write_deadline(s, 0.01);
		if (tine_stream_write(s, big + done, sizeof(big) - done,
			&taken) == -1) {
			assert_int_equal(errno, ETIMEDOUT);
			seen.steps++;
		}
		done += taken;
	}
}

static void
what_was_taken_before_the_deadline_is_told_and_sent_once(void **state)
{
	static char got[BIG_BYTES];
	size_t have = 0;
	ssize_t n;
	int peer;

	(void)state;
	start(write_in_parts);
	peer = rig_connect();
	until(seen.steps >= 2);
	while (have < sizeof(got)) {
		n = recv(peer, got + have, sizeof(got) - have, 0);
		assert_int_not_equal(n, 0);
		have += n > 0 ? (size_t)n : 0;
		ev_run(rig.ch.loop, EVRUN_NOWAIT);
	}
	assert_memory_equal(got, big, sizeof(big));
	until(seen.over == 1);
	closefd(&peer);
}

static void
write_big(struct tine_stream *s)
{
	seen.n = tine_stream_write(s, big, sizeof(big), &seen.taken);
	seen.err = errno;
}

static void
a_peer_that_never_reads_ends_it_by_the_write_timeout(void **state)
{
	int peer;

	(void)state;
	rig.conf.servers[0].timeouts.write = 0.05;
	start(write_big);
	peer = rig_connect();
	until(seen.over == 1);
	assert_int_equal(seen.n, -1);
	assert_int_equal(seen.err, ETIMEDOUT);
	assert_in_range(seen.taken, 1, sizeof(big) - 1);
	assert_int_equal(rig_closed(TINE_WRITE_TIMEOUT), 1);
	closefd(&peer);
}

static void
close_it(void *arg)
{
	assert_int_equal(tine_stream_close(arg), 0);
	assert_int_equal(tine_stream_close(arg), 0);
}

static void
be_closed(struct tine_stream *s)
{
	assert_int_equal(tine_spawn(close_it, s), 0);
	write_big(s);
	assert_int_equal(tine_stream_read(s, big, 1), -1);
	assert_int_equal(errno, TINE_E_CLOSED);
	assert_int_equal(tine_stream_close(s), 0);
}

static void
closing_ends_a_write_that_is_stuck(void **state)
{
	static char got[65536];
	size_t have = 0;
	ssize_t n;
	int peer;

	(void)state;
	start(be_closed);
	peer = rig_connect();
	until(seen.over == 1);
	assert_int_equal(seen.n, -1);
	assert_int_equal(seen.err, TINE_E_CLOSED);
	/* And what was taken arrives. */
	while ((n = recv(peer, got, sizeof(got), 0)) != 0) {
		have += n > 0 ? (size_t)n : 0;
		ev_run(rig.ch.loop, EVRUN_NOWAIT);
	}
	assert_int_equal(have, seen.taken);
	closefd(&peer);
}

static void
read_while_congested(struct tine_stream *s)
{
	char c;

	(void)tine_stream_set_write_deadline(s, 0.02);
	assert_int_equal(tine_stream_write(s, big, sizeof(big), NULL), -1);
	seen.n = tine_stream_read(s, &c, 1);
	seen.steps = 1;
	seen.n = tine_stream_read(s, &c, 1);
}

static void
input_and_its_end_come_while_output_is_stuck(void **state)
{
	int peer;

	(void)state;
	start(read_while_congested);
	peer = rig_connect();
	rig_say(peer, "x");
	until(seen.steps == 1);
	assert_int_equal(shutdown(peer, SHUT_WR), 0);
	until(seen.over == 1);
	assert_int_equal(seen.n, 0);
	closefd(&peer);
}

static void
half_close(struct tine_stream *s)
{
	assert_int_equal(tine_stream_write(s, "bye", 3, NULL), 0);
	assert_int_equal(tine_stream_shutdown_write(s), 0);
	assert_int_equal(tine_stream_write(s, "more", 4, &seen.taken), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(tine_stream_shutdown_write(s), -1);
	seen.n = tine_stream_read(s, seen.text, sizeof(seen.text));
}

static void
after_our_end_the_peer_can_go_on(void **state)
{
	char text[16];
	int peer;

	(void)state;
	start(half_close);
	peer = rig_connect();
	until(rig_hear(peer, text, sizeof(text)) == 3);
	until(rig_hear(peer, text, sizeof(text)) == 0);
	assert_int_equal(seen.over, 0);
	rig_say(peer, "well");
	until(seen.over == 1);
	assert_int_equal(seen.n, 4);
	assert_int_equal(seen.taken, 0);
	closefd(&peer);
}

/* ---- several of them ---- */

static void
read_too(void *arg)
{
	char c;

	assert_int_equal(tine_stream_read(arg, &c, 1), -1);
	seen.err = errno;
	assert_int_equal(tine_stream_write(arg, "w", 1, NULL), 0);
}

static void
share(struct tine_stream *s)
{
	assert_int_equal(tine_spawn(read_too, s), 0);
	seen.n = tine_stream_read(s, seen.text, 8);
	assert_int_equal(tine_join(), 0);
}

static void
a_second_reader_is_refused_and_a_writer_is_not(void **state)
{
	char text[16];
	int peer;

	(void)state;
	start(share);
	peer = rig_connect();
	until(rig_hear(peer, text, sizeof(text)) == 1);
	assert_int_equal(seen.err, EBUSY);
	rig_say(peer, "go");
	until(seen.over == 1);
	assert_int_equal(seen.n, 2);
	closefd(&peer);
}

static void
outlive(void *arg)
{
	char c;

	/* Until the peer goes: run has returned long ago. */
	assert_int_equal(tine_stream_read(arg, &c, 1), -1);
	assert_int_equal(errno, TINE_E_CLOSED);
	assert_int_equal(tine_sleep(0.02), 0);
	assert_int_equal(tine_stream_write(arg, "x", 1, NULL), -1);
	assert_int_equal(errno, TINE_E_CLOSED);
	assert_null(tine_stream_conn(arg));
	assert_int_equal(tine_stream_close(arg), 0);
	seen.steps++;
}

static void
leave_one_behind(struct tine_stream *s)
{
	assert_int_equal(tine_spawn(outlive, s), 0);
	assert_int_equal(tine_sleep(0), 0);
}

static void
a_stream_can_be_named_until_the_last_one_has_returned(void **state)
{
	int peer;

	(void)state;
	start(leave_one_behind);
	peer = rig_connect();
	until(seen.over == 1);
	closefd(&peer);
	until(seen.steps == 1);
	until(TAILQ_EMPTY(&rig.ch.fibers.all));
}

static void
nothing_waits_outside_of_a_coroutine(void **state)
{
	int peer;
	char c;

	(void)state;
	start(wait_for_ever);
	peer = rig_connect();
	errno = 0;
	assert_int_equal(tine_stream_read(seen.stream, &c, 1), -1);
	assert_int_equal(errno, EPERM);
	assert_non_null(strstr(said,
	    "handler blocking: tine_stream_read() outside of run"));
	assert_int_equal(tine_stream_close(seen.stream), -1);
	assert_int_equal(tine_sleep(0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(tine_join(), -1);
	assert_int_equal(tine_spawn(set_past, NULL), -1);
	assert_null(tine_dial("tcp://127.0.0.1:1", 1.));
	assert_int_equal(errno, EPERM);
	assert_int_equal(seen.over, 0);
	closefd(&peer);
	until(seen.over == 1);
}

/* ---- connections of its own ---- */

static int
listener(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (const struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(fd, 128), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	(void)snprintf(seen.url, sizeof(seen.url), "tcp://127.0.0.1:%u",
	    ntohs(sin.sin_port));
	return fd;
}

struct pair {
	struct tine_stream *to, *from;
};

static void
back(void *arg)
{
	const struct pair *p = arg;

	seen.again = tine_stream_copy(p->to, p->from);
	(void)tine_stream_shutdown_write(p->to);
}

static void
proxy(struct tine_stream *s)
{
	struct tine_stream *up = tine_dial(seen.url, 5.);
	struct pair p = { s, up };

	assert_non_null(up);
	assert_int_equal(tine_spawn(back, &p), 0);
	seen.n = tine_stream_copy(up, s);
	assert_int_equal(tine_stream_shutdown_write(up), 0);
	assert_int_equal(tine_join(), 0);
}

static void
two_coroutines_are_a_proxy(void **state)
{
	static char got[BIG_BYTES];
	size_t sent = 0, have = 0;
	int fd = listener(), peer, up = -1;
	char buf[65536];
	ssize_t n;

	(void)state;
	start(proxy);
	peer = rig_connect();
	while (have < sizeof(big)) {
		ev_run(rig.ch.loop, EVRUN_NOWAIT);
		if (up == -1)
			up = accept4(fd, NULL, NULL,
			    SOCK_CLOEXEC | SOCK_NONBLOCK);
		n = send(peer, big + sent, sizeof(big) - sent, MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
		if (sent == sizeof(big))
			(void)shutdown(peer, SHUT_WR);
		/* The other end is an echo. */
		n = up == -1 ? -1 : recv(up, buf, sizeof(buf), 0);
		if (n == 0)
			(void)shutdown(up, SHUT_WR);
		while (n > 0 && send(up, buf, (size_t)n, MSG_NOSIGNAL) != n)
			fail_msg("the test's own socket is full");
		n = recv(peer, got + have, sizeof(got) - have, 0);
		have += n > 0 ? (size_t)n : 0;
	}
	assert_memory_equal(got, big, sizeof(big));
	if (recv(up, buf, 1, 0) == 0)
		(void)shutdown(up, SHUT_WR);
	closefd(&up);
	until(seen.over == 1);
	assert_int_equal(seen.n, sizeof(big));
	assert_int_equal(seen.again, sizeof(big));
	until(rig.ch.nconns == 0);
	closefd(&peer);
	closefd(&fd);
}

static void
dial_nobody(struct tine_stream *s)
{
	int fds[2];

	(void)s;
	assert_null(tine_dial("tcp://127.0.0.1:1", 5.));
	assert_int_equal(errno, ECONNREFUSED);
	assert_null(tine_dial("http://127.0.0.1", 5.));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_null(tine_stream_adopt(fds[0]));
	assert_int_equal(errno, TINE_E_NOT_POLLABLE);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void
what_cannot_be_dialed_or_adopted_says_why(void **state)
{
	int peer;

	(void)state;
	start(dial_nobody);
	peer = rig_connect();
	until(seen.over == 1);
	closefd(&peer);
}

static void
adopt(struct tine_stream *s)
{
	struct tine_stream *a;
	int fds[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	a = tine_stream_adopt(fds[0]);
	assert_non_null(a);
	assert_null(tine_context(tine_stream_conn(a)));
	assert_int_equal(send(fds[1], "from there", 10, 0), 10);
	assert_int_equal(tine_stream_read_full(a, seen.text, 10), 10);
	assert_int_equal(tine_stream_write(s, seen.text, 10, NULL), 0);
	(void)close(fds[1]);
}

static void
an_adopted_socket_is_a_stream_that_ends_with_its_coroutine(void **state)
{
	char text[16];
	int peer;

	(void)state;
	start(adopt);
	peer = rig_connect();
	until(rig_hear(peer, text, sizeof(text)) == 10);
	assert_string_equal(text, "from there");
	until(rig_hear(peer, text, sizeof(text)) == 0);
	until(rig.ch.nconns == 0);
	closefd(&peer);
}

static void
dial_often(struct tine_stream *s)
{
	struct tine_stream *first = NULL, *d;
	int i;

	(void)s;
	for (i = 0; i < 100; i++) {
		d = tine_dial(seen.url, 5.);
		assert_non_null(d);
		if (first == NULL)
			first = d;
		assert_int_equal(tine_stream_close(d), 0);
		/* Closed ones are remembered for a while. */
		if (i == 20)
			assert_int_equal(tine_stream_close(first), 0);
		assert_int_equal(tine_sleep(0.001), 0);
	}
}

static void
a_coroutine_may_dial_as_often_as_it_likes(void **state)
{
	int fd = listener(), peer, up;

	(void)state;
	start(dial_often);
	peer = rig_connect();
	until(((up = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) == -1 ||
		  close(up) == 0) &&
	    seen.over == 1);
	until(rig.ch.nconns <= 1);
	closefd(&peer);
	closefd(&fd);
}

/* ---- the end ---- */

static void
at_the_drain_timeout_calls_fail_with_closed(void **state)
{
	int peer;

	(void)state;
	start(wait_for_ever);
	peer = rig_connect();
	drain_begin(&rig.ch, 0.02, CTL_STOPPING);
	until(seen.over == 1);
	assert_int_equal(seen.err, TINE_E_CLOSED);
	assert_int_equal(rig.ch.drain.cut, 1);
	closefd(&peer);
}

static void
be_stubborn(struct tine_stream *s)
{
	char c;

	for (;;) {
		seen.n = tine_stream_read(s, &c, 1);
		seen.steps++;
		seen.again = tine_sleep(0.001);
		seen.err = errno;
	}
}

static void
the_end_of_the_child_wakes_all_and_drops_who_does_not_return(void **state)
{
	int peer;

	(void)state;
	start(be_stubborn);
	peer = rig_connect();
	rig_turn();
	assert_int_equal(seen.steps, 0);
	child_close_conns(&rig.ch);
	fibers_end(&rig.ch);
	assert_in_range(seen.steps, 2, 40);
	assert_int_equal(seen.n, -1);
	assert_int_equal(seen.again, -1);
	assert_int_equal(seen.err, TINE_E_CLOSED);
	assert_string_equal(said,
	    "1 coroutine did not return when the child ended");
	assert_true(TAILQ_EMPTY(&rig.ch.fibers.all));
	closefd(&peer);
}

static void
without_a_stack_a_connection_is_reset_and_the_child_goes_on(void **state)
{
	char c[2];
	int peer;

	(void)state;
	start(echo);
	no_mmap = true;
	peer = rig_connect_tcp();
	no_mmap = false;
	assert_int_equal(rig_hear(peer, c, sizeof(c)), -1);
	assert_int_equal(errno, ECONNRESET);
	closefd(&peer);
	rig_turn();
	peer = rig_connect();
	rig_say(peer, "x");
	until(rig_hear(peer, c, sizeof(c)) == 1);
	closefd(&peer);
	until(seen.over == 1);
}

static void
a_reset_is_told_to_who_waits(void **state)
{
	const struct linger now = { 1, 0 };
	int peer;

	(void)state;
	start(wait_for_ever);
	peer = rig_connect_tcp();
	assert_int_equal(
	    setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	closefd(&peer);
	until(seen.over == 1);
	assert_int_equal(seen.n, -1);
	assert_int_equal(seen.err, ECONNRESET);
}

static void
beside_run_there_are_few_callbacks(void **state)
{
	struct tine_handler h = blocking;
	struct err err;

	(void)state;
	assert_int_equal(stream_check(&h, &err), 0);
	h.quiesce = rig_quiesce;
	assert_int_equal(stream_check(&h, &err), 0);
	h.data = rig_data;
	assert_int_equal(stream_check(&h, &err), -1);
	assert_string_equal(err.text, "handler blocking: it has run and data");
	h.run = NULL;
	assert_int_equal(stream_check(&h, &err), 0);
}

static void
leave_and_dial(struct tine_stream *s)
{
	unsigned i;

	assert_int_equal(tine_stream_close(s), 0);
	while (tine_stream_conn(s) != NULL)
		assert_int_equal(tine_sleep(0.001), 0);
	for (i = 0; i < 100; i++)
		assert_null(tine_dial("unix:/nonexistent/socket", 1));
	assert_int_equal(tine_sleep(0), 0);
}

static void
a_coroutine_outlives_its_own_stream(void **state)
{
	int peer;

	(void)state;
	start(leave_and_dial);
	peer = rig_connect();
	closefd(&peer);
	until(seen.over == 1);
}

#define it(f) cmocka_unit_test_setup_teardown(f, setup, rig_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		it(it_reads_writes_and_closes_when_it_returns),
		it(who_has_much_room_gets_it_there),
		it(an_end_in_the_middle_is_unexpected_and_loses_nothing),
		it(a_line_is_found_over_the_borders_of_chunks),
		it(a_line_that_is_too_long_is_left_as_it_is),
		it(half_a_line_at_the_end_is_unexpected),
		it(a_deadline_fails_all_calls_until_it_is_set_anew_and_loses_no_byte),
		it(a_deadline_that_another_one_sets_ends_the_wait),
		it(the_timeouts_of_the_server_end_the_wait),
		it(what_was_taken_before_the_deadline_is_told_and_sent_once),
		it(a_peer_that_never_reads_ends_it_by_the_write_timeout),
		it(closing_ends_a_write_that_is_stuck),
		it(input_and_its_end_come_while_output_is_stuck),
		it(after_our_end_the_peer_can_go_on),
		it(a_second_reader_is_refused_and_a_writer_is_not),
		it(a_stream_can_be_named_until_the_last_one_has_returned),
		it(nothing_waits_outside_of_a_coroutine),
		it(two_coroutines_are_a_proxy),
		it(what_cannot_be_dialed_or_adopted_says_why),
		it(an_adopted_socket_is_a_stream_that_ends_with_its_coroutine),
		it(a_coroutine_may_dial_as_often_as_it_likes),
		it(at_the_drain_timeout_calls_fail_with_closed),
		it(the_end_of_the_child_wakes_all_and_drops_who_does_not_return),
		it(without_a_stack_a_connection_is_reset_and_the_child_goes_on),
		it(a_reset_is_told_to_who_waits),
		cmocka_unit_test(beside_run_there_are_few_callbacks),
		it(a_coroutine_outlives_its_own_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

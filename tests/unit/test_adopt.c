/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptors that come from elsewhere, and those that leave. */
#include "tests/unit/rig.h"

#include <errno.h>
#include <unistd.h>

static int left_fd;
static unsigned detaches;
static char left[64];

static enum tine_action
detach_on_x(struct tine_conn *c)
{
	size_t len;
	const char *in = tine_peek(c, &len);

	if (memchr(in, 'x', len) == NULL)
		return TINE_OK;
	assert_int_equal(tine_write(c, "bye", 3), 0);
	tine_consume(c, 1);
	return TINE_DETACH;
}

static void
on_detached(struct tine_child *s, int fd, const void *unread, size_t len)
{
	assert_ptr_equal(s, rig.server);
	detaches++;
	left_fd = fd;
	assert_true(len < sizeof(left));
	(void)memcpy(left, unread, len);
	left[len] = '\0';
}

static const struct tine_handler leaver = {
	.size = sizeof(struct tine_handler),
	.abi = TINE_ABI,
	.name = "leaver",
	.open = rig_open,
	.data = detach_on_x,
	.close = rig_close,
	.detached = on_detached,
};

static int
with_leaver(void **state)
{
	(void)state;
	detaches = 0;
	left_fd = -1;
	(void)rig_conf();
	rig_start(&leaver);
	return 0;
}

static void
a_pair(int fds[2])
{
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void
what_was_read_before_is_delivered_first(void **state)
{
	struct tine_conn *c;
	int fds[2];

	(void)state;
	a_pair(fds);
	rig_say(fds[1], "second");
	c = tine_adopt(rig.server, NULL, fds[0], "first ", 6, NULL);
	assert_non_null(c);
	assert_int_equal(rig.opens, 0);
	assert_int_equal(fcntl(fds[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	rig_until(rig.ngot == 12);
	assert_int_equal(rig.opens, 1);
	assert_memory_equal(rig.got, "first second", 12);
	assert_int_equal(tine_listener(c), SIZE_MAX);
	closefd(&fds[1]);
	rig_until(rig.closes == 1);
}

static void
what_is_no_connection_is_refused_and_stays_the_callers(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int file = open("/dev/null", O_RDWR | O_CLOEXEC), fds[2];
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int alone = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char regular[] = "/tmp/tine-adopt-XXXXXX";
	int text = mkstemp(regular);
	const struct {
		int fd, code;
	} bad[] = {
		{ file, ENOTSOCK },
		{ text, ENOTSOCK },
		{ listener, EINVAL },
		{ alone, ENOTCONN },
		{ -1, EBADF },
	};
	size_t i;

	(void)state;
	(void)unlink(regular);
	assert_int_equal(
	    bind(listener, (const struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(listener, 1), 0);
	for (i = 0; i < nitems(bad); i++) {
		assert_null(
		    tine_adopt(rig.server, NULL, bad[i].fd, NULL, 0, NULL));
		assert_int_equal(errno, bad[i].code);
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds),
	    0);
	assert_null(tine_adopt(rig.server, NULL, fds[0], NULL, 0, NULL));
	assert_int_equal(errno, EINVAL);
	for (i = 0; i + 1 < nitems(bad); i++)
		assert_int_equal(close(bad[i].fd), 0);
	closefd(&fds[0]);
	closefd(&fds[1]);
	assert_int_equal(rig.ch.nconns, 0);
}

static void
the_limit_of_connections_holds(void **state)
{
	int fds[2];

	(void)state;
	a_pair(fds);
	rig.ch.max_conns = 0;
	assert_null(tine_adopt(rig.server, NULL, fds[0], NULL, 0, NULL));
	assert_int_equal(errno, EMFILE);
	assert_int_equal(close(fds[0]), 0);
	closefd(&fds[1]);
}

static void
one_that_leaves_says_all_first_and_takes_the_rest_along(void **state)
{
	int peer = rig_connect();
	char text[16];

	(void)state;
	rig_say(peer, "xyz");
	rig_until(detaches == 1);
	assert_string_equal(left, "yz");
	assert_int_equal(rig.closes, 0);
	assert_int_equal(rig.ch.nconns, 0);
	assert_int_equal(rig_hear(peer, text, sizeof(text)), 3);
	assert_string_equal(text, "bye");
	rig_say(peer, "later");
	rig_turn();
	assert_int_equal(read(left_fd, text, sizeof(text)), 5);
	closefd(&left_fd);
	closefd(&peer);
}

/* The same number comes back as another connection's. */
static void
a_descriptor_that_left_can_be_adopted_again(void **state)
{
	int peer = rig_connect();
	char text[16];

	(void)state;
	rig_say(peer, "xy");
	rig_until(detaches == 1);
	assert_non_null(tine_adopt(rig.server, NULL, left_fd, left, 1, NULL));
	rig_until(rig.opens == 2);
	assert_int_equal(rig_hear(peer, text, sizeof(text)), 3);
	rig_say(peer, "x");
	rig_until(detaches == 2);
	assert_string_equal(left, "x");
	closefd(&left_fd);
	closefd(&peer);
}

static void
one_whose_peer_takes_nothing_is_closed_as_any_other(void **state)
{
	int peer = rig_connect();
	static char much[1 << 20];

	(void)state;
	assert_int_equal(tine_write(rig.conn, much, sizeof(much)), 0);
	rig_say(peer, "x");
	rig_turn();
	assert_int_equal(detaches, 0);
	closefd(&peer);
	rig_until(rig.closes == 1);
	assert_int_equal(detaches, 0);
}

static char much[40000], taken[sizeof(much)];
static size_t ntaken;
static int far_end;

static enum tine_action
take(struct tine_conn *c)
{
	ntaken += tine_read(c, taken + ntaken, sizeof(taken) - ntaken);
	return TINE_OK;
}

static const struct tine_handler taker = {
	.size = sizeof(struct tine_handler),
	.abi = TINE_ABI,
	.name = "taker",
	.data = take,
};

/* Give a copy away and keep all but the first byte. */
static enum tine_action
share(struct tine_conn *c)
{
	size_t len;
	const void *in = tine_peek(c, &len);
	int fds[2];

	if (far_end != -1 || len < sizeof(much))
		return TINE_OK;
	a_pair(fds);
	far_end = fds[1];
	assert_non_null(tine_adopt(rig.server, &taker, fds[0], in, len, NULL));
	tine_consume(c, 1);
	return TINE_OK;
}

static void
unread_bytes_are_copied_however_many(void **state)
{
	int peer = rig_connect();
	size_t i, len;

	(void)state;
	rig.server->handler.data = share;
	rig.server->read_bytes = SCRATCH_BYTES;
	rig.server->limits.input = 2 * SCRATCH_BYTES;
	ntaken = 0;
	far_end = -1;
	for (i = 0; i < sizeof(much); i++)
		much[i] = (char)(i * 31 % 251);
	assert_int_equal(send(peer, much, sizeof(much), MSG_NOSIGNAL),
	    (ssize_t)sizeof(much));
	/* It is served before the loop waits: so turn it first. */
	rig_turn();
	rig_until(ntaken == sizeof(much));
	assert_memory_equal(taken, much, sizeof(much));
	assert_memory_equal(tine_peek(rig.conn, &len), much + 1,
	    sizeof(much) - 1);
	assert_int_equal(len, sizeof(much) - 1);
	closefd(&far_end);
	closefd(&peer);
	rig_until(rig.ch.nconns == 0);
}

static enum tine_action
tell_other(struct tine_conn *c)
{
	assert_int_equal(tine_write(tine_context(c), "news", 4), 0);
	return TINE_OK;
}

static void
adopt_another(struct tine_conn *c)
{
	static const struct tine_handler teller = {
		.size = sizeof(struct tine_handler),
		.abi = TINE_ABI,
		.name = "teller",
		.open = tell_other,
	};
	int fds[2];

	if (far_end != -1)
		return;
	a_pair(fds);
	far_end = fds[1];
	assert_non_null(tine_adopt(rig.server, &teller, fds[0], NULL, 0, c));
}

static void
one_adopted_at_the_end_of_a_turn_is_served_at_once(void **state)
{
	int peer = rig_connect();
	ev_timer w;
	char got[16];

	(void)state;
	rig.server->handler.before_write = adopt_another;
	far_end = -1;
	rig_turn();
	assert_int_equal(tine_write(rig.conn, "no ", 3), 0);
	/* A loop that waited in its first turn would fail. */
	ev_timer_init(&w, rig_timed_out, RIG_PATIENCE_SECONDS, 0.);
	ev_timer_start(rig.ch.loop, &w);
	ev_run(rig.ch.loop, EVRUN_ONCE);
	ev_timer_stop(rig.ch.loop, &w);
	rig_turn();
	assert_int_equal(rig_hear(peer, got, sizeof(got)), 7);
	assert_string_equal(got, "no news");
	closefd(&far_end);
	closefd(&peer);
	rig_until(rig.ch.nconns == 0);
}

#define on_rig(f) cmocka_unit_test_setup_teardown(f, rig_plain, rig_end)
#define on_leaver(f) cmocka_unit_test_setup_teardown(f, with_leaver, rig_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		on_rig(what_was_read_before_is_delivered_first),
		on_rig(what_is_no_connection_is_refused_and_stays_the_callers),
		on_rig(the_limit_of_connections_holds),
		on_leaver(
		    one_that_leaves_says_all_first_and_takes_the_rest_along),
		on_leaver(a_descriptor_that_left_can_be_adopted_again),
		on_leaver(one_whose_peer_takes_nothing_is_closed_as_any_other),
		on_rig(unread_bytes_are_copied_however_many),
		on_rig(one_adopted_at_the_end_of_a_turn_is_served_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

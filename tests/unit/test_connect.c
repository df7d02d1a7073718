/* SPDX-License-Identifier: BSD-2-Clause */
/* Outbound connections: open once when connected, close once in any case, and
 * never from within the call that made them. */
#include "tests/unit/rig.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <unistd.h>

#include "child/offload.h"

int __real_getaddrinfo(const char *, const char *, const struct addrinfo *,
    struct addrinfo **);
int __wrap_getaddrinfo(const char *, const char *, const struct addrinfo *,
    struct addrinfo **);

/* No test asks a name server. */
int
__wrap_getaddrinfo(const char *host, const char *service,
    const struct addrinfo *hints, struct addrinfo **found)
{
	if (strcmp(host, "no-such-name") == 0)
		return EAI_NONAME;
	return __real_getaddrinfo(host, service, hints, found);
}

static unsigned opened, got_data;
static char heard[64];

static enum tine_action
on_open(struct tine_conn *c)
{
	assert_ptr_equal(tine_child(c), rig.server);
	assert_string_equal(tine_context(c), "context");
	opened++;
	assert_int_equal(tine_write(c, "open ", 5), 0);
	return TINE_OK;
}

static enum tine_action
on_data(struct tine_conn *c)
{
	size_t len;
	const void *in = tine_peek(c, &len);

	got_data++;
	(void)memcpy(heard, in, len);
	heard[len] = '\0';
	tine_consume(c, len);
	return TINE_OK;
}

static const struct tine_handler client = {
	.size = sizeof(struct tine_handler),
	.abi = TINE_ABI,
	.name = "client",
	.conn_size = 40,
	.open = on_open,
	.data = on_data,
	.close = rig_close,
};

static int
setup(void **state)
{
	opened = got_data = 0;
	heard[0] = '\0';
	return rig_plain(state);
}

/* A listener on a port of the kernel's choice, and its URL. */
static int
listener(char *url, size_t size)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (const struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	(void)snprintf(url, size, "tcp://127.0.0.1:%u", ntohs(sin.sin_port));
	return fd;
}

static struct tine_conn *
to(const char *url)
{
	static char context[] = "context";

	return tine_connect(rig.server, &client, url, 5., context);
}

static void
it_opens_and_speaks_with_its_own_callbacks(void **state)
{
	char url[64], text[64];
	int fd = listener(url, sizeof(url)), peer;
	struct tine_conn *c = to(url);

	(void)state;
	assert_non_null(c);
	assert_int_equal(opened, 0);
	assert_int_equal(tine_listener(c), SIZE_MAX);
	assert_int_equal(tine_write(c, "before ", 7), 0);
	rig_until(opened == 1);
	assert_int_equal(rig.opens, 0);
	peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_int_not_equal(peer, -1);
	assert_int_equal(recv(peer, text, sizeof(text), 0), 12);
	assert_memory_equal(text, "before open ", 12);
	rig_say(peer, "hello");
	rig_until(got_data == 1);
	assert_string_equal(heard, "hello");
	closefd(&peer);
	rig_until(rig.closes == 1);
	assert_int_equal(rig.cause, TINE_PEER_EOF);
	assert_int_equal(rig.ch.nconns, 0);
	closefd(&fd);
}

static void
a_name_is_looked_up_off_the_loop(void **state)
{
	char url[64], named[64];
	int fd = listener(url, sizeof(url));

	(void)state;
	(void)snprintf(named, sizeof(named), "tcp4://localhost:%s",
	    strrchr(url, ':') + 1);
	assert_non_null(to(named));
	rig_until(opened == 1);
	closefd(&fd);
}

static void
a_name_that_nobody_has_is_an_error_of_its_own(void **state)
{
	(void)state;
	assert_non_null(to("tcp://no-such-name:80"));
	rig_until(rig.closes == 1);
	assert_int_equal(rig.cause, TINE_ERROR);
	assert_true(
	    rig.err == ENOENT || rig.err == EAGAIN || rig.err == EHOSTUNREACH);
	assert_int_equal(opened, 0);
}

/* Its answer comes later, and finds nobody. */
static void
a_look_up_can_be_left(void **state)
{
	struct tine_conn *c = to("tcp4://localhost:9");

	(void)state;
	tine_close(c);
	rig_until(rig.closes == 1);
	assert_int_equal(rig.cause, TINE_LOCAL);
	rig_until(!offload_is_pending(&rig.ch));
	assert_int_equal(rig.closes, 1);
}

static void
a_port_that_nobody_listens_on_refuses(void **state)
{
	char url[64];
	int fd = listener(url, sizeof(url));

	(void)state;
	closefd(&fd);
	assert_non_null(to(url));
	assert_int_equal(rig.closes, 0);
	rig_until(rig.closes == 1);
	assert_int_equal(opened, 0);
	assert_int_equal(rig.cause, TINE_ERROR);
	assert_int_equal(rig.err, ECONNREFUSED);
}

/* A queue of one that is full answers no further handshake. */
static void
an_address_that_does_not_answer_times_out(void **state)
{
	char url[64];
	int fd = listener(url, sizeof(url)), peers[8];
	size_t i;

	(void)state;
	assert_int_equal(listen(fd, 0), 0);
	for (i = 0; i < nitems(peers); i++) {
		struct sockaddr_in sin;
		socklen_t len = sizeof(sin);

		assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len),
		    0);
		peers[i] = socket(AF_INET,
		    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(peers[i], (const struct sockaddr *)&sin, len);
	}
	assert_non_null(tine_connect(rig.server, &client, url, 0.2, NULL));
	rig_until(rig.closes == 1);
	assert_int_equal(rig.err, ETIMEDOUT);
	assert_int_equal(opened, 0);
	for (i = 0; i < nitems(peers); i++)
		closefd(&peers[i]);
	closefd(&fd);
}

static void
a_unix_socket_is_connected_to_as_well(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char url[128];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	(void)snprintf(sun.sun_path + 1, sizeof(sun.sun_path) - 1, "tine-%ld",
	    (long)getpid());
	(void)snprintf(url, sizeof(url), "unix://@%s", sun.sun_path + 1);
	assert_int_equal(
	    bind(fd, (const struct sockaddr *)&sun,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
		    strlen(sun.sun_path + 1))),
	    0);
	assert_int_equal(listen(fd, 1), 0);
	assert_non_null(to(url));
	assert_int_equal(opened, 0);
	rig_until(opened == 1);
	closefd(&fd);
}

static void
one_that_is_closed_on_its_way_never_opens(void **state)
{
	char url[64];
	int fd = listener(url, sizeof(url));
	struct tine_conn *c = to(url);

	(void)state;
	assert_int_equal(tine_write(c, "lost", 4), 0);
	tine_close(c);
	rig_until(rig.closes == 1);
	assert_int_equal(rig.cause, TINE_LOCAL);
	assert_int_equal(opened, 0);
	closefd(&fd);
}

static void
the_end_of_the_child_closes_what_is_on_its_way(void **state)
{
	char url[64];
	int fd = listener(url, sizeof(url));

	(void)state;
	assert_non_null(to(url));
	child_close_conns(&rig.ch);
	assert_int_equal(rig.closes, 1);
	assert_int_equal(opened, 0);
	closefd(&fd);
}

static void
what_cannot_be_connected_to_is_refused_at_once(void **state)
{
	static const struct {
		const char *url;
		double timeout;
		int code;
	} bad[] = {
		{ "udp://127.0.0.1:9", 1, EINVAL },
		{ "nonsense://", 1, EINVAL },
		{ "tcp://127.0.0.1:9", 0, EINVAL },
		{ "tcp://127.0.0.1:9", -1, EINVAL },
		{ "tcp://:9", 1, EDESTADDRREQ },
		{ "tcp://127.0.0.1:0", 1, EDESTADDRREQ },
	};
	size_t i;

	(void)state;
	for (i = 0; i < nitems(bad); i++) {
		errno = 0;
		assert_null(tine_connect(rig.server, &client, bad[i].url,
		    bad[i].timeout, NULL));
		assert_int_equal(errno, bad[i].code);
	}
	rig_turn();
	assert_int_equal(rig.ch.nconns, 0);
	assert_int_equal(rig.closes, 0);
}

static void
the_limit_of_connections_holds_for_them_too(void **state)
{
	char url[64];
	int fd = listener(url, sizeof(url));

	(void)state;
	rig.ch.max_conns = 1;
	assert_non_null(to(url));
	assert_null(to(url));
	assert_int_equal(errno, EMFILE);
	closefd(&fd);
}

static enum tine_action
on_wrong_open(struct tine_conn *c)
{
	(void)c;
	return TINE_OK;
}

static void
on_wrong_run(struct tine_stream *stream)
{
	(void)stream;
}

static void
callbacks_that_cannot_be_are_refused(void **state)
{
	static const struct tine_handler wrong = {
		.size = sizeof(struct tine_handler),
		.abi = TINE_ABI + 1,
		.name = "wrong",
		.open = on_wrong_open,
	};

	static const struct tine_handler waits = {
		.size = sizeof(struct tine_handler),
		.abi = TINE_ABI,
		.name = "waits",
		.run = on_wrong_run,
	};

	(void)state;
	assert_null(
	    tine_connect(rig.server, &wrong, "tcp://127.0.0.1:9", 1, NULL));
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_null(
	    tine_connect(rig.server, &waits, "tcp://127.0.0.1:9", 1, NULL));
	assert_int_equal(errno, EINVAL);
}

static unsigned attempts;
static int last_errno;

static void
try_again(struct tine_conn *c, enum tine_cause cause, int err)
{
	(void)cause;
	(void)err;
	assert_true(attempts++ < 1000);
	if (tine_connect(tine_child(c), conn_server(c)->events,
		"tcp://127.0.0.1:9", 1, NULL) == NULL)
		last_errno = errno;
}

static int
end_with_stubborn_ones(void **state)
{
	int rc = rig_end(state);

	assert_int_equal(attempts, 1);
	assert_int_equal(last_errno, ESHUTDOWN);
	return rc;
}

static void
who_connects_again_when_closed_does_not_keep_the_child(void **state)
{
	static const struct tine_handler stubborn = {
		.size = sizeof(struct tine_handler),
		.abi = TINE_ABI,
		.name = "stubborn",
		.close = try_again,
	};

	(void)state;
	attempts = 0;
	assert_non_null(
	    tine_connect(rig.server, &stubborn, "tcp://127.0.0.1:9", 1, NULL));
}

#define on_rig(f) cmocka_unit_test_setup_teardown(f, setup, rig_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		on_rig(it_opens_and_speaks_with_its_own_callbacks),
		on_rig(a_name_is_looked_up_off_the_loop),
		on_rig(a_name_that_nobody_has_is_an_error_of_its_own),
		on_rig(a_look_up_can_be_left),
		on_rig(a_port_that_nobody_listens_on_refuses),
		on_rig(an_address_that_does_not_answer_times_out),
		on_rig(a_unix_socket_is_connected_to_as_well),
		on_rig(one_that_is_closed_on_its_way_never_opens),
		on_rig(the_end_of_the_child_closes_what_is_on_its_way),
		on_rig(what_cannot_be_connected_to_is_refused_at_once),
		on_rig(the_limit_of_connections_holds_for_them_too),
		on_rig(callbacks_that_cannot_be_are_refused),
		cmocka_unit_test_setup_teardown(
		    who_connects_again_when_closed_does_not_keep_the_child,
		    setup, end_with_stubborn_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

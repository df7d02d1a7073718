/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rig.h: a child without a process of its own: a real loop, a handler that
 * notes what it is told, and connections whose other end the test holds.
 * Nothing sleeps: rig_until() turns the loop until what is waited for is true,
 * or fails after some seconds.
 */
#ifndef TINE_TESTS_UNIT_RIG_H
#define TINE_TESTS_UNIT_RIG_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "child/child.h"

#define RIG_PATIENCE_SECONDS 5.0
#define RIG_HELD_MAX (1 << 20)
/* No test needs them all. */
#define RIG_FN static __attribute__((unused))

static struct {
	struct conf conf;
	struct heritage heritage;
	struct child ch;
	struct tine_child *server; /* the only one */
	struct tine_conn *conn;    /* the last one opened */
	int ctl;                   /* the master's end, or -1 */

	/* what the handler was told */
	unsigned opens, datas, eofs, drains, writes, closes, quiesces;
	enum tine_cause cause;
	int err;
	char got[RIG_HELD_MAX]; /* all that it consumed */
	size_t ngot;

	/* what it does */
	bool leaves_input;        /* data consumes nothing */
	bool quiesce_yes;         /* what quiesce says */
	bool is_echo;             /* data writes what it consumes */
	enum tine_action action;  /* what data returns */
	enum tine_action on_open; /* what open returns */
} rig;

RIG_FN void rig_timed_out(struct ev_loop *, ev_timer *, int)
    __attribute__((noreturn));

RIG_FN enum tine_action
rig_open(struct tine_conn *c)
{
	rig.opens++;
	rig.conn = c;
	return rig.on_open;
}

RIG_FN enum tine_action
rig_data(struct tine_conn *c)
{
	size_t len;
	const void *in = tine_peek(c, &len);

	rig.datas++;
	if (rig.leaves_input)
		return rig.action;
	assert_true(rig.ngot + len <= sizeof(rig.got));
	(void)memcpy(rig.got + rig.ngot, in, len);
	rig.ngot += len;
	if (rig.is_echo)
		assert_int_equal(tine_write(c, in, len), 0);
	tine_consume(c, len);
	return rig.action;
}

RIG_FN void
rig_drained(struct tine_conn *c)
{
	(void)c;
	rig.drains++;
}

RIG_FN void
rig_before_write(struct tine_conn *c)
{
	(void)c;
	rig.writes++;
}

RIG_FN void
rig_close(struct tine_conn *c, enum tine_cause cause, int err)
{
	(void)c;
	rig.closes++;
	rig.cause = cause;
	rig.err = err;
}

RIG_FN bool
rig_quiesce(struct tine_conn *c)
{
	(void)c;
	rig.quiesces++;
	return rig.quiesce_yes;
}

RIG_FN enum tine_action
rig_eof(struct tine_conn *c)
{
	(void)c;
	rig.eofs++;
	return TINE_OK;
}

static const struct tine_handler rig_handler = {
	.size = sizeof(struct tine_handler),
	.abi = TINE_ABI,
	.name = "rig",
	.conn_size = 16,
	.open = rig_open,
	.data = rig_data,
	.drained = rig_drained,
	.before_write = rig_before_write,
	.close = rig_close,
};

/* Before rig_start(): the configuration with one server, no timeouts. */
RIG_FN struct conf_server *
rig_conf(void)
{
	struct conf_server *server;
	struct err err;

	(void)memset(&rig, 0, sizeof(rig));
	rig.ctl = -1;
	call_thread.is_loop = true;
	log_set_level(LOG_ERROR);
	conf_init(&rig.conf);
	rig.conf.uid = CONF_NO_ID;
	assert_int_equal(
	    conf_set(&rig.conf, "servers.0.handler", "discard", &err), 0);
	assert_int_equal(
	    conf_set(&rig.conf, "servers.0.listen", "tcp://127.0.0.1:0", &err),
	    0);
	server = &rig.conf.servers[0];
	server->timeouts = (struct conf_timeouts){ 0 };
	rig.heritage = (struct heritage){
		.role = HERITAGE_SERVE,
		.conf = &rig.conf,
		.generation = 1,
		.parent = getppid(),
		.ctl = -1,
		.page = -1,
	};
	return server;
}

/* A READY child that runs this handler. */
RIG_FN void
rig_start(const struct tine_handler *handler)
{
	struct err err;

	assert_int_equal(child_init(&rig.ch, &rig.heritage, &err), 0);
	rig.ch.servers = calloc(1, sizeof(*rig.ch.servers));
	assert_non_null(rig.ch.servers);
	rig.server = rig.ch.servers;
	assert_int_equal(
	    server_init(rig.server, &rig.ch, rig.conf.servers, &err), 0);
	rig.ch.nservers = 1;
	rig.server->handler = *handler;
	slab_init(&rig.server->slab, handler->conn_size);
	if (rig.server->limits.per_address > 0)
		slab_add_peer(&rig.server->slab);
	child_set_state(&rig.ch, CHILD_PREPARED);
	child_serve(&rig.ch);
}

RIG_FN int
rig_end(void **state)
{
	(void)state;
	child_fini(&rig.ch);
	conf_free(&rig.conf);
	closefd(&rig.ctl);
	closefd(&rig.heritage.ctl);
	return 0;
}

RIG_FN int
rig_plain(void **state)
{
	(void)state;
	(void)rig_conf();
	rig_start(&rig_handler);
	return 0;
}

RIG_FN void
rig_timed_out(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	fail_msg("what the test waits for did not happen");
	abort();
}

/* Turn the loop until `is_true`. */
#define rig_until(is_true)                                                     \
	do {                                                                   \
		ev_timer rig_w;                                                \
		ev_timer_init(&rig_w, rig_timed_out, RIG_PATIENCE_SECONDS,     \
		    0.);                                                       \
		ev_now_update(rig.ch.loop);                                    \
		ev_timer_start(rig.ch.loop, &rig_w);                           \
		for (;;) {                                                     \
			ev_run(rig.ch.loop, EVRUN_NOWAIT);                     \
			if (is_true)                                           \
				break;                                         \
			ev_run(rig.ch.loop, EVRUN_ONCE);                       \
		}                                                              \
		ev_timer_stop(rig.ch.loop, &rig_w);                            \
	} while (0)

/* Turn the loop as often as there is something to do at once. */
RIG_FN void
rig_turn(void)
{
	int i;

	for (i = 0; i < 8; i++)
		ev_run(rig.ch.loop, EVRUN_NOWAIT);
}

/* A connection of the child: the peer's end, non-blocking. */
RIG_FN int
rig_connect(void)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX,
			     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
			     fds),
	    0);
	conn_open(rig.server, fds[0], 0);
	return fds[1];
}

/* The same over TCP, where a reset can be seen. */
RIG_FN int
rig_connect_tcp(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int listener, peer, fd;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    bind(listener, (const struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sin, &len),
	    0);
	peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    connect(peer, (const struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(fcntl(peer, F_SETFL, O_NONBLOCK), 0);
	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_int_not_equal(fd, -1);
	closefd(&listener);
	conn_open(rig.server, fd, 0);
	return peer;
}

RIG_FN void
rig_say(int peer, const char *text)
{
	size_t len = strlen(text);

	assert_int_equal(send(peer, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* What has arrived at the peer: bytes, 0 at end-of-file, or -1. */
RIG_FN ssize_t
rig_hear(int peer, char *dst, size_t size)
{
	ssize_t n = recv(peer, dst, size - 1, 0);

	dst[n > 0 ? n : 0] = '\0';
	return n;
}

RIG_FN uint64_t
rig_count(enum board_counter counter)
{
	return rig.ch.board->counters[counter];
}

RIG_FN uint64_t
rig_closed(enum tine_cause cause)
{
	return rig.ch.board->counters[(unsigned)BOARD_CLOSED + (unsigned)cause];
}

#endif

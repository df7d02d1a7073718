/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fixture.h: a struct master with places and children that are no processes:
 * the test holds the other end of each control channel. Each test file that
 * uses it is linked with spawn_child() wrapped.
 */
#ifndef TINE_TESTS_UNIT_FIXTURE_H
#define TINE_TESTS_UNIT_FIXTURE_H

#include <sys/mman.h>
#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/master.h"

#define FIXTURE_PLACES 3

static struct {
	struct master m;
	struct generation generation;
	struct listener *listener;
	int forks;       /* calls of spawn_child() */
	bool fork_fails; /* what the next one does */
	int peer[64];    /* the children's ends, by pid - 1 */
} fx;

struct proc *__wrap_spawn_child(struct place *, struct err *);

struct proc *
__wrap_spawn_child(struct place *pl, struct err *err)
{
	int fds[2];

	if (fx.fork_fails) {
		(void)err_set(err, EXIT_SYSTEM, "fork for child: no");
		return NULL;
	}
	assert_int_equal(ctl_pair(fds), 0);
	fx.peer[fx.forks++] = fds[1];
	return proc_new(pl, fx.forks, -1, fds[0], board_take(&fx.m.board));
}

/* One listener of one server, whose sockets are not bound. */
static void
fixture_listen(void)
{
	struct conf *conf = &fx.generation.conf;
	struct err err;
	int i;

	assert_int_equal(
	    conf_set(conf, "servers.0.listen", "tcp://127.0.0.1:9", &err), 0);
	fx.listener = calloc(1, sizeof(*fx.listener));
	fx.listener->url = conf->servers[0].listens[0];
	assert_int_equal(addr_from_ip(&fx.listener->addr, "127.0.0.1", 9), 0);
	fx.listener->has_slot_per_place = true;
	fx.listener->nslots = FIXTURE_PLACES;
	fx.listener->slots = calloc(FIXTURE_PLACES, sizeof(struct slot));
	for (i = 0; i < FIXTURE_PLACES; i++)
		fx.listener->slots[i] = (struct slot){
			.id = (uint32_t)i + 10,
			.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
			.place = i,
			.is_listening = true,
		};
	fx.m.listeners = calloc(1, sizeof(struct listener *));
	fx.m.listeners[0] = fx.listener;
	fx.m.nlisteners = 1;
	fx.generation.listeners = calloc(1, sizeof(struct listener *));
	fx.generation.listeners[0] = fx.listener;
	fx.generation.nlisteners = 1;
}

static int
fixture_open(void **state)
{
	struct err err;
	int i;

	(void)state;
	(void)memset(&fx, 0, sizeof(fx));
	for (i = 0; i < (int)nitems(fx.peer); i++)
		fx.peer[i] = -1;
	log_set_level(LOG_ERROR);
	conf_init(&fx.generation.conf);
	fx.generation.conf.processes = FIXTURE_PLACES;
	fx.generation.number = 1;
	fx.m = (struct master){
		.conf = &fx.generation.conf,
		.generation = &fx.generation,
		.last_generation = 1,
		.state = MASTER_RUNNING,
		.nplaces = FIXTURE_PLACES,
		.nplaces_used = FIXTURE_PLACES,
		.min_accepting = FIXTURE_PLACES,
	};
	TAILQ_INIT(&fx.m.generations);
	TAILQ_INSERT_TAIL(&fx.m.generations, &fx.generation, entry);
	TAILQ_INIT(&fx.m.procs);
	TAILQ_INIT(&fx.m.checkruns);
	fx.m.loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	assert_int_equal(board_open(&fx.m.board, 64, &err), 0);
	policy_bucket_init(&fx.m.bucket, FIXTURE_PLACES, mono_ns());
	fixture_listen();
	fx.m.places = calloc(CONF_PROCESSES_MAX, sizeof(struct place));
	for (i = 0; i < FIXTURE_PLACES; i++) {
		place_init(&fx.m.places[i], &fx.m, i);
		place_open(&fx.m.places[i]);
	}
	return 0;
}

static int
fixture_close(void **state)
{
	struct proc *p;
	int i;

	(void)state;
	fx.m.state = MASTER_EXIT;
	while ((p = TAILQ_FIRST(&fx.m.procs)) != NULL)
		proc_on_reaped(p, 0);
	for (i = 0; i < (int)nitems(fx.peer); i++)
		closefd(&fx.peer[i]);
	for (i = 0; i < CONF_PROCESSES_MAX; i++)
		if (fx.m.places[i].master != NULL)
			place_stop(&fx.m.places[i]);
	/* The others of a test are the heap's. */
	fx.m.generation = &fx.generation;
	fx.m.roll = (struct roll){ .phase = ROLL_IDLE };
	fx.m.reload.next = NULL;
	generation_sweep(&fx.m);
	op_fini(&fx.m);
	while (fx.m.nlisteners > 0) {
		struct listener *l = fx.m.listeners[--fx.m.nlisteners];

		for (i = 0; i < (int)l->nslots; i++)
			closefd(&l->slots[i].fd);
		steer_fini(&l->steer);
		free(l->slots);
		free(l);
	}
	free(fx.m.listeners);
	free(fx.generation.listeners);
	free(fx.m.places);
	board_close(&fx.m.board);
	ev_loop_destroy(fx.m.loop);
	conf_free(&fx.generation.conf);
	return 0;
}

/* A child says something, and the master hears it. */
static void
fixture_say(struct proc *p, enum ctl_type type, const void *payload, size_t len)
{
	assert_int_equal(
	    ctl_send(fx.peer[p->pid - 1], type, 0, 1, payload, len, -1), 0);
	ev_run(fx.m.loop, EVRUN_NOWAIT);
}

/* What the master said to this child next; CTL_NONE: nothing. */
static enum ctl_type
fixture_heard(struct proc *p, struct ctl_msg *msg)
{
	if (ctl_recv(fx.peer[p->pid - 1], msg, true) != CTL_GOT_MSG)
		return CTL_NONE;
	closefd(&msg->fd);
	return (enum ctl_type)msg->head.type;
}

/* A child's page, as the child would write it. */
static __attribute__((unused)) struct board_page *
fixture_page(const struct proc *p)
{
	void *page = mmap(NULL, BOARD_PAGE_BYTES, PROT_READ | PROT_WRITE,
	    MAP_SHARED, board_fd(&fx.m.board, p->page), 0);

	assert_ptr_not_equal(page, MAP_FAILED);
	return page;
}

/* Fill the child's channel until it takes no more. */
static __attribute__((unused)) void
fixture_block(struct proc *p)
{
	while (mctl_send(p, CTL_RESUME, NULL, 0, -1))
		continue;
	assert_int_not_equal(p->blocked_ns, 0);
}

/* The child reads all; returns the type of the last message. */
static __attribute__((unused)) enum ctl_type
fixture_unblock(struct proc *p)
{
	enum ctl_type type, last = CTL_NONE;
	struct ctl_msg msg;
	int rounds;

	/* What is owed comes when the loop has seen that there is room. */
	for (rounds = 0; rounds < 3; rounds++) {
		while ((type = fixture_heard(p, &msg)) != CTL_NONE)
			last = type;
		ev_run(fx.m.loop, EVRUN_NOWAIT);
		slot_update(&fx.m);
	}
	return last;
}

/* The master hears that it is PREPARED, and READY when it was told to START. */
static __attribute__((unused)) void
fixture_rise(struct proc *p)
{
	struct ctl_msg msg;

	fixture_say(p, CTL_PREPARED, NULL, 0);
	assert_int_equal(fixture_heard(p, &msg), CTL_START);
	fixture_say(p, CTL_READY, NULL, 0);
	assert_int_equal(p->state, PROC_READY);
}

/* A generation like the first, with the same listener; nobody is of it yet. */
static __attribute__((unused)) struct generation *
fixture_next(double prove, double commit)
{
	struct generation *g;
	struct conf conf;
	struct err err;

	conf_init(&conf);
	assert_int_equal(
	    conf_set(&conf, "servers.0.listen", "tcp://127.0.0.1:9", &err), 0);
	conf.processes = conf.processes_max = FIXTURE_PLACES;
	conf.prove = prove;
	conf.commit = commit;
	g = generation_new(&fx.m, &conf);
	assert_non_null(g);
	g->listeners[0] = fx.listener;
	return g;
}

/* Everybody is forked and READY. */
static __attribute__((unused)) void
fixture_all_ready(void)
{
	int i;

	place_fork_due(&fx.m);
	for (i = 0; i < FIXTURE_PLACES; i++)
		fixture_rise(fx.m.places[i].incumbent);
	slot_update(&fx.m);
	fx.m.min_accepting = FIXTURE_PLACES;
}

#define with_fixture(f)                                                        \
	cmocka_unit_test_setup_teardown(f, fixture_open, fixture_close)

#endif

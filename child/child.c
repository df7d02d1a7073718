/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * child.c: from a heritage to a serving process and to its end. Runs in every
 * process below the master, and in the only one of --single. Owns the loop and
 * the child's state; the order of the steps down to the first handler call is
 * that of design 4.
 */
#include <sys/stat.h>

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "child/child.h"
#include "child/task.h"
#include "shared/affinity.h"
#include "shared/rlimit.h"

static const char *const names[CHILD_NSTATES] = {
	[CHILD_STARTING] = "starting",
	[CHILD_PREPARED] = "prepared",
	[CHILD_READY] = "ready",
	[CHILD_DRAINING] = "draining",
	[CHILD_LEAVING] = "leaving",
};

static const uint8_t child_next[CHILD_NSTATES] = {
	[CHILD_STARTING] =
	    BIT(CHILD_PREPARED) | BIT(CHILD_DRAINING) | BIT(CHILD_LEAVING),
	[CHILD_PREPARED] =
	    BIT(CHILD_READY) | BIT(CHILD_DRAINING) | BIT(CHILD_LEAVING),
	[CHILD_READY] = BIT(CHILD_DRAINING) | BIT(CHILD_LEAVING),
	[CHILD_DRAINING] = BIT(CHILD_READY) | BIT(CHILD_LEAVING),
	[CHILD_LEAVING] = 0,
};

void
child_set_state(struct child *ch, enum child_state to)
{
	assert(child_next[ch->state] & BIT(to));
	log_debug("%s > %s", names[ch->state], names[to]);
	ch->state = to;
}

const char *
child_name(const struct heritage *h, char *dst, size_t size)
{
	if (h->place == HERITAGE_ADMIN)
		(void)snprintf(dst, size, "admin child");
	else if (h->place == HERITAGE_ACCEPTOR)
		(void)snprintf(dst, size, "acceptor");
	else
		(void)snprintf(dst, size, "child %d", h->place);
	return dst;
}

void
child_leave(struct child *ch)
{
	if (ch->state == CHILD_LEAVING)
		return;
	child_set_state(ch, CHILD_LEAVING);
	task_close();
	accept_update(ch);
	ev_break(ch->loop, EVBREAK_ALL);
}

void
child_each_conn(struct child *ch, void (*fn)(struct tine_conn *))
{
	size_t i;

	for (i = 0; i < ch->nservers; i++)
		server_each_conn(&ch->servers[i], fn);
}

static void
close_for_drain(struct tine_conn *c)
{
	conn_close(c, TINE_DRAIN, 0);
}

void
child_close_conns(struct child *ch)
{
	child_each_conn(ch, close_for_drain);
}

void
child_shutdown(struct tine_child *s)
{
	struct child *ch = s->child;

	if (!(s->handler.flags & TINE_MAY_STOP)) {
		server_blame(s, "TINE_STOP without TINE_MAY_STOP");
		return;
	}
	if (s->has_stopped)
		return;
	s->has_stopped = true;
	log_info("handler %s stops the server", s->handler.name);
	if (ch->heritage->ctl != -1)
		cctl_send_text(ch, CTL_SHUTDOWN, s->handler.name);
	else
		/* Not now: a callback is running. */
		ev_async_send(ch->loop, &ch->term.wake);
}

/* ---- making and unmaking ---- */

static void
on_sweep(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct child *ch = w->data;

	(void)loop;
	(void)revents;
	fibers_run(ch);
	conn_sweep(ch);
	if (ch->dgram != NULL)
		dgram_flush(ch);
	lag_on_turn(ch);
}

static void
on_never(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

static void
on_idle(struct ev_loop *loop, ev_idle *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

static void
init_loop(struct child *ch)
{
	ev_timer_init(&ch->clock, on_never, CLOCK_SPAN, 0.);
	ev_timer_start(ch->loop, &ch->clock);
	ch->clock_base_ns = mono_ns();
	ev_prepare_init(&ch->sweep, on_sweep);
	ch->sweep.data = ch;
	ev_prepare_start(ch->loop, &ch->sweep);
	task_init(ch);
	ev_idle_init(&ch->awake, on_idle);
	fibers_init(ch);
	drain_init(ch);
	accept_init(ch);
	admit_init(ch);
	beat_init(ch);
	cctl_init(ch);
	snapshot_init(ch);
}

static int
init_servers(struct child *ch, struct err *err)
{
	const struct conf *conf = ch->conf;

	ch->servers = calloc(conf->nservers, sizeof(*ch->servers));
	if (ch->servers == NULL && conf->nservers > 0)
		return err_sys(err, "memory for servers");
	for (; ch->nservers < conf->nservers; ch->nservers++)
		if (server_init(&ch->servers[ch->nservers], ch,
			&conf->servers[ch->nservers], err) == -1)
			return -1;
	return 0;
}

int
child_init(struct child *ch, const struct heritage *h, struct err *err)
{
	*ch = (struct child){
		.heritage = h,
		.conf = h->conf,
		.board = &ch->own_page,
		.max_conns = rlimit_connections(h->conf),
		.max_files = rlimit_files(),
	};
	TAILQ_INIT(&ch->listeners);
	STAILQ_INIT(&ch->dirty);
	STAILQ_INIT(&ch->later);
	STAILQ_INIT(&ch->dead);
	ch->scratch = block_new(&ch->pool, SCRATCH_BYTES);
	ch->stage = malloc(STAGE_BYTES);
	ch->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (ch->loop != NULL)
		init_loop(ch);
	if (ch->scratch == NULL || ch->stage == NULL || ch->loop == NULL) {
		err_sys(err, "memory for the event loop");
		child_fini(ch);
		return -1;
	}
	if (h->place == HERITAGE_ACCEPTOR && dispatch_init(ch, err) == -1) {
		child_fini(ch);
		return -1;
	}
	return 0;
}

void
child_fini(struct child *ch)
{
	bool is_quiet = true;
	size_t i;

	/* Also after a start that failed: close must not bring new ones. */
	if (ch->state != CHILD_LEAVING)
		child_set_state(ch, CHILD_LEAVING);
	if (ch->loop != NULL) {
		beat_stop(ch);
		cctl_stop(ch);
		snapshot_fini(ch);
		accept_close_all(ch);
		admit_fini(ch);
		dispatch_fini(ch);
		child_close_conns(ch);
		fibers_end(ch);
		/* What they made on their way out. */
		child_close_conns(ch);
		conn_sweep(ch);
		is_quiet = offload_stop(ch);
		task_fini(ch);
		for (i = 0; i < ch->nservers; i++)
			server_stop(&ch->servers[i]);
	}
	/* Handler code runs on in threads: all that it knows must stay. */
	if (!is_quiet)
		return;
	offload_fini(ch);
	while (ch->nservers > 0)
		server_fini(&ch->servers[--ch->nservers]);
	free(ch->servers);
	ch->servers = NULL;
	fibers_fini(ch);
	handle_fini(&ch->handles);
	block_unref(ch->scratch);
	ch->scratch = NULL;
	pool_fini(&ch->pool);
	dgram_fini(ch);
	free(ch->stage);
	ch->stage = NULL;
	if (ch->loop != NULL)
		ev_loop_destroy(ch->loop);
	ch->loop = NULL;
}

/* ---- the way to the first callback ---- */

static int
take_board(struct child *ch, const struct heritage *h, struct err *err)
{
	if (h->board == NULL)
		return 0;
	ch->board = board_inherit(h->board, h->page);
	if (ch->board != NULL)
		return 0;
	ch->board = &ch->own_page;
	return err_sys(err, "map the board page");
}

/* Before a handler can make threads, which have what their maker has. A CPU
 * that went away is no reason to serve nobody. */
static void
take_cpu(const struct heritage *h)
{
	int cpu = affinity_of_place(h->conf->cpu_affinity, h->place);

	if (cpu != -1 && affinity_bind(cpu) == -1)
		log_sys(LOG_WARN, "CPU %d", cpu);
}

static int
settle_in(struct child *ch, const struct heritage *h, struct err *err)
{
	bool is_single = h->role == HERITAGE_SINGLE;
	sigset_t none;

	if (take_board(ch, h, err) == -1 ||
	    (!is_single && privs_leave_terminal(err) == -1))
		return -1;
	take_cpu(h);
	(void)umask(027);
	if (privs_drop(h->conf, err) == -1)
		return -1;
	/* A debugger wants to see a single process, cores and all. */
	if (!is_single)
		privs_hide_memory(h->conf);
	if (!is_single && privs_watch_parent(h->parent, SIGTERM, err) == -1)
		return -1;
	if (term_init(ch, err) == -1)
		return -1;
	crash_init(ch);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	return 0;
}

static int
start_servers(struct child *ch, bool *stop, struct err *err)
{
	bool wants_stop;
	size_t i;

	if (init_servers(ch, err) == -1)
		return -1;
	for (i = 0; i < ch->nservers; i++) {
		if (server_start(&ch->servers[i], &wants_stop, err) == -1)
			return -1;
		if (wants_stop) {
			*stop = true;
			child_shutdown(&ch->servers[i]);
		}
	}
	return 0;
}

static int
take_slots(struct child *ch, const struct heritage *h, struct err *err)
{
	size_t i;

	for (i = 0; i < h->nslots; i++) {
		const struct heritage_slot *s = &h->slots[i];
		const struct ctl_slot slot = {
			.id = s->id,
			.server = s->server,
			.listen = s->listen,
			.flags = s->flags,
		};

		if (accept_add(ch, &slot, s->fd, true) == -1)
			return err_set(err, EXIT_SYSTEM,
			    "slot %u cannot be polled", (unsigned)s->id);
	}
	return 0;
}

void
child_serve(struct child *ch)
{
	size_t i;

	/* What is said on stderr from here on is nobody's reason for a start
	 * that failed. */
	if (ch->conf->is_daemon)
		privs_leave_stderr();
	child_set_state(ch, CHILD_READY);
	accept_update(ch);
	for (i = 0; i < ch->nservers; i++)
		server_start_ticks(&ch->servers[i]);
	cctl_send(ch, CTL_READY);
#ifdef TINE_SKEW
	cctl_send(ch, CTL_SKEWED);
#endif
}

/* Everything up to PREPARED; a handler may end the server instead. */
static int
prepare(struct child *ch, const struct heritage *h, struct err *err)
{
	bool stop = false;

	if (settle_in(ch, h, err) == -1)
		return -1;
	/* Before handlers can have any of that kind. */
	beat_learn(ch);
	if (start_servers(ch, &stop, err) == -1 || take_slots(ch, h, err) == -1)
		return -1;
	cctl_start(ch);
	beat_start(ch);
	if (stop)
		return 0; /* STOP is on its way */
	child_set_state(ch, CHILD_PREPARED);
	cctl_send(ch, CTL_PREPARED);
	if (h->role == HERITAGE_SINGLE) {
		child_serve(ch);
		if (h->ready != NULL)
			(void)fputs(h->ready, stderr);
	}
	return 0;
}

/* The reason goes to the one who can tell the operator. */
static void
fail(struct child *ch, const struct heritage *h, const struct err *err)
{
	ch->exit_code = (int)err->code;
	if (h->ctl != -1) {
		cctl_send_text(ch, CTL_FATAL, err->text);
		return;
	}
	err_print(err);
}

static int
serve(const struct heritage *h)
{
	/* Static: a leak checker must find what hangs on it. */
	static struct child child;
	struct child *ch = &child;
	char name[CHILD_NAME_MAX];
	struct err err;

	if (h->role == HERITAGE_SERVE)
		log_set_who("%s", child_name(h, name, sizeof(name)));
	rlimit_set_files(h->conf);
	if (child_init(ch, h, &err) == -1) {
		log_error("%s", err.text);
		return (int)err.code;
	}
	if (prepare(ch, h, &err) == -1)
		fail(ch, h, &err);
	else
		ev_run(ch->loop, 0);
	term_fini();
	child_fini(ch);
	crash_fini();
	if (ch->exit_code == 0)
		cctl_send(ch, CTL_DRAINED);
	/* exit() would take the ground away under the threads that still
	 * run. */
	if (ch->offload != NULL)
		_exit(ch->exit_code);
	return ch->exit_code;
}

void
child_main(const struct heritage *h)
{
	call_thread.is_loop = true;
	switch (h->role) {
	case HERITAGE_SERVE:
	case HERITAGE_SINGLE:
		exit(serve(h));
	case HERITAGE_CHECK:
		exit(check_run(h));
	case HERITAGE_LIST:
		exit(check_list(h));
	}
	abort();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * master.c: the supervisor's loop: events become changes, and between two turns
 * it acts on what has changed and forks. It does not block once it serves, and
 * never exits because of what a child did after the first was READY.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/control.h"
#include "master/fairness.h"
#include "master/logs.h"
#include "master/master.h"
#include "master/pidfile.h"
#include "master/service.h"
#include "shared/title.h"

#define TICK_S 0.25
#define TICKS_PER_SECOND 4

const char *const master_state_names[MASTER_NSTATES] = {
	[MASTER_INIT] = "init",
	[MASTER_BIND] = "bind",
	[MASTER_STARTING] = "starting",
	[MASTER_RUNNING] = "running",
	[MASTER_RELOADING] = "reloading",
	[MASTER_SCALING] = "scaling",
	[MASTER_UPGRADING] = "upgrading",
	[MASTER_STOPPING] = "stopping",
	[MASTER_EXIT] = "exit",
};

static const unsigned master_next[MASTER_NSTATES] = {
	[MASTER_INIT] = BIT(MASTER_BIND) | BIT(MASTER_UPGRADING),
	[MASTER_BIND] = BIT(MASTER_STARTING) | BIT(MASTER_EXIT),
	[MASTER_STARTING] = BIT(MASTER_RUNNING) | BIT(MASTER_STOPPING),
	[MASTER_RUNNING] = BIT(MASTER_RELOADING) | BIT(MASTER_SCALING) |
	    BIT(MASTER_UPGRADING) | BIT(MASTER_STOPPING),
	[MASTER_RELOADING] = BIT(MASTER_RUNNING) | BIT(MASTER_STOPPING),
	[MASTER_SCALING] = BIT(MASTER_RUNNING) | BIT(MASTER_STOPPING),
	[MASTER_UPGRADING] = BIT(MASTER_RUNNING) | BIT(MASTER_STOPPING),
	[MASTER_STOPPING] = BIT(MASTER_EXIT),
};

/* The only one. Static, so that a forked child's leak checker still sees what
 * the master had allocated as reachable. */
static struct master the_master;

void
master_set_state(struct master *m, enum master_state to)
{
	enum master_state from = m->state;

	assert(master_next[from] & BIT(to));
	log_debug("%s > %s", master_state_names[m->state],
	    master_state_names[to]);
	m->state = to;
	/* Until then not all places that are counted could accept. */
	if (to == MASTER_RUNNING)
		fairness_restart(m);
	service_on_state(m, from, to);
}

bool
master_is_serving(const struct master *m)
{
	/* As long as a stop is delayed, all goes on. */
	return (m->state >= MASTER_STARTING && m->state < MASTER_STOPPING) ||
	    m->delay_w.active;
}

const char *
master_handler_of(const struct master *m, const struct listener *l)
{
	struct ctl_slot where;
	const struct generation *g;

	if (l->is_admin)
		return ADMIN_HANDLER;
	if (l->url.handler[0] != '\0')
		return l->url.handler;
	/* One that a reload adds or leaves is not the serving generation's. */
	TAILQ_FOREACH_REVERSE(g, &m->generations, generation_list, entry)
	if (generation_find(g, l, &where))
		return g->conf.servers[where.server].handler;
	return "";
}

int
master_accepting(const struct master *m)
{
	return m->count[PROC_READY];
}

void
master_on_change(struct master *m)
{
	m->is_changed = true;
}

char *
master_print_listeners(const struct master *m, char *dst, size_t size)
{
	char text[URL_TEXT_MAX];
	size_t i, used = 0;

	dst[0] = '\0';
	for (i = 0; i < m->nlisteners && used < size; i++) {
		const struct listener *l = m->listeners[i];
		int n = snprintf(dst + used, size - used, "%s%s (%s)",
		    i == 0 ? "" : ", ",
		    url_print_short(&l->url, text, sizeof(text)),
		    master_handler_of(m, l));

		used += n < 0 ? 0 : (size_t)n;
	}
	return dst;
}

void
master_show_title(struct master *m)
{
	char title[sizeof(m->title)];
	int n = master_accepting(m);

	(void)snprintf(title, sizeof(title), "master, %d %s, gen %u", n,
	    n == 1 ? "child" : "children", m->generation->number);
	if (strcmp(title, m->title) == 0)
		return;
	(void)memcpy(m->title, title, sizeof(title));
	title_set("%s", title);
}

/* ---- between two turns of the loop ---- */

/* All are gone, but for the admin child and those that are stuck in the
 * kernel. */
static bool
is_alone(const struct master *m)
{
	const struct proc *p;

	TAILQ_FOREACH(p, &m->procs, entry)
		if (!p->is_buried && !proc_is_admin(p))
			return false;
	return true;
}

static void
settle(struct master *m)
{
	while (m->is_changed) {
		m->is_changed = false;
		if (m->state == MASTER_STARTING)
			start_check(m);
		op_step(m);
		acceptor_step(m);
		slot_update(m);
		admin_step(m);
		if (m->state == MASTER_STOPPING && !ev_is_active(&m->delay_w) &&
		    is_alone(m) && admin_end(m))
			master_set_state(m, MASTER_EXIT);
		if (m->control != NULL)
			control_on_change(m->control);
	}
	service_update(m);
	generation_sweep(m);
}

/* While nobody at all serves, one place is tried each second, whatever its
 * strikes. */
static void
rescue(struct master *m)
{
	struct place *best = NULL;
	int i;

	if (!master_is_serving(m) ||
	    m->count[PROC_READY] + m->count[PROC_STARTING] +
		    m->count[PROC_PREPARED] + m->count[PROC_SUSPECT] >
		0)
		return;
	for (i = 0; i < m->nplaces; i++)
		if (m->places[i].incumbent == NULL &&
		    (best == NULL || m->places[i].strikes < best->strikes))
			best = &m->places[i];
	if (best != NULL)
		place_rescue(best);
}

static void
each_second(struct master *m)
{
	struct proc *p;

	TAILQ_FOREACH(p, &m->procs, entry)
		mctl_tick(p);
	guard_tick(m);
	relay_guard(m);
	renew_tick(m);
	sizer_tick(m);
	rescue(m);
	master_show_title(m);
	service_each_second(m);
	log_retry();
}

static void
on_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct master *m = w->data;

	(void)loop;
	(void)revents;
	watch_tick(m);
	listener_tick(m);
	scale_tick(m);
	relay_tick(m);
	if (m->ticks++ % TICKS_PER_SECOND == 0)
		each_second(m);
	/* An operation may wait for nothing but the time. */
	if (m->ops.ticket != 0)
		master_on_change(m);
	m->tick_ns = mono_ns();
}

/* ---- the whole ---- */

void
master_abandon(struct master *m)
{
	signals_unwatch(m);
	if (m->control != NULL)
		control_abandon(m->control);
	ev_loop_destroy(m->loop);
	m->loop = NULL;
}

static void
init_members(struct master *m)
{
	*m = (struct master){
		.log_fd = STDERR_FILENO,
		.pid_fd = -1,
		.binary = { .fd = -1 },
		.upgrade = { .file = -1, .state = -1, .way_back = -1 },
		.started_ns = mono_ns(),
		.fork_log = { .burst = 1 },
		.gossip_log = { .burst = 20 },
		.guard_log = { .burst = 20 },
	};
	TAILQ_INIT(&m->generations);
	TAILQ_INIT(&m->admin.generations);
	TAILQ_INIT(&m->procs);
	TAILQ_INIT(&m->checkruns);
}

static void
init_watchers(struct master *m)
{
	start_init(m);
	stop_init(m);
	ev_timer_init(&m->tick_w, on_tick, TICK_S, TICK_S);
	m->tick_w.data = m;
	m->tick_ns = mono_ns();
	logs_init(m);
	service_init(m);
	signals_watch(m);
}

static void
master_fini(struct master *m)
{
	if (m->control != NULL)
		control_close(&m->control);
	listener_close_all(m);
	service_fini(m);
	pidfile_close(&m->pid_fd, m->conf->pid_file);
	generation_free_all(m);
	op_fini(m);
	binary_fini(&m->binary);
	board_close(&m->board);
	free(m->places);
	free(m->admin.place);
	free(m->acceptor);
	m->places = m->admin.place = m->acceptor = NULL;
	signals_end(m);
	logs_fini(m);
	ev_loop_destroy(m->loop);
	m->loop = NULL;
}

static int
master_init(struct master *m, const struct conf *said, char *const *argv,
    struct err *err)
{
	init_members(m);
	m->said = said;
	m->argv = argv;
	m->loop = ev_default_loop(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (m->loop == NULL)
		return err_set(err, EXIT_SYSTEM,
		    "no event loop: epoll is missing");
	init_watchers(m);
	return 0;
}

static enum exit_code
loop(struct master *m)
{
	for (;;) {
		settle(m);
		if (m->state == MASTER_EXIT)
			break;
		upgrade_change_over(m);
		place_fork_due(m);
		checkrun_fork_due(m);
		(void)ev_run(m->loop, EVRUN_ONCE);
	}
	stop_say(m);
	master_fini(m);
	return m->exit_code;
}

enum exit_code
master_run(struct conf *conf, const struct conf *said, char *const *argv,
    int log_fd, int pid_fd)
{
	struct master *m = &the_master;
	struct err err;

	if (master_init(m, said, argv, &err) == -1) {
		stop_explain(&err);
		return err.code;
	}
	signals_release();
	m->log_fd = log_fd;
	m->pid_fd = pid_fd;
	if (binary_init(&m->binary, argv[0], &err) == -1)
		log_warn("no upgrade will be possible: %s", err.text);
	m->generation = generation_new(m, conf);
	if (m->generation == NULL) {
		err_set(&err, EXIT_SYSTEM, "no memory");
		stop_explain(&err);
		return err.code;
	}
	m->conf = &m->generation->conf;
	m->nplaces = m->nplaces_used = m->conf->processes;
	m->min_accepting = m->nplaces;
	master_set_state(m, MASTER_BIND);
	ev_timer_start(m->loop, &m->bind_w);
	return loop(m);
}

enum exit_code
master_resume(const struct conf *said, char *const *argv, int state,
    int way_back)
{
	struct master *m = &the_master;
	struct err err;
	int rc;

	if (master_init(m, said, argv, &err) == -1 ||
	    start_open_pools(m, &err) == -1) {
		rc = upgrade_call_back(m, state, way_back, &err);
	} else {
		if (binary_init(&m->binary, argv[0], &err) == -1)
			m->binary.fd = -1;
		rc = upgrade_resume(m, state, way_back, &err);
	}
	if (rc == -1) {
		stop_explain(&err);
		return err.code;
	}
	ev_timer_start(m->loop, &m->tick_w);
	master_show_title(m);
	master_on_change(m);
	return loop(m);
}

int
master_try(const struct conf *said, char *const *argv,
    const struct tlv_record *record, struct err *err)
{
	struct master *m = &the_master;

	if (master_init(m, said, argv, err) == -1)
		return -1;
	signals_release();
	return upgrade_try(m, record, err);
}

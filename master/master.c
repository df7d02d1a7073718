/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * master.c: the supervisor's loop: events become changes, and between two turns
 * it acts on what has changed and forks. It does not block once it serves, and
 * never exits because of what a child did after the first was READY.
 */
#include <sys/resource.h>

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/control.h"
#include "master/daemon.h"
#include "master/inherit.h"
#include "master/logs.h"
#include "master/master.h"
#include "master/pidfile.h"
#include "master/service.h"
#include "shared/title.h"

#define BIND_RETRY_S 0.1
#define BIND_PATIENCE_S 3.0
#define HUSH_S 0.1 /* from the word to drain to the end of the listeners */
#define FORCE_MARGIN_S                                                         \
	4.0 /* past drain-timeout; the children's own come first */
#define TICK_S 0.25
#define TICKS_PER_SECOND 4
#define DESCRIPTORS_FIXED 64 /* of the master beside sockets and children */
#define BOARD_SPARE_PAGES 64 /* for successors and those that drain */

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

/* ---- becoming ready ---- */

static void
print_ready(struct master *m)
{
	char listeners[2048], line[2304];
	int n = master_accepting(m);

	(void)master_print_listeners(m, listeners, sizeof(listeners));
	(void)snprintf(line, sizeof(line), "ready: %d %s, %s, control %s", n,
	    n == 1 ? "child" : "children", listeners,
	    m->control != NULL ? m->control_path : "none");
	if (!m->conf->is_daemon)
		log_tell(LOG_INFO, "%s", line);
	if (!log_is_stderr())
		log_info("%s", line);
}

static void
update_title(struct master *m)
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

static void
set_running(struct master *m)
{
	ev_timer_stop(m->loop, &m->bind_w);
	master_set_state(m, MASTER_RUNNING);
	m->min_accepting = master_accepting(m);
	update_title(m);
	print_ready(m);
	daemon_set_ready();
	/* An operation may have waited for this. */
	master_on_change(m);
}

/* What generation 1's children said before they died, or how they died. */
static void
fail_to_start(struct master *m, const char *why)
{
	bool is_above = strcmp(m->conf->log_file, "stderr") == 0;
	struct err err;

	if (m->last_words[0] != '\0')
		err_set(&err, EXIT_UNAVAILABLE, "%s: %s", why, m->last_words);
	else if (m->last_error.text[0] != '\0')
		err_set(&err, EXIT_UNAVAILABLE, "%s: %s", why,
		    m->last_error.text);
	else
		err_set(&err, EXIT_UNAVAILABLE, "%s", why);
	err_hint(&err,
	    "the handler's own messages stand %s%s; --single runs it in one "
	    "process for a debugger",
	    is_above ? "above" : "in the log, ",
	    is_above ? "" : m->conf->log_file);
	master_fail(m, &err);
}

/* Is a first child of some place still on its way? */
static bool
has_hope(const struct master *m)
{
	int i;

	for (i = 0; i < m->nplaces; i++)
		if (m->places[i].restarts == 0)
			return true;
	return false;
}

/* Generation 1: is it complete, or hopeless? */
static void
check_start(struct master *m)
{
	if (master_accepting(m) == m->nplaces)
		set_running(m);
	else if (!m->was_ready && m->stillborn >= POLICY_FIRST_TRIES &&
	    !has_hope(m))
		fail_to_start(m, "no child could start");
}

static void
on_start_timeout(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct master *m = w->data;

	(void)revents;
	if (m->state != MASTER_STARTING)
		return;
	if (!m->was_ready) {
		fail_to_start(m, "no child was ready within start-timeout");
		return;
	}
	if (master_accepting(m) == 0) {
		/* They died just now, and will be back. */
		ev_timer_set(w, BIND_RETRY_S, 0);
		ev_timer_start(loop, w);
		return;
	}
	log_warn("only %d of %d children are ready after %.0f s; trying on",
	    master_accepting(m), m->nplaces, m->conf->start_timeout);
	set_running(m);
}

/* ---- stopping ---- */

static void
on_force(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct master *m = w->data;
	struct proc *p;

	(void)loop;
	(void)revents;
	TAILQ_FOREACH(p, &m->procs, entry)
		proc_kill(p);
}

static void
end_all(struct master *m)
{
	struct proc *p, *next;

	TAILQ_FOREACH_SAFE(p, &m->procs, entry, next)
		proc_end(p);
}

static void
drain_all(struct master *m)
{
	struct proc *p, *next;

	TAILQ_FOREACH_SAFE(p, &m->procs, entry, next) {
		/* It tells that we are not ready, to the end. */
		if (proc_is_admin(p))
			continue;
		proc_dismiss(p, CTL_STOPPING);
	}
}

/*
 * Later clients are refused at once instead of waiting for nobody. The
 * children, which were told to drain, accept until they see this, so that the
 * queues are empty.
 */
static void
on_hush(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct master *m = w->data;

	(void)loop;
	(void)revents;
	listener_close_service(m);
	if (m->admin.is_ending)
		listener_close_all(m);
}

void
master_hush(struct master *m)
{
	ev_timer_stop(m->loop, &m->hush_w);
	ev_timer_set(&m->hush_w, HUSH_S, 0);
	ev_timer_start(m->loop, &m->hush_w);
}

/* No more forks, no more service: from here on it only waits for the end. */
static void
end_service(struct master *m, double patience)
{
	int i;

	for (i = 0; i < m->nplaces_used; i++)
		place_stop(&m->places[i]);
	if (m->admin.place != NULL)
		place_stop(m->admin.place);
	ev_timer_set(&m->force_w, patience, 0);
	ev_timer_start(m->loop, &m->force_w);
	master_hush(m);
	master_on_change(m);
}

static void
set_stopping(struct master *m)
{
	ev_timer_stop(m->loop, &m->bind_w);
	op_cancel_all(m);
	master_set_state(m, MASTER_STOPPING);
	master_on_change(m);
}

static void
drain_and_end(struct master *m)
{
	end_service(m, m->conf->drain_timeout + FORCE_MARGIN_S);
	drain_all(m);
}

/* The load balancers have had the time to see that we are not ready. */
static void
on_delay(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	drain_and_end(w->data);
}

static void
stop_at_once(struct master *m)
{
	if (ev_is_active(&m->delay_w)) {
		ev_timer_stop(m->loop, &m->delay_w);
		end_service(m, FORCE_MARGIN_S);
	}
	end_all(m);
}

static void
stop_gracefully(struct master *m)
{
	if (m->conf->drain_delay > 0) {
		log_info("accepting for %g s more, but not ready any more",
		    m->conf->drain_delay);
		ev_timer_set(&m->delay_w, m->conf->drain_delay, 0);
		ev_timer_start(m->loop, &m->delay_w);
	} else {
		drain_and_end(m);
	}
}

void
master_stop(struct master *m, bool now)
{
	if (m->state == MASTER_BIND) {
		master_set_state(m, MASTER_EXIT);
		return;
	}
	if (m->state == MASTER_STOPPING || m->state == MASTER_EXIT) {
		log_info("stopping at once");
		stop_at_once(m);
		return;
	}
	log_info("stopping%s", now ? " at once" : "");
	set_stopping(m);
	if (now) {
		end_service(m, FORCE_MARGIN_S);
		end_all(m);
	} else {
		stop_gracefully(m);
	}
}

/* For the operator who looks at the terminal, and for the log. */
static void
print_err(const struct err *err)
{
	log_tell(LOG_ERROR, "%s", err->text);
	if (err->hint[0] != '\0')
		log_tell(LOG_ERROR, "hint: %s", err->hint);
	if (!log_is_stderr())
		log_error("%s", err->text);
}

void
master_fail(struct master *m, const struct err *err)
{
	struct proc *p, *next;

	print_err(err);
	m->exit_code = err->code;
	if (m->state == MASTER_BIND) {
		master_set_state(m, MASTER_EXIT);
		return;
	}
	set_stopping(m);
	end_service(m, FORCE_MARGIN_S);
	TAILQ_FOREACH_SAFE(p, &m->procs, entry, next)
		proc_kill(p);
}

static void
log_end(const struct master *m)
{
	if (m->exit_code != EXIT_OK)
		return;
	if (m->cut > 0)
		log_warn("stopped: %llu connection%s cut",
		    (unsigned long long)m->cut, m->cut == 1 ? "" : "s");
	else
		log_info("stopped");
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
			check_start(m);
		op_step(m);
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
	renew_tick(m);
	sizer_tick(m);
	rescue(m);
	update_title(m);
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
	if (m->ticks++ % TICKS_PER_SECOND == 0)
		each_second(m);
	/* An operation may wait for nothing but the time. */
	if (m->ops.ticket != 0)
		master_on_change(m);
	m->tick_ns = mono_ns();
}

/* ---- binding ---- */

/* Room for as many children as there can ever be. */
static int
open_pools(struct master *m, struct err *err)
{
	if (board_open(&m->board,
		(size_t)CONF_PROCESSES_MAX * 2 + BOARD_SPARE_PAGES, err) == -1)
		return -1;
	/* The kernel gives memory only for those that are used. */
	m->places = calloc(CONF_PROCESSES_MAX, sizeof(*m->places));
	if (m->places == NULL)
		return err_sys(err, "memory for places");
	return 0;
}

static int
open_places(struct master *m, struct err *err)
{
	int i;

	if (open_pools(m, err) == -1)
		return -1;
	for (i = 0; i < m->nplaces; i++) {
		place_init(&m->places[i], m, i);
		place_open(&m->places[i]);
	}
	policy_bucket_init(&m->bucket, m->nplaces, mono_ns());
	return 0;
}

/* The default control path may be another tine's: then go on without. */
static int
open_control(struct master *m, struct err *err)
{
	const char *path = m->conf->control;

	if (path != NULL && strcmp(path, "none") == 0)
		return 0;
	m->control = control_open(m, path, err);
	if (m->control != NULL)
		return 0;
	if (path != NULL)
		return -1;
	log_warn("no control socket: %s%s%s", err->text,
	    err->hint[0] ? "; " : "", err->hint);
	return 0;
}

/* Better said now than with each fork that fails. */
static void
warn_of_descriptors(const struct master *m)
{
	size_t i, need = DESCRIPTORS_FIXED + 3 * (size_t)m->nplaces;
	struct rlimit limit;

	for (i = 0; i < m->nlisteners; i++)
		need += m->listeners[i]->nslots;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < need)
		log_warn("%d children need %zu descriptors in the master, and "
			 "the limit is %llu; raise it with ulimit -n or "
			 "LimitNOFILE=",
		    m->nplaces, need, (unsigned long long)limit.rlim_max);
}

static void
set_starting(struct master *m)
{
	struct err err;

	if (open_control(m, &err) == -1 || open_places(m, &err) == -1 ||
	    admin_start(m, &err) == -1) {
		master_fail(m, &err);
		return;
	}
	warn_of_descriptors(m);
	inherit_end(&m->notify);
	listener_commit(m);
	master_set_state(m, MASTER_STARTING);
	ev_timer_stop(m->loop, &m->bind_w);
	ev_set_cb(&m->bind_w, on_start_timeout);
	ev_timer_set(&m->bind_w, m->conf->start_timeout, 0);
	ev_timer_start(m->loop, &m->bind_w);
	ev_timer_start(m->loop, &m->tick_w);
}

/* A server that has just been killed may hold the address a moment longer. */
static void
on_bind(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct master *m = w->data;
	double waited =
	    (double)(mono_ns() - m->started_ns) / (double)NSEC_PER_SEC;

	(void)revents;
	inherit_rewind();
	if (listener_open_all(m, m->generation, &m->bind_error) == 0 &&
	    admin_open(m, &m->bind_error) == 0) {
		set_starting(m);
		return;
	}
	if (m->bind_error.sys == EADDRINUSE && waited < BIND_PATIENCE_S) {
		if (!m->is_waiting)
			log_info("%s; trying again for %.0f s",
			    m->bind_error.text, BIND_PATIENCE_S);
		m->is_waiting = true;
		ev_timer_stop(loop, w);
		ev_timer_set(w, BIND_RETRY_S, 0);
		ev_timer_start(loop, w);
		return;
	}
	if (m->bind_error.sys == EADDRINUSE)
		holder_name(&m->busy, &m->bind_error);
	master_fail(m, &m->bind_error);
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
	ev_timer_init(&m->bind_w, on_bind, 0, 0);
	ev_timer_init(&m->force_w, on_force, 0, 0);
	ev_timer_init(&m->hush_w, on_hush, HUSH_S, 0);
	ev_timer_init(&m->tick_w, on_tick, TICK_S, TICK_S);
	ev_timer_init(&m->delay_w, on_delay, 0, 0);
	m->delay_w.data = m;
	m->bind_w.data = m->force_w.data = m;
	m->hush_w.data = m->tick_w.data = m;
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
	m->places = m->admin.place = NULL;
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
	log_end(m);
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
		print_err(&err);
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
		print_err(&err);
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
	    open_pools(m, &err) == -1) {
		rc = upgrade_call_back(m, state, way_back, &err);
	} else {
		if (binary_init(&m->binary, argv[0], &err) == -1)
			m->binary.fd = -1;
		rc = upgrade_resume(m, state, way_back, &err);
	}
	if (rc == -1) {
		print_err(&err);
		return err.code;
	}
	ev_timer_start(m->loop, &m->tick_w);
	update_title(m);
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

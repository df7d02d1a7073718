/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * start.c: from the addresses to the first complete generation. Runs in the
 * master, which may still give up here, with an exit code and a reason.
 */
#include <sys/resource.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/control.h"
#include "master/daemon.h"
#include "master/inherit.h"
#include "master/master.h"

#define BIND_RETRY_S 0.1
#define BIND_PATIENCE_S 3.0
#define DESCRIPTORS_FIXED 64 /* of the master beside sockets and children */
#define BOARD_SPARE_PAGES 64 /* for successors and those that drain */

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
set_running(struct master *m)
{
	ev_timer_stop(m->loop, &m->bind_w);
	master_set_state(m, MASTER_RUNNING);
	m->min_accepting = master_accepting(m);
	master_show_title(m);
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
	stop_fail(m, &err);
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

void
start_check(struct master *m)
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

/* ---- binding ---- */

int
start_open_pools(struct master *m, struct err *err)
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

	if (start_open_pools(m, err) == -1)
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
		need += m->listeners[i]->nslots + 2 * m->listeners[i]->nrelays;
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
	    admin_start(m, &err) == -1 || acceptor_start(m, &err) == -1) {
		stop_fail(m, &err);
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
		holder_name(&m->busy, m->busy_is_udp, &m->bind_error);
	stop_fail(m, &m->bind_error);
}

void
start_init(struct master *m)
{
	ev_timer_init(&m->bind_w, on_bind, 0, 0);
	m->bind_w.data = m;
}

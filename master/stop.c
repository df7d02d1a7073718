/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stop.c: the end of the server, asked for or forced upon it. Runs in the
 * master. From the word on nothing new begins; the listeners close a moment
 * after the children have heard of it, and who stays too long is killed.
 */
#include "master/master.h"

#define HUSH_S 0.1 /* from the word to drain to the end of the listeners */
/* Past drain-timeout; the children's own come first. */
#define FORCE_MARGIN_S 4.0

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
stop_hush(struct master *m)
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
	if (m->acceptor != NULL)
		place_stop(m->acceptor);
	ev_timer_set(&m->force_w, patience, 0);
	ev_timer_start(m->loop, &m->force_w);
	stop_hush(m);
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
stop_begin(struct master *m, bool now)
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

void
stop_explain(const struct err *err)
{
	log_tell(LOG_ERROR, "%s", err->text);
	if (err->hint[0] != '\0')
		log_tell(LOG_ERROR, "hint: %s", err->hint);
	if (!log_is_stderr())
		log_error("%s", err->text);
}

void
stop_fail(struct master *m, const struct err *err)
{
	struct proc *p, *next;

	stop_explain(err);
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

void
stop_say(const struct master *m)
{
	if (m->exit_code != EXIT_OK)
		return;
	if (m->cut > 0)
		log_warn("stopped: %llu connection%s cut",
		    (unsigned long long)m->cut, m->cut == 1 ? "" : "s");
	else
		log_info("stopped");
}

void
stop_init(struct master *m)
{
	ev_timer_init(&m->force_w, on_force, 0, 0);
	ev_timer_init(&m->hush_w, on_hush, HUSH_S, 0);
	ev_timer_init(&m->delay_w, on_delay, 0, 0);
	m->force_w.data = m->hush_w.data = m->delay_w.data = m;
}

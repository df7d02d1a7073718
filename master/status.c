/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * status.c: what the master knows about itself, its listeners and its
 * children, as JSON. Runs in the master when somebody asks; changes nothing.
 * Numbers that a child wrote are clamped and displayed, no more.
 */
#include "master/status.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/facts.h"
#include "master/fairness.h"
#include "master/master.h"

#define TEXT_MAX 4096
#define REAL_DIGITS 12 /* 10 years in milliseconds */

static json_int_t
count(uint64_t n)
{
	return (json_int_t)MIN_OF(n, FACTS_MAX);
}

/* Seconds, rounded to what is worth reading. */
static double
seconds(uint64_t ns, double per_second)
{
	return round((double)ns / (double)NSEC_PER_SEC * per_second) /
	    per_second;
}

static double
ratio(uint64_t ppm)
{
	return round((double)ppm / 1e3) / 1e3;
}

/* A path or a reason may be any bytes, a JSON string may not. */
static json_t *
text_json(const char *text)
{
	char escaped[TEXT_MAX];
	json_t *json = json_string(text);

	if (json != NULL)
		return json;
	return json_string(
	    log_escape(escaped, sizeof(escaped), text, strlen(text)));
}

/* ---- listeners ---- */

static json_t *
listener_json(const struct master *m, const struct listener *l)
{
	struct facts_listener f;
	char url[URL_TEXT_MAX];

	facts_of_listener(l, &f);
	return json_pack("{s:o, s:o, s:I, s:I, s:I}", "url",
	    text_json(url_print_short(&l->url, url, sizeof(url))), "handler",
	    text_json(master_handler_of(m, l)), "slots", count(f.slots),
	    "queue", count(f.queue), "overflows", count(f.overflows));
}

static json_t *
listeners_json(const struct master *m)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; array != NULL && i < m->nlisteners; i++)
		if (json_array_append_new(array,
			listener_json(m, m->listeners[i])) == -1) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static enum conf_accept
effective_accept(const struct master *m)
{
	enum conf_accept accept = CONF_ACCEPT_SHARED;
	size_t i;

	for (i = 0; i < m->nlisteners; i++)
		if (m->listeners[i]->is_dispatched)
			return CONF_ACCEPT_DISPATCH;
		else if (m->listeners[i]->has_slot_per_place)
			accept = CONF_ACCEPT_REUSEPORT;
	return accept;
}

/* ---- children ---- */

static json_t *
child_json(const struct proc *p, int proc_fd)
{
	struct facts_child f;

	facts_of_child(p, proc_fd, &f);
	return json_pack("{s:i, s:I, s:I, s:s, s:f, s:I, s:I, s:I, s:I, s:I,"
			 " s:f, s:f, s:I, s:I, s:b, s:o}",
	    "place", p->place->number, "pid", (json_int_t)p->pid, "generation",
	    (json_int_t)p->generation->number, "state",
	    proc_state_names[p->state], "uptime_seconds",
	    seconds(f.age_ns, 1e3), "connections", count(f.connections),
	    "accepted", count(f.counters[BOARD_ACCEPTED]), "requests",
	    count(f.counters[BOARD_REQUESTS]), "bytes_in",
	    count(f.counters[BOARD_BYTES_IN]), "bytes_out",
	    count(f.counters[BOARD_BYTES_OUT]), "loop_lag_seconds",
	    seconds(f.lag_ns, 1e6), "utilisation", ratio(f.busy_ppm),
	    "rss_bytes", count(f.rss_bytes), "restarts",
	    count(p->place->restarts), "overloaded", (int)f.overloaded, "cpu",
	    f.cpu == -1 ? json_null() : json_integer(f.cpu));
}

static int
by_place_and_age(const void *a, const void *b)
{
	const struct proc *p = *(const struct proc *const *)a;
	const struct proc *q = *(const struct proc *const *)b;

	if (p->place->number != q->place->number)
		return p->place->number < q->place->number ? -1 : 1;
	return (p->born_ns > q->born_ns) - (p->born_ns < q->born_ns);
}

/* The children that live, by place, the oldest of a place first; *n of them.
 * NULL when memory is short. */
static const struct proc **
living_procs(const struct master *m, size_t *n)
{
	const struct proc **procs, *p;
	size_t all = 1;

	TAILQ_FOREACH(p, &m->procs, entry)
		all++;
	procs = calloc(all, sizeof(const struct proc *));
	if (procs == NULL)
		return NULL;
	*n = 0;
	TAILQ_FOREACH(p, &m->procs, entry)
		if (p->state != PROC_DEAD && !proc_is_extra(p))
			procs[(*n)++] = p;
	qsort(procs, *n, sizeof(const struct proc *), by_place_and_age);
	return procs;
}

static json_t *
children_json(const struct master *m)
{
	const struct proc **procs;
	size_t i, n = 0;
	json_t *array;
	int proc_fd;

	procs = living_procs(m, &n);
	if (procs == NULL)
		return NULL;
	proc_fd = facts_open_proc();
	array = json_array();
	for (i = 0; array != NULL && i < n; i++)
		if (json_array_append_new(array,
			child_json(procs[i], proc_fd)) == -1) {
			json_decref(array);
			array = NULL;
		}
	closefd(&proc_fd);
	free(procs);
	return array;
}

/* The child that serves the admin pages, which is none of the others. */
static json_t *
admin_json(const struct master *m)
{
	const struct place *pl = m->admin.place;
	const struct proc *p;
	char url[URL_TEXT_MAX];
	bool is_alive;

	if (pl == NULL)
		return json_null();
	p = pl->incumbent;
	is_alive = p != NULL && p->state != PROC_DEAD;
	/* The port is known to the listener only. */
	(void)url_print_short(m->admin.generation->listeners[0] != NULL
		? &m->admin.generation->listeners[0]->url
		: &m->admin.generation->conf.servers[0].listens[0],
	    url, sizeof(url));
	return json_pack("{s:o, s:o, s:s, s:I}", "url", text_json(url), "pid",
	    is_alive ? json_integer(p->pid) : json_null(), "state",
	    proc_state_names[is_alive ? p->state : PROC_DEAD], "restarts",
	    count(pl->restarts));
}

/* The child that takes connections for the others. */
static json_t *
acceptor_json(const struct master *m)
{
	const struct place *pl = m->acceptor;
	const struct proc *p;
	struct facts_child f;

	if (pl == NULL)
		return json_null();
	p = pl->incumbent;
	if (p == NULL || p->state == PROC_DEAD)
		return json_pack("{s:n, s:s, s:I, s:I}", "pid", "state",
		    proc_state_names[PROC_DEAD], "accepted", count(0),
		    "restarts", count(pl->restarts));
	facts_of_child(p, -1, &f);
	return json_pack("{s:I, s:s, s:I, s:I}", "pid", (json_int_t)p->pid,
	    "state", proc_state_names[p->state], "accepted",
	    count(f.counters[BOARD_ACCEPTED]), "restarts", count(pl->restarts));
}

/* ---- the whole ---- */

static json_t *
refused_json(const struct facts_totals *f)
{
	json_t *object = json_object();
	size_t i;

	for (i = 0; object != NULL && i < BOARD_NREFUSALS; i++)
		if (json_object_set_new(object, board_refusal_names[i],
			json_integer(count(f->counters[BOARD_REFUSED + i]))) ==
		    -1) {
			json_decref(object);
			return NULL;
		}
	return object;
}

static json_t *
totals_json(const struct master *m)
{
	struct facts_totals f;
	struct fairness fair;

	facts_of_all(m, &f);
	fairness_read(m, &fair);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:f,"
			 " s:f}",
	    "connections", count(f.connections), "accepted",
	    count(f.counters[BOARD_ACCEPTED]), "requests",
	    count(f.counters[BOARD_REQUESTS]), "bytes_in",
	    count(f.counters[BOARD_BYTES_IN]), "bytes_out",
	    count(f.counters[BOARD_BYTES_OUT]), "dropped",
	    count(f.counters[BOARD_DROPPED]), "refused", refused_json(&f),
	    "shed", count(f.counters[BOARD_SHED]), "slow_callbacks",
	    count(f.counters[BOARD_SLOW_CALLBACKS]), "fairness",
	    ratio(fair.accepted_ppm), "fairness_open",
	    ratio(fair.connections_ppm));
}

static json_t *
master_json(const struct master *m)
{
	json_t *last_error = m->last_error.text[0] != '\0'
	    ? text_json(m->last_error.text)
	    : json_null();

	return json_pack("{s:I, s:s, s:f, s:I, s:i, s:s, s:I, s:I, s:I, s:I,"
			 " s:I, s:i, s:o}",
	    "pid", (json_int_t)getpid(), "state", master_state_names[m->state],
	    "uptime_seconds", seconds(mono_ns() - m->started_ns, 1e3),
	    "generation", (json_int_t)m->generation->number, "processes",
	    m->nplaces, "accept", conf_accept_names[effective_accept(m)],
	    "reloads", count(m->reloads), "rollbacks", count(m->rollbacks),
	    "upgrades", count(m->upgrades), "crashes", count(m->crashes),
	    "hangs", count(m->hangs), "min_accepting", m->min_accepting,
	    "last_error", last_error);
}

static json_t *
counters_json(const struct master *m)
{
	json_t *object = json_object();
	struct counters cs;
	size_t i;

	counters_of_all(m, &cs);
	for (i = 0; object != NULL && i < cs.n; i++)
		if (json_object_set_new(object, cs.list[i].name,
			json_integer(count(cs.list[i].value))) == -1) {
			json_decref(object);
			return NULL;
		}
	return object;
}

json_t *
status_json(const struct master *m)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "version",
	    TINE_VERSION, "master", master_json(m), "listeners",
	    listeners_json(m), "children", children_json(m), "totals",
	    totals_json(m), "admin", admin_json(m), "acceptor",
	    acceptor_json(m), "counters", counters_json(m));
}

char *
status_print(const struct master *m)
{
	json_t *status = status_json(m);
	char *text;

	if (status == NULL)
		return NULL;
	text = json_dumps(status,
	    JSON_COMPACT | JSON_ENSURE_ASCII |
		JSON_REAL_PRECISION(REAL_DIGITS));
	json_decref(status);
	return text;
}

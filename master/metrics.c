/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * metrics.c: what the master knows, for Prometheus. Runs in the master when
 * somebody asks; changes nothing. A counter never falls as long as the master
 * lives: those of a place's child would fall at its death, so only gauges have
 * a place.
 */
#include "master/metrics.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/facts.h"
#include "master/fairness.h"

#define LABEL_MAX (2 * URL_TEXT_MAX)

/* What the rows below point into. */
struct whole {
	uint64_t uptime_ns, generation, places, accepting, accepting_min;
	uint64_t crashes, hangs, reloads, rollbacks, upgrades, cut;
	uint64_t acceptors, acceptor_restarts;
	struct facts_totals totals;
	struct fairness fairness;
};

struct place_facts {
	uint64_t restarts;
	bool has_child;
	struct facts_child child;
};

struct view {
	const struct master *master;
	struct whole whole;
	struct facts_listener *listeners;
	struct place_facts *places;
	struct counters counters;
};

/* One sample, or one for each ... */
enum over {
	OVER_WHOLE,
	OVER_VERSION,
	OVER_MASTER_STATES,
	OVER_CHILD_STATES,
	OVER_CAUSES,
	OVER_REFUSALS,
	OVER_LISTENERS,
	OVER_PLACES,
	OVER_CHILDREN, /* places that have one */
};

#define WHOLE(f) OVER_WHOLE, offsetof(struct whole, f)
#define TOTAL(c)                                                               \
	OVER_WHOLE,                                                            \
	    offsetof(struct whole, totals.counters) + (c) * sizeof(uint64_t)
#define LISTENER(f) OVER_LISTENERS, offsetof(struct facts_listener, f)
#define PLACE(f) OVER_PLACES, offsetof(struct place_facts, f)
#define CHILD(f) OVER_CHILDREN, offsetof(struct place_facts, child.f)

/* clang-format off */
static const struct metric {
	const char *name, *type;
	enum over over;
	size_t offset;    /* of the number, a uint64_t */
	double divisor;   /* to the base unit; 0: none */
	const char *help;
} metrics[] = {
	{ "build_info", "gauge", OVER_VERSION, 0, 0,
	    "Always 1; the version is in the label." },
	{ "uptime_seconds", "gauge", WHOLE(uptime_ns), 1e9,
	    "Time since the master started." },
	{ "master_state", "gauge", OVER_MASTER_STATES, 0, 0,
	    "1 for the state that the master is in." },
	{ "generation", "gauge", WHOLE(generation), 0,
	    "Number of the serving generation." },
	{ "places", "gauge", WHOLE(places), 0,
	    "Children that there should be." },
	{ "children", "gauge", OVER_CHILD_STATES, 0, 0,
	    "Children by state." },
	{ "accepting_children", "gauge", WHOLE(accepting), 0,
	    "Children that accept connections." },
	{ "accepting_children_min", "gauge", WHOLE(accepting_min), 0,
	    "Fewest accepting children since the last operation began." },
	{ "crashes_total", "counter", WHOLE(crashes), 0,
	    "Children that died unasked." },
	{ "hangs_total", "counter", WHOLE(hangs), 0,
	    "Children that were killed because they hung." },
	{ "reloads_total", "counter", WHOLE(reloads), 0,
	    "Reloads after which every place had a new child." },
	{ "rollbacks_total", "counter", WHOLE(rollbacks), 0,
	    "Reloads and upgrades that were undone." },
	{ "upgrades_total", "counter", WHOLE(upgrades), 0,
	    "Upgrades after which every place had a new child." },
	{ "connections", "gauge", WHOLE(totals.connections), 0,
	    "Connections open now." },
	{ "connections_accepted_total", "counter", TOTAL(BOARD_ACCEPTED), 0,
	    "Connections accepted." },
	{ "connections_closed_total", "counter", OVER_CAUSES, 0, 0,
	    "Connections closed, by cause." },
	{ "connections_dropped_total", "counter", TOTAL(BOARD_DROPPED), 0,
	    "Connections closed by a limit." },
	{ "refused_total", "counter", OVER_REFUSALS, 0, 0,
	    "Connections closed unserved, by the limit that was reached." },
	{ "connections_shed_total", "counter", TOTAL(BOARD_SHED), 0,
	    "Idle connections closed to make room for others." },
	{ "connections_cut_total", "counter", WHOLE(cut), 0,
	    "Connections closed because drain-timeout was over." },
	{ "fairness_accepted_ratio", "gauge", WHOLE(fairness.accepted_ppm), 1e6,
	    "Connections that the busiest place accepted, by the mean." },
	{ "fairness_connections_ratio", "gauge",
	    WHOLE(fairness.connections_ppm), 1e6,
	    "Connections open in the busiest place, by the mean." },
	{ "requests_total", "counter", TOTAL(BOARD_REQUESTS), 0,
	    "Requests that handlers counted." },
	{ "received_bytes_total", "counter", TOTAL(BOARD_BYTES_IN), 0,
	    "Bytes read from clients." },
	{ "sent_bytes_total", "counter", TOTAL(BOARD_BYTES_OUT), 0,
	    "Bytes written to clients." },
	{ "slow_callbacks_total", "counter", TOTAL(BOARD_SLOW_CALLBACKS), 0,
	    "Callbacks of handlers that took over 100 ms." },
	{ "acceptors", "gauge", WHOLE(acceptors), 0,
	    "1 while an acceptor takes connections for the children." },
	{ "acceptor_restarts_total", "counter", WHOLE(acceptor_restarts), 0,
	    "Acceptors that were replaced." },
	{ "listener_slots", "gauge", LISTENER(slots), 0,
	    "Sockets of the listener." },
	{ "listener_queue_connections", "gauge", LISTENER(queue), 0,
	    "Connections that wait to be accepted." },
	{ "listener_overflows_total", "counter", LISTENER(overflows), 0,
	    "Handshakes that the kernel dropped." },
	{ "place_restarts_total", "counter", PLACE(restarts), 0,
	    "Children of the place that were replaced." },
	{ "child_uptime_seconds", "gauge", CHILD(age_ns), 1e9,
	    "Age of the place's child." },
	{ "child_connections", "gauge", CHILD(connections), 0,
	    "Connections open in the place's child." },
	{ "child_loop_lag_seconds", "gauge", CHILD(lag_ns), 1e9,
	    "How late the last heartbeat of the place's child was." },
	{ "child_overloaded", "gauge", CHILD(overloaded), 0,
	    "1 while events wait in the place's child for over overload.lag." },
	{ "child_utilisation_ratio", "gauge", CHILD(busy_ppm), 1e6,
	    "Share of its time that the place's child is not asleep." },
	{ "child_resident_memory_bytes", "gauge", CHILD(rss_bytes), 0,
	    "Resident memory of the place's child." },
};
/* clang-format on */

static void
print_sample(FILE *out, const struct metric *metric, const char *labels,
    uint64_t n)
{
	(void)fprintf(out, "tine_%s%s ", metric->name, labels);
	if (metric->divisor == 0)
		(void)fprintf(out, "%" PRIu64 "\n", n);
	else
		(void)fprintf(out, "%.9g\n", (double)n / metric->divisor);
}

static uint64_t
number_at(const void *base, size_t offset)
{
	uint64_t n;

	memcpy(&n, (const char *)base + offset, sizeof(n));
	return n;
}

/* One sample for each name: 1 for the current one, or of_each[i]. */
static void
print_named(FILE *out, const struct metric *metric, const char *label,
    const char *const *names, const uint64_t *values, size_t n)
{
	char labels[LABEL_MAX];
	size_t i;

	for (i = 0; i < n; i++) {
		(void)snprintf(labels, sizeof(labels), "{%s=\"%s\"}", label,
		    names[i]);
		print_sample(out, metric, labels, values[i]);
	}
}

static void
print_master_states(FILE *out, const struct metric *metric,
    const struct view *v)
{
	uint64_t values[MASTER_NSTATES] = { 0 };

	values[v->master->state] = 1;
	print_named(out, metric, "state", master_state_names, values,
	    MASTER_NSTATES);
}

/* The dead are only waiting to be reaped. */
static void
print_child_states(FILE *out, const struct metric *metric, const struct view *v)
{
	uint64_t values[PROC_DEAD];
	size_t i;

	for (i = 0; i < PROC_DEAD; i++)
		values[i] = (uint64_t)v->master->count[i];
	print_named(out, metric, "state", proc_state_names, values, PROC_DEAD);
}

/* A URL holds a path, which may be any bytes. */
static void
print_listeners(FILE *out, const struct metric *metric, const struct view *v)
{
	char url[URL_TEXT_MAX], clean[LABEL_MAX], labels[2 * LABEL_MAX];
	const char *c;
	size_t i, o;

	for (i = 0; i < v->master->nlisteners; i++) {
		(void)url_print_short(&v->master->listeners[i]->url, url,
		    sizeof(url));
		(void)log_escape(clean, sizeof(clean), url, strlen(url));
		o = (size_t)snprintf(labels, sizeof(labels), "{listener=\"");
		for (c = clean; *c != '\0'; c++) {
			if (*c == '"' || *c == '\\')
				labels[o++] = '\\';
			labels[o++] = *c;
		}
		(void)snprintf(labels + o, sizeof(labels) - o, "\"}");
		print_sample(out, metric, labels,
		    number_at(&v->listeners[i], metric->offset));
	}
}

static void
print_places(FILE *out, const struct metric *metric, const struct view *v)
{
	char labels[32];
	int i;

	for (i = 0; i < v->master->nplaces; i++) {
		if (metric->over == OVER_CHILDREN && !v->places[i].has_child)
			continue;
		(void)snprintf(labels, sizeof(labels), "{place=\"%d\"}", i);
		print_sample(out, metric, labels,
		    number_at(&v->places[i], metric->offset));
	}
}

static void
print_metric(FILE *out, const struct metric *metric, const struct view *v)
{
	(void)fprintf(out, "# HELP tine_%s %s\n# TYPE tine_%s %s\n",
	    metric->name, metric->help, metric->name, metric->type);
	switch (metric->over) {
	case OVER_WHOLE:
		print_sample(out, metric, "",
		    number_at(&v->whole, metric->offset));
		break;
	case OVER_VERSION:
		print_sample(out, metric, "{version=\"" TINE_VERSION "\"}", 1);
		break;
	case OVER_MASTER_STATES:
		print_master_states(out, metric, v);
		break;
	case OVER_CHILD_STATES:
		print_child_states(out, metric, v);
		break;
	case OVER_CAUSES:
		print_named(out, metric, "cause", board_cause_names,
		    v->whole.totals.counters + BOARD_CLOSED, BOARD_NCAUSES);
		break;
	case OVER_REFUSALS:
		print_named(out, metric, "reason", board_refusal_names,
		    v->whole.totals.counters + BOARD_REFUSED, BOARD_NREFUSALS);
		break;
	case OVER_LISTENERS:
		print_listeners(out, metric, v);
		break;
	case OVER_PLACES:
	case OVER_CHILDREN:
		print_places(out, metric, v);
		break;
	}
}

static void
look(struct view *v)
{
	const struct master *m = v->master;
	int i, proc_fd = facts_open_proc();
	size_t l;

	v->whole = (struct whole){
		.uptime_ns = mono_ns() - m->started_ns,
		.generation = m->generation->number,
		.places = (uint64_t)m->nplaces,
		.accepting = (uint64_t)master_accepting(m),
		.accepting_min = (uint64_t)m->min_accepting,
		.crashes = m->crashes,
		.hangs = m->hangs,
		.reloads = m->reloads,
		.rollbacks = m->rollbacks,
		.upgrades = m->upgrades,
		.cut = m->cut,
	};
	if (m->acceptor != NULL) {
		v->whole.acceptors = m->acceptor->incumbent != NULL &&
		    m->acceptor->incumbent->state == PROC_READY;
		v->whole.acceptor_restarts = m->acceptor->restarts;
	}
	facts_of_all(m, &v->whole.totals);
	counters_of_all(m, &v->counters);
	fairness_read(m, &v->whole.fairness);
	for (l = 0; l < m->nlisteners; l++)
		facts_of_listener(m->listeners[l], &v->listeners[l]);
	for (i = 0; i < m->nplaces; i++) {
		const struct proc *p = m->places[i].incumbent;
		struct place_facts *place = &v->places[i];

		place->restarts = m->places[i].restarts;
		place->has_child = p != NULL && p->state != PROC_DEAD;
		if (place->has_child)
			facts_of_child(p, proc_fd, &place->child);
	}
	closefd(&proc_fd);
}

/* What handlers count has no help text: its name must do. */
static void
print_counters(FILE *out, const struct counters *cs)
{
	const struct counter *c;

	for (c = cs->list; c < cs->list + cs->n; c++)
		(void)fprintf(out,
		    "# HELP tine_handler_%s_total Counted by a handler.\n"
		    "# TYPE tine_handler_%s_total counter\n"
		    "tine_handler_%s_total %" PRIu64 "\n",
		    c->name, c->name, c->name, c->value);
}

/* Returns -1 when memory is short. */
static int
print_all(const struct view *v, char **text, size_t *len)
{
	FILE *out = open_memstream(text, len);
	size_t i;
	bool has_failed;

	if (out == NULL)
		return -1;
	for (i = 0; i < nitems(metrics); i++)
		print_metric(out, &metrics[i], v);
	print_counters(out, &v->counters);
	has_failed = ferror(out) != 0;
	return fclose(out) == EOF || has_failed ? -1 : 0;
}

char *
metrics_print(const struct master *m)
{
	struct view v = { .master = m };
	char *text = NULL;
	size_t len = 0;

	v.listeners = calloc(m->nlisteners, sizeof(*v.listeners));
	v.places = calloc((size_t)m->nplaces, sizeof(*v.places));
	if (v.listeners != NULL && v.places != NULL) {
		look(&v);
		if (print_all(&v, &text, &len) == -1) {
			free(text);
			text = NULL;
		}
	}
	free(v.listeners);
	free(v.places);
	/* The last newline. */
	if (text != NULL && len > 0)
		text[len - 1] = '\0';
	return text;
}

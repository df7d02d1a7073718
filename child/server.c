/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server.c: one server of the configuration in this child: its handler, its
 * limits, its ticks, and the facts that tine.h tells a handler about its
 * child. Runs in children.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child/child.h"
#include "child/stream.h"

/* A handler cannot make its child spin by asking for a tick at once. */
#define TICK_SECONDS_MIN 0.001
#define TICK_SECONDS_MAX 1e8
/* What the offsets of kept input can hold. */
#define INPUT_BYTES_MAX (UINT64_C(1) << 30)
#define LOG_LINE_BYTES 1024
#define LOG_LINES_PER_SEC 100

/* Whatever was configured, the data path can rely on low <= high <= output
 * and on room for at least one byte. */
static void
set_limits(struct tine_child *s)
{
	struct conf_limits *l = &s->limits;
	const struct conf_budget *b = &s->conf->budget;

	*l = s->conf->limits;
	l->input = MIN_OF(MAX_OF(l->input, 1), INPUT_BYTES_MAX);
	l->output = MAX_OF(l->output, 1);
	l->output_high = MIN_OF(l->output_high, l->output);
	l->output_low = MIN_OF(l->output_low, l->output_high);
	s->read_bytes = MAX_OF(MIN_OF(l->read_cap, (uint64_t)SCRATCH_BYTES), 1);
	s->budget_bytes = MAX_OF(b->bytes, 1);
	s->budget_accepts =
	    (unsigned)MAX_OF(MIN_OF(b->accepts, (uint64_t)UINT16_MAX), 1);
	s->budget_messages =
	    (unsigned)MAX_OF(MIN_OF(b->messages, (uint64_t)UINT32_MAX), 1);
}

static void
on_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct tine_child *s = w->data;
	enum tine_action action;
	double next = -1;

	(void)revents;
	call_enter(s, NULL, BOARD_IN_TICK);
	action = s->handler.tick(s, &next);
	call_leave(s);
	if (action == TINE_STOP)
		child_shutdown(s);
	else if (action != TINE_OK)
		server_blame(s, "an action that means nothing after tick");
	if (!(next >= 0))
		return;
	next = MIN_OF(MAX_OF(next, TICK_SECONDS_MIN), TICK_SECONDS_MAX);
	ev_timer_set(w, next, 0.);
	ev_timer_start(loop, w);
}

static int
load(struct tine_child *s, struct err *err)
{
	const struct conf *conf = s->child->conf;

	if (handler_load(&s->handler, &s->library, s->conf->handler, conf,
		err) == -1)
		return -1;
	if (handler_check_listens(&s->handler, s->conf, err) == 0 &&
	    option_parse(&s->options, &s->handler, conf, s->conf, err) == 0) {
		if (listening_init(s, err) == 0)
			return 0;
		option_free(&s->options, &s->handler);
	}
	handler_unload(&s->library);
	return -1;
}

int
server_init(struct tine_child *s, struct child *ch,
    const struct conf_server *conf, struct err *err)
{
	*s = (struct tine_child){ .child = ch, .conf = conf };
	/* The acceptor runs no handler's code. */
	if (ch->dispatch == NULL && load(s, err) == -1)
		return -1;
	stream_take(&s->handler);
	s->is_stream = stream_serves(&s->handler);
	set_limits(s);
	slab_init(&s->slab, s->handler.conn_size);
	if (s->limits.per_address > 0)
		slab_add_peer(&s->slab);
	deadline_init(s);
	ev_init(&s->tick, on_tick);
	s->tick.data = s;
	return 0;
}

struct tine_child *
server_origin(struct tine_child *s)
{
	return s->origin == NULL ? s : s->origin;
}

static struct tine_child *
make_side(struct tine_child *s, const struct tine_handler *events)
{
	struct tine_child *side = malloc(sizeof(*side));

	if (side == NULL)
		return NULL;
	*side = (struct tine_child){
		.child = s->child,
		.origin = s,
		.events = events,
		.conf = s->conf,
		.limits = s->limits,
		.read_bytes = s->read_bytes,
		.budget_bytes = s->budget_bytes,
		.budget_messages = s->budget_messages,
	};
	(void)memcpy(&side->handler, events,
	    MIN_OF(events->size, sizeof(side->handler)));
	side->is_stream = stream_serves(&side->handler);
	/* Those of its coroutines: to the log they are its own. */
	if (side->is_stream)
		side->handler.name = s->handler.name;
	slab_init(&side->slab, events->conn_size);
	deadline_init(side);
	SLIST_INSERT_HEAD(&s->sides, side, side);
	return side;
}

struct tine_child *
server_side(struct tine_child *s, const struct tine_handler *events)
{
	struct tine_child *side;
	struct err err;

	SLIST_FOREACH(side, &s->sides, side)
		if (side->events == events)
			return side;
	/* A coroutine makes connections by tine_dial(). */
	if (events->abi != TINE_ABI || events->name == NULL ||
	    (events->size > offsetof(struct tine_handler, run) &&
		events->run != NULL) ||
	    codec_check(events, &err) == -1) {
		errno = EINVAL;
		return NULL;
	}
	return make_side(s, events);
}

void
server_each_conn(struct tine_child *s, void (*fn)(struct tine_conn *))
{
	struct tine_child *side;

	slab_each(&s->slab, fn);
	SLIST_FOREACH(side, &s->sides, side)
		slab_each(&side->slab, fn);
}

static void
fini_sides(struct tine_child *s)
{
	struct tine_child *side;

	while ((side = SLIST_FIRST(&s->sides)) != NULL) {
		SLIST_REMOVE_HEAD(&s->sides, side);
		assert(side->nconns == 0);
		deadline_fini(side);
		slab_fini(&side->slab);
		free(side);
	}
}

void
server_fini(struct tine_child *s)
{
	assert(s->nconns == 0);
	fini_sides(s);
	ev_timer_stop(s->child->loop, &s->tick);
	timer_fini(&s->timers);
	deadline_fini(s);
	slab_fini(&s->slab);
	peers_fini(&s->peers);
	listening_fini(s);
	option_free(&s->options, &s->handler);
	handler_unload(&s->library);
}

int
server_start(struct tine_child *s, bool *stop, struct err *err)
{
	enum tine_action action = TINE_OK;

	if (s->handler.start != NULL) {
		call_enter(s, NULL, BOARD_IN_START);
		action = s->handler.start(s);
		call_leave(s);
	}
	if (action == TINE_STOP && !(s->handler.flags & TINE_MAY_STOP)) {
		server_blame(s, "TINE_STOP without TINE_MAY_STOP");
		action = TINE_OK;
	}
	*stop = action == TINE_STOP;
	s->has_started = *stop || action == TINE_OK;
	if (s->has_started)
		return 0;
	return err_set(err, EXIT_UNAVAILABLE, "handler %s: %s", s->handler.name,
	    s->refusal[0] == '\0' ? "start refused without a reason"
				  : s->refusal);
}

void
server_stop(struct tine_child *s)
{
	if (!s->has_started)
		return;
	s->has_started = false;
	if (s->handler.stop == NULL)
		return;
	call_enter(s, NULL, BOARD_IN_STOP);
	s->handler.stop(s);
	call_leave(s);
}

void
server_start_ticks(struct tine_child *s)
{
	/* Not again after a drain: a tick that asked for no next one is over. */
	if (s->handler.tick == NULL || s->has_ticked)
		return;
	s->has_ticked = true;
	if ((s->handler.flags & TINE_TICK_ONCE) &&
	    s->child->heritage->place != 0)
		return;
	ev_timer_set(&s->tick, 0., 0.);
	ev_timer_start(s->child->loop, &s->tick);
}

void
server_blame(struct tine_child *s, const char *what)
{
	if (s->has_misused)
		return;
	s->has_misused = true;
	log_warn("handler %s: %s; this is a mistake in the handler, and this "
		 "child does not mention it again",
	    s->handler.name, what);
}

/* ---- tine.h ---- */

void
tine_set_data(struct tine_child *s, void *data)
{
	if (!call_is_foreign(s, "tine_set_data"))
		s->data = data;
}

void *
tine_data(const struct tine_child *s)
{
	return call_is_foreign(s, "tine_data") ? NULL : s->data;
}

void
tine_set_error(struct tine_child *s, const char *fmt, ...)
{
	char line[sizeof(s->refusal)];
	va_list ap;

	if (call_is_foreign(s, "tine_set_error"))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	(void)log_escape(s->refusal, sizeof(s->refusal), line, strlen(line));
}

int
tine_place(const struct tine_child *s)
{
	return s->child->heritage->place;
}

int
tine_count(const struct tine_child *s)
{
	return s->child->conf->processes;
}

unsigned
tine_generation(const struct tine_child *s)
{
	return s->child->heritage->generation;
}

bool
tine_is_draining(const struct tine_child *s)
{
	return !call_is_foreign(s, "tine_is_draining") &&
	    s->child->state >= CHILD_DRAINING;
}

const char *
tine_drain_reason(const struct tine_child *s)
{
	if (call_is_foreign(s, "tine_drain_reason") || !tine_is_draining(s))
		return NULL;
	return ctl_reason_names[s->child->drain.reason];
}

double
tine_time(const struct tine_child *s)
{
	return call_is_foreign(s, "tine_time") ? 0 : ev_now(s->child->loop);
}

const char *
tine_version(void)
{
	return TINE_VERSION;
}

void
tine_log(const struct tine_conn *c, enum tine_level level, const char *fmt, ...)
{
	static const enum log_level levels[] = {
		[TINE_LOG_ERROR] = LOG_ERROR,
		[TINE_LOG_WARN] = LOG_WARN,
		[TINE_LOG_INFO] = LOG_INFO,
		[TINE_LOG_DEBUG] = LOG_DEBUG,
	};
	enum log_level l =
	    (size_t)level < nitems(levels) ? levels[level] : LOG_ERROR;
	static struct log_limit limit = { .burst = LOG_LINES_PER_SEC };
	char line[LOG_LINE_BYTES], shown[LOG_LINE_BYTES + LOG_LINE_BYTES / 2];
	char more[64];
	unsigned missed = 0;
	va_list ap;

	if (call_is_foreign(c == NULL ? NULL : conn_server(c), "tine_log"))
		return;
	/* Clients bring a handler to say this; who asks for debug wants all. */
	if (!log_wants(l) ||
	    (l < LOG_DEBUG && !log_limit_pass(&limit, &missed)))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	(void)log_escape(shown, sizeof(shown), line, strlen(line));
	(void)log_print_missed(missed, more, sizeof(more));
	if (c == NULL)
		log_write(l, "%s%s", shown, more);
	else
		log_write(l, "conn %u.%u: %s%s", (unsigned)c->handle,
		    (unsigned)(c->handle >> 32), shown, more);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * state_save.c: the state as a record. Runs in the master, which it does not
 * change.
 */
#include <sys/prctl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "master/control.h"
#include "master/state.h"
#include "master/state_table.h"

/* What all of these write to. */
struct saver {
	const struct master *master;
	struct tlv_writer *w;
	struct field_fds *fds;
};

static void
put_fields(struct saver *s, const struct state_fields *table, const void *base)
{
	field_write(s->w, table->fields, table->n, base, s->fds);
}

/* Absolute time at which a timer fires; 0: it does not run. */
static uint64_t
timer_ns(const struct master *m, const ev_timer *timer)
{
	union {
		const ev_timer *ro;
		ev_timer *rw;
	} w = { .ro = timer };
	double left;

	if (!ev_is_active(w.rw))
		return 0;
	left = ev_timer_remaining(m->loop, w.rw);
	return mono_ns() + (uint64_t)(MAX_OF(left, 0) * NSEC_PER_SEC) + 1;
}

static void
put_whole(struct saver *s)
{
	const struct master *m = s->master;
	struct state_whole whole = {
		.generation = m->generation->number,
		.roll_from = m->roll.from != NULL ? m->roll.from->number : 0,
		.roll_to = m->roll.to != NULL ? m->roll.to->number : 0,
		.log_sink = (int)log_get_sink(),
		.log_level = (int)log_get_level(),
		.is_daemon = m->conf->is_daemon,
		.manager = *notify_manager(),
	};

	(void)strlcpy(whole.folder, m->said->folder, sizeof(whole.folder));
	(void)strlcpy(whole.binary, m->binary.path, sizeof(whole.binary));
	/* Become by descriptor, it would be called by the descriptor's number. */
	(void)prctl(PR_GET_NAME, whole.name);
	tlv_nest(s->w, STATE_WHOLE);
	put_fields(s, &state_whole_fields, &whole);
	tlv_unnest(s->w);
	tlv_nest(s->w, STATE_MASTER);
	put_fields(s, &state_master_fields, m);
	tlv_unnest(s->w);
}

static int64_t
index_of(const struct master *m, const struct listener *l)
{
	size_t i;

	for (i = 0; i < m->nlisteners; i++)
		if (m->listeners[i] == l)
			return (int64_t)i;
	return -1;
}

/* What another build wrote may mean more than this one understands. */
static void
put_text(struct saver *s, const struct generation *g)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	if (g->text != NULL) {
		tlv_put_text(s->w, STATE_TEXT, g->text);
		return;
	}
	out = open_memstream(&text, &len);
	if (out == NULL || conf_print(&g->conf, out) == -1)
		s->w->error = ENOMEM;
	if (out != NULL && fclose(out) == EOF)
		s->w->error = ENOMEM;
	tlv_put_text(s->w, STATE_TEXT, text);
	free(text);
}

static void
put_generation(struct saver *s, const struct generation *g)
{
	size_t i;

	tlv_nest(s->w, STATE_GENERATION);
	tlv_put_int(s->w, STATE_NUMBER, g->number);
	put_text(s, g);
	for (i = 0; i < g->nlisteners; i++)
		tlv_put_int(s->w, STATE_INDEX,
		    index_of(s->master, g->listeners[i]));
	tlv_unnest(s->w);
}

static void
put_slot(struct saver *s, uint16_t tag, const struct slot *slot)
{
	size_t i;

	tlv_nest(s->w, tag);
	put_fields(s, &state_slot_fields, slot);
	for (i = 0; i < SLOT_ADOPTERS_MAX; i++)
		if (slot->adopters[i] != NULL)
			tlv_put_int(s->w, STATE_ADOPTER,
			    slot->adopters[i]->pid);
	tlv_unnest(s->w);
}

static void
put_listener(struct saver *s, const struct listener *l)
{
	char url[URL_TEXT_MAX];
	size_t i;

	tlv_nest(s->w, STATE_LISTENER);
	put_fields(s, &state_listener_fields, l);
	tlv_put_text(s->w, STATE_URL, url_print(&l->url, url, sizeof(url)));
	for (i = 0; i < l->nslots; i++)
		put_slot(s, STATE_SLOT, &l->slots[i]);
	for (i = 0; i < l->nrelays; i++) {
		tlv_nest(s->w, STATE_RELAY);
		put_slot(s, STATE_READER, &l->relays[i].reader);
		put_slot(s, STATE_WRITER, &l->relays[i].writer);
		tlv_unnest(s->w);
	}
	for (i = 0; i < l->steer.n; i++) {
		tlv_nest(s->w, STATE_MEMBER);
		put_fields(s, &state_member_fields, &l->steer.members[i]);
		tlv_unnest(s->w);
	}
	tlv_unnest(s->w);
}

static void
put_proc(struct saver *s, const struct proc *p)
{
	const struct master *m = s->master;
	struct state_proc sp = {
		.p = *p,
		.page_fd = board_fd(&m->board, p->page),
		.generation = p->generation->number,
		.place = p->place->number,
		.role = p == p->place->incumbent ? 1
		    : p == p->place->successor   ? 2
						 : 0,
		.deadline_ns = timer_ns(m, &p->deadline_w),
		.dialect = *p->dialect,
		.layout = board_layout_of(&m->board, p->page),
	};

	tlv_nest(s->w, STATE_PROC);
	put_fields(s, &state_proc_fields, &sp);
	tlv_unnest(s->w);
}

static void
put_place(struct saver *s, const struct place *pl)
{
	struct state_place sp = {
		.pl = *pl,
		.generation =
		    pl->generation != NULL ? pl->generation->number : 0,
		.retry_ns = timer_ns(s->master, &pl->retry_w),
	};

	tlv_nest(s->w, STATE_PLACE);
	put_fields(s, &state_place_fields, &sp);
	tlv_unnest(s->w);
}

static void
put_admin(struct saver *s)
{
	const struct admin *a = &s->master->admin;
	const struct generation *g;

	if (a->place == NULL)
		return;
	tlv_nest(s->w, STATE_ADMIN);
	put_fields(s, &state_admin_fields, a);
	TAILQ_FOREACH(g, &a->generations, entry)
		put_generation(s, g);
	put_place(s, a->place);
	tlv_unnest(s->w);
}

static void
put_acceptor(struct saver *s)
{
	if (s->master->acceptor == NULL)
		return;
	tlv_nest(s->w, STATE_ACCEPTOR);
	put_place(s, s->master->acceptor);
	tlv_unnest(s->w);
}

static void
put_results(struct saver *s)
{
	const struct operations *ops = &s->master->ops;
	size_t i;

	/* From the oldest on, as the ring has them. */
	for (i = 0; i < OP_RESULTS_MAX; i++) {
		const struct op_result *r =
		    &ops->results[(ops->nresults + i) % OP_RESULTS_MAX];

		if (r->ticket == 0)
			continue;
		tlv_nest(s->w, STATE_RESULT);
		put_fields(s, &state_result_fields, r);
		tlv_put_text(s->w, STATE_REPORT, r->report);
		tlv_unnest(s->w);
	}
}

void
state_save(const struct master *m, struct tlv_writer *w, struct field_fds *fds)
{
	struct saver s = { m, w, fds };
	const struct generation *g;
	const struct proc *p;
	size_t i;
	int k;

	put_whole(&s);
	for (i = 0; i < m->nlisteners; i++)
		put_listener(&s, m->listeners[i]);
	TAILQ_FOREACH(g, &m->generations, entry)
		put_generation(&s, g);
	/* Also those that were left: their children may still drain. */
	for (k = 0; k < CONF_PROCESSES_MAX; k++)
		if (m->places[k].master != NULL)
			put_place(&s, &m->places[k]);
	put_admin(&s);
	put_acceptor(&s);
	TAILQ_FOREACH(p, &m->procs, entry)
		put_proc(&s, p);
	put_results(&s);
	for (i = 0; i < m->counters.n; i++) {
		tlv_nest(w, STATE_COUNTER);
		put_fields(&s, &state_counter_fields, &m->counters.list[i]);
		tlv_unnest(w);
	}
	if (m->control != NULL) {
		tlv_nest(w, STATE_CONTROL);
		control_save(m->control, w, fds);
		tlv_unnest(w);
	}
	if (fds->has_failed)
		w->error = ENOMEM;
}

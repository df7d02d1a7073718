/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * state_load.c: the state from a record. Runs in the master when it has become
 * another image, and in the trial of one. Each part is read into a struct of
 * its own first, so that nothing is half taken over when it is refused.
 */
#include <sys/prctl.h>
#include <sys/socket.h>

#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "master/control.h"
#include "master/service.h"
#include "master/state.h"
#include "master/state_table.h"

struct loader {
	struct master *master;
	bool is_trial;
	struct err *err;
};

static int
get_fields(struct loader *ld, const struct tlv *nest,
    const struct state_fields *table, void *base)
{
	return field_read(nest, table->fields, table->n, base, ld->is_trial,
	    ld->err);
}

static int
refuse(struct loader *ld, const char *what)
{
	return err_set(ld->err, EXIT_SYSTEM, "the state has %s", what);
}

/* Call fn for each nest of this tag. */
static int
each(struct loader *ld, const struct tlv *nest, uint16_t tag,
    int (*fn)(struct loader *, const struct tlv *, void *arg), void *arg)
{
	struct tlv entry = { .bytes = NULL };

	while (tlv_next(nest, &entry))
		if (entry.tag == tag && fn(ld, &entry, arg) == -1)
			return -1;
	return 0;
}

/* Seconds from now to a time that was saved. */
static double
seconds_to(uint64_t ns)
{
	uint64_t now = mono_ns();

	return ns > now ? (double)(ns - now) / (double)NSEC_PER_SEC : 0;
}

/* ---- listeners ---- */

static int
load_slot(struct loader *ld, const struct tlv *nest, void *arg)
{
	struct listener *l = arg;
	struct slot *slots, s = { .fd = -1 };

	if (get_fields(ld, nest, &state_slot_fields, &s) == -1)
		return -1;
	slots = reallocarray(l->slots, l->nslots + 1, sizeof(*slots));
	if (slots == NULL)
		return err_sys(ld->err, "memory for a socket");
	l->slots = slots;
	slots[l->nslots++] = s;
	return 0;
}

/* One end of a pair: as load_slot(). */
static int
load_end(struct loader *ld, const struct tlv *nest, uint16_t tag,
    struct slot *s)
{
	struct tlv end;

	*s = (struct slot){ .fd = -1 };
	if (!tlv_find(nest, tag, &end))
		return refuse(ld, "half a hand-off pair");
	return get_fields(ld, &end, &state_slot_fields, s);
}

static int
load_relay(struct loader *ld, const struct tlv *nest, void *arg)
{
	struct listener *l = arg;
	struct relay *relays, r = { .is_shut = false };

	if (load_end(ld, nest, STATE_READER, &r.reader) == -1 ||
	    load_end(ld, nest, STATE_WRITER, &r.writer) == -1)
		return -1;
	if (r.writer.place != SLOT_TARGET && r.writer.fd != -1)
		return refuse(ld, "a hand-off pair that leads nowhere");
	relays = reallocarray(l->relays, l->nrelays + 1, sizeof(*relays));
	if (relays == NULL)
		return err_sys(ld->err, "memory for a hand-off pair");
	l->relays = relays;
	relays[l->nrelays++] = r;
	return 0;
}

static int
load_member(struct loader *ld, const struct tlv *nest, void *arg)
{
	struct steer_member member = { .fd = -1 };
	struct listener *l = arg;
	size_t i;

	if (get_fields(ld, nest, &state_member_fields, &member) == -1)
		return -1;
	if (steer_index_of(&l->steer, member.id) != -1)
		return refuse(ld, "a socket twice in its group");
	for (i = 0; i < l->nslots; i++)
		if (l->slots[i].id == member.id && l->slots[i].fd != -1) {
			if (steer_on_listen(&l->steer, member.id,
				l->slots[i].fd, ld->err) == -1)
				return -1;
			if (member.is_excluded)
				(void)steer_exclude(&l->steer, member.id);
		}
	return 0;
}

static int
load_address(struct loader *ld, const struct tlv *nest, struct listener *l)
{
	const char *url = tlv_text(nest, STATE_URL);
	socklen_t len = sizeof(int);
	int family;

	if (url == NULL || url_parse(&l->url, url, ld->err) == -1 ||
	    url_addr(&l->url, &l->addr, ld->err) == -1)
		return refuse(ld, "a listener without a URL");
	if (ld->is_trial)
		return 0;
	if (l->nslots == 0 || l->slots[0].fd == -1 ||
	    getsockopt(l->slots[0].fd, SOL_SOCKET, SO_DOMAIN, &family, &len) ==
		-1)
		return refuse(ld, "a listener without a socket");
	/* A dual one may have become v4 only. Nothing but the family is asked:
	 * a child may have let the socket go to another address just now. */
	if (family == AF_INET && l->addr.u.sa.sa_family == AF_INET6)
		(void)addr_from_ip(&l->addr, "0.0.0.0", l->url.port);
	return 0;
}

static int
load_listener(struct loader *ld, const struct tlv *nest, void *arg)
{
	struct master *m = ld->master;
	struct listener **all, *l = calloc(1, sizeof(*l));

	(void)arg;
	all = reallocarray(m->listeners, m->nlisteners + 1,
	    sizeof(struct listener *));
	if (all != NULL)
		m->listeners = all;
	if (all == NULL || l == NULL) {
		free(l);
		return err_sys(ld->err, "memory for a listener");
	}
	all[m->nlisteners++] = l;
	if (get_fields(ld, nest, &state_listener_fields, l) == -1 ||
	    each(ld, nest, STATE_SLOT, load_slot, l) == -1 ||
	    each(ld, nest, STATE_RELAY, load_relay, l) == -1 ||
	    load_address(ld, nest, l) == -1)
		return -1;
	if (each(ld, nest, STATE_MEMBER, load_member, l) == -1)
		return -1;
	return ld->is_trial ? 0 : socket_learn(l, ld->err);
}

/* ---- generations ---- */

static struct generation *
find_among(const struct generation_list *list, uint32_t number)
{
	struct generation *g;

	TAILQ_FOREACH(g, list, entry)
		if (g->number == number)
			return g;
	return NULL;
}

static struct generation *
find_generation(const struct master *m, uint32_t number)
{
	return find_among(&m->generations, number);
}

/* A build that does not know what a newer one wrote can still see to the
 * children of that generation: by what the serving one says. */
static int
load_text(struct loader *ld, const struct tlv *nest, uint32_t serving,
    struct generation *g)
{
	const char *text = tlv_text(nest, STATE_TEXT);

	conf_init(&g->conf);
	if (text == NULL)
		return refuse(ld, "a generation without a configuration");
	g->text = strdup(text);
	if (g->text == NULL)
		return err_sys(ld->err, "memory for a configuration");
	if (conf_parse(&g->conf, text, strlen(text), ld->err) == 0)
		return 0;
	if (g->number == serving)
		return err_prefix(ld->err,
		    "the configuration of the running server");
	conf_free(&g->conf);
	conf_init(&g->conf);
	return 0;
}

/* One for each listen, in order; what is missing or too much means a text that
 * this build reads otherwise. */
static int
load_indexes(struct loader *ld, const struct tlv *nest, struct generation *g)
{
	size_t room = generation_count_listens(&g->conf);
	struct tlv entry = { .bytes = NULL };
	struct master *m = ld->master;
	int64_t index;

	g->listeners = calloc(room, sizeof(struct listener *));
	if (g->listeners == NULL && room > 0)
		return err_sys(ld->err, "memory for a generation");
	while (room > 0 && tlv_next(nest, &entry)) {
		if (entry.tag != STATE_INDEX)
			continue;
		if (g->nlisteners == room || !state_int(&entry, &index))
			return refuse(ld, "a listener that is nowhere");
		if (index >= 0 && (size_t)index < m->nlisteners)
			g->listeners[g->nlisteners] = m->listeners[index];
		g->nlisteners++;
	}
	if (g->nlisteners != room)
		return refuse(ld, "too few listeners");
	return 0;
}

static int
load_generation_into(struct generation_list *list, struct loader *ld,
    const struct tlv *nest, const struct state_whole *whole)
{
	struct generation *g = calloc(1, sizeof(*g));
	int64_t number;

	if (g == NULL)
		return err_sys(ld->err, "memory for a generation");
	TAILQ_INSERT_TAIL(list, g, entry);
	if (tlv_int(nest, STATE_NUMBER, 1, UINT32_MAX, &number) == -1)
		return refuse(ld, "a generation without a number");
	g->number = (unsigned)number;
	if (load_text(ld, nest, whole->generation, g) == -1)
		return -1;
	g->conf.is_daemon = whole->is_daemon;
	return load_indexes(ld, nest, g);
}

static int
load_generation(struct loader *ld, const struct tlv *nest, void *arg)
{
	return load_generation_into(&ld->master->generations, ld, nest, arg);
}

static int
load_admin_generation(struct loader *ld, const struct tlv *nest, void *arg)
{
	struct generation_list *list = &ld->master->admin.generations;

	if (load_generation_into(list, ld, nest, arg) == -1)
		return -1;
	TAILQ_LAST(list, generation_list)->is_admin = true;
	return 0;
}

/* ---- places and children ---- */

/* The place of this number, or NULL. */
static struct place *
place_of(struct master *m, int number)
{
	switch (number) {
	case HERITAGE_ADMIN:
		return m->admin.place;
	case HERITAGE_ACCEPTOR:
		return m->acceptor;
	default:
		return number >= 0 ? &m->places[number] : NULL;
	}
}

static struct generation *
generation_of(const struct master *m, int place, uint32_t number)
{
	return place == HERITAGE_ADMIN
	    ? find_among(&m->admin.generations, number)
	    : find_generation(m, number);
}

static int
load_place(struct loader *ld, const struct tlv *nest, void *arg)
{
	struct state_place sp = { .generation = 0 };
	struct master *m = ld->master;
	struct place *pl;

	(void)arg;
	if (get_fields(ld, nest, &state_place_fields, &sp) == -1)
		return -1;
	pl = place_of(m, sp.pl.number);
	if (pl == NULL)
		return refuse(ld, "a place that belongs elsewhere");
	if (pl->master != NULL)
		return refuse(ld, "a place twice");
	place_init(pl, m, sp.pl.number);
	place_resume(pl, &sp.pl, generation_of(m, sp.pl.number, sp.generation),
	    sp.retry_ns == 0 ? -1 : seconds_to(sp.retry_ns));
	return 0;
}

static int
load_proc(struct loader *ld, const struct tlv *nest, void *arg)
{
	struct state_proc sp = { .place = HERITAGE_ADMIN };
	struct master *m = ld->master;
	struct place *pl;
	struct proc *p;

	(void)arg;
	sp.dialect = *ctl_own_dialect();
	sp.layout = board_own_layout();
	if (get_fields(ld, nest, &state_proc_fields, &sp) == -1)
		return -1;
	pl = place_of(m, sp.place);
	sp.p.generation = generation_of(m, sp.place, sp.generation);
	if (pl == NULL || pl->master == NULL || sp.p.generation == NULL ||
	    sp.p.pid == 0)
		return refuse(ld, "a child without a place or a generation");
	if (!ctl_dialect_is_valid(&sp.dialect))
		return refuse(ld, "a child that speaks nothing");
	sp.p.master = m;
	sp.p.place = pl;
	sp.p.page = board_adopt(&m->board, sp.page_fd, sp.layout);
	if (sp.p.page == -1)
		return err_sys(ld->err, "the board page of %s", pl->name);
	p = proc_adopt(&sp.p, &sp.dialect,
	    sp.deadline_ns == 0 ? -1 : seconds_to(sp.deadline_ns));
	if (p == NULL)
		return err_sys(ld->err, "memory for %s", pl->name);
	if (sp.role == 1)
		p->place->incumbent = p;
	else if (sp.role == 2)
		p->place->successor = p;
	return 0;
}

static int
load_result(struct loader *ld, const struct tlv *nest, void *arg)
{
	struct operations *ops = &ld->master->ops;
	const char *report = tlv_text(nest, STATE_REPORT);
	struct op_result r = { .ticket = 0 };

	(void)arg;
	if (get_fields(ld, nest, &state_result_fields, &r) == -1)
		return -1;
	r.report = report != NULL ? strdup(report) : NULL;
	free(ops->results[ops->nresults % OP_RESULTS_MAX].report);
	ops->results[ops->nresults++ % OP_RESULTS_MAX] = r;
	return 0;
}

static int
load_counter(struct loader *ld, const struct tlv *nest, void *arg)
{
	struct counter c = { .value = 0 };

	(void)arg;
	if (get_fields(ld, nest, &state_counter_fields, &c) == -1)
		return -1;
	/* One too many is lost, as it would have been before. */
	if (!counters_add(&ld->master->counters, c.name, c.value) &&
	    !ld->master->counters.is_full)
		return refuse(ld, "a counter without a name");
	return 0;
}

/* ---- the whole ---- */

static int
load_whole(struct loader *ld, const struct tlv *root, struct state_whole *whole)
{
	struct tlv nest;

	*whole = (struct state_whole){ .generation = 0 };
	if (!tlv_find(root, STATE_WHOLE, &nest))
		return refuse(ld, "no beginning");
	if (get_fields(ld, &nest, &state_whole_fields, whole) == -1)
		return -1;
	if (!tlv_find(root, STATE_MASTER, &nest))
		return refuse(ld, "no master");
	return get_fields(ld, &nest, &state_master_fields, ld->master);
}

static int
take_whole(struct loader *ld, const struct state_whole *whole)
{
	struct master *m = ld->master;

	m->generation = find_generation(m, whole->generation);
	if (m->generation == NULL)
		return refuse(ld, "no serving generation");
	m->conf = &m->generation->conf;
	m->roll.from = find_generation(m, whole->roll_from);
	m->roll.to = find_generation(m, whole->roll_to);
	(void)strlcpy(m->binary.path, whole->binary, sizeof(m->binary.path));
	if (ld->is_trial)
		return 0;
	if (whole->name[0] != '\0')
		(void)prctl(PR_SET_NAME, whole->name);
	/* What it stores is told to it again: it knows a socket that it has. */
	notify_set_manager(&whole->manager);
	service_init(m);
	log_start(m->log_fd, (enum log_sink)whole->log_sink,
	    (enum log_level)whole->log_level);
	log_set_format(m->conf->log_format);
	log_set_who("master");
	return 0;
}

/* Its addresses are those of its last generation, so that one must be known. */
static int
load_admin(struct loader *ld, const struct tlv *root, struct state_whole *whole)
{
	struct admin *a = &ld->master->admin;
	struct tlv nest;

	if (!tlv_find(root, STATE_ADMIN, &nest))
		return 0;
	a->place = calloc(1, sizeof(*a->place));
	if (a->place == NULL)
		return err_sys(ld->err, "memory for the admin child");
	if (get_fields(ld, &nest, &state_admin_fields, a) == -1 ||
	    each(ld, &nest, STATE_GENERATION, load_admin_generation, whole) ==
		-1 ||
	    each(ld, &nest, STATE_PLACE, load_place, NULL) == -1)
		return -1;
	a->generation = a->place->generation;
	if (a->place->master == NULL || !a->generation->is_admin ||
	    a->generation->conf.nservers == 0)
		return refuse(ld, "an admin child without a generation");
	return 0;
}

static int
load_acceptor(struct loader *ld, const struct tlv *root)
{
	struct master *m = ld->master;
	struct tlv nest;

	if (!tlv_find(root, STATE_ACCEPTOR, &nest))
		return 0;
	m->acceptor = calloc(1, sizeof(*m->acceptor));
	if (m->acceptor == NULL)
		return err_sys(ld->err, "memory for the acceptor");
	if (each(ld, &nest, STATE_PLACE, load_place, NULL) == -1)
		return -1;
	if (m->acceptor->master == NULL || m->acceptor->generation == NULL)
		return refuse(ld, "an acceptor without a place");
	return 0;
}

/* What all the rest relies upon, and no single field shows. */
static int
check_whole(struct loader *ld)
{
	const struct master *m = ld->master;
	const struct roll *r = &m->roll;
	size_t i;
	int k;

	if (m->nplaces > m->nplaces_used)
		return refuse(ld, "more places than it uses");
	for (k = 0; k < m->nplaces_used; k++)
		if (m->places[k].master == NULL)
			return refuse(ld, "too few places");
	for (i = 0; i < m->nlisteners; i++)
		if (m->listeners[i]->has_slot_per_place &&
		    m->listeners[i]->nslots < (size_t)m->nplaces_used)
			return refuse(ld, "too few sockets");
	for (i = 0; i < m->nlisteners; i++)
		if (m->listeners[i]->is_dispatched &&
		    m->listeners[i]->nrelays < (size_t)m->nplaces_used)
			return refuse(ld, "too few hand-off pairs");
	for (i = 0; i < m->generation->nlisteners; i++)
		if (m->generation->listeners[i] == NULL)
			return refuse(ld, "no listener for a server");
	if (r->phase != ROLL_IDLE && (r->from == NULL || r->to == NULL))
		return refuse(ld, "a change without its generations");
	return 0;
}

static int
load_children(struct loader *ld, const struct tlv *root)
{
	struct master *m = ld->master;

	if (each(ld, root, STATE_PLACE, load_place, NULL) == -1 ||
	    each(ld, root, STATE_PROC, load_proc, NULL) == -1 ||
	    each(ld, root, STATE_RESULT, load_result, NULL) == -1 ||
	    each(ld, root, STATE_COUNTER, load_counter, NULL) == -1)
		return -1;
	state_load_adopters(m, root);
	return check_whole(ld);
}

static int
load_control(struct loader *ld, const struct tlv *root)
{
	struct master *m = ld->master;
	struct tlv nest;

	if (!tlv_find(root, STATE_CONTROL, &nest))
		return 0;
	m->control = control_load(m, &nest, ld->err);
	return m->control != NULL ? 0 : -1;
}

int
state_load(struct master *m, const struct tlv_record *record, bool is_trial,
    struct err *err)
{
	struct loader ld = { m, is_trial, err };
	const struct tlv *root = &record->root;
	struct state_whole whole;

	if (load_whole(&ld, root, &whole) == -1 ||
	    each(&ld, root, STATE_LISTENER, load_listener, NULL) == -1 ||
	    each(&ld, root, STATE_GENERATION, load_generation, &whole) == -1 ||
	    take_whole(&ld, &whole) == -1)
		return -1;
	if (is_trial)
		return 0;
	if (load_admin(&ld, root, &whole) == -1 ||
	    load_acceptor(&ld, root) == -1 || load_children(&ld, root) == -1)
		return -1;
	return load_control(&ld, root);
}

const char *
state_folder(const struct tlv_record *record)
{
	struct tlv nest;

	if (!tlv_find(&record->root, STATE_WHOLE, &nest))
		return NULL;
	return tlv_text(&nest, STATE_FOLDER);
}

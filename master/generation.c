/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * generation.c: generations of the configuration: made, found, forgotten. Runs
 * in the master and only keeps books; which one serves is roll.c's decision.
 */
#include "master/generation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/cpus.h"
#include "master/master.h"

size_t
generation_count_listens(const struct conf *conf)
{
	size_t i, n = 0;

	for (i = 0; i < conf->nservers; i++)
		n += conf->servers[i].nlistens;
	return n;
}

/* Takes conf over. */
static struct generation *
make(struct conf *conf)
{
	struct generation *g = calloc(1, sizeof(*g));
	size_t n = generation_count_listens(conf);

	if (g != NULL)
		g->listeners = calloc(n, sizeof(struct listener *));
	if (g == NULL || (g->listeners == NULL && n > 0)) {
		free(g);
		conf_free(conf);
		return NULL;
	}
	g->nlisteners = n;
	g->conf = *conf;
	*conf = (struct conf){ 0 };
	if (g->conf.processes == 0)
		g->conf.processes = g->conf.processes_max =
		    cpus_count(CPUS_CGROUP_ROOT);
	return g;
}

struct generation *
generation_new(struct master *m, struct conf *conf)
{
	struct generation *g = make(conf);

	if (g == NULL)
		return NULL;
	g->number = ++m->last_generation;
	TAILQ_INSERT_TAIL(&m->generations, g, entry);
	return g;
}

struct generation *
generation_copy(struct master *m, const struct generation *from)
{
	struct generation *g = NULL;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	struct conf conf;
	struct err err;
	bool is_good;

	if (out == NULL)
		return NULL;
	is_good = conf_print(&from->conf, out) == 0;
	is_good &= fclose(out) == 0;
	conf_init(&conf);
	if (is_good && conf_parse(&conf, text, len, &err) == 0) {
		conf.is_daemon = from->conf.is_daemon;
		g = generation_new(m, &conf);
	} else {
		conf_free(&conf);
	}
	free(text);
	if (g == NULL)
		return NULL;
	(void)memcpy(g->listeners, from->listeners,
	    g->nlisteners * sizeof(struct listener *));
	/* Without it, only a build that knows less is the worse for it. */
	if (from->text != NULL)
		g->text = strdup(from->text);
	return g;
}

struct generation *
generation_new_admin(struct master *m, struct conf *conf)
{
	struct generation *g = make(conf);

	if (g == NULL)
		return NULL;
	g->number = m->generation->number;
	g->is_admin = true;
	TAILQ_INSERT_TAIL(&m->admin.generations, g, entry);
	return g;
}

static void
generation_free(struct generation_list *list, struct generation *g)
{
	TAILQ_REMOVE(list, g, entry);
	conf_free(&g->conf);
	free(g->listeners);
	free(g->text);
	free(g);
}

void
generation_sweep(struct master *m)
{
	struct generation *g, *next;

	TAILQ_FOREACH_SAFE(g, &m->generations, entry, next)
		if (g->children == 0 && g != m->generation &&
		    g != m->reload.next && g != m->roll.from && g != m->roll.to)
			generation_free(&m->generations, g);
	TAILQ_FOREACH_SAFE(g, &m->admin.generations, entry, next)
		if (g->children == 0 && g != m->admin.generation)
			generation_free(&m->admin.generations, g);
}

void
generation_free_all(struct master *m)
{
	struct generation *g;

	while ((g = TAILQ_FIRST(&m->generations)) != NULL)
		generation_free(&m->generations, g);
	while ((g = TAILQ_FIRST(&m->admin.generations)) != NULL)
		generation_free(&m->admin.generations, g);
	m->generation = m->admin.generation = NULL;
}

bool
generation_find(const struct generation *g, const struct listener *l,
    struct ctl_slot *where)
{
	size_t i, k, n = 0;

	*where = (struct ctl_slot){ 0 };
	for (i = 0; i < g->conf.nservers; i++)
		for (k = 0; k < g->conf.servers[i].nlistens; k++, n++)
			if (g->listeners[n] == l) {
				where->server = (uint32_t)i;
				where->listen = (uint32_t)k;
				return true;
			}
	return false;
}

unsigned
generation_count_old(const struct master *m)
{
	const struct generation *g;
	unsigned n = 0;

	TAILQ_FOREACH(g, &m->generations, entry)
		n += g != m->generation && g->children > 0;
	return n;
}

/* Root below root is what the operator may want, but not by mistake. */
void
generation_warn(const struct conf *conf)
{
	if (conf->uid == 0)
		log_warn("children run as root, and so does every mistake in "
			 "a handler");
	else if (conf->gid == 0)
		log_warn("children run in root's group");
}

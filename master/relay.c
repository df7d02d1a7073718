/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * relay.c: hand-off pairs: made, left, mended. Runs in the master, which
 * neither reads nor writes them. A pair is closed only when nothing can come
 * into it any more and nothing waits in it.
 */
#include "master/relay.h"

#include <stdlib.h>

#include "master/master.h"
#include "shared/handoff.h"

static int
open_pair(struct master *m, const struct listener *l, struct relay *r,
    int place, struct err *err)
{
	int fds[2];

	if (handoff_pair(fds) == -1)
		return err_sys(err, "a hand-off pair");
	r->reader = listener_new_slot(m, l, place);
	r->reader.place = place;
	r->reader.fd = fds[0];
	r->writer = listener_new_slot(m, l, SLOT_TARGET);
	r->writer.place = SLOT_TARGET;
	r->writer.fd = fds[1];
	return 0;
}

int
relay_open(struct master *m, struct listener *l, size_t places, struct err *err)
{
	size_t n = MAX_OF(places, l->nrelays), i;
	struct relay *all = reallocarray(l->relays, n, sizeof(*all));

	if (all == NULL)
		return err_sys(err, "memory for %zu hand-off pairs", n);
	l->relays = all;
	for (; l->nrelays < n; l->nrelays++)
		all[l->nrelays] = (struct relay){
			.reader = { .fd = -1 },
			.writer = { .fd = -1 },
		};
	for (i = 0; i < places; i++)
		if (all[i].reader.fd == -1 &&
		    open_pair(m, l, &all[i], (int)i, err) == -1)
			return -1;
	return 0;
}

static void
close_pair(struct relay *r)
{
	closefd(&r->reader.fd);
	closefd(&r->writer.fd);
	r->reader.is_listening = r->reader.is_excluded = false;
	r->reader.retire_ns = 0;
	r->is_shut = false;
}

void
relay_close(struct listener *l)
{
	size_t i;

	for (i = 0; i < l->nrelays; i++)
		close_pair(&l->relays[i]);
	free(l->relays);
	l->relays = NULL;
	l->nrelays = 0;
}

void
relay_listen(struct listener *l, int place)
{
	if ((size_t)place < l->nrelays && l->relays[place].reader.fd != -1)
		l->relays[place].reader.is_listening = true;
}

/* ---- places that are left ---- */

void
relay_exclude(struct listener *l, int from, int to)
{
	int i;

	for (i = from; i < to && (size_t)i < l->nrelays; i++) {
		l->relays[i].reader.is_excluded = true;
		l->relays[i].reader.retire_ns = 0;
		l->relays[i].reader.empties = 0;
	}
}

void
relay_include(struct listener *l, int from, int to)
{
	int i;

	for (i = from; i < to && (size_t)i < l->nrelays; i++) {
		l->relays[i].reader.is_excluded = false;
		l->relays[i].reader.retire_ns = 0;
	}
}

void
relay_park(struct listener *l, int from)
{
	size_t i;

	for (i = (size_t)from; i < l->nrelays; i++)
		if (l->relays[i].reader.fd != -1)
			l->relays[i].reader.retire_ns = mono_ns();
}

bool
relay_is_run_out(struct listener *l, int from, int to)
{
	bool all = true;
	int i;

	for (i = from; i < to && (size_t)i < l->nrelays; i++)
		if (l->relays[i].reader.is_listening)
			all &= listener_is_run_out(&l->relays[i].reader);
	return all;
}

size_t
relay_queue(const struct listener *l)
{
	size_t i, n = 0;

	for (i = 0; i < l->nrelays; i++)
		if (l->relays[i].reader.fd != -1)
			n += handoff_queue(l->relays[i].reader.fd);
	return n;
}

bool
relay_is_open(const struct slot *reader)
{
	return reader->fd != -1 && reader->is_listening && !reader->is_excluded;
}

/* An acceptor that was told to leave it alone may not have heard of it: first
 * nothing can be sent any more, then what was sent is served. */
static void
retire(struct master *m, struct relay *r)
{
	if (!r->is_shut)
		handoff_shut(r->writer.fd);
	r->is_shut = true;
	if (handoff_queue(r->reader.fd) > 0)
		return;
	log_debug("pair %u: retired", (unsigned)r->reader.id);
	close_pair(r);
	master_on_change(m);
}

void
relay_tick(struct master *m)
{
	uint64_t now = mono_ns();
	size_t i, k;

	for (i = 0; i < m->nlisteners; i++) {
		struct listener *l = m->listeners[i];

		for (k = 0; k < l->nrelays; k++)
			if (l->relays[k].reader.fd != -1 &&
			    l->relays[k].reader.retire_ns != 0 &&
			    now >= l->relays[k].reader.retire_ns)
				retire(m, &l->relays[k]);
	}
}

/* ---- pairs that do not work ---- */

/* Shut by a child, or by us when its place was wanted again in that moment.
 * Whoever reads it goes on until it is empty. */
static void
replace(struct master *m, struct listener *l, size_t place)
{
	struct relay fresh = { .is_shut = false }, *r = &l->relays[place];
	char text[URL_TEXT_MAX], more[64];
	unsigned missed;
	struct err err;

	if (!r->is_shut && log_limit_pass(&m->guard_log, &missed))
		log_error("security: %s: the hand-off pair of place %zu was "
			  "shut by a child%s",
		    url_print_short(&l->url, text, sizeof(text)), place,
		    log_print_missed(missed, more, sizeof(more)));
	if (!r->is_shut) {
		handoff_shut(r->writer.fd);
		r->is_shut = true;
	}
	if (handoff_queue(r->reader.fd) > 0)
		return;
	if (open_pair(m, l, &fresh, (int)place, &err) == -1) {
		log_error("place %zu gets no connections: %s", place, err.text);
		return;
	}
	fresh.reader.is_listening = r->reader.is_listening;
	fresh.reader.is_excluded = r->reader.is_excluded;
	slot_on_replace(m, l, &r->reader);
	slot_on_replace(m, l, &r->writer);
	close_pair(r);
	*r = fresh;
}

static void
look_at(struct master *m, struct listener *l, size_t place)
{
	const struct relay *r = &l->relays[place];

	if (r->reader.fd == -1 || r->reader.retire_ns != 0)
		return;
	handoff_mend(r->reader.fd);
	if (r->is_shut || handoff_is_shut(r->writer.fd))
		replace(m, l, place);
}

void
relay_guard(struct master *m)
{
	size_t i, k;

	if (!master_is_serving(m))
		return;
	for (i = 0; i < m->nlisteners; i++)
		for (k = 0; k < m->listeners[i]->nrelays; k++)
			look_at(m, m->listeners[i], k);
}

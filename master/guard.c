/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guard.c: the audit of all listening sockets. Runs in the master each second;
 * says what a child did to a socket, puts one that cannot be mended out of
 * service and another one in its stead. What is looked at is audit.c's matter.
 */
#include <stdio.h>

#include "master/datagram.h"
#include "master/master.h"

/* Once for each finding and slot, as long as it is found; and not without end
 * when a child damages its socket again and again. */
static void
report(struct master *m, const struct listener *l, const struct slot *s,
    uint64_t found)
{
	char words[AUDIT_WORDS_MAX], text[URL_TEXT_MAX], more[64], place[32];
	unsigned missed;

	if ((found & ~s->found) == 0 || !log_limit_pass(&m->guard_log, &missed))
		return;
	(void)snprintf(place, sizeof(place), "place %d", s->place);
	log_error("security: %s, the socket of %s: %s, by a child%s",
	    url_print_short(&l->url, text, sizeof(text)),
	    s->place < 0 ? "all places" : place,
	    audit_words(found, words, sizeof(words)),
	    log_print_missed(missed, more, sizeof(more)));
}

/* The new socket is bound beside the old one, which does not end before the new
 * one listens. A path must be freed first; nobody answered there. */
static int
open_fresh(struct master *m, struct listener *l, const struct slot *old,
    struct slot *fresh, struct err *err)
{
	*fresh = listener_new_slot(m, l, old->place);
	fresh->is_excluded = old->is_excluded;
	fresh->retire_ns = old->retire_ns;
	fresh->stored_id = old->stored_id;
	if (l->owns_path)
		unixpath_remove(l->url.path, l->path_dev, l->path_ino);
	else if (l->url.scheme != URL_UNIX)
		(void)socket_share(old->fd);
	fresh->fd = socket_open(l, l->url.scheme != URL_UNIX, err);
	if (fresh->fd == -1)
		return -1;
	if (socket_listen(l, fresh) == -1)
		return socket_explain(l, err);
	if (url_is_udp(&l->url) && old == l->slots &&
	    datagram_join(fresh->fd, &l->url, NULL, err) == -1)
		return -1;
	return l->url.scheme == URL_UNIX ? unixpath_claim(l, err) : 0;
}

static void
replace(struct master *m, struct listener *l, struct slot *s, uint64_t found)
{
	struct slot fresh;
	struct err err;

	/* The kernel has moved the last member into its place already. */
	if ((found & AUDIT_ASTRAY) != 0)
		steer_on_close(&l->steer, s->id);
	if (open_fresh(m, l, s, &fresh, &err) == -1) {
		if (fresh.fd != -1)
			socket_retire(l, &fresh);
		if ((s->found & AUDIT_LOST) == 0)
			log_error("security: it cannot be replaced: %s",
			    err.text);
		return;
	}
	slot_on_replace(m, l, s);
	socket_retire(l, s);
	*s = fresh;
	log_info("slot %u: replaces the damaged socket", (unsigned)s->id);
}

/* It listens again, and the kernel has put it last in its group. */
static void
steer_anew(struct listener *l, const struct slot *s)
{
	struct err err;

	steer_on_close(&l->steer, s->id);
	if (steer_on_listen(&l->steer, s->id, s->fd, &err) == -1)
		log_warn("slot %u: cannot be steered: %s", (unsigned)s->id,
		    err.text);
}

static uint64_t
mend_groups(const struct listener *l, const struct slot *s)
{
	switch (datagram_mend_groups(s->fd, &l->url, s == l->slots)) {
	case 0:
		return 0;
	case 1:
		return AUDIT_GROUPS;
	default:
		return AUDIT_GROUPS | AUDIT_LOST;
	}
}

static void
look_at(struct master *m, struct listener *l, struct slot *s)
{
	struct audit *wanted = s->is_foreign ? &l->given : &l->audit;
	uint64_t found;

	/* Asking takes the program away: not while there is one of ours. */
	wanted->is_grouped = l->steer.n > 1 && !l->steer.has_program;
	found = audit_slot(wanted, s->fd);
	if (url_is_udp(&l->url))
		found |= mend_groups(l, s);
	if (steer_is_astray(&l->steer, s->id))
		found |= AUDIT_ASTRAY | AUDIT_LOST;

	report(m, l, s, found);
	if ((found & AUDIT_LOST) != 0)
		replace(m, l, s, found);
	else if ((found & AUDIT_DOWN) != 0 && l->url.scheme != URL_UNIX)
		steer_anew(l, s);
	s->found = found;
}

void
guard_tick(struct master *m)
{
	size_t i, k;

	if (!master_is_serving(m))
		return;
	for (i = 0; i < m->nlisteners; i++) {
		struct listener *l = m->listeners[i];

		/* To look at a UDP socket takes a child's program away, and
		 * that was to be said. */
		if (url_is_udp(&l->url))
			listener_steer(m, l);
		for (k = 0; !l->is_shut && k < l->nslots; k++)
			if (l->slots[k].is_listening)
				look_at(m, l, &l->slots[k]);
		/* A child can attach and detach programs, too. */
		listener_steer(m, l);
	}
}

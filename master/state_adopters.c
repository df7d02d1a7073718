/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * state_adopters.c: which children poll a slot in another's stead, from a
 * record. Runs in the master when it has become another image, after slots and
 * children were loaded; a pid that no child has means nothing.
 */
#include <string.h>

#include "master/state_table.h"

bool
state_int(const struct tlv *entry, int64_t *value)
{
	if (entry->len != sizeof(*value))
		return false;
	(void)memcpy(value, entry->bytes, sizeof(*value));
	return true;
}

/* The children exist by now. */
static void
load_adopters(struct master *m, const struct tlv *nest, struct slot *s)
{
	struct tlv entry = { .bytes = NULL };
	struct proc *p;
	int64_t pid;
	size_t n = 0;

	while (n < SLOT_ADOPTERS_MAX && tlv_next(nest, &entry)) {
		if (entry.tag != STATE_ADOPTER || !state_int(&entry, &pid))
			continue;
		TAILQ_FOREACH(p, &m->procs, entry)
			if (p->pid == pid && n < SLOT_ADOPTERS_MAX)
				s->adopters[n++] = p;
	}
}

static void
load_relay_adopters(struct master *m, const struct tlv *nest, struct relay *r)
{
	struct tlv end;

	if (tlv_find(nest, STATE_READER, &end))
		load_adopters(m, &end, &r->reader);
	if (tlv_find(nest, STATE_WRITER, &end))
		load_adopters(m, &end, &r->writer);
}

void
state_load_adopters(struct master *m, const struct tlv *root)
{
	struct tlv l = { .bytes = NULL }, s;
	size_t i = 0, k, pair;

	while (tlv_next(root, &l)) {
		if (l.tag != STATE_LISTENER)
			continue;
		k = pair = 0;
		s.bytes = NULL;
		while (tlv_next(&l, &s))
			if (s.tag == STATE_SLOT)
				load_adopters(m, &s,
				    &m->listeners[i]->slots[k++]);
			else if (s.tag == STATE_RELAY)
				load_relay_adopters(m, &s,
				    &m->listeners[i]->relays[pair++]);
		i++;
	}
}

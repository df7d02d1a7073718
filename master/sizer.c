/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sizer.c: what is seen of the load each second, for autoscale.c to say how
 * many children `processes: MIN:MAX` wants. Runs in the master while no
 * operation is under way; to make or end children is one.
 */
#include "master/facts.h"
#include "master/master.h"

static void
add_child(struct autoscale_sample *s, const struct proc *p)
{
	struct facts_child f;

	if (p == NULL || p->state != PROC_READY)
		return;
	facts_of_child(p, -1, &f);
	s->ready++;
	s->busy_ppm += f.busy_ppm;
	s->lag_ns = MAX_OF(s->lag_ns, f.lag_ns);
}

static struct autoscale_sample
take_sample(const struct master *m)
{
	struct autoscale_sample s = { .places = m->nplaces };
	struct facts_listener f;
	size_t k;
	int i;

	for (i = 0; i < m->nplaces; i++)
		add_child(&s, m->places[i].incumbent);
	if (s.ready > 0)
		s.busy_ppm /= (uint64_t)s.ready;
	for (k = 0; k < m->nlisteners; k++) {
		if (m->listeners[k]->is_admin)
			continue;
		facts_of_listener(m->listeners[k], &f);
		s.queue += f.queue;
	}
	return s;
}

void
sizer_tick(struct master *m)
{
	int min = m->conf->processes, max = m->conf->processes_max, wanted;
	struct autoscale_sample s;
	const char *why = "";

	if (m->state != MASTER_RUNNING || m->ops.ticket != 0 || min == max ||
	    scale_is_overridden(m))
		return;
	s = take_sample(m);
	wanted = autoscale_take(&m->autoscale, &s, min, max, &why);
	if (wanted == m->nplaces)
		return;
	log_info("autoscale: %d of %d to %d children: %s", wanted, min, max,
	    why);
	(void)op_ask(m, OP_SCALE, wanted);
}

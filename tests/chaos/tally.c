/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tally.c: what the chaos client saw, as lines of JSON on its standard output:
 * one for each failure when it happens, with all that is needed to say whose
 * fault it was, and one with the sums at the end. Latencies are kept one by
 * one, so that the driver can look at those around an event.
 */
#include "client.h"

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const failure_names[FAILURE_NKINDS] = {
	[FAILURE_REFUSED] = "refused",
	[FAILURE_RESET_BEFORE] = "reset_before_byte",
	[FAILURE_RESET_IN_MIDDLE] = "reset_in_middle",
	[FAILURE_EOF] = "eof",
	[FAILURE_TIMEOUT] = "timeout",
	[FAILURE_WRONG_BYTES] = "wrong_bytes",
	[FAILURE_EARLY] = "early",
	[FAILURE_OTHER] = "other",
};

static const char *const phase_names[PHASE_NPHASES] = {
	[PHASE_NONE] = "none",
	[PHASE_CONNECTING] = "connecting",
	[PHASE_IDLE] = "idle",
	[PHASE_SENT] = "sent",
	[PHASE_ANSWERING] = "answering",
};

void
tally_sample(struct tally *t, const struct session *s, uint64_t now)
{
	struct sample *sample;

	if (t->nsamples == t->room) {
		t->room = MAX_OF(2 * t->room, 4096);
		t->samples =
		    reallocarray(t->samples, t->room, sizeof(struct sample));
		if (t->samples == NULL)
			err(1, "samples");
	}
	sample = &t->samples[t->nsamples++];
	sample->due_ns = s->due_ns;
	sample->latency_ns = now > s->due_ns ? now - s->due_ns : 0;
	sample->id = s->id;
}

void
tally_failure(struct session *s, enum failure kind, int error)
{
	s->load->tally.failures[kind]++;
	(void)printf("{\"failure\":\"%s\",\"at\":%" PRIu64 ",\"kind\":\"%s\","
		     "\"id\":%" PRIu64 ",\"begun\":%" PRIu64 ",\"due\":%" PRIu64
		     ",\"phase\":\"%s\",\"sent\":%" PRIu64
		     ",\"received\":%" PRIu64 ",\"error\":\"%s\"}\n",
	    failure_names[kind], mono_ns(), s->load->kind->name, s->id,
	    s->begun_ns, s->due_ns, phase_names[s->phase], s->sent, s->received,
	    error == 0 ? "" : strerror(error));
	(void)fflush(stdout);
}

static void
save(const struct tally *t, const char *path)
{
	FILE *f = fopen(path, "w");

	if (f == NULL)
		err(1, "%s", path);
	/* Without any there is no memory for them either. */
	if ((t->nsamples > 0 &&
		fwrite(t->samples, sizeof(struct sample), t->nsamples, f) !=
		    t->nsamples) ||
	    fclose(f) != 0)
		err(1, "%s", path);
}

static int
by_latency(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	return (x->latency_ns > y->latency_ns) -
	    (x->latency_ns < y->latency_ns);
}

static double
ms_at(const struct tally *t, double share)
{
	size_t i;

	if (t->nsamples == 0)
		return 0;
	i = (size_t)(share * (double)(t->nsamples - 1));
	return (double)t->samples[i].latency_ns / (double)NSEC_PER_MSEC;
}

void
tally_report(struct load *l)
{
	struct tally *t = &l->tally;
	unsigned i;

	if (l->samples != NULL)
		save(t, l->samples);
	if (t->nsamples > 0)
		qsort(t->samples, t->nsamples, sizeof(struct sample),
		    by_latency);
	(void)printf("{\"ended\":%" PRIu64 ",\"begun\":%lu,\"connected\":%lu,"
		     "\"answers\":%lu,\"done\":%lu,\"idle_closes\":%lu,"
		     "\"bytes_up\":%" PRIu64 ",\"bytes_down\":%" PRIu64
		     ",\"late_ms\":%.3f,",
	    mono_ns(), t->begun, t->connected, t->answers, t->done,
	    t->idle_closes, t->bytes_up, t->bytes_down,
	    (double)l->agenda.late_ns / (double)NSEC_PER_MSEC);
	(void)printf("\"p50_ms\":%.3f,\"p90_ms\":%.3f,\"p99_ms\":%.3f,"
		     "\"max_ms\":%.3f,\"failures\":{",
	    ms_at(t, 0.5), ms_at(t, 0.9), ms_at(t, 0.99), ms_at(t, 1));
	for (i = 0; i < FAILURE_NKINDS; i++)
		(void)printf("%s\"%s\":%lu", i == 0 ? "" : ",",
		    failure_names[i], t->failures[i]);
	(void)printf("}}\n");
	if (fflush(stdout) != 0)
		err(1, "standard output");
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * autoscale.h: how many places `processes: MIN:MAX` wants, from what the master
 * sees of the load each second. Pure: no clock, no system call. It grows fast
 * and shrinks slowly, as too few children cost clients and too many only
 * memory.
 */
#ifndef TINE_MASTER_AUTOSCALE_H
#define TINE_MASTER_AUTOSCALE_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base.h"

#define AUTOSCALE_WINDOW 5       /* samples, a second apart, make a window */
#define AUTOSCALE_HIGH_WINDOWS 3 /* in a row, then the places are doubled */
#define AUTOSCALE_LOW_WINDOWS 6  /* in a row, then one place leaves */

/*
 * A window is high when one of these is reached.
 *
 * Utilisation is the mean of the children's. At four fifths an event waits, in
 * the mean, for four others; over that the wait grows without bound, and under
 * it a machine would be left idle.
 *
 * The lag is the longest of the window, of any child. A tenth of a second is
 * what people begin to notice; a scheduler's own share is some milliseconds.
 * It is less than the default of overload.lag, so that children come before
 * clients are turned away.
 *
 * The queue is how many connections wait to be accepted, in the mean, for each
 * place. A child that keeps up takes all that wait at each turn of its loop, so
 * a look from outside finds its queue empty nearly always.
 */
#define AUTOSCALE_HIGH_PPM 800000
#define AUTOSCALE_HIGH_LAG_NS (NSEC_PER_SEC / 10)
#define AUTOSCALE_HIGH_QUEUE 1

/*
 * A window is low when one place fewer would not make it high by far: with the
 * same work on the others they would be under three fifths, and their queues
 * under half of what is high. Nobody can tell what the lag would be, which
 * grows faster than the load: it is to be a quarter of what is high.
 */
#define AUTOSCALE_LOW_PPM 600000
#define AUTOSCALE_LOW_LAG_NS (AUTOSCALE_HIGH_LAG_NS / 4)
#define AUTOSCALE_LOW_QUEUE_SHARE 2

/* What is seen at one moment. Children write utilisation and lag themselves: a
 * hostile one can ask for MAX places, no more. */
struct autoscale_sample {
	int places;        /* that there are to be, at least 1 */
	int ready;         /* children that are READY */
	uint64_t busy_ppm; /* mean utilisation of those, parts in a million */
	uint64_t lag_ns;   /* the longest loop lag of those */
	uint64_t queue;    /* connections not accepted yet, over all slots */
};

/* Zeroed: nothing seen. */
struct autoscale {
	int places; /* the samples of this window had so many */
	unsigned nsamples;
	bool is_whole;                    /* every place was READY in each */
	uint64_t busy_ppm, lag_ns, queue; /* sum, longest, sum */
	unsigned high, low;               /* windows in a row */
};

/*
 * Take one sample a second while no operation is under way, and return how many
 * places are wanted, from min to max: those of the sample when nothing is to
 * change. Otherwise *why is for the log: "utilisation", "loop lag", "queue" or
 * "low load", or "limits" when the sample was outside min..max.
 * What was seen of another number of places is forgotten. A sample without a
 * READY child says nothing of the load and is left out.
 */
int autoscale_take(struct autoscale *, const struct autoscale_sample *, int min,
    int max, const char **why);

#endif

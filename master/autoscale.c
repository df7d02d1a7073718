/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * autoscale.c: the number of places under `processes: MIN:MAX`. Runs in the
 * master, on what it sees each second; only says how many there should be. To
 * make or end them is an operation like any other.
 */
#include "master/autoscale.h"

#include <stddef.h>

#define PPM 1000000

/* What of a window that is over is high, or NULL. */
static const char *
high_of(const struct autoscale *a)
{
	if (a->queue >=
	    (uint64_t)a->places * AUTOSCALE_HIGH_QUEUE * AUTOSCALE_WINDOW)
		return "queue";
	if (a->lag_ns >= AUTOSCALE_HIGH_LAG_NS)
		return "loop lag";
	if (a->busy_ppm >= (uint64_t)AUTOSCALE_HIGH_PPM * AUTOSCALE_WINDOW)
		return "utilisation";
	return NULL;
}

/* Could one place fewer do the same, easily? */
static bool
is_low(const struct autoscale *a)
{
	uint64_t places = (uint64_t)a->places, fewer = places - 1;

	/* A place without a child is no sign that it has no work. */
	return a->is_whole &&
	    a->busy_ppm * places <
	    fewer * AUTOSCALE_LOW_PPM * AUTOSCALE_WINDOW &&
	    a->lag_ns < AUTOSCALE_LOW_LAG_NS &&
	    a->queue * AUTOSCALE_LOW_QUEUE_SHARE <
	    fewer * AUTOSCALE_HIGH_QUEUE * AUTOSCALE_WINDOW;
}

static void
start_window(struct autoscale *a)
{
	a->nsamples = 0;
	a->is_whole = true;
	a->busy_ppm = 0;
	a->lag_ns = 0;
	a->queue = 0;
}

static void
add_sample(struct autoscale *a, const struct autoscale_sample *s)
{
	a->nsamples++;
	a->is_whole = a->is_whole && s->ready >= s->places;
	a->busy_ppm += MIN_OF(s->busy_ppm, PPM);
	a->lag_ns = MAX_OF(a->lag_ns, s->lag_ns);
	/* No sum of them may overflow. */
	a->queue += MIN_OF(s->queue, UINT32_MAX);
}

/* The window is over. */
static int
judge(struct autoscale *a, int min, int max, const char **why)
{
	const char *high = high_of(a);
	int wanted = a->places;

	a->high = high != NULL ? a->high + 1 : 0;
	a->low = is_low(a) ? a->low + 1 : 0;
	start_window(a);
	if (a->high >= AUTOSCALE_HIGH_WINDOWS)
		wanted = MIN_OF(a->places * 2, max);
	else if (a->low >= AUTOSCALE_LOW_WINDOWS)
		wanted = MAX_OF(a->places - 1, min);
	if (wanted == a->places)
		return wanted;
	*why = high != NULL ? high : "low load";
	/* It is all to be seen anew, should this one come to nothing too. */
	a->high = 0;
	a->low = 0;
	return wanted;
}

int
autoscale_take(struct autoscale *a, const struct autoscale_sample *s, int min,
    int max, const char **why)
{
	if (s->places < min || s->places > max) {
		*why = "limits";
		return s->places < min ? min : max;
	}
	if (s->places != a->places) {
		*a = (struct autoscale){ .places = s->places };
		start_window(a);
	}
	if (s->ready > 0)
		add_sample(a, s);
	return a->nsamples < AUTOSCALE_WINDOW ? s->places
					      : judge(a, min, max, why);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tinectl_rates.c: rates for `tinectl top`. The server tells counts only; what
 * they rose by is found here, from its last answer but one. Believes nothing
 * about either.
 */
#include "master/tinectl_rates.h"

#include <stdbool.h>
#include <stddef.h>

#include "shared/base.h"

static const struct {
	const char *count, *rate;
} rates[] = {
	{ "requests", TINECTL_RATES_REQUESTS },
	{ "accepted", TINECTL_RATES_ACCEPTED },
	{ "bytes_in", TINECTL_RATES_BYTES_IN },
	{ "bytes_out", TINECTL_RATES_BYTES_OUT },
};

static bool
is_same(const json_t *one, const json_t *two, const char *key)
{
	const json_t *a = json_object_get(one, key);

	return json_is_integer(a) &&
	    json_equal(a, json_object_get(two, key)) == 1;
}

static void
add_rates(json_t *now, const json_t *before, double seconds)
{
	const json_t *a, *b;
	double rise;
	size_t i;

	for (i = 0; i < nitems(rates); i++) {
		a = json_object_get(before, rates[i].count);
		b = json_object_get(now, rates[i].count);
		rise = json_number_value(b) - json_number_value(a);
		if (json_is_number(a) && json_is_number(b) && rise >= 0)
			/* Without memory for it the cell is empty. */
			(void)json_object_set_new(now, rates[i].rate,
			    json_real(rise / seconds));
	}
}

/* The child as it was: nearly always at the same place of the list. */
static const json_t *
find_child(const json_t *children, const json_t *child, size_t at)
{
	const json_t *other = json_array_get(children, at);
	size_t i;

	if (is_same(other, child, "pid"))
		return other;
	json_array_foreach(children, i,
	    other) if (is_same(other, child, "pid")) return other;
	return NULL;
}

void
tinectl_rates_add(json_t *now, const json_t *before, double seconds)
{
	json_t *child;
	size_t i;

	if (before == NULL || seconds <= 0 ||
	    !is_same(json_object_get(before, "master"),
		json_object_get(now, "master"), "pid"))
		return;
	add_rates(json_object_get(now, "totals"),
	    json_object_get(before, "totals"), seconds);
	json_array_foreach(json_object_get(now, "children"), i,
	    child) add_rates(child,
	    find_child(json_object_get(before, "children"), child, i), seconds);
}

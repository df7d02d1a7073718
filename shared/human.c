/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * human.c: numbers with units for people. Linked into every program; no state.
 */
#include "shared/human.h"

#include <math.h>
#include <stdio.h>

#include "shared/base.h"

/* Exact below `exact`, then with two or three digits. */
static char *
scale(double n, double step, double exact, char *dst, size_t size)
{
	static const char units[] = " kMGTPE";
	size_t unit = 0;

	while (
	    units[unit + 1] != '\0' && round(n) >= (unit == 0 ? exact : step)) {
		n /= step;
		unit++;
	}
	if (unit == 0)
		(void)snprintf(dst, size, "%.0f", n);
	else
		(void)snprintf(dst, size, "%.*f%c", n < 9.95 ? 1 : 0, n,
		    units[unit]);
	return dst;
}

char *
human_count(double n, char *dst, size_t size)
{
	return scale(n, 1000, 100000, dst, size);
}

char *
human_bytes(double n, char *dst, size_t size)
{
	return scale(n, 1024, 1024, dst, size);
}

/* Two of the smaller unit before the next one begins, so that nothing is off
 * by more than half. */
char *
human_age(double seconds, char *dst, size_t size)
{
	static const struct {
		double length;
		char unit;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	size_t i = 0;

	while (i + 1 < nitems(units) && seconds < 2 * units[i].length)
		i++;
	(void)snprintf(dst, size, "%.0f%c", floor(seconds / units[i].length),
	    units[i].unit);
	return dst;
}

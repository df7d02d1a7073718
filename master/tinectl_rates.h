/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tinectl_rates.h: how much a second, from two answers to `status`. Pure.
 */
#ifndef TINE_MASTER_TINECTL_RATES_H
#define TINE_MASTER_TINECTL_RATES_H

#include <jansson.h>

/* What is added to each child and to the totals. */
#define TINECTL_RATES_REQUESTS "requests_per_second"
#define TINECTL_RATES_ACCEPTED "accepted_per_second"
#define TINECTL_RATES_BYTES_IN "bytes_in_per_second"
#define TINECTL_RATES_BYTES_OUT "bytes_out_per_second"

/*
 * Add the rates to `now`, from what `before`, so many seconds earlier, had. What
 * cannot be compared gets none: a child that was not there, the totals of
 * another master, a count that fell, all of it when before is NULL.
 */
void tinectl_rates_add(json_t *now, const json_t *before, double seconds);

#endif

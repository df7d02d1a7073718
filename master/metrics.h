/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * metrics.h: the numbers of the server in the text form that Prometheus reads
 * (version 0.0.4): prefix tine_, base units, a HELP and a TYPE for each. The
 * only labels are places, listeners, states and causes: all are few.
 */
#ifndef TINE_MASTER_METRICS_H
#define TINE_MASTER_METRICS_H

struct master;

/* Without a newline at its end; malloc'ed, or NULL when memory is short. */
char *metrics_print(const struct master *);

#endif

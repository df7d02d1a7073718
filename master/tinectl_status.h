/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tinectl_status.h: the answer to `status` as people and programs read it.
 */
#ifndef TINE_MASTER_TINECTL_STATUS_H
#define TINE_MASTER_TINECTL_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Where something is printed for people. */
struct tinectl_sheet {
	FILE *out;
	size_t width; /* of its lines; 0: no limit */
	bool has_colour;
};

/* Is standard output a terminal whose user wants colour? */
bool tinectl_status_has_colour(void);
/* Everything, as tables as wide as the terminal on standard output; the object
 * is changed. -1 when memory is short. */
int tinectl_status_text(json_t *status, FILE *);
/* The master and the children with their rates, see tinectl_rates.h; the object
 * is changed. -1 when memory is short. */
int tinectl_status_top(json_t *status, const struct tinectl_sheet *);
/* One line of ASCII for programs. -1 when memory is short. */
int tinectl_status_json(const json_t *status, FILE *);

#endif

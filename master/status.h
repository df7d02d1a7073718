/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * status.h: the state of the server as JSON, with the keys of spec 6.
 */
#ifndef TINE_MASTER_STATUS_H
#define TINE_MASTER_STATUS_H

#include <jansson.h>

struct master;

/* A new reference, or NULL when memory is short. */
json_t *status_json(const struct master *);
/* The same as one line of ASCII without a newline; malloc'ed, or NULL. */
char *status_print(const struct master *);

#endif

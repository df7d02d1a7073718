/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tinectl_status.h: the answer to `status` on standard output.
 */
#ifndef TINE_MASTER_TINECTL_STATUS_H
#define TINE_MASTER_TINECTL_STATUS_H

#include <jansson.h>

/* Tables for people; the object is changed. -1 when memory is short. */
int tinectl_status_text(json_t *status);
/* One line of ASCII for programs. -1 when memory is short. */
int tinectl_status_json(const json_t *status);

#endif

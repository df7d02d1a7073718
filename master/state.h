/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * state.h: all that the master knows, as a record that another build of it can
 * go on with: written before the master becomes the new image, read as the
 * first thing there, or by the old image when it is called back.
 */
#ifndef TINE_MASTER_STATE_H
#define TINE_MASTER_STATE_H

#include <limits.h>
#include <stdbool.h>

#include "master/field.h"
#include "shared/err.h"

struct master;

/* Write it. fds becomes the list of descriptors that it names. The writer is to
 * be sealed and freed by the caller. */
void state_save(const struct master *, struct tlv_writer *, struct field_fds *);

/*
 * Read it into a master that has a loop and nothing else, descriptors and all.
 * is_trial: there are no descriptors, and only the texts count: the master then
 * has its serving generation, and nothing that it would have to close. -1 with
 * the reason: the state cannot be gone on with.
 */
int state_load(struct master *, const struct tlv_record *, bool is_trial,
    struct err *);
/* The folder in which the server was started; NULL: it is not known. In the
 * record's memory. */
const char *state_folder(const struct tlv_record *);

#endif

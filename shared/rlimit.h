/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rlimit.h: how many descriptors a process may have, and what follows from it.
 */
#ifndef TINE_SHARED_RLIMIT_H
#define TINE_SHARED_RLIMIT_H

#include "shared/conf.h"
#include "shared/err.h"

/*
 * Raise the limits of this process so that its children can have
 * rlimit-nofile: the soft one up to the hard one, and for root the hard one
 * too. Nothing is lowered: the master has more to hold than a child. -1 with
 * code 77 when the number is out of reach.
 */
int rlimit_raise_files(const struct conf *, struct err *);
/* Make rlimit-nofile the limit of this process, which can raise it no more. */
void rlimit_set_files(const struct conf *);
/* How many descriptors this process may have. */
uint64_t rlimit_files(void);
/* max-connections, or fewer when this process may not have as many
 * descriptors. */
uint64_t rlimit_connections(const struct conf *);

#endif

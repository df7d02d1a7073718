/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * offload.h: threads of a child for work that blocks; private to child/.
 */
#ifndef TINE_CHILD_OFFLOAD_H
#define TINE_CHILD_OFFLOAD_H

#include <stdbool.h>

struct child;

/* Is work pending whose `done` was not called yet? */
bool offload_is_pending(const struct child *);
/*
 * Begin no more work, and end the threads that have none. False: handler code
 * still runs in some. Then nothing that it may use can be given back, and the
 * process must end by _exit().
 */
bool offload_stop(struct child *);
/* After offload_stop() and task_fini(), which still run what is done. */
void offload_fini(struct child *);

#endif

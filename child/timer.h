/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * timer.h: the timers of handlers; private to child/.
 */
#ifndef TINE_CHILD_TIMER_H
#define TINE_CHILD_TIMER_H

#include <bsd/sys/queue.h>

struct tine_timer;

/* All timers of one server. */
struct timer_list {
	LIST_HEAD(, tine_timer) entries;
	unsigned count;
};

/* Stop and free them all. */
void timer_fini(struct timer_list *);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * task.h: work that threads of this process leave for the loop. Private to
 * child/. Two queues that any thread may push to without a lock; the loop
 * empties the urgent one in each turn and takes a part of the ordinary one.
 */
#ifndef TINE_CHILD_TASK_H
#define TINE_CHILD_TASK_H

#include <tine.h>

struct child;

/* The first member of what is left for the loop. */
struct task {
	struct task *next;
	/* On the loop; the task is the callee's from then on. */
	void (*run)(struct child *, struct task *);
};

/* A task that needs no more than this: made without asking the system's
 * allocator as long as few of them are under way. */
struct task_note {
	struct task task; /* first */
	struct tine_child *server;
	void (*fn)(struct tine_child *, void *);
	void *arg;
	uint64_t handle;
	uint32_t spare; /* the number of the next that is not in use */
};

/* Take pushes for this child's loop; there is one child in a process. */
void task_init(struct child *);
/* The child of this process, between task_init() and task_fini(). */
struct child *task_child(void);
/* From now on a push fails. What was pushed is run by task_fini() at the
 * latest. Harmless twice, and before task_init(). */
void task_close(void);
/* Run what is left; the loop is not touched by any thread after this. */
void task_fini(struct child *);

/*
 * ANY THREAD: have it run on the loop. Tasks of one thread and one priority run
 * in the order in which they were pushed. 0, and the task is the loop's; or -1
 * with errno ESHUTDOWN when the child leaves, and it is the caller's still.
 */
int task_push(struct task *, enum tine_priority);

/* ANY THREAD: NULL with errno ENOMEM. */
struct task_note *task_note_new(void (*run)(struct child *, struct task *));
void task_note_free(struct task_note *);

#endif

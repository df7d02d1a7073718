/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * offload.c: work that blocks, in threads of its own. Runs in children. Owns
 * the threads, which are made when there is work for them and stay, and the
 * work that waits for one: both are bounded, and a child without any costs
 * nothing. Threads run the handler's fn and no code of the server but this; its
 * done is a task for the loop.
 */
#include "child/offload.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "child/child.h"
#include "child/task.h"

/* Enough to look up a host; only what is touched costs memory. */
#define THREAD_STACK_BYTES (256 << 10)
/* Within it: what a thread that has used it up can still say. */
#define LAST_WORDS_BYTES (16 << 10)

struct work {
	struct task task; /* first */
	STAILQ_ENTRY(work) entry;
	struct tine_child *server;
	void (*fn)(void *);
	void (*done)(struct tine_child *, void *);
	void *arg;
};

struct worker {
	pthread_t thread;
	struct offload *pool;
	unsigned number;
	bool is_busy; /* with the handler's code; atomic */
};

struct offload {
	pthread_mutex_t lock;
	pthread_cond_t more;
	/* under the lock: */
	STAILQ_HEAD(, work) waiting;
	unsigned nwaiting, nidle;
	bool is_closed;

	/* the loop's own: */
	unsigned nworkers, max_workers;
	unsigned pending, max_pending;
	unsigned nused; /* of all; the others were never touched */
	STAILQ_HEAD(, work) spare;
	struct work *all;
	struct worker workers[];
};

/* ---- in the threads ---- */

static void
perform(struct worker *self, struct work *w)
{
	const struct doing doing = { w->server, NULL, BOARD_IN_OFFLOAD };

	call_thread.doing = &doing;
	w->fn(w->arg);
	call_thread.doing = NULL;
	/* First: the child may leave as soon as it knows that this is done, and
	 * should not think that it is not. */
	__atomic_store_n(&self->is_busy, false, __ATOMIC_RELEASE);
	/* A child that leaves without waiting for it misses nothing. */
	(void)task_push(&w->task, TINE_URGENT);
}

static struct work *
next_work(struct worker *self)
{
	struct offload *o = self->pool;
	struct work *w = NULL;

	(void)pthread_mutex_lock(&o->lock);
	o->nidle++;
	while (!o->is_closed && STAILQ_EMPTY(&o->waiting))
		(void)pthread_cond_wait(&o->more, &o->lock);
	o->nidle--;
	if (!o->is_closed) {
		w = STAILQ_FIRST(&o->waiting);
		STAILQ_REMOVE_HEAD(&o->waiting, entry);
		o->nwaiting--;
		__atomic_store_n(&self->is_busy, true, __ATOMIC_RELAXED);
	}
	(void)pthread_mutex_unlock(&o->lock);
	return w;
}

static void *
be_worker(void *arg)
{
	struct worker *self = arg;
	char name[16], last_words[LAST_WORDS_BYTES];
	struct work *w;

	(void)snprintf(name, sizeof(name), "offload-%u", self->number);
	(void)pthread_setname_np(pthread_self(), name);
	crash_guard_thread(last_words, sizeof(last_words));
	while ((w = next_work(self)) != NULL)
		perform(self, w);
	crash_guard_thread(NULL, 0);
	return NULL;
}

/* ---- on the loop ---- */

/* One thread more; errno when there is none. */
static int
add_worker(struct offload *o)
{
	struct worker *self = &o->workers[o->nworkers];
	pthread_attr_t attr;
	sigset_t mask, old;
	int err;

	self->pool = o;
	self->number = o->nworkers;
	/* Signals are the loop's, but for those that a thread's own mistake
	 * sends: blocked, they would kill without a word in the log. */
	(void)sigfillset(&mask);
	(void)sigdelset(&mask, SIGSEGV);
	(void)sigdelset(&mask, SIGBUS);
	(void)sigdelset(&mask, SIGFPE);
	(void)sigdelset(&mask, SIGILL);
	err = pthread_attr_init(&attr);
	if (err == 0) {
		(void)pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
		(void)pthread_sigmask(SIG_SETMASK, &mask, &old);
		err = pthread_create(&self->thread, &attr, be_worker, self);
		(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
		(void)pthread_attr_destroy(&attr);
	}
	if (err == 0) {
		o->nworkers++;
		return 0;
	}
	errno = err;
	return -1;
}

static struct offload *
make_pool(const struct conf *conf)
{
	unsigned threads = (unsigned)conf->offload.threads;
	struct offload *o;

	o = calloc(1, sizeof(*o) + threads * sizeof(o->workers[0]));
	if (o == NULL)
		return NULL;
	o->max_workers = threads;
	o->max_pending = threads + (unsigned)conf->offload.queue;
	o->all = calloc(o->max_pending, sizeof(*o->all));
	if (o->all == NULL) {
		free(o);
		return NULL;
	}
	STAILQ_INIT(&o->waiting);
	STAILQ_INIT(&o->spare);
	(void)pthread_mutex_init(&o->lock, NULL);
	(void)pthread_cond_init(&o->more, NULL);
	return o;
}

/* Back on the loop: fn has returned. */
static void
run_done(struct child *ch, struct task *t)
{
	struct work *w = (struct work *)t, copy = *w;
	struct offload *o = ch->offload;

	STAILQ_INSERT_HEAD(&o->spare, w, entry);
	if (copy.done != NULL) {
		call_enter(copy.server, NULL, BOARD_IN_DONE);
		copy.done(copy.server, copy.arg);
		call_leave(copy.server);
	}
	/* Not before: what it wrote to others counts. */
	o->pending--;
	drain_check(ch);
}

static struct work *
take_work(struct offload *o)
{
	struct work *w = STAILQ_FIRST(&o->spare);

	if (w != NULL)
		STAILQ_REMOVE_HEAD(&o->spare, entry);
	else
		w = &o->all[o->nused++];
	return w;
}

static void
give_to_threads(struct offload *o, struct work *w)
{
	(void)pthread_mutex_lock(&o->lock);
	STAILQ_INSERT_TAIL(&o->waiting, w, entry);
	o->nwaiting++;
	(void)pthread_cond_signal(&o->more);
	(void)pthread_mutex_unlock(&o->lock);
}

/* Is there a thread that has nothing to do, or as many as there may be? */
static bool
has_enough(struct offload *o)
{
	bool enough;

	if (o->nworkers == o->max_workers)
		return true;
	(void)pthread_mutex_lock(&o->lock);
	enough = o->nidle > o->nwaiting;
	(void)pthread_mutex_unlock(&o->lock);
	return enough;
}

bool
offload_is_pending(const struct child *ch)
{
	return ch->offload != NULL && ch->offload->pending > 0;
}

bool
offload_stop(struct child *ch)
{
	struct offload *o = ch->offload;
	unsigned i, busy = 0;

	if (o == NULL)
		return true;
	(void)pthread_mutex_lock(&o->lock);
	o->is_closed = true;
	(void)pthread_cond_broadcast(&o->more);
	for (i = 0; i < o->nworkers; i++)
		busy +=
		    __atomic_load_n(&o->workers[i].is_busy, __ATOMIC_ACQUIRE);
	(void)pthread_mutex_unlock(&o->lock);
	if (busy > 0) {
		log_warn("leaving while offloaded work runs, threads busy: %u",
		    busy);
		return false;
	}
	while (o->nworkers > 0)
		(void)pthread_join(o->workers[--o->nworkers].thread, NULL);
	return true;
}

void
offload_fini(struct child *ch)
{
	struct offload *o = ch->offload;

	if (o == NULL)
		return;
	assert(o->nworkers == 0);
	(void)pthread_cond_destroy(&o->more);
	(void)pthread_mutex_destroy(&o->lock);
	free(o->all);
	free(o);
	ch->offload = NULL;
}

/* ---- tine.h ---- */

/* Room for one more, and a thread for it; errno when there is none. */
static struct offload *
ready_pool(struct child *ch)
{
	struct offload *o = ch->offload;

	if (ch->conf->offload.threads == 0) {
		errno = ENOTSUP;
		return NULL;
	}
	if (ch->state == CHILD_LEAVING) {
		errno = ESHUTDOWN;
		return NULL;
	}
	if (o == NULL)
		o = ch->offload = make_pool(ch->conf);
	if (o == NULL)
		return NULL;
	if (o->pending == o->max_pending) {
		errno = EAGAIN;
		return NULL;
	}
	/* Fewer threads than there may be are slower, and no reason to fail. */
	if (!has_enough(o) && add_worker(o) == -1 && o->nworkers == 0)
		return NULL;
	return o;
}

int
tine_offload(struct tine_child *s, void (*fn)(void *),
    void (*done)(struct tine_child *, void *), void *arg)
{
	struct offload *o;
	struct work *w;

	if (call_is_foreign(s, "tine_offload"))
		return -1;
	o = ready_pool(s->child);
	if (o == NULL)
		return -1;
	w = take_work(o);
	*w = (struct work){
		.task.run = run_done,
		.server = s,
		.fn = fn,
		.done = done,
		.arg = arg,
	};
	o->pending++;
	give_to_threads(o, w);
	return 0;
}

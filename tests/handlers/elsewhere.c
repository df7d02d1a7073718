/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * elsewhere.c: a sound handler for tests, whose work is done by four threads of
 * its own, by threads of the server, and by timers. A connection says in a line
 * what it wants, see commands[]; data without anything new answers "woken".
 * After "echo" all that it sends comes back from a thread, in pieces.
 */
#include <tine.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NTHREADS 4
#define LINE_MAX_BYTES 64

static const struct tine_option options[] = {
	{ "wake", TINE_BOOL, "no", 0, 0, "wake each connection in open" },
	{ .name = NULL },
};

/* What a thread is to do for a connection. */
struct job {
	struct job *next;
	void (*run)(struct job *);
	uint64_t handle;
	struct tine_conn *conn; /* to do what is forbidden */
	struct tine_child *child;
	long n, left; /* left: atomic */
	size_t len;
	char bytes[];
};

struct thread {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct job *first, **last;
	unsigned seed;
	bool is_ended;
};

struct state {
	bool echoes;
	struct tine_timer *timer;
};

static struct thread threads[NTHREADS];

/* ---- the threads ---- */

static struct job *
next_job(struct thread *t)
{
	struct job *j;

	(void)pthread_mutex_lock(&t->lock);
	while (t->first == NULL && !t->is_ended)
		(void)pthread_cond_wait(&t->more, &t->lock);
	j = t->first;
	if (j != NULL) {
		t->first = j->next;
		if (t->first == NULL)
			t->last = &t->first;
	}
	(void)pthread_mutex_unlock(&t->lock);
	return j;
}

static void *
be_thread(void *arg)
{
	struct job *j;

	while ((j = next_job(arg)) != NULL)
		j->run(j);
	return NULL;
}

static void
give(size_t thread, struct job *j)
{
	struct thread *t = &threads[thread % NTHREADS];

	j->next = NULL;
	(void)pthread_mutex_lock(&t->lock);
	*t->last = j;
	t->last = &j->next;
	(void)pthread_cond_signal(&t->more);
	(void)pthread_mutex_unlock(&t->lock);
}

static struct job *
job_new(struct tine_conn *c, void (*run)(struct job *), long n, size_t len)
{
	struct job *j = malloc(sizeof(*j) + len);

	if (j == NULL)
		abort();
	*j = (struct job){ .run = run, .conn = c, .n = n, .len = len };
	j->handle = tine_handle(c);
	j->child = tine_child(c);
	return j;
}

static void
say(uint64_t handle, const char *text)
{
	/* Refused only when the child leaves. */
	(void)tine_write_to(handle, text, strlen(text));
}

/* ---- what threads do ---- */

static void
run_wake(struct job *j)
{
	while (j->n-- > 0)
		(void)tine_wake(j->handle);
	free(j);
}

static void
run_close(struct job *j)
{
	say(j->handle, "goodbye\n");
	(void)tine_close_handle(j->handle);
	/* And all that may not reach anybody any more. */
	(void)tine_wake(j->handle);
	say(j->handle, "lost\n");
	(void)tine_close_handle(j->handle);
	free(j);
}

/* Pieces of any size, by both calls; a thread serves its connections in turn,
 * so they come out in order. */
static void
run_echo(struct job *j)
{
	unsigned seed = (unsigned)j->handle + (unsigned)j->len;
	struct iovec iov[2];
	size_t at, n, half;
	int rc = 0;

	for (at = 0; at < j->len && rc == 0; at += n) {
		n = 1 + (size_t)rand_r(&seed) % 20000;
		if (n > j->len - at)
			n = j->len - at;
		half = n / 2;
		iov[0].iov_base = j->bytes + at;
		iov[0].iov_len = half;
		iov[1].iov_base = j->bytes + at + half;
		iov[1].iov_len = n - half;
		if (rand_r(&seed) % 2 == 0)
			rc = tine_write_to(j->handle, j->bytes + at, n);
		else
			rc = tine_writev_to(j->handle, iov, 2);
	}
	free(j);
}

/* Long after the connection is gone. */
static void
run_late(struct job *j)
{
	int i;

	for (i = 0; i < 200; i++) {
		(void)usleep(1000);
		(void)tine_wake(j->handle);
		say(j->handle, "too late\n");
	}
	free(j);
}

static void
count_down(struct tine_child *child, void *arg)
{
	struct job *j = arg;

	(void)child;
	if (__atomic_sub_fetch(&j->left, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	say(j->handle, "stormed\n");
	free(j);
}

/* One of the four parts of a storm: each posts j->n tasks. */
static void
run_storm(struct job *part)
{
	struct job *j = (struct job *)(void *)part->conn;
	long i;

	for (i = 0; i < part->n; i++)
		if (tine_post(part->child,
			i % 2 == 0 ? TINE_URGENT : TINE_ORDINARY, count_down,
			j) == -1)
			count_down(part->child, j); /* it leaves */
	free(part);
}

static void
run_foreign(struct job *j)
{
	char line[LINE_MAX_BYTES];
	int n = 0, i;

	for (i = 0; i < 1000; i++) {
		errno = 0;
		if (tine_write(j->conn, "never", 5) == -1 && errno == EPERM)
			n++;
		tine_close(j->conn);
	}
	(void)snprintf(line, sizeof(line), "refused %d\n", n);
	say(j->handle, line);
	free(j);
}

/* ---- commands ---- */

static void
on_wake(struct tine_conn *c, long n)
{
	give(tine_handle(c), job_new(c, run_wake, n, 0));
}

static void
on_wake_self(struct tine_conn *c, long n)
{
	(void)n;
	(void)tine_wake(tine_handle(c));
}

/* Woken by a thread right after it closed. */
static void
on_bye(struct tine_conn *c, long n)
{
	tine_close(c);
	give(tine_handle(c), job_new(c, run_wake, n, 0));
}

static void
on_close(struct tine_conn *c, long n)
{
	give(tine_handle(c), job_new(c, run_close, n, 0));
}

static void
on_late(struct tine_conn *c, long n)
{
	give(tine_handle(c), job_new(c, run_late, n, 0));
	tine_close(c);
}

static void
on_storm(struct tine_conn *c, long n)
{
	struct job *whole = job_new(c, NULL, n, 0), *part;
	size_t i;

	whole->left = n * NTHREADS;
	for (i = 0; i < NTHREADS; i++) {
		part = job_new(c, run_storm, n, 0);
		part->conn = (struct tine_conn *)(void *)whole;
		give(i, part);
	}
}

static void
on_foreign(struct tine_conn *c, long n)
{
	give(0, job_new(c, run_foreign, n, 0));
}

static void
on_echo(struct tine_conn *c, long n)
{
	struct state *s = tine_state(c);

	(void)n;
	s->echoes = true;
}

static void
sleep_ms(void *arg)
{
	const struct job *j = arg;

	(void)usleep((useconds_t)j->n * 1000);
}

static void
slept(struct tine_child *child, void *arg)
{
	struct job *j = arg;

	(void)child;
	say(j->handle, "slept\n");
	free(j);
}

static void
on_offload(struct tine_conn *c, long n)
{
	struct job *j = job_new(c, NULL, n, 0);

	if (tine_offload(tine_child(c), sleep_ms, slept, j) == 0)
		return;
	say(j->handle, errno == EAGAIN ? "full\n" : "error\n");
	free(j);
}

static void
crash(void *arg)
{
	(void)arg;
	(void)raise(SIGSEGV);
}

static void
on_crash(struct tine_conn *c, long n)
{
	(void)n;
	(void)tine_offload(tine_child(c), crash, NULL, NULL);
}

static void
on_time(struct tine_child *child, void *arg)
{
	struct tine_conn *c = tine_find_conn((uintptr_t)arg);
	struct state *s;

	(void)child;
	if (c == NULL)
		return;
	s = tine_state(c);
	if (tine_write(c, ".", 1) == -1)
		tine_timer_stop(s->timer);
}

static void
on_timer(struct tine_conn *c, long n)
{
	struct state *s = tine_state(c);

	s->timer = tine_timer_start(tine_child(c), (double)n / 1000,
	    (double)n / 1000, on_time, (void *)(uintptr_t)tine_handle(c));
}

static const struct {
	const char *name;
	void (*run)(struct tine_conn *, long n);
} commands[] = {
	{ "wake", on_wake },           /* n times, by a thread */
	{ "wake-self", on_wake_self }, /* from its own callback */
	{ "bye", on_bye }, { "close", on_close }, { "late", on_late },
	{ "storm", on_storm }, /* n posts by each thread */
	{ "foreign", on_foreign }, { "echo", on_echo },
	{ "offload", on_offload }, /* sleep n milliseconds */
	{ "crash", on_crash },
	{ "timer", on_timer }, /* a dot every n milliseconds */
};

/* ---- callbacks ---- */

static void
obey(struct tine_conn *c, const char *line)
{
	char name[LINE_MAX_BYTES];
	long n = 0;
	size_t i;

	if (sscanf(line, "%63s %ld", name, &n) < 1)
		return;
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0)
			commands[i].run(c, n);
}

/* True: a line was there. */
static bool
take_line(struct tine_conn *c)
{
	char line[LINE_MAX_BYTES];
	size_t n;
	const char *p = tine_peek(c, &n), *end = memchr(p, '\n', n);

	if (end == NULL || (size_t)(end - p) >= sizeof(line))
		return false;
	n = (size_t)(end - p);
	(void)memcpy(line, p, n);
	line[n] = '\0';
	tine_consume(c, n + 1);
	obey(c, line);
	return true;
}

static enum tine_action
elsewhere_data(struct tine_conn *c)
{
	const struct state *s = tine_state(c);
	struct job *j;
	const void *p;
	size_t n;

	p = tine_peek(c, &n);
	if (n == 0)
		return tine_write(c, "woken\n", 6) == -1 ? TINE_ABORT : TINE_OK;
	while (!s->echoes && take_line(c))
		continue;
	if (!s->echoes)
		return TINE_OK;
	p = tine_peek(c, &n);
	if (n == 0)
		return TINE_OK;
	j = job_new(c, run_echo, 0, n);
	(void)memcpy(j->bytes, p, n);
	tine_consume(c, n);
	give(j->handle, j);
	return TINE_OK;
}

static enum tine_action
elsewhere_open(struct tine_conn *c)
{
	if (tine_option_int(tine_child(c), "wake") != 0)
		(void)tine_wake(tine_handle(c));
	return TINE_OK;
}

static enum tine_action
elsewhere_start(struct tine_child *child)
{
	size_t i;

	for (i = 0; i < NTHREADS; i++) {
		struct thread *t = &threads[i];

		(void)pthread_mutex_init(&t->lock, NULL);
		(void)pthread_cond_init(&t->more, NULL);
		t->last = &t->first;
		if (pthread_create(&t->thread, NULL, be_thread, t) != 0) {
			tine_set_error(child, "thread %zu", i);
			return TINE_CLOSE;
		}
	}
	return TINE_OK;
}

static void
elsewhere_stop(struct tine_child *child)
{
	size_t i;

	(void)child;
	for (i = 0; i < NTHREADS; i++) {
		(void)pthread_mutex_lock(&threads[i].lock);
		threads[i].is_ended = true;
		(void)pthread_cond_signal(&threads[i].more);
		(void)pthread_mutex_unlock(&threads[i].lock);
		(void)pthread_join(threads[i].thread, NULL);
	}
}

TINE_HANDLER(.name = "elsewhere", .options = options,
    .conn_size = sizeof(struct state), .start = elsewhere_start,
    .stop = elsewhere_stop, .open = elsewhere_open, .data = elsewhere_data);

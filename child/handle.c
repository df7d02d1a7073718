/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handle.c: connections by name. Runs in children. Owns the table of their
 * pages, and what threads ask for by handle: that travels with the handle only,
 * never with a pointer, and is looked up on the loop when its turn comes. A
 * descriptor or an object that was used again has another handle.
 */
#include "child/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "child/child.h"
#include "child/task.h"

#define PAGES_MIN 16

/* Bytes for a connection. */
struct parcel {
	struct task task; /* first */
	uint64_t handle;
	size_t len;
	char bytes[];
};

/* ---- the table ---- */

uint32_t
handle_add_page(struct handle_table *t, struct slab_page *page)
{
	struct slab_page **pages;
	size_t size;

	if (t->npages == t->size) {
		size = MAX_OF(t->size * 2, (size_t)PAGES_MIN);
		pages =
		    reallocarray(t->pages, size, sizeof(struct slab_page *));
		if (pages == NULL)
			return 0;
		t->pages = pages;
		t->size = size;
	}
	t->pages[t->npages++] = page;
	return (uint32_t)((t->npages - 1) * SLAB_OBJECTS + 1);
}

void
handle_fini(struct handle_table *t)
{
	free(t->pages);
	*t = (struct handle_table){ .pages = NULL };
}

struct tine_conn *
handle_find(const struct handle_table *t, uint64_t handle)
{
	/* 0 is nobody's number, and becomes one that is too large. */
	size_t n = (size_t)((uint32_t)handle - 1);
	struct tine_conn *c;

	if (n / SLAB_OBJECTS >= t->npages)
		return NULL;
	c = slab_object(t->pages[n / SLAB_OBJECTS], n % SLAB_OBJECTS);
	if (c->handle != handle || c->state == CONN_FREE ||
	    c->state == CONN_CLOSED)
		return NULL;
	return c;
}

/* ---- on the loop ---- */

static void
run_wake(struct child *ch, struct task *t)
{
	struct tine_conn *c =
	    handle_find(&ch->handles, ((struct task_note *)t)->handle);

	task_note_free((struct task_note *)t);
	if (c != NULL)
		conn_wake(c);
}

static void
run_close(struct child *ch, struct task *t)
{
	struct tine_conn *c =
	    handle_find(&ch->handles, ((struct task_note *)t)->handle);

	task_note_free((struct task_note *)t);
	if (c != NULL)
		tine_close(c);
}

/*
 * There is nobody left who could be told that they do not fit, and a stream
 * with a hole in it must not go on.
 */
static void
run_write(struct child *ch, struct task *t)
{
	struct parcel *p = (struct parcel *)t;
	struct tine_conn *c = handle_find(&ch->handles, p->handle);

	if (c != NULL && tine_write(c, p->bytes, p->len) == -1 &&
	    errno != EPIPE)
		conn_abort(c, errno == ENOBUFS ? TINE_OVERFLOW : TINE_ERROR,
		    errno);
	free(p);
}

/* ---- tine.h ---- */

struct tine_conn *
tine_find_conn(uint64_t handle)
{
	const struct child *ch;

	if (call_is_foreign(NULL, "tine_find_conn"))
		return NULL;
	ch = task_child();
	return ch == NULL ? NULL : handle_find(&ch->handles, handle);
}

static int
push_note(void (*run)(struct child *, struct task *), uint64_t handle)
{
	struct task_note *n = task_note_new(run);

	if (n == NULL)
		return -1;
	n->handle = handle;
	if (task_push(&n->task, TINE_URGENT) == 0)
		return 0;
	task_note_free(n);
	return -1;
}

int
tine_wake(uint64_t handle)
{
	return push_note(run_wake, handle);
}

int
tine_close_handle(uint64_t handle)
{
	return push_note(run_close, handle);
}

/* Room for all the bytes; NULL and errno. */
static struct parcel *
parcel_new(uint64_t handle, const struct iovec *iov, int n)
{
	size_t len = 0, size;
	struct parcel *p;
	bool is_sane = n >= 0;
	int i;

	for (i = 0; i < n; i++)
		is_sane &= !__builtin_add_overflow(len, iov[i].iov_len, &len);
	if (!is_sane || __builtin_add_overflow(len, sizeof(*p), &size)) {
		errno = EINVAL;
		return NULL;
	}
	p = malloc(size);
	if (p == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	p->task.run = run_write;
	p->handle = handle;
	p->len = len;
	return p;
}

int
tine_writev_to(uint64_t handle, const struct iovec *iov, int n)
{
	struct parcel *p = parcel_new(handle, iov, n);
	size_t at = 0;
	int i;

	if (p == NULL)
		return -1;
	for (i = 0; i < n; at += iov[i++].iov_len)
		if (iov[i].iov_len > 0)
			(void)memcpy(p->bytes + at, iov[i].iov_base,
			    iov[i].iov_len);
	if (task_push(&p->task, TINE_URGENT) == 0)
		return 0;
	free(p);
	return -1;
}

int
tine_write_to(uint64_t handle, const void *bytes, size_t len)
{
	union {
		const void *ro;
		void *rw;
	} base = { .ro = bytes };
	const struct iovec iov = { .iov_base = base.rw, .iov_len = len };

	return tine_writev_to(handle, &iov, 1);
}

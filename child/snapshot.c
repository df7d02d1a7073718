/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * snapshot.c: the admin child's questions to the master, and the last answer.
 * Runs in children, and does something in the admin child only. Owns the
 * mapping of what the master sent: JSON and, behind it, metrics, both of which
 * this child shows and never reads. At most one question is under way.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>

#include "child/child.h"

/* The master takes 20 messages a second from a child, of every kind. */
#define PACE_SECONDS 0.1
/* Whoever looks after a server gives up about then. */
#define PATIENCE_SECONDS 2.0

static const char *const troubles[CTL_NREADINESS] = {
	[CTL_CAN_SERVE] = NULL,
	[CTL_NOT_YET] = "starting",
	[CTL_TOO_FEW] = "too few children are ready",
	[CTL_NO_MORE] = "stopping",
};

static const struct snapshot silence = {
	.trouble = "the master does not answer",
};

static void
ask_if_due(struct child *ch)
{
	struct asking *a = &ch->asking;

	if (a->wanted <= a->asked || a->asked > a->answered ||
	    ev_is_active(&a->pace))
		return;
	a->asked++;
	ev_timer_set(&a->pace, PACE_SECONDS, 0.);
	ev_timer_start(ch->loop, &a->pace);
	ev_timer_set(&a->patience, PATIENCE_SECONDS, 0.);
	ev_timer_start(ch->loop, &a->patience);
	cctl_send(ch, CTL_ASK);
}

static void
on_pace(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	ask_if_due(w->data);
}

/* Forget what was shown. */
static void
release(struct asking *a)
{
	if (a->map != NULL)
		(void)munmap(a->map, a->map_bytes);
	a->map = NULL;
	a->shown = silence;
}

/* The question stays under way: a late answer must not pass for that to a
 * later question. Until it comes, whoever asks is told at once. */
static void
fall_silent(struct child *ch)
{
	struct asking *a = &ch->asking;

	ev_timer_stop(ch->loop, &a->patience);
	a->is_silent = true;
	release(a);
	if (a->wanted > a->answered)
		child_each_conn(ch, conn_wake);
}

static void
on_patience(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	log_warn("the master has not answered for %g s", PATIENCE_SECONDS);
	fall_silent(w->data);
}

static int
map(struct asking *a, const struct ctl_status *s, int fd)
{
	static struct log_limit limit = { .burst = 1 };
	uint64_t len = (uint64_t)s->json_bytes + s->metrics_bytes;
	void *p = MAP_FAILED;
	unsigned missed;
	struct stat st;

	/* The master had no memory for it, and said so. */
	if (fd == -1 || len == 0)
		return -1;
	/* Reading behind the end of a file is a bus error. */
	errno = EINVAL;
	if (fstat(fd, &st) == 0 && (uint64_t)st.st_size >= len)
		p = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED) {
		a->map = p;
		a->map_bytes = len;
		return 0;
	}
	if (log_limit_pass(&limit, &missed))
		log_sys(LOG_ERROR, "map the status");
	return -1;
}

void
snapshot_take(struct child *ch, const struct ctl_status *s, int fd)
{
	struct asking *a = &ch->asking;
	const char *text;

	if (a->asked == a->answered) {
		log_error("a status that nobody asked for");
		return;
	}
	ev_timer_stop(ch->loop, &a->patience);
	release(a);
	a->is_silent = false;
	a->answered = a->asked;
	a->shown.is_alive = true;
	a->shown.trouble =
	    troubles[MIN_OF(s->readiness, (uint32_t)CTL_NREADINESS - 1)];
	if (map(a, s, fd) == 0) {
		text = a->map;
		a->shown.json = text;
		a->shown.json_len = s->json_bytes;
		a->shown.metrics = text + s->json_bytes;
		a->shown.metrics_len = s->metrics_bytes;
	}
	child_each_conn(ch, conn_wake);
	ask_if_due(ch);
}

void
snapshot_on_orphan(struct child *ch)
{
	fall_silent(ch);
}

void
snapshot_init(struct child *ch)
{
	ev_init(&ch->asking.pace, on_pace);
	ch->asking.pace.data = ch;
	ev_init(&ch->asking.patience, on_patience);
	ch->asking.patience.data = ch;
	ch->asking.shown = silence;
}

void
snapshot_fini(struct child *ch)
{
	ev_timer_stop(ch->loop, &ch->asking.pace);
	ev_timer_stop(ch->loop, &ch->asking.patience);
	release(&ch->asking);
}

/* ---- for the handler ---- */

uint64_t
snapshot_ask(struct tine_child *s)
{
	struct asking *a = &s->child->asking;
	/* That to the question under way may have been made already. */
	uint64_t number = a->asked + 1;

	a->wanted = number;
	ask_if_due(s->child);
	return number;
}

const struct snapshot *
snapshot_get(const struct tine_child *s, uint64_t number)
{
	const struct asking *a = &s->child->asking;

	return a->answered >= number || a->is_silent ? &a->shown : NULL;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * beat.c: the heartbeat. Runs in children, twice a second, and is the only
 * thing that wakes an idle child: it shows the master that the loop turns, how
 * late it is and how busy, and keeps the process title true. A child whose
 * loop has lost a descriptor of its own ends here.
 */
#include <sys/stat.h>

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "shared/title.h"

#include "child/child.h"

#define BEATS_PER_TITLE 2
#define PPM 1000000

static uint64_t
cpu_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void
show_title(struct child *ch)
{
	const struct heritage *h = ch->heritage;
	char name[CHILD_NAME_MAX];

	if (ch->beat.titled_conns == ch->nconns)
		return;
	ch->beat.titled_conns = ch->nconns;
	title_set("%s, %llu connection%s, gen %u",
	    child_name(h, name, sizeof(name)), (unsigned long long)ch->nconns,
	    ch->nconns == 1 ? "" : "s", h->generation);
}

static void
show_board(struct child *ch)
{
	uint64_t wall = mono_ns(), cpu = cpu_ns(), busy;
	double lag = child_now(ch) - ch->beat.due;

	/* What the start cost says nothing about the load. */
	busy = ch->beat.count == 0 ? 0
				   : (cpu - ch->beat.cpu_ns) * PPM /
		MAX_OF(wall - ch->beat.wall_ns, 1);
	board_set(ch->board, BOARD_HEARTBEAT_NS, wall);
	board_set(ch->board, BOARD_CONNECTIONS, ch->nconns);
	board_set(ch->board, BOARD_LOOP_LAG_NS,
	    lag > 0 ? (uint64_t)(lag * 1e9) : 0);
	board_set(ch->board, BOARD_BUSY_PPM, MIN_OF(busy, PPM));
	ch->beat.cpu_ns = cpu;
	ch->beat.wall_ns = wall;
	lag_note(ch, lag);
}

/* The epoll set and the wake-up: neither files nor sockets. */
static bool
is_loops(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == 0;
}

/*
 * A handler that closed the wake-up would go on until a client gets its number:
 * then the loop would take the client's bytes for wake-ups, and write those of
 * threads to the client.
 */
static void
check_loop(const struct child *ch)
{
	uint64_t left;
	int fd;

	for (left = ch->beat.loops; left != 0; left &= left - 1) {
		fd = __builtin_ctzll(left);
		if (is_loops(fd))
			continue;
		log_write(LOG_ERROR,
		    "descriptor %d of the loop was closed by a handler", fd);
		abort();
	}
}

void
beat_learn(struct child *ch)
{
	int fd;

	for (fd = STDERR_FILENO + 1; fd < 64; fd++)
		if (is_loops(fd))
			ch->beat.loops |= UINT64_C(1) << fd;
}

static void
on_beat(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct child *ch = w->data;

	(void)revents;
	check_loop(ch);
	show_board(ch);
	ch->beat.due = child_now(ch) + BEAT_SECONDS;
	ev_timer_set(w, BEAT_SECONDS, 0.);
	ev_timer_start(loop, w);
	if (ch->beat.count++ % BEATS_PER_TITLE == 0)
		show_title(ch);
	admit_on_beat(ch);
	cctl_retry(ch);
	log_retry();
}

void
beat_init(struct child *ch)
{
	ev_timer_init(&ch->beat.timer, on_beat, 0., 0.);
	ch->beat.timer.data = ch;
}

void
beat_start(struct child *ch)
{
	ch->beat.cpu_ns = cpu_ns();
	ch->beat.wall_ns = mono_ns();
	ch->beat.titled_conns = UINT64_MAX;
	/* The time that start took is not the loop's. */
	ev_now_update(ch->loop);
	ch->beat.due = child_now(ch);
	/* Before PREPARED is said, from when on the master counts the beats. */
	show_board(ch);
	ev_timer_start(ch->loop, &ch->beat.timer);
}

void
beat_stop(struct child *ch)
{
	ev_timer_stop(ch->loop, &ch->beat.timer);
}

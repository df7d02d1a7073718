/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lag.c: how long an event has to wait in this child, and who makes it wait.
 * Runs in children. One look at the kernel's coarse clock when a callback
 * returns, which is a few instructions and no system call, tells how long it
 * took, to 10 ms; the last one of a turn tells how long the turn took, and an
 * event that came at its beginning waited as long. Owns the brown-out flag.
 */
#include <time.h>

#include "child/child.h"

#define SLOW_NS UINT64_C(100000000)
/* Turns must be short for so long before the flag is taken back. */
#define HOLD_SECONDS 1.0
/* Between two lines about it. */
#define SAY_SECONDS 10.0

static uint64_t
coarse_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static __attribute__((noinline)) void
blame(const struct tine_child *s, uint64_t ns)
{
	static struct log_limit limit = { .burst = 1 };
	enum board_callback what = s->child->doing.callback;
	unsigned missed;
	char more[64];

	/* Nobody is served yet, or no more. */
	if (what == BOARD_IN_START || what == BOARD_IN_STOP)
		return;
	board_add(s->child->board, BOARD_SLOW_CALLBACKS, 1);
	if (!log_limit_pass(&limit, &missed))
		return;
	log_warn("handler %s: %s took %llu ms, for which all connections of "
		 "this child had to wait%s",
	    s->handler.name, board_callback_names[what],
	    (unsigned long long)(ns / 1000000),
	    log_print_missed(missed, more, sizeof(more)));
}

void
lag_on_return(struct tine_child *s)
{
	struct lag *l = &s->child->lag;
	uint64_t now = coarse_ns(), from = MAX_OF(l->turn_ns, l->mark_ns);

	if (now > from + SLOW_NS)
		blame(s, now - from);
	l->mark_ns = now;
}

/* Say it now and then only: it may come and go each second. */
static bool
may_say(struct lag *l, double now)
{
	if (now < l->quiet_until)
		return false;
	l->quiet_until = now + SAY_SECONDS;
	return true;
}

static void
set(struct child *ch, bool is_overloaded, double seconds)
{
	struct lag *l = &ch->lag;
	double now = child_now(ch);

	l->is_overloaded = is_overloaded;
	board_set(ch->board, BOARD_OVERLOADED, is_overloaded);
	if (is_overloaded) {
		l->since = now;
		l->has_said = may_say(l, now);
		if (l->has_said)
			log_warn("overloaded: an event had to wait for %.0f ms",
			    seconds * 1e3);
	} else if (l->has_said) {
		log_info("overloaded no more, after %.1f s", now - l->since);
	}
}

void
lag_note(struct child *ch, double seconds)
{
	struct lag *l = &ch->lag;
	double limit = ch->conf->overload.lag, now = child_now(ch);

	if (limit <= 0)
		return;
	/* Half of it is not well yet: at the threshold the flag would flap. */
	if (seconds > (l->is_overloaded ? limit / 2 : limit)) {
		l->until = now + seconds + HOLD_SECONDS;
		if (!l->is_overloaded)
			set(ch, true, seconds);
	} else if (l->is_overloaded && now >= l->until) {
		set(ch, false, 0);
	}
}

void
lag_on_turn(struct child *ch)
{
	struct lag *l = &ch->lag;
	uint64_t ns = l->mark_ns > l->turn_ns ? l->mark_ns - l->turn_ns : 0;

	/* The next turn may have no callback. */
	l->turn_ns = l->mark_ns;
	if (ns > 0 || l->is_overloaded)
		lag_note(ch, (double)ns / 1e9);
}

/* ---- tine.h ---- */

bool
tine_is_overloaded(const struct tine_child *s)
{
	return !call_is_foreign(s, "tine_is_overloaded") &&
	    s->child->lag.is_overloaded;
}

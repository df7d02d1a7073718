/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * roll.c: from one generation to the next and, if need be, back. Runs in the
 * master. Everything is decided anew from the facts at each step, so that
 * deaths, failed forks and messages that cross need no case of their own.
 */
#include "master/roll.h"

#include <sys/wait.h>

#include <assert.h>
#include <signal.h>

#include "master/master.h"

/* No child became READY for this long beyond start-timeout: give up. */
#define STALL_MARGIN_NS (5 * NSEC_PER_SEC)

static const char *const phase_names[ROLL_NPHASES] = {
	[ROLL_IDLE] = "idle",
	[ROLL_PROVING] = "proving",
	[ROLL_ROLLING] = "rolling",
	[ROLL_WATCHING] = "watching",
	[ROLL_COMMITTED] = "committed",
	[ROLL_UNDOING] = "undoing",
	[ROLL_UNDONE] = "undone",
};

static const uint8_t phase_next[ROLL_NPHASES] = {
	[ROLL_IDLE] = BIT(ROLL_PROVING),
	[ROLL_PROVING] = BIT(ROLL_ROLLING) | BIT(ROLL_UNDOING),
	[ROLL_ROLLING] = BIT(ROLL_WATCHING) | BIT(ROLL_UNDOING),
	[ROLL_WATCHING] = BIT(ROLL_COMMITTED) | BIT(ROLL_UNDOING),
	[ROLL_COMMITTED] = BIT(ROLL_IDLE),
	[ROLL_UNDOING] = BIT(ROLL_UNDONE),
	[ROLL_UNDONE] = BIT(ROLL_IDLE),
};

static void
set_phase(struct master *m, enum roll_phase to)
{
	struct roll *r = &m->roll;

	assert(phase_next[r->phase] & BIT(to));
	log_debug("generation %u: %s > %s", r->to->number,
	    phase_names[r->phase], phase_names[to]);
	r->phase = to;
	r->since_ns = r->progress_ns = mono_ns();
	r->progress = 0;
}

static double
seconds_since(uint64_t ns)
{
	return (double)(mono_ns() - ns) / (double)NSEC_PER_SEC;
}

/* The generation that all places are to have in the end. */
static struct generation *
wanted(const struct roll *r)
{
	return r->phase == ROLL_UNDOING ? r->from : r->to;
}

static bool
is_done(const struct place *pl, const struct generation *g)
{
	return pl->incumbent != NULL && pl->incumbent->generation == g &&
	    pl->incumbent->state == PROC_READY;
}

/* Is a child of this generation on its way for this place? */
static bool
is_under_way(const struct place *pl, const struct generation *g)
{
	return pl->generation == g && !is_done(pl, g);
}

static int
count_places(const struct master *m, const struct generation *g,
    bool (*is)(const struct place *, const struct generation *))
{
	int i, n = 0;

	for (i = 0; i < m->nplaces; i++)
		n += is(&m->places[i], g);
	return n;
}

/* Has nothing come of it for too long? Forks that fail are the usual reason. */
static bool
is_stalled(struct master *m)
{
	struct roll *r = &m->roll;
	const struct generation *g = wanted(r);
	int done = count_places(m, g, is_done);

	/* Children that come and go are no progress, only more of them are. */
	if (done > r->progress) {
		r->progress = done;
		r->progress_ns = mono_ns();
	}
	return seconds_since(r->progress_ns) > g->conf.start_timeout +
	    g->conf.prove + (double)STALL_MARGIN_NS / (double)NSEC_PER_SEC;
}

/* Give the next places, within the surge, a child of the wanted generation. */
static void
replace_some(struct master *m)
{
	struct roll *r = &m->roll;
	struct generation *g = wanted(r);
	int i,
	    room = policy_surge(m->nplaces) - count_places(m, g, is_under_way);

	for (i = 0; i < m->nplaces && room > 0; i++) {
		struct place *pl = &m->places[i];

		if (is_done(pl, g) || is_under_way(pl, g))
			continue;
		place_replace(pl, g, r->reason, false);
		room--;
	}
}

static void
stall(struct master *m)
{
	struct err err;

	(void)err_set(&err, EXIT_RUNTIME,
	    "no new child was ready within start-timeout%s%s",
	    m->fork_error.text[0] != '\0' ? ": " : "", m->fork_error.text);
	roll_undo(m, &err);
}

/* ---- the phases ---- */

static struct proc *
canary_of(const struct master *m)
{
	const struct place *pl = &m->places[0];
	struct proc *p = pl->successor != NULL ? pl->successor : pl->incumbent;

	return p != NULL && p->generation == m->roll.to ? p : NULL;
}

/* It initialised, and its loop turned for long enough. While nobody serves,
 * clients would have to wait for the proof. */
static bool
is_proven(const struct proc *p)
{
	double prove = p->generation->conf.prove;

	if (p->state == PROC_READY)
		return true;
	if (p->state != PROC_PREPARED)
		return false;
	return prove <= 0 || master_accepting(p->master) == 0 ||
	    (seconds_since(p->prepared_ns) >= prove && watch_is_beating(p));
}

static void
step_proving(struct master *m)
{
	struct proc *p = canary_of(m);

	if (p != NULL && is_proven(p)) {
		m->places[0].holds = false;
		set_phase(m, ROLL_ROLLING);
		listener_leave(m, m->roll.to);
		if (p->is_held)
			proc_start(p);
	} else if (is_stalled(m)) {
		stall(m);
	}
}

static void
serve_generation(struct master *m, struct generation *g)
{
	m->generation = g;
	m->conf = &g->conf;
	/* The balance may be another one. */
	listener_steer_all(m);
}

static void
step_rolling(struct master *m)
{
	struct roll *r = &m->roll;

	if (count_places(m, r->to, is_done) < m->nplaces) {
		replace_some(m);
		if (is_stalled(m))
			stall(m);
		return;
	}
	serve_generation(m, r->to);
	set_phase(m, ROLL_WATCHING);
}

static void
step_watching(struct master *m)
{
	if (seconds_since(m->roll.since_ns) >= m->roll.to->conf.commit)
		roll_commit(m);
}

/* Whatever becomes of a place: its next child is one of this generation. */
static void
set_all_places(struct master *m, struct generation *g)
{
	int i;

	for (i = 0; i < m->nplaces; i++)
		m->places[i].generation = g;
}

static void
step_undoing(struct master *m)
{
	struct roll *r = &m->roll;

	if (count_places(m, r->from, is_done) < m->nplaces) {
		replace_some(m);
		if (!is_stalled(m))
			return;
		/* Those that failed are tried again as after any crash; the
		 * new children go on where they serve. */
		log_error("generation %u: could not be brought back to every "
			  "place",
		    r->from->number);
		set_all_places(m, r->from);
	}
	set_phase(m, ROLL_UNDONE);
}

static void
forget(struct roll *r)
{
	r->phase = ROLL_IDLE;
	r->from = r->to = NULL;
}

enum roll_phase
roll_step(struct master *m)
{
	static void (*const steps[ROLL_NPHASES])(struct master *) = {
		[ROLL_PROVING] = step_proving,
		[ROLL_ROLLING] = step_rolling,
		[ROLL_WATCHING] = step_watching,
		[ROLL_UNDOING] = step_undoing,
	};
	struct roll *r = &m->roll;
	enum roll_phase before, phase;

	do {
		before = r->phase;
		if (steps[before] != NULL)
			steps[before](m);
		/* Whoever called has things to do before it is watched. */
	} while (r->phase != before && r->phase != ROLL_WATCHING);
	phase = r->phase;
	if (phase == ROLL_COMMITTED || phase == ROLL_UNDONE)
		forget(r);
	return phase;
}

void
roll_begin(struct master *m, struct generation *to, enum ctl_reason reason)
{
	struct roll *r = &m->roll;
	int i;

	*r = (struct roll){
		.phase = ROLL_IDLE,
		.from = m->generation,
		.to = to,
		.reason = reason,
	};
	set_phase(m, ROLL_PROVING);
	/* Whatever replacement is under way: this one does it too. */
	for (i = 0; i < m->nplaces; i++)
		place_keep(&m->places[i]);
	place_replace(&m->places[0], to, reason, to->conf.prove > 0);
}

void
roll_commit(struct master *m)
{
	if (m->roll.phase != ROLL_WATCHING)
		return;
	set_phase(m, ROLL_COMMITTED);
	listener_commit(m);
}

/* An untouched place needs nothing; where an old child drains, or nobody
 * serves, going back does not wait for its turn. */
static void
turn_back(struct place *pl, const struct roll *r)
{
	pl->holds = false;
	if (pl->generation != r->to)
		return;
	if (pl->incumbent != NULL && pl->incumbent->generation == r->from) {
		place_keep(pl);
		pl->generation = r->from;
	} else if (pl->incumbent == NULL ||
	    place_veteran(pl, r->from) != NULL) {
		place_replace(pl, r->from, r->reason, false);
	}
}

void
roll_undo(struct master *m, const struct err *why)
{
	struct roll *r = &m->roll;
	int i;

	if (upgrade_goes_back(m, why))
		return;
	r->why = *why;
	log_error("generation %u: %s; going back to generation %u",
	    r->to->number, why->text, r->from->number);
	set_phase(m, ROLL_UNDOING);
	serve_generation(m, r->from);
	listener_revert(m);
	for (i = 0; i < m->nplaces; i++)
		turn_back(&m->places[i], r);
	master_on_change(m);
}

/* Killed from outside: it says nothing about the generation. */
static bool
is_outsiders(const struct proc *p)
{
	int sig = WIFSIGNALED(p->wait_status) ? WTERMSIG(p->wait_status) : 0;

	return !p->is_killed && !p->is_hung &&
	    (sig == SIGKILL || sig == SIGTERM);
}

void
roll_on_death(struct master *m, const struct proc *p)
{
	struct roll *r = &m->roll;
	char words[64];
	struct err err;

	if (p->generation != r->to || r->phase < ROLL_PROVING ||
	    r->phase > ROLL_WATCHING || proc_has_left(p) || is_outsiders(p))
		return;
	(void)err_set(&err, EXIT_RUNTIME, "%s: %s", p->place->name,
	    p->last_words[0] != '\0'
		? p->last_words
		: spawn_words(p->wait_status, words, sizeof(words)));
	roll_undo(m, &err);
}

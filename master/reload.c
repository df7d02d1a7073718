/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reload.c: a new generation from the files as they are now. Runs in the
 * master, which sees only what the unprivileged checker made of them. Until
 * roll.c begins, nothing has changed; from then on roll.c knows the way back.
 */
#include "master/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "master/checkrun.h"
#include "master/daemon.h"
#include "master/logs.h"
#include "master/master.h"

static void
fail(struct master *m, const struct err *err, char *report)
{
	struct reload *r = &m->reload;

	r->next = NULL;
	op_end(m, OP_FAILED, err, report);
	generation_sweep(m);
}

/* ---- what cannot change while the server runs ---- */

static bool
differs(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a != b : strcmp(a, b) != 0;
}

static int
check_fixed(const struct conf *old, const struct conf *new, struct err *err)
{
	const struct {
		const char *key, *old, *new;
	} fixed[] = {
		{ "pid-file", old->pid_file, new->pid_file },
		{ "control", old->control, new->control },
		{ "admin", old->admin, new->admin },
	};
	size_t i;

	for (i = 0; i < nitems(fixed); i++) {
		if (!differs(fixed[i].old, fixed[i].new))
			continue;
		err_set(err, EXIT_BAD_CONFIG,
		    "%s cannot change at a reload: it is %.128s", fixed[i].key,
		    fixed[i].old != NULL ? fixed[i].old : "not set");
		return err_hint(err,
		    "stop the server and start it again for that, or set it "
		    "back");
	}
	return 0;
}

int
reload_check(const struct master *m, const struct checkrun_result *result,
    struct err *err)
{
	struct conf conf;
	int rc;

	conf_init(&conf);
	rc = conf_parse(&conf, result->text, result->len, err);
	conf.is_daemon = m->conf->is_daemon;
	if (rc == 0 && conf.is_daemon)
		rc = daemon_leave_folder(&conf, err);
	if (rc == 0)
		rc = check_fixed(m->conf, &conf, err);
	conf_free(&conf);
	return rc;
}

/* ---- the steps ---- */

/* The checker's text becomes a configuration, as at the start. */
static int
take_text(struct master *m, const struct checkrun_result *result,
    struct err *err)
{
	struct conf conf;

	conf_init(&conf);
	if (conf_parse(&conf, result->text, result->len, err) == -1)
		goto bad;
	conf.is_daemon = m->conf->is_daemon;
	if (conf.is_daemon && daemon_leave_folder(&conf, err) == -1)
		goto bad;
	if (check_fixed(m->conf, &conf, err) == -1 ||
	    logs_check(m->conf, &conf, err) == -1)
		goto bad;
	m->reload.next = generation_new(m, &conf);
	if (m->reload.next != NULL)
		return 0;
	return err_set(err, EXIT_SYSTEM, "no memory for a generation");
bad:
	conf_free(&conf);
	return -1;
}

static void
step_checking(struct master *m)
{
	struct reload *r = &m->reload;
	struct checkrun_result *result = &r->run->result;
	char *report = NULL;
	struct err err;

	if (!r->run->is_done)
		return;
	if (result->report != NULL && result->report[0] != '\0')
		report = strdup(result->report);
	err = result->err;
	if (result->text == NULL || take_text(m, result, &err) == -1) {
		checkrun_free(&r->run);
		fail(m, &err, report);
		return;
	}
	free(report);
	checkrun_free(&r->run);
	generation_warn(&r->next->conf);
	r->phase = RELOAD_WAITING;
}

/* Old generations that drain are not cut for the next one's sake: it waits
 * until one is gone, at the latest at its drain-timeout. So it does until what
 * the last one left is closed: the next may want the address again. */
static void
step_waiting(struct master *m)
{
	struct reload *r = &m->reload;
	struct err err;

	if (generation_count_old(m) >= m->conf->max_old_generations ||
	    listener_is_closing(m))
		return;
	if (listener_open_all(m, r->next, &err) == -1) {
		if (err.sys == EADDRINUSE)
			holder_name(&m->busy, m->busy_is_udp, &err);
		fail(m, &err, NULL);
		return;
	}
	log_set_format(r->next->conf.log_format);
	r->phase = RELOAD_ROLLING;
	r->places_before = m->nplaces;
	roll_begin(m, r->next, CTL_RELOAD);
}

static void
end_undone(struct master *m)
{
	struct reload *r = &m->reload;
	const struct err why = m->roll.why;

	m->rollbacks++;
	log_set_format(m->conf->log_format);
	logs_follow(m, &r->next->conf, m->conf);
	/* Whoever asked for a number since then has the last word. */
	if (m->nplaces != r->places_before &&
	    m->ops.pending[OP_SCALE].ticket == 0)
		(void)op_ask(m, OP_SCALE, r->places_before);
	fail(m, &why, NULL);
}

/* Every place has a child of it: the rest of what is configured follows. */
static void
step_rolling(struct master *m)
{
	struct reload *r = &m->reload;

	switch (roll_step(m)) {
	case ROLL_UNDONE:
		end_undone(m);
		break;
	case ROLL_WATCHING:
		logs_follow(m, &m->roll.from->conf, m->conf);
		scale_start(m, scale_wanted(m, m->roll.from, m->roll.to));
		r->phase = RELOAD_RESIZING;
		break;
	default:
		break;
	}
}

static void
step_resizing(struct master *m)
{
	struct reload *r = &m->reload;
	struct err err;

	if (m->roll.phase == ROLL_UNDOING) {
		scale_undo(m);
		r->phase = RELOAD_ROLLING;
		return;
	}
	switch (scale_go_on(m, &err)) {
	case SCALE_FAILED:
		roll_undo(m, &err);
		r->phase = RELOAD_ROLLING;
		break;
	case SCALE_DONE:
		m->reloads++;
		log_info("generation %u serves", m->generation->number);
		r->phase = RELOAD_WATCHING;
		op_set_watched(m, true);
		break;
	case SCALE_UNDER_WAY:
		break;
	}
}

static void
step_watching(struct master *m)
{
	struct reload *r = &m->reload;

	switch (roll_step(m)) {
	case ROLL_UNDOING:
		op_set_watched(m, false);
		r->phase = RELOAD_ROLLING;
		break;
	case ROLL_UNDONE:
		end_undone(m);
		break;
	case ROLL_COMMITTED:
		r->next = NULL;
		op_end(m, OP_DONE, NULL, NULL);
		generation_sweep(m);
		break;
	default:
		break;
	}
}

void
reload_step(struct master *m)
{
	static void (*const steps[])(struct master *) = {
		[RELOAD_CHECKING] = step_checking,
		[RELOAD_WAITING] = step_waiting,
		[RELOAD_ROLLING] = step_rolling,
		[RELOAD_RESIZING] = step_resizing,
		[RELOAD_WATCHING] = step_watching,
	};
	enum reload_phase before;

	do {
		before = m->reload.phase;
		steps[before](m);
	} while (m->reload.phase != before && m->ops.ticket != 0 &&
	    m->ops.kind == OP_RELOAD);
}

void
reload_begin(struct master *m, int target)
{
	struct err err;

	(void)target;
	m->reload = (struct reload){ .phase = RELOAD_CHECKING };
	m->reload.run = checkrun_new(m);
	if (m->reload.run != NULL)
		return;
	(void)err_set(&err, EXIT_SYSTEM, "no memory to check with");
	fail(m, &err, NULL);
}

void
reload_commit(struct master *m)
{
	roll_commit(m);
	step_watching(m);
}

void
reload_cancel(struct master *m)
{
	checkrun_free(&m->reload.run);
	scale_cancel(m);
	m->reload.next = NULL;
}

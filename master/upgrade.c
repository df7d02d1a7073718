/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * upgrade.c: the master becomes another build of itself and, when that is no
 * good, itself again. Children serve all along: they notice nothing but that
 * each is replaced when its successor is READY. An image that can go on with
 * the state and then dies as the master is beyond help.
 */
#include "master/upgrade.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/master.h"
#include "master/state.h"
#include "master/trial.h"

/* What the new image says to the old one that it calls back. */
#define REASON_NAME "TINE_UPGRADE_ERROR"
#define OPTION_LETTERS 64

extern char **environ;

/* ---- from image to image ---- */

/* Our arguments with one more; to be freed, the texts are not copied. */
static char **
with_option(char *const *argv, char *option)
{
	size_t n = 0;
	char **all;

	while (argv[n] != NULL)
		n++;
	all = calloc(n + 2, sizeof(char *));
	if (all == NULL)
		return NULL;
	all[0] = argv[0];
	all[1] = option;
	(void)memcpy(&all[2], &argv[1], (n - 1) * sizeof(char *));
	return all;
}

static int
save_sealed(const struct master *m, struct field_fds *fds, struct err *err)
{
	struct tlv_writer w;
	int fd;

	tlv_writer_init(&w);
	state_save(m, &w, fds);
	fd = tlv_seal(&w, "tine-state", err);
	tlv_writer_fini(&w);
	return fd;
}

/* Become the program fd, with the state as it is; returns only when that
 * failed. */
static int
become(struct master *m, int fd, int way_back, struct err *err)
{
	char option[OPTION_LETTERS];
	struct field_fds fds = { .n = 0 };
	char **argv = with_option(m->argv, option);
	int state = save_sealed(m, &fds, err);
	struct binary_image image = {
		.name = m->binary.path,
		.fd = fd,
		.argv = argv,
		.envp = environ,
	};

	field_fds_add(&fds, state);
	field_fds_add(&fds, way_back);
	if (state != -1 && (argv == NULL || fds.has_failed)) {
		(void)err_set(err, EXIT_SYSTEM, "no memory to change over");
	} else if (state != -1) {
		(void)snprintf(option, sizeof(option), "%s%d,%d",
		    UPGRADE_OPTION, state, way_back);
		image.keep = fds.fds;
		image.nkeep = fds.n;
		/* Only who calls back has a reason to give. */
		(void)unsetenv(REASON_NAME);
		(void)binary_exec(&image, err);
	}
	closefd(&state);
	field_fds_fini(&fds);
	free(argv);
	return -1;
}

/* ---- the operation in the old image ---- */

static void
let_go(struct upgrade *u)
{
	trial_free(&u->trial);
	closefd(&u->file);
	closefd(&u->state);
	closefd(&u->way_back);
	u->phase = UPGRADE_IDLE;
}

static void
fail(struct master *m, const struct err *err)
{
	const struct err why = *err;

	let_go(&m->upgrade);
	op_end(m, OP_FAILED, &why, NULL);
	generation_sweep(m);
}

static void
on_tried(struct trial *t)
{
	master_on_change(t->data);
}

static int
begin_trial(struct master *m, struct err *err)
{
	struct upgrade *u = &m->upgrade;
	struct field_fds fds = { .n = 0 };
	struct trial_subject subject = {
		.name = m->binary.path,
		.argv = m->argv,
		.envp = environ,
	};

	if (m->binary.fd == -1)
		return err_set(err, EXIT_RUNTIME,
		    "the running binary could not be opened at the start, so "
		    "there would be no way back");
	subject.binary = u->file = binary_open(&m->binary, err);
	if (u->file == -1)
		return -1;
	subject.state = u->state = save_sealed(m, &fds, err);
	field_fds_fini(&fds);
	if (u->state == -1)
		return -1;
	u->trial = trial_new(m->loop, &subject, on_tried, m, err);
	return u->trial == NULL ? -1 : trial_fork(u->trial, err);
}

void
upgrade_begin(struct master *m, int target)
{
	struct upgrade *u = &m->upgrade;
	struct err err;

	(void)target;
	*u = (struct upgrade){
		.phase = UPGRADE_TRYING,
		.file = -1,
		.state = -1,
		.way_back = -1,
	};
	if (begin_trial(m, &err) == -1)
		fail(m, &err);
}

static void
step_trying(struct master *m)
{
	struct upgrade *u = &m->upgrade;

	if (!u->trial->is_done)
		return;
	if (!u->trial->is_good) {
		fail(m, &u->trial->err);
		return;
	}
	/* As for a reload: nobody who drains is cut for its sake, and what was
	 * left is closed first, for the next image would not know of it. */
	if (generation_count_old(m) >= m->conf->max_old_generations ||
	    listener_is_closing(m))
		return;
	log_info("becoming tine %s", u->trial->version);
	trial_free(&u->trial);
	closefd(&u->state);
	u->phase = UPGRADE_LEAVING;
}

/* ---- in the new image, and in the old one again ---- */

static void
end_undone(struct master *m)
{
	m->rollbacks++;
	fail(m, &m->upgrade.why);
}

static void
step_rolling(struct master *m)
{
	struct upgrade *u = &m->upgrade;

	switch (roll_step(m)) {
	case ROLL_WATCHING:
		m->upgrades++;
		log_info("tine %s serves as generation %u", TINE_VERSION,
		    m->generation->number);
		u->phase = UPGRADE_WATCHING;
		op_set_watched(m, true);
		break;
	case ROLL_UNDONE:
		end_undone(m);
		break;
	default:
		break;
	}
}

static void
step_watching(struct master *m)
{
	if (roll_step(m) != ROLL_COMMITTED)
		return;
	let_go(&m->upgrade);
	op_end(m, OP_DONE, NULL, NULL);
	generation_sweep(m);
}

static void
step_undoing(struct master *m)
{
	if (roll_step(m) == ROLL_UNDONE)
		end_undone(m);
}

void
upgrade_step(struct master *m)
{
	static void (*const steps[UPGRADE_NPHASES])(struct master *) = {
		[UPGRADE_TRYING] = step_trying,
		[UPGRADE_ROLLING] = step_rolling,
		[UPGRADE_WATCHING] = step_watching,
		[UPGRADE_UNDOING] = step_undoing,
	};
	enum upgrade_phase before;

	do {
		before = m->upgrade.phase;
		if (steps[before] != NULL)
			steps[before](m);
	} while (m->upgrade.phase != before);
}

void
upgrade_commit(struct master *m)
{
	roll_commit(m);
	step_watching(m);
}

void
upgrade_cancel(struct master *m)
{
	let_go(&m->upgrade);
}

bool
upgrade_goes_back(struct master *m, const struct err *why)
{
	struct upgrade *u = &m->upgrade;

	if (u->phase == UPGRADE_RETURNING)
		return true;
	if ((u->phase != UPGRADE_ROLLING && u->phase != UPGRADE_WATCHING) ||
	    u->way_back == -1)
		return false;
	u->why = *why;
	u->phase = UPGRADE_RETURNING;
	/* What waits must not take it for done. */
	op_set_watched(m, false);
	master_on_change(m);
	return true;
}

/* ---- between two turns of the loop ---- */

static void
leave(struct master *m)
{
	struct err err;

	(void)become(m, m->upgrade.file, m->binary.fd, &err);
	fail(m, &err);
}

/* Undo it here: the binary before is out of reach. */
static void
stay(struct master *m, const struct err *why)
{
	struct upgrade *u = &m->upgrade;

	log_error("%s; this binary goes on with the old configuration",
	    why->text);
	closefd(&u->way_back);
	u->phase = UPGRADE_UNDOING;
	roll_undo(m, &u->why);
}

static void
go_back(struct master *m)
{
	struct err err;

	log_info("going back to the binary before");
	/* It knows its own generation for sure. */
	m->generation = m->roll.from;
	m->conf = &m->generation->conf;
	(void)become(m, m->upgrade.way_back, m->binary.fd, &err);
	stay(m, &err);
}

void
upgrade_change_over(struct master *m)
{
	static void (*const ways[UPGRADE_NPHASES])(struct master *) = {
		[UPGRADE_LEAVING] = leave,
		[UPGRADE_RETURNING] = go_back,
	};
	sigset_t all, old;

	if (ways[m->upgrade.phase] == NULL)
		return;
	/* A signal that comes from here on waits for the next image. One that
	 * was caught and not acted upon would be lost with the loop. */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &old);
	(void)ev_run(m->loop, EVRUN_NOWAIT);
	if (ways[m->upgrade.phase] != NULL)
		ways[m->upgrade.phase](m);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	master_on_change(m);
}

/* ---- arriving ---- */

void
upgrade_drop_option(int *argc, char **argv)
{
	int i;

	free(argv[1]);
	for (i = 1; i < *argc; i++)
		argv[i] = argv[i + 1];
	(*argc)--;
}

bool
upgrade_is_resuming(int *argc, char **argv, int *state, int *way_back)
{
	if (*argc < 2 ||
	    strncmp(argv[1], UPGRADE_OPTION, strlen(UPGRADE_OPTION)) != 0 ||
	    sscanf(argv[1] + strlen(UPGRADE_OPTION), "%d,%d", state,
		way_back) != 2)
		return false;
	upgrade_drop_option(argc, argv);
	return true;
}

int
upgrade_call_back(struct master *m, int state, int way_back, struct err *err)
{
	char option[OPTION_LETTERS];
	char **argv = with_option(m->argv, option);
	struct binary_image image = {
		.name = "the binary before",
		.fd = way_back,
		.argv = argv,
	};
	struct err failure;

	if (m->loop != NULL)
		master_abandon(m);
	binary_fini(&m->binary);
	if (way_back == -1)
		return -1;
	if (argv == NULL || setenv(REASON_NAME, err->text, 1) == -1)
		return err_prefix(err, "no memory to go back, and");
	/* Everything that was handed to us is still open for the next. */
	(void)fcntl(way_back, F_SETFD, FD_CLOEXEC);
	/* setenv() has made another one. */
	image.envp = environ;
	(void)snprintf(option, sizeof(option), "%s%d,-1", UPGRADE_OPTION,
	    state);
	(void)binary_exec(&image, &failure);
	return err_prefix(err, "%s, and", failure.text);
}

/* The same configuration, served by what we are now. */
static int
roll_over(struct master *m, struct err *err)
{
	struct generation *g = generation_copy(m, m->generation);

	if (g == NULL)
		return err_set(err, EXIT_SYSTEM, "no memory for a generation");
	roll_begin(m, g, CTL_UPGRADE);
	m->upgrade.phase = UPGRADE_ROLLING;
	return 0;
}

/* Back again: the new children go. reason: why the binary before could not go
 * on, and we are the new one; or NULL. */
static int
go_on_undoing(struct master *m, const char *reason)
{
	struct upgrade *u = &m->upgrade;
	struct err err;

	if (reason != NULL) {
		(void)err_set(&err, EXIT_RUNTIME,
		    "the binary before cannot go on: %.400s", reason);
		stay(m, &err);
		return 0;
	}
	log_info("back again");
	closefd(&u->way_back);
	u->phase = UPGRADE_UNDOING;
	roll_undo(m, &u->why);
	return 0;
}

static int
go_on(struct master *m, const char *reason, struct err *err)
{
	struct upgrade *u = &m->upgrade;

	m->roll.since_ns = m->roll.progress_ns = mono_ns();
	if (m->ops.ticket == 0 || m->ops.kind != OP_UPGRADE)
		return err_set(err, EXIT_SYSTEM, "the state has no upgrade");
	if (u->phase == UPGRADE_RETURNING && m->roll.phase != ROLL_IDLE)
		return go_on_undoing(m, reason);
	if (u->phase != UPGRADE_LEAVING)
		return err_set(err, EXIT_SYSTEM,
		    "the state is not that of an upgrade");
	if (reason == NULL)
		return roll_over(m, err);
	(void)err_set(err, EXIT_RUNTIME, "the new binary: %.400s", reason);
	fail(m, err);
	return 0;
}

/* The reason that the image before us gave, if it called us back; or NULL. */
static char *
take_reason(void)
{
	const char *reason = getenv(REASON_NAME);
	char *copy = reason != NULL ? strdup(reason) : NULL;

	(void)unsetenv(REASON_NAME);
	return copy;
}

int
upgrade_resume(struct master *m, int state, int way_back, struct err *err)
{
	struct tlv_record record;
	char *reason = take_reason();
	int rc;

	m->upgrade.way_back = way_back;
	/* Commands that wait look at it. */
	master_set_state(m, MASTER_UPGRADING);
	rc = tlv_open(&record, state, err);
	if (rc == 0) {
		rc = state_load(m, &record, false, err);
		tlv_close(&record);
	}
	if (rc == 0)
		rc = go_on(m, reason, err);
	free(reason);
	if (rc == -1)
		return upgrade_call_back(m, state, way_back, err);
	closefd(&state);
	/* Also what this build did not know what to do with. */
	(void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	signals_release();
	/* What the image before us heard of deaths may have been lost. */
	ev_feed_signal(SIGCHLD);
	return 0;
}

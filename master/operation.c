/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * operation.c: the order of operations and what became of them. Runs in the
 * master. How each is done is the matter of its own file: reload.c, scale.c,
 * upgrade.c.
 */
#include "master/operation.h"

#include <stdlib.h>
#include <string.h>

#include "master/master.h"
#include "master/upgrade.h"

const char *const op_kind_names[OP_NKINDS] = {
	[OP_RELOAD] = "reload",
	[OP_SCALE] = "scale",
	[OP_UPGRADE] = "upgrade",
};

/* begin and step may end the operation by op_end(). */
static const struct {
	enum master_state state;
	void (*begin)(struct master *, int target);
	void (*step)(struct master *);
	/* It is watched, and another waits. */
	void (*commit)(struct master *);
	/* The server stops: let go of what is under way. */
	void (*cancel)(struct master *);
} kinds[OP_NKINDS] = {
	[OP_RELOAD] = { MASTER_RELOADING, reload_begin, reload_step,
	    reload_commit, reload_cancel },
	[OP_SCALE] = { MASTER_SCALING, scale_begin, scale_step, NULL,
	    scale_cancel },
	[OP_UPGRADE] = { MASTER_UPGRADING, upgrade_begin, upgrade_step,
	    upgrade_commit, upgrade_cancel },
};

/* Numbers go round, but 0 is none. */
static uint32_t
next_ticket(struct operations *ops)
{
	if (++ops->last_ticket == 0)
		ops->last_ticket = 1;
	return ops->last_ticket;
}

/* Does a child still live whose end belongs to this operation? */
static bool
has_leaving(const struct master *m, uint32_t ticket)
{
	const struct proc *p;

	TAILQ_FOREACH(p, &m->procs, entry)
		if (p->drain_ticket == ticket && p->state != PROC_DEAD)
			return true;
	return false;
}

/* The oldest that nobody can be waiting for. */
static struct op_result *
next_result(struct master *m)
{
	struct operations *ops = &m->ops;
	struct op_result *r = NULL;
	size_t i;

	for (i = 0; i < OP_RESULTS_MAX; i++) {
		r = &ops->results[ops->nresults++ % OP_RESULTS_MAX];
		if (r->ticket == 0 || !has_leaving(m, r->ticket))
			break;
	}
	return r;
}

static void
keep_result(struct master *m, uint32_t ticket, enum op_verdict verdict,
    const struct err *err, char *report)
{
	struct op_result *r = next_result(m);

	free(r->report);
	*r = (struct op_result){
		.ticket = ticket,
		.verdict = verdict,
		.report = report,
	};
	if (err != NULL)
		r->err = *err;
}

static void
refuse(struct master *m, uint32_t ticket)
{
	struct err err;

	(void)err_set(&err, EXIT_RUNTIME, "the server is stopping");
	keep_result(m, ticket, OP_FAILED, &err, NULL);
}

/* A stop overrides all, also while it is delayed and all goes on. */
static bool
may_operate(const struct master *m)
{
	return master_is_serving(m) && m->state < MASTER_STOPPING;
}

uint32_t
op_ask(struct master *m, enum op_kind kind, int target)
{
	struct operations *ops = &m->ops;
	uint32_t ticket = ops->pending[kind].ticket;

	if (ticket == 0)
		ticket = next_ticket(ops);
	if (!may_operate(m)) {
		refuse(m, ticket);
		return ticket;
	}
	ops->pending[kind].ticket = ticket;
	ops->pending[kind].target = target;
	master_on_change(m);
	return ticket;
}

int
op_wanted_children(const struct master *m)
{
	const struct operations *ops = &m->ops;

	if (ops->pending[OP_SCALE].ticket != 0)
		return ops->pending[OP_SCALE].target;
	if (ops->ticket != 0 && ops->kind == OP_SCALE)
		return m->scale.target;
	return m->nplaces;
}

enum op_verdict
op_verdict(const struct master *m, uint32_t ticket,
    const struct op_result **result)
{
	size_t i;

	*result = NULL;
	for (i = 0; i < OP_RESULTS_MAX; i++)
		if (m->ops.results[i].ticket == ticket)
			*result = &m->ops.results[i];
	if (*result == NULL || has_leaving(m, ticket))
		return OP_UNDECIDED;
	return (*result)->verdict;
}

static void
log_verdict(const struct operations *ops, enum op_verdict verdict,
    const struct err *err)
{
	const char *name = op_kind_names[ops->kind];

	if (verdict == OP_DONE)
		log_info("%s: done", name);
	else if (err != NULL)
		log_error("%s failed: %s%s%s", name, err->text,
		    err->hint[0] != '\0' ? "; " : "", err->hint);
}

void
op_end(struct master *m, enum op_verdict verdict, const struct err *err,
    char *report)
{
	struct operations *ops = &m->ops;

	log_verdict(ops, verdict, err);
	if (verdict == OP_FAILED && err != NULL)
		(void)err_set(&m->last_error, err->code, "%s failed: %s",
		    op_kind_names[ops->kind], err->text);
	keep_result(m, ops->ticket, verdict, err, report);
	op_set_watched(m, true);
	ops->ticket = 0;
	ops->is_watched = false;
	master_on_change(m);
}

void
op_set_watched(struct master *m, bool is_watched)
{
	struct operations *ops = &m->ops;
	enum master_state to =
	    is_watched ? MASTER_RUNNING : kinds[ops->kind].state;

	ops->is_watched = is_watched;
	if (m->state != to && m->state != MASTER_STOPPING)
		master_set_state(m, to);
}

/* The kind that has waited longest, or OP_NKINDS. */
static enum op_kind
oldest_pending(const struct operations *ops)
{
	enum op_kind kind, oldest = OP_NKINDS;

	for (kind = 0; kind < OP_NKINDS; kind++)
		if (ops->pending[kind].ticket != 0 &&
		    (oldest == OP_NKINDS ||
			(int32_t)(ops->pending[kind].ticket -
			    ops->pending[oldest].ticket) < 0))
			oldest = kind;
	return oldest;
}

static void
begin(struct master *m, enum op_kind kind)
{
	struct operations *ops = &m->ops;
	int target = ops->pending[kind].target;

	ops->ticket = ops->pending[kind].ticket;
	ops->kind = kind;
	ops->pending[kind].ticket = 0;
	master_set_state(m, kinds[kind].state);
	m->min_accepting = master_accepting(m);
	kinds[kind].begin(m, target);
}

void
op_step(struct master *m)
{
	struct operations *ops = &m->ops;
	enum op_kind next;

	/* The first generation comes first. */
	if (!may_operate(m) || m->state == MASTER_STARTING)
		return;
	for (;;) {
		if (ops->ticket != 0)
			kinds[ops->kind].step(m);
		next = oldest_pending(ops);
		if (next == OP_NKINDS || (ops->ticket != 0 && !ops->is_watched))
			return;
		if (ops->ticket != 0)
			kinds[ops->kind].commit(m);
		begin(m, next);
	}
}

void
op_cancel_all(struct master *m)
{
	struct operations *ops = &m->ops;
	enum op_kind kind;

	if (ops->ticket != 0) {
		kinds[ops->kind].cancel(m);
		refuse(m, ops->ticket);
		ops->ticket = 0;
		ops->is_watched = false;
	}
	for (kind = 0; kind < OP_NKINDS; kind++) {
		if (ops->pending[kind].ticket != 0)
			refuse(m, ops->pending[kind].ticket);
		ops->pending[kind].ticket = 0;
	}
}

void
op_fini(struct master *m)
{
	size_t i;

	for (i = 0; i < OP_RESULTS_MAX; i++)
		free(m->ops.results[i].report);
}

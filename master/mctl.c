/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mctl.c: the master's end of the control channels. All that a child says is
 * hostile: shape by ctl.c, state and rate here. No message carries anything
 * that is used as an index, length, pid or descriptor.
 */
#include <errno.h>
#include <string.h>

#include "master/logs.h"
#include "master/master.h"

#define MESSAGES_PER_TURN 16 /* so that no child can starve the master */
#define MESSAGES_PER_SEC 20  /* an honest child has reason for two or three */
#define MESSAGES_LEFT 512    /* read of a dead child's channel, at most */

static void
on_prepared(struct proc *p, const struct ctl_msg *msg)
{
	(void)msg;
	if (p->state == PROC_DRAINING)
		return; /* crossed our STOP */
	p->prepared_ns = mono_ns();
	proc_set_state(p, PROC_PREPARED);
	if (!p->is_held)
		proc_start(p);
	master_on_change(p->master);
}

static void
on_ready(struct proc *p, const struct ctl_msg *msg)
{
	(void)msg;
	proc_on_ready(p);
}

/* A child that repeats itself does not fill the log. */
static bool
may_report(struct proc *p)
{
	char more[64];
	unsigned missed;

	if (!log_limit_pass(&p->master->gossip_log, &missed))
		return false;
	if (missed > 0)
		log_warn("children said more than is shown here%s",
		    log_print_missed(missed, more, sizeof(more)));
	return true;
}

/* Connections that the end of its drain closed. */
static uint32_t
count_cut(struct proc *p, const struct ctl_msg *msg)
{
	uint32_t cut = MIN_OF(msg->body.drained.cut, 1U << 20);

	if (!proc_is_extra(p))
		p->master->cut += cut;
	return cut;
}

static void
on_drained(struct proc *p, const struct ctl_msg *msg)
{
	uint32_t cut;

	/* Said again and again it must not put the end off, nor count more. */
	if (p->has_drained)
		return;
	cut = count_cut(p, msg);
	if (cut > 0 && may_report(p))
		log_warn("%s (pid %ld): %u connection%s cut at the end of "
			 "its drain",
		    p->place->name, (long)p->pid, (unsigned)cut,
		    cut == 1 ? "" : "s");
	proc_on_drained(p);
}

static void
on_logs_ok(struct proc *p, const struct ctl_msg *msg)
{
	logs_on_ok(p, msg->body.logs_ok.change);
}

static void
set_sick(struct proc *p, bool is_sick)
{
	if (p->is_sick == is_sick)
		return;
	p->is_sick = is_sick;
	master_on_change(p->master);
}

static void
on_sick(struct proc *p, const struct ctl_msg *msg)
{
	if (!p->is_sick && may_report(p))
		log_warn("%s (pid %ld): cannot accept: %s", p->place->name,
		    (long)p->pid, strerror(msg->body.sick.code));
	set_sick(p, true);
}

static void
on_well(struct proc *p, const struct ctl_msg *msg)
{
	(void)msg;
	set_sick(p, false);
}

static void
on_recycle(struct proc *p, const struct ctl_msg *msg)
{
	uint32_t why = MIN_OF(msg->body.why.reason, CTL_NREASONS - 1);

	if (p->state == PROC_DRAINING || !master_is_serving(p->master))
		return; /* DRAIN is under way */
	if (p == p->place->incumbent && p->state == PROC_READY &&
	    place_recycle(p->place, CTL_RECYCLED))
		log_info("%s (pid %ld): asks to be replaced: %s",
		    p->place->name, (long)p->pid, ctl_reason_names[why]);
	/* However long its successor takes: it is to go on until DRAIN. */
	proc_tell(p, CTL_RESUME);
}

static void
keep_last_words(struct proc *p, const struct ctl_msg *msg)
{
	(void)log_escape(p->last_words, sizeof(p->last_words), msg->body.text,
	    strnlen(msg->body.text, msg->head.length));
}

static void
on_shutdown(struct proc *p, const struct ctl_msg *msg)
{
	keep_last_words(p, msg);
	log_info("%s (pid %ld): a handler stops the server: %s", p->place->name,
	    (long)p->pid, p->last_words);
	/* A crash that follows is not what it wanted to say. */
	p->last_words[0] = '\0';
	if (p->master->state != MASTER_STOPPING)
		stop_begin(p->master, false);
}

static void
on_ask(struct proc *p, const struct ctl_msg *msg)
{
	(void)msg;
	admin_on_ask(p);
}

#ifdef TINE_SKEW
static void
on_skewed(struct proc *p, const struct ctl_msg *msg)
{
	(void)p;
	(void)msg;
}
#endif

#define LIVE                                                                   \
	(BIT(PROC_STARTING) | BIT(PROC_PREPARED) | BIT(PROC_READY) |           \
	    BIT(PROC_SUSPECT) | BIT(PROC_DRAINING))
#define SERVING (BIT(PROC_READY) | BIT(PROC_SUSPECT) | BIT(PROC_DRAINING))

/* What a child may say, and when. */
static const struct {
	unsigned states;
	void (*fn)(struct proc *, const struct ctl_msg *);
} verbs[CTL_NTYPES] = {
	[CTL_PREPARED] = { BIT(PROC_STARTING) | BIT(PROC_DRAINING),
	    on_prepared },
	/* Also from one that drained because no answer came in time. */
	[CTL_READY] = { BIT(PROC_PREPARED) | SERVING, on_ready },
	[CTL_DRAINED] = { SERVING, on_drained },
	[CTL_LOGS_OK] = { LIVE, on_logs_ok },
	[CTL_SICK] = { SERVING, on_sick },
	[CTL_WELL] = { SERVING, on_well },
	[CTL_RECYCLE] = { LIVE, on_recycle },
	[CTL_SHUTDOWN] = { LIVE, on_shutdown },
	[CTL_FATAL] = { LIVE, keep_last_words },
	[CTL_ASK] = { SERVING, on_ask },
#ifdef TINE_SKEW
	[CTL_SKEWED] = { LIVE, on_skewed },
#endif
};

/* Only a server whose handler was seen by the checker to declare it may be
 * stopped by a child. */
static bool
may_stop(const struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->nservers; i++)
		if (conf->servers[i].may_stop)
			return true;
	return false;
}

static bool
may_say(const struct proc *p, enum ctl_type type)
{
	if (verbs[type].fn == NULL || !(verbs[type].states & BIT(p->state)))
		return false;
	if (type == CTL_SHUTDOWN)
		return may_stop(&p->generation->conf);
	/* A canary is not told to START before it is proven. */
	if (type == CTL_READY && p->state == PROC_PREPARED && p->is_held)
		return false;
	return type != CTL_ASK || proc_is_admin(p);
}

static void
accuse(struct proc *p, const char *what)
{
	log_error("%s (pid %ld): broke the protocol of its channel: %s "
		  "while %s; killing it",
	    p->place->name, (long)p->pid, what, proc_state_names[p->state]);
	p->is_guilty = true;
	proc_kill(p);
}

static bool
is_rate_kept(struct proc *p)
{
	if (policy_rate_pass(&p->messages, MESSAGES_PER_SEC, mono_ns()))
		return true;
	accuse(p, "more messages than a child has reason to send");
	return false;
}

/* The operator sets the pace of these: each change is answered once. */
static bool
is_answer(const struct proc *p, const struct ctl_msg *msg)
{
	return msg->head.type == CTL_LOGS_OK &&
	    logs_is_answer(p, msg->body.logs_ok.change);
}

static void
dispatch(struct proc *p, const struct ctl_msg *msg)
{
	enum ctl_type type = (enum ctl_type)msg->head.type;

	if (!may_say(p, type))
		accuse(p, ctl_type_names[type]);
	else if (is_answer(p, msg) || is_rate_kept(p))
		verbs[type].fn(p, msg);
}

/* Read up to `most` messages; false when the channel gave nothing more. */
static bool
read_some(struct proc *p, int most)
{
	struct ctl_msg msg;

	while (most-- > 0 && p->ctl != -1) {
		switch (ctl_recv_in(p->ctl, p->dialect, &msg, false)) {
		case CTL_GOT_MSG:
			dispatch(p, &msg);
			break;
		case CTL_GOT_UNKNOWN:
			(void)is_rate_kept(p);
			break;
		case CTL_GOT_NOTHING:
			return false;
		case CTL_GOT_EOF:
			proc_on_eof(p);
			return false;
		case CTL_GOT_BAD:
			accuse(p, "a malformed record");
			return false;
		}
	}
	return p->ctl != -1;
}

static void
watch(struct proc *p, int events)
{
	ev_io_stop(p->master->loop, &p->ctl_w);
	ev_io_set(&p->ctl_w, p->ctl, events);
	ev_io_start(p->master->loop, &p->ctl_w);
}

/* It reads again: what it could not be told is told now. */
static void
on_unblocked(struct proc *p)
{
	unsigned type, owed = p->owed;

	p->blocked_ns = 0;
	p->owed = 0;
	watch(p, EV_READ);
	for (type = CTL_NONE + 1; type < CTL_NTYPES; type++)
		if (owed & BIT(type))
			proc_tell(p, (enum ctl_type)type);
	/* The differences in what it polls come out of slot_update(). */
	master_on_change(p->master);
}

static void
on_channel(struct ev_loop *loop, ev_io *w, int revents)
{
	struct proc *p = w->data;

	(void)loop;
	if (revents & EV_WRITE)
		on_unblocked(p);
	if (revents & EV_READ)
		(void)read_some(p, MESSAGES_PER_TURN);
}

void
mctl_start(struct proc *p)
{
	ev_io_init(&p->ctl_w, on_channel, p->ctl, EV_READ);
	p->ctl_w.data = p;
	ev_io_start(p->master->loop, &p->ctl_w);
}

void
mctl_resume(struct proc *p)
{
	if (p->ctl == -1)
		return;
	mctl_start(p);
	if (p->blocked_ns != 0)
		watch(p, EV_READ | EV_WRITE);
}

/* A dead child's last messages: only its words count now. */
static void
read_last_words(struct proc *p)
{
	struct ctl_msg msg;
	enum ctl_got got = CTL_GOT_MSG;
	int most = MESSAGES_LEFT;

	while (most-- > 0 && (got == CTL_GOT_MSG || got == CTL_GOT_UNKNOWN)) {
		got = ctl_recv_in(p->ctl, p->dialect, &msg, false);
		switch (got == CTL_GOT_MSG ? msg.head.type : CTL_NONE) {
		case CTL_FATAL:
			keep_last_words(p, &msg);
			break;
		case CTL_DRAINED:
			if (!p->has_drained)
				(void)count_cut(p, &msg);
			p->has_drained = true;
			break;
		default:
			break;
		}
	}
}

void
mctl_stop(struct proc *p)
{
	if (p->ctl == -1)
		return;
	read_last_words(p);
	ev_io_stop(p->master->loop, &p->ctl_w);
	closefd(&p->ctl);
}

/* What a message makes void, if it still waits. */
static const unsigned overrules[CTL_NTYPES] = {
	[CTL_DRAIN] = BIT(CTL_RESUME),
	[CTL_RESUME] = BIT(CTL_DRAIN),
	[CTL_STOP] = BIT(CTL_DRAIN) | BIT(CTL_RESUME),
};

/* What can be said again without its payload, or is made anew by proc_tell().
 * The rest comes again from whoever has something to say. */
#define REPEATABLE                                                             \
	(BIT(CTL_START) | BIT(CTL_DRAIN) | BIT(CTL_RESUME) | BIT(CTL_STOP))

bool
mctl_send(struct proc *p, enum ctl_type type, const void *payload, size_t len,
    int fd)
{
	const struct ctl_header head = {
		.type = (uint16_t)type,
		.seq = p->seq,
		.generation = p->generation->number,
		.length = (uint32_t)len,
	};

	if (p->ctl == -1)
		return false;
	p->owed &= ~overrules[type];
	if (ctl_send_in(p->ctl, p->dialect, head, payload, fd) == 0) {
		p->seq++;
		return true;
	}
	if (errno == EPIPE || errno == ECONNRESET) {
		proc_on_eof(p);
		return false;
	}
	/* It is of a build that has no such message, and never will. */
	if (errno == EOPNOTSUPP)
		return false;
	/*
	 * It has some hundred messages to read, or the kernel is out of
	 * something: neither is a reason to give the child up. It is told
	 * when it reads again, at the latest with the next tick.
	 */
	if (p->blocked_ns == 0)
		p->blocked_ns = mono_ns();
	if (errno == EAGAIN)
		watch(p, EV_READ | EV_WRITE);
	p->owed |= BIT(type) & REPEATABLE;
	return false;
}

void
mctl_tick(struct proc *p)
{
	uint64_t patience =
	    (uint64_t)(p->generation->conf.hang_timeout * (double)NSEC_PER_SEC);

	if (p->blocked_ns == 0 || p->ctl == -1)
		return;
	if (mono_ns() - p->blocked_ns < patience) {
		if (!(p->ctl_w.events & EV_WRITE))
			on_unblocked(p);
		return;
	}
	log_error("%s (pid %ld): has not read its channel for %.0f s; "
		  "killing it",
	    p->place->name, (long)p->pid, p->generation->conf.hang_timeout);
	p->is_guilty = true;
	proc_kill(p);
}

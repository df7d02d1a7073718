/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cctl.c: the child's end of the control channel. Runs in children. What the
 * master says is obeyed at once; end-of-file means that the master is dead.
 * What cannot be sent because the master does not read is owed and sent with a
 * later heartbeat: no message is a queue, each says what is true now.
 */
#include <errno.h>
#include <string.h>

#include "child/child.h"

static void
on_start(struct child *ch, struct ctl_msg *m)
{
	(void)m;
	if (ch->state == CHILD_PREPARED)
		child_serve(ch);
}

static void
on_adopt(struct child *ch, struct ctl_msg *m)
{
	const struct ctl_slot *slot = &m->body.slot;
	int fd = m->fd, rc;

	m->fd = -1;
	if (ch->dispatch != NULL && (slot->flags & CTL_SLOT_WRITE) != 0)
		rc = dispatch_add(ch, slot, fd);
	else
		rc = accept_add(ch, slot, fd, true);
	if (rc == -1)
		log_error("slot %u: cannot be polled",
		    (unsigned)m->body.slot.id);
}

static void
on_release(struct child *ch, struct ctl_msg *m)
{
	uint32_t id = m->body.slot.id;

	if (ch->dispatch == NULL || !dispatch_remove(ch, id))
		accept_release(ch, id);
}

static void
on_drain(struct child *ch, struct ctl_msg *m)
{
	const struct ctl_drain *d = &m->body.drain;
	double seconds = ch->conf->drain_timeout;

	term_on_answer(ch);
	if (d->deadline_ms > 0)
		seconds = d->deadline_ms / 1000.;
	drain_begin(ch, seconds,
	    d->reason < CTL_NREASONS ? (enum ctl_reason)d->reason
				     : CTL_OPERATOR);
}

static void
on_resume(struct child *ch, struct ctl_msg *m)
{
	(void)m;
	/* Also the answer to RECYCLE: go on until DRAIN comes. */
	term_on_answer(ch);
	drain_resume(ch);
}

static void
on_stop(struct child *ch, struct ctl_msg *m)
{
	(void)m;
	if (ch->state != CHILD_DRAINING)
		ch->drain.reason = CTL_STOPPING;
	ch->drain.cut += (uint32_t)ch->nconns;
	child_leave(ch);
}

static void
on_logs(struct child *ch, struct ctl_msg *m)
{
	const struct ctl_logs *l = &m->body.logs;
	int old;

	if (m->fd == -1 || l->value >= LOG_NSINKS) {
		log_error("the new log did not arrive: going on with the old");
		return;
	}
	old = log_use(m->fd, (enum log_sink)l->value);
	m->fd = -1;
	if (old > STDERR_FILENO)
		closefd(&old);
	ch->channel.log_change = l->change;
	cctl_send(ch, CTL_LOGS_OK);
}

static void
on_level(struct child *ch, struct ctl_msg *m)
{
	const struct ctl_logs *l = &m->body.logs;

	if (l->value < LOG_NLEVELS)
		log_set_level((enum log_level)l->value);
	ch->channel.log_change = l->change;
	cctl_send(ch, CTL_LOGS_OK);
}

static void
on_page(struct child *ch, struct ctl_msg *m)
{
	if (ch->dispatch != NULL)
		dispatch_set_page(ch, &m->body.page, m->fd);
}

static void
on_status(struct child *ch, struct ctl_msg *m)
{
	snapshot_take(ch, &m->body.status, m->fd);
}

/* Lengths were checked by ctl_recv(). */
static void (*const verbs[CTL_NTYPES])(struct child *, struct ctl_msg *) = {
	[CTL_START] = on_start,
	[CTL_ADOPT] = on_adopt,
	[CTL_RELEASE] = on_release,
	[CTL_DRAIN] = on_drain,
	[CTL_RESUME] = on_resume,
	[CTL_STOP] = on_stop,
	[CTL_LOGS] = on_logs,
	[CTL_LEVEL] = on_level,
	[CTL_STATUS] = on_status,
	[CTL_PAGE] = on_page,
};

void
cctl_on_orphan(struct child *ch)
{
	if (!ev_is_active(&ch->channel.io))
		return;
	log_warn("the master is gone: leaving within %g s", ch->conf->orphan);
	cctl_stop(ch);
	term_arm();
	term_on_answer(ch);
	/* A new master must find every address free. */
	accept_on_orphan(ch);
	drain_begin(ch, ch->conf->orphan, CTL_STOPPING);
	snapshot_on_orphan(ch);
}

static void
on_channel(struct ev_loop *loop, ev_io *w, int revents)
{
	struct child *ch = w->data;
	struct ctl_msg m;

	(void)loop;
	(void)revents;
	/* Whatever more there is wakes the loop again. */
	switch (ctl_recv(w->fd, &m, true)) {
	case CTL_GOT_MSG:
		if (verbs[m.head.type] != NULL)
			verbs[m.head.type](ch, &m);
		else
			log_error("the master says %s, which is for masters",
			    ctl_type_names[m.head.type]);
		closefd(&m.fd);
		return;
	case CTL_GOT_NOTHING:
		return;
	case CTL_GOT_BAD:
	case CTL_GOT_UNKNOWN: /* the master adapts to us, not we to it */
		log_error("malformed record from the master");
		return;
	case CTL_GOT_EOF:
		cctl_on_orphan(ch);
		return;
	}
}

void
cctl_init(struct child *ch)
{
	ev_io_init(&ch->channel.io, on_channel, ch->heritage->ctl, EV_READ);
	ch->channel.io.data = ch;
}

void
cctl_start(struct child *ch)
{
	if (ch->heritage->ctl != -1)
		ev_io_start(ch->loop, &ch->channel.io);
}

void
cctl_stop(struct child *ch)
{
	ev_io_stop(ch->loop, &ch->channel.io);
	ch->channel.owed = 0;
}

static void
send_payload(struct child *ch, enum ctl_type type, const void *payload,
    size_t len)
{
	if (ch->heritage->ctl == -1)
		return;
	ch->channel.owed &= ~BIT(type);
	if (ctl_send(ch->heritage->ctl, type, ch->channel.seq,
		ch->heritage->generation, payload, len, -1) == 0)
		ch->channel.seq++;
	else if (errno == EAGAIN)
		ch->channel.owed |= BIT(type);
	/* Else the master is dead: end-of-file says so too. */
}

void
cctl_send(struct child *ch, enum ctl_type type)
{
	const struct ctl_errno sick = { .code = ch->told_sick };
	const struct ctl_drained drained = { .cut = ch->drain.cut };
	const struct ctl_why why = { .reason = CTL_OPERATOR };
	const struct ctl_logs_ok ok = { .change = ch->channel.log_change };

	switch (type) {
	case CTL_SICK:
		ch->channel.owed &= ~BIT(CTL_WELL);
		send_payload(ch, type, &sick, sizeof(sick));
		break;
	case CTL_WELL:
		ch->channel.owed &= ~BIT(CTL_SICK);
		send_payload(ch, type, NULL, 0);
		break;
	case CTL_DRAINED:
		send_payload(ch, type, &drained, sizeof(drained));
		break;
	case CTL_RECYCLE:
		send_payload(ch, type, &why, sizeof(why));
		break;
	case CTL_LOGS_OK:
		send_payload(ch, type, &ok, sizeof(ok));
		break;
	default:
		send_payload(ch, type, NULL, 0);
		break;
	}
}

void
cctl_send_text(struct child *ch, enum ctl_type type, const char *text)
{
	send_payload(ch, type, text, strnlen(text, CTL_TEXT_MAX));
}

void
cctl_retry(struct child *ch)
{
	unsigned type, owed;

	/* It drains again: the master would take it for resumed. */
	if (ch->state != CHILD_READY)
		ch->channel.owed &= ~BIT(CTL_READY);
	owed = ch->channel.owed;
	for (type = CTL_NONE + 1; owed != 0 && type < CTL_NTYPES; type++)
		if (owed & BIT(type))
			cctl_send(ch, (enum ctl_type)type);
}

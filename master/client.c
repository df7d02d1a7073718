/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.c: one client of the control socket, from its line to the last byte
 * of its answer. Runs in the master; owns the client's descriptor, watchers
 * and buffers, and never blocks on it. What a line means is command.c's
 * business.
 */
#include "master/client.h"

#include <sys/socket.h>

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/control.h"
#include "master/master.h"

static const struct {
	unsigned next;
	int events;
} client_states[CLIENT_NSTATES] = {
	[CLIENT_READING] = { BIT(CLIENT_WAITING) | BIT(CLIENT_ANSWERING),
	    EV_READ },
	[CLIENT_WAITING] = { BIT(CLIENT_ANSWERING), EV_READ },
	[CLIENT_ANSWERING] = { 0, EV_WRITE },
};

static void
client_watch(struct client *cl, double patience)
{
	struct ev_loop *loop = cl->command.master->loop;

	ev_io_stop(loop, &cl->io_w);
	ev_io_set(&cl->io_w, cl->fd, client_states[cl->state].events);
	ev_io_start(loop, &cl->io_w);
	ev_timer_stop(loop, &cl->patience_w);
	ev_timer_set(&cl->patience_w, patience, 0);
	ev_timer_start(loop, &cl->patience_w);
}

static void
client_set_state(struct client *cl, enum client_state to, double patience)
{
	assert(client_states[cl->state].next & BIT(to));
	cl->state = to;
	client_watch(cl, patience);
}

static void
client_unwatch(struct client *cl)
{
	struct ev_loop *loop = cl->command.master->loop;

	ev_io_stop(loop, &cl->io_w);
	ev_timer_stop(loop, &cl->patience_w);
}

void
client_close(struct client *cl)
{
	client_unwatch(cl);
	control_on_leave(cl->control, cl);
	closefd(&cl->fd);
	command_fini(&cl->command);
	free(cl->answer);
	free(cl);
}

/* Send what the kernel takes. True when nothing more will go out: all is
 * sent, or the client is gone. */
static bool
client_send(struct client *cl)
{
	ssize_t n;

	while (cl->answer_sent < cl->answer_len) {
		n = send(cl->fd, cl->answer + cl->answer_sent,
		    cl->answer_len - cl->answer_sent,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return errno != EAGAIN;
		cl->answer_sent += (size_t)n;
	}
	return true;
}

/* Without memory the answer is empty: the client sees end-of-file. */
static void
client_make_answer(struct client *cl, enum command_result result)
{
	const struct command *cmd = &cl->command;
	bool has_failed = result == COMMAND_FAILED;
	int n;

	n = asprintf(&cl->answer, "%s%s\n%s%s", has_failed ? "fail " : "ok",
	    has_failed ? cmd->reason : "", cmd->body != NULL ? cmd->body : "",
	    cmd->body != NULL ? "\n" : "");
	if (n == -1) {
		cl->answer = NULL;
		n = 0;
		log_error("control: answer to pid %ld: out of memory",
		    (long)cmd->pid);
	}
	cl->answer_len = (size_t)n;
}

/* Give the answer; the client may be freed. */
static void
client_answer(struct client *cl, enum command_result result)
{
	client_make_answer(cl, result);
	client_set_state(cl, CLIENT_ANSWERING, CONTROL_PATIENCE_S);
	if (client_send(cl))
		client_close(cl);
}

/* The line is there. The client may be freed. */
static void
client_run(struct client *cl)
{
	struct master *m = cl->command.master;
	enum command_result result = command_run(&cl->command, cl->line);
	enum command_after after = cl->command.after;

	if (result == COMMAND_WAITS) {
		client_set_state(cl, CLIENT_WAITING, cl->command.patience);
		return;
	}
	client_answer(cl, result);
	if (result == COMMAND_DONE && after != COMMAND_GO_ON)
		stop_begin(m, after == COMMAND_STOP_NOW);
}

static void
client_refuse(struct client *cl, const char *reason)
{
	client_answer(cl, command_fail(&cl->command, "%s", reason));
}

static void
client_read(struct client *cl)
{
	char *end, *at = cl->line + cl->line_len;
	ssize_t n;

	n = recv(cl->fd, at, sizeof(cl->line) - cl->line_len, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == -1 || (n == 0 && cl->line_len == 0)) {
		client_close(cl);
		return;
	}
	if (n == 0) {
		client_refuse(cl, "the line has no end");
		return;
	}
	cl->line_len += (size_t)n;
	end = memchr(at, '\n', (size_t)n);
	if (end != NULL && memchr(cl->line, '\0', (size_t)(end - cl->line))) {
		client_refuse(cl, "the line has null bytes");
	} else if (end != NULL) {
		*end = '\0';
		client_run(cl);
	} else if (cl->line_len == sizeof(cl->line)) {
		client_refuse(cl, "the line is too long");
	}
}

/*
 * Something to read from a client that is to wait: it left, closed its sending
 * half, or talks out of turn. The last two keep their seat, but are not
 * watched any more, or the loop would spin.
 */
static void
client_listen(struct client *cl)
{
	struct pollfd pfd = { .fd = cl->fd };

	if (poll(&pfd, 1, 0) == 1 && (pfd.revents & (POLLHUP | POLLERR)) != 0)
		client_close(cl);
	else
		ev_io_stop(cl->command.master->loop, &cl->io_w);
}

static void
on_client_io(struct ev_loop *loop, ev_io *w, int revents)
{
	struct client *cl = w->data;

	(void)loop;
	(void)revents;
	switch (cl->state) {
	case CLIENT_READING:
		client_read(cl);
		break;
	case CLIENT_WAITING:
		client_listen(cl);
		break;
	case CLIENT_ANSWERING:
		if (client_send(cl))
			client_close(cl);
		break;
	case CLIENT_NSTATES:
		break;
	}
}

static void
on_client_patience(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct client *cl = w->data;

	(void)loop;
	(void)revents;
	switch (cl->state) {
	case CLIENT_READING:
		client_refuse(cl, "no whole line came in time");
		break;
	case CLIENT_WAITING:
		command_give_up(&cl->command);
		client_answer(cl, COMMAND_FAILED);
		break;
	case CLIENT_ANSWERING:
		log_info("control: pid %ld did not take its answer in time",
		    (long)cl->command.pid);
		client_close(cl);
		break;
	case CLIENT_NSTATES:
		break;
	}
}

struct client *
client_new(struct control *c, struct master *m, int fd,
    const struct ucred *peer)
{
	struct client *cl = calloc(1, sizeof(*cl));

	if (cl == NULL)
		return NULL;
	cl->control = c;
	cl->fd = fd;
	cl->command.master = m;
	cl->command.uid = peer->uid;
	cl->command.pid = peer->pid;
	ev_init(&cl->io_w, on_client_io);
	ev_init(&cl->patience_w, on_client_patience);
	cl->io_w.data = cl;
	cl->patience_w.data = cl;
	client_watch(cl, CONTROL_PATIENCE_S);
	return cl;
}

/* ---- from image to image ---- */

/* A client, and what of it is no member. */
struct saved {
	struct client cl;
	char verb[32];        /* "": its line is not complete */
	uint64_t patience_ns; /* when it is over */
};

/* clang-format off */
#define T struct saved
static const struct field client_fields[] = {
	FIELD_OF(1, FIELD_FD, T, cl.fd, 0, 0),
	FIELD_OF(2, FIELD_INT, T, cl.state, 0, CLIENT_NSTATES - 1),
	FIELD_OF(3, FIELD_BYTES, T, cl.line, 0, 0),
	FIELD_OF(4, FIELD_INT, T, cl.line_len, 0, WIRE_LINE_MAX),
	FIELD_OF(5, FIELD_INT, T, cl.command.uid, 0, UINT32_MAX),
	FIELD_OF(6, FIELD_INT, T, cl.command.pid, 0, INT32_MAX),
	FIELD_OF(7, FIELD_INT, T, cl.command.place, 0, INT32_MAX),
	FIELD_OF(8, FIELD_INT, T, cl.command.victim, 0, INT32_MAX),
	FIELD_OF(9, FIELD_INT, T, cl.command.victim_born_ns, 0, INT64_MAX),
	FIELD_OF(10, FIELD_INT, T, cl.command.strikes, 0, UINT32_MAX),
	FIELD_OF(11, FIELD_INT, T, cl.command.log_change, 0, UINT32_MAX),
	FIELD_OF(12, FIELD_INT, T, cl.command.ticket, 0, UINT32_MAX),
	FIELD_OF(13, FIELD_REAL, T, cl.command.patience, 0, 0),
	FIELD_OF(14, FIELD_TEXT, T, verb, 0, 0),
	FIELD_OF(15, FIELD_INT, T, patience_ns, 0, INT64_MAX),
};
#undef T
/* clang-format on */
enum {
	TAG_ANSWER = 100, /* what it has not taken yet */
};

void
client_save(const struct client *cl, struct tlv_writer *w,
    struct field_fds *fds)
{
	struct saved s = { .cl = *cl };
	double left;

	/* Remaining time is asked of the copy, which is not linked. */
	left = ev_timer_remaining(cl->command.master->loop, &s.cl.patience_w);
	s.patience_ns =
	    mono_ns() + (uint64_t)(MAX_OF(left, 0) * (double)NSEC_PER_SEC);
	(void)snprintf(s.verb, sizeof(s.verb), "%s",
	    command_verb_name(&cl->command));
	field_write(w, client_fields, nitems(client_fields), &s, fds);
	if (cl->answer != NULL)
		tlv_put(w, TAG_ANSWER, cl->answer + cl->answer_sent,
		    cl->answer_len - cl->answer_sent);
}

static int
take_answer(struct client *cl, const struct tlv *nest, struct err *err)
{
	struct tlv entry;

	if (!tlv_find(nest, TAG_ANSWER, &entry))
		return 0;
	cl->answer = malloc(entry.len + 1);
	if (cl->answer == NULL)
		return err_sys(err, "memory for an answer");
	(void)memcpy(cl->answer, entry.bytes, entry.len);
	cl->answer_len = entry.len;
	return 0;
}

struct client *
client_load(struct control *c, struct master *m, const struct tlv *nest,
    struct err *err)
{
	struct client *cl = calloc(1, sizeof(*cl));
	struct saved s = { .cl = { .fd = -1 } };
	uint64_t now = mono_ns();

	if (cl == NULL) {
		err_sys(err, "memory for a client");
		return NULL;
	}
	if (field_read(nest, client_fields, nitems(client_fields), &s, false,
		err) == -1 ||
	    s.cl.fd == -1 || take_answer(cl, nest, err) == -1)
		goto bad;
	cl->fd = s.cl.fd;
	cl->state = s.cl.state;
	cl->control = c;
	(void)memcpy(cl->line, s.cl.line, sizeof(cl->line));
	cl->line_len = MIN_OF(s.cl.line_len, sizeof(cl->line) - 1);
	cl->command = s.cl.command;
	cl->command.master = m;
	if (cl->state == CLIENT_WAITING &&
	    command_resume(&cl->command, s.verb, err) == -1)
		goto bad;
	ev_init(&cl->io_w, on_client_io);
	ev_init(&cl->patience_w, on_client_patience);
	cl->io_w.data = cl->patience_w.data = cl;
	client_watch(cl,
	    s.patience_ns > now
		? (double)(s.patience_ns - now) / (double)NSEC_PER_SEC
		: 0);
	return cl;
bad:
	closefd(&s.cl.fd);
	free(cl->answer);
	free(cl);
	return NULL;
}

void
client_on_change(struct client *cl)
{
	enum command_result result;

	if (cl->state != CLIENT_WAITING)
		return;
	result = command_check(&cl->command);
	if (result != COMMAND_WAITS)
		client_answer(cl, result);
}

void
client_hurry(struct client *cl)
{
	double left =
	    ev_timer_remaining(cl->command.master->loop, &cl->patience_w);

	if (cl->state == CLIENT_READING &&
	    left < CONTROL_PATIENCE_S - CONTROL_CROWDED_S)
		client_refuse(cl, "others wait and no whole line came");
}

/* An answer that does not fit into the socket now is lost: a process that ends
 * has no time for a slow reader. */
void
client_end(struct client *cl)
{
	if (cl->state == CLIENT_WAITING) {
		(void)command_fail(&cl->command, "the server has stopped");
		client_make_answer(cl, COMMAND_FAILED);
		(void)client_send(cl);
	}
	client_close(cl);
}

void
client_abandon(struct client *cl)
{
	client_unwatch(cl);
}

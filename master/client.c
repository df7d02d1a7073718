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
		master_stop(m, after == COMMAND_STOP_NOW);
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

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ender.c: a sound handler for tests that ends connections and the server from
 * every place. A connection says in a line how, see commands[]. Who comes by
 * the second listener is closed in open, by the third ends the server in open.
 * Each child logs at its end how many connections it has opened and closed.
 */
#include <tine.h>

#include <signal.h>
#include <stdint.h>
#include <string.h>

#define LINE_MAX_BYTES 64

static unsigned opened, closed;
static bool is_armed;
/* The last one that said "mark". */
static uint64_t marked;

/* It fits on the machines of these tests. */
static void *
handle_of(const struct tine_conn *c)
{
	return (void *)(uintptr_t)tine_handle(c);
}

static void
close_elsewhere(void *arg)
{
	(void)tine_close_handle((uintptr_t)arg);
}

static void
close_soon(struct tine_child *child, void *arg)
{
	(void)child;
	close_elsewhere(arg);
}

static void
close_on_time(struct tine_child *child, void *arg)
{
	struct tine_conn *c = tine_find_conn((uintptr_t)arg);

	(void)child;
	if (c != NULL)
		tine_close(c);
}

/* ---- commands ---- */

static enum tine_action
on_close(struct tine_conn *c)
{
	(void)c;
	return TINE_CLOSE;
}

static enum tine_action
on_abort(struct tine_conn *c)
{
	(void)c;
	return TINE_ABORT;
}

static enum tine_action
on_call(struct tine_conn *c)
{
	tine_close(c);
	return TINE_OK;
}

static enum tine_action
on_thread(struct tine_conn *c)
{
	return tine_offload(tine_child(c), close_elsewhere, NULL,
		   handle_of(c)) == 0
	    ? TINE_OK
	    : TINE_ABORT;
}

static enum tine_action
on_post(struct tine_conn *c)
{
	return tine_post(tine_child(c), TINE_ORDINARY, close_soon,
		   handle_of(c)) == 0
	    ? TINE_OK
	    : TINE_ABORT;
}

static enum tine_action
on_timer(struct tine_conn *c)
{
	return tine_timer_start(tine_child(c), 0.01, 0, close_on_time,
		   handle_of(c)) != NULL
	    ? TINE_OK
	    : TINE_ABORT;
}

static enum tine_action
on_mark(struct tine_conn *c)
{
	marked = tine_handle(c);
	return TINE_OK;
}

/* Close the one that is marked, from the callback of another. */
static enum tine_action
on_other(struct tine_conn *c)
{
	(void)c;
	if (tine_find_conn(marked) != NULL)
		tine_close(tine_find_conn(marked));
	return TINE_OK;
}

static enum tine_action
on_stop(struct tine_conn *c)
{
	(void)c;
	return TINE_STOP;
}

static enum tine_action
on_tick(struct tine_conn *c)
{
	(void)c;
	is_armed = true;
	return TINE_OK;
}

static enum tine_action
on_crash(struct tine_conn *c)
{
	(void)c;
	(void)raise(SIGSEGV);
	return TINE_OK;
}

static const struct {
	const char *name;
	enum tine_action (*run)(struct tine_conn *);
} commands[] = {
	{ "close", on_close }, { "abort", on_abort }, { "call", on_call },
	{ "thread", on_thread }, { "post", on_post }, { "timer", on_timer },
	{ "mark", on_mark }, { "other", on_other }, { "crash", on_crash },
	{ "stop", on_stop },
	{ "tick", on_tick }, /* the next tick ends the server */
};

/* ---- callbacks ---- */

static enum tine_action
ender_open(struct tine_conn *c)
{
	static const enum tine_action actions[] = { TINE_OK, TINE_CLOSE,
		TINE_STOP };

	opened++;
	if (tine_write(c, "hello\n", 6) == -1)
		return TINE_ABORT;
	return actions[tine_listener(c) % 3];
}

static enum tine_action
ender_data(struct tine_conn *c)
{
	char line[LINE_MAX_BYTES];
	ssize_t end = tine_find(c, 0, "\n", 1);
	size_t i, n;

	if (end < 0)
		return TINE_OK;
	n = tine_read(c, line, sizeof(line) - 1);
	line[n] = '\0';
	if (tine_write(c, line, n) == -1)
		return TINE_ABORT;
	line[end] = '\0';
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, line) == 0)
			return commands[i].run(c);
	return TINE_OK;
}

static enum tine_action
ender_datagram(struct tine_dgram *d)
{
	(void)d;
	return TINE_STOP;
}

static enum tine_action
ender_tick(struct tine_child *child, double *next)
{
	(void)child;
	*next = 0.01;
	return is_armed ? TINE_STOP : TINE_OK;
}

static bool
ender_quiesce(struct tine_conn *c)
{
	(void)c;
	return true;
}

static void
ender_close(struct tine_conn *c, enum tine_cause cause, int err)
{
	(void)c;
	(void)cause;
	(void)err;
	closed++;
}

static void
ender_stop(struct tine_child *child)
{
	(void)child;
	tine_log(NULL, TINE_LOG_INFO, "opened %u, closed %u", opened, closed);
}

TINE_HANDLER(.name = "ender", .flags = TINE_MAY_STOP, .stop = ender_stop,
    .open = ender_open, .data = ender_data, .close = ender_close,
    .datagram = ender_datagram, .tick = ender_tick, .quiesce = ender_quiesce);

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * whoami.c: a sound handler for tests. It greets each connection, and answers
 * each line but "stop", with "PID PLACE COUNT GENERATION DRAINING". "stop" asks
 * for the end of the server, which it may not have.
 */
#include <tine.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum tine_action
whoami_open(struct tine_conn *c)
{
	struct tine_child *child = tine_child(c);
	char line[96];
	int n;

	n = snprintf(line, sizeof(line), "%ld %d %d %u %s\n", (long)getpid(),
	    tine_place(child), tine_count(child), tine_generation(child),
	    tine_is_draining(child) ? tine_drain_reason(child) : "serving");
	return tine_write(c, line, (size_t)n) == -1 ? TINE_ABORT : TINE_OK;
}

static enum tine_action
whoami_data(struct tine_conn *c)
{
	enum tine_action act = TINE_OK;
	const char *p, *end;
	size_t n;

	for (;;) {
		p = tine_peek(c, &n);
		end = memchr(p, '\n', n);
		if (end == NULL)
			return act;
		n = (size_t)(end - p);
		if (n == 4 && memcmp(p, "stop", 4) == 0)
			act = TINE_STOP;
		else if (whoami_open(c) != TINE_OK)
			return TINE_ABORT;
		tine_consume(c, n + 1);
	}
}

TINE_HANDLER(.name = "whoami", .open = whoami_open, .data = whoami_data);

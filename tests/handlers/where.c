/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * where.c: a sound handler for tests. It greets each connection, and answers
 * each packet, with a line "PLACE MODE LISTENER URL...": which listener it came
 * by and where the server listens, as it was told when it started.
 */
#include <tine.h>

#include <stdio.h>
#include <string.h>

static char facts[8192];

static enum tine_action
where_start(struct tine_child *child)
{
	size_t i, n = tine_listeners(child), used = 0;

	if (tine_listener_url(child, n) != NULL)
		return TINE_ABORT;
	for (i = 0; i < n; i++)
		used += (size_t)snprintf(facts + used, sizeof(facts) - used,
		    " %s", tine_listener_url(child, i));
	return TINE_OK;
}

static int
print(char *dst, size_t size, const struct tine_child *child, size_t listener)
{
	return snprintf(dst, size, "%d %s %zu%s\n", tine_place(child),
	    tine_accept_mode(child), listener, facts);
}

static enum tine_action
where_open(struct tine_conn *c)
{
	char line[sizeof(facts) + 64];
	int n = print(line, sizeof(line), tine_child(c), tine_listener(c));

	return tine_write(c, line, (size_t)n) == -1 ? TINE_ABORT : TINE_OK;
}

static enum tine_action
where_datagram(struct tine_dgram *d)
{
	char line[sizeof(facts) + 64];
	int n = print(line, sizeof(line), tine_dgram_child(d),
	    tine_dgram_listener(d));

	(void)tine_dgram_reply(d, line, (size_t)n);
	return TINE_OK;
}

TINE_HANDLER(.name = "where", .start = where_start, .open = where_open,
    .datagram = where_datagram);

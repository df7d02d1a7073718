/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * counting.c: a handler that echoes, counts what it got in counters of its own,
 * and answers "calm" or "busy" to what begins with a question mark.
 */
#include <tine.h>

static enum tine_action
counting_data(struct tine_conn *c)
{
	struct tine_child *child = tine_child(c);
	size_t n;
	const char *p = tine_peek(c, &n);

	tine_counter_add(tine_counter(child, "bytes_seen"), n);
	tine_counter_add(tine_counter(child, "messages"), 1);
	if (p[0] == '?') {
		p = tine_is_overloaded(child) ? "busy" : "calm";
		(void)tine_write(c, p, 4);
	} else {
		(void)tine_write(c, p, n);
	}
	tine_consume(c, n);
	return TINE_OK;
}

TINE_HANDLER(.name = "counting", .data = counting_data);

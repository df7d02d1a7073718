/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * echo.c: every byte comes back. Runs in children, and is the shortest handler
 * there is: input that is consumed in one go is never copied or kept.
 */
#include <tine.h>

static enum tine_action
echo_data(struct tine_conn *c)
{
	size_t len;
	const void *in = tine_peek(c, &len);

	if (tine_write(c, in, len) == -1)
		return TINE_OK; /* full: `drained` takes it up again */
	tine_consume(c, len);
	return TINE_OK;
}

static void
echo_drained(struct tine_conn *c)
{
	(void)echo_data(c);
}

static enum tine_action
echo_datagram(struct tine_dgram *d)
{
	const void *in;
	size_t len;

	do {
		in = tine_dgram_bytes(d, &len);
		(void)tine_dgram_reply(d, in, len);
	} while (tine_dgram_next(d));
	return TINE_OK;
}

TINE_HANDLER(.name = "echo", .data = echo_data, .drained = echo_drained,
    .datagram = echo_datagram);

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * discard.c: eats all it is sent and answers nothing. Runs in children.
 */
#include <tine.h>

static enum tine_action
discard_data(struct tine_conn *c)
{
	size_t len;

	(void)tine_peek(c, &len);
	tine_consume(c, len);
	return TINE_OK;
}

static enum tine_action
discard_datagram(struct tine_dgram *d)
{
	while (tine_dgram_next(d))
		continue;
	return TINE_OK;
}

TINE_HANDLER(.name = "discard", .data = discard_data,
    .datagram = discard_datagram);

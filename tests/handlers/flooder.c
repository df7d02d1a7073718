/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flooder.c: a faulty handler that answers the first byte with output without
 * end, whether the peer reads or not.
 */
#include <tine.h>

#include <errno.h>

#define BLOCK_BYTES 65536

static const char block[BLOCK_BYTES];

/* Until the server refuses to take more. */
static enum tine_action
flood(struct tine_conn *c)
{
	while (tine_write(c, block, sizeof(block)) == 0)
		continue;
	return errno == ENOBUFS ? TINE_OK : TINE_ABORT;
}

static enum tine_action
flooder_data(struct tine_conn *c)
{
	size_t n;

	(void)tine_peek(c, &n);
	tine_consume(c, n);
	return flood(c);
}

static void
flooder_drained(struct tine_conn *c)
{
	if (flood(c) != TINE_OK)
		tine_close(c);
}

TINE_HANDLER(.name = "flooder", .data = flooder_data,
    .drained = flooder_drained);

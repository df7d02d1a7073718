/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shouter.c: a handler that logs what clients say, as it came, and answers with
 * one byte for each piece it saw.
 */
#include <tine.h>

static enum tine_action
shouter_data(struct tine_conn *c)
{
	size_t n;
	const char *text = tine_peek(c, &n);

	tine_log(c, TINE_LOG_INFO, "client says: %.*s", (int)n, text);
	tine_consume(c, n);
	return tine_write(c, ".", 1) == 0 ? TINE_OK : TINE_ABORT;
}

TINE_HANDLER(.name = "shouter", .data = shouter_data);

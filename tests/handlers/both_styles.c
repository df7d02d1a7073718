/* SPDX-License-Identifier: BSD-2-Clause */
/* both_styles.c: two lives for one connection, which is refused. */
#include <tine.h>

static enum tine_action
both_data(struct tine_conn *c)
{
	tine_consume(c, tine_buffered(c));
	return TINE_OK;
}

static void
both_run(struct tine_stream *s)
{
	(void)tine_stream_close(s);
}

TINE_HANDLER(.name = "both_styles", .data = both_data, .run = both_run);

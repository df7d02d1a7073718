/* SPDX-License-Identifier: BSD-2-Clause */
/* echo_run: send back what comes, in blocking style. */
#include <tine.h>

static void
echo_run(struct tine_stream *s)
{
	(void)tine_stream_copy(s, s);
}

TINE_HANDLER(.name = "echo_run", .run = echo_run);

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * echo.so: every byte comes back. The shortest handler there is; what a client
 * does not read waits in the server up to `output`, and then its input waits.
 *
 *     build/tine -l 7777 ./build/examples/echo.so
 *     nc 127.0.0.1 7777
 */
#include <tine.h>

static enum tine_action
echo_data(struct tine_conn *c)
{
	size_t len;
	const void *in = tine_peek(c, &len);

	if (tine_write(c, in, len) == -1)
		return TINE_ABORT; /* no memory */
	tine_consume(c, len);
	return TINE_OK;
}

TINE_HANDLER(.name = "echo", .data = echo_data);

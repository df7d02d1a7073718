/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * line.so: a protocol of lines. `ping` is answered with `pong`, `quit` ends the
 * connection, any other line comes back. The codec finds the lines, however
 * they arrive, and closes on one of more than 1,000 bytes.
 *
 *     build/tine -l 7777 ./build/examples/line.so
 *     printf 'ping\nhello\nquit\n' | nc 127.0.0.1 7777
 */
#include <string.h>

#include <tine.h>

static const struct tine_codec codec = TINE_CODEC_LINE(1000);

static enum tine_action
line_frame(struct tine_conn *c, const void *line, size_t len)
{
	int rc;

	if (len == 4 && memcmp(line, "quit", 4) == 0)
		return TINE_CLOSE;
	if (len == 4 && memcmp(line, "ping", 4) == 0)
		rc = tine_reply(c, "pong", 4);
	else
		rc = tine_reply(c, line, len);
	return rc == 0 ? TINE_OK : TINE_ABORT;
}

TINE_HANDLER(.name = "line", .codec = &codec, .frame = line_frame);

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * framed.so: messages with a length of 4 bytes in front come back as they are.
 * A message that begins with `close`, `abort` or `tine_close` does that after
 * its answer. What ended each connection stands in the log.
 */
#include <string.h>

#include <tine.h>

static const struct tine_codec codec = TINE_CODEC_LENGTH(4);

static bool
begins(const void *bytes, size_t len, const char *word)
{
	return len >= strlen(word) && memcmp(bytes, word, strlen(word)) == 0;
}

static enum tine_action
framed_frame(struct tine_conn *c, const void *bytes, size_t len)
{
	if (tine_reply(c, bytes, len) == -1)
		return TINE_ABORT;
	if (begins(bytes, len, "close"))
		return TINE_CLOSE;
	if (begins(bytes, len, "abort"))
		return TINE_ABORT;
	if (begins(bytes, len, "tine_close"))
		tine_close(c);
	return TINE_OK;
}

static void
framed_close(struct tine_conn *c, enum tine_cause cause, int err)
{
	tine_log(c, TINE_LOG_INFO, "closed: cause %d, error %d", (int)cause,
	    err);
}

TINE_HANDLER(.name = "framed", .codec = &codec, .frame = framed_frame,
    .close = framed_close);

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * upper.c: answers with a to z turned into capitals. Runs in children. With
 * once=true it closes after the first answer.
 */
#include <tine.h>

#define PIECE_BYTES 4096
#define PACKET_BYTES 65536 /* no packet of UDP is longer */

static const struct tine_option options[] = {
	{ .name = "once",
	    .type = TINE_BOOL,
	    .value = "false",
	    .help = "close after the first answer" },
	{ .name = NULL },
};

/* The child's data points here when `once` is set. */
static bool once;

static enum tine_action
upper_start(struct tine_child *child)
{
	if (tine_option_int(child, "once"))
		tine_set_data(child, &once);
	return TINE_OK;
}

static void
copy_upper(char *dst, const char *src, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		dst[i] = (char)(src[i] >= 'a' && src[i] <= 'z' ? src[i] ^ 0x20
							       : src[i]);
}

static enum tine_action
upper_data(struct tine_conn *c)
{
	char piece[PIECE_BYTES];
	size_t len, n, done = 0;
	const char *in = tine_peek(c, &len);

	while (done < len) {
		n = len - done < sizeof(piece) ? len - done : sizeof(piece);
		copy_upper(piece, in + done, n);
		if (tine_write(c, piece, n) == -1)
			break; /* full: `drained` takes the rest up again */
		done += n;
	}
	tine_consume(c, done);
	if (done > 0 && tine_data(tine_child(c)) == &once)
		return TINE_CLOSE;
	return TINE_OK;
}

static void
upper_drained(struct tine_conn *c)
{
	(void)upper_data(c);
}

static enum tine_action
upper_datagram(struct tine_dgram *d)
{
	static char answer[PACKET_BYTES];
	const char *in;
	size_t len;

	do {
		in = tine_dgram_bytes(d, &len);
		copy_upper(answer, in, len);
		(void)tine_dgram_reply(d, answer, len);
	} while (tine_dgram_next(d));
	return TINE_OK;
}

TINE_HANDLER(.name = "upper", .options = options, .start = upper_start,
    .data = upper_data, .drained = upper_drained, .datagram = upper_datagram);

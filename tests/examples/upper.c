/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * upper.so: what comes goes back in capitals. It works on pieces of the input,
 * so that it needs no memory but its stack.
 *
 *     build/tine -l 8888 ./build/examples/upper.so
 *     echo hello | nc -N 127.0.0.1 8888
 */
#include <ctype.h>

#include <tine.h>

static enum tine_action
upper_data(struct tine_conn *c)
{
	unsigned char piece[4096];
	const unsigned char *in;
	size_t len, n;

	while ((in = tine_peek(c, &len)), len > 0) {
		for (n = 0; n < len && n < sizeof(piece); n++)
			piece[n] = (unsigned char)toupper(in[n]);
		/* Full: the rest stays, and `drained` comes for it. */
		if (tine_write(c, piece, n) == -1)
			break;
		tine_consume(c, n);
	}
	return TINE_OK;
}

static void
upper_drained(struct tine_conn *c)
{
	(void)upper_data(c);
}

TINE_HANDLER(.name = "upper", .data = upper_data, .drained = upper_drained);

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * upper_run: answer every byte in capitals, in blocking style: one function is
 * the whole life of a connection, and thousands of them wait at once.
 *
 *	tine -l 8888 ./build/examples/upper_run.so
 */
#include <ctype.h>

#include <tine.h>

static void
upper_run(struct tine_stream *s)
{
	unsigned char line[4096];
	ssize_t n, i;

	while ((n = tine_stream_read(s, line, sizeof(line))) > 0) {
		for (i = 0; i < n; i++)
			line[i] = (unsigned char)toupper(line[i]);
		if (tine_stream_write(s, line, (size_t)n, NULL) == -1)
			return;
	}
}

TINE_HANDLER(.name = "upper_run", .run = upper_run);

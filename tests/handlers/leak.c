/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * leak.c: a faulty handler that echoes and loses memory and a descriptor for
 * each read.
 */
#include <tine.h>

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const struct tine_option options[] = {
	{ "bytes", TINE_SIZE, "64k", 1, 1 << 30, "lost at each data" },
	{ .name = NULL },
};

static enum tine_action
leak_data(struct tine_conn *c)
{
	size_t n, lost = (size_t)tine_option_int(tine_child(c), "bytes");
	const void *p = tine_peek(c, &n);
	char *volatile gone = malloc(lost);

	/* Written to, in a way that no compiler leaves out, so that it counts. */
	if (gone != NULL)
		explicit_bzero(gone, lost);
	gone = NULL;
	/* At the limit of descriptors this fails, as a leaking handler does. */
	(void)open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (tine_write(c, p, n) == -1)
		return TINE_ABORT;
	tine_consume(c, n);
	return TINE_OK;
}

TINE_HANDLER(.name = "leak", .options = options, .data = leak_data);

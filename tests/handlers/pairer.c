/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pairer.c: a sound handler for tests. It pipes each two clients together; the
 * first of them waits, and what it says meanwhile is kept for the second.
 */
#include <tine.h>

static enum tine_action
pairer_open(struct tine_conn *c)
{
	struct tine_child *child = tine_child(c);
	struct tine_conn *waiting = tine_data(child);

	tine_set_data(child, waiting == NULL ? c : NULL);
	if (waiting == NULL || tine_pipe(waiting, c) == 0)
		return TINE_OK;
	return TINE_ABORT;
}

static enum tine_action
pairer_data(struct tine_conn *c)
{
	(void)c;
	return TINE_OK;
}

static void
pairer_close(struct tine_conn *c, enum tine_cause cause, int err)
{
	(void)cause;
	(void)err;
	if (tine_data(tine_child(c)) == c)
		tine_set_data(tine_child(c), NULL);
}

TINE_HANDLER(.name = "pairer", .open = pairer_open, .data = pairer_data,
    .close = pairer_close);

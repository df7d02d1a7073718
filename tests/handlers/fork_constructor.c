/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fork_constructor.c: a shared object whose loading leaves a process behind,
 * which holds what it inherited for a while. Otherwise it echoes.
 */
#include <unistd.h>

#include <tine.h>

__attribute__((constructor)) static void
fork_at_load(void)
{
	if (fork() != 0)
		return;
	/* An alarm would not come: signals are blocked here. */
	(void)sleep(20);
	_exit(0);
}

static enum tine_action
on_data(struct tine_conn *c)
{
	size_t n;
	const void *p = tine_peek(c, &n);

	if (tine_write(c, p, n) == -1)
		return TINE_ABORT;
	tine_consume(c, n);
	return TINE_OK;
}

TINE_HANDLER(.name = "fork_constructor", .data = on_data);

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * not_a_handler.c: a shared object without a handler in it.
 */
#include <tine.h>

extern TINE_EXPORT int not_a_handler(void);

int
not_a_handler(void)
{
	return 1;
}

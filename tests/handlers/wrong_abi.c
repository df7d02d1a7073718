/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wrong_abi.c: a handler that was built for another version of the interface.
 */
#include <tine.h>

extern TINE_EXPORT const struct tine_handler tine_handler;
const struct tine_handler tine_handler = {
	.size = sizeof(struct tine_handler),
	.abi = TINE_ABI + 2,
	.name = "wrong_abi",
};

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * title.h: what ps shows for a process of ours. Never made of bytes that a
 * client chose.
 */
#ifndef TINE_SHARED_TITLE_H
#define TINE_SHARED_TITLE_H

#include "shared/base.h"

/* First thing in main(): the title will lie where argv and envp are now. */
void title_init(int argc, char **argv, char **envp);
/* "tine: " and the text. */
void title_set(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif

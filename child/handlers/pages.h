/* SPDX-License-Identifier: BSD-2-Clause */
/* pages.h: what the files of the status handler, the admin pages, share. */
#ifndef TINE_CHILD_HANDLERS_PAGES_H
#define TINE_CHILD_HANDLERS_PAGES_H

#include <stddef.h>

/* ---- pages_live.c ---- */

extern const char pages_live[];
extern const size_t pages_live_len;
/* The line of the head that says what the page may do, with its CRLF. */
extern const char pages_live_policy[];

#endif

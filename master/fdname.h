/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fdname.h: under which name the service manager keeps a listening socket for
 * us: "URL#index", written with the characters that a name may have. Pure.
 */
#ifndef TINE_MASTER_FDNAME_H
#define TINE_MASTER_FDNAME_H

#include "shared/url.h"

/* sd_notify(3): at most 255 characters, printable ASCII, no ':'. */
#define FDNAME_MAX 256

/*
 * The name of a listener's slot: its URL without parameters, but for the
 * device, which tells two sockets of one address apart; '#'; the slot's index.
 * Bytes that a name may not have, and '%', become %XX, so
 * "tcp://127.0.0.1:80" and 2 give "tcp%3A//127.0.0.1%3A80#2". A URL that would
 * be too long, which only a path of many non-ASCII bytes is, is cut and ends
 * with '~' and 16 hex digits, a hash of the whole. Returns dst, which has
 * FDNAME_MAX bytes.
 */
char *fdname_print(const struct url *, unsigned index, char *dst);
/* The index in such a name, and the URL's text (when it was cut, with the hash
 * at its end). -1: it is not one of ours; both are untouched or "". */
int fdname_parse(const char *name, char *url, size_t size, unsigned *index);

#endif

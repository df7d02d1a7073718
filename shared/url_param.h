/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * url_param.h: the parameters of a listen URL. For url.c only.
 */
#ifndef TINE_SHARED_URL_PARAM_H
#define TINE_SHARED_URL_PARAM_H

#include "shared/err.h"
#include "shared/url.h"

/* A URL with every parameter at its default. */
extern const struct url url_defaults;

/* Read "key=value&key=value" into a URL whose scheme and path are known; cuts
 * text into pieces. -1 as url_parse(), without the URL in err. */
int url_param_parse(struct url *, char *text, struct err *);
/* "?key=value&key=value" of what differs from the default, or "". */
void url_param_print(const struct url *, char *dst, size_t size);

#endif

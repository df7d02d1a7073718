/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conf_file.h: the files of a configuration, opened but not read. For the
 * checker, which may be root and so opens them for a process that is not.
 */
#ifndef TINE_SHARED_CONF_FILE_H
#define TINE_SHARED_CONF_FILE_H

#include <limits.h>
#include <stdbool.h>

#include "shared/conf.h"
#include "shared/err.h"

/* A larger one is no configuration. */
#define CONF_FILE_BYTES_MAX (1 << 20)

/* What is to be opened. */
struct conf_ask {
	bool is_include; /* a pattern, else what -c named */
	char path[PATH_MAX];
};

/* One file of the answer: its name and descriptor, or -1 and why not. The
 * descriptor is the one's who is told. */
typedef void conf_give(void *arg, const char *name, int fd, const struct err *);

/*
 * Open what is asked for, each file by a call of give. A path that no -c of
 * said names is refused unless it is an include that ends in .yaml or .yml: the
 * one who asks reads what others wrote and may be their puppet. Root's
 * configuration is root's own: what others own or can write is refused.
 */
void conf_file_open(const struct conf *said, const struct conf_ask *,
    conf_give *give, void *arg);

#endif

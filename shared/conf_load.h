/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conf_load.h: from what the command line says to one configuration: files,
 * their includes, then what wins over them. For the checker and -X.
 */
#ifndef TINE_SHARED_CONF_LOAD_H
#define TINE_SHARED_CONF_LOAD_H

#include "shared/conf.h"
#include "shared/conf_file.h"
#include "shared/origin.h"
#include "shared/report.h"

/* Opens as conf_file_open(), which it may have called in another process. */
typedef void conf_opener(void *arg, const struct conf_ask *, conf_give *give,
    void *give_arg);

/*
 * Make conf of what said holds, its files included. Everything that is wrong is
 * in report, with its place; origins become those of all keys. conf is made by
 * this, and whole but for the values that were refused, also when there are
 * errors. open NULL: files are opened by this process.
 */
void conf_load(struct conf *, const struct conf *said, conf_opener *open,
    void *open_arg, struct origin_list *origins, struct report *report);

#endif

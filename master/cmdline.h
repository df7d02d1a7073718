/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmdline.h: the command line of tine, spec 2.
 */
#ifndef TINE_MASTER_CMDLINE_H
#define TINE_MASTER_CMDLINE_H

#include <stdio.h>

#include "shared/conf.h"
#include "shared/err.h"

enum cmdline_action {
	CMDLINE_RUN,
	CMDLINE_TEST,
	CMDLINE_DUMP,
	CMDLINE_VERSION,
	CMDLINE_BUILD,
	CMDLINE_HELP,
	CMDLINE_LIST,
	CMDLINE_SINGLE,
};

/*
 * Put what argv says into a conf that conf_init() made; nothing is resolved, no
 * file is opened and no handler is looked at. Options that are keys stand in
 * conf->settings too, so that they win over the files that the checker reads;
 * what -o says stands only there. argv keeps its order: an upgrade uses it
 * again.
 * After CMDLINE_HELP, CMDLINE_VERSION and CMDLINE_BUILD the rest of argv was
 * not read. -1: err says what is wrong and how to mend it, code 64 for what
 * cannot be parsed or is not built yet, 78 for bad values.
 */
int cmdline_parse(int argc, char **argv, struct conf *, enum cmdline_action *,
    struct err *);
/* The answers to -h, -v and -V. */
void cmdline_help(FILE *);
void cmdline_version(FILE *);
void cmdline_build(FILE *);

#endif

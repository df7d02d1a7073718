/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * entry.c: tine_main(), the call of tine.h that is for programs. Runs in the
 * process that becomes the master, which notes where the handler is and never
 * calls it.
 */
#include <tine.h>

#include "master/program.h"
#include "shared/own.h"

int
tine_main(int argc, char **argv, const struct tine_handler *handler)
{
	own_set(handler, argv[0]);
	return program_run(argc, argv);
}

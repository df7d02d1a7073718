/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * program.h: the whole program, from its arguments to its exit code.
 */
#ifndef TINE_MASTER_PROGRAM_H
#define TINE_MASTER_PROGRAM_H

/* argc and argv are main()'s own, for process titles are written over argv;
 * own_set() was called. Returns in the process that it was called in. */
int program_run(int argc, char **argv);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c: tine itself, which is what any program with a handler of its own is,
 * without one. Not in libtine.
 */
#include <tine.h>

int
main(int argc, char **argv)
{
	return tine_main(argc, argv, NULL);
}

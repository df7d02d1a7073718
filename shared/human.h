/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * human.h: numbers as people read them in a list: few digits and a unit. Pure.
 * What a program reads is printed in full elsewhere.
 */
#ifndef TINE_SHARED_HUMAN_H
#define TINE_SHARED_HUMAN_H

#include <stddef.h>

/* Each returns dst. */
char *human_count(double n, char *dst, size_t size);     /* 99999, 1.5M */
char *human_bytes(double n, char *dst, size_t size);     /* 1023, 1.5k */
char *human_age(double seconds, char *dst, size_t size); /* 90s, 15m, 3h, 2d */

#endif

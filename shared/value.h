/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * value.h: the scalars of the configuration, each read by one function: whole
 * text or error, bounds checked, hint given. Pure.
 */
#ifndef TINE_SHARED_VALUE_H
#define TINE_SHARED_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base.h"
#include "shared/err.h"

/* Each returns 0, or -1 with what is wrong and the form it should have; the
 * text does not name the key, the caller does. Code is 78. */
int value_int(const char *text, int64_t min, int64_t max, int64_t *out,
    struct err *);
int value_bool(const char *text, bool *out, struct err *);
/* 64k 1m 2g, powers of 1024, no fraction */
int value_size(const char *text, uint64_t min, uint64_t max, uint64_t *out,
    struct err *);
/* 250ms 30s 5min 1h, or 0; in milliseconds */
int value_duration(const char *text, int64_t min_ms, int64_t max_ms,
    int64_t *out_ms, struct err *);
/* One of n names (entries may be NULL); *out is its index. */
int value_enum(const char *text, const char *const *names, size_t n, int *out,
    struct err *);
/* Resolve \r \n \t \\ \" \' \0 \xHH; dst needs strlen(text) + 1 bytes
 * and may be text itself. Returns the length, or -1. */
ssize_t value_unescape(const char *text, char *dst, struct err *);
/* The name nearest to text among n (entries may be NULL), or NULL when none is
 * near: at most a third of the letters differ. */
const char *value_nearest(const char *text, const char *const *names, size_t n);
/* "a, b or c" of n names (entries may be NULL), cut to size. Returns dst. */
char *value_list(const char *const *names, size_t n, char *dst, size_t size);
/* The shortest text that value_size() or value_duration() reads as this:
 * "64k", "1500ms", "2h". Returns dst. */
char *value_print_size(uint64_t bytes, char *dst, size_t size);
char *value_print_duration(int64_t ms, char *dst, size_t size);
#define VALUE_PRINT_MAX 32

#endif

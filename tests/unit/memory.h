/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory.h: an allocator that fails when the test says so. The test file that
 * uses it is linked with malloc, calloc, reallocarray and strdup wrapped.
 */
#ifndef TINE_TESTS_UNIT_MEMORY_H
#define TINE_TESTS_UNIT_MEMORY_H

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Allocations that still succeed; negative: all do. */
static int memory_left = -1;

void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_reallocarray(void *, size_t, size_t);
char *__real_strdup(const char *);
void *__wrap_malloc(size_t);
void *__wrap_calloc(size_t, size_t);
void *__wrap_reallocarray(void *, size_t, size_t);
char *__wrap_strdup(const char *);

static bool
memory_is_out(void)
{
	if (memory_left < 0 || memory_left-- > 0)
		return false;
	memory_left = 0;
	errno = ENOMEM;
	return true;
}

void *
__wrap_malloc(size_t size)
{
	return memory_is_out() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return memory_is_out() ? NULL : __real_calloc(n, size);
}

void *
__wrap_reallocarray(void *old, size_t n, size_t size)
{
	return memory_is_out() ? NULL : __real_reallocarray(old, n, size);
}

char *
__wrap_strdup(const char *text)
{
	return memory_is_out() ? NULL : __real_strdup(text);
}

#endif

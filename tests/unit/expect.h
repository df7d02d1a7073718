/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * expect.h: what a test of a function that fills struct err says about it.
 */
#ifndef TINE_TESTS_UNIT_EXPECT_H
#define TINE_TESTS_UNIT_EXPECT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include <cmocka.h>

#include "shared/err.h"

static void
expect_error(int rc, const struct err *err, enum exit_code code,
    const char *text, const char *hint)
{
	assert_int_equal(rc, -1);
	assert_string_equal(err->text, text);
	assert_string_equal(err->hint, hint);
	assert_int_equal(err->code, code);
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* What a binary that is tried says: only a whole answer to this question
 * counts. */
#include "master/trial_answer.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/tlv.h"

#define QUESTION UINT64_C(0x8123456789abcdef)

static int fd;
static struct trial_answer a;

static int
open_answer(void **state)
{
	(void)state;
	fd = trial_answer_open();
	return fd == -1 ? -1 : 0;
}

static int
close_answer(void **state)
{
	(void)state;
	closefd(&fd);
	return 0;
}

static void
hear(void)
{
	trial_answer_read(fd, QUESTION, &a);
}

static void
a_yes_is_heard_with_its_version(void **state)
{
	(void)state;
	assert_int_equal(trial_answer_write(fd, QUESTION, NULL), 0);
	hear();
	assert_int_equal(a.verdict, TRIAL_YES);
	assert_string_equal(a.version, TINE_VERSION);
}

static void
a_no_is_heard_with_its_reason_as_it_may_be_shown(void **state)
{
	struct err err;

	(void)state;
	(void)err_set(&err, EXIT_BAD_CONFIG, "no \033[1mhandler");
	(void)err_hint(&err, "try\necho");
	assert_int_equal(trial_answer_write(fd, QUESTION, &err), 0);
	hear();
	assert_int_equal(a.verdict, TRIAL_NO);
	assert_int_equal(a.err.code, EXIT_BAD_CONFIG);
	assert_string_equal(a.err.text, "no \\x1b[1mhandler");
	assert_string_equal(a.err.hint, "try\\x0aecho");
}

static void
the_longest_reason_fits(void **state)
{
	struct err err = { .code = EXIT_RUNTIME };

	(void)state;
	(void)memset(err.text, 'x', sizeof(err.text) - 1);
	(void)memset(err.hint, 'y', sizeof(err.hint) - 1);
	assert_int_equal(trial_answer_write(fd, QUESTION, &err), 0);
	hear();
	assert_int_equal(a.verdict, TRIAL_NO);
	/* Whole but for the room that escaping one byte more would take. */
	assert_true(strlen(a.err.text) > strlen(err.text) - 4);
	assert_true(strlen(a.err.hint) > strlen(err.hint) - 4);
}

static void
silence_is_no_answer(void **state)
{
	(void)state;
	hear();
	assert_int_equal(a.verdict, TRIAL_SILENT);
	assert_int_equal(pwrite(fd, "yes", 3, 0), 3);
	hear();
	assert_int_equal(a.verdict, TRIAL_SILENT);
}

static void
an_answer_to_another_question_is_none(void **state)
{
	(void)state;
	assert_int_equal(trial_answer_write(fd, QUESTION + 1, NULL), 0);
	hear();
	assert_int_equal(a.verdict, TRIAL_SILENT);
}

/* A record with this code, or none. */
static void
say_code(const int64_t *code)
{
	const uint64_t question = QUESTION;
	struct tlv_writer w;

	tlv_writer_init(&w);
	tlv_put(&w, 1, &question, sizeof(question));
	if (code != NULL)
		tlv_put_int(&w, 2, *code);
	assert_int_equal(tlv_finish(&w), 0);
	assert_int_equal(pwrite(fd, w.bytes, w.len, 0), w.len);
	tlv_writer_fini(&w);
}

static void
an_answer_without_a_code_that_is_one_is_none(void **state)
{
	const int64_t negative = -1, large = 256, plain = 1;

	(void)state;
	say_code(NULL);
	hear();
	assert_int_equal(a.verdict, TRIAL_SILENT);
	say_code(&negative);
	hear();
	assert_int_equal(a.verdict, TRIAL_SILENT);
	say_code(&large);
	hear();
	assert_int_equal(a.verdict, TRIAL_SILENT);
	say_code(&plain);
	hear();
	assert_int_equal(a.verdict, TRIAL_NO);
	assert_string_equal(a.err.text, "");
}

static void
the_file_does_not_grow(void **state)
{
	char byte = 'x';

	(void)state;
	assert_int_equal(pwrite(fd, &byte, 1, 8191), 1);
	assert_int_equal(pwrite(fd, &byte, 1, 8192), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 1 << 20), -1);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

static int
state_of(const char *option)
{
	char program[] = "tine", first[64], *argv[] = { program, first, NULL };

	(void)strcpy(first, option);
	return trial_answer_state(2, argv);
}

static void
only_the_first_argument_makes_it_a_trial(void **state)
{
	char program[] = "tine", http[] = "http", option[] = TRIAL_OPTION "3";
	char *argv[] = { program, http, option, NULL };

	(void)state;
	assert_int_equal(trial_answer_state(3, argv), -1);
	assert_int_equal(trial_answer_state(1, argv), -1);
	assert_int_equal(trial_answer_state(0, argv), -1);
	assert_int_equal(state_of(TRIAL_OPTION "3"), 3);
	assert_int_equal(state_of(TRIAL_OPTION "77"), 77);
	assert_int_equal(state_of(TRIAL_OPTION "2"), -1);
	assert_int_equal(state_of(TRIAL_OPTION "-1"), -1);
	assert_int_equal(state_of(TRIAL_OPTION "3x"), -1);
	assert_int_equal(state_of(TRIAL_OPTION), -1);
	assert_int_equal(state_of(TRIAL_OPTION "99999999999999999999"), -1);
	assert_int_equal(state_of("--upgrade"), -1);
}

static void
an_answer_that_cannot_be_written_fails(void **state)
{
	(void)state;
	assert_int_equal(trial_answer_write(-1, QUESTION, NULL), -1);
	assert_int_equal(errno, EBADF);
}

#define with_answer(f)                                                         \
	cmocka_unit_test_setup_teardown(f, open_answer, close_answer)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_answer(a_yes_is_heard_with_its_version),
		with_answer(a_no_is_heard_with_its_reason_as_it_may_be_shown),
		with_answer(the_longest_reason_fits),
		with_answer(silence_is_no_answer),
		with_answer(an_answer_to_another_question_is_none),
		with_answer(an_answer_without_a_code_that_is_one_is_none),
		with_answer(the_file_does_not_grow),
		cmocka_unit_test(only_the_first_argument_makes_it_a_trial),
		cmocka_unit_test(an_answer_that_cannot_be_written_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Births: what a wait status means in words, what a forked process keeps, and
 * what becomes of a check that goes wrong. child_main() is wrapped. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/master.h"

/* What the process that is born does. */
static void (*birth)(const struct heritage *);

NORETURN void __wrap_child_main(const struct heritage *);

NORETURN void
__wrap_child_main(const struct heritage *h)
{
	birth(h);
	_exit(0);
}

static int
check(char **text, struct err *err)
{
	struct conf conf;
	size_t len;
	int rc;

	conf_init(&conf);
	rc = spawn_checker(&conf, text, &len, err);
	conf_free(&conf);
	return rc;
}

static void
answer(const struct heritage *h)
{
	(void)dprintf(h->ctl, "processes=3\n");
}

static void
refuse(const struct heritage *h)
{
	(void)dprintf(h->ctl, "no such \x1b[1mhandler\ntry echo\n");
	_exit(EXIT_BAD_CONFIG);
}

static void
refuse_oddly(const struct heritage *h)
{
	(void)dprintf(h->ctl, "odd\n");
	_exit(7);
}

static void
crash(const struct heritage *h)
{
	(void)h;
	(void)kill(getpid(), SIGKILL);
}

static void
say_nothing(const struct heritage *h)
{
	(void)h;
}

/* Tell every descriptor that is open. */
static void
list_descriptors(const struct heritage *h)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;

	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(d) &&
		    atoi(e->d_name) > 2 && atoi(e->d_name) != h->ctl)
			(void)dprintf(h->ctl, "open %s\n", e->d_name);
	(void)dprintf(h->ctl, "end\n");
	(void)closedir(d);
}

static void
the_answer_of_the_check_comes_back(void **state)
{
	struct err err;
	char *text;

	(void)state;
	birth = answer;
	assert_int_equal(check(&text, &err), 0);
	assert_string_equal(text, "processes=3\n");
	free(text);
}

static void
a_refusal_brings_text_hint_and_code(void **state)
{
	struct err err;
	char *text;

	(void)state;
	birth = refuse;
	assert_int_equal(check(&text, &err), -1);
	assert_int_equal(err.code, EXIT_BAD_CONFIG);
	assert_string_equal(err.text, "no such \\x1b[1mhandler");
	assert_string_equal(err.hint, "try echo");
	assert_null(text);
}

static void
an_exit_code_that_is_not_ours_means_bad_configuration(void **state)
{
	struct err err;
	char *text;

	(void)state;
	birth = refuse_oddly;
	assert_int_equal(check(&text, &err), -1);
	assert_int_equal(err.code, EXIT_BAD_CONFIG);
	assert_string_equal(err.text, "odd");
}

static void
a_check_that_crashes_is_told_as_that(void **state)
{
	struct err err;
	char *text;

	(void)state;
	birth = crash;
	assert_int_equal(check(&text, &err), -1);
	assert_int_equal(err.code, EXIT_BAD_CONFIG);
	assert_string_equal(err.text,
	    "the check of the configuration ended: signal 9 (Killed)");
}

static void
a_check_that_says_nothing_has_failed(void **state)
{
	struct err err;
	char *text;

	(void)state;
	birth = say_nothing;
	assert_int_equal(check(&text, &err), -1);
	assert_int_equal(err.code, EXIT_BAD_CONFIG);
}

static void
a_forked_process_keeps_only_what_it_was_given(void **state)
{
	int extra[3], i;
	struct err err;
	char *text;

	(void)state;
	for (i = 0; i < 3; i++)
		extra[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	birth = list_descriptors;
	assert_int_equal(check(&text, &err), 0);
	assert_string_equal(text, "end\n");
	free(text);
	for (i = 0; i < 3; i++)
		closefd(&extra[i]);
}

static void
a_wait_status_has_words(void **state)
{
	char words[64];

	(void)state;
	assert_string_equal(spawn_words(3 << 8, words, sizeof(words)),
	    "exit code 3");
	assert_string_equal(spawn_words(SIGKILL, words, sizeof(words)),
	    "signal 9 (Killed)");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answer_of_the_check_comes_back),
		cmocka_unit_test(a_refusal_brings_text_hint_and_code),
		cmocka_unit_test(
		    an_exit_code_that_is_not_ours_means_bad_configuration),
		cmocka_unit_test(a_check_that_crashes_is_told_as_that),
		cmocka_unit_test(a_check_that_says_nothing_has_failed),
		cmocka_unit_test(a_forked_process_keeps_only_what_it_was_given),
		cmocka_unit_test(a_wait_status_has_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Log lines: whole, levelled, and safe to look at. */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/log.h"

static int sink[2];

static int
open_sink(void **state)
{
	(void)state;
	assert_int_equal(pipe2(sink, O_CLOEXEC | O_NONBLOCK), 0);
	log_start(sink[1], LOG_STDERR, LOG_INFO);
	log_set_who("child %d", 3);
	return 0;
}

static int
shut_sink(void **state)
{
	(void)state;
	log_start(2, LOG_STDERR, LOG_INFO);
	closefd(&sink[0]);
	closefd(&sink[1]);
	return 0;
}

static const char *
written(void)
{
	static char text[8192];
	ssize_t n = read(sink[0], text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static void
a_line_names_level_and_process(void **state)
{
	(void)state;
	log_warn("accept on %s: %s", "tcp://:80", "no");
	assert_string_equal(written(),
	    "tine: warn child 3: accept on tcp://:80: no\n");
}

static void
the_cause_of_a_failure_is_appended_and_kept(void **state)
{
	(void)state;
	errno = ENOENT;
	log_sys(LOG_ERROR, "open");
	assert_int_equal(errno, ENOENT);
	assert_string_equal(written(),
	    "tine: error child 3: open: No such file or directory\n");
}

static void
lines_below_the_level_are_not_written(void **state)
{
	(void)state;
	log_debug("hidden");
	assert_string_equal(written(), "");
	log_set_level(LOG_DEBUG);
	log_debug("shown");
	assert_string_equal(written(), "tine: debug child 3: shown\n");
}

static void
a_long_line_is_cut_and_still_ends(void **state)
{
	char text[5000];
	const char *line;

	(void)state;
	(void)memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_info("%s", text);
	line = written();
	assert_true(strlen(line) < 2100);
	assert_int_equal(line[strlen(line) - 1], '\n');
}

static void
a_file_gets_the_time_and_no_link_is_followed(void **state)
{
	char folder[] = "/tmp/tine-log-XXXXXX", path[64], link[64], line[256];
	enum log_sink kind;
	struct err err;
	struct stat st;
	int fd, n;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/log", folder);
	(void)snprintf(link, sizeof(link), "%s/link", folder);
	fd = log_open(path, &kind, &err);
	assert_int_not_equal(fd, -1);
	assert_int_equal(kind, LOG_FILE);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07137, 0);
	log_start(fd, kind, LOG_INFO);
	log_info("hello");
	f = fopen(path, "re");
	assert_non_null(fgets(line, sizeof(line), f));
	(void)fclose(f);
	assert_int_equal(
	    sscanf(line, "%*d-%*d-%*dT%*d:%*d:%*d.%*dZ info child 3: hell%no",
		&n),
	    0);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(log_open(link, &kind, &err), -1);
	assert_int_equal(err.code, EXIT_CANT_CREATE);
	closefd(&fd);
	(void)unlink(link);
	(void)unlink(path);
	(void)rmdir(folder);
}

static void
a_log_that_cannot_be_made_says_why(void **state)
{
	enum log_sink kind;
	struct err err;

	(void)state;
	assert_int_equal(log_open("/nonexistent/x.log", &kind, &err), -1);
	assert_int_equal(err.code, EXIT_CANT_CREATE);
	assert_non_null(strstr(err.text, "/nonexistent/x.log"));
	assert_true(err.hint[0] != '\0');
}

static void
a_full_pipe_loses_the_line_and_does_not_wait(void **state)
{
	char block[4096] = { 0 };

	(void)state;
	while (write(sink[1], block, sizeof(block)) > 0)
		continue;
	errno = 0;
	log_info("lost");
	assert_int_equal(errno, 0);
}

static void
a_limit_lets_a_burst_through_and_counts_the_rest(void **state)
{
	struct log_limit l = { .burst = 2 };
	unsigned missed, passed = 0;
	uint64_t second;
	int i;

	(void)state;
	/* All calls must fall into one second. */
	do {
		l = (struct log_limit){ .burst = 2 };
		passed = 0;
		second = mono_ns() / NSEC_PER_SEC;
		for (i = 0; i < 5; i++)
			passed += (unsigned)log_limit_pass(&l, &missed);
	} while (mono_ns() / NSEC_PER_SEC != second);
	assert_int_equal(passed, 2);
	l.second = 0;
	assert_true(log_limit_pass(&l, &missed));
	assert_int_equal(missed, 3);
}

static void
bytes_that_could_harm_a_terminal_are_escaped(void **state)
{
	char out[64], tiny[6];

	(void)state;
	assert_string_equal(log_escape(out, sizeof(out), "a\x1b[1m\\\n\xff", 8),
	    "a\\x1b[1m\\x5c\\x0a\\xff");
	assert_string_equal(log_escape(tiny, sizeof(tiny), "\n\n", 2), "\\x0a");
}

#define with_sink(f) cmocka_unit_test_setup_teardown(f, open_sink, shut_sink)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_sink(a_line_names_level_and_process),
		with_sink(the_cause_of_a_failure_is_appended_and_kept),
		with_sink(lines_below_the_level_are_not_written),
		with_sink(a_long_line_is_cut_and_still_ends),
		with_sink(a_file_gets_the_time_and_no_link_is_followed),
		cmocka_unit_test(a_log_that_cannot_be_made_says_why),
		with_sink(a_full_pipe_loses_the_line_and_does_not_wait),
		cmocka_unit_test(
		    a_limit_lets_a_burst_through_and_counts_the_rest),
		cmocka_unit_test(bytes_that_could_harm_a_terminal_are_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

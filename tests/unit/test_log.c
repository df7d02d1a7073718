/* SPDX-License-Identifier: BSD-2-Clause */
/* Log lines: whole, levelled, and safe to look at. */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

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

#include "shared/log.h"

static int sink[2];

static int
open_sink(void **state)
{
	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
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
	log_set_format(LOG_FORMAT_TEXT);
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
a_file_gets_the_time(void **state)
{
	char path[] = "/tmp/tine-log-XXXXXX", line[256];
	int n, fd = mkostemp(path, O_APPEND | O_CLOEXEC);
	FILE *f;

	(void)state;
	assert_int_not_equal(fd, -1);
	log_start(fd, LOG_FILE, LOG_INFO);
	log_info("hello");
	f = fopen(path, "re");
	assert_non_null(fgets(line, sizeof(line), f));
	(void)fclose(f);
	assert_int_equal(
	    sscanf(line, "%*d-%*d-%*dT%*d:%*d:%*d.%*dZ info child 3: hell%no",
		&n),
	    0);
	closefd(&fd);
	(void)unlink(path);
}

static void
control_characters_cannot_make_two_lines_of_one(void **state)
{
	(void)state;
	log_info("one\ntwo\x7f");
	assert_string_equal(written(),
	    "tine: info child 3: one\\x0atwo\\x7f\n");
}

/* ---- forms ---- */

static void
the_journal_gets_the_priority(void **state)
{
	(void)state;
	log_start(sink[1], LOG_JOURNAL, LOG_DEBUG);
	log_error("a");
	log_warn("b");
	log_info("c");
	log_debug("d");
	assert_string_equal(written(),
	    "<3>error child 3: a\n<4>warn child 3: b\n"
	    "<6>info child 3: c\n<7>debug child 3: d\n");
	log_tell(LOG_INFO, "ready");
	assert_string_equal(written(), "<6>tine: ready\n");
}

static void
json_has_its_keys_in_one_object(void **state)
{
	const char *text;
	int pid, n = 0;

	(void)state;
	log_set_format(LOG_FORMAT_JSON);
	log_warn("say \"hi\"\t\\");
	text = written();
	assert_int_equal(sscanf(text,
			     "{\"time\":\"%*d-%*d-%*dT%*d:%*d:%*d.%*dZ\","
			     "\"level\":\"warn\",\"pid\":%d,%n",
			     &pid, &n),
	    1);
	assert_int_equal(pid, getpid());
	assert_string_equal(text + n,
	    "\"who\":\"child 3\",\"msg\":\"say \\\"hi\\\"\\u0009\\\\\"}\n");
}

/* What JSON makes of this text. */
static const char *
json_of(const char *text)
{
	char *begin;

	log_set_format(LOG_FORMAT_JSON);
	log_info("%s", text);
	begin = strstr(written(), "\"msg\":\"");
	assert_non_null(begin);
	begin += 7;
	begin[strlen(begin) - 3] = '\0';
	return begin;
}

static void
json_keeps_utf8_and_escapes_what_is_none(void **state)
{
	(void)state;
	assert_string_equal(json_of("gr\xc3\xbc\xc3\x9f"),
	    "gr\xc3\xbc\xc3\x9f");
	assert_string_equal(json_of("\xe2\x82\xac \xf0\x9f\x8c\xb2"),
	    "\xe2\x82\xac \xf0\x9f\x8c\xb2");
	/* Cut off, too long, a surrogate, too high, a lone continuation. */
	assert_string_equal(json_of("\xc3"), "\\u00c3");
	assert_string_equal(json_of("\xc0\xaf"), "\\u00c0\\u00af");
	assert_string_equal(json_of("\xe0\x80\xaf"), "\\u00e0\\u0080\\u00af");
	assert_string_equal(json_of("\xed\xa0\x80"), "\\u00ed\\u00a0\\u0080");
	assert_string_equal(json_of("\xf4\x90\x80\x80"),
	    "\\u00f4\\u0090\\u0080\\u0080");
	assert_string_equal(json_of("\xe2\x82"), "\\u00e2\\u0082");
	assert_string_equal(json_of("\xbf"), "\\u00bf");
}

static void
a_long_json_line_is_cut_and_still_an_object(void **state)
{
	char text[5000];
	const char *line;

	(void)state;
	(void)memset(text, '\x01', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_set_format(LOG_FORMAT_JSON);
	log_info("%s", text);
	line = written();
	assert_true(strlen(line) > 4000 && strlen(line) < 4096);
	assert_string_equal(line + strlen(line) - 9, "\\u0001\"}\n");
}

/* ---- never waiting ---- */

static void
fill(int fd)
{
	char block[4096] = { 0 };

	while (write(fd, block, sizeof(block)) > 0)
		continue;
	assert_int_equal(errno, EAGAIN);
}

static void
what_was_lost_is_counted_and_said_once(void **state)
{
	char block[65536];

	(void)state;
	fill(sink[1]);
	log_info("lost");
	log_info("lost too");
	log_retry();
	while (read(sink[0], block, sizeof(block)) > 0)
		continue;
	log_info("here again");
	assert_string_equal(written(),
	    "tine: warn child 3: log: 2 lines lost: the reader was too slow\n"
	    "tine: info child 3: here again\n");
	log_retry();
	log_info("on");
	assert_string_equal(written(), "tine: info child 3: on\n");
}

static void
the_loss_is_said_although_nothing_else_happens(void **state)
{
	char block[65536];

	(void)state;
	fill(sink[1]);
	log_info("lost");
	while (read(sink[0], block, sizeof(block)) > 0)
		continue;
	log_retry();
	assert_string_equal(written(),
	    "tine: warn child 3: log: 1 line lost: the reader was too slow\n");
}

static void
another_process_does_not_speak_for_the_lost_lines(void **state)
{
	char block[65536];

	(void)state;
	fill(sink[1]);
	log_info("lost");
	while (read(sink[0], block, sizeof(block)) > 0)
		continue;
	log_set_who("child %d", 4);
	log_info("new");
	assert_string_equal(written(), "tine: info child 4: new\n");
}

/* A descriptor whose flags belong to somebody else: it blocks. */
static void
a_blocking_pipe_is_asked_before_it_is_written(void **state)
{
	int fds[2], i;
	char block[65536];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	log_start(fds[1], LOG_STDERR, LOG_INFO);
	/* More than fits; a write that waited would wait for ever. */
	for (i = 0; i < 1000; i++)
		log_info("%0100d", i);
	assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
	assert_true(read(fds[0], block, sizeof(block)) > 0);
	log_info("again");
	closefd(&fds[0]);
	/* Nobody reads any more. */
	log_info("lost");
	closefd(&fds[1]);
}

static void
a_socket_is_never_waited_for(void **state)
{
	int fds[2], i;
	char text[256];
	ssize_t n;

	(void)state;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	log_start(fds[1], LOG_STDERR, LOG_INFO);
	log_info("hello");
	n = read(fds[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "tine: info child 3: hello\n");
	for (i = 0; i < 10000; i++)
		log_info("%0100d", i);
	assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
	closefd(&fds[0]);
	log_info("lost");
	closefd(&fds[1]);
}

/* ---- a full disk ---- */

static void
a_torn_line_is_counted_and_the_next_one_begins_afresh(void **state)
{
	char path[] = "/tmp/tine-log-XXXXXX", text[1024];
	int fd = mkostemp(path, O_APPEND | O_CLOEXEC);
	struct rlimit old, tight;
	ssize_t n;

	(void)state;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	tight = old;
	tight.rlim_cur = 60;
	log_start(fd, LOG_FILE, LOG_INFO);
	log_info("whole");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	log_info("torn");
	log_info("lost");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	log_info("after");
	n = pread(fd, text, sizeof(text) - 1, 0);
	assert_true(n > 60);
	text[n] = '\0';
	assert_non_null(strstr(text, " info child 3: whole\n"));
	assert_null(strstr(text, "torn\n"));
	assert_int_equal(text[60], '\n');
	assert_non_null(
	    strstr(text, " warn child 3: log: 2 lines lost: File too large\n"));
	assert_non_null(strstr(text, "Z info child 3: after\n"));
	closefd(&fd);
	(void)unlink(path);
}

static void
a_full_device_loses_lines_and_nothing_else(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_int_not_equal(fd, -1);
	log_start(fd, LOG_FILE, LOG_INFO);
	errno = 0;
	log_info("lost");
	log_info("lost");
	assert_int_equal(errno, 0);
	log_start(sink[1], LOG_STDERR, LOG_INFO);
	log_info("here");
	assert_string_equal(written(),
	    "tine: warn child 3: log: 2 lines lost: No space left on device\n"
	    "tine: info child 3: here\n");
	closefd(&fd);
}

/* ---- syslog ---- */

static char syslog_path[64];

static int
syslog_daemon(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", syslog_path);
	(void)unlink(syslog_path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&sun, sizeof(sun)),
	    0);
	return fd;
}

static const char *
syslog_got(int fd)
{
	static char text[4096];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static int
syslog_client(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", syslog_path);
	assert_int_equal(
	    connect(fd, (const struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

static void
syslog_survives_the_daemon(void **state)
{
	char folder[] = "/tmp/tine-log-XXXXXX", want[128];
	int daemon, fd, i;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(syslog_path, sizeof(syslog_path), "%s/log", folder);
	daemon = syslog_daemon();
	fd = syslog_client();
	log_set_syslog(syslog_path);
	log_start(fd, LOG_SYSLOG, LOG_INFO);
	log_warn("one");
	(void)snprintf(want, sizeof(want), "<28>tine[%ld]: warn child 3: one",
	    (long)getpid());
	assert_string_equal(syslog_got(daemon), want);
	closefd(&daemon);
	(void)unlink(syslog_path);
	log_warn("lost");
	log_warn("lost");
	daemon = syslog_daemon();
	log_warn("two");
	assert_non_null(
	    strstr(syslog_got(daemon), "warn child 3: log: 2 lines lost: "));
	assert_non_null(strstr(syslog_got(daemon), "warn child 3: two"));
	/* It stands still: its queue takes some lines and then none. */
	for (i = 0; i < 5000; i++)
		log_warn("%d", i);
	assert_non_null(strstr(syslog_got(daemon), "child 3: 0"));
	closefd(&daemon);
	closefd(&fd);
	(void)unlink(syslog_path);
	(void)rmdir(folder);
	log_set_syslog(LOG_SYSLOG_PATH);
}

static void
the_line_of_a_crash_has_the_form_of_the_others(void **state)
{
	(void)state;
	log_from_signal("fatal signal 11", 15);
	assert_string_equal(written(),
	    "tine: error child 3: fatal signal 11\n");
	log_set_format(LOG_FORMAT_JSON);
	log_from_signal("fatal \"11\"", 10);
	assert_non_null(strstr(written(), "\"msg\":\"fatal \\\"11\\\"\"}\n"));
}

static void
what_a_limit_left_out_is_said_in_words(void **state)
{
	char text[64];

	(void)state;
	assert_string_equal(log_print_missed(0, text, sizeof(text)), "");
	assert_string_equal(log_print_missed(1, text, sizeof(text)),
	    " (1 line like it left out)");
	assert_string_equal(log_print_missed(7, text, sizeof(text)),
	    " (7 lines like it left out)");
}

static void
a_full_pipe_loses_the_line_and_does_not_wait(void **state)
{
	(void)state;
	fill(sink[1]);
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
		with_sink(a_file_gets_the_time),
		with_sink(control_characters_cannot_make_two_lines_of_one),
		with_sink(the_journal_gets_the_priority),
		with_sink(json_has_its_keys_in_one_object),
		with_sink(json_keeps_utf8_and_escapes_what_is_none),
		with_sink(a_long_json_line_is_cut_and_still_an_object),
		with_sink(what_was_lost_is_counted_and_said_once),
		with_sink(the_loss_is_said_although_nothing_else_happens),
		with_sink(another_process_does_not_speak_for_the_lost_lines),
		with_sink(a_blocking_pipe_is_asked_before_it_is_written),
		with_sink(a_socket_is_never_waited_for),
		with_sink(
		    a_torn_line_is_counted_and_the_next_one_begins_afresh),
		with_sink(a_full_device_loses_lines_and_nothing_else),
		with_sink(syslog_survives_the_daemon),
		with_sink(the_line_of_a_crash_has_the_form_of_the_others),
		cmocka_unit_test(what_a_limit_left_out_is_said_in_words),
		with_sink(a_full_pipe_loses_the_line_and_does_not_wait),
		cmocka_unit_test(
		    a_limit_lets_a_burst_through_and_counts_the_rest),
		cmocka_unit_test(bytes_that_could_harm_a_terminal_are_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

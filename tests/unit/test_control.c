/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket: its path, its clients, what its commands do. */
#include "tests/unit/fixture.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>

#include "shared/wire.h"

#include "master/control.h"

#define PATIENCE_NS (5 * NSEC_PER_SEC)

static char folder[32], path[64];
static int stops, stops_now;

void __wrap_stop_begin(struct master *, bool now);

void
__wrap_stop_begin(struct master *m, bool now)
{
	stops++;
	stops_now += now;
	m->state = MASTER_STOPPING;
}

static int
open_all(void **state)
{
	struct err err;

	(void)fixture_open(state);
	(void)snprintf(folder, sizeof(folder), "/tmp/tine-ctl-XXXXXX");
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/c.sock", folder);
	stops = stops_now = 0;
	if (conf_set(&fx.generation.conf, "servers.0.handler", "echo", &err) ==
		-1 ||
	    url_parse(&fx.listener->url, "tcp://127.0.0.1:80", &err) == -1)
		return -1;
	fixture_all_ready();
	fx.m.control = control_open(&fx.m, path, &err);
	return fx.m.control == NULL ? -1 : 0;
}

static int
close_all(void **state)
{
	control_close(&fx.m.control);
	(void)rmdir(folder);
	return fixture_close(state);
}

static int
dial(void)
{
	struct err err;
	struct addr a;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(addr_from_path(&a, path, &err), 0);
	assert_int_equal(connect(fd, &a.u.sa, a.len), 0);
	return fd;
}

static void
say(int fd, const char *line)
{
	assert_int_equal(send(fd, line, strlen(line), MSG_NOSIGNAL),
	    strlen(line));
}

/* Let the master work until the client has end-of-file; closes it. */
static char *
answer_of(int fd)
{
	static char answer[16384];
	uint64_t deadline = mono_ns() + PATIENCE_NS;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	size_t used = 0;
	ssize_t n;

	for (;;) {
		assert_true(mono_ns() < deadline);
		ev_run(fx.m.loop, EVRUN_NOWAIT);
		(void)poll(&pfd, 1, 1);
		n = recv(fd, answer + used, sizeof(answer) - used - 1,
		    MSG_DONTWAIT);
		/* What it did not read resets us after its answer. */
		if (n == 0 || (n == -1 && errno == ECONNRESET))
			break;
		used += n > 0 ? (size_t)n : 0;
	}
	answer[used] = '\0';
	closefd(&fd);
	return answer;
}

static char *
ask(const char *line)
{
	int fd = dial();

	say(fd, line);
	return answer_of(fd);
}

static void
turn(void)
{
	int i;

	for (i = 0; i < 3; i++)
		ev_run(fx.m.loop, EVRUN_NOWAIT);
}

static void
the_socket_is_for_its_owner_alone(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_string_equal(fx.m.control_path, path);
}

static void
a_second_server_does_not_take_the_path(void **state)
{
	struct err err;

	(void)state;
	assert_null(control_open(&fx.m, path, &err));
	assert_int_equal(err.sys, EADDRINUSE);
	assert_non_null(strstr(err.text, path));
	/* That probe was a client that said nothing. */
	turn();
	assert_string_equal(ask("nonsense\n"),
	    "fail unknown command nonsense\n");
}

static void
an_abstract_name_is_refused(void **state)
{
	struct err err;

	(void)state;
	assert_null(control_open(&fx.m, "@tine", &err));
	assert_int_equal(err.code, EXIT_BAD_CONFIG);
}

static void
the_path_goes_with_the_socket(void **state)
{
	(void)state;
	control_close(&fx.m.control);
	assert_null(fx.m.control);
	assert_int_equal(access(path, F_OK), -1);
	assert_string_equal(fx.m.control_path, "");
}

static void
a_path_that_somebody_replaced_stays(void **state)
{
	FILE *f;

	(void)state;
	assert_int_equal(unlink(path), 0);
	f = fopen(path, "w");
	assert_non_null(f);
	(void)fclose(f);
	control_close(&fx.m.control);
	assert_int_equal(unlink(path), 0);
}

static void
status_is_one_line_of_json(void **state)
{
	char *answer = ask("status\n");

	(void)state;
	assert_int_equal(strncmp(answer, "ok\n{\"version\":", 14), 0);
	assert_string_equal(strrchr(answer, '}'), "}\n");
}

static void
a_line_may_come_byte_by_byte(void **state)
{
	const char *p, *line = "kill 99\n";
	char byte[2] = "";
	int fd = dial();

	(void)state;
	for (p = line; *p != '\0'; p++) {
		byte[0] = *p;
		say(fd, byte);
		turn();
	}
	assert_string_equal(answer_of(fd),
	    "fail no place 99: there are 0 to 2\n");
}

static void
senseless_lines_are_refused(void **state)
{
	static const struct {
		const char *line, *answer;
	} cases[] = {
		{ "\n", "fail no command\n" },
		{ "Status\n", "fail unknown command Status\n" },
		{ "\033[2J\n", "fail unknown command \\x1b[2J\n" },
		{ "status all\n", "fail usage: status\n" },
		{ "stop later\n", "fail usage: stop [now]\n" },
		{ "kill\n", "fail usage: kill PLACE\n" },
		{ "kill 1 2\n", "fail usage: kill PLACE\n" },
		{ "kill -1\n", "fail no place -1: there are 0 to 2\n" },
		{ "kill 1x\n", "fail no place 1x: there are 0 to 2\n" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < nitems(cases); i++)
		assert_string_equal(ask(cases[i].line), cases[i].answer);
	assert_int_equal(stops, 0);
}

static void
a_line_with_null_bytes_is_refused(void **state)
{
	int fd = dial();

	(void)state;
	assert_int_equal(send(fd, "stop\0now\n", 9, MSG_NOSIGNAL), 9);
	assert_string_equal(answer_of(fd), "fail the line has null bytes\n");
	assert_int_equal(stops, 0);
}

static void
a_line_is_bounded(void **state)
{
	char line[WIRE_LINE_MAX * 2];
	int fd = dial();

	(void)state;
	(void)memset(line, 'x', sizeof(line));
	assert_int_equal(send(fd, line, sizeof(line), MSG_NOSIGNAL),
	    sizeof(line));
	assert_string_equal(answer_of(fd), "fail the line is too long\n");
}

static void
a_line_without_an_end_is_refused(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "stop");
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_string_equal(answer_of(fd), "fail the line has no end\n");
	assert_int_equal(stops, 0);
}

static void
stop_is_answered_and_done(void **state)
{
	(void)state;
	assert_string_equal(ask("stop\n"), "ok\n");
	assert_int_equal(stops, 1);
	assert_int_equal(stops_now, 0);
	/* A second one does not cut what the first lets finish. */
	assert_string_equal(ask("stop\n"), "ok\n");
	assert_int_equal(stops, 1);
	assert_string_equal(ask("stop now\n"), "ok\n");
	assert_int_equal(stops_now, 1);
}

static void
kill_is_done_when_the_new_child_is_ready(void **state)
{
	struct place *pl = &fx.m.places[1];
	int fd = dial();
	char byte;

	(void)state;
	say(fd, "kill 1\n");
	turn();
	control_on_change(fx.m.control);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	proc_on_reaped(pl->incumbent, SIGKILL);
	control_on_change(fx.m.control);
	place_fork_due(&fx.m);
	control_on_change(fx.m.control);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	fixture_say(pl->incumbent, CTL_PREPARED, NULL, 0);
	fixture_say(pl->incumbent, CTL_READY, NULL, 0);
	control_on_change(fx.m.control);
	assert_string_equal(answer_of(fd), "ok\n");
}

static void
drain_is_done_when_the_old_child_has_left(void **state)
{
	struct place *pl = &fx.m.places[1];
	struct proc *old = pl->incumbent;
	int fd = dial();
	struct ctl_msg msg;
	char byte;

	(void)state;
	say(fd, "drain 1\n");
	turn();
	place_fork_due(&fx.m);
	assert_non_null(pl->successor);
	assert_int_equal(fixture_heard(old, &msg), CTL_NONE);
	fixture_say(pl->successor, CTL_PREPARED, NULL, 0);
	fixture_say(pl->successor, CTL_READY, NULL, 0);
	assert_int_equal(fixture_heard(old, &msg), CTL_DRAIN);
	assert_int_equal(msg.body.drain.reason, CTL_OPERATOR);
	control_on_change(fx.m.control);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	proc_on_reaped(old, 0);
	control_on_change(fx.m.control);
	assert_string_equal(answer_of(fd), "ok\n");
	assert_int_equal(fx.m.crashes, 0);
}

static void
drain_keeps_the_old_child_when_no_new_one_comes_to_life(void **state)
{
	struct place *pl = &fx.m.places[0];
	struct proc *old = pl->incumbent;
	int i, fd = dial();
	char expected[128];

	(void)state;
	say(fd, "drain 0\n");
	turn();
	for (i = 0; i < 3; i++) {
		pl->is_due = true; /* as if its pause were over */
		place_fork_due(&fx.m);
		(void)strcpy(pl->successor->last_words, "no such luck");
		proc_on_reaped(pl->successor, 1 << 8);
		control_on_change(fx.m.control);
	}
	(void)snprintf(expected, sizeof(expected),
	    "fail no new child 0 became ready: no such luck; the old one "
	    "(pid %ld) goes on\n",
	    (long)old->pid);
	assert_string_equal(answer_of(fd), expected);
	assert_ptr_equal(pl->incumbent, old);
	assert_int_equal(old->state, PROC_READY);
	assert_false(pl->wants_successor);
	assert_false(ev_is_active(&pl->retry_w));
}

static void
drain_says_how_far_it_came(void **state)
{
	struct place *pl = &fx.m.places[2];
	struct proc *old = pl->incumbent;
	int fd;

	(void)state;
	/* Its patience: nothing but the margin. */
	fx.generation.conf.start_timeout = fx.generation.conf.drain_timeout =
	    -1.48;
	fd = dial();
	say(fd, "drain 2\n");
	turn();
	fx.generation.conf.start_timeout = fx.generation.conf.drain_timeout =
	    30;
	place_fork_due(&fx.m);
	fixture_say(pl->successor, CTL_PREPARED, NULL, 0);
	fixture_say(pl->successor, CTL_READY, NULL, 0);
	assert_non_null(strstr(answer_of(fd), "is ready, but the old one"));
	assert_int_equal(old->state, PROC_DRAINING);
	/* A child that leaves is not drained again. */
	fixture_say(pl->incumbent, CTL_DRAINED, &(struct ctl_drained){ 0 },
	    sizeof(struct ctl_drained));
	assert_string_equal(ask("drain 2\n"),
	    "fail the child of place 2 is draining\n");
}

static void
drain_of_a_place_without_a_child_fails(void **state)
{
	(void)state;
	proc_on_reaped(fx.m.places[2].incumbent, SIGKILL);
	assert_string_equal(ask("drain 2\n"),
	    "fail place 2 has no child now\n");
}

static void
a_stop_ends_a_drain_that_waits(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "drain 0\n");
	turn();
	fx.m.state = MASTER_STOPPING;
	control_on_change(fx.m.control);
	assert_string_equal(answer_of(fd), "fail the server is stopping\n");
}

/* The run that a client's line began. */
static struct checkrun *
begin_check(int fd)
{
	say(fd, "check\n");
	turn();
	assert_false(TAILQ_EMPTY(&fx.m.checkruns));
	return TAILQ_FIRST(&fx.m.checkruns);
}

static void
end_check(struct checkrun *run, const char *text, const char *report)
{
	run->is_due = false;
	run->is_done = true;
	run->result.text = text != NULL ? strdup(text) : NULL;
	run->result.report = strdup(report);
	control_on_change(fx.m.control);
}

static void
check_answers_what_the_checker_said(void **state)
{
	static const struct {
		const char *text, *report, *answer;
	} cases[] = {
		{ "x=1\n", "", "ok\n" },
		{ "x=1\n", "a: warning\n", "ok\na: warning\n" },
		{ NULL, "a: bad\n ^\n", "fail a: bad; mend it\na: bad\n ^\n" },
		{ NULL, "", "fail a: bad; mend it\n" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < nitems(cases); i++) {
		int fd = dial();
		struct checkrun *run = begin_check(fd);

		control_on_change(fx.m.control); /* not yet */
		(void)strcpy(run->result.err.text, "a: bad");
		(void)strcpy(run->result.err.hint, "mend it");
		end_check(run, cases[i].text, cases[i].report);
		assert_string_equal(answer_of(fd), cases[i].answer);
		assert_true(TAILQ_EMPTY(&fx.m.checkruns));
	}
}

static void
a_check_ends_with_its_client(void **state)
{
	int fd = dial();

	(void)state;
	(void)begin_check(fd);
	closefd(&fd);
	turn();
	assert_true(TAILQ_EMPTY(&fx.m.checkruns));
	fx.m.state = MASTER_STOPPING;
	assert_string_equal(ask("check\n"), "fail the server is stopping\n");
}

static void
metrics_are_lines_behind_ok(void **state)
{
	const char *answer;

	(void)state;
	answer = ask("metrics\n");
	assert_memory_equal(answer, "ok\n# HELP tine_", 15);
	assert_memory_equal(answer + strlen(answer) - 2, "0\n", 2);
}

static void
a_client_that_waits_may_close_its_sending_half(void **state)
{
	struct place *pl = &fx.m.places[0];
	int fd = dial();

	(void)state;
	say(fd, "kill 0\n");
	turn();
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	turn();
	proc_on_reaped(pl->incumbent, SIGKILL);
	place_fork_due(&fx.m);
	fixture_say(pl->incumbent, CTL_PREPARED, NULL, 0);
	fixture_say(pl->incumbent, CTL_READY, NULL, 0);
	control_on_change(fx.m.control);
	assert_string_equal(answer_of(fd), "ok\n");
}

static void
kill_of_a_place_without_a_child_fails(void **state)
{
	(void)state;
	proc_on_reaped(fx.m.places[2].incumbent, SIGKILL);
	assert_string_equal(ask("kill 2\n"), "fail place 2 has no child now\n");
}

static void
kill_gives_up_after_the_start_timeout(void **state)
{
	int fd = dial();

	(void)state;
	fx.generation.conf.start_timeout = 0.05;
	say(fd, "kill 0\n");
	assert_string_equal(answer_of(fd),
	    "fail child 0 was killed, but no new one was ready within 0.05 "
	    "s\n");
}

static void
a_stop_ends_a_kill_that_waits(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "kill 0\n");
	turn();
	fx.m.state = MASTER_STOPPING;
	control_on_change(fx.m.control);
	assert_string_equal(answer_of(fd), "fail the server is stopping\n");
}

static void
the_end_of_the_master_answers_who_waits(void **state)
{
	char answer[64] = "";
	int fd = dial();

	(void)state;
	say(fd, "kill 0\n");
	turn();
	control_close(&fx.m.control);
	assert_true(recv(fd, answer, sizeof(answer) - 1, 0) > 0);
	assert_string_equal(answer, "fail the server has stopped\n");
	closefd(&fd);
}

static void
a_client_that_leaves_gives_its_seat_back(void **state)
{
	int i, fd;

	(void)state;
	for (i = 0; i < CONTROL_CLIENTS_MAX * 3; i++) {
		fd = dial();
		if (i % 2 == 0)
			say(fd, "kill 0\n");
		turn();
		closefd(&fd);
		turn();
	}
	assert_string_equal(ask("nonsense\n"),
	    "fail unknown command nonsense\n");
}

static void
idle_clients_make_room_for_one_who_speaks(void **state)
{
	int idle[CONTROL_CLIENTS_MAX], i;
	uint64_t start = mono_ns();

	(void)state;
	for (i = 0; i < CONTROL_CLIENTS_MAX; i++)
		idle[i] = dial();
	turn();
	assert_string_equal(ask("nonsense\n"),
	    "fail unknown command nonsense\n");
	assert_true(mono_ns() - start >= CONTROL_CROWDED_S * NSEC_PER_SEC / 2);
	for (i = 0; i < CONTROL_CLIENTS_MAX; i++)
		closefd(&idle[i]);
}

static void
a_slow_reader_gets_the_whole_answer_and_blocks_nobody(void **state)
{
	struct listener **listeners = fx.m.listeners;
	int i, small = 1, fd = dial();
	char *answer;

	(void)state;
	/* More of an answer than a socket holds. */
	fx.m.nlisteners = 3000;
	fx.m.listeners = calloc(fx.m.nlisteners, sizeof(struct listener *));
	assert_non_null(fx.m.listeners);
	for (i = 0; i < (int)fx.m.nlisteners; i++)
		fx.m.listeners[i] = fx.listener;
	assert_int_equal(
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	say(fd, "status\n");
	turn();
	free(fx.m.listeners);
	fx.m.listeners = listeners;
	fx.m.nlisteners = 1;
	assert_string_equal(ask("kill 7\n"),
	    "fail no place 7: there are 0 to 2\n");
	for (i = 0; i < 12; i++) {
		char bytes[16384];

		turn();
		assert_int_equal(
		    recv(fd, bytes, sizeof(bytes) - 1, MSG_DONTWAIT),
		    sizeof(bytes) - 1);
	}
	/* The rest is lost with the client, the master goes on. */
	closefd(&fd);
	turn();
	answer = ask("status\n");
	assert_int_equal(strncmp(answer, "ok\n", 3), 0);
}

static void
a_forked_child_only_stops_the_watchers(void **state)
{
	int fd = dial();

	(void)state;
	turn();
	control_abandon(fx.m.control);
	say(fd, "stop\n");
	turn();
	assert_int_equal(stops, 0);
	closefd(&fd);
}

#define with_control(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_control(the_socket_is_for_its_owner_alone),
		with_control(a_second_server_does_not_take_the_path),
		with_control(an_abstract_name_is_refused),
		with_control(the_path_goes_with_the_socket),
		with_control(a_path_that_somebody_replaced_stays),
		with_control(status_is_one_line_of_json),
		with_control(a_line_may_come_byte_by_byte),
		with_control(senseless_lines_are_refused),
		with_control(a_line_with_null_bytes_is_refused),
		with_control(a_line_is_bounded),
		with_control(a_line_without_an_end_is_refused),
		with_control(stop_is_answered_and_done),
		with_control(kill_is_done_when_the_new_child_is_ready),
		with_control(drain_is_done_when_the_old_child_has_left),
		with_control(
		    drain_keeps_the_old_child_when_no_new_one_comes_to_life),
		with_control(drain_says_how_far_it_came),
		with_control(drain_of_a_place_without_a_child_fails),
		with_control(a_stop_ends_a_drain_that_waits),
		with_control(check_answers_what_the_checker_said),
		with_control(a_check_ends_with_its_client),
		with_control(metrics_are_lines_behind_ok),
		with_control(a_client_that_waits_may_close_its_sending_half),
		with_control(kill_of_a_place_without_a_child_fails),
		with_control(kill_gives_up_after_the_start_timeout),
		with_control(a_stop_ends_a_kill_that_waits),
		with_control(the_end_of_the_master_answers_who_waits),
		with_control(a_client_that_leaves_gives_its_seat_back),
		with_control(idle_clients_make_room_for_one_who_speaks),
		with_control(
		    a_slow_reader_gets_the_whole_answer_and_blocks_nobody),
		with_control(a_forked_child_only_stops_the_watchers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

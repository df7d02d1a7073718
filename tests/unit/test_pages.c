/* SPDX-License-Identifier: BSD-2-Clause */
/* The admin pages, asked over a connection; the test is client and master. */
#include "rig.h"

#include <sys/mman.h>

#include <stdio.h>
#include <unistd.h>

#define JSON "{\"version\":\"0\"}"
#define METRICS "tine_up 1\n"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

extern const struct tine_handler builtin_pages;

static char heard[RIG_HELD_MAX]; /* by the client; ended by a null byte */
static size_t nheard;
static int peer; /* the client's end */

static int
setup(void **state)
{
	struct ctl_msg m;
	int fds[2];

	(void)state;
	(void)rig_conf();
	rig.conf.keepalive_grace = 0.01;
	assert_int_equal(ctl_pair(fds), 0);
	rig.ctl = fds[0];
	rig.heritage.ctl = fds[1];
	rig_start(&builtin_pages);
	cctl_start(&rig.ch);
	assert_int_equal(ctl_recv(rig.ctl, &m, false), CTL_GOT_MSG);
	assert_int_equal(m.head.type, CTL_READY);
	peer = rig_connect();
	nheard = 0;
	heard[0] = '\0';
	return 0;
}

static int
teardown(void **state)
{
	closefd(&peer);
	return rig_end(state);
}

/* ---- the master ---- */

static bool
has_asked(void)
{
	struct ctl_msg m;

	return ctl_recv(rig.ctl, &m, false) == CTL_GOT_MSG &&
	    m.head.type == CTL_ASK;
}

static void
answer_with(enum ctl_readiness readiness, const char *json, const char *metrics)
{
	const struct ctl_status s = {
		.json_bytes = (uint32_t)strlen(json),
		.metrics_bytes = (uint32_t)strlen(metrics),
		.readiness = readiness,
	};
	int fd = memfd_create("status", MFD_CLOEXEC);

	assert_int_equal(write(fd, json, strlen(json)), s.json_bytes);
	assert_int_equal(write(fd, metrics, strlen(metrics)), s.metrics_bytes);
	assert_int_equal(ctl_send(rig.ctl, CTL_STATUS, 0, 1, &s, sizeof(s), fd),
	    0);
	closefd(&fd);
}

/* Wait for the question and answer it. */
static void
answer(enum ctl_readiness readiness)
{
	rig_until(has_asked());
	answer_with(readiness, JSON, METRICS);
}

/* ---- the client ---- */

/* Take what has arrived; false at end-of-file. */
static bool
listen_on(void)
{
	ssize_t n = rig_hear(peer, heard + nheard, sizeof(heard) - nheard);

	nheard += n > 0 ? (size_t)n : 0;
	return n != 0;
}

static bool
has_heard(const char *text)
{
	(void)listen_on();
	return strstr(heard, text) != NULL;
}

static unsigned
times_heard(const char *text)
{
	const char *at = heard;
	unsigned n = 0;

	(void)listen_on();
	while ((at = strstr(at, text)) != NULL) {
		at += strlen(text);
		n++;
	}
	return n;
}

/* Everything up to the end of the connection, and the end. */
static void
hear_all(void)
{
	rig_until(!listen_on());
}

static void
forget(void)
{
	nheard = 0;
	heard[0] = '\0';
}

/* The head has the line, the body is this. */
static void
assert_answer(const char *status, const char *type, const char *body)
{
	char line[128];

	rig_until(strstr(heard, "\r\n\r\n") != NULL || (has_heard("\r\n\r\n")));
	(void)snprintf(line, sizeof(line), "HTTP/1.1 %s\r\n", status);
	assert_memory_equal(heard, line, strlen(line));
	(void)snprintf(line, sizeof(line), "\r\nContent-Type: %s\r\n", type);
	assert_non_null(strstr(heard, line));
	(void)snprintf(line, sizeof(line), "\r\nContent-Length: %zu\r\n",
	    strlen(body));
	assert_non_null(strstr(heard, line));
	assert_non_null(strstr(heard, "\r\nCache-Control: no-store\r\n"));
	assert_string_equal(strstr(heard, "\r\n\r\n") + 4, body);
}

#define TEXT "text/plain; charset=utf-8"

/* ---- what there is ---- */

static void
status_and_metrics_are_what_the_master_said(void **state)
{
	(void)state;
	rig_say(peer, GET("/status.json"));
	answer(CTL_CAN_SERVE);
	assert_answer("200 OK", "application/json", JSON);
	forget();
	rig_say(peer, GET("/metrics?name=tine_up"));
	answer(CTL_CAN_SERVE);
	assert_answer("200 OK", "text/plain; version=0.0.4; charset=utf-8",
	    METRICS);
	assert_int_equal(rig_count(BOARD_REQUESTS), 2);
}

static void
health_is_the_masters_and_readiness_the_servers(void **state)
{
	static const char *const lines[CTL_NREADINESS] = {
		[CTL_CAN_SERVE] = "ready\n",
		[CTL_NOT_YET] = "starting\n",
		[CTL_TOO_FEW] = "too few children are ready\n",
		[CTL_NO_MORE] = "stopping\n",
	};
	unsigned i;

	(void)state;
	for (i = 0; i < CTL_NREADINESS; i++) {
		forget();
		rig_say(peer, GET("/healthz"));
		answer((enum ctl_readiness)i);
		assert_answer("200 OK", TEXT, "ok\n");
		forget();
		rig_say(peer, GET("/readyz"));
		answer((enum ctl_readiness)i);
		assert_answer(i == CTL_CAN_SERVE ? "200 OK"
						 : "503 Service Unavailable",
		    TEXT, lines[i]);
	}
}

static void
the_live_page_needs_no_word_of_the_master(void **state)
{
	(void)state;
	rig_say(peer, GET("/"));
	rig_until(has_heard("</html>\n"));
	assert_false(has_asked());
	assert_non_null(
	    strstr(heard, "\r\nContent-Type: text/html; charset=utf-8\r\n"));
	assert_non_null(
	    strstr(heard, "\r\nContent-Security-Policy: default-src 'none'; "));
	/* Nothing from elsewhere, and nothing that a name could turn into
	 * markup. */
	assert_null(strstr(heard, "//"));
	assert_null(strstr(heard, "innerHTML"));
}

static void
head_has_the_head_alone(void **state)
{
	char line[64];

	(void)state;
	rig_say(peer, "HEAD /status.json HTTP/1.1\r\nHost: a\r\n\r\n");
	answer(CTL_CAN_SERVE);
	rig_until(has_heard("\r\n\r\n"));
	(void)snprintf(line, sizeof(line), "\r\nContent-Length: %zu\r\n",
	    strlen(JSON));
	assert_non_null(strstr(heard, line));
	assert_string_equal(strstr(heard, "\r\n\r\n"), "\r\n\r\n");
	forget();
	rig_say(peer, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
	rig_until(has_heard("\r\n\r\n"));
	assert_string_equal(strstr(heard, "\r\n\r\n"), "\r\n\r\n");
}

static void
what_is_not_there_is_refused_without_asking(void **state)
{
	(void)state;
	rig_say(peer, GET("/status"));
	assert_answer("404 Not Found", TEXT, "404 Not Found\n");
	forget();
	rig_say(peer, GET("/metrics/"));
	assert_answer("404 Not Found", TEXT, "404 Not Found\n");
	forget();
	rig_say(peer, "DELETE /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_answer("405 Method Not Allowed", TEXT,
	    "405 Method Not Allowed\n");
	assert_non_null(strstr(heard, "\r\nAllow: GET, HEAD\r\n"));
	forget();
	rig_say(peer, "BREW /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_answer("501 Not Implemented", TEXT, "501 Not Implemented\n");
	assert_false(has_asked());
}

static void
after_a_request_that_cannot_be_read_the_connection_ends(void **state)
{
	(void)state;
	rig_say(peer, "GET /metrics HTTP/1.1\r\n\r\n" GET("/"));
	hear_all();
	assert_answer("400 Bad Request", TEXT, "400 Bad Request\n");
	assert_non_null(strstr(heard, "\r\nConnection: close\r\n"));
}

static void
a_request_with_a_body_is_the_last(void **state)
{
	(void)state;
	rig_say(peer,
	    "GET /status.json HTTP/1.1\r\nHost: a\r\n"
	    "Content-Length: 4\r\n\r\nbody" GET("/"));
	answer(CTL_CAN_SERVE);
	hear_all();
	assert_answer("200 OK", "application/json", JSON);
	assert_non_null(strstr(heard, "\r\nConnection: close\r\n"));
}

static void
without_memory_for_the_pages_the_master_is_still_well(void **state)
{
	const struct ctl_status none = { .readiness = CTL_CAN_SERVE };

	(void)state;
	rig_say(peer, GET("/metrics") GET("/healthz"));
	rig_until(has_asked());
	assert_int_equal(
	    ctl_send(rig.ctl, CTL_STATUS, 0, 1, &none, sizeof(none), -1), 0);
	rig_until(has_heard("\r\n\r\nok\n"));
	assert_memory_equal(heard, "HTTP/1.1 503 ", 13);
	assert_non_null(strstr(heard, "there is no memory to show it\n"));
}

static void
a_master_that_is_silent_is_neither_well_nor_ready(void **state)
{
	(void)state;
	log_set_level(LOG_ERROR);
	rig_say(peer,
	    GET("/healthz") GET("/readyz") GET("/metrics") GET("/status.json"));
	rig_until(times_heard("the master does not answer\n") == 4);
	assert_int_equal(times_heard("HTTP/1.1 503 "), 4);
	forget();
	rig_say(peer, GET("/"));
	rig_until(has_heard("</html>\n"));
	assert_int_equal(times_heard("HTTP/1.1 200 "), 1);
}

/* ---- when ---- */

static void
requests_that_came_together_share_one_answer_in_order(void **state)
{
	const char *ok, *up;

	(void)state;
	rig_say(peer,
	    GET("/healthz") GET("/nothing") GET("/metrics") GET("/")
		GET("/readyz"));
	answer(CTL_CAN_SERVE);
	rig_until(has_heard("\r\n\r\nready\n"));
	assert_false(has_asked());
	assert_int_equal(times_heard("HTTP/1.1 "), 5);
	ok = strstr(heard, "\r\n\r\nok\n");
	up = strstr(heard, METRICS);
	assert_true(ok != NULL && up != NULL);
	assert_true(ok < strstr(heard, "404 Not Found\n"));
	assert_true(strstr(heard, "404 Not Found\n") < up);
	assert_true(up < strstr(heard, "</html>"));
}

static void
a_request_that_came_after_the_question_gets_the_next_answer(void **state)
{
	(void)state;
	rig_say(peer, GET("/status.json"));
	rig_until(has_asked());
	rig_say(peer, GET("/status.json"));
	rig_turn();
	answer_with(CTL_CAN_SERVE, "first", METRICS);
	rig_until(has_heard("first"));
	assert_int_equal(times_heard("HTTP/1.1 "), 1);
	rig_until(has_asked());
	answer_with(CTL_CAN_SERVE, "second", METRICS);
	rig_until(has_heard("second"));
	assert_int_equal(times_heard("HTTP/1.1 "), 2);
}

static void
connections_share_the_answer_too(void **state)
{
	int other = rig_connect(), third = rig_connect();
	char text[1024];

	(void)state;
	rig_say(peer, GET("/healthz"));
	rig_until(has_asked());
	rig_say(other, GET("/metrics"));
	rig_say(third, GET("/readyz"));
	rig_turn();
	answer_with(CTL_CAN_SERVE, JSON, METRICS);
	rig_until(has_heard("ok\n"));
	answer(CTL_CAN_SERVE);
	rig_until(rig_hear(other, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, METRICS));
	rig_until(rig_hear(third, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "ready\n"));
	assert_false(has_asked());
	closefd(&other);
	closefd(&third);
}

static void
a_client_that_half_closes_while_it_waits_gets_its_answers(void **state)
{
	(void)state;
	rig_say(peer, GET("/healthz") GET("/readyz"));
	assert_int_equal(shutdown(peer, SHUT_WR), 0);
	answer(CTL_CAN_SERVE);
	hear_all();
	assert_int_equal(times_heard("HTTP/1.1 200 "), 2);
	assert_non_null(strstr(heard, "ready\n"));
}

static void
a_client_that_leaves_while_it_waits_harms_nobody(void **state)
{
	(void)state;
	rig_say(peer, GET("/healthz"));
	rig_until(has_asked());
	closefd(&peer);
	rig_turn();
	answer_with(CTL_CAN_SERVE, JSON, METRICS);
	rig_until(rig.ch.nconns == 0);
}

static void
a_request_may_drip_in(void **state)
{
	static const char text[] = GET("/readyz");
	const char *p;
	char byte[2] = "";

	(void)state;
	for (p = text; *p != '\0'; p++) {
		assert_false(has_asked());
		byte[0] = *p;
		rig_say(peer, byte);
		rig_turn();
	}
	answer(CTL_CAN_SERVE);
	assert_answer("200 OK", TEXT, "ready\n");
}

static void
a_client_that_takes_nothing_is_not_answered_without_end(void **state)
{
	enum {
		BYTES = 100000,
		REQUESTS = 9
	};
	static char big[BYTES + 1];
	unsigned i;

	(void)state;
	(void)memset(big, 'm', BYTES);
	for (i = 0; i < REQUESTS; i++)
		rig_say(peer, GET("/metrics"));
	rig_until(has_asked());
	answer_with(CTL_CAN_SERVE, JSON, big);
	rig_until(rig.ch.asking.answered == 1);
	rig_turn();
	/* Past output-high nothing is added. */
	assert_true(rig_count(BOARD_REQUESTS) < REQUESTS);
	rig_until(listen_on() && rig_count(BOARD_REQUESTS) == REQUESTS &&
	    nheard > (size_t)BYTES * REQUESTS);
	rig_until(listen_on() && times_heard("HTTP/1.1 200 ") == REQUESTS &&
	    heard[nheard - 1] == 'm');
	assert_int_equal(rig.ch.asking.asked, 1);
}

static void
old_clients_are_closed_unless_they_ask_to_stay(void **state)
{
	(void)state;
	rig_say(peer, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	rig_until(has_heard("</html>\n"));
	assert_non_null(strstr(heard, "\r\nConnection: keep-alive\r\n"));
	rig_say(peer, "GET / HTTP/1.0\r\n\r\n");
	hear_all();
	assert_int_equal(times_heard("HTTP/1.1 200 "), 2);
}

static void
a_child_that_drains_says_goodbye_and_lets_idle_clients_go(void **state)
{
	int idle = rig_connect();
	char text[8];

	(void)state;
	rig_say(peer, GET("/readyz"));
	rig_until(has_asked());
	drain_begin(&rig.ch, 30, CTL_RELOAD);
	rig_until(rig_hear(idle, text, sizeof(text)) == 0);
	/* This one still waits. */
	assert_int_equal(nheard, 0);
	answer_with(CTL_CAN_SERVE, JSON, METRICS);
	hear_all();
	assert_answer("200 OK", TEXT, "ready\n");
	assert_non_null(strstr(heard, "\r\nConnection: close\r\n"));
	closefd(&idle);
}

int
main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(status_and_metrics_are_what_the_master_said),
		test(health_is_the_masters_and_readiness_the_servers),
		test(the_live_page_needs_no_word_of_the_master),
		test(head_has_the_head_alone),
		test(what_is_not_there_is_refused_without_asking),
		test(after_a_request_that_cannot_be_read_the_connection_ends),
		test(a_request_with_a_body_is_the_last),
		test(without_memory_for_the_pages_the_master_is_still_well),
		test(a_master_that_is_silent_is_neither_well_nor_ready),
		test(requests_that_came_together_share_one_answer_in_order),
		test(
		    a_request_that_came_after_the_question_gets_the_next_answer),
		test(connections_share_the_answer_too),
		test(a_client_that_half_closes_while_it_waits_gets_its_answers),
		test(a_client_that_leaves_while_it_waits_harms_nobody),
		test(a_request_may_drip_in),
		test(a_client_that_takes_nothing_is_not_answered_without_end),
		test(old_clients_are_closed_unless_they_ask_to_stay),
		test(a_child_that_drains_says_goodbye_and_lets_idle_clients_go),
	};

	return cmocka_run_group_tests_name("pages", tests, NULL, NULL);
}

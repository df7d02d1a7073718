/* SPDX-License-Identifier: BSD-2-Clause */
/* The state as JSON: the keys of spec 6, and numbers that can be believed. */
#include "tests/unit/fixture.h"

#include <sys/mman.h>

#include <jansson.h>

#include "master/status.h"

/* Exactly these keys, in this order. */
static void
assert_keys(const json_t *object, const char *expected)
{
	char keys[512] = "";
	const char *key;
	json_t *copy = json_deep_copy(object), *value;

	json_object_foreach(copy, key, value)
	{
		assert_true(strlen(keys) + strlen(key) + 2 < sizeof(keys));
		if (keys[0] != '\0')
			(void)strcat(keys, " ");
		(void)strcat(keys, key);
	}
	json_decref(copy);
	assert_string_equal(keys, expected);
}

static json_int_t
number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static double
real(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	assert_true(json_is_real(value));
	return json_real_value(value);
}

static const char *
text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static json_t *
status_of_three(void)
{
	struct err err;
	json_t *status;

	assert_int_equal(
	    conf_set(&fx.generation.conf, "servers.0.handler", "echo", &err),
	    0);
	assert_int_equal(
	    url_parse(&fx.listener->url, "tcp://127.0.0.1:8080", &err), 0);
	status = status_json(&fx.m);
	assert_non_null(status);
	return status;
}

static void
write_counter(int place, enum board_counter c, uint64_t n)
{
	struct proc *p = fx.m.places[place].incumbent;
	struct board_page *page = fixture_page(p);

	assert_non_null(page);
	page->counters[c] = n;
	assert_int_equal(munmap(page, BOARD_PAGE_BYTES), 0);
}

static void
write_gauge(int place, enum board_gauge g, uint64_t n)
{
	struct proc *p = fx.m.places[place].incumbent;
	struct board_page *page = fixture_page(p);

	assert_non_null(page);
	board_set(page, g, n);
	assert_int_equal(munmap(page, BOARD_PAGE_BYTES), 0);
}

static void
the_keys_are_those_of_the_specification(void **state)
{
	json_t *status;

	(void)state;
	fixture_all_ready();
	status = status_of_three();
	assert_keys(status,
	    "version master listeners children totals admin acceptor "
	    "counters");
	assert_keys(json_object_get(status, "master"),
	    "pid state uptime_seconds generation processes accept reloads "
	    "rollbacks upgrades crashes hangs min_accepting last_error");
	assert_keys(json_array_get(json_object_get(status, "listeners"), 0),
	    "url handler slots queue overflows");
	assert_keys(json_array_get(json_object_get(status, "children"), 0),
	    "place pid generation state uptime_seconds connections accepted "
	    "requests bytes_in bytes_out loop_lag_seconds utilisation "
	    "rss_bytes restarts overloaded cpu");
	assert_keys(json_object_get(status, "totals"),
	    "connections accepted requests bytes_in bytes_out dropped refused "
	    "shed slow_callbacks fairness fairness_open");
	assert_keys(
	    json_object_get(json_object_get(status, "totals"), "refused"),
	    "max-connections connections per-address accept-rate");
	json_decref(status);
}

static void
the_master_describes_itself(void **state)
{
	json_t *status, *master;

	(void)state;
	fixture_all_ready();
	fx.m.started_ns = mono_ns() - 1500 * (NSEC_PER_SEC / 1000);
	status = status_of_three();
	master = json_object_get(status, "master");
	assert_string_equal(text(status, "version"), TINE_VERSION);
	assert_int_equal(number(master, "pid"), getpid());
	assert_string_equal(text(master, "state"), "running");
	assert_string_equal(text(master, "accept"), "reuseport");
	assert_int_equal(number(master, "processes"), FIXTURE_PLACES);
	assert_true(json_is_null(json_object_get(master, "last_error")));
	assert_true(real(master, "uptime_seconds") >= 1.5);
	assert_true(real(master, "uptime_seconds") < 60);
	json_decref(status);
}

static void
one_socket_for_all_is_called_shared(void **state)
{
	json_t *status;

	(void)state;
	fixture_all_ready();
	fx.listener->has_slot_per_place = false;
	status = status_of_three();
	assert_string_equal(text(json_object_get(status, "master"), "accept"),
	    "shared");
	json_decref(status);
}

static void
a_listener_shows_its_url_its_handler_and_its_slots(void **state)
{
	json_t *status, *listener;

	(void)state;
	fixture_all_ready();
	status = status_of_three();
	listener = json_array_get(json_object_get(status, "listeners"), 0);
	assert_string_equal(text(listener, "url"), "tcp://127.0.0.1:8080");
	assert_string_equal(text(listener, "handler"), "echo");
	assert_int_equal(number(listener, "slots"), FIXTURE_PLACES);
	json_decref(status);
}

static void
the_queue_counts_connections_that_nobody_accepted(void **state)
{
	struct addr a;
	socklen_t len = sizeof(a.u.storage);
	struct slot *s = &fx.listener->slots[0];
	int client;
	json_t *status;

	(void)state;
	fixture_all_ready();
	closefd(&s->fd);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(addr_from_ip(&a, "127.0.0.1", 0), 0);
	assert_int_equal(bind(s->fd, &a.u.sa, a.len), 0);
	assert_int_equal(listen(s->fd, 8), 0);
	assert_int_equal(getsockname(s->fd, &a.u.sa, &len), 0);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, &a.u.sa, len), 0);
	status = status_of_three();
	assert_int_equal(
	    number(json_array_get(json_object_get(status, "listeners"), 0),
		"queue"),
	    1);
	json_decref(status);
	closefd(&client);
}

static void
children_stand_in_the_order_of_their_places(void **state)
{
	json_t *status, *children, *child;
	struct ctl_msg msg;
	int i;

	(void)state;
	fixture_all_ready();
	/* Place 0 gets a successor, whose process is the youngest. */
	assert_true(place_recycle(&fx.m.places[0], CTL_RECYCLED));
	place_fork_due(&fx.m);
	status = status_of_three();
	children = json_object_get(status, "children");
	assert_int_equal(json_array_size(children), FIXTURE_PLACES + 1);
	for (i = 0; i <= FIXTURE_PLACES; i++) {
		child = json_array_get(children, (size_t)i);
		assert_int_equal(number(child, "place"), i == 0 ? 0 : i - 1);
		assert_string_equal(text(child, "state"),
		    i == 1 ? "starting" : "ready");
	}
	json_decref(status);
	assert_int_equal(fixture_heard(fx.m.places[0].successor, &msg),
	    CTL_NONE);
}

static void
counters_never_go_back_when_a_child_dies(void **state)
{
	json_t *status;
	json_int_t before, dead, after;

	(void)state;
	fixture_all_ready();
	write_counter(1, BOARD_ACCEPTED, 70);
	write_counter(2, BOARD_ACCEPTED, 5);
	fx.m.totals[BOARD_ACCEPTED] = 1000;
	status = status_of_three();
	before = number(json_object_get(status, "totals"), "accepted");
	json_decref(status);
	/* Dead, but waitpid() has not said so yet. */
	proc_on_eof(fx.m.places[1].incumbent);
	status = status_json(&fx.m);
	assert_int_equal(json_array_size(json_object_get(status, "children")),
	    FIXTURE_PLACES - 1);
	dead = number(json_object_get(status, "totals"), "accepted");
	json_decref(status);
	proc_on_reaped(fx.m.places[1].incumbent, 9);
	status = status_json(&fx.m);
	after = number(json_object_get(status, "totals"), "accepted");
	json_decref(status);
	assert_int_equal(before, 1075);
	assert_int_equal(dead, 1075);
	assert_int_equal(after, 1075);
}

static void
what_a_child_scribbles_is_clamped(void **state)
{
	json_t *status, *child;
	int i;

	(void)state;
	fixture_all_ready();
	for (i = 0; i < BOARD_NCOUNTERS; i++)
		write_counter(0, (enum board_counter)i, UINT64_MAX);
	for (i = 0; i < BOARD_NGAUGES; i++)
		write_gauge(0, (enum board_gauge)i, UINT64_MAX);
	fx.m.totals[BOARD_ACCEPTED] = UINT64_MAX - 1;
	status = status_of_three();
	child = json_array_get(json_object_get(status, "children"), 0);
	assert_true(number(child, "accepted") == 1LL << 53);
	assert_int_equal(number(child, "connections"),
	    fx.generation.conf.max_connections);
	assert_true(real(child, "utilisation") <= 1);
	assert_true(real(child, "loop_lag_seconds") < 60);
	assert_true(
	    number(json_object_get(status, "totals"), "accepted") == 1LL << 53);
	json_decref(status);
}

static void
any_bytes_in_a_reason_are_good_json(void **state)
{
	json_t *parsed;
	json_error_t error;
	char *line;

	(void)state;
	fixture_all_ready();
	json_decref(status_of_three());
	(void)strcpy(fx.m.last_error.text, "open \"\xff\xfe\033[2J\n\": no");
	line = status_print(&fx.m);
	assert_non_null(line);
	assert_null(strchr(line, '\n'));
	parsed = json_loads(line, 0, &error);
	assert_non_null(parsed);
	assert_string_equal(
	    text(json_object_get(parsed, "master"), "last_error"),
	    "open \"\\xff\\xfe\\x1b[2J\\x0a\": no");
	json_decref(parsed);
	free(line);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_fixture(the_keys_are_those_of_the_specification),
		with_fixture(the_master_describes_itself),
		with_fixture(one_socket_for_all_is_called_shared),
		with_fixture(
		    a_listener_shows_its_url_its_handler_and_its_slots),
		with_fixture(the_queue_counts_connections_that_nobody_accepted),
		with_fixture(children_stand_in_the_order_of_their_places),
		with_fixture(counters_never_go_back_when_a_child_dies),
		with_fixture(what_a_child_scribbles_is_clamped),
		with_fixture(any_bytes_in_a_reason_are_good_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

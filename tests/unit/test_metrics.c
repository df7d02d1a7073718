/* SPDX-License-Identifier: BSD-2-Clause */
/* The numbers for Prometheus: their form, and that no counter falls. */
#include "tests/unit/fixture.h"

#include <sys/mman.h>

#include <stdio.h>

#include "master/metrics.h"

static void
write_counter(int place, enum board_counter c, uint64_t n)
{
	struct proc *p = fx.m.places[place].incumbent;
	struct board_page *page = fixture_page(p);

	assert_non_null(page);
	page->counters[c] = n;
	assert_int_equal(munmap(page, BOARD_PAGE_BYTES), 0);
}

static char *
metrics_of_three(const char *url)
{
	struct err err;
	char *text;

	assert_int_equal(url_parse(&fx.listener->url, url, &err), 0);
	text = metrics_print(&fx.m);
	assert_non_null(text);
	return text;
}

/* The number behind a name with its labels. */
static uint64_t
sample(const char *name)
{
	char *text = metrics_of_three("tcp://127.0.0.1:8080"), *at;
	char line[128];
	uint64_t n;

	(void)snprintf(line, sizeof(line), "\n%s ", name);
	at = strstr(text, line);
	assert_non_null(at);
	n = strtoull(at + strlen(line), NULL, 10);
	free(text);
	return n;
}

static void
each_metric_has_its_help_and_its_type_before_its_samples(void **state)
{
	char *text, *line, *save = NULL;
	char name[64] = "", kind[16];
	unsigned samples = 1, metrics = 0;
	size_t len;

	(void)state;
	fixture_all_ready();
	text = metrics_of_three("tcp://127.0.0.1:8080");
	for (line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "# HELP ", 7) == 0) {
			assert_int_not_equal(samples, 0);
			assert_int_equal(sscanf(line, "# HELP %63s", name), 1);
			assert_memory_equal(name, "tine_", 5);
			samples = 0;
			metrics++;
		} else if (strncmp(line, "# TYPE ", 7) == 0) {
			len = strlen(name);
			assert_memory_equal(line + 7, name, len);
			assert_int_equal(sscanf(line + 7 + len, "%15s", kind),
			    1);
			assert_true((strcmp(kind, "counter") == 0) ==
			    (strcmp(name + len - 6, "_total") == 0));
		} else {
			assert_memory_equal(line, name, strlen(name));
			samples++;
		}
	}
	assert_true(metrics > 20);
	free(text);
}

static void
a_label_holds_any_path(void **state)
{
	char *text;

	(void)state;
	fixture_all_ready();
	text = metrics_of_three("unix:///run/a\"b\\c\n.sock");
	assert_non_null(strstr(text,
	    "tine_listener_slots{listener="
	    "\"unix:///run/a\\\"b\\\\x5cc\\\\x0a.sock\"} 3\n"));
	free(text);
}

static void
no_counter_falls_when_a_child_dies(void **state)
{
	static const char name[] = "tine_connections_closed_total"
				   "{cause=\"reset\"}";

	(void)state;
	fixture_all_ready();
	write_counter(1, (enum board_counter)(BOARD_CLOSED + 1), 70);
	write_counter(2, (enum board_counter)(BOARD_CLOSED + 1), 5);
	assert_int_equal(sample(name), 75);
	/* Dead, but waitpid() has not said so yet. */
	proc_on_eof(fx.m.places[1].incumbent);
	assert_int_equal(sample(name), 75);
	proc_on_reaped(fx.m.places[1].incumbent, 9);
	assert_int_equal(sample(name), 75);
	assert_int_equal(sample("tine_crashes_total"), 1);
	assert_int_equal(sample("tine_place_restarts_total{place=\"1\"}"), 1);
}

static void
a_place_without_a_child_has_no_gauges_of_one(void **state)
{
	char *text;

	(void)state;
	fixture_all_ready();
	proc_on_reaped(fx.m.places[1].incumbent, 9);
	text = metrics_of_three("tcp://127.0.0.1:8080");
	assert_non_null(strstr(text, "\ntine_child_connections{place=\"0\"}"));
	assert_null(strstr(text, "\ntine_child_connections{place=\"1\"}"));
	assert_non_null(
	    strstr(text, "\ntine_place_restarts_total{place=\"1\"}"));
	free(text);
}

static void
children_and_the_master_are_counted_by_state(void **state)
{
	(void)state;
	fixture_all_ready();
	proc_drain(fx.m.places[0].incumbent, CTL_OPERATOR);
	assert_int_equal(sample("tine_children{state=\"ready\"}"), 2);
	assert_int_equal(sample("tine_children{state=\"draining\"}"), 1);
	assert_int_equal(sample("tine_master_state{state=\"running\"}"), 1);
	assert_int_equal(sample("tine_master_state{state=\"starting\"}"), 0);
	assert_int_equal(sample("tine_places"), FIXTURE_PLACES);
	assert_int_equal(sample("tine_accepting_children"), 2);
}

static void
what_a_child_scribbles_is_clamped(void **state)
{
	(void)state;
	fixture_all_ready();
	write_counter(0, BOARD_ACCEPTED, UINT64_MAX);
	write_counter(1, BOARD_ACCEPTED, UINT64_MAX);
	assert_int_equal(sample("tine_connections_accepted_total"),
	    BOARD_COUNT_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_fixture(
		    each_metric_has_its_help_and_its_type_before_its_samples),
		with_fixture(a_label_holds_any_path),
		with_fixture(no_counter_falls_when_a_child_dies),
		with_fixture(a_place_without_a_child_has_no_gauges_of_one),
		with_fixture(children_and_the_master_are_counted_by_state),
		with_fixture(what_a_child_scribbles_is_clamped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* What the service manager hears of the master, and what it stores. */
#include "master/service.h"

#include <stdio.h>

#include "tests/unit/fixture.h"

static char heard[1024]; /* each with a space behind it */
static bool (*health)(void *);
static void *health_arg;

void __wrap_notify_init(struct notify *, struct ev_loop *, bool (*)(void *),
    void *);
bool __wrap_notify_has_manager(const struct notify *);
void __wrap_notify_ready(struct notify *);
void __wrap_notify_reloading(struct notify *);
void __wrap_notify_stopping(struct notify *);
void __wrap_notify_extend(struct notify *, double);
void __wrap_notify_status(struct notify *, const char *, ...) PRINTF_LIKE(2, 3);
void __wrap_notify_store(struct notify *, int, const struct url *, unsigned);
void __wrap_notify_unstore(struct notify *, const struct url *, unsigned);

static void __attribute__((format(printf, 1, 2))) note(const char *fmt, ...)
{
	size_t used = strlen(heard);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(heard + used, sizeof(heard) - used, fmt, ap);
	va_end(ap);
}

void
__wrap_notify_init(struct notify *n, struct ev_loop *loop,
    bool (*is_healthy)(void *), void *arg)
{
	assert_ptr_equal(n, &fx.m.notify);
	assert_ptr_equal(loop, fx.m.loop);
	health = is_healthy;
	health_arg = arg;
}

bool
__wrap_notify_has_manager(const struct notify *n)
{
	(void)n;
	return true;
}

void
__wrap_notify_ready(struct notify *n)
{
	(void)n;
	note("ready ");
}

void
__wrap_notify_reloading(struct notify *n)
{
	(void)n;
	note("reloading ");
}

void
__wrap_notify_stopping(struct notify *n)
{
	(void)n;
	note("stopping ");
}

void
__wrap_notify_extend(struct notify *n, double seconds)
{
	(void)n;
	note("%gs ", seconds);
}

static char status[128];

void
__wrap_notify_status(struct notify *n, const char *fmt, ...)
{
	va_list ap;

	(void)n;
	va_start(ap, fmt);
	(void)vsnprintf(status, sizeof(status), fmt, ap);
	va_end(ap);
}

void
__wrap_notify_store(struct notify *n, int fd, const struct url *url,
    unsigned index)
{
	(void)n;
	assert_int_equal(fd, fx.listener->slots[index].fd);
	assert_int_equal(url->port, fx.listener->url.port);
	note("+%u ", index);
}

void
__wrap_notify_unstore(struct notify *n, const struct url *url, unsigned index)
{
	(void)n;
	assert_int_equal(url->port, fx.listener->url.port);
	note("-%u ", index);
}

/* What was heard since it was asked last. */
static void
expect(const char *words)
{
	assert_string_equal(heard, words);
	heard[0] = '\0';
}

static int
open_all(void **state)
{
	struct conf *conf;
	int rc = fixture_open(state);

	conf = &fx.generation.conf;
	conf->start_timeout = 20;
	conf->prove = 1;
	conf->drain_timeout = 30;
	conf->drain_delay = 7;
	heard[0] = status[0] = '\0';
	return rc;
}

static void
each_edge_says_what_begins_and_how_long_it_may_take(void **state)
{
	(void)state;
	fx.m.state = MASTER_BIND;
	master_set_state(&fx.m, MASTER_STARTING);
	expect("26s ");
	master_set_state(&fx.m, MASTER_RUNNING);
	expect("ready ");
	master_set_state(&fx.m, MASTER_RELOADING);
	expect("reloading 26s ");
	master_set_state(&fx.m, MASTER_RUNNING);
	expect("ready ");
	master_set_state(&fx.m, MASTER_UPGRADING);
	expect("reloading 26s ");
	master_set_state(&fx.m, MASTER_STOPPING);
	expect("stopping 42s ");
}

static void
a_scaling_is_no_reload(void **state)
{
	(void)state;
	master_set_state(&fx.m, MASTER_SCALING);
	master_set_state(&fx.m, MASTER_RUNNING);
	expect("");
	master_set_state(&fx.m, MASTER_SCALING);
	master_set_state(&fx.m, MASTER_STOPPING);
	expect("stopping 42s ");
}

static void
what_takes_long_gets_more_time_each_second(void **state)
{
	(void)state;
	fx.m.state = MASTER_RUNNING;
	service_each_second(&fx.m);
	expect("");
	fx.m.state = MASTER_RELOADING;
	service_each_second(&fx.m);
	expect("10s ");
}

static void
a_slot_that_listens_is_stored_once(void **state)
{
	(void)state;
	fx.listener->slots[1].is_listening = false;
	service_update(&fx.m);
	expect("+0 +2 ");
	service_update(&fx.m);
	expect("");
	fx.listener->slots[1].is_listening = true;
	service_update(&fx.m);
	expect("+1 ");
}

static void
a_slot_that_is_retired_is_forgotten(void **state)
{
	(void)state;
	service_update(&fx.m);
	expect("+0 +1 +2 ");
	socket_retire(fx.listener, &fx.listener->slots[2]);
	service_update(&fx.m);
	expect("-2 ");
}

static void
another_socket_in_its_place_is_stored_instead(void **state)
{
	(void)state;
	service_update(&fx.m);
	expect("+0 +1 +2 ");
	fx.listener->slots[1].id = 99;
	service_update(&fx.m);
	expect("-1 +1 ");
}

static void
a_listener_that_goes_is_forgotten_whole(void **state)
{
	(void)state;
	fx.listener->slots[0].is_listening = false;
	service_update(&fx.m);
	expect("+1 +2 ");
	service_forget(&fx.m, fx.listener);
	expect("-1 -2 ");
	service_forget(&fx.m, fx.listener);
	expect("");
}

static void
nothing_is_stored_before_all_is_open(void **state)
{
	(void)state;
	fx.m.state = MASTER_BIND;
	service_update(&fx.m);
	expect("");
	assert_string_equal(status, "");
}

static void
the_status_is_for_people(void **state)
{
	(void)state;
	fixture_all_ready();
	service_update(&fx.m);
	assert_string_equal(status,
	    "serving: 3 of 3 children are ready, generation 1");
	fx.m.state = MASTER_STOPPING;
	proc_drain(fx.m.places[0].incumbent, CTL_STOPPING);
	service_update(&fx.m);
	assert_string_equal(status, "stopping: 3 children are left");
}

static void
it_is_well_while_one_child_is_ready_or_none_need_be(void **state)
{
	static const struct {
		enum master_state state;
		bool without, with;
	} cases[] = {
		{ MASTER_STARTING, true, true },
		{ MASTER_RUNNING, false, true },
		{ MASTER_RELOADING, false, true },
		{ MASTER_STOPPING, true, true },
	};
	size_t i;

	(void)state;
	service_init(&fx.m);
	for (i = 0; i < nitems(cases); i++) {
		fx.m.state = cases[i].state;
		fx.m.count[PROC_READY] = 0;
		assert_int_equal(health(health_arg), cases[i].without);
		fx.m.count[PROC_READY] = 1;
		assert_int_equal(health(health_arg), cases[i].with);
	}
	fx.m.count[PROC_READY] = 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_all, fixture_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_edge_says_what_begins_and_how_long_it_may_take),
		TEST(a_scaling_is_no_reload),
		TEST(what_takes_long_gets_more_time_each_second),
		TEST(a_slot_that_listens_is_stored_once),
		TEST(a_slot_that_is_retired_is_forgotten),
		TEST(another_socket_in_its_place_is_stored_instead),
		TEST(a_listener_that_goes_is_forgotten_whole),
		TEST(nothing_is_stored_before_all_is_open),
		TEST(the_status_is_for_people),
		TEST(it_is_well_while_one_child_is_ready_or_none_need_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* What a handler is told about the addresses of its server. */
#include "tests/unit/rig.h"

#include "tests/unit/memory.h"

static struct heritage_slot slots[2];

/* Two listeners: the rig's, of port 0, and one of a port that is said. */
static int
begin(void **state)
{
	struct conf_server *server = rig_conf();
	struct err err;

	(void)state;
	assert_int_equal(conf_set(&rig.conf, "servers.0.listen",
			     "tcp://[::1]:81?backlog=7", &err),
	    0);
	assert_ptr_equal(server, rig.conf.servers);
	rig_start(&rig_handler);
	slots[0] = (struct heritage_slot){
		.listen = 0,
		.fd = -1,
		.port = 4711,
		.mode = CONF_ACCEPT_SHARED,
	};
	slots[1] = (struct heritage_slot){
		.listen = 1,
		.fd = -1,
		.port = 81,
		.mode = CONF_ACCEPT_REUSEPORT,
	};
	rig.heritage.slots = slots;
	return 0;
}

static void
learn(size_t nslots)
{
	struct err err;

	rig.heritage.nslots = nslots;
	listening_fini(rig.server);
	assert_int_equal(listening_init(rig.server, &err), 0);
}

static void
addresses_have_their_real_ports_and_no_parameters(void **state)
{
	(void)state;
	learn(2);
	assert_int_equal(tine_listeners(rig.server), 2);
	assert_string_equal(tine_listener_url(rig.server, 0),
	    "tcp://127.0.0.1:4711");
	assert_string_equal(tine_listener_url(rig.server, 1), "tcp://[::1]:81");
	assert_null(tine_listener_url(rig.server, 2));
	assert_null(tine_listener_url(rig.server, SIZE_MAX));
}

static void
one_without_a_socket_is_as_it_was_said(void **state)
{
	(void)state;
	learn(0);
	assert_string_equal(tine_listener_url(rig.server, 0),
	    "tcp://127.0.0.1:0");
	assert_string_equal(tine_accept_mode(rig.server), "shared");
}

static void
sockets_of_other_servers_say_nothing(void **state)
{
	(void)state;
	slots[0].server = slots[1].server = 1;
	learn(2);
	assert_string_equal(tine_listener_url(rig.server, 0),
	    "tcp://127.0.0.1:0");
	assert_string_equal(tine_accept_mode(rig.server), "shared");
}

static void
the_mode_is_that_of_a_listener_that_is_not_shared(void **state)
{
	(void)state;
	learn(1);
	assert_string_equal(tine_accept_mode(rig.server), "shared");
	learn(2);
	assert_string_equal(tine_accept_mode(rig.server), "reuseport");
	slots[0].mode = CONF_ACCEPT_DISPATCH;
	assert_string_equal(tine_accept_mode(rig.server), "dispatch");
}

static void
memory_that_runs_out_is_an_error_and_leaves_nothing(void **state)
{
	struct err err;
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		listening_fini(rig.server);
		memory_left = i;
		assert_int_equal(listening_init(rig.server, &err), -1);
		memory_left = -1;
		assert_int_equal(err.sys, ENOMEM);
		assert_null(rig.server->urls);
	}
	learn(2);
}

#define with_rig(f) cmocka_unit_test_setup_teardown(f, begin, rig_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_rig(addresses_have_their_real_ports_and_no_parameters),
		with_rig(one_without_a_socket_is_as_it_was_said),
		with_rig(sockets_of_other_servers_say_nothing),
		with_rig(the_mode_is_that_of_a_listener_that_is_not_shared),
		with_rig(memory_that_runs_out_is_an_error_and_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

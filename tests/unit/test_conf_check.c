/* SPDX-License-Identifier: BSD-2-Clause */
/* What is wrong between keys, and what nothing comes of yet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/conf.h"

static struct conf conf;
static char told[2048];

static void
tell(void *arg, const char *key, const struct err *err)
{
	size_t used = strlen(told);

	(void)arg;
	assert_int_equal(err->code, EXIT_BAD_CONFIG);
	assert_true(err->hint[0] != '\0');
	(void)snprintf(told + used, sizeof(told) - used, "%s|%s\n", key,
	    err->text);
}

static void
set(const char *key, const char *value)
{
	struct err err;

	if (conf_set(&conf, key, value, &err) == -1)
		fail_msg("%s=%s: %s", key, value, err.text);
}

static int
open_conf(void **state)
{
	(void)state;
	told[0] = '\0';
	conf_init(&conf);
	set("servers.0.listen", "127.0.0.1:0");
	return 0;
}

static int
close_conf(void **state)
{
	(void)state;
	conf_free(&conf);
	return 0;
}

static void
expect(const char *text)
{
	told[0] = '\0';
	conf_check(&conf, tell, NULL);
	assert_string_equal(told, text);
}

static void
the_defaults_go_together(void **state)
{
	(void)state;
	expect("");
}

static void
limits_have_an_order(void **state)
{
	(void)state;
	set("servers.0.limits.output-low", "256k");
	set("servers.0.limits.output", "1k");
	set("hang-timeout", "2s");
	expect("timing.suspect|timing.suspect: 2s is not less than 2s\n"
	       "servers.0.limits.output-low|servers.0.limits.output-low: 256k "
	       "is not less than 256k\n"
	       "servers.0.limits.output-high|servers.0.limits.output-high: "
	       "256k is not less than 1k\n");
}

static void
accept_and_balance_go_together_as_spec_2_says(void **state)
{
	static const char *const forbidden[][2] = {
		{ "reuseport", "round-robin" },
		{ "reuseport", "least-connections" },
		{ "shared", "round-robin" },
		{ "shared", "least-connections" },
		{ "shared", "source-hash" },
		{ "shared", "random" },
		{ "dispatch", "kernel" },
	};
	unsigned i, k, n = 0;
	char text[128];

	(void)state;
	for (i = 0; i < CONF_ACCEPT_NMODES; i++)
		for (k = 0; k < CONF_BALANCE_NHOWS; k++) {
			conf.accept = (enum conf_accept)i;
			conf.balance = (enum conf_balance)k;
			told[0] = '\0';
			conf_check(&conf, tell, NULL);
			n += strstr(told, "does not go with") != NULL;
		}
	assert_int_equal(n, nitems(forbidden));
	for (i = 0; i < nitems(forbidden); i++) {
		set("accept", forbidden[i][0]);
		set("balance", forbidden[i][1]);
		(void)snprintf(text, sizeof(text),
		    "balance|balance: %s does not go with accept: %s\n",
		    forbidden[i][1], forbidden[i][0]);
		told[0] = '\0';
		conf_check(&conf, tell, NULL);
		assert_memory_equal(told, text, strlen(text));
	}
}

static void
every_server_listens_and_there_is_one(void **state)
{
	(void)state;
	set("servers.1.handler", "echo");
	expect("servers.1|servers.1: it listens nowhere\n");
	conf_free(&conf);
	conf_init(&conf);
	expect("servers|there is no server\n");
}

static void
a_url_does_not_name_another_handler_than_its_server(void **state)
{
	(void)state;
	set("servers.0.handler", "echo");
	set("servers.0.listen", "127.0.0.1:1?handler=echo");
	expect("");
	set("servers.0.listen", "127.0.0.1:2?handler=upper");
	expect("servers.0.listen.2|handler=upper in the URL, but the server's "
	       "handler is echo\n");
}

static void
the_admin_listener_has_its_own_handler(void **state)
{
	(void)state;
	set("admin", ":9180?backlog=5");
	expect("");
	set("admin", ":9180?handler=echo");
	expect("admin|handler=echo in the URL of the admin listener\n");
}

static void
the_admin_pages_are_no_ordinary_server(void **state)
{
	(void)state;
	set("servers.0.handler", "status");
	expect("servers.0.handler|servers.0.handler: status is for the admin "
	       "listener\n");
	set("servers.0.handler", "./status");
	expect("");
}

#define with_conf(f) cmocka_unit_test_setup_teardown(f, open_conf, close_conf)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_conf(the_defaults_go_together),
		with_conf(limits_have_an_order),
		with_conf(accept_and_balance_go_together_as_spec_2_says),
		with_conf(every_server_listens_and_there_is_one),
		with_conf(a_url_does_not_name_another_handler_than_its_server),
		with_conf(the_admin_listener_has_its_own_handler),
		with_conf(the_admin_pages_are_no_ordinary_server),
	};

	return cmocka_run_group_tests_name("conf_check", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Multicast groups of a listen URL. */
#include "shared/mcast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* More letters than any address has. */
#define TOO_LONG                                                               \
	"ff12:0000:0000:0000:0000:0000:0000:0001%a-very-long-name-of-an-"      \
	"interf"

static struct err err;

static void
groups_are_taken_one_after_the_other(void **state)
{
	const char *rest = "239.1.2.3,ff12::7@eth0,224.0.0.1@lo";
	char text[64];
	struct mcast_group g;

	(void)state;
	assert_int_equal(mcast_next(&rest, &g, &err), 1);
	assert_string_equal(addr_print(&g.addr, text, sizeof(text)),
	    "239.1.2.3:0");
	assert_string_equal(g.iface, "");
	assert_int_equal(mcast_next(&rest, &g, &err), 1);
	assert_string_equal(addr_print(&g.addr, text, sizeof(text)),
	    "[ff12::7]:0");
	assert_string_equal(g.iface, "eth0");
	assert_int_equal(mcast_next(&rest, &g, &err), 1);
	assert_string_equal(g.iface, "lo");
	assert_int_equal(mcast_next(&rest, &g, &err), 0);
	assert_int_equal(mcast_next(&rest, &g, &err), 0);
}

static void
what_is_no_group_is_refused(void **state)
{
	static const char *const texts[] = { "10.1.1.1", "::1", "eth0", "@eth0",
		"223.255.255.255", "240.0.0.0", ",", "239.1.1.1,", TOO_LONG };
	struct mcast_group g;
	const char *rest;
	size_t i;
	int rc;

	(void)state;
	for (i = 0; i < nitems(texts); i++) {
		rest = texts[i];
		while ((rc = mcast_next(&rest, &g, &err)) == 1)
			continue;
		assert_int_equal(rc, -1);
		assert_int_equal(err.code, EXIT_BAD_CONFIG);
		assert_non_null(strstr(err.text, "is not a multicast group"));
	}
}

static void
what_cannot_be_an_interface_is_refused(void **state)
{
	static const char *const texts[] = { "239.1.1.1@",
		"239.1.1.1@sixteenletters16" };
	struct mcast_group g;
	const char *rest;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(texts); i++) {
		rest = texts[i];
		assert_int_equal(mcast_next(&rest, &g, &err), -1);
		assert_non_null(strstr(err.text, "the name of an interface"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_are_taken_one_after_the_other),
		cmocka_unit_test(what_is_no_group_is_refused),
		cmocka_unit_test(what_cannot_be_an_interface_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

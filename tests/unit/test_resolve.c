/* SPDX-License-Identifier: BSD-2-Clause */
/* Names become numbers; the answers of the system are made up here. */
#include "shared/conf.h"

#include <sys/socket.h>

#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/expect.h"
#include "tests/unit/memory.h"

static struct err err;
static struct conf conf;

/* What the system says. */
static struct {
	uid_t euid;
	bool has_nobody, has_nogroup, has_ipv6, has_names;
	const char *addresses[80]; /* of every host */
} world;

uid_t __wrap_geteuid(void);
struct passwd *__wrap_getpwnam(const char *);
gid_t __wrap_getegid(void);
struct passwd *__wrap_getpwuid(uid_t);
struct group *__wrap_getgrnam(const char *);
int __wrap_bind(int, const struct sockaddr *, socklen_t);
int __wrap_getaddrinfo(const char *, const char *, const struct addrinfo *,
    struct addrinfo **);
void __wrap_freeaddrinfo(struct addrinfo *);
int __real_getnameinfo(const struct sockaddr *, socklen_t, char *, socklen_t,
    char *, socklen_t, int);
int __wrap_getnameinfo(const struct sockaddr *, socklen_t, char *, socklen_t,
    char *, socklen_t, int);

uid_t
__wrap_geteuid(void)
{
	return world.euid;
}

gid_t
__wrap_getegid(void)
{
	return world.euid == 0 ? 0 : 33;
}

struct passwd *
__wrap_getpwnam(const char *name)
{
	static struct passwd nobody = { .pw_uid = 65534, .pw_gid = 65533 };
	static struct passwd www = { .pw_uid = 33, .pw_gid = 33 };

	if (strcmp(name, "www-data") == 0)
		return &www;
	return world.has_nobody && strcmp(name, "nobody") == 0 ? &nobody : NULL;
}

struct passwd *
__wrap_getpwuid(uid_t uid)
{
	return uid == 33 ? __wrap_getpwnam("www-data") : NULL;
}

struct group *
__wrap_getgrnam(const char *name)
{
	static struct group nogroup = { .gr_gid = 65534 };
	static struct group adm = { .gr_gid = 4 };

	if (strcmp(name, "adm") == 0)
		return &adm;
	return world.has_nogroup && strcmp(name, "nogroup") == 0 ? &nogroup
								 : NULL;
}

int
__wrap_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	(void)fd;
	(void)sa;
	(void)len;
	return world.has_ipv6 ? 0 : -1;
}

int
__wrap_getaddrinfo(const char *host, const char *service,
    const struct addrinfo *hints, struct addrinfo **found)
{
	static struct addrinfo list[nitems(world.addresses)];
	static struct addr addrs[nitems(world.addresses)];
	size_t i, n = 0;

	(void)host;
	(void)service;
	for (i = 0; world.addresses[i] != NULL; i++) {
		assert_int_equal(addr_from_ip(&addrs[n], world.addresses[i], 0),
		    0);
		if (hints->ai_family != AF_UNSPEC &&
		    hints->ai_family != addrs[n].u.sa.sa_family)
			continue;
		list[n].ai_family = addrs[n].u.sa.sa_family;
		list[n].ai_addr = &addrs[n].u.sa;
		list[n].ai_addrlen = addrs[n].len;
		list[n].ai_next = NULL;
		if (n > 0)
			list[n - 1].ai_next = &list[n];
		n++;
	}
	*found = list;
	return n > 0 ? 0 : EAI_NONAME;
}

void
__wrap_freeaddrinfo(struct addrinfo *found)
{
	assert_non_null(found);
}

int
__wrap_getnameinfo(const struct sockaddr *sa, socklen_t len, char *host,
    socklen_t host_size, char *service, socklen_t service_size, int flags)
{
	if (!world.has_names)
		return EAI_OVERFLOW;
	return __real_getnameinfo(sa, len, host, host_size, service,
	    service_size, flags);
}

static int
open_world(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.euid = 1000;
	world.has_nobody = true;
	world.has_nogroup = true;
	world.has_ipv6 = true;
	world.has_names = true;
	world.addresses[0] = "::1";
	world.addresses[1] = "127.0.0.1";
	world.addresses[2] = "127.0.0.1";
	memory_left = -1;
	conf_init(&conf);
	return 0;
}

static int
close_world(void **state)
{
	(void)state;
	memory_left = -1;
	conf_free(&conf);
	return 0;
}

static void
listen_on(const char *text)
{
	if (conf_set(&conf, "servers.0.listen", text, &err) == -1)
		fail_msg("%s", err.text);
}

/* The listens of server 0 after conf_resolve(), in order, ended by NULL. */
static void
expect_listens(const char *const *urls)
{
	char text[URL_TEXT_MAX];
	size_t i;

	if (conf_resolve(&conf, &err) == -1)
		fail_msg("%s", err.text);
	for (i = 0; urls[i] != NULL; i++) {
		assert_true(i < conf.servers[0].nlistens);
		assert_string_equal(
		    url_print(&conf.servers[0].listens[i], text, sizeof(text)),
		    urls[i]);
	}
	assert_int_equal(conf.servers[0].nlistens, i);
}

static void
a_host_name_is_each_of_its_addresses_once(void **state)
{
	(void)state;
	listen_on("localhost:80?backlog=7");
	listen_on("8080");
	listen_on("unix://x");
	expect_listens((const char *const[]){ "tcp://127.0.0.1:80?backlog=7",
	    "tcp://[::1]:80?backlog=7", "tcp://:8080", "unix://x", NULL });
}

static void
a_scheme_with_a_family_takes_its_addresses_only(void **state)
{
	(void)state;
	listen_on("tcp4://localhost:80");
	listen_on("tcp6://localhost:81");
	expect_listens((const char *const[]){ "tcp4://127.0.0.1:80",
	    "tcp6://[::1]:81", NULL });
}

static void
a_udp_scheme_takes_addresses_of_its_family_too(void **state)
{
	struct url u = { .scheme = URL_UDP4, .host = "localhost" }, out[4];

	(void)state;
	assert_int_equal(url_resolve(&u, out, 4, &err), 1);
	assert_string_equal(out[0].host, "127.0.0.1");
	u.scheme = URL_UDP6;
	assert_int_equal(url_resolve(&u, out, 4, &err), 1);
	assert_string_equal(out[0].host, "::1");
}

static void
a_machine_without_ipv6_leaves_those_addresses_out(void **state)
{
	(void)state;
	world.has_ipv6 = false;
	listen_on("localhost:80");
	expect_listens((const char *const[]){ "tcp://127.0.0.1:80", NULL });
}

static void
an_ipv6_address_that_is_all_there_is_stays(void **state)
{
	(void)state;
	world.has_ipv6 = false;
	world.addresses[1] = NULL;
	listen_on("localhost:80");
	expect_listens((const char *const[]){ "tcp://[::1]:80", NULL });
}

static void
a_host_has_at_most_as_many_addresses_as_there_is_room(void **state)
{
	struct url u = { .scheme = URL_TCP, .host = "many" }, out[1];

	(void)state;
	assert_int_equal(url_resolve(&u, out, 1, &err), 1);
	assert_string_equal(out[0].host, "127.0.0.1");
}

static void
a_host_that_nobody_knows_is_refused(void **state)
{
	(void)state;
	world.addresses[0] = NULL;
	listen_on("nosuch:80");
	expect_error(conf_resolve(&conf, &err), &err, EXIT_BAD_CONFIG,
	    "listen URL tcp://nosuch:80: look-up of host \"nosuch\": Name or "
	    "service not known",
	    "a name that /etc/hosts or DNS knows, an address, or nothing for "
	    "every address");
	assert_int_equal(conf.servers[0].nlistens, 1);
}

static void
a_host_whose_addresses_have_no_text_is_refused(void **state)
{
	(void)state;
	world.has_names = false;
	listen_on("localhost:80");
	expect_error(conf_resolve(&conf, &err), &err, EXIT_BAD_CONFIG,
	    "listen URL tcp://localhost:80: host \"localhost\" has no address",
	    "an address instead of the name");
}

static void
two_names_of_one_address_are_refused(void **state)
{
	(void)state;
	listen_on("127.0.0.1:80");
	assert_int_equal(
	    conf_set(&conf, "servers.1.listen", "localhost:80", &err), 0);
	expect_error(conf_resolve(&conf, &err), &err, EXIT_BAD_CONFIG,
	    "listen URL tcp://127.0.0.1:80 is given twice",
	    "one server listens on an address; a host name stands for all of "
	    "its addresses");
}

static void
tcp_and_tcp6_without_a_host_are_one_address(void **state)
{
	(void)state;
	listen_on("tcp://:80");
	listen_on("tcp6://:80");
	expect_error(conf_resolve(&conf, &err), &err, EXIT_BAD_CONFIG,
	    "listen URL tcp://:80 is given twice",
	    "one server listens on an address; a host name stands for all of "
	    "its addresses");
}

static void
port_0_may_be_asked_for_twice(void **state)
{
	(void)state;
	listen_on("tcp4://:0");
	listen_on("tcp4://:0");
	expect_listens((const char *const[]){ "tcp4://:0", "tcp4://:0", NULL });
}

static void
an_owner_becomes_two_numbers(void **state)
{
	static const struct {
		const char *owner, *ids;
	} rows[] = {
		{ "www-data", "33:33" },
		{ "www-data:adm", "33:4" },
		{ "33", "33:33" },
		{ "4000:adm", "4000:4" },
		{ "4000:5000", "4000:5000" },
	};
	struct url u = { .scheme = URL_UNIX, .path = "x" }, out;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		(void)snprintf(u.owner, sizeof(u.owner), "%s", rows[i].owner);
		assert_int_equal(url_resolve(&u, &out, 1, &err), 1);
		assert_string_equal(out.owner, rows[i].ids);
	}
}

static void
an_owner_that_nobody_knows_is_refused(void **state)
{
	(void)state;
	listen_on("unix://x?owner=nosuch");
	expect_error(conf_resolve(&conf, &err), &err, EXIT_BAD_CONFIG,
	    "listen URL unix://x?owner=nosuch: there is no user \"nosuch\"",
	    "a user of this machine, or the user's number");
	conf.servers[0].nlistens = 0;
	listen_on("unix://y?owner=33:nosuch");
	expect_error(conf_resolve(&conf, &err), &err, EXIT_BAD_CONFIG,
	    "listen URL unix://y?owner=33:nosuch: there is no group "
	    "\"nosuch\"",
	    "a group of this machine, or the group's number");
	conf.servers[0].nlistens = 0;
	listen_on("unix://z?owner=4000");
	expect_error(conf_resolve(&conf, &err), &err, EXIT_BAD_CONFIG,
	    "listen URL unix://z?owner=4000: the group of user 4000 is not "
	    "known",
	    "owner=4000:GROUP");
}

static void
children_of_root_are_nobody_and_others_stay_who_they_are(void **state)
{
	(void)state;
	conf.uid = 7;
	assert_int_equal(conf_resolve(&conf, &err), 0);
	assert_true(conf.uid == CONF_NO_ID && conf.gid == CONF_NO_ID);
	world.euid = 0;
	assert_int_equal(conf_resolve(&conf, &err), 0);
	assert_int_equal(conf.uid, 65534);
	assert_int_equal(conf.gid, 65534);
}

static void
root_needs_an_account_for_its_children(void **state)
{
	(void)state;
	world.euid = 0;
	world.has_nogroup = false;
	expect_error(conf_resolve(&conf, &err), &err, EXIT_BAD_CONFIG,
	    "account for children, which root does not run: there is no group "
	    "\"nogroup\"",
	    "create user nobody and group nogroup");
	world.has_nobody = false;
	expect_error(conf_resolve(&conf, &err), &err, EXIT_BAD_CONFIG,
	    "account for children, which root does not run: there is no user "
	    "\"nobody\"",
	    "create user nobody and group nogroup");
}

/* Resolve with this user and group, which may be NULL. */
static int
resolve_as(uid_t euid, const char *user, const char *group)
{
	world.euid = euid;
	free(conf.user);
	free(conf.group);
	conf.user = user == NULL ? NULL : strdup(user);
	conf.group = group == NULL ? NULL : strdup(group);
	return conf_resolve(&conf, &err);
}

static void
root_gives_its_children_the_account_that_is_named(void **state)
{
	static const struct {
		const char *user, *group;
		uid_t uid;
		gid_t gid;
	} rows[] = {
		{ "www-data", NULL, 33, 33 },
		{ "33", NULL, 33, 33 },
		{ "www-data", "adm", 33, 4 },
		{ "4000", "adm", 4000, 4 },
		{ "4000", "5000", 4000, 5000 },
		{ NULL, "adm", 65534, 4 },
		{ "0", "0", 0, 0 },
	};
	size_t i;

	(void)state;
	/* The group nogroup is of no use where another one is named. */
	world.has_nogroup = false;
	for (i = 0; i < nitems(rows); i++) {
		assert_int_equal(resolve_as(0, rows[i].user, rows[i].group), 0);
		assert_int_equal(conf.uid, rows[i].uid);
		assert_int_equal(conf.gid, rows[i].gid);
	}
}

static void
an_account_that_nobody_knows_is_refused(void **state)
{
	(void)state;
	expect_error(resolve_as(0, "nosuch", NULL), &err, EXIT_BAD_CONFIG,
	    "user: there is no user \"nosuch\"",
	    "a user of this machine, or the user's number");
	expect_error(resolve_as(0, "www-data", "nosuch"), &err, EXIT_BAD_CONFIG,
	    "group: there is no group \"nosuch\"",
	    "a group of this machine, or the group's number");
	expect_error(resolve_as(0, "4000", NULL), &err, EXIT_BAD_CONFIG,
	    "user: the group of user 4000 is not known", "--user 4000:GROUP");
	/* Also for who could not become it. */
	expect_error(resolve_as(33, "nosuch", NULL), &err, EXIT_BAD_CONFIG,
	    "user: there is no user \"nosuch\"",
	    "a user of this machine, or the user's number");
	expect_error(resolve_as(33, NULL, "nosuch"), &err, EXIT_BAD_CONFIG,
	    "group: there is no group \"nosuch\"",
	    "a group of this machine, or the group's number");
}

static void
others_than_root_may_name_only_themselves(void **state)
{
	(void)state;
	assert_int_equal(resolve_as(33, "www-data", NULL), 0);
	assert_true(conf.uid == CONF_NO_ID && conf.gid == CONF_NO_ID);
	assert_int_equal(resolve_as(33, "www-data", "33"), 0);
	assert_int_equal(resolve_as(33, NULL, "33"), 0);
	assert_true(conf.uid == CONF_NO_ID && conf.gid == CONF_NO_ID);
	expect_error(resolve_as(33, "nobody", NULL), &err, EXIT_NO_PERMISSION,
	    "user: only root can run children as nobody",
	    "start tine as root, or leave it out");
	expect_error(resolve_as(33, "www-data", "adm"), &err,
	    EXIT_NO_PERMISSION, "group: only root can run children as adm",
	    "start tine as root, or leave it out");
}

static void
the_admin_listener_has_each_address_of_its_host(void **state)
{
	char text[URL_TEXT_MAX];
	int i;

	(void)state;
	listen_on("8080");
	assert_int_equal(conf_set(&conf, "admin", "localhost:9180", &err), 0);
	/* The text form is resolved again when it is checked again. */
	for (i = 0; i < 2; i++) {
		assert_int_equal(conf_resolve(&conf, &err), 0);
		assert_int_equal(conf.nadmin_listens, 2);
		assert_string_equal(
		    url_print(&conf.admin_listens[0], text, sizeof(text)),
		    "tcp://127.0.0.1:9180");
		assert_string_equal(
		    url_print(&conf.admin_listens[1], text, sizeof(text)),
		    "tcp://[::1]:9180");
	}
	world.addresses[0] = NULL;
	expect_error(conf_resolve(&conf, &err), &err, EXIT_BAD_CONFIG,
	    "listen URL tcp://localhost:9180: look-up of host \"localhost\": "
	    "Name or service not known",
	    "a name that /etc/hosts or DNS knows, an address, or nothing for "
	    "every address");
	assert_int_equal(conf.nadmin_listens, 0);
}

static void
the_admin_listener_has_an_address_of_its_own(void **state)
{
	(void)state;
	listen_on("127.0.0.1:8080");
	listen_on("127.0.0.1:0");
	assert_int_equal(conf_set(&conf, "admin", "127.0.0.1:0", &err), 0);
	assert_int_equal(conf_resolve(&conf, &err), 0);
	assert_int_equal(conf_set(&conf, "admin", "localhost:8080", &err), 0);
	expect_error(conf_resolve(&conf, &err), &err, EXIT_BAD_CONFIG,
	    "listen URL tcp://127.0.0.1:8080 is given twice",
	    "one server listens on an address; a host name stands for all of "
	    "its addresses");
}

static void
the_background_has_no_stderr_to_log_to(void **state)
{
	(void)state;
	conf.is_daemon = true;
	assert_int_equal(conf_resolve(&conf, &err), 0);
	assert_string_equal(conf.log_file, "syslog");
	free(conf.log_file);
	conf.log_file = strdup("stderr");
	expect_error(conf_resolve(&conf, &err), &err, EXIT_BAD_CONFIG,
	    "log stderr leads nowhere in the background",
	    "--log FILE or --log syslog");
}

static void
without_memory_the_urls_stay_as_they_were(void **state)
{
	(void)state;
	listen_on("localhost:80");
	memory_left = 0;
	assert_int_equal(conf_resolve(&conf, &err), -1);
	assert_int_equal(err.code, EXIT_SYSTEM);
	assert_string_equal(conf.servers[0].listens[0].host, "localhost");
}

#define in_world(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_world(a_host_name_is_each_of_its_addresses_once),
		in_world(a_scheme_with_a_family_takes_its_addresses_only),
		in_world(a_udp_scheme_takes_addresses_of_its_family_too),
		in_world(a_machine_without_ipv6_leaves_those_addresses_out),
		in_world(an_ipv6_address_that_is_all_there_is_stays),
		in_world(a_host_has_at_most_as_many_addresses_as_there_is_room),
		in_world(a_host_that_nobody_knows_is_refused),
		in_world(a_host_whose_addresses_have_no_text_is_refused),
		in_world(two_names_of_one_address_are_refused),
		in_world(tcp_and_tcp6_without_a_host_are_one_address),
		in_world(port_0_may_be_asked_for_twice),
		in_world(an_owner_becomes_two_numbers),
		in_world(an_owner_that_nobody_knows_is_refused),
		in_world(
		    children_of_root_are_nobody_and_others_stay_who_they_are),
		in_world(root_needs_an_account_for_its_children),
		in_world(root_gives_its_children_the_account_that_is_named),
		in_world(an_account_that_nobody_knows_is_refused),
		in_world(others_than_root_may_name_only_themselves),
		in_world(the_admin_listener_has_each_address_of_its_host),
		in_world(the_admin_listener_has_an_address_of_its_own),
		in_world(the_background_has_no_stderr_to_log_to),
		in_world(without_memory_the_urls_stay_as_they_were),
	};

	return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* What the service manager hears, from a socket that plays its part. sendmsg()
 * and malloc() can be made to fail. */
#include "master/notify.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shared/log.h"
#include "tests/unit/memory.h"

static struct notify n;
static struct ev_loop *loop;
static int manager = -1;  /* its end */
static char text[1024];   /* what it read last */
static int handed = -1;   /* and the descriptor that came with it */
static int sendmsg_errno; /* 0: the real one */
static int asked;
static bool health;

ssize_t __real_sendmsg(int, const struct msghdr *, int);
ssize_t __wrap_sendmsg(int, const struct msghdr *, int);

ssize_t
__wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	assert_true(flags & MSG_DONTWAIT);
	errno = sendmsg_errno;
	return sendmsg_errno != 0 ? -1 : __real_sendmsg(fd, msg, flags);
}

static bool
is_healthy(void *arg)
{
	assert_ptr_equal(arg, &asked);
	asked++;
	return health;
}

/* A service manager on a socket of this name. */
static void
listen_on(const char *name)
{
	struct addr a;
	struct err err;

	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(addr_from_path(&a, name, &err), 0);
	assert_int_equal(bind(manager, &a.u.sa, a.len), 0);
}

static const char *
fresh_name(void)
{
	static unsigned count;
	static char name[64];

	(void)snprintf(name, sizeof(name), "@tine-notify-%ld-%u",
	    (long)getpid(), count++);
	return name;
}

static void
start(void)
{
	notify_take_environment();
	notify_init(&n, loop, is_healthy, &asked);
}

static int
open_all(void **state)
{
	const char *name = fresh_name();

	(void)state;
	log_set_level(LOG_ERROR);
	sendmsg_errno = asked = 0;
	health = true;
	memory_left = -1;
	loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	listen_on(name);
	(void)setenv("NOTIFY_SOCKET", name, 1);
	start();
	return 0;
}

static int
close_all(void **state)
{
	(void)state;
	notify_fini(&n);
	ev_loop_destroy(loop);
	closefd(&manager);
	closefd(&handed);
	return 0;
}

/* The next datagram, or NULL. */
static const char *
hear(void)
{
	struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) - 1 };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};
	struct cmsghdr *cmsg;
	ssize_t got = recvmsg(manager, &msg, MSG_CMSG_CLOEXEC);

	closefd(&handed);
	if (got == -1)
		return NULL;
	text[got] = '\0';
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg != NULL)
		(void)memcpy(&handed, CMSG_DATA(cmsg), sizeof(handed));
	return text;
}

static void
expect(const char *expected)
{
	const char *heard = hear();

	assert_non_null(heard);
	assert_string_equal(heard, expected);
}

static void
expect_silence(void)
{
	assert_null(hear());
}

static struct url
url_of(const char *from)
{
	struct url url;
	struct err err;

	assert_int_equal(url_parse(&url, from, &err), 0);
	return url;
}

/* As many messages as it takes until one must wait; returns their number. */
static unsigned
fill(void)
{
	unsigned i;

	for (i = 0; n.queued == 0; i++)
		notify_status(&n, "%u", i);
	return i - 1;
}

static void
run_until_told(void)
{
	while (n.queued > 0)
		(void)ev_run(loop, EVRUN_ONCE);
}

/* ---- what is said ---- */

static void
every_verb_is_one_datagram(void **state)
{
	uint64_t before = mono_ns() / 1000, usec;

	(void)state;
	notify_ready(&n);
	expect("READY=1");
	notify_reloading(&n);
	assert_non_null(hear());
	assert_int_equal(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%lu", &usec),
	    1);
	assert_in_range(usec, before, mono_ns() / 1000);
	notify_stopping(&n);
	expect("STOPPING=1");
	notify_extend(&n, 34.5);
	expect("EXTEND_TIMEOUT_USEC=34500000");
	expect_silence();
}

static void
a_status_is_one_line_and_said_when_it_changes(void **state)
{
	(void)state;
	notify_status(&n, "%d children\nREADY=1\x7f\xc3", 4);
	expect("STATUS=4 children?READY=1??");
	notify_status(&n, "%d children\nREADY=1\x7f\xc3", 4);
	expect_silence();
	notify_status(&n, "%0300d", 0);
	assert_int_equal(strlen(hear()), strlen("STATUS=") + 255);
}

static void
a_slot_goes_with_its_descriptor_and_name(void **state)
{
	struct url url = url_of("tcp://127.0.0.1:80?backlog=9");
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct stat st;

	(void)state;
	notify_store(&n, fd, &url, 3);
	expect("FDNAME=tcp%3A//127.0.0.1%3A80#3\nFDSTORE=1\nFDPOLL=0");
	assert_int_equal(fstat(handed, &st), 0);
	assert_true(S_ISCHR(st.st_mode));
	/* Ours is still ours. */
	assert_int_equal(fstat(fd, &st), 0);
	notify_unstore(&n, &url, 3);
	expect("FDNAME=tcp%3A//127.0.0.1%3A80#3\nFDSTOREREMOVE=1");
	assert_int_equal(handed, -1);
	notify_unstore_name(&n, "old");
	expect("FDNAME=old\nFDSTOREREMOVE=1");
	closefd(&fd);
}

/* ---- to whom ---- */

static void
the_environment_is_taken_from_every_other_process(void **state)
{
	static const char *const names[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC",
		"WATCHDOG_PID", "FDSTORE" };
	size_t i;

	(void)state;
	for (i = 0; i < nitems(names); i++)
		(void)setenv(names[i], "1", 1);
	notify_take_environment();
	for (i = 0; i < nitems(names); i++)
		assert_null(getenv(names[i]));
}

static void
the_next_image_finds_what_this_one_found(void **state)
{
	struct notify_manager found = *notify_manager();

	(void)state;
	/* exec in place: nothing in the environment. */
	notify_fini(&n);
	start();
	notify_ready(&n);
	expect_silence();
	notify_set_manager(&found);
	notify_init(&n, loop, is_healthy, &asked);
	notify_ready(&n);
	expect("READY=1");
}

static void
a_master_that_was_not_started_itself_says_its_pid(void **state)
{
	struct notify_manager other = *notify_manager();
	char expected[64];

	(void)state;
	other.started = getppid();
	notify_set_manager(&other);
	notify_ready(&n);
	(void)snprintf(expected, sizeof(expected), "READY=1\nMAINPID=%ld",
	    (long)getpid());
	expect(expected);
}

static void
a_path_will_do_as_well_as_an_abstract_name(void **state)
{
	char folder[] = "/tmp/tine-notify-XXXXXX", path[64];

	(void)state;
	notify_fini(&n);
	closefd(&manager);
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/socket", folder);
	listen_on(path);
	(void)setenv("NOTIFY_SOCKET", path, 1);
	start();
	notify_ready(&n);
	expect("READY=1");
	(void)unlink(path);
	(void)rmdir(folder);
}

static void
nothing_happens_without_a_service_manager(void **state)
{
	struct url url = url_of("tcp://:80");

	(void)state;
	notify_fini(&n);
	start();
	assert_int_equal(n.fd, -1);
	sendmsg_errno = EAGAIN;
	notify_ready(&n);
	notify_status(&n, "x");
	notify_store(&n, 0, &url, 0);
	notify_tick(&n, mono_ns(), true);
	assert_int_equal(n.queued, 0);
}

static void
a_socket_of_another_kind_is_left_alone(void **state)
{
	static const char *const wrong[] = { "vsock:2:1234", "relative", "",
		"@",
		"/01234567890123456789012345678901234567890123456789"
		"01234567890123456789012345678901234567890123456789"
		"01234567890123456789" };
	size_t i;

	(void)state;
	notify_fini(&n);
	for (i = 0; i < nitems(wrong); i++) {
		(void)setenv("NOTIFY_SOCKET", wrong[i], 1);
		start();
		assert_int_equal(n.fd, -1);
	}
}

/* ---- when it does not work ---- */

static void
what_finds_no_room_is_sent_later_and_in_order(void **state)
{
	struct url url = url_of("tcp://:80");
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	unsigned i, sent = fill();
	char expected[32];

	(void)state;
	notify_reloading(&n);
	notify_store(&n, fd, &url, 0);
	/* The one that waits is a copy. */
	closefd(&fd);
	notify_ready(&n);
	for (i = 0; i < sent; i++) {
		(void)snprintf(expected, sizeof(expected), "STATUS=%u", i);
		expect(expected);
	}
	expect_silence();
	run_until_told();
	(void)snprintf(expected, sizeof(expected), "STATUS=%u", sent);
	expect(expected);
	assert_non_null(hear());
	assert_int_equal(strncmp(text, "RELOADING=1\n", 12), 0);
	assert_non_null(hear());
	assert_int_equal(strncmp(text, "FDNAME=", 7), 0);
	assert_int_not_equal(handed, -1);
	expect("READY=1");
	expect_silence();
	assert_false(ev_is_active(&n.retry_w));
}

static void
of_those_that_wait_the_last_of_a_kind_is_kept(void **state)
{
	struct url a = url_of("tcp://:80"), b = url_of("tcp://:81");

	(void)state;
	sendmsg_errno = EAGAIN;
	notify_status(&n, "first");
	notify_reloading(&n);
	notify_ready(&n);
	notify_store(&n, 0, &a, 0);
	notify_store(&n, 0, &b, 0);
	notify_unstore(&n, &a, 0);
	notify_store(&n, 0, &a, 0);
	notify_status(&n, "second");
	notify_reloading(&n);
	assert_int_equal(n.queued, 6);
	sendmsg_errno = 0;
	run_until_told();
	expect("READY=1");
	expect("FDNAME=tcp%3A//%3A81#0\nFDSTORE=1\nFDPOLL=0");
	expect("FDNAME=tcp%3A//%3A80#0\nFDSTOREREMOVE=1");
	expect("FDNAME=tcp%3A//%3A80#0\nFDSTORE=1\nFDPOLL=0");
	expect("STATUS=second");
	assert_non_null(hear());
	assert_int_equal(strncmp(text, "RELOADING=1\n", 12), 0);
	expect_silence();
}

static void
a_manager_that_reads_nothing_costs_a_bounded_queue(void **state)
{
	struct url url = url_of("tcp://:80");
	unsigned i;

	(void)state;
	sendmsg_errno = ENOBUFS;
	for (i = 0; i < 10000; i++)
		notify_unstore(&n, &url, i);
	assert_in_range(n.queued, 1000, 9999);
}

static void
a_service_manager_that_is_gone_is_no_reason_to_wait(void **state)
{
	(void)state;
	closefd(&manager);
	notify_ready(&n);
	assert_int_equal(n.queued, 0);
	assert_true(n.has_failed);
	listen_on(notify_manager()->socket);
	notify_ready(&n);
	expect("READY=1");
	assert_false(n.has_failed);
}

static void
without_memory_or_descriptors_one_message_is_lost(void **state)
{
	struct url url = url_of("tcp://:80");
	struct rlimit limit, none;

	(void)state;
	sendmsg_errno = ETOOMANYREFS;
	memory_left = 0;
	notify_ready(&n);
	memory_left = -1;
	assert_int_equal(n.queued, 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	notify_store(&n, 0, &url, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(n.queued, 0);
	sendmsg_errno = 0;
	notify_stopping(&n);
	expect("STOPPING=1");
}

static void
what_waits_is_said_at_the_end_if_there_is_room(void **state)
{
	(void)state;
	sendmsg_errno = EAGAIN;
	notify_stopping(&n);
	sendmsg_errno = 0;
	notify_fini(&n);
	expect("STOPPING=1");
}

/* ---- the watchdog ---- */

#define MS 1000000ULL

/* A watchdog of 400 ms, as if its timer had begun at 0. */
static void
begin_watch(void)
{
	n.watchdog_ns = 400 * MS;
	n.tick_ns = n.ping_ns = 0;
}

static void
it_is_fed_at_half_of_its_time(void **state)
{
	unsigned i;

	(void)state;
	begin_watch();
	for (i = 1; i <= 8; i++) {
		notify_tick(&n, i * 100 * MS, true);
		if (i % 2 == 0)
			expect("WATCHDOG=1");
		expect_silence();
	}
}

static void
an_ill_server_does_not_feed_it(void **state)
{
	(void)state;
	begin_watch();
	notify_tick(&n, 100 * MS, true);
	notify_tick(&n, 200 * MS, false);
	expect_silence();
	notify_tick(&n, 300 * MS, true);
	expect("WATCHDOG=1");
}

static void
a_tick_that_is_late_does_not_feed_it_but_the_next_does(void **state)
{
	(void)state;
	begin_watch();
	notify_tick(&n, 201 * MS, true);
	expect_silence();
	notify_tick(&n, 301 * MS, true);
	expect("WATCHDOG=1");
}

static void
a_word_to_it_that_finds_no_room_does_not_wait(void **state)
{
	(void)state;
	begin_watch();
	notify_tick(&n, 100 * MS, true);
	sendmsg_errno = EAGAIN;
	notify_tick(&n, 200 * MS, true);
	assert_int_equal(n.queued, 0);
	sendmsg_errno = 0;
	notify_tick(&n, 300 * MS, true);
	expect("WATCHDOG=1");
}

static void
watch_with(const char *usec, const char *pid)
{
	notify_fini(&n);
	(void)setenv("NOTIFY_SOCKET", notify_manager()->socket, 1);
	(void)setenv("WATCHDOG_USEC", usec, 1);
	if (pid != NULL)
		(void)setenv("WATCHDOG_PID", pid, 1);
	start();
}

static void
its_timer_asks_whether_the_server_is_well(void **state)
{
	(void)state;
	watch_with("80000", NULL);
	/* On a busy machine some of its ticks are late. */
	while (hear() == NULL && asked < 500)
		(void)ev_run(loop, EVRUN_ONCE);
	assert_string_equal(text, "WATCHDOG=1");
	health = false;
	expect_silence();
	for (asked = 0; asked < 8;)
		(void)ev_run(loop, EVRUN_ONCE);
	expect_silence();
}

static void
only_ours_is_fed(void **state)
{
	static const char *const wrong[] = { "", "0", "-1", "x", "1s" };
	char pid[32];
	size_t i;

	(void)state;
	for (i = 0; i < nitems(wrong); i++) {
		watch_with(wrong[i], NULL);
		assert_int_equal(n.watchdog_ns, 0);
		assert_false(ev_is_active(&n.watchdog_w));
	}
	watch_with("3000000", "1");
	assert_int_equal(n.watchdog_ns, 0);
	(void)snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	watch_with("3000000", pid);
	assert_int_equal(n.watchdog_ns, 3000 * MS);
	assert_true(ev_is_active(&n.watchdog_w));
}

#define told(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		told(every_verb_is_one_datagram),
		told(a_status_is_one_line_and_said_when_it_changes),
		told(a_slot_goes_with_its_descriptor_and_name),
		told(the_environment_is_taken_from_every_other_process),
		told(the_next_image_finds_what_this_one_found),
		told(a_master_that_was_not_started_itself_says_its_pid),
		told(a_path_will_do_as_well_as_an_abstract_name),
		told(nothing_happens_without_a_service_manager),
		told(a_socket_of_another_kind_is_left_alone),
		told(what_finds_no_room_is_sent_later_and_in_order),
		told(of_those_that_wait_the_last_of_a_kind_is_kept),
		told(a_manager_that_reads_nothing_costs_a_bounded_queue),
		told(a_service_manager_that_is_gone_is_no_reason_to_wait),
		told(without_memory_or_descriptors_one_message_is_lost),
		told(what_waits_is_said_at_the_end_if_there_is_room),
		told(it_is_fed_at_half_of_its_time),
		told(an_ill_server_does_not_feed_it),
		told(a_tick_that_is_late_does_not_feed_it_but_the_next_does),
		told(a_word_to_it_that_finds_no_room_does_not_wait),
		told(its_timer_asks_whether_the_server_is_well),
		told(only_ours_is_fed),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}

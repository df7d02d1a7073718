/* SPDX-License-Identifier: BSD-2-Clause */
/* The admin child: it is told how the server does, and counts nowhere. */
#include "tests/unit/fixture.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <signal.h>

#define EXITED(code) ((code) << 8)
#define ASKS_A_SECOND 10

/* A master with an admin listener on a port of its own, and the admin child. */
static int
open_with_admin(void **state)
{
	struct err err;

	(void)fixture_open(state);
	TAILQ_INIT(&fx.m.admin.generations);
	fx.generation.conf.accept = CONF_ACCEPT_REUSEPORT;
	assert_int_equal(
	    conf_set(&fx.generation.conf, "user", "somebody", &err), 0);
	fx.generation.conf.admin_listens = calloc(1, sizeof(struct url));
	fx.generation.conf.nadmin_listens = 1;
	assert_int_equal(url_parse(fx.generation.conf.admin_listens,
			     "tcp://127.0.0.1:0?reuseport=true", &err),
	    0);
	assert_int_equal(admin_open(&fx.m, &err), 0);
	assert_int_equal(admin_start(&fx.m, &err), 0);
	listener_commit(&fx.m);
	return 0;
}

static int
close_with_admin(void **state)
{
	struct proc *p;

	fx.m.state = MASTER_EXIT;
	while ((p = TAILQ_FIRST(&fx.m.procs)) != NULL)
		proc_on_reaped(p, 0);
	place_stop(fx.m.admin.place);
	fx.m.admin.generation = NULL;
	/* The serving one is the fixture's own. */
	generation_sweep(&fx.m);
	free(fx.m.admin.place);
	fx.m.admin.place = NULL;
	return fixture_close(state);
}

static struct proc *
admin_child(void)
{
	return fx.m.admin.place->incumbent;
}

static struct proc *
a_ready_admin_child(void)
{
	struct ctl_msg msg;
	struct proc *p;

	fixture_all_ready();
	p = admin_child();
	fixture_say(p, CTL_PREPARED, NULL, 0);
	assert_int_equal(fixture_heard(p, &msg), CTL_START);
	fixture_say(p, CTL_READY, NULL, 0);
	assert_int_equal(p->state, PROC_READY);
	return p;
}

static void
it_is_forked_before_all_others(void **state)
{
	(void)state;
	place_fork_due(&fx.m);
	assert_int_equal(fx.forks, FIXTURE_PLACES + 1);
	assert_int_equal(admin_child()->pid, 1);
	assert_string_equal(admin_child()->place->name, "admin child");
}

static void
it_lives_by_the_accounts_and_limits_of_the_service(void **state)
{
	const struct conf *conf = &fx.m.admin.generation->conf;

	(void)state;
	assert_string_equal(conf->user, "somebody");
	assert_int_equal(conf->uid, fx.generation.conf.uid);
	assert_int_equal(conf->nservers, 1);
	assert_string_equal(conf->servers[0].handler, "status");
	assert_int_equal(conf->servers[0].nlistens, 1);
	assert_int_equal(conf->nadmin_listens, 0);
	assert_false(conf->servers[0].may_stop);
	assert_true(conf->drain_timeout <= 2);
}

static void
its_listener_is_one_socket_that_no_child_of_the_service_has(void **state)
{
	struct listener *l = fx.m.listeners[1];
	struct heritage_slot slots[4];
	struct err err;

	(void)state;
	assert_true(l->is_admin);
	assert_int_equal(l->nslots, 1);
	assert_int_not_equal(l->url.port, 0);
	assert_int_equal(
	    listener_heritage(fx.m.admin.generation, HERITAGE_ADMIN, slots, 4),
	    1);
	assert_int_equal(slots[0].fd, l->slots[0].fd);
	assert_int_equal(listener_heritage(&fx.generation, 1, slots, 4), 1);
	assert_int_not_equal(slots[0].fd, l->slots[0].fd);
	/* The fixture's sockets are none. */
	fx.listener->is_closing = true;
	assert_int_equal(listener_widen(&fx.m, FIXTURE_PLACES, &err), 0);
	assert_int_equal(l->nslots, 1);
	fx.listener->is_closing = false;
	listener_leave(&fx.m, &fx.generation);
	assert_false(l->is_leaving);
}

static void
it_counts_nowhere(void **state)
{
	struct proc *p = a_ready_admin_child();
	struct board_page *page = fixture_page(p);
	struct ctl_drained drained = { .cut = 3 };

	(void)state;
	page->counters[BOARD_ACCEPTED] = 7;
	assert_int_equal(munmap(page, BOARD_PAGE_BYTES), 0);
	assert_int_equal(fx.m.count[PROC_READY], FIXTURE_PLACES);
	assert_int_equal(fx.m.min_accepting, FIXTURE_PLACES);
	fixture_say(p, CTL_DRAINED, &drained, sizeof(drained));
	proc_on_reaped(p, SIGSEGV);
	assert_int_equal(fx.m.crashes, 0);
	assert_int_equal(fx.m.cut, 0);
	assert_int_equal(fx.m.totals[BOARD_ACCEPTED], 0);
	assert_int_equal(fx.m.min_accepting, FIXTURE_PLACES);
	assert_int_equal(fx.m.count[PROC_DEAD], 0);
}

static void
one_that_cannot_start_is_tried_again_and_stops_nobody(void **state)
{
	int i;

	(void)state;
	fx.m.state = MASTER_STARTING;
	for (i = 0; i < 2 * POLICY_FIRST_TRIES; i++) {
		struct place *pl = fx.m.admin.place;

		place_fork_due(&fx.m);
		proc_on_reaped(pl->incumbent, EXITED(1));
		assert_true(ev_is_active(&pl->retry_w));
		ev_timer_stop(fx.m.loop, &pl->retry_w);
		pl->is_due = true;
	}
	assert_int_equal(fx.m.stillborn, 0);
	assert_int_equal(fx.m.state, MASTER_STARTING);
	assert_int_equal(fx.m.count[PROC_STARTING], FIXTURE_PLACES);
}

/* Ask as a child does, and take the answer: its file, or -1. */
static int
ask(struct proc *p, struct ctl_status *status)
{
	struct ctl_msg msg;

	fixture_say(p, CTL_ASK, NULL, 0);
	admin_step(&fx.m);
	assert_int_equal(ctl_recv(fx.peer[p->pid - 1], &msg, true),
	    CTL_GOT_MSG);
	assert_int_equal(msg.head.type, CTL_STATUS);
	*status = msg.body.status;
	return msg.fd;
}

static void
the_answer_is_the_status_and_the_metrics(void **state)
{
	struct proc *p = a_ready_admin_child();
	struct ctl_status status;
	int fd = ask(p, &status);
	struct stat st;
	char *text;

	(void)state;
	assert_int_not_equal(fd, -1);
	assert_int_equal(status.readiness, CTL_CAN_SERVE);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, status.json_bytes + status.metrics_bytes);
	text = calloc(1, (size_t)st.st_size + 1);
	assert_int_equal(pread(fd, text, (size_t)st.st_size, 0), st.st_size);
	assert_int_equal(strncmp(text, "{\"version\":", 11), 0);
	assert_int_equal(text[status.json_bytes - 1], '}');
	assert_int_equal(strncmp(text + status.json_bytes, "# HELP", 6), 0);
	free(text);
	closefd(&fd);
}

static void
nobody_can_change_the_answer(void **state)
{
	struct proc *p = a_ready_admin_child();
	struct ctl_status status;
	int fd = ask(p, &status);

	(void)state;
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, 0), -1);
	closefd(&fd);
}

static void
expect_readiness(struct proc *p, enum ctl_readiness expected)
{
	struct ctl_status status;
	int fd = ask(p, &status);

	assert_int_equal(status.readiness, expected);
	closefd(&fd);
}

static void
readiness_follows_the_state_and_the_quorum(void **state)
{
	struct proc *p = a_ready_admin_child();
	int i;

	(void)state;
	fx.m.state = MASTER_STARTING;
	expect_readiness(p, CTL_NOT_YET);
	fx.m.state = MASTER_RELOADING;
	expect_readiness(p, CTL_CAN_SERVE);
	fx.m.state = MASTER_STOPPING;
	expect_readiness(p, CTL_NO_MORE);
	fx.m.state = MASTER_RUNNING;
	for (i = 0; i < FIXTURE_PLACES; i++) {
		expect_readiness(p, CTL_CAN_SERVE);
		proc_set_state(fx.m.places[i].incumbent, PROC_SUSPECT);
	}
	expect_readiness(p, CTL_TOO_FEW);
}

static void
a_child_that_does_not_read_is_answered_later(void **state)
{
	struct proc *p = a_ready_admin_child();

	(void)state;
	fixture_block(p);
	fixture_say(p, CTL_ASK, NULL, 0);
	admin_step(&fx.m);
	assert_true(p->is_asking);
	assert_int_equal(fixture_unblock(p), CTL_RESUME);
	admin_step(&fx.m);
	assert_false(p->is_asking);
	assert_int_equal(fixture_unblock(p), CTL_STATUS);
}

static void
it_may_ask_ten_times_a_second(void **state)
{
	struct proc *p = a_ready_admin_child();
	int i;

	(void)state;
	for (i = 0; i < ASKS_A_SECOND; i++)
		expect_readiness(p, CTL_CAN_SERVE);
	assert_int_equal(p->state, PROC_READY);
}

static void
no_other_child_may_ask(void **state)
{
	struct proc *p;

	(void)state;
	(void)a_ready_admin_child();
	p = fx.m.places[0].incumbent;
	fixture_say(p, CTL_ASK, NULL, 0);
	assert_true(p->is_guilty);
	assert_int_equal(p->state, PROC_DEAD);
}

static void
it_follows_the_generation_that_serves(void **state)
{
	struct proc *old = a_ready_admin_child(), *fresh;
	struct generation *g = fx.m.admin.generation;

	(void)state;
	admin_step(&fx.m);
	assert_ptr_equal(fx.m.admin.generation, g);
	fx.generation.number = 2;
	fx.generation.conf.gid = 12;
	admin_step(&fx.m);
	place_fork_due(&fx.m);
	fresh = fx.m.admin.place->successor;
	assert_non_null(fresh);
	assert_int_equal(fresh->generation->number, 2);
	assert_int_equal(fresh->generation->conf.gid, 12);
	assert_ptr_equal(fresh->generation->listeners[0], g->listeners[0]);
	fixture_say(fresh, CTL_PREPARED, NULL, 0);
	fixture_say(fresh, CTL_READY, NULL, 0);
	assert_int_equal(old->state, PROC_DRAINING);
	assert_ptr_equal(admin_child(), fresh);
	generation_sweep(&fx.m);
	assert_ptr_equal(old->generation, g);
	proc_on_reaped(old, 0);
	generation_sweep(&fx.m);
	assert_null(TAILQ_NEXT(fresh->generation, entry));
	assert_ptr_equal(TAILQ_FIRST(&fx.m.admin.generations),
	    fresh->generation);
}

static void
its_clients_do_not_ask_for_more_children(void **state)
{
	const struct addr *a = &fx.m.listeners[1]->addr;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	fixture_all_ready();
	fx.generation.conf.processes_max = 2 * FIXTURE_PLACES;
	assert_int_equal(connect(fd, &a->u.sa, a->len), 0);
	assert_int_equal(listener_queue(&fx.m.listeners[1]->slots[0]), 1);
	sizer_tick(&fx.m);
	assert_int_equal(fx.m.autoscale.nsamples, 1);
	assert_int_equal(fx.m.autoscale.queue, 0);
	closefd(&fd);
}

static void
it_goes_when_all_others_have_gone(void **state)
{
	struct proc *p = a_ready_admin_child();

	(void)state;
	fx.m.state = MASTER_STOPPING;
	assert_false(admin_end(&fx.m));
	assert_int_equal(p->state, PROC_DRAINING);
	assert_int_equal(p->drain_reason, CTL_STOPPING);
	assert_true(ev_is_active(&fx.m.hush_w));
	proc_on_reaped(p, 0);
	assert_true(admin_end(&fx.m));
	ev_timer_stop(fx.m.loop, &fx.m.hush_w);
}

#define with_admin(f)                                                          \
	cmocka_unit_test_setup_teardown(f, open_with_admin, close_with_admin)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_admin(it_is_forked_before_all_others),
		with_admin(it_lives_by_the_accounts_and_limits_of_the_service),
		with_admin(
		    its_listener_is_one_socket_that_no_child_of_the_service_has),
		with_admin(it_counts_nowhere),
		with_admin(
		    one_that_cannot_start_is_tried_again_and_stops_nobody),
		with_admin(the_answer_is_the_status_and_the_metrics),
		with_admin(nobody_can_change_the_answer),
		with_admin(readiness_follows_the_state_and_the_quorum),
		with_admin(a_child_that_does_not_read_is_answered_later),
		with_admin(it_may_ask_ten_times_a_second),
		with_admin(no_other_child_may_ask),
		with_admin(it_follows_the_generation_that_serves),
		with_admin(its_clients_do_not_ask_for_more_children),
		with_admin(it_goes_when_all_others_have_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The state: what one image writes is what the next one is, and what a broken
 * build wrote is refused. */
#include "tests/unit/fixture.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "master/state.h"
#include "master/state_table.h"

static struct master next; /* what reads */
static struct conf said;
static struct tlv_writer saved;
static struct tlv_record record;
static struct err err;

/* Sockets that have an address. */
static void
give_sockets(void)
{
	const struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	size_t i;

	for (i = 0; i < fx.listener->nslots; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		assert_int_equal(
		    bind(fd, (const struct sockaddr *)&sin, sizeof(sin)), 0);
		closefd(&fx.listener->slots[i].fd);
		fx.listener->slots[i].fd = fd;
		assert_int_equal(steer_on_listen(&fx.listener->steer,
				     fx.listener->slots[i].id, fd, &err),
		    0);
	}
}

static int
open_both(void **state)
{
	(void)fixture_open(state);
	fx.generation.conf.processes_max = FIXTURE_PLACES;
	give_sockets();
	fixture_all_ready();
	conf_init(&said);
	said.folder = strdup("/somewhere");
	fx.m.said = &said;
	fx.m.binary.fd = -1;
	fx.m.pid_fd = -1;
	fx.m.log_fd = STDERR_FILENO;
	next = (struct master){ .state = MASTER_EXIT };
	TAILQ_INIT(&next.generations);
	TAILQ_INIT(&next.admin.generations);
	TAILQ_INIT(&next.procs);
	TAILQ_INIT(&next.checkruns);
	next.loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	next.places = calloc(CONF_PROCESSES_MAX, sizeof(struct place));
	return board_open(&next.board, 64, &err);
}

/* Its descriptors are fx's, which closes them. */
static int
close_both(void **state)
{
	struct proc *p;
	size_t i;

	while ((p = TAILQ_FIRST(&next.procs)) != NULL) {
		ev_io_stop(next.loop, &p->ctl_w);
		p->ctl = p->pidfd = -1;
		next.board.pages[p->page].fd = dup(STDERR_FILENO);
		proc_on_reaped(p, 0);
	}
	for (i = 0; i < next.nlisteners; i++) {
		steer_fini(&next.listeners[i]->steer);
		free(next.listeners[i]->slots);
		free(next.listeners[i]);
	}
	free(next.listeners);
	generation_free_all(&next);
	for (i = 0; i < CONF_PROCESSES_MAX; i++)
		if (next.places[i].master != NULL)
			place_stop(&next.places[i]);
	free(next.places);
	board_close(&next.board);
	op_fini(&next);
	ev_loop_destroy(next.loop);
	conf_free(&said);
	tlv_writer_fini(&saved);
	return fixture_close(state);
}

static void
save(const struct master *m, struct tlv_writer *w, struct tlv_record *r)
{
	struct field_fds fds = { .n = 0 };

	tlv_writer_init(w);
	state_save(m, w, &fds);
	assert_int_equal(tlv_finish(w), 0);
	assert_int_equal(tlv_parse(r, w->bytes, w->len, &err), 0);
	field_fds_fini(&fds);
}

/* Times that are counted from when they are written. */
static bool
is_deadline(const struct tlv *nest, const struct tlv *e)
{
	return (nest->tag == STATE_PROC && e->tag == 34) ||
	    (nest->tag == STATE_PLACE && e->tag == 11);
}

static void
assert_same(const struct tlv *a, const struct tlv *b)
{
	struct tlv x = { .bytes = NULL }, y = { .bytes = NULL };

	while (tlv_next(a, &x)) {
		assert_true(tlv_next(b, &y));
		if (x.tag != y.tag || x.len != y.len)
			fail_msg("in %u: tag %u and %u", (unsigned)a->tag,
			    (unsigned)x.tag, (unsigned)y.tag);
		if ((x.flags & TLV_NEST) != 0)
			assert_same(&x, &y);
		else if (!is_deadline(a, &x) &&
		    memcmp(x.bytes, y.bytes, x.len) != 0)
			fail_msg("tag %u in %u is another", (unsigned)x.tag,
			    (unsigned)a->tag);
	}
	assert_false(tlv_next(b, &y));
}

/* Something in each part. */
static void
make_eventful(void)
{
	struct proc *p = fx.m.places[1].incumbent;

	fx.m.nplaces_used = FIXTURE_PLACES;
	fx.m.totals[BOARD_BYTES_IN] = 123456789012;
	assert_true(counters_add(&fx.m.counters, "jokes", 12));
	assert_true(counters_add(&fx.m.counters, "puns_2", 1));
	fx.m.crashes = 3;
	fx.m.ops.ticket = fx.m.ops.last_ticket = 70;
	fx.m.ops.kind = OP_UPGRADE;
	fx.m.ops.pending[OP_RELOAD].ticket = 69;
	fx.m.ops.results[5] = (struct op_result){
		.ticket = 68,
		.verdict = OP_FAILED,
		.err = { .code = EXIT_RUNTIME, .text = "why", .hint = "so" },
		.report = strdup("a line\n"),
	};
	fx.m.ops.nresults = 6;
	fx.m.was_ready = true;
	p->is_sick = true;
	p->owed = BIT(CTL_DRAIN);
	p->wait_status = -1;
	(void)strcpy(p->last_words, "good bye");
	fx.m.places[2].strikes = 4;
	fx.m.places[2].restarts = 9;
	/* One that was left. */
	place_init(&fx.m.places[3], &fx.m, 3);
	fx.listener->slots[2].is_excluded = true;
	fx.listener->slots[2].retire_ns = 77;
	(void)steer_exclude(&fx.listener->steer, 12);
	fx.listener->slots[1].adopters[0] = fx.m.places[0].incumbent;
	proc_drain(fx.m.places[2].incumbent, CTL_SCALE);
}

static void
what_is_written_is_read_again(void **state)
{
	struct tlv_writer again;
	struct tlv_record other;

	(void)state;
	make_eventful();
	save(&fx.m, &saved, &record);
	next.said = &said;
	next.binary.fd = -1;
	if (state_load(&next, &record, false, &err) == -1)
		fail_msg("%s", err.text);
	save(&next, &again, &other);
	assert_same(&record.root, &other.root);
	tlv_writer_fini(&again);
	assert_int_equal(next.count[PROC_READY], 2);
	assert_int_equal(next.count[PROC_DRAINING], 1);
	assert_int_equal(next.generation->children, 3);
	assert_ptr_equal(next.conf, &next.generation->conf);
	assert_ptr_equal(next.listeners[0]->slots[1].adopters[0],
	    next.places[0].incumbent);
	assert_int_equal(steer_index_of(&next.listeners[0]->steer, 12), 2);
	assert_true(ev_is_active(&next.places[2].incumbent->deadline_w));
	assert_string_equal(state_folder(&record), "/somewhere");
}

/* A child has let it go to another address, and nobody has mended it yet. */
static void
an_address_is_what_was_said_and_not_what_a_socket_says(void **state)
{
	char text[URL_TEXT_MAX];

	(void)state;
	save(&fx.m, &saved, &record);
	next.said = &said;
	next.binary.fd = -1;
	if (state_load(&next, &record, false, &err) == -1)
		fail_msg("%s", err.text);
	assert_string_equal(
	    addr_print(&next.listeners[0]->addr, text, sizeof(text)),
	    "127.0.0.1:9");
}

static void
a_trial_reads_what_is_no_descriptor(void **state)
{
	(void)state;
	save(&fx.m, &saved, &record);
	assert_int_equal(state_load(&next, &record, true, &err), 0);
	assert_int_equal(next.generation->number, 1);
	assert_int_equal(next.generation->nlisteners, 1);
	assert_int_equal(next.listeners[0]->slots[0].fd, -1);
	assert_int_equal(next.log_fd, -1);
	assert_true(TAILQ_EMPTY(&next.procs));
}

static void
what_another_build_wrote_is_handed_on_as_it_was(void **state)
{
	struct tlv g;

	(void)state;
	fx.generation.text = strdup("never-heard-of: 1\n");
	save(&fx.m, &saved, &record);
	assert_true(tlv_find(&record.root, STATE_GENERATION, &g));
	assert_string_equal(tlv_text(&g, STATE_TEXT), fx.generation.text);
	/* The serving one must be understood. */
	assert_int_equal(state_load(&next, &record, true, &err), -1);
	assert_non_null(strstr(err.text, "never-heard-of"));
	free(fx.generation.text);
	fx.generation.text = NULL;
}

/* ---- what is refused ---- */

/* In the first nest of a tag (0: the root), another value for one entry; and
 * which words the refusal has. */
static const struct damage {
	uint16_t nest, tag;
	enum {
		DROP,
		TWICE,
		SET
	} how;
	int64_t value;
	const char *words;
} damages[] = {
	{ 0, STATE_WHOLE, DROP, 0, "no beginning" },
	{ 0, STATE_MASTER, DROP, 0, "no master" },
	{ 0, STATE_GENERATION, DROP, 0, "no serving generation" },
	{ 0, STATE_LISTENER, DROP, 0, "no listener for a server" },
	{ 0, STATE_PLACE, DROP, 0, "a child without a place" },
	{ 0, STATE_PLACE, TWICE, 0, "a place twice" },
	{ STATE_WHOLE, 1, SET, 9, "no serving generation" },
	{ STATE_MASTER, 3, SET, CONF_PROCESSES_MAX + 1, "field 3 " },
	{ STATE_MASTER, 3, SET, FIXTURE_PLACES + 1, "more places" },
	{ STATE_MASTER, 4, SET, FIXTURE_PLACES + 1, "too few places" },
	{ STATE_MASTER, 6, SET, 1000000, "descriptor" },
	{ STATE_MASTER, 31, SET, ROLL_ROLLING, "without its generations" },
	{ STATE_GENERATION, STATE_TEXT, DROP, 0, "without a configuration" },
	{ STATE_GENERATION, STATE_NUMBER, DROP, 0, "without a number" },
	{ STATE_GENERATION, STATE_INDEX, DROP, 0, "too few listeners" },
	{ STATE_GENERATION, STATE_INDEX, TWICE, 0, "nowhere" },
	{ STATE_LISTENER, STATE_URL, DROP, 0, "without a URL" },
	{ STATE_LISTENER, STATE_SLOT, DROP, 0, "too few sockets" },
	{ STATE_PROC, 1, SET, PROC_NSTATES, "field 1 " },
	{ STATE_PROC, 31, SET, 5, "without a place or a generation" },
	{ STATE_PROC, 32, SET, 9, "without a place" },
	{ STATE_PROC, 35, SET, -1, "speaks nothing" },
	{ STATE_PROC, 30, SET, STDERR_FILENO, "board page" },
	{ STATE_PLACE, 1, SET, CONF_PROCESSES_MAX, "field 1 " },
};

static void
copy_damaged(const struct tlv *nest, const struct damage *d, bool *is_done,
    struct tlv_writer *w)
{
	struct tlv e = { .bytes = NULL };

	while (tlv_next(nest, &e)) {
		bool hit = !*is_done && nest->tag == d->nest && e.tag == d->tag;
		int i, times = 1;

		*is_done |= hit;
		if (hit && d->how == SET) {
			tlv_put_int(w, e.tag, d->value);
			continue;
		}
		if (hit)
			times = d->how == DROP ? 0 : 2;
		for (i = 0; i < times; i++) {
			if ((e.flags & TLV_NEST) == 0) {
				tlv_put(w, e.tag, e.bytes, e.len);
				continue;
			}
			tlv_nest(w, e.tag);
			copy_damaged(&e, d, is_done, w);
			tlv_unnest(w);
		}
	}
}

static void
what_would_lead_astray_is_refused(void **state)
{
	size_t i;

	for (i = 0; i < nitems(damages); i++) {
		struct tlv_writer w;
		struct tlv_record bad;
		bool is_done = false;

		save(&fx.m, &saved, &record);
		tlv_writer_init(&w);
		copy_damaged(&record.root, &damages[i], &is_done, &w);
		assert_true(is_done);
		assert_int_equal(tlv_finish(&w), 0);
		assert_int_equal(tlv_parse(&bad, w.bytes, w.len, &err), 0);
		err.text[0] = '\0';
		if (state_load(&next, &bad, false, &err) == 0)
			fail_msg("case %zu was taken", i);
		if (strstr(err.text, damages[i].words) == NULL)
			fail_msg("case %zu: %s", i, err.text);
		tlv_writer_fini(&w);
		(void)close_both(state);
		(void)open_both(state);
	}
}

static void
no_tag_stands_twice_in_a_table(void **state)
{
	const struct state_fields *all[] = {
		&state_master_fields,
		&state_whole_fields,
		&state_listener_fields,
		&state_slot_fields,
		&state_member_fields,
		&state_proc_fields,
		&state_place_fields,
		&state_result_fields,
		&state_admin_fields,
	};
	size_t i, k, l;

	(void)state;
	for (i = 0; i < nitems(all); i++)
		for (k = 0; k < all[i]->n; k++) {
			assert_true(all[i]->fields[k].tag < STATE_MASTER);
			for (l = 0; l < k; l++)
				assert_int_not_equal(all[i]->fields[k].tag,
				    all[i]->fields[l].tag);
		}
}

#define with_both(f) cmocka_unit_test_setup_teardown(f, open_both, close_both)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_both(what_is_written_is_read_again),
		with_both(
		    an_address_is_what_was_said_and_not_what_a_socket_says),
		with_both(a_trial_reads_what_is_no_descriptor),
		with_both(what_another_build_wrote_is_handed_on_as_it_was),
		with_both(what_would_lead_astray_is_refused),
		cmocka_unit_test(no_tag_stands_twice_in_a_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

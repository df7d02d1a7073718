/* SPDX-License-Identifier: BSD-2-Clause */
/* The control channel's records: what passes, what does not, and how its end
 * looks. */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "shared/ctl.h"

static int
open_pair(void **state)
{
	static int fds[2];

	assert_int_equal(ctl_pair(fds), 0);
	*state = fds;
	return 0;
}

static int
close_pair(void **state)
{
	int *fds = *state;

	closefd(&fds[0]);
	closefd(&fds[1]);
	return 0;
}

static void
a_message_arrives_as_it_was_sent(void **state)
{
	struct ctl_drain drain = { .deadline_ms = 30000, .reason = CTL_SCALE };
	int *fds = *state;
	struct ctl_msg m;

	assert_int_equal(
	    ctl_send(fds[0], CTL_DRAIN, 7, 3, &drain, sizeof(drain), -1), 0);
	assert_int_equal(ctl_recv(fds[1], &m, false), CTL_GOT_MSG);
	assert_int_equal(m.head.type, CTL_DRAIN);
	assert_int_equal(m.head.seq, 7);
	assert_int_equal(m.head.generation, 3);
	assert_int_equal(m.body.drain.deadline_ms, 30000);
	assert_int_equal(m.body.drain.reason, CTL_SCALE);
	assert_int_equal(m.fd, -1);
	assert_int_equal(ctl_recv(fds[1], &m, false), CTL_GOT_NOTHING);
}

static void
a_descriptor_travels_with_its_message(void **state)
{
	struct ctl_slot slot = { .id = 5 };
	int *fds = *state, sent = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct ctl_msg m;

	assert_int_equal(
	    ctl_send(fds[0], CTL_ADOPT, 0, 1, &slot, sizeof(slot), sent), 0);
	assert_int_equal(ctl_recv(fds[1], &m, true), CTL_GOT_MSG);
	assert_int_not_equal(m.fd, -1);
	assert_int_not_equal(m.fd, sent);
	assert_int_equal(fcntl(m.fd, F_GETFD), FD_CLOEXEC);
	closefd(&m.fd);
	closefd(&sent);
}

static void
a_descriptor_never_reaches_the_master(void **state)
{
	int *fds = *state, sent[2];
	struct ctl_msg m;
	char byte;

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sent), 0);
	/* The kernel refuses to carry it, or drops it on arrival. */
	if (ctl_send(fds[1], CTL_READY, 0, 1, NULL, 0, sent[0]) == -1) {
		assert_int_equal(errno, EPERM);
	} else {
		assert_int_equal(ctl_recv(fds[0], &m, false), CTL_GOT_MSG);
		assert_int_equal(m.fd, -1);
	}
	closefd(&sent[0]);
	/* No copy is left anywhere: the other end sees the end. */
	assert_int_equal(recv(sent[1], &byte, 1, 0), 0);
	closefd(&sent[1]);
}

static void
a_closed_peer_is_end_of_file(void **state)
{
	int *fds = *state;
	struct ctl_msg m;

	closefd(&fds[0]);
	assert_int_equal(ctl_recv(fds[1], &m, false), CTL_GOT_EOF);
	assert_int_equal(ctl_send(fds[1], CTL_STOP, 0, 1, NULL, 0, -1), -1);
	assert_int_equal(errno, EPIPE);
}

static void
an_empty_record_is_no_death(void **state)
{
	int *fds = *state;
	struct ctl_msg m;

	assert_int_equal(send(fds[0], "", 0, 0), 0);
	assert_int_equal(ctl_recv(fds[1], &m, false), CTL_GOT_BAD);
	assert_int_equal(send(fds[0], "", 0, 0), 0);
	assert_int_equal(ctl_send(fds[0], CTL_READY, 0, 1, NULL, 0, -1), 0);
	assert_int_equal(ctl_recv(fds[1], &m, false), CTL_GOT_BAD);
	assert_int_equal(ctl_recv(fds[1], &m, false), CTL_GOT_MSG);
}

static void
a_peer_that_does_not_read_is_reported(void **state)
{
	int *fds = *state, rc;

	do
		rc = ctl_send(fds[0], CTL_READY, 0, 1, NULL, 0, -1);
	while (rc == 0);
	assert_int_equal(errno, EAGAIN);
}

static void
every_text_ends_with_a_null_byte(void **state)
{
	char text[CTL_TEXT_MAX];
	int *fds = *state;
	struct ctl_msg m;

	(void)memset(text, 'x', sizeof(text));
	assert_int_equal(
	    ctl_send(fds[0], CTL_FATAL, 0, 1, text, sizeof(text), -1), 0);
	assert_int_equal(ctl_recv(fds[1], &m, false), CTL_GOT_MSG);
	assert_int_equal(strlen(m.body.text), CTL_TEXT_MAX);
}

/* A record of this type and payload length, as ctl_is_valid() sees it. */
static bool
is_valid(unsigned version, unsigned type, uint32_t length, size_t got)
{
	struct ctl_msg m = {
		.head = {
			.version = (uint16_t)version,
			.type = (uint16_t)type,
			.length = length,
		},
	};

	return ctl_is_valid(ctl_own_dialect(), &m, got);
}

static void
only_the_exact_length_of_a_type_is_valid(void **state)
{
	const size_t head = sizeof(struct ctl_header);
	const uint32_t slot = sizeof(struct ctl_slot);

	(void)state;
	assert_true(is_valid(CTL_VERSION, CTL_READY, 0, head));
	assert_false(is_valid(CTL_VERSION, CTL_READY, 1, head + 1));
	assert_true(is_valid(CTL_VERSION, CTL_ADOPT, slot, head + slot));
	assert_false(
	    is_valid(CTL_VERSION, CTL_ADOPT, slot - 1, head + slot - 1));
	assert_false(is_valid(CTL_VERSION, CTL_ADOPT, slot, head + slot - 1));
	assert_true(is_valid(CTL_VERSION, CTL_FATAL, CTL_TEXT_MAX,
	    head + CTL_TEXT_MAX));
	assert_false(is_valid(CTL_VERSION, CTL_FATAL, CTL_TEXT_MAX + 1,
	    head + CTL_TEXT_MAX + 1));
}

static void
unknown_types_and_versions_are_refused(void **state)
{
	const size_t head = sizeof(struct ctl_header);

	(void)state;
	assert_false(is_valid(CTL_VERSION + 1, CTL_READY, 0, head));
	assert_false(is_valid(CTL_VERSION, CTL_NONE, 0, head));
	assert_false(is_valid(CTL_VERSION, CTL_NTYPES, 0, head));
	assert_false(is_valid(CTL_VERSION, UINT16_MAX, 0, head));
	assert_false(is_valid(CTL_VERSION, CTL_READY, 0, head - 1));
}

static void
every_type_and_reason_has_a_name(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < CTL_NTYPES; i++)
		assert_non_null(ctl_type_names[i]);
	for (i = 0; i < CTL_NREASONS; i++)
		assert_non_null(ctl_reason_names[i]);
}

/* ---- peers of another build ---- */

/* An older build: it has no ASK, and knows less of ADOPT and DRAIN. */
static struct ctl_dialect
older(void)
{
	struct ctl_dialect d = *ctl_own_dialect();

	d.version = 40;
	d.ntypes = CTL_ASK;
	d.sizes[CTL_ADOPT] = 2 * sizeof(uint32_t);
	d.sizes[CTL_DRAIN] = 0;
	d.sizes[CTL_FATAL] = 5;
	return d;
}

/* A newer one: one type more, and more fields. */
static struct ctl_dialect
newer(void)
{
	struct ctl_dialect d = *ctl_own_dialect();

	d.version = 41;
	d.sizes[d.ntypes++] = 12;
	d.sizes[CTL_READY] = sizeof(uint32_t);
	d.sizes[CTL_DRAIN] = (uint16_t)(d.sizes[CTL_DRAIN] + 8);
	d.sizes[CTL_FATAL] = CTL_TEXT_MAX + 10;
	return d;
}

static struct ctl_header
head_of(enum ctl_type type, size_t len)
{
	return (struct ctl_header){
		.type = (uint16_t)type,
		.seq = 7,
		.generation = 3,
		.length = (uint32_t)len,
	};
}

/* What the peer sees: a record of its build. */
static void
expect_record(int sock, unsigned version, const void *payload, size_t len)
{
	struct ctl_msg m;

	assert_int_equal(recv(sock, &m, sizeof(m), 0), sizeof(m.head) + len);
	assert_int_equal(m.head.version, version);
	assert_int_equal(m.head.length, len);
	assert_int_equal(m.head.seq, 7);
	assert_int_equal(m.head.generation, 3);
	assert_memory_equal(&m.body, payload, len);
}

static void
an_older_peer_gets_what_it_knows(void **state)
{
	const struct ctl_slot slot = { .id = 5, .server = 6, .listen = 7 };
	const struct ctl_drain drain = { .deadline_ms = 1 };
	const struct ctl_dialect d = older();
	int *fds = *state;

	assert_int_equal(ctl_send_in(fds[0], &d,
			     head_of(CTL_ADOPT, sizeof(slot)), &slot, -1),
	    0);
	expect_record(fds[1], 40, &slot, 8);
	assert_int_equal(ctl_send_in(fds[0], &d,
			     head_of(CTL_DRAIN, sizeof(drain)), &drain, -1),
	    0);
	expect_record(fds[1], 40, "", 0);
	assert_int_equal(
	    ctl_send_in(fds[0], &d, head_of(CTL_FATAL, 9), "123456789", -1), 0);
	expect_record(fds[1], 40, "12345", 5);
}

static void
a_newer_peer_gets_zeros_for_what_we_do_not_know(void **state)
{
	const struct ctl_drain drain = { .deadline_ms = 1, .reason = 2 };
	const struct {
		struct ctl_drain known;
		uint32_t more[2];
	} expected = { .known = drain };
	const struct ctl_dialect d = newer();
	int *fds = *state;

	assert_int_equal(ctl_send_in(fds[0], &d,
			     head_of(CTL_DRAIN, sizeof(drain)), &drain, -1),
	    0);
	expect_record(fds[1], 41, &expected, sizeof(expected));
	assert_int_equal(
	    ctl_send_in(fds[0], &d, head_of(CTL_READY, 0), NULL, -1), 0);
	expect_record(fds[1], 41, "\0\0\0", 4);
	assert_int_equal(
	    ctl_send_in(fds[0], &d, head_of(CTL_FATAL, 2), "no", -1), 0);
	expect_record(fds[1], 41, "no", 2);
}

static void
what_the_peer_has_no_word_for_is_not_sent(void **state)
{
	const struct ctl_dialect d = older();
	int *fds = *state;
	struct ctl_msg m;

	assert_int_equal(ctl_send_in(fds[0], &d, head_of(CTL_ASK, 0), NULL, -1),
	    -1);
	assert_int_equal(errno, EOPNOTSUPP);
	assert_int_equal(ctl_recv_in(fds[1], &d, &m, false), CTL_GOT_NOTHING);
}

/* A record from a peer of another build. */
static void
say(int sock, unsigned version, unsigned type, const void *payload, size_t len)
{
	struct ctl_msg m = {
		.head = {
			.version = (uint16_t)version,
			.type = (uint16_t)type,
			.length = (uint32_t)len,
		},
	};

	(void)memcpy(&m.body, payload, len);
	assert_int_equal(send(sock, &m, sizeof(m.head) + len, 0),
	    sizeof(m.head) + len);
}

static void
an_older_peers_payload_is_filled_up(void **state)
{
	const uint32_t words[] = { 5, 6 };
	const struct ctl_dialect d = older();
	int *fds = *state;
	struct ctl_msg m;

	(void)memset(&m, 0x55, sizeof(m));
	say(fds[0], 40, CTL_ADOPT, words, sizeof(words));
	assert_int_equal(ctl_recv_in(fds[1], &d, &m, false), CTL_GOT_MSG);
	assert_int_equal(m.head.length, sizeof(struct ctl_slot));
	assert_int_equal(m.body.slot.id, 5);
	assert_int_equal(m.body.slot.server, 6);
	assert_int_equal(m.body.slot.listen, 0);
	assert_int_equal(m.body.slot.flags, 0);
}

static void
a_newer_peers_payload_is_cut(void **state)
{
	char text[CTL_TEXT_MAX + 10];
	const struct ctl_dialect d = newer();
	int *fds = *state;
	struct ctl_msg m;

	(void)memset(text, 'x', sizeof(text));
	say(fds[0], 41, CTL_READY, "1234", 4);
	assert_int_equal(ctl_recv_in(fds[1], &d, &m, false), CTL_GOT_MSG);
	assert_int_equal(m.head.type, CTL_READY);
	assert_int_equal(m.head.length, 0);
	say(fds[0], 41, CTL_FATAL, text, sizeof(text));
	assert_int_equal(ctl_recv_in(fds[1], &d, &m, false), CTL_GOT_MSG);
	assert_int_equal(m.head.length, CTL_TEXT_MAX);
	assert_int_equal(strlen(m.body.text), CTL_TEXT_MAX);
}

static void
a_type_that_only_the_peer_knows_is_ignored(void **state)
{
	const struct ctl_dialect d = newer();
	int *fds = *state;
	struct ctl_msg m;

	say(fds[0], 41, CTL_NTYPES, "123456789012", 12);
	say(fds[0], 41, CTL_WELL, "", 0);
	assert_int_equal(ctl_recv_in(fds[1], &d, &m, true), CTL_GOT_UNKNOWN);
	assert_int_equal(ctl_recv_in(fds[1], &d, &m, true), CTL_GOT_MSG);
	assert_int_equal(m.head.type, CTL_WELL);
}

static void
a_peer_is_held_to_its_own_dialect(void **state)
{
	static const struct {
		unsigned version, type;
		size_t len;
	} bad[] = {
		{ CTL_VERSION, CTL_WELL, 0 }, /* ours, not its own */
		{ 40, CTL_ADOPT, sizeof(struct ctl_slot) },
		{ 40, CTL_FATAL, 6 },
		{ 40, CTL_ASK, 0 },
		{ 40, CTL_NTYPES, 0 },
		{ 40, CTL_NONE, 0 },
	};
	char zeros[64] = "";
	const struct ctl_dialect d = older(), more = newer();
	int *fds = *state;
	struct ctl_msg m;
	size_t i;

	for (i = 0; i < nitems(bad); i++) {
		say(fds[0], bad[i].version, bad[i].type, zeros, bad[i].len);
		assert_int_equal(ctl_recv_in(fds[1], &d, &m, false),
		    CTL_GOT_BAD);
	}
	say(fds[0], 41, CTL_NTYPES, zeros, 13);
	assert_int_equal(ctl_recv_in(fds[1], &more, &m, false), CTL_GOT_BAD);
	say(fds[0], 41, CTL_NTYPES + 1, zeros, 0);
	assert_int_equal(ctl_recv_in(fds[1], &more, &m, false), CTL_GOT_BAD);
}

static void
a_dialect_from_elsewhere_is_checked(void **state)
{
	struct ctl_dialect d = *ctl_own_dialect();

	(void)state;
	assert_true(ctl_dialect_is_valid(&d));
	d.ntypes = CTL_DIALECT_TYPES;
	d.sizes[CTL_DIALECT_TYPES - 1] = CTL_PAYLOAD_MAX;
	assert_true(ctl_dialect_is_valid(&d));
	d.ntypes++;
	assert_false(ctl_dialect_is_valid(&d));
	d.ntypes = 1;
	assert_false(ctl_dialect_is_valid(&d));
	d = *ctl_own_dialect();
	d.sizes[CTL_READY] = CTL_PAYLOAD_MAX + 1;
	assert_false(ctl_dialect_is_valid(&d));
}

#define with_pair(f) cmocka_unit_test_setup_teardown(f, open_pair, close_pair)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_pair(a_message_arrives_as_it_was_sent),
		with_pair(a_descriptor_travels_with_its_message),
		with_pair(a_descriptor_never_reaches_the_master),
		with_pair(a_closed_peer_is_end_of_file),
		with_pair(an_empty_record_is_no_death),
		with_pair(a_peer_that_does_not_read_is_reported),
		with_pair(every_text_ends_with_a_null_byte),
		cmocka_unit_test(only_the_exact_length_of_a_type_is_valid),
		cmocka_unit_test(unknown_types_and_versions_are_refused),
		cmocka_unit_test(every_type_and_reason_has_a_name),
		with_pair(an_older_peer_gets_what_it_knows),
		with_pair(a_newer_peer_gets_zeros_for_what_we_do_not_know),
		with_pair(what_the_peer_has_no_word_for_is_not_sent),
		with_pair(an_older_peers_payload_is_filled_up),
		with_pair(a_newer_peers_payload_is_cut),
		with_pair(a_type_that_only_the_peer_knows_is_ignored),
		with_pair(a_peer_is_held_to_its_own_dialect),
		cmocka_unit_test(a_dialect_from_elsewhere_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages through a real connection: in order, in place, within the budget,
 * and what becomes of those that are left when something ends. */
#include "rig.h"

#define FRAMES_MAX 4096
#define MEBIBYTE (1 << 20)

static const struct tine_codec line_codec = TINE_CODEC_LINE(0);
static const struct tine_codec length_codec = TINE_CODEC_LENGTH(4);

static struct {
	unsigned count;
	size_t sum; /* bytes of them all */
	size_t lens[FRAMES_MAX];
	struct tine_conn *conns[FRAMES_MAX];
	const void *last;
	unsigned act_on; /* the number of the message to act on */
	enum tine_action action;
	bool closes;   /* by tine_close() */
	bool pauses;   /* by tine_pause() */
	bool replies;  /* with the message */
	size_t answer; /* or with so many bytes */
	size_t rest;   /* what eof saw */
	struct tine_handler handler;
} seen;

static char mebibyte[MEBIBYTE + 2];

static enum tine_action
on_frame(struct tine_conn *c, const void *bytes, size_t len)
{
	assert_true(seen.count < FRAMES_MAX);
	assert_true(rig.ngot + len <= sizeof(rig.got));
	(void)memcpy(rig.got + rig.ngot, bytes, len);
	rig.ngot += len;
	seen.lens[seen.count] = len;
	seen.conns[seen.count++] = c;
	seen.sum += len;
	seen.last = bytes;
	if (seen.replies)
		assert_int_equal(tine_reply(c, bytes, len), 0);
	if (seen.answer > 0)
		assert_int_equal(tine_write(c, mebibyte, seen.answer), 0);
	if (seen.count != seen.act_on)
		return TINE_OK;
	if (seen.closes)
		tine_close(c);
	if (seen.pauses)
		tine_pause(c);
	return seen.action;
}

static enum tine_action
on_eof(struct tine_conn *c)
{
	(void)rig_eof(c);
	(void)tine_peek(c, &seen.rest);
	return TINE_CLOSE;
}

/* A child whose handler has this codec; more can be set in seen.handler. */
static struct conf_server *
set_up(const struct tine_codec *codec)
{
	struct conf_server *server = rig_conf();

	(void)memset(&seen, 0, sizeof(seen));
	seen.handler = rig_handler;
	seen.handler.data = NULL;
	seen.handler.codec = codec;
	seen.handler.frame = on_frame;
	return server;
}

static int
lines(void **state)
{
	(void)state;
	(void)set_up(&line_codec);
	rig_start(&seen.handler);
	return 0;
}

static int
lines_with_eof(void **state)
{
	(void)state;
	(void)set_up(&line_codec);
	seen.handler.eof = on_eof;
	rig_start(&seen.handler);
	return 0;
}

static int
lines_four_an_event(void **state)
{
	(void)state;
	set_up(&line_codec)->budget.messages = 4;
	rig_start(&seen.handler);
	return 0;
}

static int
lengths(void **state)
{
	(void)state;
	set_up(&length_codec)->limits.input = 2 * MEBIBYTE;
	rig_start(&seen.handler);
	return 0;
}

/* Send all of it while the loop turns. */
static void
pour(int peer, const char *bytes, size_t len, size_t piece)
{
	size_t n, at = 0;
	ssize_t sent;

	while (at < len) {
		n = MIN_OF(piece, len - at);
		sent = send(peer, bytes + at, n, MSG_NOSIGNAL);
		at += sent > 0 ? (size_t)sent : 0;
		ev_run(rig.ch.loop, EVRUN_NOWAIT);
	}
}

static void
each_message_comes_by_itself_and_in_place(void **state)
{
	int peer = rig_connect();

	(void)state;
	rig_say(peer, "one\ntwo\r\n\nfour\n");
	rig_until(seen.count == 4);
	assert_memory_equal(rig.got, "onetwofour", 10);
	assert_int_equal(seen.lens[2], 0);
	/* Not copied: the last one is where recv() has put it. */
	assert_ptr_equal(seen.last, rig.ch.scratch->bytes + 10);
	assert_int_equal(input_bytes(rig.conn), 0);
	assert_int_equal(rig.ch.pool.kept, 0);
	closefd(&peer);
}

static void
a_message_cut_in_pieces_is_put_together(void **state)
{
	int peer = rig_connect();
	const char *p;

	(void)state;
	for (p = "one\r\ntwo\n"; *p != '\0'; p++)
		pour(peer, p, 1, 1);
	rig_until(seen.count == 2);
	assert_memory_equal(rig.got, "onetwo", 6);
	assert_int_equal(input_bytes(rig.conn), 0);
	closefd(&peer);
}

static enum tine_action
take_two_more(struct tine_conn *c, const void *bytes, size_t len)
{
	size_t more;
	const char *in = tine_peek(c, &more);

	(void)on_frame(c, bytes, len);
	if (more >= 2 && in[0] == '+')
		tine_consume(c, 2);
	/* Consuming what follows does not touch the message. */
	assert_memory_equal(bytes, rig.got + rig.ngot - len, len);
	return TINE_OK;
}

static int
lines_with_appendix(void **state)
{
	(void)state;
	(void)set_up(&line_codec);
	seen.handler.frame = take_two_more;
	rig_start(&seen.handler);
	return 0;
}

static void
what_follows_a_message_can_be_peeked_at_and_consumed(void **state)
{
	int peer = rig_connect();

	(void)state;
	rig_say(peer, "one\n+xtwo\nthr");
	rig_until(seen.count == 2);
	rig_say(peer, "ee\n+xfour\n");
	rig_until(seen.count == 4);
	assert_memory_equal(rig.got, "onetwothreefour", 15);
	closefd(&peer);
}

/* ---- the budget ---- */

static void
many_messages_are_shown_in_several_turns(void **state)
{
	int peer = rig_connect();

	(void)state;
	rig_say(peer, "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
	rig_until(seen.count > 0);
	assert_int_equal(seen.count, 4);
	ev_run(rig.ch.loop, EVRUN_NOWAIT);
	assert_int_equal(seen.count, 8);
	assert_true(ev_is_active(&rig.ch.awake));
	rig_until(seen.count == 9);
	assert_memory_equal(rig.got, "123456789", 9);
	rig_turn();
	assert_false(ev_is_active(&rig.ch.awake));
	closefd(&peer);
}

static void
who_sends_many_messages_does_not_delay_the_others(void **state)
{
	int flooder = rig_connect(), polite;
	struct tine_conn *c;
	unsigned i;

	(void)state;
	polite = rig_connect();
	c = rig.conn;
	for (i = 0; i < 25; i++)
		rig_say(flooder, "x\nx\nx\nx\n");
	rig_say(polite, "please\n");
	rig_until(seen.count == 101);
	for (i = 0; seen.conns[i] != c; i++)
		;
	/* In the first turn, or after one turn of the other. */
	assert_true(i <= 8);
	closefd(&flooder);
	closefd(&polite);
}

static void
a_connection_that_waits_for_its_turn_may_be_closed(void **state)
{
	int peer = rig_connect(), other = rig_connect();

	(void)state;
	rig_say(peer, "1\n2\n3\n4\n5\n");
	rig_say(other, "1\n2\n3\n4\n5\n");
	rig_until(seen.count == 8);
	assert_false(STAILQ_EMPTY(&rig.ch.later));
	conn_abort(rig.conn, TINE_LOCAL, 0);
	rig_until(seen.count == 9);
	rig_turn();
	assert_int_equal(seen.count, 9);
	closefd(&peer);
	closefd(&other);
}

static void
messages_sent_before_the_end_of_file_come_before_it(void **state)
{
	int peer = rig_connect();

	(void)state;
	rig_say(peer, "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
	closefd(&peer);
	rig_until(rig.closes == 1);
	assert_int_equal(seen.count, 9);
	assert_int_equal(rig.cause, TINE_PEER_EOF);
}

static void
no_goodbye_is_said_while_messages_are_left(void **state)
{
	int peer = rig_connect();

	(void)state;
	rig.server->handler.quiesce = rig_quiesce;
	rig.quiesce_yes = true;
	rig.ch.drain.is_quiescing = true;
	rig_say(peer, "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
	rig_until(rig.quiesces > 0);
	assert_int_equal(seen.count, 9);
	closefd(&peer);
}

/* ---- what ends them ---- */

static void
expect_end(int peer, enum tine_action action, bool closes)
{
	seen.act_on = 2;
	seen.action = action;
	seen.closes = closes;
	rig_say(peer, "one\ntwo\nthree\nfour\n");
	rig_until(seen.count > 0);
	rig_turn();
	assert_int_equal(seen.count, 2);
	closefd(&peer);
	rig_until(rig.closes == 1);
	assert_int_equal(rig.cause, TINE_LOCAL);
}

static void
after_close_no_more_messages_come(void **state)
{
	(void)state;
	expect_end(rig_connect(), TINE_CLOSE, false);
}

static void
after_abort_no_more_messages_come(void **state)
{
	(void)state;
	expect_end(rig_connect(), TINE_ABORT, false);
}

static void
after_tine_close_no_more_messages_come(void **state)
{
	(void)state;
	expect_end(rig_connect(), TINE_OK, true);
}

static int
lines_of_five(void **state)
{
	static const struct tine_codec five = TINE_CODEC_LINE(5);

	(void)state;
	(void)set_up(&five);
	seen.replies = true;
	rig_start(&seen.handler);
	return 0;
}

static void
what_is_too_long_ends_it_after_the_answers_before(void **state)
{
	int peer = rig_connect();
	char text[32];

	(void)state;
	rig_say(peer, "1234\n12345\n123456\nmore\n");
	rig_until(rig_hear(peer, text, sizeof(text)) == 11);
	assert_string_equal(text, "1234\n12345\n");
	assert_int_equal(seen.count, 2);
	assert_int_equal(rig_hear(peer, text, sizeof(text)), 0);
	closefd(&peer);
	rig_until(rig.closes == 1);
	assert_int_equal(rig.cause, TINE_FRAMING);
	assert_int_equal(rig_closed(TINE_FRAMING), 1);
}

static void
a_clean_end_of_file_is_no_mistake(void **state)
{
	int peer = rig_connect();

	(void)state;
	rig_say(peer, "one\n");
	closefd(&peer);
	rig_until(rig.closes == 1);
	assert_int_equal(rig.cause, TINE_PEER_EOF);
}

static void
an_end_of_file_within_a_message_is_one(void **state)
{
	int peer = rig_connect();

	(void)state;
	rig_say(peer, "one\ntw");
	closefd(&peer);
	rig_until(rig.closes == 1);
	assert_int_equal(seen.count, 1);
	assert_int_equal(rig.cause, TINE_FRAMING);
}

static void
the_eof_callback_sees_what_was_cut_off(void **state)
{
	int peer = rig_connect();

	(void)state;
	rig_say(peer, "one\ntw");
	closefd(&peer);
	rig_until(rig.closes == 1);
	assert_int_equal(seen.count, 1);
	assert_int_equal(rig.eofs, 1);
	assert_int_equal(seen.rest, 2);
	assert_int_equal(rig.cause, TINE_LOCAL);
}

static int
lines_in_little_input(void **state)
{
	(void)state;
	set_up(&line_codec)->limits.input = 8;
	rig_start(&seen.handler);
	return 0;
}

static void
a_message_that_no_input_can_hold_is_a_mistake_of_the_peer(void **state)
{
	int peer = rig_connect();

	(void)state;
	rig_say(peer, "1234567\n12345678");
	closefd(&peer);
	rig_until(rig.closes == 1);
	assert_int_equal(seen.count, 1);
	assert_int_equal(rig.cause, TINE_FRAMING);
}

/* ---- output that is full ---- */

static int
lines_with_little_output(void **state)
{
	struct conf_limits *limits = &set_up(&line_codec)->limits;

	(void)state;
	limits->output = 64 << 10;
	limits->output_high = 32 << 10;
	limits->output_low = 16 << 10;
	rig_start(&seen.handler);
	return 0;
}

static void
messages_wait_while_their_connection_is_paused(void **state)
{
	int peer = rig_connect();

	(void)state;
	seen.act_on = 2;
	seen.pauses = true;
	rig_say(peer, "1\n2\n3\n4\n");
	rig_until(seen.count == 2);
	rig_turn();
	assert_int_equal(seen.count, 2);
	tine_resume(rig.conn);
	rig_turn();
	assert_int_equal(seen.count, 4);
	closefd(&peer);
}

static void
messages_wait_while_the_peer_takes_no_answers(void **state)
{
	int peer = rig_connect(), small = 4096;
	size_t got = 0;
	ssize_t n;
	unsigned i, first;

	(void)state;
	seen.answer = 16 << 10;
	assert_int_equal(setsockopt(rig.conn->io.fd, SOL_SOCKET, SO_SNDBUF,
			     &small, sizeof(small)),
	    0);
	for (i = 0; i < 100; i++)
		rig_say(peer, "more\n");
	rig_until(rig.conn->is_stalled);
	rig_turn();
	first = seen.count;
	assert_true(first < 20);
	assert_true(tine_unsent(rig.conn) < (64 << 10) + seen.answer);
	assert_true(input_bytes(rig.conn) > 0);
	while (got < 100 * seen.answer) {
		n = recv(peer, mebibyte, sizeof(mebibyte), 0);
		got += n > 0 ? (size_t)n : 0;
		ev_run(rig.ch.loop, EVRUN_NOWAIT);
	}
	assert_int_equal(seen.count, 100);
	closefd(&peer);
}

static void
messages_wait_while_the_connection_is_paused(void **state)
{
	int peer = rig_connect();

	(void)state;
	seen.act_on = 2;
	seen.pauses = true;
	rig_say(peer, "one\ntwo\nthree\nfour\n");
	rig_until(seen.count > 0);
	rig_turn();
	assert_int_equal(seen.count, 2);
	tine_resume(rig.conn);
	rig_turn();
	assert_int_equal(seen.count, 4);
	assert_memory_equal(rig.got, "onetwothreefour", 15);
	closefd(&peer);
}

/* ---- what it costs ---- */

static struct {
	unsigned calls;
	size_t searched;
} work;

static int
count_work(const struct tine_codec *codec, struct tine_conn *c, const void *in,
    size_t len, struct tine_frame *f)
{
	work.calls++;
	work.searched += len - f->seen;
	return codec->width != 0 ? tine_length_decode(codec, c, in, len, f)
				 : tine_line_decode(codec, c, in, len, f);
}

static const struct tine_codec counted_lines = TINE_CODEC(.decode = count_work);
static const struct tine_codec counted_lengths =
    TINE_CODEC(.decode = count_work, .width = 4);

static int
counting(const struct tine_codec *codec)
{
	set_up(codec)->limits.input = MEBIBYTE + 16;
	work.calls = 0;
	work.searched = 0;
	rig_start(&seen.handler);
	return 0;
}

static int
counting_lines(void **state)
{
	(void)state;
	return counting(&counted_lines);
}

static int
counting_lengths(void **state)
{
	(void)state;
	return counting(&counted_lengths);
}

static void
a_long_line_that_drips_in_is_searched_once(void **state)
{
	int peer = rig_connect();

	(void)state;
	(void)memset(mebibyte, 'x', MEBIBYTE);
	mebibyte[MEBIBYTE] = '\n';
	pour(peer, mebibyte, MEBIBYTE + 1, 1);
	rig_until(seen.count == 1);
	assert_int_equal(seen.lens[0], MEBIBYTE);
	/* Each byte, and the last again each time. */
	assert_true(work.searched <= 2 * MEBIBYTE + 2);
	closefd(&peer);
}

static void
a_long_message_of_known_length_is_asked_for_when_it_is_there(void **state)
{
	int peer = rig_connect();

	(void)state;
	(void)memset(mebibyte, 0, sizeof(mebibyte));
	mebibyte[1] = 0x0f; /* 0x0f0000 bytes */
	pour(peer, mebibyte, 4 + 0x0f0000, 1024);
	rig_until(seen.count == 1);
	assert_int_equal(seen.lens[0], 0x0f0000);
	assert_true(work.calls <= 3);
	closefd(&peer);
}

static void
pieces_of_any_size_make_the_same_messages(void **state)
{
	static char wire[256 << 10], whole[256 << 10];
	size_t at = 0, n, sum = 0;
	unsigned count = 0, round;
	int peer;

	(void)state;
	srandom(5);
	while (at < sizeof(wire) - 8192) {
		n = (size_t)random() % (random() % 8 == 0 ? 8000 : 100);
		wire[at++] = 0;
		wire[at++] = 0;
		wire[at++] = (char)(n >> 8);
		wire[at++] = (char)n;
		(void)memset(wire + at, 'a' + (int)(count++ % 26), n);
		(void)memset(whole + sum, wire[at], n);
		at += n;
		sum += n;
	}
	assert_true(count < FRAMES_MAX / 4);
	for (round = 0; round < 4; round++) {
		seen.count = 0;
		rig.ngot = 0;
		peer = rig_connect();
		for (n = 0; n < at;) {
			size_t piece =
			    1 + (size_t)random() % (10U << 3 * round);

			piece = MIN_OF(piece, at - n);
			pour(peer, wire + n, piece, piece);
			n += piece;
		}
		rig_until(seen.count == count);
		assert_int_equal(rig.ngot, sum);
		assert_memory_equal(rig.got, whole, sum);
		closefd(&peer);
	}
}

/* ---- a codec of one's own ---- */

static struct {
	int rc;
	struct tine_frame frame;
	const char *answer;
} own;

static int
own_decode(const struct tine_codec *codec, struct tine_conn *c, const void *in,
    size_t len, struct tine_frame *f)
{
	(void)codec;
	(void)in;
	(void)len;
	*f = own.frame;
	if (own.answer != NULL)
		assert_int_equal(tine_write(c, own.answer, strlen(own.answer)),
		    0);
	return own.rc;
}

static int
own_encode(const struct tine_codec *codec, struct tine_conn *c,
    const void *message, size_t len)
{
	(void)codec;
	assert_int_equal(tine_write(c, "<", 1), 0);
	assert_int_equal(tine_write(c, message, len), 0);
	return tine_write(c, ">", 1);
}

static const struct tine_codec own_codec =
    TINE_CODEC(.decode = own_decode, .encode = own_encode, .limit = 3);

static int
with_own(void **state)
{
	(void)state;
	(void)set_up(&own_codec);
	seen.replies = true;
	(void)memset(&own, 0, sizeof(own));
	rig_start(&seen.handler);
	return 0;
}

static void
a_codec_of_ones_own_cuts_and_wraps_messages(void **state)
{
	int peer = rig_connect();
	char text[32];

	(void)state;
	own.rc = 1;
	own.frame = (struct tine_frame){ 2, "own", 3, 0, 0 };
	rig_say(peer, "1234");
	rig_until(seen.count == 2);
	assert_int_equal(rig_hear(peer, text, sizeof(text)), 10);
	assert_string_equal(text, "<own><own>");
	closefd(&peer);
}

static void
a_decoder_may_say_what_it_does_not_like(void **state)
{
	int peer = rig_connect();
	char text[32];

	(void)state;
	own.rc = -1;
	own.answer = "400\n";
	rig_say(peer, "1234");
	rig_until(rig_hear(peer, text, sizeof(text)) == 4);
	assert_string_equal(text, "400\n");
	closefd(&peer);
	rig_until(rig.closes == 1);
	assert_int_equal(rig.cause, TINE_FRAMING);
}

static void
expect_cause(int rc, struct tine_frame frame, enum tine_cause cause)
{
	int peer = rig_connect();

	own.rc = rc;
	own.frame = frame;
	rig.closes = 0;
	rig_say(peer, "1234");
	rig_until(rig.ch.nconns == 0 || rig.conn->state == CONN_LINGERING);
	closefd(&peer);
	rig_until(rig.closes == 1);
	assert_int_equal(rig.cause, cause);
	assert_int_equal(seen.count, 0);
}

static void
a_message_over_the_limit_never_reaches_the_handler(void **state)
{
	(void)state;
	expect_cause(1, (struct tine_frame){ .consumed = 1, .len = 4 },
	    TINE_FRAMING);
}

static void
who_needs_more_than_can_be_there_is_malformed(void **state)
{
	(void)state;
	expect_cause(0,
	    (struct tine_frame){ .need = rig.server->limits.input + 1 },
	    TINE_FRAMING);
}

static void
a_codec_that_breaks_its_contract_is_blamed(void **state)
{
	(void)state;
	expect_cause(1, (struct tine_frame){ .consumed = 0 }, TINE_ERROR);
	assert_true(rig.server->has_misused);
	rig.server->has_misused = false;
	expect_cause(1, (struct tine_frame){ .consumed = 5 }, TINE_ERROR);
	assert_true(rig.server->has_misused);
	rig.server->has_misused = false;
	expect_cause(7, (struct tine_frame){ .consumed = 1 }, TINE_ERROR);
	assert_true(rig.server->has_misused);
}

static void
without_a_codec_a_reply_is_a_write(void **state)
{
	int peer = rig_connect();
	char text[8];

	(void)state;
	assert_int_equal(tine_reply(rig.conn, "hello", 5), 0);
	rig_turn();
	assert_int_equal(rig_hear(peer, text, sizeof(text)), 5);
	closefd(&peer);
}

static void
a_wake_calls_data_and_no_message(void **state)
{
	int peer = rig_connect();

	(void)state;
	rig.server->handler.data = rig_data;
	rig.leaves_input = true;
	conn_wake(rig.conn);
	assert_int_equal(rig.datas, 1);
	rig_say(peer, "one\n");
	rig_until(seen.count == 1);
	assert_int_equal(rig.datas, 1);
	closefd(&peer);
}

/* ---- is it one? ---- */

#define BAD(text, ...)                                                         \
	{                                                                      \
		TINE_CODEC(__VA_ARGS__), "handler rig: codec: " text           \
	}
#define BAD_LENGTH(text, ...)                                                  \
	{                                                                      \
		TINE_CODEC_LENGTH(__VA_ARGS__), "handler rig: codec: " text    \
	}

static void
a_codec_that_cannot_work_is_refused_with_the_reason(void **state)
{
	static const struct {
		struct tine_codec codec;
		const char *text;
	} cases[] = {
		BAD("it has no decode", .limit = 1),
		BAD("its delimiter is empty", .decode = tine_delimiter_decode),
		BAD("its delimiter is empty", .decode = tine_delimiter_decode,
		    .delimiter = ""),
		BAD("its delimiter has more than 255 bytes",
		    .decode = tine_line_decode, .delimiter = mebibyte,
		    .delimiter_bytes = 256),
		BAD("its messages have no bytes", .decode = tine_fixed_decode),
		BAD_LENGTH("the width of its length field is not 1, 2, 3, 4 "
			   "or 8",
		    0),
		BAD_LENGTH("the width of its length field is not 1, 2, 3, 4 "
			   "or 8",
		    5),
		BAD_LENGTH("the offset of its length field is above 255", 4,
		    .offset = 256),
		BAD_LENGTH("the bytes that it strips are not 0 to 255", 4,
		    .strip = 256),
		BAD_LENGTH("the bytes that it strips are not 0 to 255", 4,
		    .strip = -2),
		BAD_LENGTH("the adjustment of its length is above 1 GiB", 4,
		    .adjustment = (1 << 30) + 1),
		{ { .size = 8, .decode = tine_raw_decode },
		    "handler rig: codec: it was made with another <tine.h>" },
	};
	struct tine_handler h = rig_handler;
	struct err err;
	size_t i;

	(void)state;
	h.frame = on_frame;
	for (i = 0; i < nitems(cases); i++) {
		h.codec = &cases[i].codec;
		assert_int_equal(codec_check(&h, &err), -1);
		assert_string_equal(err.text, cases[i].text);
	}
	h.codec = NULL;
	assert_int_equal(codec_check(&h, &err), -1);
	assert_string_equal(err.text, "handler rig: it has frame and no codec");
	h.frame = NULL;
	assert_int_equal(codec_check(&h, &err), 0);
	h.codec = &line_codec;
	assert_int_equal(codec_check(&h, &err), -1);
	assert_string_equal(err.text,
	    "handler rig: it has a codec and no frame");
}

static void
parameters_at_their_limits_are_accepted(void **state)
{
	static const struct tine_codec codecs[] = {
		TINE_CODEC_RAW,
		TINE_CODEC_LINE(0),
		TINE_CODEC_FIXED(1),
		TINE_CODEC_DELIMITER("x", 0),
		TINE_CODEC(.decode = tine_delimiter_decode,
		    .delimiter = mebibyte, .delimiter_bytes = 255),
		TINE_CODEC_LENGTH(8, .offset = 255, .strip = 255,
		    .adjustment = 1 << 30),
		TINE_CODEC_LENGTH(1, .strip = TINE_STRIP_NONE,
		    .adjustment = -(1 << 30)),
	};
	struct tine_handler h = rig_handler;
	struct err err;
	size_t i;

	(void)state;
	h.frame = on_frame;
	for (i = 0; i < nitems(codecs); i++) {
		h.codec = &codecs[i];
		assert_int_equal(codec_check(&h, &err), 0);
	}
}

#define with(f, setup) cmocka_unit_test_setup_teardown(f, setup, rig_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with(each_message_comes_by_itself_and_in_place, lines),
		with(a_message_cut_in_pieces_is_put_together, lines),
		with(what_follows_a_message_can_be_peeked_at_and_consumed,
		    lines_with_appendix),
		with(many_messages_are_shown_in_several_turns,
		    lines_four_an_event),
		with(who_sends_many_messages_does_not_delay_the_others,
		    lines_four_an_event),
		with(a_connection_that_waits_for_its_turn_may_be_closed,
		    lines_four_an_event),
		with(messages_sent_before_the_end_of_file_come_before_it,
		    lines_four_an_event),
		with(no_goodbye_is_said_while_messages_are_left,
		    lines_four_an_event),
		with(after_close_no_more_messages_come, lines),
		with(after_abort_no_more_messages_come, lines),
		with(after_tine_close_no_more_messages_come, lines),
		with(what_is_too_long_ends_it_after_the_answers_before,
		    lines_of_five),
		with(a_clean_end_of_file_is_no_mistake, lines),
		with(an_end_of_file_within_a_message_is_one, lines),
		with(the_eof_callback_sees_what_was_cut_off, lines_with_eof),
		with(a_message_that_no_input_can_hold_is_a_mistake_of_the_peer,
		    lines_in_little_input),
		with(messages_wait_while_their_connection_is_paused, lines),
		with(messages_wait_while_the_peer_takes_no_answers,
		    lines_with_little_output),
		with(messages_wait_while_the_connection_is_paused, lines),
		with(a_long_line_that_drips_in_is_searched_once,
		    counting_lines),
		with(
		    a_long_message_of_known_length_is_asked_for_when_it_is_there,
		    counting_lengths),
		with(pieces_of_any_size_make_the_same_messages, lengths),
		with(a_codec_of_ones_own_cuts_and_wraps_messages, with_own),
		with(a_decoder_may_say_what_it_does_not_like, with_own),
		with(a_message_over_the_limit_never_reaches_the_handler,
		    with_own),
		with(who_needs_more_than_can_be_there_is_malformed, with_own),
		with(a_codec_that_breaks_its_contract_is_blamed, with_own),
		with(without_a_codec_a_reply_is_a_write, rig_plain),
		with(a_wake_calls_data_and_no_message, lines),
		cmocka_unit_test(
		    a_codec_that_cannot_work_is_refused_with_the_reason),
		cmocka_unit_test(parameters_at_their_limits_are_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The built-in codecs: what each finds at the front of some bytes, with every
 * parameter at its limits, and that what they write they also read. */
#include "rig.h"

#define INPUT 4096

static int peer;

static struct tine_frame frame;

static int
find(const struct tine_codec *codec, const void *bytes, size_t len)
{
	frame = (struct tine_frame){ .seen = frame.seen };
	return codec->decode(codec, rig.conn, bytes, len, &frame);
}

/* The bytes begin with this message. */
static void
expect(const struct tine_codec *codec, const void *bytes, size_t len,
    const void *message, size_t message_len, size_t consumed)
{
	frame.seen = 0;
	assert_int_equal(find(codec, bytes, len), 1);
	assert_int_equal(frame.len, message_len);
	assert_memory_equal(frame.bytes, message, message_len);
	assert_int_equal(frame.consumed, consumed);
}

static void
expect_need(const struct tine_codec *codec, const void *bytes, size_t len,
    size_t need)
{
	frame.seen = 0;
	assert_int_equal(find(codec, bytes, len), 0);
	assert_int_equal(frame.need, need);
}

static void
expect_bad(const struct tine_codec *codec, const void *bytes, size_t len)
{
	frame.seen = 0;
	assert_int_equal(find(codec, bytes, len), -1);
}

#define TEXT(s) (s), sizeof(s) - 1

/* What the codec writes for this message, in the callback of no one. */
static size_t
encoded(const struct tine_codec *codec, const void *message, size_t len,
    char *dst, size_t size)
{
	ssize_t n;

	assert_int_equal(codec->encode(codec, rig.conn, message, len), 0);
	rig_turn();
	n = recv(peer, dst, size, 0);
	assert_true(n > 0);
	return (size_t)n;
}

static void
expect_encoded(const struct tine_codec *codec, const void *message, size_t len,
    const void *wire, size_t wire_len)
{
	char got[INPUT];

	assert_int_equal(encoded(codec, message, len, got, sizeof(got)),
	    wire_len);
	assert_memory_equal(got, wire, wire_len);
}

static void
expect_refused(const struct tine_codec *codec, const void *message, size_t len,
    int err)
{
	char got[8];

	errno = 0;
	assert_int_equal(codec->encode(codec, rig.conn, message, len), -1);
	assert_int_equal(errno, err);
	rig_turn();
	assert_int_equal(rig_hear(peer, got, sizeof(got)), -1);
}

static void
raw_is_whatever_has_come_in_pieces_of_the_limit(void **state)
{
	static const struct tine_codec raw = TINE_CODEC_RAW;
	static const struct tine_codec four =
	    TINE_CODEC(.decode = tine_raw_decode, .limit = 4);

	(void)state;
	expect(&raw, TEXT("abcdefgh"), TEXT("abcdefgh"), 8);
	expect(&four, TEXT("abc"), TEXT("abc"), 3);
	expect(&four, TEXT("abcd"), TEXT("abcd"), 4);
	expect(&four, TEXT("abcde"), TEXT("abcd"), 4);
}

/* ---- line ---- */

static const struct tine_codec line = TINE_CODEC_LINE(5);

static void
a_line_ends_with_lf_or_cr_lf(void **state)
{
	(void)state;
	expect(&line, TEXT("one\ntwo\n"), TEXT("one"), 4);
	expect(&line, TEXT("one\r\ntwo"), TEXT("one"), 5);
	expect(&line, TEXT("\n"), TEXT(""), 1);
	expect(&line, TEXT("\r\n"), TEXT(""), 2);
	/* Only the last CR belongs to the end. */
	expect(&line, TEXT("a\rb\r\r\n"), TEXT("a\rb\r"), 6);
	expect_need(&line, TEXT("one"), 0);
	expect_need(&line, TEXT("one\r"), 0);
}

static void
a_line_may_be_as_long_as_the_limit(void **state)
{
	(void)state;
	expect(&line, TEXT("1234\n"), TEXT("1234"), 5);
	expect(&line, TEXT("12345\n"), TEXT("12345"), 6);
	expect(&line, TEXT("12345\r\n"), TEXT("12345"), 7);
	expect_bad(&line, TEXT("123456\n"));
	expect_bad(&line, TEXT("123456\r\n"));
	expect_bad(&line, TEXT("12345\r\r\n"));
}

static void
a_line_without_end_is_refused_as_soon_as_it_cannot_be_one(void **state)
{
	(void)state;
	expect_need(&line, TEXT("12345"), 0);
	/* A CR and then LF may come. */
	expect_need(&line, TEXT("12345\r"), 0);
	expect_bad(&line, TEXT("12345\rx"));
	expect_bad(&line, TEXT("1234567"));
}

static void
what_was_searched_is_not_searched_again(void **state)
{
	char bytes[] = "abc\nd";

	(void)state;
	expect_need(&line, bytes, 3, 0);
	assert_int_equal(frame.seen, 2);
	/* The proof: an end within what was seen is not found. */
	frame.seen = 4;
	assert_int_equal(find(&line, bytes, 5), 0);
}

static void
a_written_line_gets_an_end_and_may_not_hold_one(void **state)
{
	static const struct tine_codec crlf =
	    TINE_CODEC_LINE(5, .delimiter = "\r\n", .delimiter_bytes = 2);

	(void)state;
	expect_encoded(&line, TEXT("12345"), TEXT("12345\n"));
	expect_encoded(&crlf, TEXT("12345"), TEXT("12345\r\n"));
	expect_encoded(&line, NULL, 0, TEXT("\n"));
	expect_refused(&line, TEXT("123456"), EMSGSIZE);
	expect_refused(&line, TEXT("1\n2"), EINVAL);
	expect_refused(&crlf, TEXT("12\n"), EINVAL);
}

/* ---- delimiter ---- */

static const struct tine_codec dashes = TINE_CODEC_DELIMITER("---", 5);

static void
a_delimiter_may_be_any_text(void **state)
{
	static const struct tine_codec nul = TINE_CODEC_DELIMITER("\0\1", 5);

	(void)state;
	expect(&dashes, TEXT("one---two"), TEXT("one"), 6);
	expect(&dashes, TEXT("---"), TEXT(""), 3);
	expect(&dashes, TEXT("-a----"), TEXT("-a"), 5);
	expect(&nul, TEXT("a\0b\0\1c"), TEXT("a\0b"), 5);
	expect_need(&dashes, TEXT("one--"), 0);
}

static void
a_delimited_message_may_be_as_long_as_the_limit(void **state)
{
	(void)state;
	expect(&dashes, TEXT("1234---"), TEXT("1234"), 7);
	expect(&dashes, TEXT("12345---"), TEXT("12345"), 8);
	expect_bad(&dashes, TEXT("123456---"));
	expect_need(&dashes, TEXT("12345--"), 0);
	expect_bad(&dashes, TEXT("12345678"));
}

static void
a_delimiter_cut_in_two_is_found(void **state)
{
	(void)state;
	expect_need(&dashes, TEXT("one--"), 0);
	assert_int_equal(frame.seen, 3);
	assert_int_equal(find(&dashes, TEXT("one---")), 1);
	assert_int_equal(frame.len, 3);
}

static void
a_message_that_the_peer_would_see_as_two_is_refused(void **state)
{
	(void)state;
	expect_encoded(&dashes, TEXT("12345"), TEXT("12345---"));
	expect_encoded(&dashes, TEXT("--1-2"), TEXT("--1-2---"));
	expect_encoded(&dashes, NULL, 0, TEXT("---"));
	expect_refused(&dashes, TEXT("1---2"), EINVAL);
	/* "12-" and "---" begin with "12---". */
	expect_refused(&dashes, TEXT("12-"), EINVAL);
	expect_refused(&dashes, TEXT("-"), EINVAL);
	expect_refused(&dashes, TEXT("123456"), EMSGSIZE);
}

/* ---- fixed ---- */

static void
fixed_messages_all_have_the_same_size(void **state)
{
	static const struct tine_codec four = TINE_CODEC_FIXED(4);

	(void)state;
	expect_need(&four, TEXT("abc"), 4);
	expect(&four, TEXT("abcd"), TEXT("abcd"), 4);
	expect(&four, TEXT("abcde"), TEXT("abcd"), 4);
	expect_encoded(&four, TEXT("abcd"), TEXT("abcd"));
	expect_refused(&four, TEXT("abc"), EMSGSIZE);
	expect_refused(&four, TEXT("abcde"), EMSGSIZE);
}

/* ---- length field ---- */

static void
a_length_field_has_one_to_eight_bytes_in_either_order(void **state)
{
	static const struct {
		struct tine_codec codec;
		const char *wire;
		size_t len;
	} cases[] = {
		{ TINE_CODEC_LENGTH(1), TEXT("\2ab") },
		{ TINE_CODEC_LENGTH(2), TEXT("\0\2ab") },
		{ TINE_CODEC_LENGTH(3), TEXT("\0\0\2ab") },
		{ TINE_CODEC_LENGTH(4), TEXT("\0\0\0\2ab") },
		{ TINE_CODEC_LENGTH(8), TEXT("\0\0\0\0\0\0\0\2ab") },
		{ TINE_CODEC_LENGTH(1, .is_little_endian = true),
		    TEXT("\2ab") },
		{ TINE_CODEC_LENGTH(2, .is_little_endian = true),
		    TEXT("\2\0ab") },
		{ TINE_CODEC_LENGTH(3, .is_little_endian = true),
		    TEXT("\2\0\0ab") },
		{ TINE_CODEC_LENGTH(4, .is_little_endian = true),
		    TEXT("\2\0\0\0ab") },
		{ TINE_CODEC_LENGTH(8, .is_little_endian = true),
		    TEXT("\2\0\0\0\0\0\0\0ab") },
	};
	size_t i, n;

	(void)state;
	for (i = 0; i < nitems(cases); i++) {
		expect(&cases[i].codec, cases[i].wire, cases[i].len, "ab", 2,
		    cases[i].len);
		expect_encoded(&cases[i].codec, "ab", 2, cases[i].wire,
		    cases[i].len);
		for (n = 0; n < cases[i].len; n++)
			expect_need(&cases[i].codec, cases[i].wire, n,
			    n < cases[i].codec.width ? cases[i].codec.width
						     : cases[i].len);
	}
}

static void
every_byte_of_a_length_counts(void **state)
{
	static const struct tine_codec big = TINE_CODEC_LENGTH(3);
	static const struct tine_codec little =
	    TINE_CODEC_LENGTH(3, .is_little_endian = true);

	(void)state;
	rig.server->limits.input = 1 << 24;
	expect_need(&big, TEXT("\1\2\3"), 3 + 0x010203);
	expect_need(&little, TEXT("\1\2\3"), 3 + 0x030201);
}

static void
a_length_may_be_as_large_as_the_limit(void **state)
{
	static const struct tine_codec four = TINE_CODEC_LENGTH(2, .limit = 4);

	(void)state;
	expect(&four, TEXT("\0\0x"), TEXT(""), 2);
	expect(&four, TEXT("\0\3abc"), TEXT("abc"), 5);
	expect(&four, TEXT("\0\4abcd"), TEXT("abcd"), 6);
	/* At once, not when the bytes are there. */
	expect_bad(&four, TEXT("\0\5"));
	expect_encoded(&four, TEXT("abcd"), TEXT("\0\4abcd"));
	expect_refused(&four, TEXT("abcde"), EMSGSIZE);
}

static void
a_length_that_overflows_every_sum_is_refused(void **state)
{
	static const struct tine_codec plain = TINE_CODEC_LENGTH(8);
	static const struct tine_codec more =
	    TINE_CODEC_LENGTH(8, .offset = 255, .adjustment = 1 << 30);
	char bytes[264];

	(void)state;
	(void)memset(bytes, 0xff, sizeof(bytes));
	expect_bad(&plain, bytes, 8);
	expect_bad(&more, bytes, 263);
	bytes[7] = (char)0xf7; /* the sum is 2^64 - 1 */
	expect_bad(&plain, bytes, 8);
	bytes[0] = 0x7f;
	expect_bad(&plain, bytes, 8);
}

static void
a_message_must_fit_its_length_field(void **state)
{
	static const struct tine_codec one = TINE_CODEC_LENGTH(1);
	static const struct tine_codec all =
	    TINE_CODEC_LENGTH(1, .counts_all = true);
	char message[256] = { 0 }, wire[300];

	(void)state;
	assert_int_equal(encoded(&one, message, 255, wire, sizeof(wire)), 256);
	assert_int_equal((unsigned char)wire[0], 255);
	expect_refused(&one, message, 256, EMSGSIZE);
	assert_int_equal(encoded(&all, message, 254, wire, sizeof(wire)), 255);
	assert_int_equal((unsigned char)wire[0], 255);
	expect_refused(&all, message, 255, EMSGSIZE);
}

static void
a_length_may_count_everything_or_something_else(void **state)
{
	static const struct tine_codec all =
	    TINE_CODEC_LENGTH(2, .counts_all = true);
	static const struct tine_codec words =
	    TINE_CODEC_LENGTH(1, .adjustment = 2);
	static const struct tine_codec less =
	    TINE_CODEC_LENGTH(1, .adjustment = -1);

	(void)state;
	expect(&all, TEXT("\0\4ab"), TEXT("ab"), 4);
	expect(&all, TEXT("\0\2"), TEXT(""), 2);
	/* Less than the length field itself. */
	expect_bad(&all, TEXT("\0\1ab"));
	expect_bad(&all, TEXT("\0\0ab"));
	expect_encoded(&all, TEXT("ab"), TEXT("\0\4ab"));
	expect(&words, TEXT("\1abc"), TEXT("abc"), 4);
	expect_encoded(&words, TEXT("abc"), TEXT("\1abc"));
	expect_encoded(&words, TEXT("ab"), TEXT("\0ab"));
	/* The field would be negative. */
	expect_refused(&words, TEXT("a"), EMSGSIZE);
	expect(&less, TEXT("\3abc"), TEXT("ab"), 3);
	expect_bad(&less, TEXT("\0abc"));
}

static void
a_length_field_may_stand_behind_something(void **state)
{
	static const struct tine_codec bare = TINE_CODEC_LENGTH(1, .offset = 2);
	static const struct tine_codec kept =
	    TINE_CODEC_LENGTH(1, .offset = 2, .strip = TINE_STRIP_NONE);
	static const struct tine_codec some =
	    TINE_CODEC_LENGTH(1, .offset = 2, .strip = 1);
	static const struct tine_codec many =
	    TINE_CODEC_LENGTH(1, .offset = 2, .strip = 5);

	(void)state;
	expect_need(&bare, TEXT("HH"), 3);
	expect_need(&bare, TEXT("HH\3"), 6);
	expect(&bare, TEXT("HH\3abc"), TEXT("abc"), 6);
	expect_encoded(&bare, TEXT("abc"), TEXT("\0\0\3abc"));
	expect(&kept, TEXT("HH\3abc"), TEXT("HH\3abc"), 6);
	/* The length is written to its place, whatever is there. */
	expect_encoded(&kept, TEXT("HH?abc"), TEXT("HH\3abc"));
	expect_refused(&kept, TEXT("HH"), EMSGSIZE);
	expect(&some, TEXT("HH\3abc"), TEXT("H\3abc"), 6);
	expect_encoded(&some, TEXT("H?abc"), TEXT("\0H\3abc"));
	expect(&many, TEXT("HH\3abc"), TEXT("c"), 6);
	expect_encoded(&many, TEXT("c"), TEXT("\0\0\3\0\0c"));
	/* It ends before what is to be stripped. */
	expect_bad(&many, TEXT("HH\1a"));
	expect(&many, TEXT("HH\2ab"), TEXT(""), 5);
}

static void
no_limit_is_above_that_of_the_input(void **state)
{
	static const struct tine_codec none = TINE_CODEC_LENGTH(2);
	static const struct tine_codec high =
	    TINE_CODEC_LENGTH(2, .limit = INPUT + 1);

	(void)state;
	assert_int_equal(tine_codec_limit(&none, rig.conn), INPUT);
	assert_int_equal(tine_codec_limit(&high, rig.conn), INPUT);
	expect_need(&none, TEXT("\x10\0"), 2 + INPUT);
	expect_bad(&none, TEXT("\x10\1"));
	expect_bad(&high, TEXT("\x10\1"));
}

static int
start(void **state)
{
	(void)state;
	rig_conf()->limits.input = INPUT;
	rig_start(&rig_handler);
	peer = rig_connect();
	return 0;
}

static int
end(void **state)
{
	closefd(&peer);
	return rig_end(state);
}

#define with_conn(f) cmocka_unit_test_setup_teardown(f, start, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		with_conn(raw_is_whatever_has_come_in_pieces_of_the_limit),
		with_conn(a_line_ends_with_lf_or_cr_lf),
		with_conn(a_line_may_be_as_long_as_the_limit),
		with_conn(
		    a_line_without_end_is_refused_as_soon_as_it_cannot_be_one),
		with_conn(what_was_searched_is_not_searched_again),
		with_conn(a_written_line_gets_an_end_and_may_not_hold_one),
		with_conn(a_delimiter_may_be_any_text),
		with_conn(a_delimited_message_may_be_as_long_as_the_limit),
		with_conn(a_delimiter_cut_in_two_is_found),
		with_conn(a_message_that_the_peer_would_see_as_two_is_refused),
		with_conn(fixed_messages_all_have_the_same_size),
		with_conn(
		    a_length_field_has_one_to_eight_bytes_in_either_order),
		with_conn(every_byte_of_a_length_counts),
		with_conn(a_length_may_be_as_large_as_the_limit),
		with_conn(a_length_that_overflows_every_sum_is_refused),
		with_conn(a_message_must_fit_its_length_field),
		with_conn(a_length_may_count_everything_or_something_else),
		with_conn(a_length_field_may_stand_behind_something),
		with_conn(no_limit_is_above_that_of_the_input),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

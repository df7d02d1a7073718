/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_codec.c: the built-in codecs on any bytes (libFuzzer). The input begins
 * with a codec and how the rest is cut: in pieces it must give the same
 * messages, and the same end, as in one. What a codec hands out it must be able
 * to write, and to read back from that.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "child/child.h"

#define MESSAGES_MAX 256
#define WIRE_BYTES 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a stream of bytes was cut into. */
struct cut {
	struct {
		size_t from, len; /* in the stream */
	} messages[MESSAGES_MAX];
	size_t count;
	size_t consumed;
	bool is_bad;
};

static char wire[WIRE_BYTES];
static size_t wire_len;

static void
must(bool is_true)
{
	if (!is_true)
		abort();
}

/* ---- what the codecs call ---- */

size_t
tine_codec_limit(const struct tine_codec *codec, const struct tine_conn *c)
{
	(void)c;
	return codec->limit == 0 ? WIRE_BYTES / 2 : codec->limit;
}

int
tine_write(struct tine_conn *c, const void *bytes, size_t len)
{
	(void)c;
	must(wire_len + len <= sizeof(wire));
	memcpy(wire + wire_len, bytes, len);
	wire_len += len;
	return 0;
}

int
tine_writev(struct tine_conn *c, const struct iovec *iov, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (iov[i].iov_len > 0)
			(void)tine_write(c, iov[i].iov_base, iov[i].iov_len);
	return 0;
}

/* ---- cutting ---- */

/* One call of decode on memory that ends where the bytes end. */
static int
decode(const struct tine_codec *codec, const uint8_t *in, size_t len,
    struct tine_frame *f, size_t *from)
{
	char *copy = malloc(len);
	int rc;

	must(copy != NULL);
	memcpy(copy, in, len);
	rc = codec->decode(codec, NULL, copy, len, f);
	if (rc == 1) {
		*from = (size_t)((const char *)f->bytes - copy);
		must(f->consumed > 0 && f->consumed <= len);
		must(*from <= len && f->len <= len - *from);
		must(*from + f->len <= f->consumed);
		must(f->len <= tine_codec_limit(codec, NULL));
	} else if (rc == 0) {
		must(f->seen <= len && (f->need == 0 || f->need > len));
	} else {
		must(rc == -1);
	}
	free(copy);
	return rc;
}

/* All messages of the first `have` bytes, from where the last call stopped. */
static void
cut_on(const struct tine_codec *codec, const uint8_t *in, size_t have,
    struct cut *c, struct tine_frame *f)
{
	size_t from = 0, seen;
	int rc;

	while (!c->is_bad && c->consumed < have && c->count < MESSAGES_MAX &&
	    have - c->consumed >= f->need) {
		seen = f->seen;
		*f = (struct tine_frame){ .seen = seen };
		rc = decode(codec, in + c->consumed, have - c->consumed, f,
		    &from);
		if (rc == 0)
			return;
		c->is_bad = rc == -1;
		if (c->is_bad)
			return;
		c->messages[c->count].from = c->consumed + from;
		c->messages[c->count++].len = f->len;
		c->consumed += f->consumed;
		*f = (struct tine_frame){ .seen = 0 };
	}
}

static void
compare(const struct tine_codec *codec, const uint8_t *in, size_t len,
    unsigned seed, struct cut *whole)
{
	struct tine_frame f = { .seen = 0 };
	struct cut pieces = { .count = 0 };
	size_t have = 0, most = 1 + seed % 23;

	cut_on(codec, in, len, whole, &f);
	f = (struct tine_frame){ .seen = 0 };
	while (have < len) {
		seed = seed * 1103515245 + 12345;
		have += MIN_OF(1 + (seed >> 16) % most, len - have);
		cut_on(codec, in, have, &pieces, &f);
	}
	/* Raw messages are the pieces. */
	if (codec->decode == tine_raw_decode)
		return;
	must(whole->count == pieces.count);
	must(whole->is_bad == pieces.is_bad);
	must(whole->consumed == pieces.consumed);
	must(memcmp(whole->messages, pieces.messages,
		 whole->count * sizeof(whole->messages[0])) == 0);
}

/* ---- writing ---- */

/* What was written of a message is one message, which is written the same. */
static void
write_back(const struct tine_codec *codec, const uint8_t *message, size_t len)
{
	struct tine_frame f = { .seen = 0 };
	char first[WIRE_BYTES];
	size_t first_len, from;

	/* To the peer a CR at its end belongs to the end. */
	if (codec->decode == tine_line_decode && len > 0 &&
	    message[len - 1] == '\r')
		return;
	wire_len = 0;
	if (codec->encode(codec, NULL, message, len) == -1) {
		must(errno == EMSGSIZE || errno == EINVAL);
		must(wire_len == 0);
		return;
	}
	first_len = wire_len;
	memcpy(first, wire, first_len);
	must(decode(codec, (const uint8_t *)first, first_len, &f, &from) == 1);
	must(f.consumed == first_len);
	wire_len = 0;
	must(codec->encode(codec, NULL, first + from, f.len) == 0);
	must(wire_len == first_len && memcmp(wire, first, wire_len) == 0);
}

/* ---- the codec that the first bytes mean ---- */

static struct tine_codec
choose(const uint8_t *d)
{
	static const unsigned widths[] = { 1, 2, 3, 4, 8 };
	static const char delimiter[] = "abaab";
	const struct tine_codec codecs[] = {
		{ .decode = tine_raw_decode },
		{ .decode = tine_line_decode, .encode = tine_line_encode },
		{ .decode = tine_delimiter_decode,
		    .encode = tine_delimiter_encode,
		    .delimiter = delimiter,
		    .delimiter_bytes = 1 + d[2] % 5 },
		{ .decode = tine_fixed_decode, .encode = tine_fixed_encode },
		{ .decode = tine_length_decode,
		    .encode = tine_length_encode,
		    .width = widths[d[2] % nitems(widths)],
		    .offset = d[3] % 8U,
		    .strip = d[4] % 16 - 1,
		    .is_little_endian = (d[5] & 1) != 0,
		    .counts_all = (d[5] & 2) != 0,
		    .adjustment = (int8_t)d[6] },
	};
	struct tine_codec codec = codecs[d[0] % nitems(codecs)];

	codec.size = sizeof(codec);
	codec.limit = d[1];
	if (codec.decode == tine_fixed_decode)
		codec.limit += 1;
	return codec;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cut whole = { .count = 0 };
	struct tine_codec codec;
	size_t i;

	if (size < 8 || size > WIRE_BYTES / 2)
		return 0;
	codec = choose(data);
	compare(&codec, data + 8, size - 8, data[7], &whole);
	for (i = 0; i < whole.count && codec.encode != NULL; i++)
		write_back(&codec, data + 8 + whole.messages[i].from,
		    whole.messages[i].len);
	return 0;
}

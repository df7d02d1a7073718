/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * framing.c: the built-in codecs: raw, line, delimiter, fixed, length field.
 * Runs in children. Owns nothing and keeps nothing: each function looks at the
 * bytes it is given and says what it found, or how many more it needs. Lengths
 * come from the peer: no sum of them may overflow.
 */
#include <sys/uio.h>

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "child/child.h"

/* The most that can stand before a message of a length codec. */
#define HEAD_BYTES_MAX (FRAMING_OFFSET_MAX + sizeof(uint64_t))

static int
found(struct tine_frame *f, const char *in, size_t len, size_t consumed)
{
	f->bytes = in;
	f->len = len;
	f->consumed = consumed;
	return 1;
}

/* Write two pieces, both or none. */
static int
write_both(struct tine_conn *c, const void *head, size_t head_len,
    const void *rest, size_t rest_len)
{
	union {
		const void *ro;
		void *rw;
	} first = { .ro = head }, second = { .ro = rest };
	const struct iovec iov[] = {
		{ .iov_base = first.rw, .iov_len = head_len },
		{ .iov_base = second.rw, .iov_len = rest_len },
	};

	return tine_writev(c, iov, nitems(iov));
}

static int
check_length(const struct tine_codec *codec, const struct tine_conn *c,
    size_t len)
{
	if (len <= tine_codec_limit(codec, c))
		return 0;
	errno = EMSGSIZE;
	return -1;
}

/* ---- raw ---- */

int
tine_raw_decode(const struct tine_codec *codec, struct tine_conn *c,
    const void *in, size_t len, struct tine_frame *f)
{
	size_t n = MIN_OF(len, tine_codec_limit(codec, c));

	return found(f, in, n, n);
}

/* ---- line, delimiter ---- */

/* No end is there. It may have begun, so its last bytes are searched again. */
static int
seek_on(const struct tine_codec *codec, const struct tine_conn *c, size_t len,
    size_t end_bytes, struct tine_frame *f)
{
	size_t searched = len - MIN_OF(len, end_bytes - 1);

	if (searched > tine_codec_limit(codec, c))
		return -1;
	f->seen = searched;
	return 0;
}

int
tine_line_decode(const struct tine_codec *codec, struct tine_conn *c,
    const void *in, size_t len, struct tine_frame *f)
{
	const char *line = in, *lf;
	size_t n;

	lf = memchr(line + f->seen, '\n', len - f->seen);
	/* As for CR LF: whether a CR is text shows with the next byte. */
	if (lf == NULL)
		return seek_on(codec, c, len, 2, f);
	n = (size_t)(lf - line);
	if (n > 0 && line[n - 1] == '\r')
		n--;
	if (n > tine_codec_limit(codec, c))
		return -1;
	return found(f, line, n, (size_t)(lf + 1 - line));
}

int
tine_delimiter_decode(const struct tine_codec *codec, struct tine_conn *c,
    const void *in, size_t len, struct tine_frame *f)
{
	size_t end_bytes = codec->delimiter_bytes, n;
	const char *message = in, *end;

	end = memmem(message + f->seen, len - f->seen, codec->delimiter,
	    end_bytes);
	if (end == NULL)
		return seek_on(codec, c, len, end_bytes, f);
	n = (size_t)(end - message);
	if (n > tine_codec_limit(codec, c))
		return -1;
	return found(f, message, n, n + end_bytes);
}

int
tine_line_encode(const struct tine_codec *codec, struct tine_conn *c,
    const void *line, size_t len)
{
	bool is_plain = codec->delimiter == NULL;

	if (check_length(codec, c, len) == -1)
		return -1;
	if (len > 0 && memchr(line, '\n', len) != NULL) {
		errno = EINVAL;
		return -1;
	}
	return write_both(c, line, len, is_plain ? "\n" : codec->delimiter,
	    is_plain ? 1 : codec->delimiter_bytes);
}

/* A message and the delimiter behind it: would the peer find its end before? */
static bool
ends_early(const struct tine_codec *codec, const char *message, size_t len)
{
	size_t end_bytes = codec->delimiter_bytes;
	size_t tail = MIN_OF(len, end_bytes - 1);
	char seam[2 * FRAMING_DELIMITER_MAX];
	const char *at;

	assert(end_bytes >= 1 && end_bytes <= FRAMING_DELIMITER_MAX);
	if (len >= end_bytes &&
	    memmem(message, len, codec->delimiter, end_bytes) != NULL)
		return true;
	/* "a-" and "--" are "a---", which is "a" and "-". */
	if (tail > 0)
		(void)memcpy(seam, message + len - tail, tail);
	(void)memcpy(seam + tail, codec->delimiter, end_bytes);
	at = memmem(seam, tail + end_bytes, codec->delimiter, end_bytes);
	return at != seam + tail;
}

int
tine_delimiter_encode(const struct tine_codec *codec, struct tine_conn *c,
    const void *message, size_t len)
{
	if (check_length(codec, c, len) == -1)
		return -1;
	if (ends_early(codec, message, len)) {
		errno = EINVAL;
		return -1;
	}
	return write_both(c, message, len, codec->delimiter,
	    codec->delimiter_bytes);
}

/* ---- fixed ---- */

int
tine_fixed_decode(const struct tine_codec *codec, struct tine_conn *c,
    const void *in, size_t len, struct tine_frame *f)
{
	(void)c;
	f->need = codec->limit;
	if (len < codec->limit)
		return 0;
	return found(f, in, codec->limit, codec->limit);
}

int
tine_fixed_encode(const struct tine_codec *codec, struct tine_conn *c,
    const void *message, size_t len)
{
	if (len == codec->limit)
		return tine_write(c, message, len);
	errno = EMSGSIZE;
	return -1;
}

/* ---- length field ---- */

/* Up to the end of the length field. */
static size_t
head_bytes(const struct tine_codec *codec)
{
	return (size_t)codec->offset + codec->width;
}

static size_t
strip_bytes(const struct tine_codec *codec)
{
	if (codec->strip == 0)
		return head_bytes(codec);
	return codec->strip < 0 ? 0 : (size_t)codec->strip;
}

/* What is added to the length field to get the bytes of it all. */
static int64_t
total_less_field(const struct tine_codec *codec)
{
	size_t counted = codec->counts_all ? 0 : head_bytes(codec);

	/* Bounded by codec_check(). */
	return codec->adjustment + (int64_t)counted;
}

static uint64_t
get_number(const struct tine_codec *codec, const unsigned char *at)
{
	uint64_t n = 0;
	unsigned i;

	for (i = 0; i < codec->width; i++)
		n = n << 8 |
		    at[codec->is_little_endian ? codec->width - 1 - i : i];
	return n;
}

static void
put_number(const struct tine_codec *codec, unsigned char *at, uint64_t n)
{
	unsigned i;

	for (i = 0; i < codec->width; i++, n >>= 8)
		at[codec->is_little_endian ? i : codec->width - 1 - i] =
		    (unsigned char)n;
}

int
tine_length_decode(const struct tine_codec *codec, struct tine_conn *c,
    const void *in, size_t len, struct tine_frame *f)
{
	size_t head = head_bytes(codec), strip = strip_bytes(codec), total;
	const unsigned char *bytes = in;
	uint64_t field;

	f->need = head;
	if (len < head)
		return 0;
	field = get_number(codec, bytes + codec->offset);
	if (__builtin_add_overflow(field, total_less_field(codec), &total) ||
	    total < MAX_OF(head, strip) ||
	    total - strip > tine_codec_limit(codec, c))
		return -1;
	f->need = total;
	if (len < total)
		return 0;
	return found(f, (const char *)in + strip, total - strip, total);
}

int
tine_length_encode(const struct tine_codec *codec, struct tine_conn *c,
    const void *message, size_t len)
{
	size_t head = head_bytes(codec), strip = strip_bytes(codec), made;
	unsigned char bytes[HEAD_BYTES_MAX] = { 0 };
	uint64_t field;

	assert(head <= sizeof(bytes) && strip <= sizeof(bytes));
	if (check_length(codec, c, len) == -1)
		return -1;
	/* The head may be part of the message, which is not ours to change. */
	made = MAX_OF(head, strip);
	if (strip + len < made ||
	    __builtin_sub_overflow(strip + len, total_less_field(codec),
		&field) ||
	    (codec->width < sizeof(field) && field >> 8 * codec->width != 0)) {
		errno = EMSGSIZE;
		return -1;
	}
	if (made > strip)
		(void)memcpy(bytes + strip, message, made - strip);
	put_number(codec, bytes + codec->offset, field);
	return write_both(c, bytes, made,
	    (const char *)message + (made - strip), len - (made - strip));
}

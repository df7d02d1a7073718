/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * codec.c: from input to messages. Runs in children. Has a connection's codec
 * cut its input and shows the handler one message after the other, in place, as
 * many as the budget of the event allows. A connection with more of them goes on
 * in the next turn of the loop, behind the events of all others; while its
 * output is at the limit they stay where they are.
 */
#include <errno.h>
#include <stdlib.h>

#include "child/child.h"

/* Whole messages never need this sum to be larger. */
#define ADJUSTMENT_MAX (INT64_C(1) << 30)

/* ---- is it a codec? ---- */

static const char *
check_delimiter(const struct tine_codec *codec)
{
	if (codec->delimiter == NULL || codec->delimiter_bytes == 0)
		return "its delimiter is empty";
	if (codec->delimiter_bytes > FRAMING_DELIMITER_MAX)
		return "its delimiter has more than 255 bytes";
	return NULL;
}

static const char *
check_line(const struct tine_codec *codec)
{
	return codec->delimiter == NULL ? NULL : check_delimiter(codec);
}

static const char *
check_fixed(const struct tine_codec *codec)
{
	return codec->limit == 0 ? "its messages have no bytes" : NULL;
}

static const char *
check_length(const struct tine_codec *codec)
{
	if (codec->width != 1 && codec->width != 2 && codec->width != 3 &&
	    codec->width != 4 && codec->width != 8)
		return "the width of its length field is not 1, 2, 3, 4 or 8";
	if (codec->offset > FRAMING_OFFSET_MAX)
		return "the offset of its length field is above 255";
	if (codec->strip < TINE_STRIP_NONE || codec->strip > FRAMING_STRIP_MAX)
		return "the bytes that it strips are not 0 to 255";
	if (llabs(codec->adjustment) > ADJUSTMENT_MAX)
		return "the adjustment of its length is above 1 GiB";
	return NULL;
}

/* What is wrong with it, or NULL. */
static const char *
find_mistake(const struct tine_codec *codec)
{
	static const struct {
		int (*decode)(const struct tine_codec *, struct tine_conn *,
		    const void *, size_t, struct tine_frame *);
		const char *(*check)(const struct tine_codec *);
	} builtins[] = {
		{ tine_line_decode, check_line },
		{ tine_delimiter_decode, check_delimiter },
		{ tine_fixed_decode, check_fixed },
		{ tine_length_decode, check_length },
	};
	size_t i;

	if (codec->size != sizeof(*codec))
		return "it was made with another <tine.h>";
	if (codec->decode == NULL)
		return "it has no decode";
	for (i = 0; i < nitems(builtins); i++)
		if (codec->decode == builtins[i].decode)
			return builtins[i].check(codec);
	return NULL;
}

int
codec_check(const struct tine_handler *h, struct err *err)
{
	const char *mistake;

	if ((h->codec == NULL) != (h->frame == NULL)) {
		(void)err_set(err, EXIT_BAD_CONFIG, "handler %s: it has %s",
		    h->name,
		    h->codec == NULL ? "frame and no codec"
				     : "a codec and no frame");
		return err_hint(err, "set .codec and .frame, or neither");
	}
	if (h->codec == NULL || (mistake = find_mistake(h->codec)) == NULL)
		return 0;
	(void)err_set(err, EXIT_BAD_CONFIG, "handler %s: codec: %s", h->name,
	    mistake);
	return err_hint(err,
	    "define it with TINE_CODEC() or one of TINE_CODEC_... and the "
	    "<tine.h> of tine %s",
	    tine_version());
}

/* ---- one message after the other ---- */

/* The codec did what its contract forbids. */
static void
blame(struct tine_conn *c, const char *what)
{
	server_blame(conn_server(c), what);
	conn_finish(c, TINE_ERROR);
}

/* Not yet: note what it said, for the next time. */
static void
wait_for_more(struct tine_conn *c, const struct tine_frame *f, size_t len)
{
	struct input_note *note = input_note(c);

	if (f->need > conn_server(c)->limits.input) {
		conn_finish(c, TINE_FRAMING);
		return;
	}
	*note = (struct input_note){
		.need = (uint32_t)f->need,
		.seen = (uint32_t)MIN_OF(f->seen, len),
	};
}

static void
show(struct tine_conn *c, const struct tine_frame *f, size_t len)
{
	if (f->consumed == 0 || f->consumed > len) {
		blame(c, "decode consumed nothing, or more than there was");
		return;
	}
	if (f->len > tine_codec_limit(conn_server(c)->handler.codec, c)) {
		conn_finish(c, TINE_FRAMING);
		return;
	}
	/* Its bytes stay where they are until the callback has returned. */
	tine_consume(c, f->consumed);
	conn_obey(c, call_frame(c, f->bytes, f->len));
}

/* False: there is no message, or none is wanted any more. */
static bool
step(struct tine_conn *c)
{
	const struct input_note *note = input_note(c);
	struct tine_frame f;
	const void *in;
	size_t len;
	int rc;

	if (note == NULL)
		return false;
	/* Not a piece of it is put together before. */
	if (tine_buffered(c) < note->need)
		return false;
	f = (struct tine_frame){ .seen = note->seen };
	in = tine_peek(c, &len);
	if (len == 0)
		return false;
	rc = call_decode(c, in, len, &f);
	if (c->state != CONN_OPEN)
		return false;
	if (rc == 1)
		show(c, &f, len);
	else if (rc == 0)
		wait_for_more(c, &f, len);
	else if (rc == -1)
		conn_finish(c, TINE_FRAMING);
	else
		blame(c, "decode returned neither 1, 0 nor -1");
	return rc == 1 && c->state == CONN_OPEN;
}

void
codec_begin(struct tine_conn *c)
{
	struct tine_child *s = conn_server(c);

	s->child->messages_left = s->budget_messages;
}

void
codec_run(struct tine_conn *c)
{
	struct child *ch = conn_server(c)->child;

	c->has_frames = false;
	/* A frame may pause or pipe what it came over. */
	while (c->state == CONN_OPEN && !c->is_paused && !conn_is_piped(c)) {
		if (c->is_stalled || ch->messages_left == 0) {
			c->has_frames = true;
			return;
		}
		if (!step(c))
			return;
		ch->messages_left--;
	}
}

void
codec_settle(struct tine_conn *c)
{
	if (c->has_frames && !c->is_stalled && !c->is_paused)
		c->wants_data = true;
}

/* ---- tine.h ---- */

size_t
tine_codec_limit(const struct tine_codec *codec, const struct tine_conn *c)
{
	size_t most = conn_server(c)->limits.input;

	return codec->limit == 0 ? most : MIN_OF(codec->limit, most);
}

int
tine_reply(struct tine_conn *c, const void *message, size_t len)
{
	const struct tine_codec *codec;

	if (call_is_foreign(NULL, "tine_reply"))
		return -1;
	codec = conn_server(c)->handler.codec;
	if (codec == NULL || codec->encode == NULL)
		return tine_write(c, message, len);
	return codec->encode(codec, c, message, len);
}

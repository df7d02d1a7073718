/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ferry.c: a sound handler for tests, a proxy from UDP to streams: each packet
 * is said over a connection of its own to to=URL, and all that comes back
 * before the end, of up to 32 KiB, is the answer.
 */
#include <tine.h>

#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX 32768
#define CONNECT_SECONDS 10

static const struct tine_option options[] = {
	{ .name = "to", .type = TINE_STRING, .help = "the server behind" },
	{ .name = NULL },
};

/* Who is to get the answer. */
struct trip {
	size_t listener;
	struct sockaddr_storage to;
	socklen_t len;
};

static enum tine_action
behind_eof(struct tine_conn *c)
{
	struct trip *trip = tine_context(c);
	const void *bytes;
	size_t len;

	bytes = tine_peek(c, &len);
	(void)tine_dgram_send(tine_child(c), trip->listener,
	    (const struct sockaddr *)&trip->to, trip->len, bytes,
	    len < ANSWER_MAX ? len : ANSWER_MAX);
	return TINE_CLOSE;
}

static enum tine_action
behind_data(struct tine_conn *c)
{
	(void)c;
	return TINE_OK;
}

static enum tine_action
behind_open(struct tine_conn *c)
{
	/* The question was written before it was connected. */
	return tine_shutdown_write(c) == 0 ? TINE_OK : TINE_ABORT;
}

static void
behind_close(struct tine_conn *c, enum tine_cause cause, int err)
{
	(void)cause;
	(void)err;
	free(tine_context(c));
}

static const struct tine_handler behind = {
	.size = sizeof(struct tine_handler),
	.abi = TINE_ABI,
	.name = "behind",
	.open = behind_open,
	.data = behind_data,
	.eof = behind_eof,
	.close = behind_close,
};

static enum tine_action
ferry_datagram(struct tine_dgram *d)
{
	struct tine_child *child = tine_dgram_child(d);
	struct trip *trip = malloc(sizeof(*trip));
	const struct sockaddr *from;
	struct tine_conn *c;
	const void *bytes;
	size_t len;

	if (trip == NULL)
		return TINE_OK;
	from = tine_dgram_peer(d, &trip->len);
	(void)memcpy(&trip->to, from, trip->len);
	trip->listener = tine_dgram_listener(d);
	c = tine_connect(child, &behind, tine_option(child, "to", NULL),
	    CONNECT_SECONDS, trip);
	if (c == NULL) {
		free(trip);
		return TINE_OK;
	}
	bytes = tine_dgram_bytes(d, &len);
	if (tine_write(c, bytes, len) == -1)
		tine_abort(c);
	return TINE_OK;
}

TINE_HANDLER(.name = "ferry", .options = options, .datagram = ferry_datagram);

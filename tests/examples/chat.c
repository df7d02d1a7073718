/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chat.so: what one types, all others read. A child knows its own connections
 * only, so those of one child hear each other: run it with one.
 *
 *     build/tine -n 1 -l 7777 ./build/examples/chat.so
 *     nc 127.0.0.1 7777
 *
 * `/name NAME` sets the name that stands before one's lines. Who reads too
 * slowly, so that `output` is full, misses lines; nobody waits for anybody.
 */
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include <tine.h>

#define LINE_MAX_BYTES 400
#define NAME_MAX_BYTES 24

/* The zeroed bytes beside each connection. */
struct guest {
	LIST_ENTRY(guest) entry;
	struct tine_conn *conn;
	char name[NAME_MAX_BYTES];
};

/* A child is a process of its own and runs one callback at a time. */
static LIST_HEAD(, guest) guests = LIST_HEAD_INITIALIZER(guests);

static const struct tine_codec codec = TINE_CODEC_LINE(LINE_MAX_BYTES);

static void
chat_tell(const struct guest *except, const char *name, const char *line,
    size_t len)
{
	char text[NAME_MAX_BYTES + LINE_MAX_BYTES + 8];
	struct guest *g;
	int n;

	n = snprintf(text, sizeof(text), "%s%.*s\n", name, (int)len, line);
	LIST_FOREACH(g, &guests, entry)
		if (g != except)
			(void)tine_write(g->conn, text, (size_t)n);
}

static enum tine_action
chat_open(struct tine_conn *c)
{
	struct guest *g = tine_state(c);

	g->conn = c;
	(void)snprintf(g->name, sizeof(g->name), "guest %u",
	    (unsigned)tine_handle(c));
	LIST_INSERT_HEAD(&guests, g, entry);
	chat_tell(NULL, g->name, " is here", 8);
	return TINE_OK;
}

static enum tine_action
chat_frame(struct tine_conn *c, const void *bytes, size_t len)
{
	struct guest *g = tine_state(c);
	const char *line = bytes;
	char prefix[NAME_MAX_BYTES + 2];

	if (len > 6 && memcmp(line, "/name ", 6) == 0) {
		(void)snprintf(g->name, sizeof(g->name), "%.*s", (int)len - 6,
		    line + 6);
		return TINE_OK;
	}
	(void)snprintf(prefix, sizeof(prefix), "%s: ", g->name);
	chat_tell(g, prefix, line, len);
	return TINE_OK;
}

static void
chat_close(struct tine_conn *c, enum tine_cause cause, int err)
{
	struct guest *g = tine_state(c);

	(void)cause;
	(void)err;
	LIST_REMOVE(g, entry);
	chat_tell(NULL, g->name, " has left", 9);
}

TINE_HANDLER(.name = "chat", .codec = &codec, .conn_size = sizeof(struct guest),
    .open = chat_open, .frame = chat_frame, .close = chat_close);

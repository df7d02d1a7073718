/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kv.so: a store of keys and values. Each child has its own, and it is gone
 * with the child: run it with one, for values that may be lost.
 *
 *     build/tine -n 1 -l 7777 ./build/examples/kv.so memory=16m
 *
 * A message is 4 bytes of length, big-endian, and so many bytes. A question
 * begins with `S`, 2 bytes of the key's length, the key, the value; or with `G`
 * (get) or `D` (delete) and the key. Answers: `+` and the value, `-` not there,
 * `!` and what is wrong.
 */
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include <tine.h>

#define MESSAGE_MAX_BYTES (256 << 10)

struct pair {
	const char *key; /* behind the answer, or in a question */
	size_t key_len;
	size_t answer_len;
	char answer[]; /* `+` and the value */
};

struct store {
	void *tree; /* of tsearch(3): balanced, whatever keys a client picks */
	size_t bytes, max_bytes;
};

static const struct tine_option options[] = {
	{ .name = "memory",
	    .type = TINE_SIZE,
	    .value = "64m",
	    .min = 4096,
	    .max = 1 << 30,
	    .help = "bytes of all keys and values" },
	{ .name = NULL },
};

static const struct tine_codec codec =
    TINE_CODEC_LENGTH(4, .limit = MESSAGE_MAX_BYTES);

static struct store store;

static int
compare(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	size_t n = x->key_len < y->key_len ? x->key_len : y->key_len;
	int order = memcmp(x->key, y->key, n);

	if (order != 0 || x->key_len == y->key_len)
		return order;
	return x->key_len < y->key_len ? -1 : 1;
}

static size_t
cost(const struct pair *e)
{
	return sizeof(*e) + e->answer_len + e->key_len;
}

static enum tine_action
say(struct tine_conn *c, const char *answer, size_t len)
{
	tine_count_requests(c, 1);
	return tine_reply(c, answer, len) == 0 ? TINE_OK : TINE_ABORT;
}

static struct pair *
pair_new(const char *key, size_t key_len, const char *value, size_t value_len)
{
	struct pair *e = malloc(sizeof(*e) + 1 + value_len + key_len);

	if (e == NULL)
		return NULL;
	e->answer_len = 1 + value_len;
	e->answer[0] = '+';
	(void)memcpy(e->answer + 1, value, value_len);
	(void)memcpy(e->answer + e->answer_len, key, key_len);
	e->key = e->answer + e->answer_len;
	e->key_len = key_len;
	return e;
}

/* In the place of one that has the same key; -1: there is no room. */
static int
put(struct pair *e)
{
	struct pair **at = tfind(e, &store.tree, compare);
	size_t old = at == NULL ? 0 : cost(*at);

	if (store.bytes - old + cost(e) > store.max_bytes)
		return -1;
	if (at == NULL)
		at = tsearch(e, &store.tree, compare);
	else
		free(*at);
	if (at == NULL)
		return -1;
	*at = e;
	store.bytes += cost(e) - old;
	return 0;
}

static enum tine_action
kv_set(struct tine_conn *c, const char *in, size_t len)
{
	struct pair *e;
	size_t key_len;

	if (len < 2)
		return say(c, "!malformed", 10);
	key_len = (size_t)(unsigned char)in[0] << 8 | (unsigned char)in[1];
	if (key_len > len - 2)
		return say(c, "!malformed", 10);
	e = pair_new(in + 2, key_len, in + 2 + key_len, len - 2 - key_len);
	if (e == NULL || put(e) == -1) {
		free(e);
		return say(c, "!full", 5);
	}
	return say(c, "+", 1);
}

static enum tine_action
kv_get(struct tine_conn *c, const char *key, size_t len)
{
	const struct pair wanted = { .key = key, .key_len = len };
	struct pair **at = tfind(&wanted, &store.tree, compare);

	if (at == NULL)
		return say(c, "-", 1);
	return say(c, (*at)->answer, (*at)->answer_len);
}

static enum tine_action
kv_delete(struct tine_conn *c, const char *key, size_t len)
{
	const struct pair wanted = { .key = key, .key_len = len };
	struct pair **at = tfind(&wanted, &store.tree, compare), *e;

	if (at == NULL)
		return say(c, "-", 1);
	e = *at;
	(void)tdelete(&wanted, &store.tree, compare);
	store.bytes -= cost(e);
	free(e);
	return say(c, "+", 1);
}

static enum tine_action
kv_frame(struct tine_conn *c, const void *bytes, size_t len)
{
	const char *in = bytes;

	switch (len == 0 ? '\0' : in[0]) {
	case 'S':
		return kv_set(c, in + 1, len - 1);
	case 'G':
		return kv_get(c, in + 1, len - 1);
	case 'D':
		return kv_delete(c, in + 1, len - 1);
	default:
		return say(c, "!malformed", 10);
	}
}

static enum tine_action
kv_start(struct tine_child *child)
{
	store.max_bytes = (size_t)tine_option_int(child, "memory");
	return TINE_OK;
}

static void
kv_stop(struct tine_child *child)
{
	(void)child;
	tdestroy(store.tree, free);
	store.tree = NULL;
	store.bytes = 0;
}

TINE_HANDLER(.name = "kv", .options = options, .codec = &codec,
    .start = kv_start, .stop = kv_stop, .frame = kv_frame);

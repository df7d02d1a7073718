/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hose.c: a sound handler for tests. It has `total` bytes for each client and
 * writes as many as it is allowed to, and more whenever it is told to go on.
 */
#include <tine.h>

#include <errno.h>

static const char piece[60000];

struct hose {
	int64_t left;
};

static enum tine_action
pour(struct tine_conn *c)
{
	struct hose *h = tine_state(c);
	size_t n;

	while (h->left > 0) {
		n = h->left < (int64_t)sizeof(piece) ? (size_t)h->left
						     : sizeof(piece);
		if (tine_write(c, piece, n) == -1)
			return errno == ENOBUFS ? TINE_OK : TINE_ABORT;
		h->left -= (int64_t)n;
	}
	return TINE_CLOSE;
}

static enum tine_action
hose_open(struct tine_conn *c)
{
	struct hose *h = tine_state(c);

	h->left = tine_option_int(tine_child(c), "total");
	return pour(c);
}

static void
hose_drained(struct tine_conn *c)
{
	if (pour(c) != TINE_OK)
		tine_close(c);
}

static const struct tine_option options[] = {
	{ .name = "total",
	    .type = TINE_SIZE,
	    .value = "1g",
	    .help = "bytes for each client" },
	{ .name = NULL },
};

TINE_HANDLER(.name = "hose", .options = options,
    .conn_size = sizeof(struct hose), .open = hose_open,
    .drained = hose_drained);

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proxy.so: each connection is passed on to another server.
 *
 *     build/tine -l 7777 ./build/examples/proxy.so to=tcp://127.0.0.1:8080
 *
 * The client is not read before the other connection stands. Then the two are
 * piped: nothing of what goes through them is seen here any more, who takes
 * less than comes holds up who sends it, and each end is passed on.
 */
#include <tine.h>

#define CONNECT_SECONDS 10

static const struct tine_option options[] = {
	{ .name = "to",
	    .type = TINE_STRING,
	    .help = "URL of the server behind" },
	{ .name = NULL },
};

/* The context of a connection is the other one, until they are piped. */
static void
proxy_close(struct tine_conn *c, enum tine_cause cause, int err)
{
	struct tine_conn *other = tine_context(c);

	if (other == NULL)
		return;
	(void)tine_set_context(other, NULL);
	if (cause == TINE_ERROR)
		tine_log(other, TINE_LOG_WARN, "the server behind: error %d",
		    err);
	tine_abort(other);
}

static enum tine_action
behind_open(struct tine_conn *c)
{
	struct tine_conn *client = tine_context(c);

	if (tine_pipe(client, c) == -1)
		return TINE_ABORT;
	(void)tine_set_context(client, NULL);
	(void)tine_set_context(c, NULL);
	tine_resume(client);
	return TINE_OK;
}

static const struct tine_handler behind = {
	.size = sizeof(struct tine_handler),
	.abi = TINE_ABI,
	.name = "proxy-behind",
	.open = behind_open,
	.close = proxy_close,
};

static enum tine_action
proxy_open(struct tine_conn *client)
{
	struct tine_child *child = tine_child(client);
	struct tine_conn *c;

	c = tine_connect(child, &behind, tine_option(child, "to", NULL),
	    CONNECT_SECONDS, client);
	if (c == NULL)
		return TINE_ABORT;
	if (tine_set_context(client, c) == -1) {
		(void)tine_set_context(c, NULL);
		tine_abort(c);
		return TINE_ABORT;
	}
	tine_pause(client);
	return TINE_OK;
}

static enum tine_action
proxy_start(struct tine_child *child)
{
	if (tine_option(child, "to", NULL) != NULL)
		return TINE_OK;
	tine_set_error(child, "proxy: set to=URL, the server behind");
	return TINE_CLOSE;
}

TINE_HANDLER(.name = "proxy", .options = options, .start = proxy_start,
    .open = proxy_open, .close = proxy_close);

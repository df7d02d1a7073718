/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * listening.c: where a server of this child listens, and how the children share
 * that, as a handler may ask. Runs in children, and knows no more than what
 * they were born with; the sockets are accept.c's.
 */
#include <stdlib.h>
#include <string.h>

#include "child/child.h"

static const struct heritage_slot *
find(const struct tine_child *s, size_t listen)
{
	const struct heritage *h = s->child->heritage;
	size_t i, server = (size_t)(s->conf - s->child->conf->servers);

	for (i = 0; i < h->nslots; i++)
		if (h->slots[i].server == server &&
		    h->slots[i].listen == listen)
			return &h->slots[i];
	return NULL;
}

int
listening_init(struct tine_child *s, struct err *err)
{
	size_t i, n = s->conf->nlistens;
	char text[URL_TEXT_MAX];

	s->urls = calloc(n, sizeof(*s->urls));
	if (s->urls == NULL && n > 0)
		return err_sys(err, "memory for addresses");
	for (i = 0; i < n; i++) {
		const struct heritage_slot *slot = find(s, i);
		struct url url = s->conf->listens[i];

		if (slot != NULL)
			url.port = slot->port;
		s->urls[i] = strdup(url_print_short(&url, text, sizeof(text)));
		if (s->urls[i] == NULL) {
			(void)err_sys(err, "memory for addresses");
			listening_fini(s);
			return -1;
		}
	}
	return 0;
}

void
listening_fini(struct tine_child *s)
{
	size_t i;

	for (i = 0; s->urls != NULL && i < s->conf->nlistens; i++)
		free(s->urls[i]);
	free(s->urls);
	s->urls = NULL;
}

/* ---- tine.h: what never changes, so that any thread may ask ---- */

size_t
tine_listeners(const struct tine_child *s)
{
	return s->conf->nlistens;
}

const char *
tine_listener_url(const struct tine_child *s, size_t i)
{
	return i < s->conf->nlistens ? s->urls[i] : NULL;
}

/* Some of them may be unix sockets, which are shared in any mode. */
const char *
tine_accept_mode(const struct tine_child *s)
{
	enum conf_accept mode = CONF_ACCEPT_SHARED;
	size_t i;

	for (i = 0; i < s->conf->nlistens && mode == CONF_ACCEPT_SHARED; i++) {
		const struct heritage_slot *slot = find(s, i);

		if (slot != NULL)
			mode = slot->mode;
	}
	return conf_accept_names[mode];
}

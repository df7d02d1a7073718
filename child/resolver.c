/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * resolver.c: from a URL to the addresses to connect to. Runs in children.
 * getaddrinfo(3) blocks, so a thread of offload.c calls it; what it says comes
 * back on the loop. A look-up that nobody waits for any more is finished by the
 * thread all the same: a call to getaddrinfo cannot be taken back.
 */
#include "child/resolver.h"

#include <netdb.h>

#include <bsd/sys/queue.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base.h"

struct lookup {
	LIST_ENTRY(lookup) entry;
	struct url url;
	struct resolver_answer answer;
	void (*done)(void *arg, const struct resolver_answer *);
	void *arg; /* of done */
	bool is_cancelled;
};

/* Under way. A child that ends does not wait for them. */
static LIST_HEAD(, lookup) lookups = LIST_HEAD_INITIALIZER(lookups);

static int
family_of(enum url_scheme scheme)
{
	switch (scheme) {
	case URL_TCP4:
		return AF_INET;
	case URL_TCP6:
		return AF_INET6;
	default:
		return AF_UNSPEC;
	}
}

/* What connect() would have said of an address that it could not have. */
static int
errno_of(int code)
{
	switch (code) {
	case EAI_AGAIN:
		return EAGAIN;
	case EAI_MEMORY:
		return ENOMEM;
	case EAI_SYSTEM:
		return errno;
	case EAI_NONAME:
	case EAI_NODATA:
		return ENOENT;
	default:
		return EHOSTUNREACH;
	}
}

static void
ask(const struct url *u, int flags, struct resolver_answer *answer)
{
	const struct addrinfo hints = {
		.ai_family = family_of(u->scheme),
		.ai_socktype = SOCK_STREAM,
		.ai_flags = flags,
	};
	struct addrinfo *found, *f;
	int code;

	answer->n = 0;
	code = getaddrinfo(u->host, NULL, &hints, &found);
	answer->err = code == 0 ? 0 : errno_of(code);
	if (code != 0)
		return;
	for (f = found; f != NULL; f = f->ai_next) {
		struct addr *a = &answer->addrs[answer->n];

		if (answer->n == RESOLVER_ADDRESSES_MAX ||
		    f->ai_addrlen > sizeof(a->u))
			break;
		(void)memset(a, 0, sizeof(*a));
		(void)memcpy(&a->u, f->ai_addr, f->ai_addrlen);
		a->len = f->ai_addrlen;
		addr_set_port(a, u->port);
		answer->n++;
	}
	freeaddrinfo(found);
}

int
resolver_now(const struct url *u, struct resolver_answer *answer)
{
	struct err err;

	answer->err = 0;
	answer->n = 1;
	if (u->scheme == URL_UNIX) {
		if (addr_from_path(&answer->addrs[0], u->path, &err) == -1)
			answer->err = EINVAL;
		return 1;
	}
	if (u->host[0] == '\0' || u->port == 0) {
		answer->err = EDESTADDRREQ;
		return 1;
	}
	ask(u, AI_NUMERICHOST, answer);
	return answer->err == 0;
}

/* ---- on a thread ---- */

static void
look_up(void *arg)
{
	struct lookup *l = arg;

	/* Addresses of a family that this machine has not are left out. */
	ask(&l->url, AI_ADDRCONFIG, &l->answer);
}

/* ---- on the loop ---- */

static void
on_answer(struct tine_child *s, void *arg)
{
	struct lookup *l = arg;

	(void)s;
	if (!l->is_cancelled)
		l->done(l->arg, &l->answer);
	LIST_REMOVE(l, entry);
	free(l);
}

struct lookup *
resolver_begin(struct tine_child *s, const struct url *u,
    void (*done)(void *, const struct resolver_answer *), void *arg)
{
	struct lookup *l = malloc(sizeof(*l));

	if (l == NULL)
		return NULL;
	*l = (struct lookup){ .url = *u, .done = done, .arg = arg };
	if (tine_offload(s, look_up, on_answer, l) == -1) {
		free(l);
		return NULL;
	}
	LIST_INSERT_HEAD(&lookups, l, entry);
	return l;
}

void
resolver_cancel(struct lookup *l)
{
	if (l != NULL)
		l->is_cancelled = true;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * receive.c: connections that the acceptor hands over. Runs in children.
 * Receives as many at once as the limits have room for, and looks at what came:
 * whatever stands in a pair, it does this child no harm.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>

#include "child/child.h"
#include "shared/handoff.h"

/* Within so many of the limit the descriptors may run out. */
#define TIGHT_FILES 128

/* A record whose descriptor finds no room in our table is gone, unlike a
 * connection that accept4() cannot take: so try before. */
static bool
has_file(struct child *ch, int fd)
{
	int probe;

	if ((uint64_t)ch->highest_fd + TIGHT_FILES < ch->max_files)
		return true;
	probe = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (probe == -1)
		return false;
	closefd(&probe);
	return true;
}

static unsigned
at_least_0(uint64_t room, uint64_t used)
{
	return room > used ? (unsigned)MIN_OF(room - used, HANDOFF_BATCH) : 0;
}

/* So many that none of them is over a limit; 1 if admit.c decides. */
static unsigned
most_at_once(const struct listener *l, const struct admission *a)
{
	const struct tine_child *s = l->server;
	const struct child *ch = s->child;
	unsigned room = at_least_0(ch->max_conns, ch->nconns);

	if (a->over != BOARD_OVER_NOTHING ||
	    (uint64_t)ch->highest_fd + TIGHT_FILES >= ch->max_files)
		return 1;
	if (s->limits.connections > 0)
		room =
		    MIN_OF(room, at_least_0(s->limits.connections, s->nconns));
	if (ch->conf->overload.accept_rate > 0)
		room = MIN_OF(room, (unsigned)ch->pace.tokens);
	return MAX_OF(room, 1);
}

static void
blame(const struct listener *l)
{
	static struct log_limit limit = { .burst = 5 };
	char more[64];
	unsigned missed;

	if (log_limit_pass(&limit, &missed))
		log_error("security: what came through the hand-off pair %u is "
			  "no connection; closed%s",
		    (unsigned)l->id,
		    log_print_missed(missed, more, sizeof(more)));
}

static void
take(struct listener *l, int fd, const struct admission *a)
{
	struct addr from = { .len = sizeof(from.u) };
	struct child *ch = l->server->child;

	ch->highest_fd = MAX_OF(ch->highest_fd, fd);
	if (!handoff_accept(fd)) {
		blame(l);
		closefd(&fd);
		return;
	}
	if (l->server->limits.per_address > 0 &&
	    getpeername(fd, &from.u.sa, &from.len) == -1)
		from.u.sa.sa_family = AF_UNSPEC;
	admit_take(l->server, fd, l->listen, &from.u.sa, a);
}

int
receive_some(struct listener *l, unsigned most)
{
	struct admission a;
	int fds[HANDOFF_BATCH], i, n, asked;

	while (most > 0 && admit_look(l->server, &a)) {
		if (!has_file(l->server->child, l->io.fd))
			return EMFILE;
		asked = (int)MIN_OF(most, most_at_once(l, &a));
		n = handoff_receive(l->io.fd, fds, asked);
		if (n <= 0)
			return n == 0 ? EPIPE : errno;
		for (i = 0; i < n; i++) {
			take(l, fds[i], &a);
			a = (struct admission){ .over = BOARD_OVER_NOTHING };
		}
		/* Fewer than there was room for: nothing waits any more. */
		if (n < asked)
			break;
		most -= (unsigned)n;
	}
	return 0;
}

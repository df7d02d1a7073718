/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * packeter.c: clients of the chaos runs that speak UDP. Each sends as many
 * numbered packets as `asks` says, at once and from a port of its own, to a
 * server that echoes. It has succeeded when each came back once, whole and
 * unchanged; what does not come back in time is lost.
 */
#include "client.h"

/* An Ethernet frame's worth, and more for every eighth packet. */
#define SMALL_MAX 1400
#define LARGE_MAX 9000
#define PACKETS_MAX 64
/* Each packet has a pattern of its own. */
#define BASE(s, n) (((s)->serial << 32) + ((uint64_t)(n) << 24))

static unsigned char scratch[LARGE_MAX + 1];

/* The same whenever it is asked for: the number stands in the first byte. */
static size_t
length_of(const struct session *s, uint64_t n)
{
	uint64_t rng = s->load->seed + s->serial * PACKETS_MAX + n;
	size_t most = n % 8 == 7 ? LARGE_MAX : SMALL_MAX;

	return 1 + (size_t)(client_random(&rng) % most);
}

static void
packeter_due(struct session *s, uint64_t now)
{
	(void)now;
	session_fail(s, FAILURE_TIMEOUT, 0);
}

static void
packeter_connected(struct session *s, uint64_t now)
{
	size_t len;
	uint64_t n;

	(void)now;
	s->phase = PHASE_SENT;
	for (n = 0; n < s->load->asks; n++) {
		len = length_of(s, n);
		pattern_fill(scratch, len, BASE(s, n), 0);
		scratch[0] = (unsigned char)n;
		if (send(s->fd, scratch, len, MSG_NOSIGNAL) == -1) {
			session_fail_errno(s, errno);
			return;
		}
		s->sent += len;
		s->load->tally.bytes_up += len;
	}
}

/* told_to has a bit for each packet that came back. */
static bool
is_right(const struct session *s, size_t len)
{
	unsigned n = scratch[0];
	uint64_t skip = 1;

	return n < s->load->asks && (s->told_to & (1ULL << n)) == 0 &&
	    len == length_of(s, n) &&
	    pattern_matches(scratch + skip, len - skip, BASE(s, n), skip);
}

static void
packeter_input(struct session *s, uint64_t now)
{
	struct load *l = s->load;
	bool is_over;
	size_t len;

	while (
	    (len = session_read(s, scratch, sizeof(scratch), &is_over)) > 0) {
		if (!is_right(s, len)) {
			session_fail(s, FAILURE_WRONG_BYTES, 0);
			return;
		}
		s->phase = PHASE_ANSWERING;
		s->told_to |= 1ULL << scratch[0];
		l->tally.answers++;
		if (++s->asked < l->asks)
			continue;
		tally_sample(&l->tally, s, now);
		l->tally.done++;
		session_end(s);
		return;
	}
}

static void
packeter_begin(struct session *s, uint64_t due_ns)
{
	s->due_ns = due_ns;
	session_connect(s);
}

const struct kind packeter_packets = { .name = "packets",
	.is_packets = true,
	.begin = packeter_begin,
	.connected = packeter_connected,
	.input = packeter_input,
	.due = packeter_due };

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * echoer.c: the echo streams of the chaos runs. A stream sends at its pace and
 * looks at every byte that comes back. It has succeeded when all its bytes are
 * back; a server that closes when every byte sent so far is back has lost none,
 * which is told apart from one that has.
 */
#include "client.h"

#define SCRATCH (64 * 1024)
#define TICK_NS (10 * NSEC_PER_MSEC)
/* Each stream has a pattern of its own. */
#define BASE(s) ((s)->serial << 32)

static unsigned char scratch[SCRATCH];

static bool
is_done(const struct session *s)
{
	return s->received == s->sent &&
	    (s->sent == s->load->bytes || s->load->is_ending);
}

static void
finish(struct session *s)
{
	s->load->tally.done++;
	session_end(s);
}

/* Send what the pace allows by now. */
static void
send_paced(struct session *s, uint64_t now)
{
	struct load *l = s->load;
	uint64_t may = (now - s->begun_ns) / NSEC_PER_MSEC * l->pace / 1000;
	size_t len;
	ssize_t n;

	may = MIN_OF(may, l->bytes);
	if (may <= s->sent || l->is_ending)
		return;
	len = (size_t)MIN_OF(may - s->sent, sizeof(scratch));
	pattern_fill(scratch, len, BASE(s), s->sent);
	n = send(s->fd, scratch, len, MSG_NOSIGNAL);
	if (n == -1) {
		if (errno != EAGAIN)
			session_fail_errno(s, errno);
		return;
	}
	if (s->received == s->sent)
		s->moved_ns = now;
	s->sent += (uint64_t)n;
	l->tally.bytes_up += (uint64_t)n;
	if (s->phase == PHASE_IDLE)
		s->phase = PHASE_SENT;
}

static void
echoer_due(struct session *s, uint64_t now)
{
	struct load *l = s->load;

	if (s->phase == PHASE_CONNECTING ||
	    (s->received < s->sent && now > s->moved_ns + l->timeout_ns)) {
		session_fail(s, FAILURE_TIMEOUT, 0);
		return;
	}
	if (is_done(s)) {
		finish(s);
		return;
	}
	agenda_set(&l->agenda, &s->item, now + TICK_NS);
	send_paced(s, now);
}

static void
echoer_input(struct session *s, uint64_t now)
{
	uint64_t from = s->received;
	bool is_over;
	size_t n;

	n = session_read(s, scratch, sizeof(scratch), &is_over);
	if (n == 0)
		return;
	s->phase = PHASE_ANSWERING;
	s->moved_ns = now;
	if (s->received > s->sent ||
	    !pattern_matches(scratch, n, BASE(s), from))
		session_fail(s, FAILURE_WRONG_BYTES, 0);
	else if (is_done(s))
		finish(s);
}

static void
echoer_begin(struct session *s, uint64_t due_ns)
{
	s->due_ns = due_ns;
	session_connect(s);
}

const struct kind echoer_echo = { .name = "echo",
	.is_stream = true,
	.begin = echoer_begin,
	.connected = echoer_due,
	.input = echoer_input,
	.due = echoer_due };

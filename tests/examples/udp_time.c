/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_time.so: the time, to whoever asks with a packet that begins with `time`.
 * Other packets get no answer: two servers that answered everything would talk
 * to each other for ever. Anybody can write any sender into a packet, so an
 * answer should not be much longer than its question.
 *
 *     build/tine -l udp://:7777 ./build/examples/udp_time.so
 *     echo time | nc -u -w 1 127.0.0.1 7777
 */
#include <string.h>
#include <time.h>

#include <tine.h>

static enum tine_action
time_datagram(struct tine_dgram *d)
{
	time_t now = (time_t)tine_time(tine_dgram_child(d));
	char text[32];
	const char *question;
	size_t len, n;

	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ\n", gmtime(&now));
	/* All that came at once: the answers leave in one call, too. */
	do {
		question = tine_dgram_bytes(d, &len);
		if (len >= 4 && memcmp(question, "time", 4) == 0)
			(void)tine_dgram_reply(d, text, n);
	} while (tine_dgram_next(d));
	return TINE_OK;
}

TINE_HANDLER(.name = "udp_time", .datagram = time_datagram);

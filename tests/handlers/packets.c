/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * packets.c: a handler of UDP packets that tells what it sees. Each callback
 * asks for all packets of its batch. A packet "tell PORT" is answered by "news"
 * to that port of the client's host, "stop" ends the server, all others by
 * "PLACE CALLS NUMBER": which child, how many callbacks it has had, and which
 * packet of the batch this was.
 */
#include <tine.h>

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static unsigned calls;

static void
tell(struct tine_dgram *d, unsigned port)
{
	struct sockaddr_in to;
	socklen_t len;

	(void)memcpy(&to, tine_dgram_peer(d, &len), sizeof(to));
	to.sin_port = htons((uint16_t)port);
	(void)tine_dgram_send(tine_dgram_child(d), tine_dgram_listener(d),
	    (const struct sockaddr *)&to, sizeof(to), "news", 4);
}

static enum tine_action
packets_datagram(struct tine_dgram *d)
{
	char text[64] = "", answer[64];
	unsigned port, number = 0;
	const char *bytes;
	size_t len;

	calls++;
	do {
		bytes = tine_dgram_bytes(d, &len);
		(void)memset(text, 0, sizeof(text));
		(void)memcpy(text, bytes, len < 63 ? len : 63);
		if (sscanf(text, "tell %u", &port) == 1) {
			tell(d, port);
			continue;
		}
		if (strcmp(text, "stop") == 0)
			return TINE_STOP;
		(void)snprintf(answer, sizeof(answer), "%d %u %u",
		    tine_place(tine_dgram_child(d)), calls, number++);
		(void)tine_dgram_reply(d, answer, strlen(answer));
	} while (tine_dgram_next(d));
	return TINE_OK;
}

TINE_HANDLER(.name = "packets", .flags = TINE_MAY_STOP,
    .datagram = packets_datagram);

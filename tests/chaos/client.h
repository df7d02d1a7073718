/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.h: the open-loop client of the chaos runs: one process plays one kind
 * of client with one server. What is to be asked, and when, is a fixed
 * schedule; whatever the server does, the schedule does not wait for it, and
 * every latency counts from the moment that the schedule names. So a server
 * that makes its clients wait cannot hide it.
 */
#ifndef TINE_TESTS_CHAOS_CLIENT_H
#define TINE_TESTS_CHAOS_CLIENT_H

#include <sys/queue.h>
#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base.h"

#define NSEC_PER_MSEC 1000000ULL
#define HEAD_MAX 2048

/* Why a question has no answer, or not the right one. */
enum failure {
	FAILURE_REFUSED,         /* nobody listens */
	FAILURE_RESET_BEFORE,    /* reset, and not a byte of the answer came */
	FAILURE_RESET_IN_MIDDLE, /* reset after a part of the answer */
	FAILURE_EOF,             /* end-of-file before the end of the answer */
	FAILURE_TIMEOUT,
	FAILURE_WRONG_BYTES,
	FAILURE_EARLY, /* a stream closed with all that was sent echoed: no
	                  byte is lost, but nobody had asked for its end */
	FAILURE_OTHER, /* any other error of a system call */
	FAILURE_NKINDS
};

/* How far a connection is. */
enum phase {
	PHASE_NONE,       /* no connection */
	PHASE_CONNECTING, /* connect() is under way */
	PHASE_IDLE,       /* connected, nothing asked */
	PHASE_SENT,       /* asked, no byte of the answer has come */
	PHASE_ANSWERING,  /* a part of the answer has come */
	PHASE_NPHASES
};

struct load;
struct session;

/* ---- agenda.c: what is to be done when: a binary heap ---- */

struct agenda_item {
	uint64_t at_ns;
	size_t index; /* in the heap, from 1 on; 0: not in it */
	void *owner;
	void (*fn)(void *owner, uint64_t now);
};

struct agenda {
	struct agenda_item **heap;
	size_t n, room;
	uint64_t late_ns; /* the most that something was done too late */
};

/* Enter an item, or move it if it is there. Ends the program when out of
 * memory. */
void agenda_set(struct agenda *, struct agenda_item *, uint64_t at_ns);
/* Take an item out; nothing happens if it is not there. */
void agenda_remove(struct agenda *, struct agenda_item *);
/* The next moment that something is due; UINT64_MAX: nothing is. */
uint64_t agenda_next(const struct agenda *);
/* Do all that is due at `now`. */
void agenda_run(struct agenda *, uint64_t now);

/* ---- pattern.c: bytes that tell where they belong ---- */

/* Write the bytes [from, from + len) of the pattern `base`. */
void pattern_fill(unsigned char *, size_t len, uint64_t base, uint64_t from);
bool pattern_matches(const unsigned char *, size_t len, uint64_t base,
    uint64_t from);

/* ---- tally.c: what was seen ---- */

struct sample {
	uint64_t due_ns, latency_ns;
	uint64_t id; /* of the connection: see struct session */
};

struct tally {
	unsigned long begun, connected, answers, done; /* done: streams ended */
	unsigned long idle_closes; /* the server closed between two questions */
	unsigned long failures[FAILURE_NKINDS];
	uint64_t bytes_up, bytes_down;
	struct sample *samples;
	size_t nsamples, room;
};

void tally_sample(struct tally *, const struct session *, uint64_t now);
/* Count a failure and print its line at once. */
void tally_failure(struct session *, enum failure, int error);
/* Print the closing line; the file `samples`, if one is named, gets all of
 * them, 24 bytes each, in the order in which they were taken. */
void tally_report(struct load *);

/* ---- session.c: one connection, or one after the other ---- */

/*
 * A session of a kind that `stays` lives as long as the run and connects anew
 * whenever it has to; any other has one connection. `id` names the connection
 * to who looks at the server from outside: the local port, or the inode of a
 * unix socket.
 */
struct session {
	struct load *load;
	enum phase phase;
	int fd;
	struct agenda_item item; /* its next question, tick or timeout */
	uint64_t id, serial, rng;
	uint64_t begun_ns; /* of the connection */
	uint64_t due_ns;   /* of the question that is asked or comes next */
	uint64_t moved_ns; /* when the transfer last got on */
	uint64_t sent, received; /* bytes on this connection */
	uint64_t told_to, heard; /* asked now: bytes to come, and come */
	uint64_t asked;          /* questions answered on this connection */
	unsigned waiting;        /* questions that have no whole answer yet */
	bool is_closing;         /* the server has said `Connection: close` */
	size_t have;             /* of the head */
	char head[HEAD_MAX];
	STAILQ_ENTRY(session) entry;
};

/* What distinguishes the kinds of clients. */
struct kind {
	const char *name;
	bool stays, is_stream, is_late; /* late: pauses before it asks */
	bool is_packets;                /* UDP */
	void (*begin)(struct session *, uint64_t due_ns);
	void (*connected)(struct session *, uint64_t now);
	void (*input)(struct session *, uint64_t now);
	void (*due)(struct session *, uint64_t now);
};

/* Take a session into use. The serial number seeds its random numbers. */
struct session *session_new(struct load *, uint64_t serial);
void session_connect(struct session *);
/* The connection ends, in order or after a failure that was counted. A session
 * that does not stay is given back and must not be touched any more. */
void session_end(struct session *);
void session_fail(struct session *, enum failure, int error);
/* As session_fail(), with the name that errno and the phase give it. */
void session_fail_errno(struct session *, int error);
/* A bounded read. Returns the number of bytes; 0 when there is none now, or
 * when the connection came to its end, which is then dealt with: is_over. */
size_t session_read(struct session *, void *, size_t room, bool *is_over);
void session_on_event(struct session *, uint32_t events);
/* A number in [low, high), of this session's own sequence. */
uint64_t session_random(struct session *, uint64_t low, uint64_t high);

/* ---- the kinds ---- */

extern const struct kind asker_fresh, asker_keepalive, asker_pipelined,
    asker_half_open, asker_long;           /* asker.c: HTTP */
extern const struct kind echoer_echo;      /* echoer.c: streams */
extern const struct kind packeter_packets; /* packeter.c: UDP */

/* ---- client.c: the run ---- */

struct load {
	const struct kind *kind;
	struct sockaddr_storage addr;
	socklen_t addrlen;
	uint64_t rate; /* arrivals or questions a second */
	uint64_t
	    poisson;    /* not 0: arrivals at random, else at equal distance */
	uint64_t count; /* arrivals in all; 0: until told to end */
	uint64_t seed, timeout_ns;
	uint64_t gap_min_ns, gap_max_ns; /* between questions of a session */
	uint64_t batch;                  /* questions in one write */
	uint64_t asks;  /* questions on a connection of a kind that leaves */
	uint64_t bytes; /* of an answer's body, or of a stream */
	uint64_t pace;  /* bytes a second; 0: as fast as they come */
	const char *path, *text, *samples; /* text: the body, not a pattern */
	int epoll;
	bool is_ending;
	uint64_t serial, rng;
	uint64_t active; /* sessions in use */
	struct agenda agenda;
	struct agenda_item arrival;
	struct tally tally;
	struct session *sessions; /* room for SESSIONS */
	STAILQ_HEAD(, session) unused;
};

#define SESSIONS 8192

/* splitmix64: the next number of the sequence whose state is *rng. */
uint64_t client_random(uint64_t *rng);

#endif

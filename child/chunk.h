/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chunk.h: a piece of a connection's unsent output: bytes of ours, bytes of
 * somebody else's, a part of a file, or what comes out of a pipe.
 */
#ifndef TINE_CHILD_CHUNK_H
#define TINE_CHILD_CHUNK_H

#include <bsd/sys/queue.h>
#include <sys/types.h>

#include <stdbool.h>

#include "child/block.h"
#include "child/pool.h"

enum chunk_kind {
	CHUNK_BYTES, /* a copy */
	CHUNK_REF,   /* the handler's, until it is released */
	CHUNK_SLICE, /* of a block */
	CHUNK_FILE,
	CHUNK_PIPE,
	CHUNK_NKINDS
};

/* With its head. */
#define CHUNK_BYTES_MAX 16384

struct chunk {
	STAILQ_ENTRY(chunk) entry;
	size_t size; /* of it all, for the pool */
	size_t left; /* to be sent */
	enum chunk_kind kind;
	int fd; /* owned, or -1 */
	union {
		const char *at; /* the first byte that is left */
		off_t off;
	};
	union {
		size_t end;          /* CHUNK_BYTES: where there is room */
		struct block *block; /* CHUNK_SLICE */
		struct {
			void (*release)(void *);
			void *arg;
		}; /* CHUNK_REF */
	};
	char bytes[]; /* CHUNK_BYTES */
};

STAILQ_HEAD(chunk_list, chunk);

/* A chunk with nothing in it, with room for bytes if it is of that kind. NULL:
 * no memory. */
struct chunk *chunk_new(struct pool *, enum chunk_kind, size_t bytes);
/* Let go of what it holds, too. */
void chunk_free(struct pool *, struct chunk *);
size_t chunk_room(const struct chunk *);
/* Copy at most len bytes behind those that are there; returns how many. */
size_t chunk_fill(struct chunk *, const char *bytes, size_t len);
/* Take what was filled in last off again, until so much is left. */
void chunk_cut(struct chunk *, size_t left);
/*
 * Send of this one and, if they are bytes, of those behind it, about `most`
 * bytes. *asked says how many the kernel was given; fewer were taken when the
 * socket is full. -1 and errno; EIO: the file or the pipe has ended too early.
 */
ssize_t chunk_send(struct chunk *, int fd, size_t most, size_t *asked);
/* Is it a pipe that has nothing now? */
bool chunk_is_dry(const struct chunk *);
/* Take n bytes, at most what is left, off its front. */
void chunk_advance(struct chunk *, size_t n);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chunk.c: the kinds of output, and how each is sent and let go of. Runs in
 * children. It knows descriptors, not connections: what an error means is for
 * others to say.
 */
#include "child/chunk.h"

#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "shared/base.h"

#define IOVECS 16

typedef ssize_t send_fn(struct chunk *, int fd, size_t most, size_t *asked);
typedef void end_fn(struct chunk *);

static send_fn send_bytes, send_file, send_pipe;
static end_fn end_ref, end_slice, end_fd;

static const struct {
	send_fn *send;
	end_fn *end;
} kinds[CHUNK_NKINDS] = {
	[CHUNK_BYTES] = { send_bytes, NULL },
	[CHUNK_REF] = { send_bytes, end_ref },
	[CHUNK_SLICE] = { send_bytes, end_slice },
	[CHUNK_FILE] = { send_file, end_fd },
	[CHUNK_PIPE] = { send_pipe, end_fd },
};

struct chunk *
chunk_new(struct pool *pool, enum chunk_kind kind, size_t bytes)
{
	size_t want = sizeof(struct chunk) + bytes, size;
	struct chunk *k;

	k = pool_get(pool, MIN_OF(want, CHUNK_BYTES_MAX), &size);
	if (k == NULL)
		return NULL;
	k->size = size;
	k->left = 0;
	k->kind = kind;
	k->fd = -1;
	k->at = k->bytes;
	k->end = 0;
	return k;
}

void
chunk_free(struct pool *pool, struct chunk *k)
{
	if (kinds[k->kind].end != NULL)
		kinds[k->kind].end(k);
	pool_put(pool, k, k->size);
}

size_t
chunk_room(const struct chunk *k)
{
	return k->kind == CHUNK_BYTES ? k->size - sizeof(*k) - k->end : 0;
}

size_t
chunk_fill(struct chunk *k, const char *bytes, size_t len)
{
	size_t n = MIN_OF(len, chunk_room(k));

	(void)memcpy(k->bytes + k->end, bytes, n);
	k->end += n;
	k->left += n;
	return n;
}

void
chunk_cut(struct chunk *k, size_t left)
{
	if (k->kind == CHUNK_BYTES)
		k->end -= k->left - left;
	k->left = left;
}

void
chunk_advance(struct chunk *k, size_t n)
{
	k->left -= n;
	/* The kernel moves the offset of a file; a pipe has none. */
	if (kinds[k->kind].send == send_bytes)
		k->at += n;
}

static void
end_ref(struct chunk *k)
{
	k->release(k->arg);
}

static void
end_slice(struct chunk *k)
{
	block_unref(k->block);
}

static void
end_fd(struct chunk *k)
{
	closefd(&k->fd);
}

static ssize_t
send_bytes(struct chunk *k, int fd, size_t most, size_t *asked)
{
	struct iovec iov[IOVECS];
	struct msghdr msg = { .msg_iov = iov };

	for (; k != NULL && *asked < most && msg.msg_iovlen < IOVECS;
	     k = STAILQ_NEXT(k, entry)) {
		union {
			const char *ro;
			void *rw;
		} base = { .ro = k->at };

		if (kinds[k->kind].send != send_bytes)
			break;
		iov[msg.msg_iovlen].iov_base = base.rw;
		iov[msg.msg_iovlen].iov_len = MIN_OF(k->left, most - *asked);
		*asked += iov[msg.msg_iovlen++].iov_len;
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL | (k == NULL ? 0 : MSG_MORE));
}

static ssize_t
send_file(struct chunk *k, int fd, size_t most, size_t *asked)
{
	*asked = MIN_OF(k->left, most);
	return sendfile(fd, k->fd, &k->off, *asked);
}

static ssize_t
send_pipe(struct chunk *k, int fd, size_t most, size_t *asked)
{
	unsigned more = STAILQ_NEXT(k, entry) == NULL ? 0 : SPLICE_F_MORE;

	*asked = MIN_OF(k->left, most);
	return splice(k->fd, NULL, fd, NULL, *asked, SPLICE_F_NONBLOCK | more);
}

ssize_t
chunk_send(struct chunk *k, int fd, size_t most, size_t *asked)
{
	ssize_t n;

	*asked = 0;
	n = kinds[k->kind].send(k, fd, most, asked);
	if (n != 0)
		return n;
	errno = EIO;
	return -1;
}

bool
chunk_is_dry(const struct chunk *k)
{
	int n = 0;

	return k->kind == CHUNK_PIPE && ioctl(k->fd, FIONREAD, &n) == 0 &&
	    n == 0;
}

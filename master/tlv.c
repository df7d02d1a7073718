/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tlv.c: write and verify records. Runs in the master and in a new binary that
 * is tried. It knows no tag: what an entry means is its writer's and reader's
 * business. No length is used before it was compared with what is there.
 */
#include "master/tlv.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_LEAST 4096
#define TAG_SKEWED 0xfffe /* what only the other build writes */

/* What stands before an entry's bytes. */
struct mark {
	uint16_t tag, flags;
	uint32_t len;
};

/* FNV-1a: against broken writers, not against liars. */
static uint64_t
sum(uint64_t hash, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	size_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
	return hash;
}

uint64_t
tlv_checksum(const void *record, size_t len)
{
	struct tlv_head head;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	(void)memcpy(&head, record, sizeof(head));
	head.checksum = 0;
	hash = sum(hash, &head, sizeof(head));
	return sum(hash, (const unsigned char *)record + sizeof(head),
	    len - sizeof(head));
}

/* ---- writing ---- */

/* Room for n bytes more; false when the writer has failed. */
static bool
make_room(struct tlv_writer *w, size_t n)
{
	size_t room = MAX_OF(w->room, ROOM_LEAST);
	unsigned char *bytes;

	if (w->error != 0)
		return false;
	if (n > TLV_BYTES_MAX - w->len) {
		w->error = EFBIG;
		return false;
	}
	while (room < w->len + n)
		room *= 2;
	if (room == w->room)
		return true;
	bytes = realloc(w->bytes, room);
	if (bytes == NULL) {
		w->error = ENOMEM;
		return false;
	}
	w->bytes = bytes;
	w->room = room;
	return true;
}

static void
put_entry(struct tlv_writer *w, struct mark mark, const void *bytes)
{
	if (!make_room(w, sizeof(mark) + mark.len))
		return;
	(void)memcpy(w->bytes + w->len, &mark, sizeof(mark));
	w->len += sizeof(mark);
	if (mark.len > 0)
		(void)memcpy(w->bytes + w->len, bytes, mark.len);
	w->len += mark.len;
}

static void
put_skew(struct tlv_writer *w)
{
	if (SKEW)
		tlv_put(w, TAG_SKEWED, "skew", 4);
}

void
tlv_writer_init(struct tlv_writer *w)
{
	const struct tlv_head head = {
		.magic = TLV_MAGIC,
		.version = TLV_VERSION,
		.readable_by = TLV_READABLE_BY,
	};

	*w = (struct tlv_writer){ 0 };
	if (!make_room(w, sizeof(head)))
		return;
	(void)memcpy(w->bytes, &head, sizeof(head));
	w->len = sizeof(head);
	put_skew(w);
}

void
tlv_writer_fini(struct tlv_writer *w)
{
	free(w->bytes);
	*w = (struct tlv_writer){ 0 };
}

void
tlv_put(struct tlv_writer *w, uint16_t tag, const void *bytes, size_t len)
{
	if (len > TLV_BYTES_MAX) {
		w->error = w->error == 0 ? EFBIG : w->error;
		return;
	}
	put_entry(w, (struct mark){ .tag = tag, .len = (uint32_t)len }, bytes);
}

void
tlv_put_int(struct tlv_writer *w, uint16_t tag, int64_t value)
{
	tlv_put(w, tag, &value, sizeof(value));
}

void
tlv_put_text(struct tlv_writer *w, uint16_t tag, const char *text)
{
	if (text != NULL)
		tlv_put(w, tag, text, strlen(text) + 1);
}

void
tlv_nest(struct tlv_writer *w, uint16_t tag)
{
	assert(w->depth < TLV_DEPTH_MAX);
	w->nests[w->depth++] = w->len;
	put_entry(w, (struct mark){ .tag = tag, .flags = TLV_NEST }, NULL);
	put_skew(w);
}

void
tlv_unnest(struct tlv_writer *w)
{
	struct mark mark;
	size_t at;

	assert(w->depth > 0);
	at = w->nests[--w->depth];
	if (w->error != 0)
		return;
	(void)memcpy(&mark, w->bytes + at, sizeof(mark));
	mark.len = (uint32_t)(w->len - at - sizeof(mark));
	(void)memcpy(w->bytes + at, &mark, sizeof(mark));
}

int
tlv_finish(struct tlv_writer *w)
{
	struct tlv_head head;

	assert(w->depth == 0);
	if (w->error != 0) {
		errno = w->error;
		return -1;
	}
	(void)memcpy(&head, w->bytes, sizeof(head));
	head.length = w->len;
	(void)memcpy(w->bytes, &head, sizeof(head));
	head.checksum = tlv_checksum(w->bytes, w->len);
	(void)memcpy(w->bytes, &head, sizeof(head));
	return 0;
}

/* A memfd takes a write whole, up to 2 GiB, or is out of memory. */
static int
fill(int fd, const struct tlv_writer *w)
{
	ssize_t n = pwrite(fd, w->bytes, w->len, 0);

	if (n == (ssize_t)w->len)
		return fcntl(fd, F_ADD_SEALS,
		    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	if (n != -1)
		errno = ENOSPC;
	return -1;
}

int
tlv_seal(struct tlv_writer *w, const char *name, struct err *err)
{
	int fd = -1;

	if (tlv_finish(w) == -1)
		return err_sys(err, "record %s", name);
	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd == -1 || fill(fd, w) == -1) {
		err_sys(err, "memory for the record %s", name);
		closefd(&fd);
	}
	return fd;
}

/* ---- reading ---- */

/* The entry at the beginning of len bytes; false when it is not whole. */
static bool
take_entry(const unsigned char *bytes, size_t len, struct tlv *entry)
{
	struct mark mark;

	if (len < sizeof(mark))
		return false;
	(void)memcpy(&mark, bytes, sizeof(mark));
	if (mark.len > len - sizeof(mark))
		return false;
	*entry = (struct tlv){
		.tag = mark.tag,
		.flags = mark.flags,
		.len = mark.len,
		.bytes = bytes + sizeof(mark),
	};
	return true;
}

static bool
is_whole(const unsigned char *bytes, size_t len, unsigned depth)
{
	struct tlv e;

	if (depth > TLV_DEPTH_MAX)
		return false;
	for (; len > 0; len -= (size_t)(e.bytes - bytes) + e.len,
	     bytes = e.bytes + e.len) {
		if (!take_entry(bytes, len, &e))
			return false;
		if ((e.flags & TLV_NEST) != 0 &&
		    !is_whole(e.bytes, e.len, depth + 1))
			return false;
	}
	return true;
}

static int
refuse(struct err *err, const char *why)
{
	return err_set(err, EXIT_RUNTIME, "the record %s", why);
}

int
tlv_parse(struct tlv_record *r, const void *bytes, size_t len, struct err *err)
{
	const unsigned char *body = (const unsigned char *)bytes;
	struct tlv_head head;

	*r = (struct tlv_record){ 0 };
	if (len < sizeof(head))
		return refuse(err, "is too short");
	(void)memcpy(&head, bytes, sizeof(head));
	if (memcmp(head.magic, TLV_MAGIC, sizeof(head.magic)) != 0)
		return refuse(err, "is none of tine's");
	if (head.readable_by > TLV_VERSION)
		return err_set(err, EXIT_RUNTIME,
		    "the record is of version %u, for readers of version %u "
		    "and later; this one is of version %u",
		    (unsigned)head.version, (unsigned)head.readable_by,
		    (unsigned)TLV_VERSION);
	if (head.length < sizeof(head) || head.length > len)
		return refuse(err, "is cut off");
	if (head.checksum != tlv_checksum(bytes, (size_t)head.length))
		return refuse(err, "is damaged: its checksum is wrong");
	if (!is_whole(body + sizeof(head), (size_t)head.length - sizeof(head),
		0))
		return refuse(err, "is damaged: an entry leads out of it");
	r->version = head.version;
	r->checksum = head.checksum;
	r->root = (struct tlv){
		.flags = TLV_NEST,
		.len = (size_t)head.length - sizeof(head),
		.bytes = body + sizeof(head),
	};
	return 0;
}

int
tlv_open(struct tlv_record *r, int fd, struct err *err)
{
	unsigned char *memory;
	struct stat st;
	ssize_t n;

	*r = (struct tlv_record){ 0 };
	if (fstat(fd, &st) == -1)
		return err_sys(err, "the record");
	if (st.st_size > TLV_BYTES_MAX)
		return refuse(err, "is too long");
	memory = malloc((size_t)st.st_size + 1);
	n = memory == NULL ? -1 : pread(fd, memory, (size_t)st.st_size, 0);
	if (n == -1)
		err_sys(err, "read the record");
	if (n == -1 || tlv_parse(r, memory, (size_t)n, err) == -1) {
		free(memory);
		return -1;
	}
	r->memory = memory;
	return 0;
}

void
tlv_close(struct tlv_record *r)
{
	free(r->memory);
	*r = (struct tlv_record){ 0 };
}

bool
tlv_next(const struct tlv *nest, struct tlv *entry)
{
	const unsigned char *at = nest->bytes;

	if ((nest->flags & TLV_NEST) == 0)
		return false;
	if (entry->bytes != NULL)
		at = entry->bytes + entry->len;
	return take_entry(at, nest->len - (size_t)(at - nest->bytes), entry);
}

bool
tlv_find(const struct tlv *nest, uint16_t tag, struct tlv *found)
{
	struct tlv e = { 0 };

	while (tlv_next(nest, &e))
		if (e.tag == tag) {
			*found = e;
			return true;
		}
	return false;
}

int
tlv_int(const struct tlv *nest, uint16_t tag, int64_t least, int64_t most,
    int64_t *value)
{
	struct tlv e;
	int64_t n;

	if (!tlv_find(nest, tag, &e)) {
		errno = ENOENT;
		return -1;
	}
	if (e.len != sizeof(n)) {
		errno = EBADMSG;
		return -1;
	}
	(void)memcpy(&n, e.bytes, sizeof(n));
	if (n < least || n > most) {
		errno = ERANGE;
		return -1;
	}
	*value = n;
	return 0;
}

const char *
tlv_text(const struct tlv *nest, uint16_t tag)
{
	struct tlv e;

	if (!tlv_find(nest, tag, &e)) {
		errno = ENOENT;
		return NULL;
	}
	if (e.len == 0 || memchr(e.bytes, '\0', e.len) != e.bytes + e.len - 1) {
		errno = EBADMSG;
		return NULL;
	}
	return (const char *)e.bytes;
}

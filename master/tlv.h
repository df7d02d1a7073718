/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tlv.h: records that one build of the master writes and another reads: entries
 * of a tag, a length and bytes, one within another, behind a head with version,
 * length and checksum. A reader skips the tags that it does not know, so tags
 * are never used again for something else. The writer may be broken: a record
 * is verified to its last entry before any of it is believed. Numbers are in
 * the machine's own order, for a record never leaves it.
 */
#ifndef TINE_MASTER_TLV_H
#define TINE_MASTER_TLV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base.h"
#include "shared/err.h"

#define TLV_VERSION (1 + SKEW)
#define TLV_READABLE_BY 1 /* the oldest version that can read what we write */
#define TLV_BYTES_MAX (64U << 20)
#define TLV_DEPTH_MAX 8
#define TLV_MAGIC "tine-tlv" /* 8 bytes, no null byte */

struct tlv_head {
	char magic[8];
	uint16_t version;
	uint16_t readable_by; /* a reader of an older version refuses it */
	uint32_t reserved;    /* 0 */
	uint64_t length;      /* of the whole record */
	uint64_t checksum;    /* tlv_checksum() */
};

/* The bytes of the entry are entries. */
#define TLV_NEST 1U

/* ---- writing ---- */

/* The first failure is kept and told by tlv_finish(). */
struct tlv_writer {
	unsigned char *bytes;
	size_t len, room;
	size_t nests[TLV_DEPTH_MAX]; /* where those that are open begin */
	unsigned depth;
	int error; /* errno, or 0 */
};

void tlv_writer_init(struct tlv_writer *);
void tlv_writer_fini(struct tlv_writer *);
void tlv_put(struct tlv_writer *, uint16_t tag, const void *, size_t len);
void tlv_put_int(struct tlv_writer *, uint16_t tag, int64_t);
/* With its null byte; NULL: no entry at all. */
void tlv_put_text(struct tlv_writer *, uint16_t tag, const char *);
/* What is put from here to tlv_unnest() is within one entry. */
void tlv_nest(struct tlv_writer *, uint16_t tag);
void tlv_unnest(struct tlv_writer *);
/* Complete the record, which is then bytes and len of the writer: 0, or -1 and
 * errno: ENOMEM, or EFBIG for what no reader would take. */
int tlv_finish(struct tlv_writer *);
/* Complete the record and put it into a memfd that nobody can change: its
 * descriptor (close-on-exec), or -1. */
int tlv_seal(struct tlv_writer *, const char *name, struct err *);

/* ---- reading ---- */

struct tlv {
	uint16_t tag, flags;
	size_t len;
	const unsigned char *bytes;
};

/* A record that was verified. */
struct tlv_record {
	unsigned char *memory; /* tlv_open()'s, or NULL */
	uint16_t version;
	uint64_t checksum;
	struct tlv root; /* its entries are the record's */
};

uint64_t tlv_checksum(const void *record, size_t len);
/* Verify the record that these bytes begin with; they must outlive it. What
 * stands behind it does not matter. -1 with the reason. */
int tlv_parse(struct tlv_record *, const void *bytes, size_t len, struct err *);
/* The same with a copy of what a file holds. */
int tlv_open(struct tlv_record *, int fd, struct err *);
void tlv_close(struct tlv_record *);

/* The next entry of a nest: begin with one whose bytes are NULL. An entry that
 * is no nest has none. */
bool tlv_next(const struct tlv *nest, struct tlv *entry);
/* The first one with this tag; found may be the nest itself. */
bool tlv_find(const struct tlv *nest, uint16_t tag, struct tlv *found);
/* The integer of the first entry with this tag: 0, or -1 and errno: ENOENT
 * there is none, EBADMSG it is no integer, ERANGE it is out of these bounds. */
int tlv_int(const struct tlv *nest, uint16_t tag, int64_t least, int64_t most,
    int64_t *value);
/* The text of the first entry with this tag, in the record's memory; or NULL
 * and errno: ENOENT there is none, EBADMSG it is no text. */
const char *tlv_text(const struct tlv *nest, uint16_t tag);

#endif

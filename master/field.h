/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * field.h: members of a struct as entries of a record, by a table, so that
 * writing and reading cannot differ. Pure but for the check of descriptors.
 */
#ifndef TINE_MASTER_FIELD_H
#define TINE_MASTER_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/tlv.h"
#include "shared/err.h"

enum field_kind {
	FIELD_INT,  /* of 4 or 8 bytes, or unsigned of 1 or 2; within bounds */
	FIELD_REAL, /* double */
	FIELD_TEXT, /* array of char with a null byte in it */
	FIELD_BYTES,
	FIELD_FD, /* int: a descriptor, or -1 */
};

/* Tags are never used again for something else; a member that the record does
 * not have stays as it is. */
struct field {
	uint16_t tag;
	enum field_kind kind;
	size_t offset, size;
	int64_t least, most; /* FIELD_INT */
};

#define FIELD_OF(tag, kind, type, member, least, most)                         \
	{                                                                      \
		(tag), (kind), offsetof(type, member),                         \
		    sizeof(((type *)0)->member), (least), (most)               \
	}

/* Descriptors that the next image needs. */
struct field_fds {
	int *fds;
	size_t n, room;
	bool has_failed; /* no memory for one */
};
void field_fds_add(struct field_fds *, int fd);
void field_fds_fini(struct field_fds *);

/* Write every field of base; its descriptors are added to fds. */
void field_write(struct tlv_writer *, const struct field *, size_t n,
    const void *base, struct field_fds *fds);
/* Read into base. -1 with the reason in err, which names the tag: out of
 * bounds, of another form, or a descriptor that is not open. Descriptors are
 * still what they were: not close-on-exec. no_fds: there are none, they are
 * read as -1. */
int field_read(const struct tlv *nest, const struct field *, size_t n,
    void *base, bool no_fds, struct err *);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * field.c: structs to and from records, by table. Runs in the master before and
 * after it becomes another image. What is read may have been written by a
 * broken build: nothing is believed that is out of its bounds.
 */
#include "master/field.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
field_fds_add(struct field_fds *f, int fd)
{
	int *fds;

	if (fd <= STDERR_FILENO)
		return;
	if (f->n == f->room) {
		fds = reallocarray(f->fds, f->room * 2 + 64, sizeof(*fds));
		if (fds == NULL) {
			f->has_failed = true;
			return;
		}
		f->fds = fds;
		f->room = f->room * 2 + 64;
	}
	f->fds[f->n++] = fd;
}

void
field_fds_fini(struct field_fds *f)
{
	free(f->fds);
	*f = (struct field_fds){ 0 };
}

/* ---- writing ---- */

static int64_t
load_int(const struct field *f, const void *at)
{
	int64_t wide = 0;
	uint32_t half;
	int32_t sign;
	uint16_t quarter;
	uint8_t byte;

	switch (f->size) {
	case sizeof(byte):
		(void)memcpy(&byte, at, sizeof(byte));
		return byte;
	case sizeof(quarter):
		(void)memcpy(&quarter, at, sizeof(quarter));
		return quarter;
	case sizeof(half):
		(void)memcpy(&half, at, sizeof(half));
		(void)memcpy(&sign, at, sizeof(sign));
		return f->least < 0 || f->kind == FIELD_FD ? sign
							   : (int64_t)half;
	default:
		(void)memcpy(&wide, at, sizeof(wide));
		return wide;
	}
}

void
field_write(struct tlv_writer *w, const struct field *table, size_t n,
    const void *base, struct field_fds *fds)
{
	size_t i;

	for (i = 0; i < n; i++) {
		const struct field *f = &table[i];
		const char *at = (const char *)base + f->offset;

		switch (f->kind) {
		case FIELD_FD:
			field_fds_add(fds, (int)load_int(f, at));
			tlv_put_int(w, f->tag, load_int(f, at));
			break;
		case FIELD_INT:
			tlv_put_int(w, f->tag, load_int(f, at));
			break;
		case FIELD_TEXT:
			tlv_put_text(w, f->tag, at);
			break;
		case FIELD_REAL:
		case FIELD_BYTES:
			tlv_put(w, f->tag, at, f->size);
			break;
		}
	}
}

/* ---- reading ---- */

static void
store_int(const struct field *f, void *at, int64_t value)
{
	uint8_t byte = (uint8_t)value;
	uint16_t quarter = (uint16_t)value;
	uint32_t half = (uint32_t)value;

	if (f->size == sizeof(byte))
		(void)memcpy(at, &byte, sizeof(byte));
	else if (f->size == sizeof(quarter))
		(void)memcpy(at, &quarter, sizeof(quarter));
	else if (f->size == sizeof(half))
		(void)memcpy(at, &half, sizeof(half));
	else
		(void)memcpy(at, &value, sizeof(value));
}

static int
complain(const struct field *f, const char *what, struct err *err)
{
	return err_set(err, EXIT_SYSTEM, "field %u of the state %s",
	    (unsigned)f->tag, what);
}

static int
read_int(const struct tlv *nest, const struct field *f, void *at,
    struct err *err)
{
	int64_t value;

	if (tlv_int(nest, f->tag, f->least, f->most, &value) == 0)
		store_int(f, at, value);
	else if (errno != ENOENT)
		return complain(f, "is out of its bounds", err);
	return 0;
}

static int
read_fd(const struct tlv *nest, const struct field *f, void *at, bool no_fds,
    struct err *err)
{
	int64_t value;

	if (tlv_int(nest, f->tag, -1, INT32_MAX, &value) == -1)
		return errno == ENOENT ? 0 : complain(f, "is no number", err);
	if (no_fds)
		value = -1;
	/* The log may be stderr; nothing of ours is 0 or 1. */
	if (value != -1 &&
	    (value < STDERR_FILENO || fcntl((int)value, F_GETFD) == -1))
		return complain(f, "is a descriptor that is not open", err);
	store_int(f, at, value);
	return 0;
}

/* A build may have more or less of it: what is missing is zero. */
static int
read_bytes(const struct tlv *nest, const struct field *f, void *at)
{
	struct tlv entry;

	if (!tlv_find(nest, f->tag, &entry))
		return 0;
	(void)memset(at, 0, f->size);
	(void)memcpy(at, entry.bytes, MIN_OF(entry.len, f->size));
	return 0;
}

static int
read_text(const struct tlv *nest, const struct field *f, char *at,
    struct err *err)
{
	const char *text = tlv_text(nest, f->tag);

	if (text == NULL)
		return errno == ENOENT ? 0 : complain(f, "is no text", err);
	if (strlen(text) >= f->size)
		return complain(f, "is too long", err);
	(void)memcpy(at, text, strlen(text) + 1);
	return 0;
}

int
field_read(const struct tlv *nest, const struct field *table, size_t n,
    void *base, bool no_fds, struct err *err)
{
	int rc = 0;
	size_t i;

	for (i = 0; i < n && rc == 0; i++) {
		const struct field *f = &table[i];
		char *at = (char *)base + f->offset;

		switch (f->kind) {
		case FIELD_FD:
			rc = read_fd(nest, f, at, no_fds, err);
			break;
		case FIELD_INT:
			rc = read_int(nest, f, at, err);
			break;
		case FIELD_TEXT:
			rc = read_text(nest, f, at, err);
			break;
		case FIELD_REAL:
		case FIELD_BYTES:
			rc = read_bytes(nest, f, at);
			break;
		}
	}
	return rc;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trial_answer.c: the answer of a binary that is tried. Written in the binary,
 * read in the master, to which it is what a stranger says. Numbers of tags are
 * never used again.
 */
#include "master/trial_answer.h"

#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/stdlib.h>

#include "master/tlv.h"
#include "shared/log.h"

#define ANSWER_BYTES 8192

enum {
	TAG_CHECKSUM = 1,
	TAG_CODE = 2, /* 0: yes; else an exit code of spec 2 */
	TAG_TEXT = 3,
	TAG_HINT = 4,
	TAG_VERSION = 5,
};

int
trial_answer_state(int argc, char *const argv[])
{
	const size_t len = strlen(TRIAL_OPTION);
	const char *error;
	long long fd;

	if (argc < 2 || strncmp(argv[1], TRIAL_OPTION, len) != 0)
		return -1;
	fd = strtonum(argv[1] + len, STDERR_FILENO + 1, 1023, &error);
	return error != NULL ? -1 : (int)fd;
}

int
trial_answer_open(void)
{
	int fd = memfd_create("tine-answer", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd != -1 &&
	    (ftruncate(fd, ANSWER_BYTES) == -1 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == -1))
		closefd(&fd);
	return fd;
}

int
trial_answer_write(int fd, uint64_t checksum, const struct err *refusal)
{
	struct tlv_writer w;
	int rc;

	tlv_writer_init(&w);
	tlv_put(&w, TAG_CHECKSUM, &checksum, sizeof(checksum));
	tlv_put_text(&w, TAG_VERSION, TINE_VERSION);
	if (refusal == NULL) {
		tlv_put_int(&w, TAG_CODE, EXIT_OK);
	} else {
		tlv_put_int(&w, TAG_CODE, refusal->code);
		tlv_put_text(&w, TAG_TEXT, refusal->text);
		tlv_put_text(&w, TAG_HINT, refusal->hint);
	}
	rc = tlv_finish(&w);
	if (rc == 0 && pwrite(fd, w.bytes, w.len, 0) != (ssize_t)w.len)
		rc = -1;
	tlv_writer_fini(&w);
	return rc;
}

/* Does it answer to what was asked? */
static bool
is_about(const struct tlv_record *r, uint64_t checksum)
{
	struct tlv e;

	return tlv_find(&r->root, TAG_CHECKSUM, &e) &&
	    e.len == sizeof(checksum) &&
	    memcmp(e.bytes, &checksum, sizeof(checksum)) == 0;
}

static void
take_text(const struct tlv_record *r, uint16_t tag, char *dst, size_t size)
{
	const char *text = tlv_text(&r->root, tag);

	if (text == NULL)
		text = "";
	(void)log_escape(dst, size, text, strlen(text));
}

static void
take(const struct tlv_record *r, struct trial_answer *a)
{
	int64_t code;

	if (tlv_int(&r->root, TAG_CODE, 0, UINT8_MAX, &code) == -1)
		return;
	a->verdict = code == EXIT_OK ? TRIAL_YES : TRIAL_NO;
	a->err.code = (enum exit_code)code;
	take_text(r, TAG_VERSION, a->version, sizeof(a->version));
	take_text(r, TAG_TEXT, a->err.text, sizeof(a->err.text));
	take_text(r, TAG_HINT, a->err.hint, sizeof(a->err.hint));
}

void
trial_answer_read(int fd, uint64_t checksum, struct trial_answer *a)
{
	struct tlv_record r;
	struct err err;

	*a = (struct trial_answer){ .verdict = TRIAL_SILENT };
	if (tlv_open(&r, fd, &err) == -1)
		return;
	if (is_about(&r, checksum))
		take(&r, a);
	tlv_close(&r);
}

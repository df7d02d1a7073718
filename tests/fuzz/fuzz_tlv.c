/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_tlv.c: any bytes are a record or are refused with a reason; a record can
 * be walked to its last entry, and written again from what was read.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "master/tlv.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
copy(const struct tlv *nest, struct tlv_writer *w)
{
	struct tlv e = { 0 };
	const char *text;
	int64_t n;

	while (tlv_next(nest, &e)) {
		if (tlv_int(nest, e.tag, -1, 1, &n) == 0)
			assert(n >= -1 && n <= 1);
		text = tlv_text(nest, e.tag);
		assert(text == NULL || strlen(text) < nest->len);
		if ((e.flags & TLV_NEST) == 0) {
			tlv_put(w, e.tag, e.bytes, e.len);
			continue;
		}
		tlv_nest(w, e.tag);
		copy(&e, w);
		tlv_unnest(w);
	}
}

static void
parse(const uint8_t *data, size_t size)
{
	struct tlv_writer w;
	struct tlv_record one, two;
	struct err err;

	if (tlv_parse(&one, data, size, &err) == -1) {
		assert(err.text[0] != '\0');
		return;
	}
	tlv_writer_init(&w);
	copy(&one.root, &w);
	assert(tlv_finish(&w) == 0);
	assert(tlv_parse(&two, w.bytes, w.len, &err) == 0);
	assert(two.root.len == one.root.len);
	tlv_writer_fini(&w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tlv_head head = { .magic = TLV_MAGIC, .version = 1 };
	size_t len = sizeof(head) + size;
	uint8_t *record = malloc(len);

	assert(record != NULL);
	memcpy(record, data, size);
	parse(record, size);
	/* No fuzzer guesses a checksum: the same bytes as entries. */
	head.length = len;
	memcpy(record, &head, sizeof(head));
	memcpy(record + sizeof(head), data, size);
	head.checksum = tlv_checksum(record, len);
	memcpy(record, &head, sizeof(head));
	parse(record, len);
	free(record);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_url.c: any text is a listen URL or an error with a reason; a URL that
 * was printed is read as the same.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shared/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[URL_TEXT_MAX], *input = malloc(size + 1);
	struct url one, two;
	struct addr a;
	struct err err;

	assert(input != NULL);
	memcpy(input, data, size);
	input[size] = '\0';
	if (url_parse(&one, input, &err) == -1) {
		assert(err.text[0] != '\0');
		assert(
		    err.code == EXIT_BAD_CONFIG || err.code == EXIT_BAD_USAGE);
	} else {
		(void)url_print(&one, text, sizeof(text));
		assert(url_parse(&two, text, &err) == 0);
		assert(memcmp(&one, &two, sizeof(one)) == 0);
		(void)url_addr(&one, &a, &err);
	}
	free(input);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_conf.c: any bytes are a configuration or an error with a reason; a
 * configuration that was printed is read as the same.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shared/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static char *
print(const struct conf *conf, size_t *len)
{
	char *text;
	FILE *f = open_memstream(&text, len);

	assert(f != NULL);
	assert(conf_print(conf, f) == 0);
	assert(fclose(f) == 0);
	return text;
}

static void
check_is_read_as_the_same(const struct conf *one)
{
	struct conf two;
	struct err err;
	size_t len, again;
	char *text = print(one, &len), *copy;

	conf_init(&two);
	assert(conf_parse(&two, text, len, &err) == 0);
	copy = print(&two, &again);
	assert(len == again && memcmp(text, copy, len) == 0);
	free(copy);
	free(text);
	conf_free(&two);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf conf;
	struct err err;

	conf_init(&conf);
	if (conf_parse(&conf, (const char *)data, size, &err) == 0)
		check_is_read_as_the_same(&conf);
	else
		assert(err.text[0] != '\0');
	conf_free(&conf);
	return 0;
}

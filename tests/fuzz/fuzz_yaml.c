/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_yaml.c: any bytes are a configuration file or errors that have a line;
 * what was read is dumped as YAML that is read as the same.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "shared/conf_load.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct input {
	const void *bytes;
	size_t len;
};

/* The one file that there is; what it includes is not there. */
static void
open_input(void *arg, const struct conf_ask *ask, conf_give *give,
    void *give_arg)
{
	const struct input *in = arg;
	struct err err;
	int fd;

	if (ask->is_include) {
		err_set(&err, EXIT_BAD_CONFIG, "no file");
		give(give_arg, ask->path, -1, &err);
		return;
	}
	fd = memfd_create("input", MFD_CLOEXEC);
	assert(fd != -1 && write(fd, in->bytes, in->len) == (ssize_t)in->len);
	give(give_arg, "input", fd, NULL);
}

/* Errors in it; conf is made in any case. */
static unsigned
load(struct conf *conf, const void *bytes, size_t len)
{
	static char name[] = "input";
	char *files[] = { name };
	struct conf said = { .files = files, .nfiles = 1 };
	struct input in = { bytes, len };
	struct origin_list origins;
	struct report report;
	struct err err;
	const char *text;
	unsigned nerrors;

	origin_init(&origins);
	assert(report_open(&report, &err) == 0);
	conf_load(conf, &said, open_input, &in, &origins, &report);
	text = report_text(&report);
	assert((report.nerrors > 0) == (text[0] != '\0'));
	if (report.nerrors > 0)
		assert(strncmp(text, "tine: input:", 12) == 0);
	nerrors = report.nerrors;
	report_close(&report);
	origin_fini(&origins);
	return nerrors;
}

static char *
dump(const struct conf *conf, size_t *len)
{
	char *text;
	FILE *f = open_memstream(&text, len);

	assert(f != NULL);
	assert(conf_dump(conf, f) == 0);
	assert(fclose(f) == 0);
	return text;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf one, two;
	size_t len, again;
	char *text, *copy;

	if (load(&one, data, size) == 0) {
		text = dump(&one, &len);
		assert(load(&two, text, len) == 0);
		copy = dump(&two, &again);
		assert(len == again && memcmp(text, copy, len) == 0);
		free(copy);
		free(text);
		conf_free(&two);
	}
	conf_free(&one);
	return 0;
}

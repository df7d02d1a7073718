/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http_mime.c: the content type that belongs to a file's name. Runs in a
 * child: read once when it starts, then only looked up. It judges by the name
 * alone: guessing from content is how a picture becomes a script.
 */
#include "http_mime.h"

#include <sys/stat.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define nitems(array) (sizeof(array) / sizeof((array)[0]))

enum {
	SLOTS = 4096,       /* a power of two */
	ENTRIES_MAX = 3000, /* so that a search always ends */
	FILE_MAX = 1024 * 1024
};

struct entry {
	const char *ext;
	const char *type;
};

struct http_mime {
	struct entry slots[SLOTS]; /* open addressing; ext NULL: free */
	size_t nentries;
	char *text; /* the file, cut into the words that slots point at */
};

/* clang-format off */
static const struct entry builtin[] = {
	{ "html", "text/html" },	{ "htm", "text/html" },
	{ "css", "text/css" },		{ "js", "text/javascript" },
	{ "mjs", "text/javascript" },	{ "json", "application/json" },
	{ "map", "application/json" },	{ "jsonld", "application/ld+json" },
	{ "xml", "text/xml" },		{ "xhtml", "application/xhtml+xml" },
	{ "txt", "text/plain" },	{ "text", "text/plain" },
	{ "log", "text/plain" },	{ "conf", "text/plain" },
	{ "md", "text/markdown" },	{ "csv", "text/csv" },
	{ "ics", "text/calendar" },	{ "vtt", "text/vtt" },
	{ "yaml", "application/yaml" },	{ "yml", "application/yaml" },
	{ "png", "image/png" },		{ "jpg", "image/jpeg" },
	{ "jpeg", "image/jpeg" },	{ "gif", "image/gif" },
	{ "webp", "image/webp" },	{ "avif", "image/avif" },
	{ "svg", "image/svg+xml" },	{ "ico", "image/vnd.microsoft.icon" },
	{ "bmp", "image/bmp" },		{ "tif", "image/tiff" },
	{ "tiff", "image/tiff" },	{ "apng", "image/apng" },
	{ "woff", "font/woff" },	{ "woff2", "font/woff2" },
	{ "ttf", "font/ttf" },		{ "otf", "font/otf" },
	{ "mp3", "audio/mpeg" },	{ "ogg", "audio/ogg" },
	{ "oga", "audio/ogg" },		{ "opus", "audio/ogg" },
	{ "flac", "audio/flac" },	{ "wav", "audio/x-wav" },
	{ "m4a", "audio/mp4" },		{ "aac", "audio/aac" },
	{ "mp4", "video/mp4" },		{ "m4v", "video/mp4" },
	{ "webm", "video/webm" },	{ "ogv", "video/ogg" },
	{ "mov", "video/quicktime" },	{ "mpeg", "video/mpeg" },
	{ "pdf", "application/pdf" },	{ "wasm", "application/wasm" },
	{ "zip", "application/zip" },	{ "gz", "application/gzip" },
	{ "tgz", "application/gzip" },	{ "bz2", "application/x-bzip2" },
	{ "xz", "application/x-xz" },	{ "zst", "application/zstd" },
	{ "7z", "application/x-7z-compressed" },
	{ "tar", "application/x-tar" },	{ "epub", "application/epub+zip" },
	{ "rss", "application/rss+xml" },
	{ "atom", "application/atom+xml" },
	{ "webmanifest", "application/manifest+json" },
};
/* clang-format on */

/* The slot of this extension, or the free one where it would stand. */
static size_t
slot_of(const struct http_mime *m, const char *ext)
{
	uint32_t hash = 2166136261U;
	const char *p;
	size_t i;

	for (p = ext; *p != '\0'; p++)
		hash = (hash ^ ((unsigned char)*p | 0x20U)) * 16777619U;
	i = hash % SLOTS;
	while (m->slots[i].ext != NULL && strcasecmp(m->slots[i].ext, ext) != 0)
		i = (i + 1) % SLOTS;
	return i;
}

static void
add(struct http_mime *m, const char *ext, const char *type)
{
	struct entry *e = &m->slots[slot_of(m, ext)];

	if (e->ext == NULL && m->nentries++ >= ENTRIES_MAX)
		return;
	*e = (struct entry){ ext, type };
}

/* The whole file, ended by a null byte; NULL when it is none to be read. */
static char *
read_text(const char *file)
{
	struct stat st;
	char *text = NULL;
	ssize_t n;
	size_t got = 0, size;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd == -1)
		return NULL;
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_size > FILE_MAX)
		goto done;
	size = (size_t)st.st_size;
	text = malloc(size + 1);
	if (text == NULL)
		goto done;
	while (got < size && (n = read(fd, text + got, size - got)) > 0)
		got += (size_t)n;
	text[got] = '\0';
done:
	(void)close(fd);
	return text;
}

static void
add_line(struct http_mime *m, char *line)
{
	static const char blanks[] = " \t\r";
	char *type, *ext, *save = NULL;

	line[strcspn(line, "#")] = '\0';
	type = strtok_r(line, blanks, &save);
	if (type == NULL || strchr(type, '/') == NULL)
		return;
	while ((ext = strtok_r(NULL, blanks, &save)) != NULL)
		add(m, ext, type);
}

struct http_mime *
http_mime_new(const char *file)
{
	struct http_mime *m = calloc(1, sizeof(*m));
	char *line, *rest;
	size_t i;

	if (m == NULL)
		return NULL;
	for (i = 0; i < nitems(builtin); i++)
		add(m, builtin[i].ext, builtin[i].type);
	rest = m->text = file != NULL ? read_text(file) : NULL;
	while ((line = strsep(&rest, "\n")) != NULL)
		add_line(m, line);
	return m;
}

void
http_mime_free(struct http_mime **m)
{
	if (*m == NULL)
		return;
	free((*m)->text);
	free(*m);
	*m = NULL;
}

const char *
http_mime_type(const struct http_mime *m, const char *path)
{
	const char *name = strrchr(path, '/');
	const char *dot = strrchr(name != NULL ? name : path, '.');
	const char *type = NULL;

	if (dot != NULL)
		type = m->slots[slot_of(m, dot + 1)].type;
	return type != NULL ? type : "application/octet-stream";
}

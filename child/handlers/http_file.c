/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * http_file.c: files under root=. Runs in a child; owns the descriptor of the
 * root. Names are resolved by the kernel beneath that descriptor: neither the
 * text of a request nor a link in the folder can lead out of it. What is said
 * about a file comes from the descriptor that is sent, never from its name.
 */
#include "http.h"

#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <unistd.h>

#include "http_cond.h"
#include "http_mime.h"
#include "http_path.h"

/* ---- start and stop ---- */

static int
open_beneath(int root, const char *name, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, root, name, &how, sizeof(how));
}

/* A name of index= is one part of a path, and one that is served. */
static int
check_index(struct http *h)
{
	const char *name = h->index, *p;
	size_t len;

	for (;; name += len + 1) {
		len = strcspn(name, ",");
		p = memchr(name, '/', len);
		if (len == 0 || len > NAME_MAX || *name == '.' || p != NULL) {
			tine_set_error(h->child,
			    "index: '%.*s' is not the plain name of a file, "
			    "as index.html is",
			    (int)len, name);
			return -1;
		}
		if (name[len] == '\0')
			return 0;
	}
}

int
http_file_start(struct http *h, const char *root)
{
	int fd;

	if (check_index(h) == -1)
		return -1;
	h->root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (h->root == -1) {
		tine_set_error(h->child, "root: open %s: %s", root,
		    strerror(errno));
		return -1;
	}
	/* Better to say now what every request would run into. */
	fd = open_beneath(h->root, ".", O_PATH | O_DIRECTORY);
	if (fd == -1) {
		tine_set_error(h->child, "root: openat2 in %s: %s%s", root,
		    strerror(errno),
		    errno == ENOSYS ? "; this needs Linux 5.6 or later" : "");
		return -1;
	}
	(void)close(fd);
	if (faccessat(h->root, ".", X_OK, AT_EACCESS) == -1) {
		tine_set_error(h->child, "root: search %s as user %u: %s", root,
		    (unsigned)geteuid(), strerror(errno));
		return -1;
	}
	h->mime = http_mime_new("/etc/mime.types");
	if (h->mime == NULL) {
		tine_set_error(h->child, "table of content types: %s",
		    strerror(errno));
		return -1;
	}
	return 0;
}

void
http_file_stop(struct http *h)
{
	http_mime_free(&h->mime);
	if (h->root != -1)
		(void)close(h->root);
	h->root = -1;
}

/* ---- from a path to a descriptor ---- */

/* The descriptor of the file h->path, its facts in *st; -1 and errno. */
static int
open_file(struct http *h, struct stat *st)
{
	int saved, fd;

	/* Not blocking: a FIFO must not stop the child. */
	fd = open_beneath(h->root, h->path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd == -1)
		return -1;
	if (fstat(fd, st) == 0)
		return fd;
	saved = errno;
	(void)close(fd);
	errno = saved;
	return -1;
}

/* The first of the index files in the folder h->path, whose name it gets
 * behind it. EACCES: the folder is there, but no index. */
static int
open_index(struct http *h, struct stat *st)
{
	size_t len, at = strlen(h->path);
	const char *name = h->index;
	int fd;

	for (;; name += len + 1) {
		len = strcspn(name, ",");
		if (at + len >= sizeof(h->path)) {
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(h->path + at, name, len);
		h->path[at + len] = '\0';
		fd = open_file(h, st);
		if (fd != -1 || errno != ENOENT || name[len] == '\0')
			break;
	}
	if (fd != -1 || errno != ENOENT)
		return fd;
	h->path[at] = '\0';
	fd =
	    open_beneath(h->root, at > 0 ? h->path : ".", O_PATH | O_DIRECTORY);
	if (fd == -1)
		return -1;
	(void)close(fd);
	errno = EACCES;
	return -1;
}

/* Answer that h->path could not be opened for this reason. */
static int
refuse(struct http_exchange *x, int why)
{
	struct http *h = x->http;

	switch (why) {
	case ENOENT:
	case ENOTDIR:
	case ENAMETOOLONG:
	case ELOOP:
	case EXDEV: /* a link that leads out of the root */
	case ENXIO: /* a socket */
	case ENODEV:
		return http_reply_page(x, 404, NULL);
	case EACCES:
	case EPERM:
		return http_reply_page(x, 403, NULL);
	}
	/* A client can bring this about as often as it likes. */
	if (h->complained != h->now) {
		h->complained = h->now;
		tine_log(x->conn, TINE_LOG_WARN, "open file /%s: %s", h->path,
		    strerror(why));
	}
	return http_reply_page(x,
	    why == EMFILE || why == ENFILE || why == ENOMEM || why == EAGAIN
		? 503
		: 500,
	    NULL);
}

/* ---- answers ---- */

/* To the same name with a slash. Host has no part in it, so that nobody can
 * make it lead elsewhere; nor can a name that begins with two slashes. */
static int
redirect(struct http_exchange *x)
{
	char line[3 * PATH_MAX + HTTP_LINE_MAX + 32];
	const struct http_span *query = &x->req.query;
	char *p = mempcpy(line, "Location: /", 11);

	p += http_path_encode(x->http->path, p);
	*p++ = '/';
	if (query->at != NULL) {
		*p++ = '?';
		p = mempcpy(p, query->at, query->len);
	}
	memcpy(p, "\r\n", 3);
	return http_reply_page(x, 301, line);
}

/* Read the whole of a small file behind its head. A file that was cut since
 * its head was made is not what that head says. */
static int
append_small(struct http_exchange *x, int fd, size_t len)
{
	ssize_t n;

	if (len > (size_t)(x->end - x->at)) {
		errno = ENOBUFS;
		return -1;
	}
	for (; len > 0; len -= (size_t)n, x->at += n) {
		do
			n = read(fd, x->at, len);
		while (n == -1 && errno == EINTR);
		if (n == -1)
			return -1;
		if (n == 0) {
			errno = ESTALE;
			return -1;
		}
	}
	return 0;
}

/* Both take over fd. */
static int
send_body(struct http_exchange *x, int fd, size_t len)
{
	int why = 0;

	if (len > HTTP_SMALL_FILE) {
		if (http_reply_send(x) == 0)
			return tine_sendfile(x->conn, fd, 0, len);
		(void)close(fd);
		return -1;
	}
	if (append_small(x, fd, len) == -1)
		why = errno;
	(void)close(fd);
	return why == 0 ? http_reply_send(x) : refuse(x, why);
}

static int
send_file(struct http_exchange *x, int fd, const struct stat *st)
{
	const char *type = http_mime_type(x->http->mime, x->http->path);
	time_t modified = st->st_mtim.tv_sec;
	char etag[HTTP_ETAG_SIZE], date[HTTP_DATE_LEN];
	size_t etag_len = http_cond_etag(etag, st);
	bool is_unchanged;

	/* A time to come would make caches keep the file until then. */
	if (modified > x->http->now)
		modified = x->http->now;
	http_date_format(date, modified);
	is_unchanged =
	    http_cond_is_unchanged(&x->req, etag, etag_len, modified);
	http_reply_begin(x, is_unchanged ? 304 : 200);
	http_reply_field(x, "Last-Modified", date, sizeof(date));
	http_reply_field(x, "ETag", etag, etag_len);
	if (!is_unchanged) {
		http_reply_puts(x, "Content-Type: ");
		http_reply_puts(x, type);
		http_reply_puts(x,
		    strncmp(type, "text/", 5) == 0 ? "; charset=utf-8\r\n"
						   : "\r\n");
		http_reply_length(x, (uint64_t)st->st_size);
	}
	http_reply_puts(x, "\r\n");
	if (!is_unchanged && x->req.method != HTTP_HEAD && st->st_size > 0)
		return send_body(x, fd, (size_t)st->st_size);
	(void)close(fd);
	return http_reply_send(x);
}

int
http_file_answer(struct http_exchange *x)
{
	struct http *h = x->http;
	struct stat st;
	size_t len;
	int fd, rc;

	rc = http_path_decode(x->req.path.at, x->req.path.len, h->path,
	    sizeof(h->path));
	if (rc != 0)
		return http_reply_page(x, rc, NULL);
	len = strlen(h->path);
	if (len == 0 || h->path[len - 1] == '/')
		fd = open_index(h, &st);
	else
		fd = open_file(h, &st);
	if (fd == -1)
		return refuse(x, errno);
	if (S_ISREG(st.st_mode))
		return send_file(x, fd, &st);
	(void)close(fd);
	/* A folder that has the name of an index file is not one. */
	if (S_ISDIR(st.st_mode) && h->path[len] == '\0')
		return redirect(x);
	return http_reply_page(x, 404, NULL);
}

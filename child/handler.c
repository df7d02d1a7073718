/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler.c: from a name to a handler: the program's own, one of the built-in
 * ones, or a shared object. Runs only in processes that dropped their
 * privileges, because a shared object runs its constructors as it is loaded.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/own.h"
#include "shared/pathwalk.h"
#include "shared/value.h"

#include "child/child.h"
#include "child/stream.h"

#define SYMBOL "tine_handler"
/* The struct as ABI 1 began, up to this field: what was appended since may be
 * absent in a handler that was built before, and means null then. */
#define LAST_OF_FIRST run
#define SIZE_MIN                                                               \
	(offsetof(struct tine_handler, LAST_OF_FIRST) +                        \
	    sizeof(((struct tine_handler *)NULL)->LAST_OF_FIRST))

extern const struct tine_handler builtin_echo, builtin_upper, builtin_discard,
    builtin_http, builtin_pages;

const struct tine_handler *const handler_builtins[] = {
	&builtin_http,
	&builtin_echo,
	&builtin_upper,
	&builtin_discard,
	NULL,
};

static int
refuse_unknown(const char *name, struct err *err)
{
	/* And the program's own. */
	const char *names[nitems(handler_builtins) + 1], *near;
	char shown[128];
	size_t i;

	for (i = 0; handler_builtins[i] != NULL; i++)
		names[i] = handler_builtins[i]->name;
	names[i] = own_name();
	(void)err_set(err, EXIT_BAD_CONFIG, "unknown handler %s",
	    log_escape(shown, sizeof(shown), name, strlen(name)));
	near = value_nearest(name, names, names[i] == NULL ? i : i + 1);
	if (near != NULL)
		return err_hint(err, "did you mean %s?", near);
	return err_hint(err,
	    "the built-in ones are http, echo, upper and discard; a shared "
	    "object is named by its path: ./%s.so",
	    shown);
}

static const struct tine_handler *
find_builtin(const char *name, struct err *err)
{
	size_t i;

	for (i = 0; handler_builtins[i] != NULL; i++)
		if (strcmp(handler_builtins[i]->name, name) == 0)
			return handler_builtins[i];
	(void)refuse_unknown(name, err);
	return NULL;
}

static bool
is_path(const char *name)
{
	size_t len = strlen(name);

	return strchr(name, '/') != NULL ||
	    (len > 3 && strcmp(name + len - 3, ".so") == 0);
}

/* Bytes that a newer header appended must not mean anything. */
static bool
is_zero(const char *bytes, size_t from, size_t to)
{
	while (from < to)
		if (bytes[from++] != 0)
			return false;
	return true;
}

const char *
handler_abis(unsigned first, unsigned last, char *dst, size_t size)
{
	if (first == last)
		(void)snprintf(dst, size, "%u", last);
	else
		(void)snprintf(dst, size, "%u-%u", first, last);
	return dst;
}

static int
refuse_abi(const struct tine_handler *h, const char *name, struct err *err)
{
	char abis[32];

	(void)err_set(err, EXIT_BAD_CONFIG,
	    "handler %s: built for ABI %u, this server speaks %s; rebuild",
	    name, h->abi,
	    handler_abis(TINE_ABI_MIN, TINE_ABI, abis, sizeof(abis)));
	return err_hint(err, "compile it with the <tine.h> of tine %s",
	    tine_version());
}

/* Of another size, smaller or larger, is what was built with another header of
 * the same ABI. */
static int
check_fit(const struct tine_handler *h, const char *name, struct err *err)
{
	if (h->abi < TINE_ABI_MIN || h->abi > TINE_ABI)
		return refuse_abi(h, name, err);
	if (h->size < SIZE_MIN) {
		(void)err_set(err, EXIT_BAD_CONFIG,
		    "handler %s: its struct has %zu bytes, fewer than any had "
		    "(%zu); rebuild",
		    name, h->size, SIZE_MIN);
		return err_hint(err,
		    "define it with TINE_HANDLER() and the <tine.h> of tine %s",
		    tine_version());
	}
	if (!is_zero((const char *)h, sizeof(*h), h->size)) {
		(void)err_set(err, EXIT_BAD_CONFIG,
		    "handler %s: it uses what a newer <tine.h> has (its struct "
		    "has %zu bytes, this server knows %zu); rebuild",
		    name, h->size, sizeof(*h));
		return err_hint(err,
		    "compile it with the <tine.h> of tine %s, or run it with "
		    "the tine that it was built for",
		    tine_version());
	}
	if (h->name == NULL || h->name[0] == '\0') {
		(void)err_set(err, EXIT_BAD_CONFIG,
		    "handler %s: it has no name", name);
		return err_hint(err, "set .name in TINE_HANDLER()");
	}
	return 0;
}

/* What this server knows of a handler that was not built with it. */
static int
take(struct tine_handler *to, const struct tine_handler *from, const char *name,
    struct err *err)
{
	if (check_fit(from, name, err) == -1)
		return -1;
	*to = (struct tine_handler){ 0 };
	(void)memcpy(to, from, MIN_OF(from->size, sizeof(*to)));
	to->size = sizeof(*to);
	if (stream_check(to, err) == -1)
		return -1;
	return codec_check(to, err);
}

static int
hint_path(struct err *err)
{
	return err_hint(err,
	    "give the path of a shared object that the account of the children "
	    "(user id %ld) can read",
	    (long)geteuid());
}

/*
 * In a server that root started, who can write a handler gets what root gave
 * it to do. Nobody but root can put another file in its place between here and
 * where it is loaded, for every folder on the way was looked at too.
 */
static int
check_owner(const struct conf *conf, const char *path, struct err *err)
{
	int fd;

	if (conf->uid == CONF_NO_ID)
		return 0;
	fd = pathwalk_open(path, true, err);
	if (fd == -1 && err->sys != 0) {
		(void)err_set(err, EXIT_BAD_CONFIG, "handler %s: %s", path,
		    strerror(err->sys));
		return hint_path(err);
	}
	if (fd == -1)
		return err_prefix(err, "handler %s", path);
	closefd(&fd);
	return 0;
}

static int
load_library(struct tine_handler *handler, void **library, const char *path,
    struct err *err)
{
	const struct tine_handler *h;

	*library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (*library == NULL) {
		(void)err_set(err, EXIT_BAD_CONFIG, "handler %s", dlerror());
		return hint_path(err);
	}
	h = dlsym(*library, SYMBOL);
	if (h == NULL) {
		(void)err_set(err, EXIT_BAD_CONFIG,
		    "handler %s: it has no symbol " SYMBOL, path);
		return err_hint(err, "define it with TINE_HANDLER()");
	}
	return take(handler, h, path, err);
}

static int
load_path(struct tine_handler *handler, void **library, const char *name,
    const struct conf *conf, struct err *err)
{
	char *path = conf_path(conf, name);
	int rc;

	if (path == NULL)
		return err_sys(err, "memory for the path of a handler");
	rc = check_owner(conf, path, err);
	if (rc == 0)
		rc = load_library(handler, library, path, err);
	if (rc == -1)
		handler_unload(library);
	free(path);
	return rc;
}

int
handler_check_listens(const struct tine_handler *h,
    const struct conf_server *server, struct err *err)
{
	char text[URL_TEXT_MAX];
	size_t i;

	for (i = 0; i < server->nlistens; i++) {
		if (!url_is_udp(&server->listens[i]) || h->datagram != NULL)
			continue;
		(void)err_set(err, EXIT_BAD_CONFIG,
		    "handler %s takes no UDP packets, and is to listen on %s",
		    h->name,
		    url_print_short(&server->listens[i], text, sizeof(text)));
		return err_hint(err,
		    "listen on tcp, or take a handler that has the datagram "
		    "callback: echo, upper, discard");
	}
	return 0;
}

int
handler_load(struct tine_handler *handler, void **library, const char *name,
    const struct conf *conf, struct err *err)
{
	const struct tine_handler *h;

	*library = NULL;
	/* Only the admin child can do something with it, and conf_check()
	 * refuses it elsewhere. */
	if (strcmp(name, builtin_pages.name) == 0) {
		*handler = builtin_pages;
		return 0;
	}
	if (own_is(name))
		return take(handler, own_handler(), name, err);
	if (is_path(name))
		return load_path(handler, library, name, conf, err);
	h = find_builtin(name, err);
	if (h != NULL)
		*handler = *h;
	return h == NULL ? -1 : 0;
}

void
handler_unload(void **library)
{
	if (*library != NULL)
		(void)dlclose(*library);
	*library = NULL;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handler.c: from a name to a handler: one of the built-in ones, or a shared
 * object. Runs only in processes that dropped their privileges, because a
 * shared object runs its constructors as it is loaded.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "shared/value.h"

#include "child/child.h"

#define SYMBOL "tine_handler"

extern const struct tine_handler builtin_echo, builtin_upper, builtin_discard,
    builtin_http, builtin_pages;

const struct tine_handler *const handler_builtins[] = {
	&builtin_http,
	&builtin_echo,
	&builtin_upper,
	&builtin_discard,
	NULL,
};

static const struct tine_handler *
find_builtin(const char *name, struct err *err)
{
	/* Not on the list: only the admin child can do something with it, and
	 * conf_check() refuses it elsewhere. */
	static const struct tine_handler *const status = &builtin_pages;
	const char *names[nitems(handler_builtins)] = { NULL };
	const char *near;
	char shown[128];
	size_t i;

	for (i = 0; handler_builtins[i] != NULL; i++) {
		names[i] = handler_builtins[i]->name;
		if (strcmp(names[i], name) == 0)
			return handler_builtins[i];
	}
	if (strcmp(status->name, name) == 0)
		return status;
	(void)err_set(err, EXIT_BAD_CONFIG, "unknown handler %s",
	    log_escape(shown, sizeof(shown), name, strlen(name)));
	near = value_nearest(name, names, i);
	if (near != NULL)
		(void)err_hint(err, "did you mean %s?", near);
	else
		(void)err_hint(err,
		    "the built-in ones are http, echo, upper and discard; a "
		    "shared object is named by its path: ./%s.so",
		    shown);
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

static int
check_fit(const struct tine_handler *h, const char *name, struct err *err)
{
	if (h->abi != TINE_ABI) {
		(void)err_set(err, EXIT_BAD_CONFIG,
		    "handler %s: built for ABI %u, this server speaks %u; "
		    "rebuild",
		    name, h->abi, (unsigned)TINE_ABI);
		return err_hint(err, "compile it with the <tine.h> of tine %s",
		    tine_version());
	}
	if (h->size < sizeof(*h) ||
	    !is_zero((const char *)h, sizeof(*h), h->size)) {
		(void)err_set(err, EXIT_BAD_CONFIG,
		    "handler %s: its struct has %zu bytes, this server knows "
		    "%zu; rebuild",
		    name, h->size, sizeof(*h));
		return err_hint(err,
		    "define it with TINE_HANDLER() and the <tine.h> of tine %s",
		    tine_version());
	}
	if (h->name == NULL || h->name[0] == '\0') {
		(void)err_set(err, EXIT_BAD_CONFIG,
		    "handler %s: it has no name", name);
		return err_hint(err, "set .name in TINE_HANDLER()");
	}
	return 0;
}

/* What the header declares and this server cannot do. */
static int
check_built(const struct tine_handler *h, struct err *err)
{
	const struct {
		const char *field;
		bool is_set;
	} missing[] = {
		{ "codec", h->codec != NULL },
		{ "frame", h->frame != NULL },
		{ "datagram", h->datagram != NULL },
		{ "run", h->run != NULL },
		{ "detached", h->detached != NULL },
	};
	size_t i;

	for (i = 0; i < nitems(missing); i++) {
		if (!missing[i].is_set)
			continue;
		(void)err_set(err, EXIT_BAD_CONFIG,
		    "handler %s: %s is not built yet", h->name,
		    missing[i].field);
		return err_hint(err,
		    "use open, data, eof, drained, close and tick");
	}
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
		return err_hint(err,
		    "give the path of a shared object that the account of the "
		    "children (user id %ld) can read",
		    (long)geteuid());
	}
	h = dlsym(*library, SYMBOL);
	if (h == NULL) {
		(void)err_set(err, EXIT_BAD_CONFIG,
		    "handler %s: it has no symbol " SYMBOL, path);
		return err_hint(err, "define it with TINE_HANDLER()");
	}
	if (check_fit(h, path, err) == -1)
		return -1;
	*handler = *h;
	return check_built(handler, err);
}

int
handler_load(struct tine_handler *handler, void **library, const char *name,
    const struct conf *conf, struct err *err)
{
	const struct tine_handler *h;
	char *path;
	int rc;

	*library = NULL;
	if (!is_path(name)) {
		h = find_builtin(name, err);
		if (h != NULL)
			*handler = *h;
		return h == NULL ? -1 : 0;
	}
	path = conf_path(conf, name);
	if (path == NULL)
		return err_sys(err, "memory for the path of a handler");
	rc = load_library(handler, library, path, err);
	if (rc == -1)
		handler_unload(library);
	free(path);
	return rc;
}

void
handler_unload(void **library)
{
	if (*library != NULL)
		(void)dlclose(*library);
	*library = NULL;
}

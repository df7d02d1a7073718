/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conf.h: the configuration as every process uses it, its defaults, and its
 * text form: one `key=value` a line. The checker makes the text from what the
 * operator said; the master and the children only ever read that text.
 */
#ifndef TINE_SHARED_CONF_H
#define TINE_SHARED_CONF_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "shared/base.h"
#include "shared/err.h"
#include "shared/log.h"
#include "shared/url.h"

#define CONF_PROCESSES_MAX 1024
#define CONF_NO_ID ((uid_t)-1)

enum conf_accept {
	CONF_ACCEPT_AUTO,
	CONF_ACCEPT_REUSEPORT,
	CONF_ACCEPT_SHARED,
	CONF_ACCEPT_DISPATCH, /* not built yet */
	CONF_ACCEPT_NMODES
};
extern const char *const conf_accept_names[CONF_ACCEPT_NMODES];

/* One option given to a handler, checked by the child against its table. */
struct conf_option {
	char *key, *value;
};

/* Durations are seconds; 0 switches a timeout off. */
struct conf_timeouts {
	double first_byte, read, write, idle, lifetime;
};

struct conf_limits {
	uint64_t connections; /* of this server in one child; 0: no limit */
	uint64_t read_cap;    /* bytes read in one event */
	uint64_t input;       /* unconsumed bytes kept; then reading pauses */
	uint64_t output_low, output_high, output;
};

/* Work done in one event before the others get their turn. */
struct conf_budget {
	uint64_t accepts, bytes, messages;
};

struct conf_server {
	struct url *listens;
	size_t nlistens;
	char *handler; /* built-in name or path */
	bool may_stop; /* the checker saw TINE_MAY_STOP in it */
	struct conf_option *options;
	size_t noptions;
	struct conf_timeouts timeouts;
	struct conf_limits limits;
	struct conf_budget budget;
};

struct conf {
	int processes; /* 0: auto, until cpus_count() filled it in */
	enum conf_accept accept;
	char *control;  /* path, "none", or NULL: the default path */
	char *log_file; /* "stderr", "syslog" or a path */
	enum log_level log_level;
	uid_t uid; /* children become this; CONF_NO_ID: they stay */
	gid_t gid;
	double start_timeout, drain_timeout, hang_timeout; /* seconds */
	double suspect, prove, commit, orphan, drain_delay, keepalive_grace;
	uint64_t max_connections; /* per child */
	bool core_dumps;
	char *folder; /* relative paths mean this one */
	struct conf_server *servers;
	size_t nservers;
};

/* Every key at its default, no servers. */
void conf_init(struct conf *);
void conf_free(struct conf *);
/*
 * Set one key: "processes", "servers.0.handler", "servers.0.options.root",
 * "servers.0.listen" (appends), ... Servers come into being in order. -1 with
 * the reason (nearest known key as hint) in err, code 78.
 */
int conf_set(struct conf *, const char *key, const char *value, struct err *);
/* Write all that conf_set() needs to make the same again, newlines and control
 * characters in values escaped. */
int conf_print(const struct conf *, FILE *);
/* Read what conf_print wrote into a conf that conf_init() made. */
int conf_parse(struct conf *, const char *text, size_t len, struct err *);
/* Look names up: hosts, owners, and for root the account children run as, so
 * it comes before privileges are dropped. May block: the checker and -X only. */
int conf_resolve(struct conf *, struct err *);
/* An absolute form of path, relative to conf->folder; malloc'ed, or NULL. */
char *conf_path(const struct conf *, const char *path);

#endif

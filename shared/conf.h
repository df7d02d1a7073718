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
	CONF_ACCEPT_DISPATCH,
	CONF_ACCEPT_NMODES
};
extern const char *const conf_accept_names[CONF_ACCEPT_NMODES];

enum conf_balance {
	CONF_BALANCE_KERNEL,
	CONF_BALANCE_ROUND_ROBIN,
	CONF_BALANCE_LEAST_CONNECTIONS,
	CONF_BALANCE_SOURCE_HASH,
	CONF_BALANCE_RANDOM,
	CONF_BALANCE_NHOWS
};
extern const char *const conf_balance_names[CONF_BALANCE_NHOWS];

enum conf_overload {
	CONF_OVERLOAD_WAIT,
	CONF_OVERLOAD_CLOSE,
	CONF_OVERLOAD_RESET,
	CONF_OVERLOAD_REPLY,
	CONF_OVERLOAD_NPOLICIES
};
extern const char *const conf_overload_names[CONF_OVERLOAD_NPOLICIES];

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
	uint64_t per_address; /* of one client's address in one child */
	uint64_t read_cap;    /* bytes read in one event */
	uint64_t input;       /* unconsumed bytes kept; then reading pauses */
	uint64_t output_low, output_high, output;
};

/* Work done in one event before the others get their turn. */
struct conf_budget {
	uint64_t accepts, bytes, messages;
};

/* When a child is replaced by a fresh one; 0: never for that reason. */
struct conf_recycle {
	uint64_t connections; /* accepted in its life */
	double age;           /* seconds */
	uint64_t memory;      /* resident bytes */
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

/* A key that the command line sets, and how it was written there:
 * "-o processes=4" or "-n, --processes". */
struct conf_setting {
	char *name, *key, *value;
};

struct conf {
	/* MIN and MAX, one behind the other as DIRECTIVE_PROCESSES has them;
	 * the same for a plain number. Both 0: auto, until cpus_count() filled
	 * them in. */
	int processes, processes_max;
	enum conf_accept accept;
	enum conf_balance balance;
	char *user, *group;        /* as said, or NULL */
	char *pid_file;            /* or NULL */
	char *control;             /* path, "none", or NULL: the default path */
	char *admin;               /* URL as said, or NULL */
	struct url *admin_listens; /* its addresses, by conf_resolve() */
	size_t nadmin_listens;
	/* "stderr", "syslog" or a path. NULL until conf_resolve(): stderr, or
	 * syslog in the background. */
	char *log_file;
	enum log_level log_level;
	enum log_format log_format;
	uid_t uid; /* children become this; CONF_NO_ID: they stay */
	gid_t gid;
	uint64_t rlimit_nofile; /* 0: as many as possible */
	double start_timeout, drain_timeout, hang_timeout; /* seconds */
	double suspect, prove, commit, orphan, drain_delay, keepalive_grace;
	uint64_t max_connections; /* per child */
	bool core_dumps;
	uint64_t max_old_generations;
	struct conf_recycle recycle;
	char *cpu_affinity; /* see affinity.h */
	struct {
		enum conf_overload policy;
		uint64_t accept_rate; /* connections a second; 0: no limit */
		double lag;           /* seconds; 0: never overloaded */
	} overload;
	struct {
		uint64_t threads, queue;
	} offload;
	char *folder; /* relative paths mean this one */
	struct conf_server *servers;
	size_t nservers;

	/* What only the command line says; not in the text form. */
	bool is_daemon;
	char **files; /* to be read, in this order */
	size_t nfiles;
	struct conf_setting *settings; /* win over the files */
	size_t nsettings;
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
/* Begin the next server, with every key at its default. */
int conf_add_server(struct conf *, struct err *);
/* Add copies of another configuration's servers and its folder. -1 with the
 * first that cannot be added in err; the others are. */
int conf_append(struct conf *, const struct conf *, struct err *);
/* What is wrong between keys, each told to complain() with the key that is to
 * blame: listeners that are missing ("servers.0"), servers that are missing
 * ("servers"), limits in the wrong order, modes that exclude each other. After
 * all keys are set. */
typedef void conf_complain(void *arg, const char *key, const struct err *);
void conf_check(const struct conf *, conf_complain *, void *arg);
/* Write all that conf_set() needs to make the same again, newlines and control
 * characters in values escaped. */
int conf_print(const struct conf *, FILE *);
/* Say on the command line: read this file; set this key. -1: no memory. */
int conf_add_file(struct conf *, const char *path, struct err *);
int conf_add_setting(struct conf *, const char *name, const char *key,
    const char *value, struct err *);
/* Read what conf_print wrote into a conf that conf_init() made. */
int conf_parse(struct conf *, const char *text, size_t len, struct err *);
/* Write it as YAML: every key, with nested maps, as tine.yaml(5) has them. */
int conf_dump(const struct conf *, FILE *);
/* Look names up: hosts, owners, and for root the account children run as, so
 * it comes before privileges are dropped. May block: the checker and -X only. */
int conf_resolve(struct conf *, struct err *);
/* As conf_resolve(), but every error is told. -1: the account is not known, so
 * nothing may be run as it. */
int conf_resolve_all(struct conf *, conf_complain *, void *arg);
/* Its two parts: the account, which privs_drop() needs, and the names, which
 * are better looked up without privileges. */
int conf_resolve_account(struct conf *, conf_complain *, void *arg);
void conf_resolve_names(struct conf *, conf_complain *, void *arg);
/* An absolute form of path, relative to conf->folder; malloc'ed, or NULL. */
char *conf_path(const struct conf *, const char *path);

#endif

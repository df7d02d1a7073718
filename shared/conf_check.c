/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conf_check.c: what no key shows alone: listeners that are missing, limits in
 * the wrong order, modes that exclude each other, and keys that nothing comes
 * of yet. Used by the checker and -X, once all keys are set. Pure.
 */
#include <stdio.h>
#include <string.h>

#include "shared/affinity.h"
#include "shared/conf.h"
#include "shared/directive.h"
#include "shared/value.h"

#define PREFIX_LETTERS 40
#define KEY_LETTERS 128

struct check {
	conf_complain *complain;
	void *arg;
};

/* ---- order of two values ---- */

/* Two sizes or durations of one struct, the first to be less. */
struct order {
	enum directive_scope scope;
	const char *less, *more;
};

static const struct order orders[] = {
	{ DIRECTIVE_CONF, "timing.suspect", "hang-timeout" },
	{ DIRECTIVE_SERVER, "limits.output-low", "limits.output-high" },
	{ DIRECTIVE_SERVER, "limits.output-high", "limits.output" },
};

static double
number_of(const struct directive *d, const void *base)
{
	const void *field = (const char *)base + d->offset;
	const double *seconds = field;
	const uint64_t *bytes = field;

	return d->kind == DIRECTIVE_SECONDS ? *seconds : (double)*bytes;
}

static void
text_of(const struct directive *d, const void *base, char *dst, size_t size)
{
	double n = number_of(d, base);

	if (d->kind == DIRECTIVE_SECONDS)
		(void)value_print_duration((int64_t)(n * 1000 + 0.5), dst,
		    size);
	else
		(void)value_print_size((uint64_t)n, dst, size);
}

static void
check_order(const struct check *c, const struct order *o, const void *base,
    const char *prefix)
{
	const char *near;
	const struct directive *less = directive_find(o->scope, o->less, &near);
	const struct directive *more = directive_find(o->scope, o->more, &near);
	char one[VALUE_PRINT_MAX], two[VALUE_PRINT_MAX], key[KEY_LETTERS];
	struct err err;

	if (number_of(less, base) < number_of(more, base))
		return;
	text_of(less, base, one, sizeof(one));
	text_of(more, base, two, sizeof(two));
	(void)snprintf(key, sizeof(key), "%s%s", prefix, o->less);
	err_set(&err, EXIT_BAD_CONFIG, "%s: %s is not less than %s", key, one,
	    two);
	err_hint(&err, "less than %s%s, which is %s", prefix, o->more, two);
	c->complain(c->arg, key, &err);
}

static void
check_orders(const struct check *c, enum directive_scope scope,
    const void *base, const char *prefix)
{
	size_t i;

	for (i = 0; i < nitems(orders); i++)
		if (orders[i].scope == scope)
			check_order(c, &orders[i], base, prefix);
}

/* ---- modes ---- */

/* Spec 2: who may spread connections how. */
static const unsigned balances[CONF_ACCEPT_NMODES] = {
	[CONF_ACCEPT_AUTO] = BIT(CONF_BALANCE_NHOWS) - 1,
	[CONF_ACCEPT_REUSEPORT] = BIT(CONF_BALANCE_KERNEL) |
	    BIT(CONF_BALANCE_SOURCE_HASH) | BIT(CONF_BALANCE_RANDOM),
	[CONF_ACCEPT_SHARED] = BIT(CONF_BALANCE_KERNEL),
	[CONF_ACCEPT_DISPATCH] = BIT(CONF_BALANCE_ROUND_ROBIN) |
	    BIT(CONF_BALANCE_LEAST_CONNECTIONS) |
	    BIT(CONF_BALANCE_SOURCE_HASH) | BIT(CONF_BALANCE_RANDOM),
};

static void
check_modes(const struct check *c, const struct conf *conf)
{
	const char *names[CONF_BALANCE_NHOWS];
	char list[128];
	struct err err;
	unsigned i;

	if ((balances[conf->accept] & BIT(conf->balance)) == 0) {
		for (i = 0; i < CONF_BALANCE_NHOWS; i++)
			names[i] = (balances[conf->accept] & BIT(i)) != 0
			    ? conf_balance_names[i]
			    : NULL;
		err_set(&err, EXIT_BAD_CONFIG,
		    "balance: %s does not go with accept: %s",
		    conf_balance_names[conf->balance],
		    conf_accept_names[conf->accept]);
		err_hint(&err, "with accept: %s it is %s",
		    conf_accept_names[conf->accept],
		    value_list(names, nitems(names), list, sizeof(list)));
		c->complain(c->arg, "balance", &err);
	}
}

static void
check_affinity(const struct check *c, const struct conf *conf)
{
	struct err err;

	if (affinity_check(conf->cpu_affinity, &err) == -1)
		c->complain(c->arg, "cpu-affinity", &err);
}

/* ---- servers ---- */

static void
check_handler(const struct check *c, const struct conf_server *s, size_t number)
{
	char key[KEY_LETTERS];
	struct err err;
	size_t i;

	for (i = 0; i < s->nlistens; i++) {
		if (s->listens[i].handler[0] == '\0' ||
		    strcmp(s->listens[i].handler, s->handler) == 0)
			continue;
		(void)snprintf(key, sizeof(key), "servers.%zu.listen.%zu",
		    number, i);
		err_set(&err, EXIT_BAD_CONFIG,
		    "handler=%s in the URL, but the server's handler is %s",
		    s->listens[i].handler, s->handler);
		err_hint(&err,
		    "leave it out of the URL, or make it a server "
		    "of its own");
		c->complain(c->arg, key, &err);
	}
}

/* The admin listener has a handler of its own. */
static void
check_admin(const struct check *c, const struct conf *conf)
{
	struct err err;
	struct url u;

	if (conf->admin == NULL || url_parse(&u, conf->admin, &err) == -1 ||
	    u.handler[0] == '\0')
		return;
	err_set(&err, EXIT_BAD_CONFIG,
	    "handler=%s in the URL of the admin listener", u.handler);
	err_hint(&err,
	    "leave it out of the URL, or make it a server of its own");
	c->complain(c->arg, "admin", &err);
}

/* Its pages show what only the admin child may ask the master. */
static void
check_status(const struct check *c, const struct conf_server *s, size_t number)
{
	char key[KEY_LETTERS];
	struct err err;

	if (strcmp(s->handler, "status") != 0)
		return;
	(void)snprintf(key, sizeof(key), "servers.%zu.handler", number);
	err_set(&err, EXIT_BAD_CONFIG, "%s: status is for the admin listener",
	    key);
	err_hint(&err,
	    "set admin: tcp://127.0.0.1:9180 (or -A), and take another handler "
	    "here");
	c->complain(c->arg, key, &err);
}

void
conf_check(const struct conf *conf, conf_complain *complain, void *arg)
{
	const struct check c = { complain, arg };
	char prefix[PREFIX_LETTERS];
	struct err err;
	size_t i;

	check_orders(&c, DIRECTIVE_CONF, conf, "");
	check_modes(&c, conf);
	check_affinity(&c, conf);
	check_admin(&c, conf);
	if (conf->nservers == 0) {
		err_set(&err, EXIT_BAD_CONFIG, "there is no server");
		err_hint(&err,
		    "servers: [ { listen: [ URL ], handler: NAME } ], or -l "
		    "URL on the command line");
		complain(arg, "servers", &err);
	}
	for (i = 0; i < conf->nservers; i++) {
		(void)snprintf(prefix, sizeof(prefix), "servers.%zu.", i);
		check_orders(&c, DIRECTIVE_SERVER, &conf->servers[i], prefix);
		check_handler(&c, &conf->servers[i], i);
		check_status(&c, &conf->servers[i], i);
		if (conf->servers[i].nlistens > 0)
			continue;
		prefix[strlen(prefix) - 1] = '\0';
		err_set(&err, EXIT_BAD_CONFIG, "%s: it listens nowhere",
		    prefix);
		err_hint(&err, "listen: [ \"tcp://:8080\" ]");
		complain(arg, prefix, &err);
	}
}

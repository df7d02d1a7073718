/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * single.c: --single, one process without fork for a debugger. It opens what
 * the master would open and then becomes the only child.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "master/inherit.h"
#include "master/logs.h"
#include "master/master.h"
#include "shared/conf_load.h"
#include "shared/rlimit.h"

#define BIND_TRIES 30
#define BIND_RETRY_MS 100

/* Static: the child's leak checker must see it as reachable. */
static struct master single;

static int
open_listeners(struct master *m, struct err *err)
{
	int i;

	if (inherit_open(err) == -1)
		return -1;
	for (i = 0; i < BIND_TRIES; i++) {
		inherit_rewind();
		if (listener_open_all(m, m->generation, err) == 0) {
			inherit_end(&m->notify);
			return 0;
		}
		if (err->sys != EADDRINUSE)
			return -1;
		(void)poll(NULL, 0, BIND_RETRY_MS);
	}
	holder_name(&m->busy, m->busy_is_udp, err);
	return -1;
}

struct load {
	struct origin_list origins;
	struct report report;
};

static void
complain(void *arg, const char *key, const struct err *err)
{
	struct load *l = arg;

	report_error(&l->report, origin_find(&l->origins, key), err);
}

/* Files too: there is no other process that could read them. */
static int
load(struct conf *conf, const struct conf *said, struct err *err)
{
	struct load l;
	unsigned n;

	origin_init(&l.origins);
	if (report_open(&l.report, err) == -1)
		return -1;
	conf_load(conf, said, NULL, NULL, &l.origins, &l.report);
	conf_check(conf, complain, &l);
	(void)conf_resolve_all(conf, complain, &l);
	n = l.report.nerrors;
	(void)fputs(report_text(&l.report), stderr);
	if (n > 0)
		err_set(err, l.report.first.code,
		    "the configuration has %u error%s", n, n == 1 ? "" : "s");
	report_close(&l.report);
	origin_fini(&l.origins);
	return n > 0 ? -1 : 0;
}

static int
prepare(struct master *m, struct conf *conf, const struct conf *said,
    struct err *err)
{
	if (load(conf, said, err) == -1 || rlimit_raise_files(conf, err) == -1)
		return -1;
	conf->processes = 1;
	conf->processes_max = 1;
	/* There is nobody to hand a connection to. */
	conf->accept = CONF_ACCEPT_SHARED;
	m->log_fd = logs_start(conf, err);
	if (m->log_fd == -1)
		return -1;
	log_set_who("single");
	if (conf->nadmin_listens > 0)
		log_warn("no admin listener: it is a child's, and --single has "
			 "none");
	TAILQ_INIT(&m->generations);
	m->generation = generation_new(m, conf);
	if (m->generation == NULL)
		return err_sys(err, "memory for the configuration");
	m->conf = &m->generation->conf;
	m->nplaces = 1;
	return open_listeners(m, err);
}

int
single_run(const struct conf *said, struct err *err)
{
	static struct conf conf;
	static struct heritage_slot *slots;
	static char listeners[2048], ready[2304];
	struct heritage h = {
		.role = HERITAGE_SINGLE,
		.generation = 1,
		.parent = getppid(),
		.ctl = -1,
		.page = -1,
		.ready = ready,
	};
	sigset_t all;

	if (prepare(&single, &conf, said, err) == -1)
		return -1;
	slots = calloc(single.nlisteners, sizeof(*slots));
	if (slots == NULL)
		return err_sys(err, "memory for listeners");
	h.conf = single.conf;
	h.slots = slots;
	h.nslots =
	    listener_heritage(single.generation, 0, slots, single.nlisteners);
	(void)snprintf(ready, sizeof(ready),
	    "tine: ready: single process, %s, control none\n",
	    master_print_listeners(&single, listeners, sizeof(listeners)));
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	child_main(&h);
}

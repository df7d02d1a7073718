/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * admin.c: the admin child as the master sees it: what it is born with, and the
 * answers to its questions. Runs in the master. Serves nobody itself, and
 * believes a question to be no more than a question.
 */
#include "master/admin.h"

#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/master.h"
#include "master/metrics.h"
#include "master/status.h"

/* Its clients want a page, and are not what a stop or a reload waits for; but
 * one that asks again and again is to hear of the end before it comes. */
#define DRAIN_MAX_S 2.0
#define GRACE_MAX_S 1.0

/* ---- what it is born with ---- */

/* Another configuration's values, with the admin addresses but no servers. */
static int
copy_conf(struct conf *conf, const struct conf *from, struct url *listens,
    size_t nlistens, struct err *err)
{
	struct conf bare = *from;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int rc = -1;

	if (f == NULL)
		return err_sys(err, "memory for the admin child");
	bare.processes = bare.processes_max = 1;
	bare.servers = NULL;
	bare.nservers = 0;
	bare.admin_listens = listens;
	bare.nadmin_listens = nlistens;
	if (conf_print(&bare, f) == -1)
		(void)fclose(f);
	else
		rc = fclose(f) == EOF ? -1 : 0;
	if (rc == -1)
		err_sys(err, "memory for the admin child");
	else
		rc = conf_parse(conf, text, len, err);
	free(text);
	return rc;
}

static int
make_conf(struct conf *conf, const struct conf *from, struct url *listens,
    size_t nlistens, struct err *err)
{
	if (copy_conf(conf, from, listens, nlistens, err) == -1 ||
	    conf_set(conf, "servers.0.handler", ADMIN_HANDLER, err) == -1)
		return -1;
	conf->servers[0].listens = conf->admin_listens;
	conf->servers[0].nlistens = conf->nadmin_listens;
	conf->admin_listens = NULL;
	conf->nadmin_listens = 0;
	conf->is_daemon = from->is_daemon;
	conf->drain_timeout = MIN_OF(conf->drain_timeout, DRAIN_MAX_S);
	conf->keepalive_grace = MIN_OF(conf->keepalive_grace, GRACE_MAX_S);
	conf->recycle = (struct conf_recycle){ 0 };
	return 0;
}

/* A generation for the admin child, of the configuration that serves. */
static struct generation *
derive(struct master *m, struct url *listens, size_t nlistens, struct err *err)
{
	struct generation *g;
	struct conf conf;

	conf_init(&conf);
	if (make_conf(&conf, m->conf, listens, nlistens, err) == -1) {
		conf_free(&conf);
		return NULL;
	}
	g = generation_new_admin(m, &conf);
	if (g == NULL)
		err_sys(err, "memory for the admin child");
	return g;
}

int
admin_open(struct master *m, struct err *err)
{
	const struct conf *conf = m->conf;
	struct admin *a = &m->admin;

	if (conf->nadmin_listens == 0)
		return 0;
	if (a->generation == NULL)
		a->generation =
		    derive(m, conf->admin_listens, conf->nadmin_listens, err);
	if (a->generation == NULL) {
		listener_revert(m);
		return -1;
	}
	return listener_open_all(m, a->generation, err);
}

int
admin_start(struct master *m, struct err *err)
{
	struct admin *a = &m->admin;

	if (a->generation == NULL)
		return 0;
	a->place = calloc(1, sizeof(*a->place));
	if (a->place == NULL)
		return err_sys(err, "memory for the admin child");
	a->followed = m->generation->number;
	place_init(a->place, m, HERITAGE_ADMIN);
	place_open(a->place);
	return 0;
}

/* Another generation serves: the admin child is replaced too, as any child is,
 * by one with the same sockets. */
static void
follow(struct master *m)
{
	struct admin *a = &m->admin;
	const struct conf_server *s = &a->generation->conf.servers[0];
	struct generation *g;
	struct err err;

	if (a->followed == m->generation->number || !master_is_serving(m))
		return;
	a->followed = m->generation->number;
	g = derive(m, s->listens, s->nlistens, &err);
	if (g == NULL) {
		log_error("the admin child stays as it is: %s", err.text);
		return;
	}
	memcpy(g->listeners, a->generation->listeners,
	    g->nlisteners * sizeof(struct listener *));
	a->generation = g;
	place_replace(a->place, g, CTL_RELOAD, false);
}

/* ---- what it asks ---- */

static enum ctl_readiness
readiness(const struct master *m)
{
	if (m->state >= MASTER_STOPPING)
		return CTL_NO_MORE;
	if (m->state <= MASTER_STARTING)
		return CTL_NOT_YET;
	if (master_accepting(m) < policy_quorum(m->nplaces))
		return CTL_TOO_FEW;
	return CTL_CAN_SERVE;
}

static int
write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A file that nobody can change any more; -1: no memory. Prometheus wants a
 * newline at the end. */
static int
make_file(const char *json, const char *metrics)
{
	int fd;

	if (json == NULL || metrics == NULL)
		return -1;
	fd = memfd_create("tine status", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd == -1)
		return -1;
	if (write_all(fd, json, strlen(json)) == -1 ||
	    write_all(fd, metrics, strlen(metrics)) == -1 ||
	    write_all(fd, "\n", 1) == -1 ||
	    fcntl(fd, F_ADD_SEALS,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == -1)
		closefd(&fd);
	return fd;
}

static void
answer(struct proc *p)
{
	struct ctl_status status = { .readiness = readiness(p->master) };
	char *json = status_print(p->master);
	char *metrics = metrics_print(p->master);
	int fd = make_file(json, metrics);

	if (fd != -1) {
		status.json_bytes = (uint32_t)strlen(json);
		status.metrics_bytes = (uint32_t)strlen(metrics) + 1;
	}
	free(json);
	free(metrics);
	if (mctl_send(p, CTL_STATUS, &status, sizeof(status), fd))
		p->is_asking = false;
	closefd(&fd);
}

void
admin_on_ask(struct proc *p)
{
	p->is_asking = true;
	master_on_change(p->master);
}

void
admin_step(struct master *m)
{
	struct proc *p;

	if (m->admin.place == NULL)
		return;
	follow(m);
	/* One that cannot be told now is told when it reads again. */
	TAILQ_FOREACH(p, &m->procs, entry)
		if (p->is_asking && p->ctl != -1 && p->blocked_ns == 0)
			answer(p);
}

/* ---- its end ---- */

bool
admin_end(struct master *m)
{
	struct admin *a = &m->admin;
	struct proc *p, *next;
	bool is_gone = true;

	TAILQ_FOREACH_SAFE(p, &m->procs, entry, next) {
		if (!proc_is_admin(p) || p->is_buried)
			continue;
		is_gone = false;
		proc_dismiss(p, CTL_STOPPING);
	}
	if (!is_gone && !a->is_ending) {
		a->is_ending = true;
		stop_hush(m);
	}
	return is_gone;
}

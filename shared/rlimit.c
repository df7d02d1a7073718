/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rlimit.c: the limit of open descriptors. The master raises it while it has
 * the right to, the checker tries the same on its own before it says that a
 * configuration is good, and a child takes what the configuration says.
 */
#include "shared/rlimit.h"

#include <sys/resource.h>

#include <inttypes.h>

#include "shared/log.h"

/* Descriptors that connections must leave: listeners, log, channel, files. */
#define SPARE_FILES 64
#define CONNECTIONS_MIN 16

int
rlimit_raise_files(const struct conf *conf, struct err *err)
{
	struct rlimit files;
	rlim_t hard;

	if (getrlimit(RLIMIT_NOFILE, &files) == -1)
		return err_sys(err, "limit of open files");
	hard = files.rlim_max;
	files.rlim_max = MAX_OF(hard, conf->rlimit_nofile);
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) == 0)
		return 0;
	err_sys(err, "rlimit-nofile %" PRIu64, (uint64_t)files.rlim_max);
	return err_hint(err,
	    "only root can pass the hard limit, %" PRIu64 " here, and nobody "
	    "the kernel's, sysctl fs.nr_open; max takes what there is",
	    (uint64_t)hard);
}

void
rlimit_set_files(const struct conf *conf)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == -1)
		return;
	if (conf->rlimit_nofile != 0)
		files.rlim_max = MIN_OF(files.rlim_max, conf->rlimit_nofile);
	/* The soft limit is a limit as well: max-connections follows it. */
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) == -1)
		log_sys(LOG_WARN, "limit of open files");
}

uint64_t
rlimit_files(void)
{
	struct rlimit files;

	return getrlimit(RLIMIT_NOFILE, &files) == 0 ? files.rlim_cur
						     : UINT64_MAX;
}

uint64_t
rlimit_connections(const struct conf *conf)
{
	struct rlimit files;
	uint64_t most = CONNECTIONS_MIN;

	if (getrlimit(RLIMIT_NOFILE, &files) == -1)
		return conf->max_connections;
	if (files.rlim_cur > SPARE_FILES + CONNECTIONS_MIN)
		most = files.rlim_cur - SPARE_FILES;
	return MIN_OF(conf->max_connections, most);
}

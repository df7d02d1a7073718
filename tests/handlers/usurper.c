/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * usurper.c: a shared object whose constructor writes a configuration of its
 * own into every descriptor it can find, and says that all went well.
 */
#include <sys/types.h>

#include <stdlib.h>
#include <unistd.h>

#include <tine.h>

#define DESCRIPTORS 64

__attribute__((constructor)) static void
usurp(void)
{
	static const char conf[] = "processes=1\nuid=0\ngid=0\n"
				   "servers.0.handler=echo\n";
	int fd, done = 0;

	/* In a child there is nobody left to be cheated. */
	if (getenv("TINE_USURP") == NULL)
		return;
	for (fd = STDERR_FILENO + 1; fd < DESCRIPTORS; fd++)
		if (ftruncate(fd, 0) == -1 ||
		    pwrite(fd, conf, sizeof(conf), 0) == -1)
			done += write(fd, conf, sizeof(conf)) != -1;
	_exit(done > DESCRIPTORS);
}

TINE_HANDLER(.name = "usurper");

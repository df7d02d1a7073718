/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * impostor.c: a program in the place of a new tine. The file `act` in its
 * folder says what it does wrong; `real` there is a sound tine, which it asks
 * where it has to behave: to pass the trial, or to fail later.
 *
 *     exit0 exit1 crash hang fork   in its trial
 *     back    passes the trial, and calls the old binary back at once
 *     garble  passes it, and then gives the real one a state that is damaged,
 *             which comes back to us, and we to the old binary
 *     die     passes it, and then dies as the master
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <err.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REMEMBER "IMPOSTOR_REMEMBERS"
#define CHECK "--upgrade-check="
#define STATE "--upgrade-state="

static char folder[PATH_MAX];

static void
read_act(char *dst, size_t size)
{
	char path[PATH_MAX + 8];
	ssize_t n = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
	int fd;

	if (n == -1)
		err(1, "/proc/self/exe");
	folder[n] = '\0';
	(void)dirname(folder);
	(void)snprintf(path, sizeof(path), "%s/act", folder);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd == -1 ? -1 : read(fd, dst, size - 1);
	if (n == -1)
		err(1, "%s", path);
	dst[n] = '\0';
	(void)close(fd);
}

static void
become_real(char **argv)
{
	char path[PATH_MAX + 8];

	(void)snprintf(path, sizeof(path), "%s/real", folder);
	(void)execv(path, argv);
	err(1, "%s", path);
}

static void
fail_trial(const char *act)
{
	if (strcmp(act, "exit0") == 0)
		exit(0);
	if (strcmp(act, "exit1") == 0)
		errx(1, "no, I will not");
	if (strcmp(act, "crash") == 0)
		abort();
	if (strcmp(act, "hang") == 0)
		for (;;)
			(void)pause();
	if (strcmp(act, "fork") == 0 && fork() > 0)
		(void)raise(SIGKILL);
	if (strcmp(act, "fork") == 0) {
		/* It holds the pipe, and must keep nobody waiting. */
		(void)alarm(3);
		(void)pause();
		exit(0);
	}
}

/* The old binary, as an image that cannot go on calls it; if that was the real
 * one, with the reason that it gave. */
static void
call_back(char **argv, int state, int way_back)
{
	static char option[64];
	char *empty = argv[0];

	(void)snprintf(option, sizeof(option), STATE "%d,-1", state);
	argv[1] = option;
	(void)fcntl(way_back, F_SETFD, FD_CLOEXEC);
	(void)setenv("TINE_UPGRADE_ERROR", "an impostor", 0);
	(void)fexecve(way_back, argv, environ);
	err(1, "%s", empty);
}

/* A copy of the state in which one bit is wrong. */
static int
garbled(int state)
{
	struct stat st;
	char *bytes;
	int fd = memfd_create("garbled", 0);

	if (fd == -1 || fstat(state, &st) == -1)
		err(1, "state");
	bytes = malloc((size_t)st.st_size);
	if (bytes == NULL || pread(state, bytes, (size_t)st.st_size, 0) == -1)
		err(1, "state");
	bytes[st.st_size / 2] ^= 1;
	if (write(fd, bytes, (size_t)st.st_size) == -1)
		err(1, "state");
	free(bytes);
	return fd;
}

static void
be_master(const char *act, char **argv, int state, int way_back)
{
	static char option[64], memory[64];
	const char *before = getenv(REMEMBER);
	int self, copy;

	if (strcmp(act, "die") == 0)
		exit(3);
	if (strcmp(act, "back") == 0)
		call_back(argv, state, way_back);
	if (strcmp(act, "garble") != 0)
		become_real(argv);
	if (before != NULL) {
		/* The real one gave up. */
		(void)close(state);
		if (sscanf(before, "%d,%d", &state, &way_back) != 2)
			errx(1, "%s", before);
		(void)unsetenv(REMEMBER);
		call_back(argv, state, way_back);
	}
	copy = garbled(state);
	self = open("/proc/self/exe", O_RDONLY);
	if (self == -1)
		err(1, "/proc/self/exe");
	(void)snprintf(memory, sizeof(memory), "%d,%d", state, way_back);
	(void)setenv(REMEMBER, memory, 1);
	(void)snprintf(option, sizeof(option), STATE "%d,%d", copy, self);
	argv[1] = option;
	become_real(argv);
}

int
main(int argc, char **argv)
{
	int state, way_back;
	char act[16];

	read_act(act, sizeof(act));
	if (argc > 1 && strncmp(argv[1], CHECK, strlen(CHECK)) == 0)
		fail_trial(act);
	if (argc > 1 && strncmp(argv[1], STATE, strlen(STATE)) == 0 &&
	    sscanf(argv[1] + strlen(STATE), "%d,%d", &state, &way_back) == 2)
		be_master(act, argv, state, way_back);
	become_real(argv);
}

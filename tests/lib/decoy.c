/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * decoy.c: a program that is no server, to be put where the binary of one
 * was before an upgrade. A word behind its own last byte, ended by a newline,
 * says what it does; whoever copies it puts the word there.
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORD_MAX 16

static void
exit_0(void)
{
	exit(0);
}

static void
exit_1(void)
{
	errx(1, "an impostor");
}

static void
crash(void)
{
	(void)raise(SIGSEGV);
}

static void
hang(void)
{
	for (;;)
		(void)pause();
}

/* What it forked keeps every descriptor that it has. */
static void
fork_and_die(void)
{
	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		hang();
		break;
	default:
		(void)raise(SIGKILL);
	}
}

static const struct {
	const char *word;
	void (*fn)(void);
} deeds[] = {
	{ "exits_0", exit_0 },
	{ "exits_1", exit_1 },
	{ "crashes", crash },
	{ "hangs", hang },
	{ "forks_and_dies", fork_and_die },
};

int
main(void)
{
	char word[WORD_MAX + 1] = "", *begin;
	size_t i;
	int fd;

	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (fd == -1 || lseek(fd, -WORD_MAX, SEEK_END) == -1 ||
	    read(fd, word, WORD_MAX) != WORD_MAX)
		err(2, "/proc/self/exe");
	(void)close(fd);
	word[strcspn(word, "\n")] = '\0';
	begin = strrchr(word, ' ');
	for (i = 0; begin != NULL && i < sizeof(deeds) / sizeof(deeds[0]); i++)
		if (strcmp(deeds[i].word, begin + 1) == 0)
			deeds[i].fn();
	errx(2, "nothing to do");
}

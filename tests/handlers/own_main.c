/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * own_main.c: a program that is a server with a handler of its own, and the
 * same handler for tine to load. It greets each connection with "WORD child
 * GENERATION"; "master" would stand there if callbacks ran in the process that
 * called tine_main().
 */
#include <tine.h>

#include <stdio.h>
#include <unistd.h>

static const struct tine_option options[] = {
	{ "word", TINE_STRING, "hello", 1, 40, "what it says first" },
	{ .name = NULL },
};

static pid_t master;

static enum tine_action
own_start(struct tine_child *child)
{
	if (getpid() != master)
		return TINE_OK;
	tine_set_error(child, "start runs in the master");
	return TINE_ABORT;
}

static enum tine_action
own_open(struct tine_conn *c)
{
	const struct tine_child *child = tine_child(c);
	char line[80];
	int n;

	n = snprintf(line, sizeof(line), "%s %s %u\n",
	    tine_option(child, "word", NULL),
	    getpid() == master ? "master" : "child", tine_generation(child));
	return tine_write(c, line, (size_t)n) == 0 ? TINE_CLOSE : TINE_ABORT;
}

TINE_HANDLER(.name = "own_main", .options = options, .start = own_start,
    .open = own_open);

int
main(int argc, char **argv)
{
	master = getpid();
	return tine_main(argc, argv, &tine_handler);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Births: what a wait status means in words and what a forked process keeps.
 * child_main() is wrapped. */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "master/master.h"

/* What the process that is born does. */
static void (*birth)(const struct heritage *);

NORETURN void __wrap_child_main(const struct heritage *);

NORETURN void
__wrap_child_main(const struct heritage *h)
{
	birth(h);
	_exit(0);
}

/* Tell every descriptor that is open. Those past the limit are valgrind's
 * own. */
static void
list_descriptors(const struct heritage *h)
{
	DIR *d = opendir("/proc/self/fd");
	struct rlimit limit;
	struct dirent *e;
	int fd;

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	while ((e = readdir(d)) != NULL) {
		fd = atoi(e->d_name);
		if (e->d_name[0] != '.' && fd != dirfd(d) && fd > 2 &&
		    fd != h->ctl && (rlim_t)fd < limit.rlim_cur)
			(void)dprintf(h->ctl, "open %d\n", fd);
	}
	(void)dprintf(h->ctl, "end\n");
	(void)closedir(d);
}

static void
a_forked_process_keeps_only_what_it_was_given(void **state)
{
	int result = memfd_create("result", MFD_CLOEXEC), extra[3], i, status;
	char text[256] = "";
	struct conf conf;
	struct err err;
	pid_t pid;

	(void)state;
	conf_init(&conf);
	for (i = 0; i < 3; i++)
		extra[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	birth = list_descriptors;
	pid = spawn_checker(NULL, &conf, result, &err);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(pread(result, text, sizeof(text) - 1, 0) > 0);
	assert_string_equal(text, "end\n");
	for (i = 0; i < 3; i++)
		closefd(&extra[i]);
	closefd(&result);
	conf_free(&conf);
}

static void
a_wait_status_has_words(void **state)
{
	char words[64];

	(void)state;
	assert_string_equal(spawn_words(3 << 8, words, sizeof(words)),
	    "exit code 3");
	assert_string_equal(spawn_words(SIGKILL, words, sizeof(words)),
	    "signal 9 (Killed)");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_forked_process_keeps_only_what_it_was_given),
		cmocka_unit_test(a_wait_status_has_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

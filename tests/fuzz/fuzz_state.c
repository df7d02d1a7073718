/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_state.c: whatever a build wrote as its state is taken or refused with a
 * reason, by a trial and by a master, which could then turn its loop. What it
 * names as descriptors are some sockets and pages, and nothing else of this
 * process is open or can be closed.
 */
#include <sys/mman.h>
#include <sys/socket.h>

#include <assert.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "master/control.h"
#include "master/master.h"
#include "master/notify.h"
#include "master/state.h"

/* The descriptors that there are: a socket, a channel, a page, in turn. */
#define FDS_FIRST 200
#define FDS_END 230
#define SPARE (FDS_END - FDS_FIRST) /* the originals are kept above */

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);
int __wrap_close(int);
int __real_close(int);
int __wrap_fcntl(int, int, ...);
int __real_fcntl(int, int, ...);
int __wrap_prctl(int, ...);

static struct master m;
static struct conf said;

static bool
is_ours(int fd)
{
	return fd >= FDS_FIRST && fd < FDS_END;
}

int
__wrap_close(int fd)
{
	/* Below are the fuzzer's, and what the loop has for itself. */
	return is_ours(fd) || (fd > STDERR_FILENO && fd < FDS_FIRST)
	    ? __real_close(fd)
	    : 0;
}

/* The question whether a descriptor of the record is open. */
int
__wrap_fcntl(int fd, int cmd, ...)
{
	va_list ap;
	long arg;

	if (cmd == F_GETFD && !is_ours(fd) && fd != STDERR_FILENO) {
		errno = EBADF;
		return -1;
	}
	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	return __real_fcntl(fd, cmd, arg);
}

/* The name of this process stays. */
int
__wrap_prctl(int option, ...)
{
	(void)option;
	return 0;
}

NORETURN void
child_main(const struct heritage *h)
{
	(void)h;
	abort();
}

static int
open_one(int kind)
{
	const struct sockaddr_in sin = { .sin_family = AF_INET };
	int pair[2], fd;

	switch (kind) {
	case 0:
		fd = socket(AF_INET, SOCK_STREAM, 0);
		assert(
		    bind(fd, (const struct sockaddr *)&sin, sizeof(sin)) == 0);
		return fd;
	case 1:
		assert(ctl_pair(pair) == 0);
		return pair[0];
	default:
		fd = memfd_create("page", MFD_ALLOW_SEALING);
		assert(ftruncate(fd, BOARD_PAGE_BYTES) == 0);
		assert(__real_fcntl(fd, F_ADD_SEALS,
			   F_SEAL_SHRINK | F_SEAL_GROW) == 0);
		return fd;
	}
}

static void
open_descriptors(void)
{
	static bool is_done;
	int i;

	for (i = FDS_FIRST; i < FDS_END; i++) {
		if (!is_done) {
			int fd = open_one((i - FDS_FIRST) % 3);

			assert(dup2(fd, i + SPARE) != -1);
			(void)__real_close(fd);
		}
		assert(dup2(i + SPARE, i) != -1);
	}
	is_done = true;
}

static void
begin(void)
{
	struct err err;

	log_set_level(LOG_ERROR);
	open_descriptors();
	if (m.places == NULL)
		m.places = calloc(CONF_PROCESSES_MAX, sizeof(struct place));
	(void)memset(m.places, 0, CONF_PROCESSES_MAX * sizeof(struct place));
	m = (struct master){
		.said = &said,
		.places = m.places,
		.binary = { .fd = -1 },
		.notify = { .fd = -1 },
		.pid_fd = -1,
		.log_fd = STDERR_FILENO,
		.state = MASTER_UPGRADING,
	};
	TAILQ_INIT(&m.generations);
	TAILQ_INIT(&m.admin.generations);
	TAILQ_INIT(&m.procs);
	TAILQ_INIT(&m.checkruns);
	m.loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	assert(board_open(&m.board, 64, &err) == 0);
}

static void
end(void)
{
	struct checkrun *run, *next;
	struct proc *p;
	size_t i;

	m.state = MASTER_EXIT;
	if (m.control != NULL) {
		m.control_path[0] = '\0';
		control_abandon(m.control);
	}
	TAILQ_FOREACH_SAFE(run, &m.checkruns, entry, next)
		checkrun_free(&run);
	while ((p = TAILQ_FIRST(&m.procs)) != NULL)
		proc_on_reaped(p, 0);
	for (i = 0; i < m.nlisteners; i++) {
		steer_fini(&m.listeners[i]->steer);
		free(m.listeners[i]->slots);
		free(m.listeners[i]);
	}
	free(m.listeners);
	generation_free_all(&m);
	op_fini(&m);
	free(m.admin.place);
	board_close(&m.board);
	notify_fini(&m.notify);
	ev_loop_destroy(m.loop);
	(void)log_use(STDERR_FILENO, LOG_STDERR);
}

static void
load(const struct tlv_record *r, bool is_trial)
{
	struct err err;

	begin();
	err.text[0] = '\0';
	if (state_load(&m, r, is_trial, &err) == -1)
		assert(err.text[0] != '\0');
	else
		assert(m.generation != NULL && m.conf != NULL);
	end();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tlv_head head = { .magic = TLV_MAGIC, .version = 1 };
	size_t len = sizeof(head) + size;
	uint8_t *bytes = malloc(len);
	struct tlv_record r;
	struct err err;

	/* No fuzzer guesses a checksum: the input is the entries. */
	assert(bytes != NULL);
	head.length = len;
	(void)memcpy(bytes, &head, sizeof(head));
	(void)memcpy(bytes + sizeof(head), data, size);
	head.checksum = tlv_checksum(bytes, len);
	(void)memcpy(bytes, &head, sizeof(head));
	if (tlv_parse(&r, bytes, len, &err) == 0) {
		load(&r, true);
		load(&r, false);
	}
	free(bytes);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crash.c: a child's last line. Runs in children, in a signal handler, on a
 * stack of its own: only calls that are safe there, no allocation, no stdio.
 * It says which handler's callback was at work on which connection, and then
 * dies of the signal as if it had not been caught. It leaves the channel alone:
 * the master answers end-of-file with SIGKILL, which would take the signal's
 * place in the obituary and in the count of crashes, and cut a core short.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "child/child.h"

/* The sanitizers' own report is better than ours. */
#ifdef __SANITIZE_ADDRESS__
#define CRASH_BY_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||     \
    __has_feature(memory_sanitizer)
#define CRASH_BY_SANITIZER 1
#endif
#endif
#ifndef CRASH_BY_SANITIZER
#define CRASH_BY_SANITIZER 0
#endif

#define SIGNAL_STACK_BYTES 65536

static const struct {
	int number;
	const char *name;
} fatal[] = {
	{ SIGSEGV, "SIGSEGV" },
	{ SIGBUS, "SIGBUS" },
	{ SIGABRT, "SIGABRT" },
	{ SIGFPE, "SIGFPE" },
	{ SIGILL, "SIGILL" },
};

static const struct child *watched;
static void *stack;

struct line {
	char text[512];
	size_t len;
};

static void
add(struct line *l, const char *text)
{
	while (*text != '\0' && l->len < sizeof(l->text))
		l->text[l->len++] = *text++;
}

static void
add_number(struct line *l, uint64_t n)
{
	char digits[24], *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do
		*--p = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	add(l, p);
}

static void
add_doing(struct line *l, const struct doing *d)
{
	if (d->callback == BOARD_IN_NONE || d->server == NULL) {
		add(l, "in the server itself");
		return;
	}
	add(l, "in handler ");
	add(l, d->server->handler.name);
	add(l, ", callback ");
	add(l, board_callback_names[d->callback]);
	if (d->conn == NULL)
		return;
	add(l, ", conn ");
	add_number(l, d->conn->handle & UINT32_MAX);
	add(l, ".");
	add_number(l, d->conn->handle >> 32);
}

/* What this thread was doing. */
static void
add_thread(struct line *l)
{
	if (call_thread.is_loop)
		add_doing(l, &watched->doing);
	else if (call_thread.doing != NULL)
		add_doing(l, call_thread.doing);
	else
		add(l, "in a thread of a handler");
}

/* Did a coroutine touch the page below its stack? */
static bool
is_overrun(const siginfo_t *info)
{
	const struct coro *co = coro_current();

	return info->si_signo == SIGSEGV && call_thread.is_loop && co != NULL &&
	    stack_is_overrun(co->stack, info->si_addr);
}

static void
on_fatal(int sig, siginfo_t *info, void *context)
{
	struct line line = { .len = 0 };
	size_t i;

	add(&line, "fatal signal ");
	add_number(&line, (uint64_t)sig);
	for (i = 0; i < nitems(fatal); i++)
		if (fatal[i].number == sig) {
			add(&line, " (");
			add(&line, fatal[i].name);
			add(&line, ")");
		}
	if (is_overrun(info))
		add(&line, ": stack overflow");
	(void)context;
	add(&line, " ");
	if (watched != NULL) {
		add_thread(&line);
		log_from_signal(line.text, line.len);
	}
	/* SA_RESETHAND made the default action ours again. */
	(void)raise(sig);
}

void
crash_init(struct child *ch)
{
	struct sigaction act = {
		.sa_sigaction = on_fatal,
		.sa_flags =
		    SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND | SA_NODEFER,
	};
	stack_t alternate = { .ss_size = SIGNAL_STACK_BYTES };
	size_t i;

	if (CRASH_BY_SANITIZER)
		return;
	watched = ch;
	stack = malloc(SIGNAL_STACK_BYTES);
	alternate.ss_sp = stack;
	/* A crash without a line is still a crash that the master sees. */
	if (stack == NULL || sigaltstack(&alternate, NULL) == -1) {
		log_sys(LOG_WARN, "stack for the line of a crash");
		return;
	}
	(void)sigemptyset(&act.sa_mask);
	for (i = 0; i < nitems(fatal); i++)
		if (sigaction(fatal[i].number, &act, NULL) == -1)
			log_sys(LOG_WARN, "catch signal %d", fatal[i].number);
}

void
crash_fini(void)
{
	const stack_t none = { .ss_flags = SS_DISABLE };
	struct sigaction act = { .sa_handler = SIG_DFL };
	size_t i;

	watched = NULL;
	if (stack == NULL)
		return;
	for (i = 0; i < nitems(fatal); i++)
		(void)sigaction(fatal[i].number, &act, NULL);
	(void)sigaltstack(&none, NULL);
	free(stack);
	stack = NULL;
}

void
crash_guard_thread(void *bytes, size_t size)
{
	const stack_t alternate = {
		.ss_sp = bytes,
		.ss_size = size,
		.ss_flags = bytes == NULL ? SS_DISABLE : 0,
	};

	/* The sanitizers have one of their own, and would unmap ours. */
	if (!CRASH_BY_SANITIZER)
		(void)sigaltstack(&alternate, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tinectl_screen.c: the terminal of `tinectl top`, by plain escapes of ANSI and
 * xterm. Owns the terminal's modes and the signals as long as it is open; knows
 * nothing of what is drawn.
 */
#include "master/tinectl_screen.h"

#include <sys/ioctl.h>
#include <sys/signalfd.h>

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base.h"

#define ROWS 24 /* of a terminal that does not say */
#define COLUMNS 80
#define POLL_MAX_MS 60000

/* A screen of our own, which hides what was there; no cursor; long lines are
 * cut and not wrapped. */
#define ENTER "\033[?1049h\033[?25l\033[?7l\033[H\033[2J"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP,
	SIGCONT, SIGWINCH };

static void
change_mask(int how, int only)
{
	sigset_t set;
	size_t i;

	(void)sigemptyset(&set);
	for (i = 0; i < nitems(signals); i++)
		if (only == 0 || signals[i] == only)
			(void)sigaddset(&set, signals[i]);
	(void)sigprocmask(how, &set, NULL);
}

bool
tinectl_screen_is_there(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term != NULL &&
	    strcmp(term, "dumb") != 0;
}

/* Keys come at once and are not shown. */
static void
set_modes(const struct tinectl_screen *s)
{
	struct termios raw = s->modes;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	if (s->has_keys)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

static void
enter(const struct tinectl_screen *s)
{
	set_modes(s);
	(void)fputs(ENTER, stdout);
	(void)fflush(stdout);
}

static void
leave(const struct tinectl_screen *s)
{
	(void)fputs(LEAVE, stdout);
	(void)fflush(stdout);
	if (s->has_keys)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &s->modes);
}

static void
measure(struct tinectl_screen *s)
{
	struct winsize size = { 0 };

	s->rows = ROWS;
	s->columns = COLUMNS;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == -1 || size.ws_row == 0 ||
	    size.ws_col == 0)
		return;
	s->rows = size.ws_row;
	s->columns = size.ws_col;
}

int
tinectl_screen_open(struct tinectl_screen *s, struct err *err)
{
	sigset_t set;
	size_t i;

	*s = (struct tinectl_screen){ .signal_fd = -1 };
	(void)sigemptyset(&set);
	for (i = 0; i < nitems(signals); i++)
		(void)sigaddset(&set, signals[i]);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd == -1)
		return err_sys(err, "signalfd");
	s->has_keys = tcgetattr(STDIN_FILENO, &s->modes) == 0;
	change_mask(SIG_BLOCK, 0);
	measure(s);
	enter(s);
	return 0;
}

void
tinectl_screen_close(struct tinectl_screen *s)
{
	leave(s);
	closefd(&s->signal_fd);
	if (s->killer != 0)
		(void)raise(s->killer);
	change_mask(SIG_UNBLOCK, 0);
}

/* Ctrl-Z: the shell gets the terminal as it was, and we stop. What follows is
 * done when we are continued. */
static void
stop(const struct tinectl_screen *s)
{
	leave(s);
	(void)raise(SIGTSTP);
	change_mask(SIG_UNBLOCK, SIGTSTP);
	change_mask(SIG_BLOCK, SIGTSTP);
	enter(s);
}

static enum tinectl_screen_event
take_signal(struct tinectl_screen *s)
{
	struct signalfd_siginfo info;

	if (read(s->signal_fd, &info, sizeof(info)) != sizeof(info))
		return TINECTL_SCREEN_REDRAW;
	switch ((int)info.ssi_signo) {
	case SIGINT:
		return TINECTL_SCREEN_QUIT;
	case SIGTSTP:
		stop(s);
		break;
	case SIGCONT:
		/* After a stop that nobody could see the shell may have set
		 * its own modes. */
		set_modes(s);
		break;
	case SIGWINCH:
		break;
	default:
		s->killer = (int)info.ssi_signo;
		return TINECTL_SCREEN_KILLED;
	}
	measure(s);
	return TINECTL_SCREEN_REDRAW;
}

/* Is q among the keys? An end of the input is an end too: nobody could ever
 * press it. */
static bool
wants_quit(void)
{
	char keys[64];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

	if (n <= 0)
		return n == 0 || (errno != EINTR && errno != EAGAIN);
	return memchr(keys, 'q', (size_t)n) != NULL ||
	    memchr(keys, 'Q', (size_t)n) != NULL;
}

enum tinectl_screen_event
tinectl_screen_wait(struct tinectl_screen *s, uint64_t until_ns)
{
	struct pollfd fds[] = {
		{ .fd = s->signal_fd, .events = POLLIN },
		{ .fd = s->has_keys ? STDIN_FILENO : -1, .events = POLLIN },
	};
	uint64_t now;

	while ((now = mono_ns()) < until_ns) {
		uint64_t left_ms = (until_ns - now) / 1000000 + 1;

		if (poll(fds, nitems(fds), (int)MIN_OF(left_ms, POLL_MAX_MS)) <=
		    0)
			continue;
		if (fds[0].revents != 0)
			return take_signal(s);
		if (wants_quit())
			return TINECTL_SCREEN_QUIT;
	}
	return TINECTL_SCREEN_TIME;
}

void
tinectl_screen_frame(const char *text, size_t rows, FILE *out)
{
	size_t row;

	(void)fputs("\033[H", out);
	for (row = 0; row < rows && *text != '\0'; row++) {
		int letters = (int)strcspn(text, "\n");

		/* A newline behind the last row would scroll. */
		(void)fprintf(out, "%s%.*s\033[K", row > 0 ? "\r\n" : "",
		    letters, text);
		text += letters + (text[letters] == '\n');
	}
	if (row < rows)
		(void)fputs(row > 0 ? "\r\n\033[J" : "\033[J", out);
}

void
tinectl_screen_draw(struct tinectl_screen *s, const char *text)
{
	tinectl_screen_frame(text, s->rows, stdout);
	(void)fflush(stdout);
}

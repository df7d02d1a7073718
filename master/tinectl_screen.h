/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tinectl_screen.h: a terminal taken over as a whole: drawn on, asked for keys
 * and signals, and given back as it was, whatever ends the program.
 */
#ifndef TINE_MASTER_TINECTL_SCREEN_H
#define TINE_MASTER_TINECTL_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <termios.h>

#include "shared/err.h"

enum tinectl_screen_event {
	TINECTL_SCREEN_TIME,   /* the time has come */
	TINECTL_SCREEN_REDRAW, /* it has another size, or was away */
	TINECTL_SCREEN_QUIT,   /* q, or Ctrl-C */
	TINECTL_SCREEN_KILLED  /* another signal; see .killer */
};

struct tinectl_screen {
	int signal_fd;
	bool has_keys; /* standard input is the terminal */
	struct termios modes;
	size_t rows, columns;
	int killer;
};

/* Can standard output be drawn on? */
bool tinectl_screen_is_there(void);
/* Take the terminal over. Signals come through it from now on. */
int tinectl_screen_open(struct tinectl_screen *, struct err *);
/* Give it back; with a killer, die of it. */
void tinectl_screen_close(struct tinectl_screen *);
/* Wait for a key, a signal, or this time of mono_ns(). Ctrl-Z stops the program
 * in here. */
enum tinectl_screen_event tinectl_screen_wait(struct tinectl_screen *,
    uint64_t until_ns);
/* Show lines of printable text, as many as there is room for. */
void tinectl_screen_draw(struct tinectl_screen *, const char *text);
/* What that writes, for a screen of so many rows: the cursor goes home, each
 * line is written over the old one, the rest is cleared. Pure. */
void tinectl_screen_frame(const char *text, size_t rows, FILE *);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tinectl_top.c: `tinectl top`: asks for the state of the server each second
 * and shows it, on the whole screen of a terminal or else as one block of lines
 * after the other. On a screen it outlives the server: another one may come.
 */
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/log.h"

#include "master/tinectl.h"
#include "master/tinectl_rates.h"
#include "master/tinectl_screen.h"
#include "master/tinectl_status.h"

#define REFRESH_NS NSEC_PER_SEC
/* No key is looked at meanwhile. */
#define PATIENCE_NS NSEC_PER_SEC

struct top {
	struct run *run;
	json_t *status;     /* the last answer, or NULL */
	uint64_t asked_ns;  /* when it was asked for */
	char trouble[1024]; /* why there is none now, printable, or "" */
	uint64_t next_ns;   /* of the next question */
	uint64_t end_ns;    /* --timeout */
};

/* ---- the server ---- */

static enum wire_result
read_answer(struct top *t, uint64_t asked_ns, struct err *err)
{
	json_error_t error;
	json_t *status = json_loads(t->run->wire.body, 0, &error);

	if (!json_is_object(status)) {
		json_decref(status);
		err_set(err, EXIT_RUNTIME, "cannot read the answer: %s",
		    error.text);
		return WIRE_FAILED;
	}
	tinectl_rates_add(status, t->status,
	    (double)(asked_ns - t->asked_ns) / (double)NSEC_PER_SEC);
	json_decref(t->status);
	t->status = status;
	t->asked_ns = asked_ns;
	return WIRE_OK;
}

/* One question and its answer, until the deadline. */
static enum wire_result
look(struct top *t, uint64_t patience_ns, struct err *err)
{
	struct run *r = t->run;
	uint64_t now = mono_ns();
	enum wire_result result;

	t->next_ns = now + REFRESH_NS;
	result = wire_open(&r->wire, r->path, now + patience_ns, err);
	if (result == WIRE_OK)
		result = wire_ask(&r->wire, "status\n", err);
	if (result == WIRE_OK)
		result = read_answer(t, now, err);
	wire_close(&r->wire);
	return result;
}

/* While the server is away there is nothing to compare its next answer with. */
static void
look_again(struct top *t)
{
	struct err err;
	enum wire_result result = look(t, PATIENCE_NS, &err);

	t->trouble[0] = '\0';
	if (result == WIRE_OK)
		return;
	if (result == WIRE_TIMEOUT)
		err_set(&err, EXIT_RUNTIME, "pid %ld does not answer",
		    (long)t->run->wire.server);
	(void)log_escape(t->trouble, sizeof(t->trouble), err.text,
	    strlen(err.text));
	json_decref(t->status);
	t->status = NULL;
}

/* ---- what is seen ---- */

/* All of it as text, malloc'ed; NULL when memory is short. */
static char *
render(const struct top *t, size_t width, bool has_colour)
{
	struct tinectl_sheet sheet = { NULL, width, has_colour };
	char *text = NULL;
	size_t len;
	int rc = 0;

	sheet.out = open_memstream(&text, &len);
	if (sheet.out == NULL)
		return NULL;
	if (t->status != NULL)
		rc = tinectl_status_top(t->status, &sheet);
	else
		(void)fprintf(sheet.out,
		    "tinectl: waiting for the server: %s\n", t->trouble);
	if (fclose(sheet.out) == 0 && rc == 0)
		return text;
	free(text);
	return NULL;
}

static int
draw(const struct top *t, struct tinectl_screen *s)
{
	char *text = render(t, s->columns, tinectl_status_has_colour());

	if (text == NULL)
		return -1;
	tinectl_screen_draw(s, text);
	free(text);
	return 0;
}

static int
out_of_memory(void)
{
	return tinectl_complain(EXIT_RUNTIME, "out of memory");
}

/* ---- the two forms ---- */

static int
show_screen(struct top *t)
{
	enum tinectl_screen_event event = TINECTL_SCREEN_REDRAW;
	struct tinectl_screen s;
	struct err err;
	int rc;

	if (tinectl_screen_open(&s, &err) == -1)
		return tinectl_complain(EXIT_RUNTIME, "%s", err.text);
	do {
		rc = draw(t, &s);
		if (rc == -1)
			break;
		event = tinectl_screen_wait(&s, MIN_OF(t->next_ns, t->end_ns));
		if (event == TINECTL_SCREEN_TIME && mono_ns() >= t->end_ns)
			break;
		if (event == TINECTL_SCREEN_TIME)
			look_again(t);
	} while (
	    event == TINECTL_SCREEN_TIME || event == TINECTL_SCREEN_REDRAW);
	tinectl_screen_close(&s);
	return rc == 0 ? EXIT_OK : out_of_memory();
}

/* False: the end is there before the next question. */
static bool
sleep_until_next(const struct top *t)
{
	uint64_t now;

	if (t->next_ns >= t->end_ns)
		return false;
	while ((now = mono_ns()) < t->next_ns)
		(void)poll(NULL, 0, (int)((t->next_ns - now) / 1000000 + 1));
	return true;
}

/* Until nobody reads any more, or the server is gone. */
static int
show_lines(struct top *t)
{
	enum wire_result result;
	struct err err;
	char *text;

	do {
		text = render(t, 0, false);
		if (text == NULL)
			return out_of_memory();
		(void)printf("%s\n", text);
		free(text);
		if (fflush(stdout) == EOF)
			return tinectl_complain(EXIT_RUNTIME, "write: %s",
			    strerror(errno));
		if (!sleep_until_next(t))
			return EXIT_OK;
		result = look(t, TINECTL_TIMEOUT_S * NSEC_PER_SEC, &err);
	} while (result == WIRE_OK);
	return tinectl_judge(t->run, result, &err);
}

int
tinectl_top(struct run *r)
{
	uint64_t now = mono_ns(), patience_ns;
	struct top t = { .run = r, .end_ns = UINT64_MAX };
	enum wire_result result;
	struct err err;
	int code;

	patience_ns = TINECTL_TIMEOUT_S * NSEC_PER_SEC;
	if (r->timeout_s != 0) {
		patience_ns = (uint64_t)r->timeout_s * NSEC_PER_SEC;
		t.end_ns = now + patience_ns;
	}
	/* Who asks a server that is not there is told so, as by any command. */
	r->is_probing = true;
	result = look(&t, patience_ns, &err);
	if (result != WIRE_OK)
		code = tinectl_judge(r, result, &err);
	else
		code = tinectl_screen_is_there() ? show_screen(&t)
						 : show_lines(&t);
	json_decref(t.status);
	return code;
}

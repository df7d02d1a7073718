/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table.c: rows of cells, and their print as aligned columns. Linked into
 * every program; owns the cells, keeps nothing else.
 */
#include "shared/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2

static const char *const colours[] = {
	[TABLE_GOOD] = "\033[32m",
	[TABLE_BUSY] = "\033[33m",
};

void
table_init(struct table *t, const struct table_column *columns, size_t ncolumns)
{
	assert(ncolumns <= TABLE_COLUMNS_MAX);
	*t = (struct table){ .columns = columns, .ncolumns = ncolumns };
}

void
table_fini(struct table *t)
{
	free(t->cells);
	t->cells = NULL;
	t->nrows = t->room = 0;
}

struct table_cell *
table_row(struct table *t)
{
	struct table_cell *row;

	if (t->nrows == t->room) {
		size_t room = t->room == 0 ? 16 : t->room * 2;

		row = reallocarray(t->cells, room * t->ncolumns, sizeof(*row));
		if (row == NULL)
			return NULL;
		t->cells = row;
		t->room = room;
	}
	row = t->cells + t->nrows++ * t->ncolumns;
	memset(row, 0, t->ncolumns * sizeof(*row));
	return row;
}

static void
print_cell(FILE *out, const struct table_cell *cell, size_t before,
    size_t after, const char *colour)
{
	(void)fprintf(out, "%*s%s%s%s%*s", (int)before, "",
	    colour != NULL ? colour : "", cell->text,
	    colour != NULL ? "\033[0m" : "", (int)after, "");
}

/* colour_of may be NULL; a column of no width is left out. */
static void
print_row(const struct table *t, FILE *out, const struct table_cell *row,
    const size_t *widths, const char *const *colour_of)
{
	size_t i, pad, n = t->ncolumns;

	/* No blanks at the end of a line. */
	while (n > 0 && (widths[n - 1] == 0 || row[n - 1].text[0] == '\0'))
		n--;
	for (i = 0; i < n; i++) {
		bool is_left = t->columns[i].is_left;

		if (widths[i] == 0)
			continue;
		pad = widths[i] - strlen(row[i].text);
		print_cell(out, &row[i], is_left ? 0 : pad,
		    i + 1 == n ? 0 : (is_left ? pad : 0) + GAP,
		    colour_of != NULL ? colour_of[row[i].colour] : NULL);
	}
	(void)fputc('\n', out);
}

/* The columns' widths, titles included. */
static void
measure(const struct table *t, const struct table_cell *titles, size_t *widths)
{
	size_t i, row;

	for (i = 0; i < t->ncolumns; i++)
		widths[i] = strlen(titles[i].text);
	for (row = 0; row < t->nrows; row++)
		for (i = 0; i < t->ncolumns; i++)
			widths[i] = MAX_OF(widths[i],
			    strlen(t->cells[row * t->ncolumns + i].text));
}

/* Give columns the width 0 until a line fits, or none more may go. */
static void
leave_out(const struct table *t, size_t *widths)
{
	size_t i, worst, sum;

	do {
		sum = 0;
		worst = t->ncolumns;
		for (i = 0; i < t->ncolumns; i++) {
			if (widths[i] == 0)
				continue;
			sum += widths[i] + (sum > 0 ? GAP : 0);
			if (t->columns[i].rank > 0 &&
			    (worst == t->ncolumns ||
				t->columns[i].rank > t->columns[worst].rank))
				worst = i;
		}
		if (sum <= t->width || worst == t->ncolumns)
			return;
		widths[worst] = 0;
	} while (true);
}

void
table_print(const struct table *t, FILE *out, bool with_colour)
{
	struct table_cell titles[TABLE_COLUMNS_MAX] = { 0 };
	size_t widths[TABLE_COLUMNS_MAX], i, row;

	for (i = 0; i < t->ncolumns; i++)
		(void)snprintf(titles[i].text, sizeof(titles[i].text), "%s",
		    t->columns[i].title);
	measure(t, titles, widths);
	if (t->width > 0)
		leave_out(t, widths);
	print_row(t, out, titles, widths, NULL);
	for (row = 0; row < t->nrows; row++)
		print_row(t, out, t->cells + row * t->ncolumns, widths,
		    with_colour ? colours : NULL);
}

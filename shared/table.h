/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table.h: aligned columns for people. Used by the programs that print lists;
 * knows nothing of what is in the cells, except that it is printable ASCII.
 */
#ifndef TINE_SHARED_TABLE_H
#define TINE_SHARED_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "shared/base.h"

#define TABLE_CELL_MAX 128
#define TABLE_COLUMNS_MAX 16

enum table_colour {
	TABLE_PLAIN,
	TABLE_GOOD,
	TABLE_BUSY
};

struct table_column {
	const char *title;
	bool is_left; /* aligned; numbers stand right */
	int rank;     /* 0: always there; else the highest goes first */
};

struct table_cell {
	char text[TABLE_CELL_MAX];
	enum table_colour colour;
};

struct table {
	const struct table_column *columns;
	size_t ncolumns; /* at most TABLE_COLUMNS_MAX */
	struct table_cell *cells;
	size_t nrows, room;
	size_t width; /* of the screen; 0: no limit */
};

/* An empty table; the columns stay the caller's. */
void table_init(struct table *, const struct table_column *, size_t ncolumns);
void table_fini(struct table *);
/* A new row of empty cells to fill, valid until the next one; NULL when memory
 * is short. */
struct table_cell *table_row(struct table *);
/* Print the titles and the rows; with_colour: by terminal escapes. Columns with
 * a rank are left out as long as a line is wider than the table's width. */
void table_print(const struct table *, FILE *, bool with_colour);

#endif

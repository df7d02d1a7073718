/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handle.h: from the 64-bit name of a connection to the connection. Private to
 * child/. A handle is generation << 32 | number; numbers are from 1 and given
 * out by the page, so that a table of pages finds one without a search.
 */
#ifndef TINE_CHILD_HANDLE_H
#define TINE_CHILD_HANDLE_H

#include <tine.h>

#include <stddef.h>

struct slab_page;

/* All pages of connections of a child. */
struct handle_table {
	struct slab_page **pages;
	size_t npages, size; /* in use, and room for */
};

/* The number of the page's first object; 0 and errno ENOMEM. */
uint32_t handle_add_page(struct handle_table *, struct slab_page *);
/* When the pages are gone. */
void handle_fini(struct handle_table *);
/* NULL: it is closed, or never was. */
struct tine_conn *handle_find(const struct handle_table *, uint64_t handle);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reload.h: the operation that reads the configuration anew and makes a
 * generation of it. Its functions are operation.c's to call.
 */
#ifndef TINE_MASTER_RELOAD_H
#define TINE_MASTER_RELOAD_H

struct checkrun;
struct checkrun_result;
struct err;
struct generation;
struct master;

/* CHECKING > WAITING > ROLLING > RESIZING > WATCHING */
enum reload_phase {
	RELOAD_CHECKING, /* the checker reads the files */
	RELOAD_WAITING,  /* too many old generations still drain */
	RELOAD_ROLLING,  /* see roll.h; also on the way back */
	RELOAD_RESIZING, /* the number of children follows the configuration */
	RELOAD_WATCHING, /* done but for the commit */
};

struct reload {
	enum reload_phase phase;
	struct checkrun *run; /* CHECKING */
	struct generation
	    *next;         /* from WAITING on, until it serves or failed */
	int places_before; /* the count to go back to */
};

/* Would a reload refuse what the checker made of the files, because it changes
 * what cannot change? Opens nothing. -1 with the reason. */
int reload_check(const struct master *, const struct checkrun_result *,
    struct err *);

void reload_begin(struct master *, int target);
void reload_step(struct master *);
void reload_commit(struct master *);
void reload_cancel(struct master *);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * state_table.h: what a record of the state holds: the tags of its nests, and
 * tables of the fields in them. For the files of the state only.
 */
#ifndef TINE_MASTER_STATE_TABLE_H
#define TINE_MASTER_STATE_TABLE_H

#include <limits.h>

#include "master/field.h"
#include "master/master.h"

/* Never used again for something else; above the tags of fields. */
enum state_tag {
	STATE_MASTER = 901,     /* nest: state_master_fields */
	STATE_WHOLE = 902,      /* nest: state_whole_fields */
	STATE_GENERATION = 903, /* nest: NUMBER, TEXT, and LISTENER for each
	                         of its listens in order */
	STATE_LISTENER = 904,   /* nest: state_listener_fields, URL, SLOTs,
	                         RELAYs and MEMBERs */
	STATE_SLOT = 905,       /* nest: state_slot_fields, ADOPTERs */
	STATE_MEMBER = 906,     /* of a listener: nest: state_member_fields */
	STATE_PROC = 907,       /* nest: state_proc_fields */
	STATE_PLACE = 908,      /* nest: state_place_fields */
	STATE_RESULT = 909,     /* nest: state_result_fields, REPORT */
	STATE_CONTROL = 910,    /* nest: control.c's */
	STATE_COUNTER = 912,    /* nest: state_counter_fields */
	STATE_ADMIN = 911,      /* nest: GENERATIONs and the PLACE of the admin
	                         child, and state_admin_fields */
	STATE_RELAY = 912,      /* of a listener: nest: READER and WRITER */
	STATE_READER = 913,     /* nest: as SLOT */
	STATE_WRITER = 914,     /* nest: as SLOT */
	STATE_ACCEPTOR = 915,   /* nest: its PLACE */

	/* within those nests */
	STATE_NUMBER = 1000,
	STATE_TEXT = 1001,
	STATE_URL = 1002,
	STATE_INDEX = 1003,   /* of a listener in the record; -1: gone */
	STATE_ADOPTER = 1004, /* its pid */
	STATE_REPORT = 1005,

	STATE_FOLDER = 7, /* among state_whole_fields */
};

/* What stands in no struct, or only as a pointer. */
struct state_whole {
	uint32_t generation, roll_from, roll_to; /* numbers; 0: none */
	int log_sink, log_level;
	bool is_daemon;
	char folder[PATH_MAX];
	char binary[PATH_MAX];
	char name[16]; /* of the process, as pgrep finds it */
	struct notify_manager manager;
};

/* A child, and what of it is a pointer or a watcher. */
struct state_proc {
	struct proc p;
	int page_fd;
	uint32_t generation;
	int place;
	int role;             /* 0: draining, 1: incumbent, 2: successor */
	uint64_t deadline_ns; /* 0: none */
	struct ctl_dialect dialect;
	struct board_layout layout;
};

struct state_place {
	struct place pl;
	uint32_t generation;
	uint64_t retry_ns; /* 0: the timer does not run */
};

/* A table and its length. */
struct state_fields {
	const struct field *fields;
	size_t n;
};
extern const struct state_fields state_master_fields, state_whole_fields,
    state_listener_fields, state_slot_fields, state_member_fields,
    state_proc_fields, state_place_fields, state_result_fields,
    state_admin_fields, state_counter_fields;

/* The number of an entry that is one of many; false: it is none. */
bool state_int(const struct tlv *entry, int64_t *value);
/* Let the slots of all listeners know their adopters. */
void state_load_adopters(struct master *, const struct tlv *root);

#endif

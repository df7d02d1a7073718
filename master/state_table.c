/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * state_table.c: the fields of the state's nests. Only data.
 */
#include "master/state_table.h"

#define BIG INT64_MAX
#define U32 UINT32_MAX

/* clang-format off */
#define I(tag, m, least, most) FIELD_OF(tag, FIELD_INT, T, m, least, most)
#define B(tag, m) I(tag, m, 0, 1)
#define R(tag, m) FIELD_OF(tag, FIELD_REAL, T, m, 0, 0)
#define X(tag, m) FIELD_OF(tag, FIELD_TEXT, T, m, 0, 0)
#define Y(tag, m) FIELD_OF(tag, FIELD_BYTES, T, m, 0, 0)
#define D(tag, m) FIELD_OF(tag, FIELD_FD, T, m, 0, 0)
#define TABLE(name, table) \
	const struct state_fields name = { table, nitems(table) }

#define T struct master
static const struct field master_fields[] = {
	I(1, last_generation, 1, U32),
	I(2, started_ns, 0, BIG),
	I(3, nplaces, 1, CONF_PROCESSES_MAX),
	I(4, nplaces_used, 1, CONF_PROCESSES_MAX),
	D(5, pid_fd),
	D(6, log_fd),
	I(7, log_change, 0, U32),
	R(8, bucket.tokens), R(9, bucket.most), I(10, bucket.filled_ns, 0, BIG),
	I(11, at_once.second, 0, BIG), I(12, at_once.used, 0, U32),
	Y(13, totals),
	I(14, crashes, 0, BIG), I(15, hangs, 0, BIG), I(16, reloads, 0, BIG),
	I(17, rollbacks, 0, BIG), I(18, upgrades, 0, BIG),
	B(19, was_ready),
	I(20, min_accepting, 0, CONF_PROCESSES_MAX * 2),
	I(21, cut, 0, BIG),
	X(22, last_error.text), X(23, last_error.hint),
	I(24, ops.last_ticket, 0, U32),
	I(25, ops.ticket, 0, U32),
	I(26, ops.kind, 0, OP_NKINDS - 1),
	I(27, ops.pending[OP_RELOAD].ticket, 0, U32),
	I(28, ops.pending[OP_SCALE].ticket, 0, U32),
	I(29, ops.pending[OP_SCALE].target, 0, CONF_PROCESSES_MAX),
	I(30, ops.pending[OP_UPGRADE].ticket, 0, U32),
	I(31, roll.phase, 0, ROLL_NPHASES - 1),
	I(32, roll.reason, 0, CTL_NREASONS - 1),
	I(33, scale.has_override, 0, 1),
	I(34, upgrade.phase, 0, UPGRADE_NPHASES - 1),
	X(35, upgrade.why.text), X(36, upgrade.why.hint),
	I(37, last_slot_id, 0, U32),
	I(38, scale.said_min, 0, CONF_PROCESSES_MAX),
	I(39, scale.said_max, 0, CONF_PROCESSES_MAX),
};
TABLE(state_master_fields, master_fields);
#undef T

#define T struct state_whole
static const struct field whole_fields[] = {
	I(1, generation, 1, U32),
	I(2, roll_from, 0, U32), I(3, roll_to, 0, U32),
	I(4, log_sink, 0, LOG_NSINKS - 1),
	I(5, log_level, 0, LOG_NLEVELS - 1),
	B(6, is_daemon),
	X(STATE_FOLDER, folder),
	X(8, binary),
	X(9, name),
	X(10, manager.socket), I(11, manager.watchdog_us, 0, BIG / 1000),
	I(12, manager.started, 0, INT32_MAX),
};
TABLE(state_whole_fields, whole_fields);
#undef T

#define T struct listener
static const struct field listener_fields[] = {
	I(1, said_port, 0, UINT16_MAX),
	B(3, has_slot_per_place),
	B(4, owns_path),
	I(5, path_dev, 0, BIG), I(6, path_ino, 0, BIG),
	B(7, is_admin), B(8, steer.is_blind), B(9, steer.has_program),
	B(10, is_lone), B(11, is_dispatched),
};
TABLE(state_listener_fields, listener_fields);
#undef T

#define T struct slot
static const struct field slot_fields[] = {
	I(1, id, 0, U32),
	D(2, fd),
	/* There can be more that were handed over than places. */
	I(3, place, SLOT_TARGET, CONF_PROCESSES_MAX * 2),
	B(4, is_listening), B(5, is_excluded),
	I(6, retire_ns, 0, BIG),
	I(7, opened_ns, 0, BIG),
	B(8, is_inherited), B(9, is_foreign),
};
TABLE(state_slot_fields, slot_fields);
#undef T

#define T struct steer_member
static const struct field member_fields[] = {
	I(1, id, 0, U32),
	B(2, is_excluded),
};
TABLE(state_member_fields, member_fields);
#undef T

#define T struct state_proc
static const struct field proc_fields[] = {
	I(1, p.state, 0, PROC_NSTATES - 1),
	I(2, p.last_state, 0, PROC_NSTATES - 1),
	I(3, p.pid, 1, INT32_MAX),
	D(4, p.pidfd),
	D(5, p.ctl),
	I(6, p.seq, 0, U32),
	I(7, p.owed, 0, U32),
	I(8, p.blocked_ns, 0, BIG),
	I(9, p.drain_reason, 0, CTL_NREASONS - 1),
	I(10, p.drain_ticket, 0, U32),
	I(11, p.log_change, 0, U32),
	I(12, p.born_ns, 0, BIG), I(13, p.prepared_ns, 0, BIG),
	I(14, p.ready_ns, 0, BIG),
	I(15, p.beat, INT64_MIN, BIG), I(16, p.beat_ns, 0, BIG),
	R(17, p.noise),
	B(18, p.is_held), B(19, p.is_hung), B(20, p.is_resuming),
	B(21, p.is_ending), B(22, p.is_sick), B(23, p.is_guilty),
	B(24, p.is_killed), B(25, p.is_buried),
	I(26, p.wait_status, INT32_MIN, INT32_MAX),
	I(27, p.messages.second, 0, BIG), I(28, p.messages.used, 0, U32),
	X(29, p.last_words),
	D(30, page_fd),
	I(31, generation, 1, U32),
	I(32, place, HERITAGE_ACCEPTOR, CONF_PROCESSES_MAX - 1),
	I(33, role, 0, 2),
	I(34, deadline_ns, 0, BIG),
	Y(35, dialect),
	Y(36, layout),
	B(37, p.is_asking),
	B(38, p.has_drained), B(39, p.has_quit),
};
TABLE(state_proc_fields, proc_fields);
#undef T

#define T struct state_place
static const struct field place_fields[] = {
	I(1, pl.number, HERITAGE_ACCEPTOR, CONF_PROCESSES_MAX - 1),
	B(2, pl.is_due), B(3, pl.wants_token), B(4, pl.wants_successor),
	B(5, pl.holds),
	I(6, pl.reason, 0, CTL_NREASONS - 1),
	I(7, pl.strikes, 0, U32),
	X(8, pl.last_strike),
	I(9, pl.restarts, 0, BIG),
	I(10, generation, 0, U32),
	I(11, retry_ns, 0, BIG),
};
TABLE(state_place_fields, place_fields);
#undef T

#define T struct admin
static const struct field admin_fields[] = {
	I(1, followed, 1, U32),
};
TABLE(state_admin_fields, admin_fields);
#undef T

#define T struct counter
static const struct field counter_fields[] = {
	X(1, name),
	I(2, value, 0, BIG),
};
TABLE(state_counter_fields, counter_fields);
#undef T

#define T struct op_result
static const struct field result_fields[] = {
	I(1, ticket, 1, U32),
	I(2, verdict, 0, OP_NVERDICTS - 1),
	I(3, err.code, 0, 255),
	X(4, err.text), X(5, err.hint),
};
TABLE(state_result_fields, result_fields);
#undef T
/* clang-format on */

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * directive_table.c: every key of the configuration as a row: type, place,
 * bounds, default, help. The sample conf/tine.yaml and the manual have the same
 * keys in the same order, which a test holds. Only data.
 */
#include "shared/conf.h"
#include "shared/directive.h"

const char *const conf_accept_names[CONF_ACCEPT_NMODES] = {
	[CONF_ACCEPT_AUTO] = "auto",
	[CONF_ACCEPT_REUSEPORT] = "reuseport",
	[CONF_ACCEPT_SHARED] = "shared",
	[CONF_ACCEPT_DISPATCH] = "dispatch",
};

const char *const conf_balance_names[CONF_BALANCE_NHOWS] = {
	[CONF_BALANCE_KERNEL] = "kernel",
	[CONF_BALANCE_ROUND_ROBIN] = "round-robin",
	[CONF_BALANCE_LEAST_CONNECTIONS] = "least-connections",
	[CONF_BALANCE_SOURCE_HASH] = "source-hash",
	[CONF_BALANCE_RANDOM] = "random",
};

const char *const conf_overload_names[CONF_OVERLOAD_NPOLICIES] = {
	[CONF_OVERLOAD_WAIT] = "wait",
	[CONF_OVERLOAD_CLOSE] = "close",
	[CONF_OVERLOAD_RESET] = "reset",
	[CONF_OVERLOAD_REPLY] = "reply",
};

#define SECOND 1000LL
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define KIB 1024LL
#define GIB (KIB * KIB * KIB)
#define PATH_LETTERS 4095
#define SOCKET_LETTERS (URL_PATH_MAX - 1)
#define NAME_LETTERS 63
#define MANY 100000000 /* connections */
#define FILES_MAX (1 << 20)

/* clang-format off */
#define F(field) offsetof(struct conf, field)
static const struct directive conf_table[] = {
	{ "processes", DIRECTIVE_PROCESSES, F(processes),
	    1, CONF_PROCESSES_MAX, "auto",
	    .help = "children, auto for one per CPU, or MIN:MAX" },
	{ "accept", DIRECTIVE_ENUM, F(accept), 0, CONF_ACCEPT_NMODES, "auto",
	    .help = "how children share a listener", .names = conf_accept_names },
	{ "balance", DIRECTIVE_ENUM, F(balance), 0, CONF_BALANCE_NHOWS, "kernel",
	    .help = "how connections are spread over children",
	    .names = conf_balance_names },
	{ "user", DIRECTIVE_TEXT, F(user), 1, NAME_LETTERS, NULL,
	    .help = "account that children run as" },
	{ "group", DIRECTIVE_TEXT, F(group), 1, NAME_LETTERS, NULL,
	    .help = "group that children run as" },
	{ "pid-file", DIRECTIVE_TEXT, F(pid_file), 1, PATH_LETTERS, NULL,
	    .help = "file that holds the master's pid" },
	{ "control", DIRECTIVE_TEXT, F(control), 1, SOCKET_LETTERS, NULL,
	    .help = "path of the control socket, or none" },
	{ "admin", DIRECTIVE_URL, F(admin), 1, URL_TEXT_MAX - 1, NULL,
	    .help = "URL for status page, metrics and health" },
	{ "log.file", DIRECTIVE_TEXT, F(log_file), 1, PATH_LETTERS, NULL,
	    .help = "error log: a file, stderr or syslog" },
	{ "log.level", DIRECTIVE_ENUM, F(log_level), 0, LOG_NLEVELS, "info",
	    .help = "least important lines to log", .names = log_level_names },
	{ "log.format", DIRECTIVE_ENUM, F(log_format), 0, LOG_NFORMATS, "text",
	    .help = "form of a line: text or json", .names = log_format_names },
	{ "start-timeout", DIRECTIVE_SECONDS, F(start_timeout),
	    SECOND, HOUR, "30s",
	    .help = "time a child has to become ready" },
	{ "drain-timeout", DIRECTIVE_SECONDS, F(drain_timeout),
	    0, DAY, "30s",
	    .help = "time connections have to end when a child leaves" },
	{ "hang-timeout", DIRECTIVE_SECONDS, F(hang_timeout),
	    SECOND, HOUR, "10s",
	    .help = "silence after which a child is killed" },
	{ "max-old-generations", DIRECTIVE_NUMBER, F(max_old_generations),
	    1, 1000, "4",
	    .help = "generations that may drain at once" },
	{ "core-dumps", DIRECTIVE_BOOL, F(core_dumps), 0, 0, "false",
	    .help = "let a crashing child leave a core file" },
	{ "max-connections", DIRECTIVE_NUMBER, F(max_connections),
	    1, MANY, "100000",
	    .help = "connections one child holds" },
	{ "recycle.connections", DIRECTIVE_NUMBER, F(recycle.connections),
	    0, INT64_MAX, "0",
	    .help = "connections after which a child is replaced" },
	{ "recycle.age", DIRECTIVE_SECONDS, F(recycle.age), 0, 365 * DAY, "0",
	    .help = "age at which a child is replaced" },
	{ "recycle.memory", DIRECTIVE_SIZE, F(recycle.memory),
	    0, 1024 * GIB, "0",
	    .help = "memory with which a child is replaced" },
	{ "rlimit-nofile", DIRECTIVE_NUMBER, F(rlimit_nofile),
	    128, FILES_MAX, "max",
	    .help = "open files of a process, or max", .zero = "max" },
	{ "cpu-affinity", DIRECTIVE_CPUS, F(cpu_affinity), 1, 1024, "none",
	    .help = "none, auto, or a list: one CPU for each child" },
	{ "timing.suspect", DIRECTIVE_SECONDS, F(suspect), SECOND, HOUR, "2s",
	    .help = "silence after which siblings serve a child's listeners" },
	{ "timing.prove", DIRECTIVE_SECONDS, F(prove), 0, HOUR, "1s",
	    .help = "time the first child of a new generation is watched" },
	{ "timing.commit", DIRECTIVE_SECONDS, F(commit), 0, HOUR, "10s",
	    .help = "time a new generation can still be rolled back" },
	{ "timing.orphan", DIRECTIVE_SECONDS, F(orphan), 0, HOUR, "10s",
	    .help = "time children serve on after the master's death" },
	{ "timing.drain-delay", DIRECTIVE_SECONDS, F(drain_delay), 0, HOUR, "0",
	    .help = "time to go on accepting after a stop was asked for" },
	{ "timing.keepalive-grace", DIRECTIVE_SECONDS, F(keepalive_grace),
	    0, HOUR, "5s",
	    .help = "time a leaving child waits for idle clients" },
	{ "overload.policy", DIRECTIVE_ENUM, F(overload.policy),
	    0, CONF_OVERLOAD_NPOLICIES, "wait",
	    .help = "what a connection past the limits gets",
	    .names = conf_overload_names },
	{ "overload.accept-rate", DIRECTIVE_NUMBER, F(overload.accept_rate),
	    0, MANY, "0",
	    .help = "connections a child accepts in a second" },
	{ "overload.lag", DIRECTIVE_SECONDS, F(overload.lag), 0, HOUR, "250ms",
	    .help = "delay of the event loop that counts as overload" },
	{ "offload.threads", DIRECTIVE_NUMBER, F(offload.threads),
	    0, 1024, "4",
	    .help = "threads of a child for blocking work" },
	{ "offload.queue", DIRECTIVE_NUMBER, F(offload.queue),
	    1, 1000000, "1024",
	    .help = "tasks that wait for such a thread" },
	{ "uid", DIRECTIVE_ID, F(uid), 0, UINT32_MAX - 1, NULL,
	    .help = "user that children run as", .is_derived = true },
	{ "gid", DIRECTIVE_ID, F(gid), 0, UINT32_MAX - 1, NULL,
	    .help = "group that children run as", .is_derived = true },
	{ "admin-listen", DIRECTIVE_LISTEN, F(admin_listens), 0, 0, NULL,
	    .help = "addresses of the admin listener", .is_derived = true },
	{ "folder", DIRECTIVE_TEXT, F(folder), 1, PATH_LETTERS, NULL,
	    .help = "folder that relative paths mean", .is_derived = true },
};
#undef F

#define F(field) offsetof(struct conf_server, field)
static const struct directive server_table[] = {
	{ "listen", DIRECTIVE_LISTEN, F(listens), 0, 0, NULL,
	    .help = "URLs to listen on" },
	{ "handler", DIRECTIVE_TEXT, F(handler), 1, PATH_LETTERS, "http",
	    .help = "name of a built-in handler or path of a shared object" },
	{ "may-stop", DIRECTIVE_BOOL, F(may_stop), 0, 0, "false",
	    .help = "the handler may stop the server", .is_derived = true },
	{ "options", DIRECTIVE_OPTIONS, F(options), 0, 0, NULL,
	    .help = "the handler's own options" },
	{ "timeouts.first-byte", DIRECTIVE_SECONDS, F(timeouts.first_byte),
	    0, 30 * DAY, "10s",
	    .help = "time a client has to send its first byte" },
	{ "timeouts.read", DIRECTIVE_SECONDS, F(timeouts.read),
	    0, 30 * DAY, "60s",
	    .help = "time a message begun has to be complete" },
	{ "timeouts.write", DIRECTIVE_SECONDS, F(timeouts.write),
	    0, 30 * DAY, "60s",
	    .help = "time a client may take no byte of output" },
	{ "timeouts.idle", DIRECTIVE_SECONDS, F(timeouts.idle),
	    0, 30 * DAY, "75s",
	    .help = "time a connection may be silent" },
	{ "timeouts.lifetime", DIRECTIVE_SECONDS, F(timeouts.lifetime),
	    0, 30 * DAY, "0",
	    .help = "age at which a connection is closed" },
	{ "limits.connections", DIRECTIVE_NUMBER, F(limits.connections),
	    0, MANY, "0",
	    .help = "connections of this server in one child" },
	{ "limits.per-address", DIRECTIVE_NUMBER, F(limits.per_address),
	    0, MANY, "0",
	    .help = "connections of one client's address in one child" },
	{ "limits.read-cap", DIRECTIVE_SIZE, F(limits.read_cap),
	    1, GIB, "64k",
	    .help = "input read at once" },
	{ "limits.input", DIRECTIVE_SIZE, F(limits.input),
	    1, GIB, "1m",
	    .help = "input kept for the handler before reading pauses" },
	{ "limits.output-low", DIRECTIVE_SIZE, F(limits.output_low),
	    0, GIB, "64k",
	    .help = "unsent output under which a handler goes on" },
	{ "limits.output-high", DIRECTIVE_SIZE, F(limits.output_high),
	    1, GIB, "256k",
	    .help = "unsent output past which a handler is told" },
	{ "limits.output", DIRECTIVE_SIZE, F(limits.output),
	    1, 1024 * GIB, "8m",
	    .help = "unsent output at which reading stops" },
	{ "budget.accepts", DIRECTIVE_NUMBER, F(budget.accepts),
	    1, 1000000, "64",
	    .help = "connections accepted in one turn" },
	{ "budget.bytes", DIRECTIVE_SIZE, F(budget.bytes),
	    1, GIB, "256k",
	    .help = "bytes a connection moves in one turn" },
	{ "budget.messages", DIRECTIVE_NUMBER, F(budget.messages),
	    1, 1000000, "256",
	    .help = "packets of a UDP listener served in one turn" },
};
#undef F

static const struct {
	const struct directive *rows;
	size_t n;
} tables[DIRECTIVE_NSCOPES] = {
	[DIRECTIVE_CONF] = { conf_table, nitems(conf_table) },
	[DIRECTIVE_SERVER] = { server_table, nitems(server_table) },
};
/* clang-format on */

const struct directive *
directive_table(enum directive_scope scope, size_t *n)
{
	*n = tables[scope].n;
	return tables[scope].rows;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * snapshot.h: how the handler of the admin pages learns what only the master
 * knows. The child asks over its channel, at most ten times a second; requests
 * that come meanwhile share the next answer. What is shown is therefore never
 * older than the request, and nobody's asking costs the master more than that.
 */
#ifndef TINE_CHILD_HANDLERS_SNAPSHOT_H
#define TINE_CHILD_HANDLERS_SNAPSHOT_H

#include <tine.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the master said. */
struct snapshot {
	/* No null ends them; NULL: the master had no memory for them, or is
	 * silent. */
	const char *json, *metrics;
	size_t json_len, metrics_len;
	const char *trouble; /* why no client should come, or NULL */
	bool is_alive;       /* the master answers */
};

/*
 * Put a question to the master, now or as soon as may be. Returns the number
 * of its answer. When that is there, or the master has been silent for two
 * seconds, `data` is called for every connection of the child.
 */
uint64_t snapshot_ask(struct tine_child *);
/*
 * The latest answer, if it is this one or a later one, or says that the master
 * is silent; NULL: wait. Valid until the callback returns.
 */
const struct snapshot *snapshot_get(const struct tine_child *, uint64_t number);

#endif

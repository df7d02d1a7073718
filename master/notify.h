/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * notify.h: what the master tells the service manager: sd_notify(3) by hand.
 * Without a service manager every call here does nothing.
 */
#ifndef TINE_MASTER_NOTIFY_H
#define TINE_MASTER_NOTIFY_H

#include <sys/types.h>

#include <bsd/sys/queue.h>
#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "shared/addr.h"
#include "shared/url.h"

/* What the environment said of the service manager. An upgrade in place hands
 * it on to the next image. Plain data. */
struct notify_manager {
	char socket[URL_PATH_MAX + 4]; /* a path, or "@name"; "": none. One that
					  is too long stays too long. */
	uint64_t watchdog_us;          /* 0: none */
	pid_t started; /* the process it started: with -d not the master */
};

struct notify_message;
TAILQ_HEAD(notify_queue, notify_message);

/* The master's end of it. All zero: there is nobody to tell. */
struct notify {
	struct ev_loop *loop;
	int fd; /* -1: likewise */
	struct addr addr;
	bool has_failed;           /* that was said in the log */
	char status[256];          /* the last one */
	struct notify_queue queue; /* what it had no room for */
	unsigned queued;
	bool (*is_healthy)(void *arg);
	void *arg;
	uint64_t watchdog_ns;
	uint64_t tick_ns, ping_ns; /* when the last ones were */
	ev_timer retry_w, watchdog_w;
};

/* First thing in main(): take the service manager's variables out of the
 * environment, where no other process shall find them. */
void notify_take_environment(void);
/* What was found there, and the same as if it were found there. */
const struct notify_manager *notify_manager(void);
void notify_set_manager(const struct notify_manager *);

/*
 * Open the way to the service manager. is_healthy is asked at half of the time
 * that its watchdog allows: while it is false, or the loop itself is late, the
 * watchdog hears nothing. Loop, function and arg must outlive notify_fini().
 */
void notify_init(struct notify *, struct ev_loop *, bool (*is_healthy)(void *),
    void *arg);
/* Tell what still waits, if there is room, and close. */
void notify_fini(struct notify *);
/* Is there a service manager? */
bool notify_has_manager(const struct notify *);

/*
 * None of these waits. When the service manager has no room the message is
 * kept and sent later, in order; an older one of the same kind is dropped.
 * Another failure is logged, once until it works again.
 */

/* All places serve, at first or after a reload, whether that succeeded or was
 * rolled back. */
void notify_ready(struct notify *);
/* A reload begins; notify_ready() ends it. */
void notify_reloading(struct notify *);
/* The end has begun. */
void notify_stopping(struct notify *);
/* One line for people; what is no printable ASCII becomes '?'. */
void notify_status(struct notify *, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* What is under way, a start or a stop, may take this long from now. */
void notify_extend(struct notify *, double seconds);
/* Keep a copy of this listening socket, so that its queue outlives us; see
 * fdname.h. The descriptor remains the caller's. */
void notify_store(struct notify *, int fd, const struct url *, unsigned index);
/* Keep it no longer. */
void notify_unstore(struct notify *, const struct url *, unsigned index);
/* The same by the name that it was handed over with. */
void notify_unstore_name(struct notify *, const char *name);

/* What the watchdog's timer does; now is mono_ns(). */
void notify_tick(struct notify *, uint64_t now, bool is_healthy);

#endif

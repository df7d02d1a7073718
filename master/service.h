/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * service.h: when the service manager is told what. How it is told is
 * notify.h's.
 */
#ifndef TINE_MASTER_SERVICE_H
#define TINE_MASTER_SERVICE_H

#include "master/master.h"

void service_init(struct master *);
/* The last words. */
void service_fini(struct master *);
/* The master went from one state to another. */
void service_on_state(struct master *, enum master_state from,
    enum master_state to);
/* After every change: one line for people, and the sockets it is to keep. */
void service_update(struct master *);
/* What takes long needs more time, each second. */
void service_each_second(struct master *);
/* This listener goes: its sockets need not be kept. */
void service_forget(struct master *, struct listener *);

#endif

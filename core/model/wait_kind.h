/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What kind of thing a goroutine waits for, by the runtime's reason (Go src/runtime/runtime2.go,
 * waitReasonStrings). One table for the pyramid's cells and, through core/view/contract.c, for the
 * UI. Constants; any thread.
 */
#ifndef XGOTOPFS_MODEL_WAIT_KIND_H
#define XGOTOPFS_MODEL_WAIT_KIND_H

enum wait_kind {
	WAIT_OTHER,   /* or it is not known why */
	WAIT_SYNC,    /* locks, wait groups, condition variables */
	WAIT_CHANNEL, /* channels and select */
	WAIT_NETWORK, /* the poller: sockets, pipes */
	WAIT_SLEEP,
	WAIT_IDLE, /* the runtime's own, until there is work for them */
	WAIT_GC,   /* the collector keeps it */
	WAIT_KINDS,
};

/* "sync", "channel", …; NULL when out of range. */
const char *wait_kind_name(unsigned kind);
/* Of a reason's text; WAIT_OTHER for "" and for what is not in the table. */
enum wait_kind wait_kind_of(const char *reason);

/* The table: the first whose text a reason begins with says its kind. Ends with a NULL. */
struct wait_kind_prefix {
	const char *text;
	enum wait_kind kind;
};
extern const struct wait_kind_prefix wait_kind_prefixes[];

#endif

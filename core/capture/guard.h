/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Watches over the traced file. A breakpoint belongs to a place in a file: when other code is
 * written there, the kernel puts it into the middle of that code's instructions, and the program
 * dies.
 *
 * A read lease (fcntl(2) F_SETLEASE) makes whoever wants to write wait, in his open(2) or
 * truncate(2), until we have let go of the file: for the tens of milliseconds that taking the
 * probes out lasts. Who opens with O_NONBLOCK is told EAGAIN instead, that once. Afterwards the
 * lease is asked for again until nobody has the file open for writing any more. The kernel waits
 * for us no longer than /proc/sys/fs/lease-break-time, 45 s; who was late there can trust in
 * nothing any more.
 *
 * A thread of its own, on which the callbacks run. guard_*() from any thread.
 */
#ifndef XGOTOPFS_CAPTURE_GUARD_H
#define XGOTOPFS_CAPTURE_GUARD_H

#include <stdbool.h>
#include <stdint.h>

struct guard;

enum guard_state {
	GUARD_HELD,   /* nobody can write to the file before `release` is done */
	GUARD_WRITER, /* somebody has it open for writing, or may have */
	GUARD_NONE,   /* there are no leases on this file that could be relied on */
	GUARD_LOST,   /* the kernel let somebody write before we were ready: for good */
};

struct guard_ops {
	void *ctx;
	/* Somebody waits to write. 0 once nothing of ours is in the file; -errno: ask again. */
	int (*release)(void *ctx);
	/* When the lease was gone already: did somebody on our side let it go, with nothing left in
	 * the file? Asked again for some seconds while it says no. */
	bool (*was_released)(void *ctx);
	void (*held)(void *ctx); /* held again: look at the file, it may be another */
	void (*lost)(void *ctx); /* GUARD_LOST, after `release` */
};

/*
 * `fd` is the file, open for reading; borrowed, and for nothing else that takes leases. The thread
 * keeps the capabilities `caps` that `ops` need (core/base/privilege.h) besides CAP_LEASE. The
 * first state is there when this returns, unannounced. 0 or -errno.
 */
int guard_new(int fd, uint64_t caps, const struct guard_ops *ops, struct guard **ret);
/* Ends the thread. The lease goes when `fd` is closed: no probe may be left then. NULL is fine. */
void guard_free(struct guard *g);

enum guard_state guard_state(const struct guard *g);
/* Is the lease held this very moment? */
bool guard_holds(const struct guard *g);

/* Can leases on this file be relied on: is it on a file system whose every writer passes this
 * kernel's open(2)? */
bool guard_trusts_leases(int fd);

#endif

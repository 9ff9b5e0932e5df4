/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The runtime's own records of who waits: sudogs, channels, the table of semaphores. Readers of
 * memory alone: they know the layouts, and no program. Whatever is there, each of them ends, within
 * bounds of memory. For this room.
 */
#ifndef XGOTOPFS_MEMORY_WAIT_SUDOGS_H
#define XGOTOPFS_MEMORY_WAIT_SUDOGS_H

#include "core/memory/address_map.h"
#include "core/memory/wait_graph.h"
#include "core/target/target.h"

/* runtime2.go sudog. */
struct sudog {
	uint64_t address;
	uint64_t g, next, prev, elem, waitlink, c;
	uint32_t owner; /* whose it is, in the caller's numbers */
	bool in_recvq, in_sendq;
};

struct sudogs {
	struct sudog *list; /* each once, in the order they were found */
	size_t n, cap;
	struct address_map by_address;
	bool cut; /* there are more than WAIT_SUDOGS_MAX */
};

void sudogs_free(struct sudogs *s);

/* Where a goroutine's sudogs begin. */
struct sudog_head {
	uint64_t address, g;
	uint32_t owner;
	bool chain; /* along waitlink: of channels, not of semaphores */
};

/*
 * Adds the sudogs of each. `broken[owner]` is set where they make no sense (not this g's, a ring,
 * no such memory), and then not all of them are there. 0, -ESRCH, -EPERM, -ENOMEM.
 */
int sudogs_read(const struct go_layout *l, pid_t pid, const struct sudog_head *heads, size_t n,
		bool *broken, struct sudogs *s);

/* sema.go semTable: adds those of all semaphores, with owner ADDRESS_NONE. What does not lie where
 * its address belongs is left out. `table` is a runtime address. Errors as above and -EFAULT. */
int sudogs_read_semaphores(const struct go_layout *l, pid_t pid, uint64_t table, struct sudogs *s);

/* Reads them once more: `broken[owner]` is set of one that is not as it was. */
int sudogs_check(const struct go_layout *l, pid_t pid, const struct sudogs *s, bool *broken);

/* chan.go hchan. */
struct channel {
	uint64_t address;
	bool ok; /* it could be read and makes sense */
	uint64_t len, cap, elem_type, recvq, sendq;
	uint16_t elem_bytes;
	bool closed, timer;
	uint64_t timer_at; /* of its runtime.timer, when it is told; 0 */
};

/* Fills those whose address is given. 0, -ESRCH, -EPERM, -ENOMEM. */
int channels_read(const struct go_layout *l, pid_t pid, struct channel *list, size_t n);

/* Marks the sudogs that are in the queues of a channel. `budget` bounds how many that are not in
 * the list are looked at on the way, over all calls. */
int channel_mark_queues(const struct go_layout *l, pid_t pid, const struct channel *c,
			struct sudogs *s, size_t *budget);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What copies of the runtime's functions (copies.h) mean for the probes: found once, while a target
 * is opened. For place_sites.c and target.c.
 */
#ifndef XGOTOPFS_TARGET_PLACE_COPIES_H
#define XGOTOPFS_TARGET_PLACE_COPIES_H

#include "core/target/target.h"

struct copied {
	/* PROBE_STATE_SWAP: copies of casgstatus; with `syscalls` also the swaps that
	 * reentersyscall and exitsyscall have of their own, in them and in their copies. */
	struct probe_site *swaps;
	size_t n_swaps;
	/* PROBE_NEWPROC_GOID in the copies of newproc1. */
	struct probe_site *goids;
	size_t n_goids;
	bool states, syscalls, newproc, gdestroy; /* this was copied somewhere */
	char missing[320]; /* the functions with copies that no probe can see, ", " between; "" */
};

/* 0 or -ENOMEM. copied_free() also when it fails. */
int copied_find(const struct target *t, struct copied *ret);
void copied_free(struct copied *c);

#endif
